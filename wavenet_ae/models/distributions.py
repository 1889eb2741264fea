"""The distributions of a sample, of which a decoder gives the parameters."""

import dataclasses
import math
from typing import Protocol

import jax
import jax.numpy as jnp
import optax

from wavenet_ae.audio import mu_law


class Distribution(Protocol):
    """How a sample is stored, and what a decoder's outputs say of the next one.

    Attributes:
        num_outputs: numbers that the decoder gives for a sample.
        values: of a sample: whole numbers.
    """

    @property
    def num_outputs(self) -> int: ...

    @property
    def values(self) -> range: ...

    def quantize(self, audio: jax.Array) -> jax.Array:
        """Returns the int32 samples of audio, float32 of any shape, full scale -1..1."""
        ...

    def to_audio(self, samples: jax.Array) -> jax.Array:
        """Returns samples as float32 audio, within -1..1."""
        ...

    def add_noise(self, samples: jax.Array, steps: jax.Array) -> jax.Array:
        """Returns the samples moved by integer steps of mu-law codes, within `values`."""
        ...

    def nats(self, outputs: jax.Array, samples: jax.Array) -> jax.Array:
        """Returns the negative logarithms of the samples' probabilities.

        Args:
            outputs: float32 `[batch, time, num_outputs]`.
            samples: int32 `[batch, time]`.

        Returns:
            float32 `[batch, time]`.
        """
        ...

    def draw(self, outputs: jax.Array, uniform: jax.Array, temperature: jax.Array) -> jax.Array:
        """Draws samples.

        Args:
            outputs: float32 `[batch, num_outputs]`.
            uniform: float32 `[batch]`, random in [0, 1): one number a sample is all the
                randomness.
            temperature: float32 scalar: 1 draws from the distribution, less from a narrower one;
                0 takes the most probable class or component.

        Returns:
            int32 `[batch]`.
        """
        ...


@dataclasses.dataclass(frozen=True)
class MuLawClasses:
    """A softmax over the codes of 8-bit mu-law; see `Distribution`."""

    @property
    def num_outputs(self) -> int:
        """A logit for each code."""
        return mu_law.NUM_CLASSES

    @property
    def values(self) -> range:
        """The codes."""
        return range(-mu_law.NUM_CLASSES // 2, mu_law.NUM_CLASSES // 2)

    def quantize(self, audio: jax.Array) -> jax.Array:
        """Returns the codes of audio."""
        return mu_law.encode(audio)

    def to_audio(self, samples: jax.Array) -> jax.Array:
        """Returns the audio of codes."""
        return mu_law.decode(samples)

    def add_noise(self, samples: jax.Array, steps: jax.Array) -> jax.Array:
        """Returns the codes plus the steps."""
        return mu_law.add(samples, steps)

    def nats(self, outputs: jax.Array, samples: jax.Array) -> jax.Array:
        """Returns the cross-entropy."""
        # In the model classes come first, so this transposes no array.
        logits = jnp.moveaxis(outputs, -1, 0)
        return optax.softmax_cross_entropy_with_integer_labels(
            logits, mu_law.to_labels(samples), axis=0
        )

    def draw(self, outputs: jax.Array, uniform: jax.Array, temperature: jax.Array) -> jax.Array:
        """Draws codes; the temperature divides the logits."""
        return mu_law.from_labels(sample_categorical(outputs, uniform, temperature))


def sample_categorical(logits: jax.Array, uniform: jax.Array, temperature: jax.Array) -> jax.Array:
    """Draws a class by inverting the cumulative distribution.

    Args:
        logits: float32 `[batch, classes]`.
        uniform: float32 `[batch]`, random in [0, 1): one number a sample is all the randomness.
        temperature: float32 scalar that divides the logits; 0 takes the most probable class.

    Returns:
        int32 `[batch]`.
    """
    is_random = temperature > 0
    largest = logits.max(axis=-1, keepdims=True)
    scaled = (logits - largest) / jnp.where(is_random, temperature, 1.0)
    weights = jnp.where(is_random, jnp.exp(scaled), logits == largest)
    # First the block of classes, then the class in it: sums over all classes would take longer
    # than all else that is done with the logits.
    classes = logits.shape[-1]
    num_blocks = math.ceil(math.sqrt(classes))
    width = math.ceil(classes / num_blocks)
    weights = jnp.pad(weights, ((0, 0), (0, num_blocks * width - classes)))
    blocks = weights.reshape(-1, num_blocks, width)
    sums = blocks.sum(axis=-1)
    target = jnp.where(is_random, uniform, 0.0) * sums.sum(axis=-1)
    block, before = _first_index_above(sums, target)
    is_chosen = jnp.arange(num_blocks) == block[:, None]
    chosen = jnp.where(is_chosen[..., None], blocks, 0.0).sum(axis=1)
    # Rounding must not make it negative: the first class would be drawn, whatever its weight.
    place, _ = _first_index_above(chosen, jnp.maximum(target - before, 0.0))
    return (block * width + place).astype(jnp.int32)


def _first_index_above(weights: jax.Array, target: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Returns the first index where the cumulative sum is above a target.

    Args:
        weights: `[batch, classes]`.
        target: `[batch]`.

    Returns:
        The index, and the sum of the weights before it. If rounding has left the total below the
        target, the index is the last one that has a weight.
    """
    cumulative = jnp.cumsum(weights, axis=-1)
    is_before = (cumulative <= target[:, None]) & (cumulative < cumulative[:, -1:])
    return is_before.sum(axis=-1), jnp.where(is_before, weights, 0.0).sum(axis=-1)
