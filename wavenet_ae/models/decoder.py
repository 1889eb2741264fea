"""The WaveNet decoder: the past of a sound and an embedding to the next sample."""

import functools
from collections.abc import Callable
from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from wavenet_ae.models import pitch_lags
from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.layers import Conv, Initializer, Taps, add_per_frame, convolve, scaled_matrix

OutputInit = Literal["authors", "zeros"]
# Computes one of the causal convolutions: of a whole signal, or of its next sample.
Convolution = Callable[[Conv, jax.Array], jax.Array]


class Conditioning(NamedTuple):
    """An embedding, projected for each layer of the decoder that it conditions.

    Attributes:
        layers: one `[2 * channels, batch, num_frames]` a layer, float32.
        output: `[skip_channels, batch, num_frames]`, float32.
        pitch: int32 `[batch, num_frames]` for a decoder with `pitch_lags`.
    """

    layers: list[jax.Array]
    output: jax.Array
    pitch: jax.Array | None = None


class DecoderState(NamedTuple):
    """The state of step-by-step decoding.

    Attributes:
        buffers: one ring buffer per causal convolution, the first layer's first; before them, with
            `pitch_lags`, that of the past which they read.
        time: scalar int32, samples decoded.
    """

    buffers: list[jax.Array]
    time: jax.Array


class DecoderLayer(nn.Module):
    """One gated residual layer (van den Oord et al. 2016, equation 2, with local conditioning).

    Attributes:
        channels: of the residual stream.
        skip_channels: of the skip sum.
        conditioning_size: channels of the embedding.
        dilation: of the causal convolution.
        has_residual: False for the last layer, whose residual output nothing reads.
        width: taps of the causal convolution.
        kernel_init: see `Conv`.
        arithmetic: the types of the computation.
    """

    channels: int
    skip_channels: int
    conditioning_size: int
    dilation: int
    has_residual: bool
    width: int
    kernel_init: Initializer
    arithmetic: Arithmetic

    def setup(self):
        conv = functools.partial(Conv, kernel_init=self.kernel_init, arithmetic=self.arithmetic)
        channels = self.channels
        self.dilated = conv(
            channels, 2 * channels, width=self.width, dilation=self.dilation, causal=True
        )
        self.conditioning = conv(self.conditioning_size, 2 * channels)
        self.skip = conv(channels, self.skip_channels)  # the decoder multiplies by its kernel
        if self.has_residual:
            self.residual = conv(channels, channels)

    def __call__(
        self, x: jax.Array, conditioning: jax.Array, convolution: Convolution = Conv.__call__
    ) -> tuple[jax.Array, jax.Array]:
        """Computes the layer.

        Args:
            x: `[channels, batch, time]`.
            conditioning: `[2 * channels, batch, num_frames]`.
            convolution: computes the dilated convolution.

        Returns:
            The layer's output, and the activations that are projected into the skip sum, both of
            x's shape.
        """
        pre_gate = convolution(self.dilated, x).astype(x.dtype)
        pre_gate = add_per_frame(pre_gate, conditioning).astype(x.dtype)
        gate, filtered = jnp.split(pre_gate, 2)
        hidden = nn.sigmoid(gate) * jnp.tanh(filtered)
        if self.has_residual:
            x = x + self.residual(hidden).astype(x.dtype)
        return x, hidden


