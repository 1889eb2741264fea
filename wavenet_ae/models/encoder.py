"""The temporal encoder: a sound to a short sequence of vectors."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp

from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.layers import Conv, Initializer, average_pool, scaled_matrix


class TemporalEncoder(nn.Module):
    """The non-causal encoder of Engel et al. 2017, section 2.1 and figure 1.

    Attributes:
        channels: of the residual layers.
        num_layers: residual layers.
        dilation_cycle: layer i has dilation 2 ** (i mod dilation_cycle).
        embedding_size: channels of the embedding.
        hop_length: samples per vector of the embedding.
        activates_input: whether a ReLU comes before each dilated convolution, too, as in the paper.
        kernel_init: see `Conv`.
        arithmetic: the types of the computation.
    """

    channels: int = 128
    num_layers: int = 30
    dilation_cycle: int = 10
    embedding_size: int = 16
    hop_length: int = 512
    activates_input: bool = True
    kernel_init: Initializer = scaled_matrix
    arithmetic: Arithmetic = Arithmetic()

    def setup(self):
        conv = functools.partial(Conv, kernel_init=self.kernel_init, arithmetic=self.arithmetic)
        channels = self.channels
        self.start = conv(1, channels, width=3)
        self.dilated = [
            conv(channels, channels, width=3, dilation=2 ** (i % self.dilation_cycle))
            for i in range(self.num_layers)
        ]
        self.pointwise = [conv(channels, channels) for _ in range(self.num_layers)]
        self.bottleneck = conv(channels, self.embedding_size)

    @property
    def context_samples(self) -> int:
        """The receptive field of one sample of the residual stream, to each side."""
        return 1 + sum(2 ** (i % self.dilation_cycle) for i in range(self.num_layers))

    def __call__(self, signal: jax.Array, num_samples: jax.Array | None = None) -> jax.Array:
        """Encodes a batch of signals.

        Args:
            signal: `[batch, time]`, scaled mu-law codes; time is a multiple of `hop_length`.
            num_samples: int32 scalar, the length of a signal that was padded, with whatever: its
                own frames are then the same as without padding.

        Returns:
            float32 `[batch, time / hop_length, embedding_size]`.
        """

        def without_padding(x: jax.Array) -> jax.Array:
            # It is zero for every layer, not what the layer before made of it; for the first, too:
            # not every model reads silence as zero.
            if num_samples is None:
                return x
            return jnp.where(jnp.arange(signal.shape[1]) < num_samples, x, 0)

        def activations(x: jax.Array) -> jax.Array:
            return without_padding(x).astype(self.arithmetic.activations)

        x = activations(self.start(without_padding(signal)[None]))
        for dilated, pointwise in zip(self.dilated, self.pointwise, strict=True):
            hidden = dilated(nn.relu(x) if self.activates_input else x)
            hidden = nn.relu(hidden).astype(self.arithmetic.activations)
            x = activations(x + pointwise(hidden))
        return jnp.moveaxis(average_pool(self.bottleneck(x), self.hop_length), 0, -1)
