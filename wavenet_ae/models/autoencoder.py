"""The WaveNet autoencoder: temporal encoder and WaveNet decoder in one model."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from wavenet_ae.audio import mu_law
from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.decoder import Conditioning, OutputInit, WaveNetDecoder
from wavenet_ae.models.distributions import MuLawClasses
from wavenet_ae.models.encoder import TemporalEncoder


class WaveNetAutoencoder(nn.Module):
    """Engel et al. 2017, section 2.1; the defaults are the paper's sizes.

    Attributes:
        encoder_channels: of the encoder's layers.
        encoder_layers: residual layers of the encoder.
        decoder_channels: of the decoder's residual stream.
        skip_channels: of the decoder's skip sum and head.
        decoder_layers: gated layers of the decoder.
        dilation_cycle: in both, layer i has dilation 2 ** (i mod dilation_cycle).
        embedding_size: channels of the embedding.
        hop_length: samples per vector of the embedding.
        num_pitches: 0, or the size of the one-hot pitch that the decoder is conditioned on beside
            the embedding (section 2.3); 128 for MIDI.
        pitch_lags: see `WaveNetDecoder`; needs `num_pitches`.
        num_classes: values of a sample: 256 for 8-bit mu-law.
        output_init: see `WaveNetDecoder`.
        rematerialize: see `WaveNetDecoder`; the encoder, far smaller, keeps its activations.
        dtype: of the products' operands, and of activations on accelerators; parameters, their
            gradients, sums and logits are float32.
        matmul_precision: of float32 products on accelerators: see `Arithmetic`.
        platform: of the devices, as JAX names it: see `Arithmetic.on`.
    """

    encoder_channels: int = 128
    encoder_layers: int = 30
    decoder_channels: int = 512
    skip_channels: int = 256
    decoder_layers: int = 30
    dilation_cycle: int = 10
    embedding_size: int = 16
    hop_length: int = 512
    num_pitches: int = 0
    pitch_lags: int = 0
    num_classes: int = 256
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
    def distribution(self) -> MuLawClasses:
        """Of a sample."""
        return MuLawClasses()

    @property
    def context_samples(self) -> int:
        """How many past samples a prediction depends on: the decoder's receptive field."""
        return self.bind({}).decoder.context_samples

    def setup(self):
        self.encoder = TemporalEncoder(
            channels=self.encoder_channels,
            num_layers=self.encoder_layers,
            dilation_cycle=self.dilation_cycle,
            embedding_size=self.embedding_size,
            hop_length=self.hop_length,
            arithmetic=self.arithmetic,
        )
        self.decoder = WaveNetDecoder(
            channels=self.decoder_channels,
            skip_channels=self.skip_channels,
            num_layers=self.decoder_layers,
            dilation_cycle=self.dilation_cycle,
            conditioning_size=self.embedding_size + self.num_pitches,
            num_outputs=self.num_classes,
            output_init=self.output_init,
            pitch_lags=self.pitch_lags,
            rematerialize=self.rematerialize,
            arithmetic=self.arithmetic,
        )

    def __call__(
        self,
        signal: jax.Array,
        pitch: jax.Array | None = None,
        decoder_inputs: jax.Array | None = None,
    ) -> jax.Array:
        """Encodes signals and predicts each of their samples from the past and the embedding.

        Args:
            signal: `[batch, time]`, mu-law codes / 128; time is a multiple of `hop_length`.
            pitch: int32 `[batch]`, MIDI; read only where `num_pitches` is not 0.
            decoder_inputs: the decoder's past samples, if they are not the signal's.

        Returns:
            float32 logits `[batch, time, num_classes]`.
        """
        decoder_inputs = signal if decoder_inputs is None else decoder_inputs
        return self.decoder(decoder_inputs, self.with_pitch(self.encoder(signal), pitch), pitch)

    def encode(self, signal: jax.Array, num_samples: jax.Array | None = None) -> jax.Array:
        """Returns the embedding of `[batch, time]`: see `TemporalEncoder`."""
        return self.encoder(signal, num_samples)

    @staticmethod
    def to_signal(codes: jax.Array) -> jax.Array:
        """Returns mu-law codes as encoder and decoder read them: float32, codes / 128."""
        return mu_law.to_unit_range(codes)

    def condition(self, embedding: jax.Array, pitch: jax.Array | None) -> Conditioning:
        """Projects an embedding, with its pitch, for the decoder's layers.

        Args:
            embedding: `[batch, num_frames, embedding_size]`.
            pitch: see `with_pitch`.
        """
        return self.decoder.condition(self.with_pitch(embedding, pitch), pitch)

    def with_pitch(self, embedding: jax.Array, pitch: jax.Array | None) -> jax.Array:
        """Concatenates the one-hot pitch to every frame where the model is conditioned on it.

        Args:
            embedding: `[batch, num_frames, embedding_size]`.
            pitch: int32 `[batch]`, or None for a model without pitch conditioning.

        Returns:
            `[batch, num_frames, embedding_size + num_pitches]`.

        Raises:
            ValueError: the model is conditioned on pitch and none is given.
        """
        if not self.num_pitches:
            return embedding
        if pitch is None:
            raise ValueError("this model is conditioned on pitch, and none was given")
        one_hot = jax.nn.one_hot(pitch, self.num_pitches, dtype=embedding.dtype)
        frames = jnp.broadcast_to(one_hot[:, None], (*embedding.shape[:2], self.num_pitches))
        return jnp.concatenate([embedding, frames], axis=-1)
