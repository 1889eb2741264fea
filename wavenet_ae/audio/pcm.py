"""Samples as integers and as floats."""

import jax
import jax.numpy as jnp


def to_float(audio: jax.Array) -> jax.Array:
    """Returns audio as float32, full scale -1..1; int16 is scaled, floats stay as they are."""
    if audio.dtype == jnp.int16:
        return audio.astype(jnp.float32) / 32_768
    return audio.astype(jnp.float32)
