"""The WaveNet decoder: the past of a sound and an embedding to the next sample."""

from typing import Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from wavenet_ae.models.layers import Conv, add_per_frame, convolve, uniform_unit_scaling

OutputInit = Literal["authors", "zeros"]


class Conditioning(NamedTuple):
    """An embedding, projected for every place of the decoder that it enters.

    Attributes:
        layers: one `[..., 2 * channels]` a layer.
        output: `[..., skip_channels]`.
    """

    layers: list[jax.Array]
    output: jax.Array


class DecoderState(NamedTuple):
    """What step-by-step decoding remembers: one ring buffer a causal convolution."""

    start: jax.Array
    layers: list[jax.Array]


class StepKernels(NamedTuple):
    """The kernels as one step reads them: matrices, `[out, in]`.

    So that they are multiplied with columns: a product with few columns, one a sound, is faster on
    CPUs than one with few rows.

    Attributes:
        dilated: of the layers, the taps side by side.
        residual: of the layers but the last.
        skip: of the first projection and of all layers side by side, since their outputs are
            added up: one product instead of one a layer.
        head: of the head.
        logits: of the last projection, float32.
    """

    dilated: list[jax.Array]
    residual: list[jax.Array]
    skip: jax.Array
    head: jax.Array
    logits: jax.Array


