"""8-bit mu-law codes, which the WaveNet reads and predicts.

Source: Engel et al. 2017, section 2.1 (after van den Oord et al. 2016, section 2.2), mu = 255.
"""

import jax
import jax.numpy as jnp

NUM_CLASSES = 256
_MU = 255.0
_HALF = NUM_CLASSES // 2


def encode(audio: jax.Array) -> jax.Array:
    """Quantises audio.

    Args:
        audio: float32 of any shape, full scale -1..1; values beyond are clipped.

    Returns:
        int32 codes of the same shape, -128..127. The authors' code gives +1.0 the code 128, for
        which there is no class; here it is 127.
    """
    magnitude = _compressed_magnitude(audio)
    codes = jnp.floor(_HALF * jnp.sign(audio) * magnitude)
    return jnp.clip(codes, -_HALF, _HALF - 1).astype(jnp.int32)


def decode(codes: jax.Array) -> jax.Array:
    """Returns the centre of each code's bin.

    Args:
        codes: integers of any shape, -128..127.

    Returns:
        float32 audio of the same shape, within -1..1; code 0 gives exactly 0.
    """
    return jnp.where(codes == 0, 0.0, expand((codes.astype(jnp.float32) + 0.5) / _HALF))


def compress(audio: jax.Array) -> jax.Array:
    """Returns audio on the codes' scale without rounding: float32 within -1..1, 1 for 128 codes."""
    return jnp.sign(audio) * _compressed_magnitude(audio)


def expand(compressed: jax.Array) -> jax.Array:
    """Returns the audio of what `compress` returns."""
    magnitude = jnp.expm1(jnp.abs(compressed) * jnp.log(1.0 + _MU)) / _MU
    return jnp.sign(compressed) * magnitude


def _compressed_magnitude(audio: jax.Array) -> jax.Array:
    return jnp.log1p(_MU * jnp.abs(audio)) / jnp.log(1.0 + _MU)


def to_unit_range(codes: jax.Array) -> jax.Array:
    """Returns the codes as the networks read them: float32 within -1..1 (code / 128)."""
    return codes.astype(jnp.float32) / _HALF


def to_half_range(codes: jax.Array) -> jax.Array:
    """Returns the codes as the translation network reads them: float32 within -0.5..0.5.

    These are labels / 255 - 0.5 (Mor et al. 2019, the released code).
    """
    return (codes.astype(jnp.float32) + 0.5) / (NUM_CLASSES - 1)


def add(codes: jax.Array, steps: jax.Array) -> jax.Array:
    """Returns the sums of codes and steps, clipped to -128..127."""
    return jnp.clip(codes + steps, -_HALF, _HALF - 1)


def to_labels(codes: jax.Array) -> jax.Array:
    """Returns the codes as class labels, 0..255."""
    return codes + _HALF


def from_labels(labels: jax.Array) -> jax.Array:
    """Returns the codes of class labels; the inverse of `to_labels`."""
    return labels - _HALF
