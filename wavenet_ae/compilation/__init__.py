"""What XLA makes of the training step and of the sampler for a TPU slice that is not there."""
