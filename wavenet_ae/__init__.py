"""The NSynth WaveNet autoencoder (Engel et al., ICML 2017) in JAX and Flax."""

__version__ = "0.1.0"
