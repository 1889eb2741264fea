"""The contract of modules that run over a whole signal or a sample at a time."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def outputs(
    initial: Callable[[Any], Any], step: Callable[[Any, Any, jax.Array], Any], params, signal
) -> jax.Array:
    """Feeds a signal [channels, batch, time] to a step; returns [channels, batch, time]."""

    def one(state, sample):
        return step(params, state, sample[..., None])

    _, found = jax.lax.scan(one, initial(params), jnp.moveaxis(signal, -1, 0))
    return jnp.moveaxis(found[..., 0], 0, -1)


def assert_steps_are_the_whole(
    whole: Callable[[Any, jax.Array], jax.Array],
    stepwise: Callable[[Any, jax.Array], jax.Array],
    params: Any,
    signal: jax.Array,
    *,
    atol: float,
    gradient_rtol: float,
) -> None:
    """Asserts that both ways agree in values and in the gradients of parameters and signal.

    Args:
        whole: of parameters and signal, [channels, batch, time] to [channels, batch, time].
        stepwise: the same, a sample at a time.
        params: of both.
        signal: of both.
        atol: of values.
        gradient_rtol: of the norm of every gradient's difference.
    """
    expected, pull_whole = jax.vjp(whole, params, signal)
    found, pull_steps = jax.vjp(stepwise, params, signal)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=atol)
    weights = jax.random.normal(jax.random.key(9), expected.shape, expected.dtype)

    def assert_close(a, b):
        error = np.linalg.norm(np.asarray(a, float) - np.asarray(b, float))
        assert error <= gradient_rtol * np.linalg.norm(np.asarray(b, float))

    jax.tree.map(assert_close, pull_steps(weights), pull_whole(weights))
