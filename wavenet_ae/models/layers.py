"""The layers that encoder and decoder are made of.

Inside a model a signal is `[channels, batch, time]`. A convolution is one product: a matrix,
`[out, width * in]`, times the signal's windows, `[width * in, batch, time]`. Over a whole signal
the windows are shifted slices of it; a sampler reads them from a ring buffer.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.initializers import scaled_uniform

Initializer = Callable[..., jax.Array]
_PRODUCT = "oi,ibt->obt"  # of a matrix and a signal


class Taps(NamedTuple):
    """Which samples a window holds.

    Attributes:
        width: samples of a window.
        dilation: samples from one to the next.
        before: zeros before the signal; as many follow it as keep its length.
    """

    width: int = 1
    dilation: int = 1
    before: int = 0

    def windows(self, x: jax.Array) -> jax.Array:
        """Maps `[in, batch, time]` to `[width * in, batch, time]`, earlier samples first."""
        if self.width == 1:
            return x
        time, reach = x.shape[2], (self.width - 1) * self.dilation
        padded = jnp.pad(x, ((0, 0), (0, 0), (self.before, reach - self.before)))
        starts = range(0, reach + 1, self.dilation)
        return jnp.concatenate([padded[:, :, start : start + time] for start in starts])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def convolve(matrix: jax.Array, x: jax.Array, taps: Taps, arithmetic: Arithmetic) -> jax.Array:
    """Multiplies a matrix with the windows of a signal.

    Args:
        matrix: `[out, width * in]`.
        x: `[in, batch, time]`.
        taps: of the windows.
        arithmetic: the types; gradients are computed in them, too.

    Returns:
        float32 `[out, batch, time]`.
    """
    return arithmetic.multiply(_PRODUCT, matrix, taps.windows(x.astype(arithmetic.operands)))


def _forward(
    matrix: jax.Array, x: jax.Array, taps: Taps, arithmetic: Arithmetic
) -> tuple[jax.Array, tuple[jax.Array, jax.Array]]:
    return convolve(matrix, x, taps, arithmetic), (matrix, x)


def _backward(
    taps: Taps, arithmetic: Arithmetic, inputs: tuple[jax.Array, jax.Array], gradient: jax.Array
) -> tuple[jax.Array, jax.Array]:
    # The windows, `width` times as large as the signal, are recomputed, not stored.
    matrix, x = jax.lax.optimization_barrier(inputs)
    gradient = gradient.astype(arithmetic.operands)
    windows, pull = jax.vjp(taps.windows, x)
    of_matrix = jax.lax.platform_dependent(
        gradient,
        windows,
        # With two axes to sum over, XLA's CPU code would transpose both sides first.
        cpu=lambda *sides: arithmetic.multiply(
            "on,in->oi", *(x.reshape(len(x), -1) for x in sides)
        ),
        default=functools.partial(arithmetic.multiply, "obt,ibt->oi"),
    )
    transposed = jax.lax.platform_dependent(
        matrix.astype(arithmetic.operands), cpu=_gather_transposed, default=jnp.transpose
    )
    (of_x,) = pull(arithmetic.multiply(_PRODUCT, transposed, gradient).astype(x.dtype))
    return of_matrix, of_x


def _gather_transposed(matrix: jax.Array) -> jax.Array:
    """Transposes by a gather, which XLA does not fuse with a product.

    Fused, CPU kernels are slower: on an AMD EPYC 7003, 34 instead of 69 of 78 GFLOP/s.
    """
    rows, columns = matrix.shape
    places = jnp.arange(columns)[:, None] + columns * jnp.arange(rows)
    return jnp.take(matrix.reshape(-1), places)


convolve.defvjp(_forward, _backward)


def matrix_of_kernel(kernel: jax.Array) -> jax.Array:
    """Maps the usual layout of kernels, `[width, in, out]`, to `Conv`'s, `[out, width * in]`."""
    return kernel.reshape(-1, kernel.shape[-1]).T


