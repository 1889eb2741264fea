"""Floating-point operations of a model, independent of the compiled program.

They are those of matrix products and convolutions, two per multiply-add, counted in the traced
function: what a compiler adds, fuses or computes twice does not count, and a rate of them is
comparable between programs and machines (the `model FLOPs` of Chowdhery et al. 2022, appendix B).
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core

from wavenet_ae.compilation.flops import valid_pairs
from wavenet_ae.tasks import Task


def of_function(function: Callable[..., Any], *args: Any) -> int:
    """Counts the operations of a call.

    In a convolution, those on padding or between samples do not count; the WaveNet's are matrix
    products, which also multiply the zeros around a signal.

    Args:
        function: of arrays, that JAX can trace.
        args: its arguments; shapes are enough.

    Raises:
        ValueError: products or convolutions are in a loop whose length is known at run time only.
    """
    return _of_jaxpr(jax.make_jaxpr(function)(*args).jaxpr)


def of_training_step(task: Task, batch: Any) -> int:
    """Counts the operations of one update: three times those of the loss.

    The backward pass has two products for each of the forward pass, with respect to its input and
    to its weights. What rematerialisation computes again is not counted.

    Args:
        task: with the model and the loss.
        batch: global; shapes are enough.
    """
    params, model_state = jax.eval_shape(task.init, jax.random.key(0))
    return 3 * of_function(lambda *args: task.loss(*args, train=True), params, model_state, batch)


def _of_jaxpr(jaxpr: core.Jaxpr) -> int:
    return sum(_of_equation(equation) for equation in jaxpr.eqns)


def _of_equation(equation: core.JaxprEqn) -> int:
    match equation.primitive.name:
        case "dot_general":
            return _of_dot(equation)
        case "conv_general_dilated":
            return _of_convolution(equation)
        case "cond":
            # Branches by platform with the same result: the model's work is the smallest.
            return min(map(_of_jaxpr, _inner(equation)))
        case "scan":
            return equation.params["length"] * sum(map(_of_jaxpr, _inner(equation)))
        case "while" if any(map(_of_jaxpr, _inner(equation))):
            raise ValueError("the operations of a while loop cannot be counted")
    return sum(map(_of_jaxpr, _inner(equation)))


def _inner(equation: core.JaxprEqn) -> Iterator[core.Jaxpr]:
    for value in jax.tree.leaves(
        dict(equation.params), is_leaf=lambda x: isinstance(x, (core.Jaxpr, core.ClosedJaxpr))
    ):
        if isinstance(value, core.ClosedJaxpr):
            yield value.jaxpr
        elif isinstance(value, core.Jaxpr):
            yield value


def _of_dot(equation: core.JaxprEqn) -> int:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left, output = equation.invars[0].aval.shape, equation.outvars[0].aval.shape
    return 2 * math.prod(output) * math.prod(left[dim] for dim in contracted)


def _of_convolution(equation: core.JaxprEqn) -> int:
    params = equation.params
    image, kernel = (variable.aval.shape for variable in equation.invars)
    output = equation.outvars[0].aval.shape
    numbers = params["dimension_numbers"]
    pairs = 1
    for axis in range(len(output) - 2):
        pairs *= valid_pairs(
            image[numbers.lhs_spec[2 + axis]],
            kernel[numbers.rhs_spec[2 + axis]],
            output[numbers.out_spec[2 + axis]],
            stride=params["window_strides"][axis],
            before=params["padding"][axis][0],
            image_dilation=params["lhs_dilation"][axis],
            kernel_dilation=params["rhs_dilation"][axis],
        )
    batch, features = (output[dim] for dim in numbers.out_spec[:2])
    return 2 * batch * features * kernel[numbers.rhs_spec[1]] * pairs
