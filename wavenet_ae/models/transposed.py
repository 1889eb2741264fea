"""Transposed convolutions, quick on CPUs, too."""

import functools
import math
from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from wavenet_ae.models.initializers import scaled_uniform

_DIMENSIONS = ("NHWC", "HWIO", "NHWC")


class TransposedConv(nn.Module):
    """A transposed convolution without bias, padded as TensorFlow's SAME.

    Attributes:
        features: channels of the output.
        kernel_size: (height, width), at least the strides.
        strides: (height, width): the output is so many times larger.
        dtype: of the computation; the kernel is float32.
    """

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int]
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Maps `[batch, height, width, channels]` to `[batch, ..., features]`."""
        shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", scaled_uniform("fan_avg"), shape)
        x, kernel = x.astype(self.dtype), kernel.astype(self.dtype)
        # XLA's CPU code multiplies by the zeros between the samples of a dilated input.
        return jax.lax.platform_dependent(
            x,
            kernel,
            cpu=functools.partial(by_phases, strides=self.strides),
            default=functools.partial(directly, strides=self.strides),
        )


def directly(x: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
    """Convolves the input with zeros put between its samples; arguments as `by_phases`."""
    return jax.lax.conv_transpose(x, kernel, strides, "SAME", dimension_numbers=_DIMENSIONS)


def by_phases(x: jax.Array, kernel: jax.Array, strides: Sequence[int]) -> jax.Array:
    """Convolves the input once for every place of an output sample between two inputs.

    Each phase sees the taps of the kernel that meet a sample and no others.

    Args:
        x: `[batch, height, width, in]`.
        kernel: `[height, width, in, out]`, at least as large as the strides.
        strides: (height, width).

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
            )
            phases.append(part)
    batch, height, width, _ = x.shape
    grid = jnp.stack(phases, axis=3).reshape(batch, height, width, *strides, -1)
    return grid.transpose(0, 1, 3, 2, 4, 5).reshape(
        batch, height * strides[0], width * strides[1], -1
    )


def _taps(size: int, stride: int, phase: int) -> tuple[slice, tuple[int, int]]:
    """Returns a phase's taps along an axis, and the padding that its convolution needs."""
    # Output o sees input i through tap j where stride * i = o + j - before.
    before = math.ceil((size + stride - 2) / 2)
    first = (before - phase) % stride
    taps = range(first, size, stride)
    nearest, farthest = ((phase + tap - before) // stride for tap in (taps[0], taps[-1]))
    return slice(first, None, stride), (-nearest, farthest)