def scaled_matrix(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Draws `[out, in]` as the authors do: uniform with variance 1 / fan-in."""
    return scaled_uniform("fan_in")(key, shape[::-1]).T


def torch_matrix(key: jax.Array, shape: tuple[int, int]) -> jax.Array:
    """Draws `[out, in]` as PyTorch does by default: uniform with variance 1 / (3 fan-in)."""
    return scaled_matrix(key, shape) / math.sqrt(3)


class Conv(nn.Module):
    """A one-dimensional convolution that runs over a whole signal or one sample at a time.

    Both compute the same product; step by step, only causal convolutions run, with the past in a
    ring buffer that the caller holds.

    Attributes:
        in_features: channels of the input.
        features: channels of the output.
        width: taps.
        dilation: samples between taps.
        causal: zeros are padded before the signal only; else evenly, for the same length.
        kernel_init: initialises the kernel, `[features, width * in_features]`; biases start at 0.
        arithmetic: the types of the computation; the parameters are float32.
    """

    in_features: int
    features: int
    width: int = 1
    dilation: int = 1
    causal: bool = False
    kernel_init: Initializer = scaled_matrix
    arithmetic: Arithmetic = Arithmetic()

    def setup(self):
        shape = (self.features, self.width * self.in_features)
        self.kernel = self.param("kernel", self.kernel_init, shape)
        self.bias = self.param("bias", nn.initializers.zeros_init(), (self.features,))

    @property
    def _reach(self) -> int:
        return (self.width - 1) * self.dilation

    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[in_features, batch, time]` to float32 `[features, batch, time]`."""
        before = self._reach if self.causal else self._reach // 2
        taps = Taps(self.width, self.dilation, before)
        return convolve(self.kernel, x, taps, self.arithmetic) + self.bias[:, None, None]

    def initial_buffer(self, batch_size: int) -> jax.Array:
        """Returns the buffer before the first sample, `[rows, in_features, batch]`: zeros."""
        shape = (self._reach + 1, self.in_features, batch_size)
        return jnp.zeros(shape, self.arithmetic.operands)

    def step(self, buffer: jax.Array, x: jax.Array, time: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Computes one sample of the causal convolution.

        Args:
            buffer: the past, from `initial_buffer` or the step before.
            x: the input's new sample, `[in_features, batch, 1]`.
            time: scalar int32, the sample's index.

        Returns:
            The new buffer and the output's sample, float32 `[features, batch, 1]`.
        """
        rows = self._reach + 1
        x = x.astype(buffer.dtype)[..., 0]
        # Writing before reading lets XLA update the buffer in place instead of copying it.
        buffer = jax.lax.dynamic_update_slice_in_dim(buffer, x[None], time % rows, axis=0)
        past = [
            jax.lax.dynamic_index_in_dim(buffer, (time - back) % rows, keepdims=False)
            for back in range(self._reach, 0, -self.dilation)
        ]
        window = jnp.concatenate([*past, x])[..., None]
        product = self.arithmetic.multiply(_PRODUCT, self.kernel, window)
        return buffer, product + self.bias[:, None, None]


def average_pool(x: jax.Array, window: int) -> jax.Array:
    """Averages `[channels, batch, time]` over consecutive windows: `[..., time / window]`.

    Raises:
        ValueError: the time is not a multiple of the window.
    """
    *others, time = x.shape
    if time % window:
        raise ValueError(f"{time} samples are not a multiple of the hop of {window} samples")
    return x.reshape(*others, time // window, window).mean(axis=-1)


def add_per_frame(x: jax.Array, frames: jax.Array) -> jax.Array:
    """Adds each frame to all of its samples.

    Args:
        x: `[channels, batch, time]`.
        frames: `[channels, batch, num_frames]`; time is a multiple of num_frames.

    Returns:
        `[channels, batch, time]`.
    """
    return jax.lax.platform_dependent(x, frames, tpu=_add_by_product, default=_add_by_reshape)


def _add_by_reshape(x: jax.Array, frames: jax.Array) -> jax.Array:
    return (x.reshape(*frames.shape, -1) + frames[..., None]).reshape(x.shape)


def _add_by_product(x: jax.Array, frames: jax.Array) -> jax.Array:
    """Adds by a product: on a TPU splitting the time axis would copy signals to another layout."""
    num_frames, time = frames.shape[-1], x.shape[-1]
    is_own = jnp.arange(time) // (time // num_frames) == jnp.arange(num_frames)[:, None]
    repeated = jnp.einsum("cbf,ft->cbt", frames, is_own.astype(frames.dtype), precision="highest")
    return x + repeated