class DecoderLayer(nn.Module):
    """One gated residual layer (van den Oord et al. 2016, equation 2, with local conditioning).

    Attributes:
        channels: of the residual stream.
        skip_channels: of the skip sum.
        conditioning_size: channels of the embedding.
        dilation: of the causal convolution.
        has_residual: False for the last layer, whose residual output nothing reads.
        dtype: of the computation.
    """

    channels: int
    skip_channels: int
    conditioning_size: int
    dilation: int
    has_residual: bool
    dtype: DTypeLike

    def setup(self):
        self.dilated = Conv(
            self.channels,
            2 * self.channels,
            width=3,
            dilation=self.dilation,
            causal=True,
            dtype=self.dtype,
        )
        self.conditioning = Conv(self.conditioning_size, 2 * self.channels, dtype=self.dtype)
        self.skip = Conv(self.channels, self.skip_channels, dtype=self.dtype)
        if self.has_residual:
            self.residual = Conv(self.channels, self.channels, dtype=self.dtype)

    def _gated(self, pre_gate: jax.Array, axis: int) -> jax.Array:
        gate, filtered = jnp.split(pre_gate, 2, axis=axis)
        return nn.sigmoid(gate) * jnp.tanh(filtered)

    def __call__(self, x: jax.Array, conditioning: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Returns the layer's output and its share of the skip sum, both `[batch, time, ...]`."""
        hidden = self._gated(add_per_frame(self.dilated(x), conditioning), axis=-1)
        if not self.has_residual:
            return x, self.skip(hidden)
        # Both projections in one product; as a convolution XLA differentiates it faster on CPUs.
        kernels = jnp.concatenate([self.residual.kernel, self.skip.kernel], axis=-1)
        biases = jnp.concatenate([self.residual.bias, self.skip.bias])
        both = convolve(hidden, kernels.astype(self.dtype)) + biases.astype(self.dtype)
        residual, skip = jnp.split(both, [self.channels], axis=-1)
        return x + residual, skip

    def step(
        self,
        buffer: jax.Array,
        x: jax.Array,
        time: jax.Array,
        conditioning: jax.Array,
        dilated: jax.Array,
    ) -> tuple[jax.Array, jax.Array]:
        """Returns the new buffer and what the projections read of one sample, `[channels, batch]`.

        Args:
            buffer: of the dilated convolution.
            x: `[channels, batch]`.
            time: scalar int32, the sample's index.
            conditioning: `[batch, 2 * channels]`.
            dilated: the kernel, of `StepKernels`.
        """
        buffer, window = self.dilated.push(buffer, x, time)
        bias = self.dilated.bias.astype(self.dtype)
        return buffer, self._gated(dilated @ window + bias[:, None] + conditioning.T, axis=0)


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
        num_classes: of the softmax.
        output_init: `authors`, or `zeros` for the last projection, with which every class starts
            equally probable and the first loss is ln(num_classes).
        rematerialize: compute the inside of each layer again in the backward pass, instead of
            keeping it: slower, with a smaller memory.
        dtype: of the computation, but for the logits: they are float32.

    The authors' graph also holds a residual projection after the last layer that reaches no
    output and gets no gradient; it is left out here.
    """

    channels: int = 512
    skip_channels: int = 256
    num_layers: int = 30
    dilation_cycle: int = 10
    conditioning_size: int = 16
    num_classes: int = 256
    output_init: OutputInit = "authors"
    rematerialize: bool = False
    dtype: DTypeLike = jnp.float32

    def setup(self):
        self.start = Conv(1, self.channels, width=3, causal=True, dtype=self.dtype)
        self.skip_start = Conv(self.channels, self.skip_channels, dtype=self.dtype)
        self.layers = [
            DecoderLayer(
                channels=self.channels,
                skip_channels=self.skip_channels,
                conditioning_size=self.conditioning_size,
                dilation=2 ** (i % self.dilation_cycle),
                has_residual=i < self.num_layers - 1,
                dtype=self.dtype,
            )
            for i in range(self.num_layers)
        ]
        self.head = Conv(self.skip_channels, self.skip_channels, dtype=self.dtype)
        self.head_conditioning = Conv(self.conditioning_size, self.skip_channels, dtype=self.dtype)
        self.logits = Conv(
            self.skip_channels,
            self.num_classes,
            kernel_init={
                "authors": uniform_unit_scaling,
                "zeros": nn.initializers.zeros_init(),
            }[self.output_init],
            # In bfloat16 the probabilities would be steps of a percent.
            dtype=jnp.float32,
        )

    @property
    def context_samples(self) -> int:
        """How many past samples one prediction sees: the receptive field."""
        return 3 + 2 * sum(2 ** (i % self.dilation_cycle) for i in range(self.num_layers))

    def condition(self, embedding: jax.Array) -> Conditioning:
        """Projects an embedding `[batch, num_frames, conditioning_size]` for all layers."""
        return Conditioning(
            [layer.conditioning(embedding) for layer in self.layers],
            self.head_conditioning(embedding),
        )

    def __call__(self, signal: jax.Array, embedding: jax.Array) -> jax.Array:
        """Predicts every sample from the samples before it.

        Args:
            signal: `[batch, time]`, mu-law codes / 128.
            embedding: `[batch, num_frames, conditioning_size]`; time is a multiple of num_frames.

        Returns:
            float32 logits `[batch, time, num_classes]`; those at t depend on samples before t.
        """
        conditioning = self.condition(embedding)
        past = jnp.pad(signal[:, :-1], ((0, 0), (1, 0)))
        x = self.start(past[..., None])
        skips = self.skip_start(x)
        for layer, layer_conditioning in zip(self.layers, conditioning.layers, strict=True):
            x, skip = self._run(layer, x, layer_conditioning)
            skips = skips + skip
        hidden = add_per_frame(self.head(nn.relu(skips)), conditioning.output)
        return self.logits(nn.relu(hidden))

    def _run(
        self, layer: DecoderLayer, x: jax.Array, conditioning: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        if not self.rematerialize or self.is_initializing():
            return layer(x, conditioning)
        unbound, variables = layer.unbind()
        return jax.checkpoint(unbound.apply)(variables, x, conditioning)

    def initial_state(self, batch_size: int) -> DecoderState:
        """Returns the state before the first sample."""
        return DecoderState(
            self.start.initial_buffer(batch_size),
            [layer.dilated.initial_buffer(batch_size) for layer in self.layers],
        )

    def step_kernels(self) -> StepKernels:
        """Returns the kernels as `step` reads them; worth keeping from step to step."""

        def matrix(kernel: jax.Array, dtype: DTypeLike = self.dtype) -> jax.Array:
            return kernel.astype(dtype).reshape(-1, kernel.shape[-1]).T

        skips = [self.skip_start.kernel, *(layer.skip.kernel for layer in self.layers)]
        return StepKernels(
            [matrix(layer.dilated.kernel) for layer in self.layers],
            [matrix(layer.residual.kernel) for layer in self.layers[:-1]],
            matrix(jnp.concatenate(skips)),
            matrix(self.head.kernel),
            matrix(self.logits.kernel, jnp.float32),
        )

    def step(
        self,
        state: DecoderState,
        previous: jax.Array,
        time: jax.Array,
        conditioning: Conditioning,
        kernels: StepKernels,
    ) -> tuple[DecoderState, jax.Array]:
        """Predicts one sample.

        Args:
            state: from `initial_state` or the step before.
            previous: the sample before, `[batch]`, mu-law code / 128; 0 at the first step.
            time: scalar int32, the sample's index.
            conditioning: the sample's frame of `condition`'s result: arrays `[batch, ...]`.
            kernels: from `step_kernels`.

        Returns:
            The new state and float32 logits `[batch, num_classes]`.
        """
        start_buffer, x = self.start.step(state.start, previous[:, None], time)
        x = x.T
        buffers, projected = [], [x]
        for i, layer in enumerate(self.layers):
            buffer, hidden = layer.step(
                state.layers[i], x, time, conditioning.layers[i], kernels.dilated[i]
            )
            if layer.has_residual:
                bias = layer.residual.bias.astype(self.dtype)[:, None]
                x = x + (kernels.residual[i] @ hidden + bias)
            buffers.append(buffer)
            projected.append(hidden)
        skip_biases = [self.skip_start.bias, *(layer.skip.bias for layer in self.layers)]
        skips = kernels.skip @ jnp.concatenate(projected)
        skips = nn.relu(skips + sum(skip_biases).astype(self.dtype)[:, None])
        hidden = kernels.head @ skips + self.head.bias.astype(self.dtype)[:, None]
        hidden = nn.relu(hidden + conditioning.output.T).astype(jnp.float32)
        logits = kernels.logits @ hidden + self.logits.bias[:, None]
        return DecoderState(start_buffer, buffers), logits.T
