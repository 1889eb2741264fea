"""The training state: parameters, their moving average and the optimiser's moments."""

import itertools
from collections.abc import Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax

from wavenet_ae.errors import UserError


@flax.struct.dataclass
class TrainState:
    """All that a step reads and writes.

    Attributes:
        step: int32 scalar, updates done.
        params: the model's parameters, float32.
        averaged: the moving average of the parameters: what evaluation and synthesis use.
        model_state: moving statistics of the model, or an empty dict.
        opt_state: the optimiser's.
    """

    step: jax.Array
    params: Any
    averaged: Any
    model_state: Any
    opt_state: optax.OptState


def learning_rate_schedule(config: Mapping[str, Any]) -> optax.Schedule:
    """Returns the piecewise constant schedule of `learning_rates` and `boundaries` (in steps).

    Raises:
        UserError: the boundaries do not rise, or their number does not fit.
    """
    rates, boundaries = tuple(config["learning_rates"]), tuple(config["boundaries"])
    if len(rates) != len(boundaries) + 1:
        raise UserError(
            f"config.optimizer has {len(rates)} learning_rates and {len(boundaries)} boundaries: "
            "there must be one rate more than boundaries."
        )
    if any(later <= earlier for earlier, later in itertools.pairwise(boundaries)):
        raise UserError(f"config.optimizer.boundaries={boundaries} must rise.")
    return optax.join_schedules([optax.constant_schedule(rate) for rate in rates], list(boundaries))


def make_optimizer(config: Mapping[str, Any]) -> optax.GradientTransformation:
    """Returns Adam (Engel et al. 2017, section 3) with the schedule and optional clipping.

    Args:
        config: `learning_rates`, `boundaries`, `b1`, `b2`, `eps`, and `clip_norm`: the largest
            global norm of the gradient, or None.
    """
    adam = optax.adam(
        learning_rate_schedule(config), b1=config["b1"], b2=config["b2"], eps=config["eps"]
    )
    if config["clip_norm"] is None:
        return adam
    return optax.chain(optax.clip_by_global_norm(config["clip_norm"]), adam)


def update_average(averaged: Any, params: Any, num_updates: jax.Array, decay: float) -> Any:
    """Moves the averages towards the parameters.

    Args:
        averaged: the averages so far.
        params: the parameters after the update.
        num_updates: updates done before this one.
        decay: the largest; early on it is (1 + n) / (10 + n), so that the first random parameters
            are soon forgotten.
    """
    n = num_updates.astype(jnp.float32)
    rate = 1.0 - jnp.minimum(decay, (1.0 + n) / (10.0 + n))
    return jax.tree.map(lambda average, new: average - rate * (average - new), averaged, params)
