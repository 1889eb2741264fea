"""The distributions of a sample, of which a decoder gives the parameters."""

import dataclasses
import math
from typing import Protocol

import jax
import jax.numpy as jnp
import optax

from wavenet_ae.audio import mu_law

_FULL_SCALE = 2**15  # steps of 16 bits
# In steps. Below half of one a narrower component says little more, and a miss costs without limit;
# above twice the range a wider one says nothing more.
_LOG_SCALES = math.log(0.5), math.log(4 * _FULL_SCALE)
_LEAST_SHARE = 2.0**-24  # of what float32 can tell from 0 and 1


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


@dataclasses.dataclass(frozen=True)
class LogisticMixture:
    """A mixture of logistic distributions, discretised to 16-bit samples; see `Distribution`.

    Salimans et al. 2017 (PixelCNN++, arXiv 1701.05517), section 2.1, as in Parallel WaveNet (van
    den Oord et al. 2017, arXiv 1711.10433). A sample has the probability of the interval of half a
    step around it, the least and the greatest that of all beyond, too.

    The outputs are a logit, a mean and the logarithm of a scale for each component; full scale is
    1. Outputs of zero give components that are spread evenly over the range, each as wide as its
    part of it: were they the same, their gradients would be, and they would remain one.

    Attributes:
        num_components: logistic distributions.
    """

    num_components: int = 10

    @property
    def num_outputs(self) -> int:
        """Three for each component."""
        return 3 * self.num_components

    @property
    def values(self) -> range:
        """Those of 16 bits."""
        return range(-_FULL_SCALE, _FULL_SCALE)

    def quantize(self, audio: jax.Array) -> jax.Array:
        """Returns the nearest 16-bit samples of audio."""
        return _to_16_bits(audio * _FULL_SCALE)

    def to_audio(self, samples: jax.Array) -> jax.Array:
        """Returns samples / 32768."""
        return samples.astype(jnp.float32) / _FULL_SCALE

    def add_noise(self, samples: jax.Array, steps: jax.Array) -> jax.Array:
        """Returns the samples moved on the mu-law scale, where they become audible alike."""
        compressed = mu_law.compress(self.to_audio(samples)) + mu_law.to_unit_range(steps)
        return self.quantize(mu_law.expand(compressed))

    def nats(self, outputs: jax.Array, samples: jax.Array) -> jax.Array:
        """Returns the negative logarithms of the intervals' probabilities."""
        logits, means, log_scales = self._components(outputs)
        inverse_scales = jnp.exp(-log_scales)
        above = (samples + 0.5 - means) * inverse_scales
        below = (samples - 0.5 - means) * inverse_scales
        # The logistic function's s(a) - s(b) is s(a) s(-b) (1 - exp(b - a)), without cancellation.
        up_to, beyond = jax.nn.log_sigmoid(above), jax.nn.log_sigmoid(-below)
        interval = up_to + beyond + jnp.log(-jnp.expm1(-inverse_scales))
        interval = jnp.where(samples == -_FULL_SCALE, up_to, interval)
        interval = jnp.where(samples == _FULL_SCALE - 1, beyond, interval)
        return -jax.nn.logsumexp(jax.nn.log_softmax(logits, axis=0) + interval, axis=0)

    def draw(self, outputs: jax.Array, uniform: jax.Array, temperature: jax.Array) -> jax.Array:
        """Draws samples; the temperature divides the logits, and multiplies the scales."""
        logits, means, log_scales = self._components(outputs)
        is_random = temperature > 0
        weights = jnp.exp((logits - logits.max(axis=0)) / temperature)
        weights = jnp.where(is_random, weights, 1.0)
        target = uniform * weights.sum(axis=0)
        drawn, before = _first_index_above(weights.T, target)
        component = jnp.where(is_random, drawn, logits.argmax(axis=0))
        is_chosen = jnp.arange(self.num_components)[:, None] == component

        def chosen(x: jax.Array) -> jax.Array:
            return jnp.where(is_chosen, x, 0.0).sum(axis=0)

        # How far the number lies between the component's edges is uniform, too.
        within = (target - before) / chosen(weights)
        within = jnp.clip(within, _LEAST_SHARE, 1 - _LEAST_SHARE)
        noise = jnp.exp(chosen(log_scales)) * jnp.log(within / (1 - within))
        return _to_16_bits(chosen(means) + jnp.where(is_random, temperature * noise, 0.0))

    def _components(self, outputs: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Returns logits, means and log scales, `[num_components, ...]`, in steps of 16 bits."""
        logits, means, log_scales = jnp.split(jnp.moveaxis(outputs, -1, 0), 3)
        centres = (2 * jnp.arange(self.num_components) + 1) / self.num_components - 1
        means = _FULL_SCALE * (means + centres.reshape(-1, *[1] * (means.ndim - 1)))
        # Standard deviations of a logistic distribution are 1.8 scales, those of a uniform one its
        # width / sqrt(12).
        log_scales += math.log(_FULL_SCALE / self.num_components * math.sqrt(4 / 12) / 1.8)
        return logits, means, jnp.clip(log_scales, *_LOG_SCALES)


def _to_16_bits(steps: jax.Array) -> jax.Array:
    return jnp.clip(jnp.round(steps), -_FULL_SCALE, _FULL_SCALE - 1).astype(jnp.int32)


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
