"""The MIDI-conditioned WaveNet: a piano roll and the past of a sound to the next sample.

Hawthorne et al., "Enabling Factorized Piano Music Modeling and Generation with the MAESTRO Dataset"
(ICLR 2019, arXiv 1810.12247), the section on piano synthesis. It was never released. The paper
gives the decoder's stacks of 10 layers, the context stack of 2 x 6 layers that looks to both sides,
the roll of 88 keys at 250 Hz and the mixture of logistics; all other sizes are ours.
"""

import functools
import math
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from wavenet_ae.audio import mu_law
from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.decoder import Conditioning, OutputInit, WaveNetDecoder
from wavenet_ae.models.distributions import Distribution, LogisticMixture, MuLawClasses
from wavenet_ae.models.layers import Conv, scaled_matrix

_KEYS_AT_ONCE = 4


def _sparse_matrix(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Draws `[out, in]` for inputs of which few are not zero: with variance 1 / those few.

    By the number of all keys, a chord would begin as a whisper in what conditions the decoder.
    """
    return scaled_matrix(key, shape) * math.sqrt(shape[1] / _KEYS_AT_ONCE)


class ContextStack(nn.Module):
    """Gated residual layers over a piano roll that look to both sides.

    Attributes:
        num_keys: of the roll.
        channels: of the residual stream, which is the output.
        num_layers: gated layers.
        dilation_cycle: layer i has dilation 2 ** (i mod dilation_cycle), in frames.
        width: taps of each, an odd number.
        arithmetic: the types of the computation.
    """

    num_keys: int = 88
    channels: int = 128
    num_layers: int = 12
    dilation_cycle: int = 6
    width: int = 3
    arithmetic: Arithmetic = Arithmetic()

    def setup(self):
        conv = functools.partial(Conv, arithmetic=self.arithmetic)
        channels, layers = self.channels, range(self.num_layers)
        self.start = conv(self.num_keys, channels, kernel_init=_sparse_matrix)
        self.dilated = [
            conv(channels, 2 * channels, width=self.width, dilation=2 ** (i % self.dilation_cycle))
            for i in layers
        ]
        self.residual = [conv(channels, channels) for _ in layers]

    @property
    def margin(self) -> int:
        """How many frames to each side an output depends on."""
        reach = sum(2 ** (i % self.dilation_cycle) for i in range(self.num_layers))
        return self.width // 2 * reach

    def __call__(self, roll: jax.Array) -> jax.Array:
        """Computes the frames that have their complete surroundings.

        Args:
            roll: float32 `[batch, num_frames + 2 * margin, num_keys]`, 0..1.

        Returns:
            float32 `[batch, num_frames, channels]`.

        Raises:
            ValueError: the roll has not a frame more than the margins.
        """
        num_frames = roll.shape[1] - 2 * self.margin
        if num_frames < 1:
            raise ValueError(
                f"a roll of {roll.shape[1]} frames is no longer than two margins of {self.margin}"
            )
        activations = self.arithmetic.activations
        x = self.start(jnp.moveaxis(roll, -1, 0)).astype(activations)
        for dilated, residual in zip(self.dilated, self.residual, strict=True):
            gate, filtered = jnp.split(dilated(x).astype(activations), 2)
            x = x + residual(nn.sigmoid(gate) * jnp.tanh(filtered)).astype(activations)
        # What the zeros around the roll have reached is cut off.
        x = jax.lax.dynamic_slice_in_dim(x, self.margin, num_frames, axis=-1)
        return jnp.moveaxis(x, 0, -1).astype(jnp.float32)


class MidiWaveNet(nn.Module):
    """The decoder, conditioned on the context stack's frames, which are the embedding.

    Attributes:
        decoder_channels: of the decoder's residual stream.
        skip_channels: of the decoder's skip sum and head.
        decoder_layers: gated layers of the decoder: the paper's are 3 (later 6) stacks of 10.
        dilation_cycle: layer i of the decoder has dilation 2 ** (i mod dilation_cycle).
        width: taps of the decoder's convolutions.
        context_channels: of the context stack.
        context_layers: gated layers of the context stack.
        context_dilation_cycle: layer i of it has dilation 2 ** (i mod context_dilation_cycle).
        context_width: taps of its convolutions, an odd number.
        num_keys: of the piano roll.
        hop_length: samples of a frame of the roll.
        output: what a sample is drawn from: `mu_law`, a softmax over 8-bit codes; `logistics`, a
            mixture over 16-bit samples.
        num_logistics: components of the mixture.
        output_init: see `WaveNetDecoder`.
        rematerialize: see `WaveNetDecoder`; the context stack keeps its activations.
        dtype: see `WaveNetAutoencoder`, as for the next two.
        matmul_precision: of float32 products on accelerators.
        platform: of the devices.
    """

    decoder_channels: int = 256
    skip_channels: int = 256
    decoder_layers: int = 60
    dilation_cycle: int = 10
    width: int = 3
    context_channels: int = 128
    context_layers: int = 12
    context_dilation_cycle: int = 6
    context_width: int = 3
    num_keys: int = 88
    hop_length: int = 64
    output: Literal["mu_law", "logistics"] = "mu_law"
    num_logistics: int = 10
    output_init: OutputInit = "authors"
    rematerialize: bool = False
    dtype: DTypeLike = jnp.float32
    matmul_precision: str | None = None
    platform: str | None = None

    @property
    def arithmetic(self) -> Arithmetic:
        """What the model computes in."""
        return Arithmetic.on(self.platform, self.dtype, self.matmul_precision)

    @property
    def distribution(self) -> Distribution:
        """Of a sample."""
        return MuLawClasses() if self.output == "mu_law" else LogisticMixture(self.num_logistics)

    @property
    def embedding_size(self) -> int:
        """Channels of the embedding: the context stack's."""
        return self.context_channels

    @property
    def context_samples(self) -> int:
        """How many past samples a prediction depends on: the decoder's receptive field."""
        return self.bind({}).decoder.context_samples

    @property
    def roll_margin(self) -> int:
        """How many frames of the roll to each side a frame of the embedding depends on."""
        return self.bind({}).context.margin

    def setup(self):
        self.context = ContextStack(
            num_keys=self.num_keys,
            channels=self.context_channels,
            num_layers=self.context_layers,
            dilation_cycle=self.context_dilation_cycle,
            width=self.context_width,
            arithmetic=self.arithmetic,
        )
        self.decoder = WaveNetDecoder(
            channels=self.decoder_channels,
            skip_channels=self.skip_channels,
            num_layers=self.decoder_layers,
            dilation_cycle=self.dilation_cycle,
            conditioning_size=self.context_channels,
            num_outputs=self.distribution.num_outputs,
            output_init=self.output_init,
            width=self.width,
            rematerialize=self.rematerialize,
            arithmetic=self.arithmetic,
        )

    def __call__(self, signal: jax.Array, roll: jax.Array) -> jax.Array:
        """Predicts every sample of signals from the past and the notes.

        Args:
            signal: `[batch, time]`, from `to_signal`; time is a multiple of `hop_length`.
            roll: float32 `[batch, time / hop_length + 2 * roll_margin, num_keys]`, 0..1.

        Returns:
            float32 `[batch, time, num_outputs]`, the parameters of `distribution`.
        """
        return self.decode(signal, self.embed(roll))

    def embed(self, roll: jax.Array) -> jax.Array:
        """Returns the embedding of a piano roll: see `ContextStack`."""
        return self.context(roll)

    def decode(self, signal: jax.Array, embedding: jax.Array) -> jax.Array:
        """Predicts every sample of a signal from the past and the embedding."""
        return self.decoder(signal, embedding)

    def to_signal(self, samples: jax.Array) -> jax.Array:
        """Returns samples as the decoder reads them: float32 within -1..1, on the mu-law scale.

        Those of 16 bits, too: quiet sounds would be lost in small numbers.
        """
        if self.output == "mu_law":
            return mu_law.to_unit_range(samples)
        return mu_law.compress(self.distribution.to_audio(samples))

    def condition(self, embedding: jax.Array, pitch: None = None) -> Conditioning:
        """Projects an embedding `[batch, num_frames, embedding_size]` for the decoder's layers."""
        return self.decoder.condition(embedding)
