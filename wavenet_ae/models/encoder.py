"""The temporal encoder: a sound to a short sequence of vectors."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from wavenet_ae.models.layers import Conv, average_pool


class TemporalEncoder(nn.Module):
    """The non-causal encoder of Engel et al. 2017, section 2.1 and figure 1.

    Attributes:
        channels: of the residual layers.
        num_layers: residual layers.
        dilation_cycle: layer i has dilation 2 ** (i mod dilation_cycle).
        embedding_size: channels of the embedding.
        hop_length: samples that one vector of the embedding stands for.
        dtype: of the computation.
    """

    channels: int = 128
    num_layers: int = 30
    dilation_cycle: int = 10
    embedding_size: int = 16
    hop_length: int = 512
    dtype: DTypeLike = jnp.float32

    def setup(self):
        self.start = Conv(1, self.channels, width=3, dtype=self.dtype)
        self.dilated = [
            Conv(
                self.channels,
                self.channels,
                width=3,
                dilation=2 ** (i % self.dilation_cycle),
                dtype=self.dtype,
            )
            for i in range(self.num_layers)
        ]
        self.pointwise = [
            Conv(self.channels, self.channels, dtype=self.dtype) for _ in range(self.num_layers)
        ]
        self.bottleneck = Conv(self.channels, self.embedding_size, dtype=self.dtype)

    @property
    def context_samples(self) -> int:
        """How far one sample of the residual stream sees to each side."""
        return 1 + sum(2 ** (i % self.dilation_cycle) for i in range(self.num_layers))

    def __call__(self, signal: jax.Array) -> jax.Array:
        """Encodes a batch of signals.

        Args:
            signal: `[batch, time]`, mu-law codes / 128; time is a multiple of `hop_length`.

        Returns:
            float32 `[batch, time / hop_length, embedding_size]`.
        """
        x = self.start(signal[..., None])
        for dilated, pointwise in zip(self.dilated, self.pointwise, strict=True):
            x = x + pointwise(nn.relu(dilated(nn.relu(x))))
        return average_pool(self.bottleneck(x).astype(jnp.float32), self.hop_length)
