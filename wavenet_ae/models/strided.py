"""Strided and transposed convolutions that are fast on CPUs too."""

import functools
import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp

from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.initializers import scaled_uniform

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


class StridedConv(nn.Module):
    """A convolution with strides and without bias, padded as TensorFlow's SAME.

    Attributes:
        features: channels of the output.
        kernel_size: (height, width), at least the strides.
        strides: (height, width): the output is so many times smaller.
        arithmetic: the types of the computation; the kernel is float32.
    """

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int]
    arithmetic: Arithmetic = Arithmetic()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[batch, height, width, channels]` to `[batch, ..., features]`."""
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", scaled_uniform("fan_avg"), shape)
        operands, precision = self.arithmetic.operands, self.arithmetic.precision
        return self.convolve(x.astype(operands), kernel.astype(operands), self.strides, precision)

    def convolve(self, *args) -> jax.Array:
        return strided(*args)


class TransposedConv(StridedConv):
    """The transposed convolution: the output is larger by the strides, not smaller."""

    def convolve(self, *args) -> jax.Array:
        return transposed(*args)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def strided(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], precision: str | None = None
) -> jax.Array:
    """Convolves with strides.

    Args:
        x: `[batch, height, width, in]`; height and width are multiples of the strides.
        kernel: `[height, width, in, out]`, at least as large as the strides.
        strides: (height, width).
        precision: see `Arithmetic`.

    Returns:
        `[batch, height / stride, width / stride, out]`.
    """
    return _convolve(x, kernel, strides, precision)


def _convolve(x, kernel, strides, precision):
    return jax.lax.conv_general_dilated(
        x, kernel, strides, "SAME", dimension_numbers=_DIMENSIONS, precision=precision
    )


def _forward(x, kernel, strides, precision):
    return _convolve(x, kernel, strides, precision), (x, kernel)


def _backward(strides, precision, inputs, gradient):
    x, kernel = inputs
    # With respect to the input it is a transposed convolution, which XLA would compute directly.
    turned = jnp.flip(kernel, (0, 1)).swapaxes(2, 3)
    _, pull = jax.vjp(lambda kernel: _convolve(x, kernel, strides, precision), kernel)
    return transposed(gradient, turned, strides, precision), *pull(gradient)


strided.defvjp(_forward, _backward)


def transposed(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], precision: str | None = None
) -> jax.Array:
    """Convolves with zeros between the samples: arguments as `polyphase`."""
    # XLA's CPU code multiplies by those zeros.
    ways = [
        functools.partial(way, strides=strides, precision=precision) for way in (polyphase, direct)
    ]
    return jax.lax.platform_dependent(x, kernel, cpu=ways[0], default=ways[1])


def direct(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], precision: str | None = None
) -> jax.Array:
    """Convolves the input with zeros put between its samples; arguments as `polyphase`."""
    return jax.lax.conv_transpose(
        x, kernel, strides, "SAME", dimension_numbers=_DIMENSIONS, precision=precision
    )


def polyphase(
    x: jax.Array, kernel: jax.Array, strides: Sequence[int], precision: str | None = None
) -> jax.Array:
    """Convolves the input once for every position of an output sample between two inputs.

    Each of these phases uses only the taps of the kernel that meet a sample.

    Args:
        x: `[batch, height, width, in]`.
        kernel: `[height, width, in, out]`, at least as large as the strides.
        strides: (height, width).
        precision: see `Arithmetic`.

    Returns:
        `[batch, height * stride, width * stride, out]`.
    """
    phases = []
    for row in range(strides[0]):
        for column in range(strides[1]):
            (taps_y, pad_y), (taps_x, pad_x) = (
                _taps(size, stride, phase)
                for size, stride, phase in zip(kernel.shape, strides, (row, column), strict=False)
            )
            part = jax.lax.conv_general_dilated(
                x,
                kernel[taps_y, taps_x],
                (1, 1),
                (pad_y, pad_x),
                dimension_numbers=_DIMENSIONS,
                precision=precision,
            )
            phases.append(part)
    batch, height, width, _ = x.shape
    grid = jnp.stack(phases, axis=3).reshape(batch, height, width, *strides, -1)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(
        batch, height * strides[0], width * strides[1], -1
    )


def _taps(size: int, stride: int, phase: int) -> tuple[slice, tuple[int, int]]:
    """Returns a phase's taps along an axis, and the padding that its convolution needs."""
    # Output o depends on input i through tap j where stride * i = o + j - before.
    before = math.ceil((size + stride - 2) / 2)
    first = (before - phase) % stride
    taps = range(first, size, stride)
    nearest, farthest = ((phase + tap - before) // stride for tap in (taps[0], taps[-1]))
    return slice(first, None, stride), (-nearest, farthest)
