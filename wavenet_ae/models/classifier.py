"""The classifier that scores reconstructions: a note's labels from its spectrogram."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.spectral_autoencoder import SpectralEncoder, conv_arithmetic


class Logits(NamedTuple):
    """Unnormalised scores of a batch of notes, float32.

    Attributes:
        pitch: `[batch, num_pitches]`, exclusive.
        qualities: `[batch, num_qualities]`, independent: above 0 means yes.
        family: `[batch, num_families]`, exclusive.
        source: `[batch, num_sources]`, exclusive.
    """

    pitch: jax.Array
    qualities: jax.Array
    family: jax.Array
    source: jax.Array


class Classifier(nn.Module):
    """Engel et al. 2017, section 4.1: the baseline's encoder with one logit for every label.

    The moving statistics of batch normalisation are the collection `batch_stats`, as the spectral
    autoencoder's. The last layer is normalised too, as in the authors' code.

    Attributes:
        narrow_channels: of the layers at high resolution.
        middle_channels: of those between.
        wide_channels: of those at low resolution.
        bottleneck_channels: of the layer before the logits.
        num_pitches: MIDI has 128.
        num_qualities: as in the data.
        num_families: as in the data.
        num_sources: as in the data.
        batch_norm_decay: of the moving statistics.
        dtype: of the computation on accelerators; parameters and statistics are float32.
        matmul_precision: of float32 products on accelerators: see `Arithmetic`.
        platform: of the devices, as JAX names it.
    """

    narrow_channels: int = 128
    middle_channels: int = 256
    wide_channels: int = 512
    bottleneck_channels: int = 1024
    num_pitches: int = 128
    num_qualities: int = 10
    num_families: int = 11
    num_sources: int = 3
    batch_norm_decay: float = 0.999
    dtype: DTypeLike = jnp.float32
    matmul_precision: str | None = None
    platform: str | None = None

    @property
    def arithmetic(self) -> Arithmetic:
        """What the model computes in."""
        return conv_arithmetic(self.platform, self.dtype, self.matmul_precision)

    def setup(self):
        self.trunk = SpectralEncoder(
            narrow_channels=self.narrow_channels,
            middle_channels=self.middle_channels,
            wide_channels=self.wide_channels,
            bottleneck_channels=self.bottleneck_channels,
            embedding_size=sum(self._sizes()),
            batch_norm_decay=self.batch_norm_decay,
            arithmetic=self.arithmetic,
        )

    def _sizes(self) -> Logits:
        return Logits(self.num_pitches, self.num_qualities, self.num_families, self.num_sources)

    def __call__(self, spectrogram: jax.Array, train: bool = False) -> Logits:
        """Scores the labels of `[batch, 512, 256, 1]` log magnitudes.

        Args:
            spectrogram: low frequencies first.
            train: normalise by this batch, whose statistics go into `batch_stats`.
        """
        ends = np.cumsum(self._sizes())[:-1]
        return Logits(*jnp.split(self.trunk(spectrogram, train), ends, axis=-1))
