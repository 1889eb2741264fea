"""Spectrograms as the spectral networks read them, and the way back to sound.

Source: Engel et al. 2017, section 2.2, which tried three representations and found the log
magnitude the best. The network reads `[batch, 512, 256, channels]`: the spectrum of 4 s without its
top bin, with its 251 frames padded to a multiple of the product of all strides.
"""

import functools
from typing import Literal, get_args

import jax
import jax.numpy as jnp

from wavenet_ae.audio import spectral

Representation = Literal["log_magnitude", "log_magnitude_and_frequency", "real_and_imaginary"]
REPRESENTATIONS = get_args(Representation)
NUM_CHANNELS = dict(zip(REPRESENTATIONS, (1, 2, 2), strict=True))
# Spectrograms are this large for the network, [frequency, time].
NETWORK_SHAPE = (512, 256)


@functools.partial(jax.jit, static_argnames="representation")
def from_audio(audio: jax.Array, representation: Representation) -> jax.Array:
    """Computes the spectrograms of whole notes.

    Args:
        audio: float32 [batch, samples], at most 65,535 samples.
        representation: `log_magnitude` in [0, 1], which loses the note's own level;
            `log_magnitude_and_frequency`, the second channel in [-1, 1]; or
            `real_and_imaginary`, which keeps the level.

    Returns:
        float32 [batch, 512, 256, channels]; zeros after the note's last frame.

    Raises:
        ValueError: the representation is unknown, or the notes are too long.
    """
    spectrum = spectral.stft(audio)
    match representation:
        case "log_magnitude":
            features = spectral.log_magnitude(spectrum)[..., jnp.newaxis]
        case "log_magnitude_and_frequency":
            features = spectral.log_magnitude_and_frequency(spectrum)
        case "real_and_imaginary":
            features = spectral.real_and_imaginary(spectrum)
        case _:
            raise ValueError(f"representation={representation!r} is unknown")
    return _to_network(features)


def to_audio(
    features: jax.Array,
    representation: Representation,
    num_samples: int,
    keys: jax.Array,
    *,
    num_iterations: int = 1000,
    momentum: float = 0.0,
) -> jax.Array:
    """Turns what `from_audio` returns, or a network's prediction of it, into sound.

    Args:
        features: float [batch, 512, 256, channels].
        representation: what the channels are.
        num_samples: of the sound.
        keys: random keys [batch], for the phases where the representation has none.
        num_iterations: of `spectral.griffin_lim`, where there is no phase.
        momentum: likewise.

    Returns:
        float32 [batch, num_samples]; the peak is 1 where the representation has no level.

    Raises:
        ValueError: the representation is unknown, or has another number of channels.
    """
    if features.shape[3] != NUM_CHANNELS.get(representation):
        raise ValueError(f"{features.shape[3]} channels are not {representation}")
    features = _from_network(features, spectral.num_frames(num_samples))
    match representation:
        case "log_magnitude":
            magnitude = spectral.from_log_magnitude(features[..., 0])
            audio = spectral.griffin_lim(magnitude, keys, num_iterations, momentum, num_samples)
        case "log_magnitude_and_frequency":
            audio = spectral.audio_from_log_magnitude_and_frequency(features, num_samples)
        case "real_and_imaginary":
            return spectral.audio_from_real_and_imaginary(features, num_samples)
    return spectral.normalize_peak(audio)


def _to_network(features: jax.Array) -> jax.Array:
    """Fits features [batch, 513, frames, channels] to the network."""
    frames, most = features.shape[2], NETWORK_SHAPE[1]
    if frames > most:
        raise ValueError(f"the network reads {most} frames, the notes have {frames}")
    return jnp.pad(features[:, :-1], ((0, 0), (0, 0), (0, most - frames), (0, 0)))


def _from_network(features: jax.Array, frames: int) -> jax.Array:
    """Undoes `_to_network`; the top bin is zeros."""
    if features.shape[1:3] != NETWORK_SHAPE or not 0 < frames <= NETWORK_SHAPE[1]:
        raise ValueError(f"expected {NETWORK_SHAPE} bins and frames, got {features.shape[1:3]}")
    return jnp.pad(features[:, :, :frames], ((0, 0), (0, 1), (0, 0), (0, 0)))
