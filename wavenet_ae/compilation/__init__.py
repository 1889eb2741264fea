"""The training step and the sampler as XLA compiles them for a TPU slice, without a TPU."""
