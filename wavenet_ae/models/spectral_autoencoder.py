"""The spectral autoencoder: the baseline that the WaveNet autoencoder is compared with."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from wavenet_ae.audio.representations import NETWORK_SHAPE, NUM_CHANNELS, Representation
from wavenet_ae.models.arithmetic import CPU, Arithmetic
from wavenet_ae.models.initializers import scaled_uniform
from wavenet_ae.models.strided import StridedConv, TransposedConv


def conv_arithmetic(platform: str | None, dtype: DTypeLike, precision: str | None) -> Arithmetic:
    """Returns `Arithmetic.on` for XLA's convolutions, which bfloat16 speeds up on no CPU."""
    return Arithmetic.on(platform, jnp.float32 if platform == CPU else dtype, precision)


class BatchNorm(nn.Module):
    """Batch normalisation with a shift and no scale, as TensorFlow's fused kernel computes it.

    Unlike Flax's own, the moving variance follows the unbiased estimate: where a layer ends in one
    position, as the bottleneck does, a batch of 8 has 8 values and the two differ by 8/7.

    Attributes:
        features: channels.
        decay: of the moving statistics.
        epsilon: added to the variance.
    """

    features: int
    decay: float = 0.999
    epsilon: float = 1e-3

    def setup(self):
        self.bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, (self.features,))
        self.var = self.variable("batch_stats", "var", jnp.ones, (self.features,))

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Maps `[..., features]` to the same shape and type; computes in float32."""
        dtype, x = x.dtype, x.astype(jnp.float32)
        mean, var = self.mean.value, self.var.value
        if train:
            axes = tuple(range(x.ndim - 1))
            mean = x.mean(axes)
            # The mean of squares less the square of the mean would lose digits.
            var = jnp.square(x - mean).mean(axes)
            if not self.is_initializing():
                count = x.size // self.features
                unbiased = var * (count / max(count - 1, 1))
                self.mean.value = self.decay * self.mean.value + (1 - self.decay) * mean
                self.var.value = self.decay * self.var.value + (1 - self.decay) * unbiased
        return ((x - mean) * jax.lax.rsqrt(var + self.epsilon) + self.bias).astype(dtype)


class NormalizedConv(nn.Module):
    """A convolution over frequency and time, batch normalisation and leaky ReLU.

    Attributes:
        features: channels of the output.
        kernel_size: (frequency, time).
        strides: (frequency, time).
        transposed: upsample by the strides instead of downsampling.
        activation: False leaves out the leaky ReLU.
        batch_norm_decay: of the moving statistics.
        arithmetic: the types of the computation; parameters and statistics are float32.
    """

    features: int
    kernel_size: tuple[int, int] = (1, 1)
    strides: tuple[int, int] = (1, 1)
    transposed: bool = False
    activation: bool = True
    batch_norm_decay: float = 0.999
    arithmetic: Arithmetic = Arithmetic()

    def setup(self):
        conv = TransposedConv if self.transposed else StridedConv
        self.conv = conv(self.features, self.kernel_size, self.strides, self.arithmetic)
        self.norm = BatchNorm(self.features, self.batch_norm_decay)

    def __call__(self, x: jax.Array, train: bool) -> jax.Array:
        """Maps `[batch, frequency, time, channels]` to `[batch, ..., features]`."""
        x = self.norm(self.conv(x), train)
        return nn.leaky_relu(x, 0.1) if self.activation else x


class SpectralEncoder(nn.Module):
    """A spectrogram to one vector (Engel et al. 2017, section 2.2).

    Attributes:
        narrow_channels: of the layers at high resolution.
        middle_channels: of those between.
        wide_channels: of those at low resolution.
        bottleneck_channels: of the layer before the vector.
        embedding_size: of the vector.
        batch_norm_decay: of the moving statistics.
        arithmetic: the types of the computation.
    """

    narrow_channels: int = 128
    middle_channels: int = 256
    wide_channels: int = 512
    bottleneck_channels: int = 1024
    embedding_size: int = 1984
    batch_norm_decay: float = 0.999
    arithmetic: Arithmetic = Arithmetic()

    def setup(self):
        narrow, middle, wide = self.narrow_channels, self.middle_channels, self.wide_channels
        layer = functools.partial(
            NormalizedConv, batch_norm_decay=self.batch_norm_decay, arithmetic=self.arithmetic
        )
        self.layers = [
            layer(narrow, (5, 5), (2, 2)),
            *(
                layer(features, (4, 4), (2, 2))
                for features in (narrow, narrow, middle, middle, middle, wide, wide)
            ),
            layer(wide, (4, 4), (2, 1)),
            layer(self.bottleneck_channels),
            layer(self.embedding_size, activation=False),
        ]

    def __call__(self, spectrogram: jax.Array, train: bool = False) -> jax.Array:
        """Encodes a batch of spectrograms.

        Args:
            spectrogram: `[batch, 512, 256, channels]`, low frequencies first.
            train: normalise by this batch and update the moving statistics (the collection
                `batch_stats`), instead of normalising by them.

        Returns:
            float32 `[batch, embedding_size]`.

        Raises:
            ValueError: the spectrograms are of another size.
        """
        if spectrogram.shape[1:3] != NETWORK_SHAPE:
            raise ValueError(
                f"spectrograms are {NETWORK_SHAPE}, these are {spectrogram.shape[1:3]}"
            )
        x = spectrogram
        for layer in self.layers:
            x = layer(x, train)
        return x[:, 0, 0].astype(jnp.float32)


class SpectralDecoder(nn.Module):
    """One vector to a spectrogram: the encoder's mirror image.

    Attributes:
        narrow_channels: as the encoder's.
        middle_channels: as the encoder's.
        wide_channels: as the encoder's.
        bottleneck_channels: as the encoder's.
        representation: what the channels of the spectrogram are.
        batch_norm_decay: of the moving statistics.
        arithmetic: the types of the computation.
    """

    narrow_channels: int = 128
    middle_channels: int = 256
    wide_channels: int = 512
    bottleneck_channels: int = 1024
    representation: Representation = "log_magnitude"
    batch_norm_decay: float = 0.999
    arithmetic: Arithmetic = Arithmetic()

    def setup(self):
        narrow, middle, wide = self.narrow_channels, self.middle_channels, self.wide_channels
        layer = functools.partial(
            NormalizedConv,
            transposed=True,
            batch_norm_decay=self.batch_norm_decay,
            arithmetic=self.arithmetic,
        )
        self.layers = [
            layer(self.bottleneck_channels),
            *(
                layer(features, (4, 4), (2, 2))
                for features in (wide, wide, middle, middle, middle, narrow, narrow)
            ),
            layer(narrow, (5, 5), (2, 2)),
            layer(narrow, (5, 5), (2, 1)),
        ]
        self.output = nn.Conv(
            NUM_CHANNELS[self.representation],
            (1, 1),
            kernel_init=scaled_uniform("fan_avg"),
            dtype=self.arithmetic.operands,
            precision=self.arithmetic.precision,
        )

    def __call__(self, z: jax.Array, train: bool = False) -> jax.Array:
        """Decodes a batch of vectors.

        Args:
            z: `[batch, size]`, with the pitch's embedding where there is one.
            train: as the encoder's.

        Returns:
            float32 `[batch, 512, 256, channels]`.
        """
        x = z[:, None, None]
        for layer in self.layers:
            x = layer(x, train)
        x = self.output(x).astype(jnp.float32)
        match self.representation:
            case "log_magnitude":  # in [0, 1]
                return nn.sigmoid(x)
            case "log_magnitude_and_frequency":  # in [0, 1] and [-1, 1]
                return jnp.concatenate([nn.sigmoid(x[..., :1]), jnp.tanh(x[..., 1:])], axis=-1)
            case "real_and_imaginary":
                return x
        raise ValueError(f"representation={self.representation!r} is unknown")


class SpectralAutoencoder(nn.Module):
    """Engel et al. 2017, section 2.2; the defaults are the sizes of the authors' code.

    The moving statistics of batch normalisation are the collection `batch_stats`: mutable in
    training, which normalises by the batch.

    Attributes:
        narrow_channels: of the layers at high resolution.
        middle_channels: of those between.
        wide_channels: of those at low resolution.
        bottleneck_channels: of the layers beside the embedding.
        embedding_size: of the embedding, one vector for a whole note.
        num_pitches: 0, or how many pitches have a learned vector that the decoder gets beside the
            embedding (section 2.3); 128 for MIDI.
        pitch_embedding_size: of that vector.
        representation: what the channels of the spectrograms are. The authors' code has a sigmoid
            after the last layer, as the log magnitude has here; the others end in
            activations for the range of their values.
        batch_norm_decay: of the moving statistics; the authors' is for long runs.
        dtype: of the computation on accelerators; parameters and statistics are float32.
        matmul_precision: of float32 products on accelerators: see `Arithmetic`.
        platform: of the devices, as JAX names it.
    """

    narrow_channels: int = 128
    middle_channels: int = 256
    wide_channels: int = 512
    bottleneck_channels: int = 1024
    embedding_size: int = 1984
    num_pitches: int = 128
    pitch_embedding_size: int = 128
    representation: Representation = "log_magnitude"
    batch_norm_decay: float = 0.999
    dtype: DTypeLike = jnp.float32
    matmul_precision: str | None = None
    platform: str | None = None

    @property
    def arithmetic(self) -> Arithmetic:
        """What the model computes in."""
        return conv_arithmetic(self.platform, self.dtype, self.matmul_precision)

    def setup(self):
        shared = {
            "narrow_channels": self.narrow_channels,
            "middle_channels": self.middle_channels,
            "wide_channels": self.wide_channels,
            "bottleneck_channels": self.bottleneck_channels,
            "batch_norm_decay": self.batch_norm_decay,
            "arithmetic": self.arithmetic,
        }
        self.encoder = SpectralEncoder(embedding_size=self.embedding_size, **shared)
        self.decoder = SpectralDecoder(representation=self.representation, **shared)
        if self.num_pitches:
            self.pitch_embedding = nn.Embed(
                self.num_pitches,
                self.pitch_embedding_size,
                embedding_init=nn.initializers.normal(1.0),
            )

    def __call__(
        self, spectrogram: jax.Array, pitch: jax.Array | None = None, train: bool = False
    ) -> jax.Array:
        """Encodes and decodes spectrograms.

        Args:
            spectrogram: `[batch, 512, 256, channels]`, low frequencies first.
            pitch: int32 `[batch]`, MIDI; read only where `num_pitches` is not 0.
            train: normalise by this batch, whose statistics go into `batch_stats`.

        Returns:
            float32, of the spectrogram's shape.
        """
        return self.decode(self.encode(spectrogram, train), pitch, train)

    def encode(self, spectrogram: jax.Array, train: bool = False) -> jax.Array:
        """Returns the embedding of `[batch, 512, 256, channels]`: `[batch, size]`."""
        return self.encoder(spectrogram, train)

    def decode(
        self, z: jax.Array, pitch: jax.Array | None = None, train: bool = False
    ) -> jax.Array:
        """Decodes embeddings.

        Args:
            z: `[batch, embedding_size]`.
            pitch: as in `__call__`.
            train: as in `__call__`.

        Returns:
            float32 `[batch, 512, 256, channels]`.

        Raises:
            ValueError: the model is conditioned on pitch and none is given.
        """
        if self.num_pitches:
            if pitch is None:
                raise ValueError("this model is conditioned on pitch, and none was given")
            z = jnp.concatenate([z, self.pitch_embedding(pitch)], axis=-1)
        return self.decoder(z, train)
