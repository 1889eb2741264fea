"""The loss of the spectral autoencoder: low frequencies count more."""

import jax
import jax.numpy as jnp
import numpy as np


def frequency_weights(
    num_bins: int = 512,
    *,
    sample_rate_hz: int = 16_000,
    peak: float = 10.0,
    flat_from_hz: float = 4_000.0,
) -> np.ndarray:
    """Weights of the squared error at each frequency (Engel et al. 2017, section 2.2).

    Args:
        num_bins: of the spectrogram, from 0 Hz to just below half the sample rate.
        sample_rate_hz: of the audio.
        peak: weight at 0 Hz.
        flat_from_hz: from this frequency on all weights are 1; below it they rise linearly.

    Returns:
        float32 `[num_bins]`.
    """
    bins_hz = np.arange(num_bins) * (sample_rate_hz / 2 / num_bins)
    num_sloping = int(np.sum(bins_hz < flat_from_hz))
    weights = np.ones(num_bins, np.float32)
    # As in the authors' code, the line reaches 1 at the last bin below the flat part.
    weights[:num_sloping] = np.linspace(peak, 1.0, num_sloping)
    return weights


def weighted_squared_error(
    target: jax.Array, prediction: jax.Array, weights: jax.Array | np.ndarray
) -> jax.Array:
    """Mean over frequency and time of the weighted squared error, added up over channels.

    Args:
        target: `[batch, frequency, time, channels]`.
        prediction: of the same shape.
        weights: `[frequency]`.

    Returns:
        float32 `[batch]`.
    """
    error = jnp.square(target.astype(jnp.float32) - prediction.astype(jnp.float32))
    return jnp.mean(error * weights[:, None, None], axis=(1, 2)).sum(axis=-1)