class WaveNetDecoder(nn.Module):
    """The causal decoder of Engel et al. 2017, section 2.1.

    It runs over a whole signal (`__call__`, with the true past: teacher forcing) or a sample at a
    time (`initial_state`, `step`), with the same weights.

    Attributes:
        channels: of the residual stream.
        skip_channels: of the skip sum and the head.
        num_layers: gated layers.
        dilation_cycle: layer i has dilation 2 ** (i mod dilation_cycle).
        conditioning_size: channels of the embedding.
        num_outputs: numbers for a sample: the logits of a softmax, or the parameters of another
            distribution.
        output_init: `authors`, or `zeros` for the last projection, with which every class starts
            equally probable and the first loss is ln(num_outputs).
        width: taps of the causal convolutions.
        pitch_lags: of how many whole numbers of periods of the pitch, 1, 2, ..., the decoder also
            reads the past so long ago: see `pitch_lags.of_signal`. The paper's reads none.
        last_residual: keeps the residual projection after the last layer, which reaches no output
            and gets no gradient, so that weights and their number are those of a graph with it.
        kernel_init: see `Conv`.
        rematerialize: recompute each layer's activations in the backward pass instead of storing
            them: slower, in less memory.
        arithmetic: the types of the computation. The skip sum and the logits are float32.

    The authors' graph has the last residual projection, too; it is left out by default.
    """

    channels: int = 512
    skip_channels: int = 256
    num_layers: int = 30
    dilation_cycle: int = 10
    conditioning_size: int = 16
    num_outputs: int = 256
    output_init: OutputInit = "authors"
    width: int = 3
    pitch_lags: int = 0
    last_residual: bool = False
    kernel_init: Initializer = scaled_matrix
    rematerialize: bool = False
    arithmetic: Arithmetic = Arithmetic()

    def setup(self):
        conv = functools.partial(Conv, kernel_init=self.kernel_init, arithmetic=self.arithmetic)
        self.start = conv(1, self.channels, width=self.width, causal=True)
        if self.pitch_lags:
            # A decoder without lags stays what it is when it is given them.
            self.lagged = conv(
                self.pitch_lags,
                self.channels,
                width=3,
                causal=True,
                kernel_init=nn.initializers.zeros_init(),
            )
        self.skip_start = conv(self.channels, self.skip_channels)
        self.layers = [
            DecoderLayer(
                channels=self.channels,
                skip_channels=self.skip_channels,
                conditioning_size=self.conditioning_size,
                dilation=2 ** (i % self.dilation_cycle),
                has_residual=self.last_residual or i < self.num_layers - 1,
                width=self.width,
                kernel_init=self.kernel_init,
                arithmetic=self.arithmetic,
            )
            for i in range(self.num_layers)
        ]
        self.head = conv(self.skip_channels, self.skip_channels)
        self.head_conditioning = conv(self.conditioning_size, self.skip_channels)
        self.logits = Conv(
            self.skip_channels,
            self.num_outputs,
            kernel_init={
                "authors": self.kernel_init,
                "zeros": nn.initializers.zeros_init(),
            }[self.output_init],
            # In bfloat16 the probabilities would be steps of a percent.
            arithmetic=self.arithmetic._replace(operands=jnp.float32),
        )

    @property
    def context_samples(self) -> int:
        """How many past samples one prediction depends on: the receptive field.

        With `pitch_lags`, that of the lowest pitch.
        """
        reach = 1 + sum(2 ** (i % self.dilation_cycle) for i in range(self.num_layers))
        lags = pitch_lags.longest(self.pitch_lags) - 1 if self.pitch_lags else 0
        return 1 + (self.width - 1) * reach + lags

    def condition(self, embedding: jax.Array, pitch: jax.Array | None = None) -> Conditioning:
        """Projects an embedding for all layers.

        Args:
            embedding: `[batch, num_frames, conditioning_size]`.
            pitch: int32 `[batch]`, MIDI; read only with `pitch_lags`.
        """
        frames = jnp.moveaxis(embedding, -1, 0)
        if self.pitch_lags:
            pitch = jnp.broadcast_to(pitch[:, None], embedding.shape[:2])
        return Conditioning(
            [layer.conditioning(frames) for layer in self.layers],
            self.head_conditioning(frames),
            pitch if self.pitch_lags else None,
        )

    def __call__(
        self, signal: jax.Array, embedding: jax.Array, pitch: jax.Array | None = None
    ) -> jax.Array:
        """Predicts every sample from the samples before it.

        Args:
            signal: `[batch, time]`, scaled mu-law codes.
            embedding: `[batch, num_frames, conditioning_size]`; time is a multiple of num_frames.
            pitch: int32 `[batch]`, MIDI; read only with `pitch_lags`.

        Returns:
            float32 logits `[batch, time, num_outputs]`; those at t depend on samples before t.
        """
        decoder_inputs = jnp.pad(signal[:, :-1], ((0, 0), (1, 0)))
        lagged = None
        if self.pitch_lags:
            lagged = pitch_lags.of_signal(decoder_inputs, pitch, self.pitch_lags)
        conditioning = self.condition(embedding, pitch)
        logits = self._predict(
            decoder_inputs, lagged, conditioning, self.skip_matrix(), Conv.__call__
        )
        return jnp.moveaxis(logits, 0, -1)

    def _predict(
        self,
        decoder_inputs: jax.Array,
        lagged: jax.Array | None,
        conditioning: Conditioning,
        skip_matrix: jax.Array,
        convolution: Convolution,
    ) -> jax.Array:
        """Maps inputs `[batch, time]`, one sample late, to logits `[num_outputs, batch, time]`."""
        x = convolution(self.start, decoder_inputs[None])
        if lagged is not None:
            x = x + convolution(self.lagged, lagged)
        x = x.astype(self.arithmetic.activations)
        projected = [x]
        for layer, of_layer in zip(self.layers, conditioning.layers, strict=True):
            x, hidden = self._run(layer, x, of_layer, convolution)
            projected.append(hidden)
        # The skip sum is one product: of all projections side by side, since they are added up.
        skips = convolve(skip_matrix, jnp.concatenate(projected), Taps(), self.arithmetic)
        biases = [self.skip_start.bias, *(layer.skip.bias for layer in self.layers)]
        skips = nn.relu(skips + sum(biases)[:, None, None])
        hidden = add_per_frame(self.head(skips), conditioning.output)
        return self.logits(nn.relu(hidden))

    def _run(
        self,
        layer: DecoderLayer,
        x: jax.Array,
        conditioning: jax.Array,
        convolution: Convolution,
    ) -> tuple[jax.Array, jax.Array]:
        is_training = convolution is Conv.__call__ and not self.is_initializing()
        if not (self.rematerialize and is_training):
            return layer(x, conditioning, convolution)
        unbound, variables = layer.unbind()
        return jax.checkpoint(unbound.apply)(variables, x, conditioning)

    def skip_matrix(self) -> jax.Array:
        """Returns the kernels of the skip sum side by side, `[skip_channels, ...]`."""
        kernels = [self.skip_start.kernel, *(layer.skip.kernel for layer in self.layers)]
        return jnp.concatenate(kernels, axis=1)

    def initial_state(self, batch_size: int) -> DecoderState:
        """Returns the state before the first sample."""
        convs = [self.start, *(layer.dilated for layer in self.layers)]
        if self.pitch_lags:
            convs.insert(1, self.lagged)
        buffers = [conv.initial_buffer(batch_size) for conv in convs]
        if self.pitch_lags:
            buffers.insert(0, pitch_lags.initial_history(batch_size, self.pitch_lags))
        return DecoderState(buffers, jnp.zeros((), jnp.int32))

    def step(
        self,
        state: DecoderState,
        previous: jax.Array,
        conditioning: Conditioning,
        skip_matrix: jax.Array,
    ) -> tuple[DecoderState, jax.Array]:
        """Predicts one sample.

        Args:
            state: from `initial_state` or the step before.
            previous: the sample before, `[batch]`, mu-law code / 128; 0 at the first step.
            conditioning: the sample's frame of `condition`'s result: arrays `[..., batch, 1]`.
            skip_matrix: from `skip_matrix`; compute it once for many steps.

        Returns:
            The new state and float32 logits `[batch, num_outputs]`.
        """
        old_buffers, buffers = iter(state.buffers), []
        lagged = None
        if self.pitch_lags:
            history, lagged = pitch_lags.step(
                next(old_buffers), previous, conditioning.pitch[:, 0], state.time, self.pitch_lags
            )
            buffers.append(history)

        def convolution(conv: Conv, x: jax.Array) -> jax.Array:
            buffer, y = conv.step(next(old_buffers), x, state.time)
            buffers.append(buffer)
            return y

        logits = self._predict(previous[:, None], lagged, conditioning, skip_matrix, convolution)
        return DecoderState(buffers, state.time + 1), logits[..., 0].T
