"""Floating-point operations of matrix products and convolutions in HLO."""

import math
import re

import numpy as np

from wavenet_ae.compilation.hlo_text import Computation, Instruction


def flops_of(computation: Computation, instruction: Instruction) -> int:
    """Counts two operations per multiply-add, without those on padding or between samples.

    Args:
        computation: with the operands.
        instruction: any.
    """
    if instruction.opcode == "convolution":
        return _convolution_flops(computation, instruction)
    return _dot_flops(computation, instruction) if instruction.opcode == "dot" else 0


def _convolution_flops(computation: Computation, instruction: Instruction) -> int:
    image, kernel = (o.arrays[0].shape for o in computation.operands(instruction))
    output = instruction.arrays[0].shape
    image_dims, kernel_dims, output_dims = re.split("_|->", instruction.attribute("dim_labels"))
    window = dict(
        item.split("=") for item in (instruction.attribute("window") or "").split() if "=" in item
    )
    pairs = 1
    for dim in range(len(output) - 2):
        label = str(dim)

        def of_window(name, default, dim=dim):
            return window[name].split("x")[dim] if name in window else default

        pairs *= valid_pairs(
            image[image_dims.index(label)],
            kernel[kernel_dims.index(label)],
            output[output_dims.index(label)],
            stride=int(of_window("stride", 1)),
            before=int(of_window("pad", "0_0").split("_")[0]),
            image_dilation=int(of_window("lhs_dilate", 1)),
            kernel_dilation=int(of_window("rhs_dilate", 1)),
        )
    channels = kernel[kernel_dims.index("i")] * output[output_dims.index("f")]
    return 2 * output[output_dims.index("b")] * channels * pairs


def valid_pairs(
    image: int,
    kernel: int,
    output: int,
    *,
    stride: int,
    before: int,
    image_dilation: int,
    kernel_dilation: int,
) -> int:
    """Counts the pairs of output and tap that meet a sample, along one axis of a convolution.

    Args:
        image: samples.
        kernel: taps.
        output: results.
        stride: samples between results.
        before: zeros padded before the samples.
        image_dilation: 1, or one more than the zeros put between samples.
        kernel_dilation: 1, or one more than the samples skipped between taps.
    """
    few, many = sorted([(output, stride), (kernel, kernel_dilation)])
    many = np.arange(many[0]) * many[1]
    total = 0
    for index in range(few[0]):
        position = many + index * few[1] - before
        valid = (position >= 0) & (position <= (image - 1) * image_dilation)
        total += int(np.sum(valid & (position % image_dilation == 0)))
    return total


def _dot_flops(computation: Computation, instruction: Instruction) -> int:
    left = computation.operands(instruction)[0].arrays[0].shape
    summed = instruction.attribute("lhs_contracting_dims") or ""
    contracted = math.prod(left[int(dim)] for dim in summed.split(",") if dim)
    return 2 * math.prod(instruction.arrays[0].shape) * contracted
