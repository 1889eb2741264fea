"""The layers that encoder and decoder are made of."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from wavenet_ae.models.initializers import scaled_uniform

Initializer = Callable[..., jax.Array]

# The authors' initialisation: uniform with variance 1 / fan-in.
uniform_unit_scaling: Initializer = scaled_uniform("fan_in")


class Conv(nn.Module):
    """A one-dimensional convolution that runs over a whole signal or one sample at a time.

    Both ways share the weights; the step-by-step way exists for causal convolutions and keeps the
    past in a ring buffer that the caller carries.

    Attributes:
        in_features: channels of the input.
        features: channels of the output.
        width: taps.
        dilation: samples between taps.
        causal: zeros are padded before the signal only; else evenly, for the same length.
        kernel_init: initialises the kernel, `[width, in_features, features]`; biases start at 0.
        dtype: of the computation; the parameters are float32.
    """

    in_features: int
    features: int
    width: int = 1
    dilation: int = 1
    causal: bool = False
    kernel_init: Initializer = uniform_unit_scaling
    dtype: DTypeLike = jnp.float32

    def setup(self):
        shape = (self.width, self.in_features, self.features)
        self.kernel = self.param("kernel", self.kernel_init, shape)
        self.bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[batch, time, in_features]` to `[batch, time, features]`."""
        x = x.astype(self.dtype)
        kernel = self.kernel.astype(self.dtype)
        bias = self.bias.astype(self.dtype)
        if self.width == 1:
            return x @ kernel[0] + bias
        reach = (self.width - 1) * self.dilation
        before = reach if self.causal else reach // 2
        return bias + convolve(x, kernel, (before, reach - before), self.dilation)

    def initial_buffer(self, batch_size: int) -> jax.Array:
        """Returns the empty past, `[rows, in_features, batch]`: as if zeros had gone before."""
        rows = (self.width - 1) * self.dilation + 1
        return jnp.zeros((rows, self.in_features, batch_size), self.dtype)

    def step(self, buffer: jax.Array, x: jax.Array, time: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Computes one sample of the causal convolution.

        Args:
            buffer: the past, from `initial_buffer` or the step before.
            x: the input's new sample, `[batch, in_features]`.
            time: scalar int32, the sample's index since the empty past.

        Returns:
            The new buffer and the output's sample, `[batch, features]`.
        """
        buffer, window = self.push(buffer, x.T, time)
        kernel = self.kernel.astype(self.dtype).reshape(-1, self.features)
        return buffer, window.T @ kernel + self.bias.astype(self.dtype)

    def push(self, buffer: jax.Array, x: jax.Array, time: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Takes one sample in, and returns what the kernel is multiplied with.

        Args:
            buffer: as of `step`.
            x: the input's new sample, `[in_features, batch]`.
            time: as of `step`.

        Returns:
            The new buffer and the taps' samples, oldest first, `[width * in_features, batch]`.
        """
        x = x.astype(self.dtype)
        rows = buffer.shape[0]
        # Writing before reading lets XLA update the buffer in place instead of copying it.
        buffer = jax.lax.dynamic_update_slice_in_dim(buffer, x[None], time % rows, axis=0)
        taps = [
            jax.lax.dynamic_index_in_dim(
                buffer, (time - (self.width - 1 - tap) * self.dilation) % rows, keepdims=False
            )
            for tap in range(self.width - 1)
        ]
        return buffer, jnp.concatenate([*taps, x])


def convolve(
    x: jax.Array, kernel: jax.Array, padding: tuple[int, int] = (0, 0), dilation: int = 1
) -> jax.Array:
    """Convolves `[batch, time, in]` with a kernel `[width, in, out]`, without a bias.

    Args:
        x: the signal.
        kernel: the taps.
        padding: zeros before and after the signal.
        dilation: samples between taps.
    """
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(1,),
        padding=[padding],
        rhs_dilation=(dilation,),
        dimension_numbers=("NWC", "WIO", "NWC"),
    )


def average_pool(x: jax.Array, window: int) -> jax.Array:
    """Averages `[batch, time, channels]` over windows side by side: `[batch, time / window, ...]`.

    Raises:
        ValueError: the time is no multiple of the window.
    """
    batch, time, channels = x.shape
    if time % window:
        raise ValueError(f"{time} samples are no multiple of the hop of {window} samples")
    return x.reshape(batch, time // window, window, channels).mean(axis=2)


def add_per_frame(x: jax.Array, frames: jax.Array) -> jax.Array:
    """Adds each frame to all the samples that it stands for.

    Args:
        x: `[batch, time, channels]`.
        frames: `[batch, num_frames, channels]`; time is a multiple of num_frames.

    Returns:
        `[batch, time, channels]`.
    """
    batch, num_frames, channels = frames.shape
    # Broadcasting needs no copy of the frames at the signal's rate, as repeating them would.
    split = x.reshape(batch, num_frames, -1, channels) + frames[:, :, None].astype(x.dtype)
    return split.reshape(x.shape)
