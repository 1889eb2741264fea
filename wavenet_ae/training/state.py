"""The training state: parameters, their EMA and the optimiser's moments."""

import functools
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
import optax.contrib

from wavenet_ae.system.errors import UserError
from wavenet_ae.tasks.updates import Update

_ADAMS_RMS = 0.2  # the root mean square of an update of Adam's at learning rate 1, about


@flax.struct.dataclass
class TrainState:
    """All that a step reads and writes.

    Attributes:
        step: int32 scalar, updates done.
        params: the model's parameters, float32.
        ema_params: exponential moving averages of the parameters, for evaluation and synthesis.
        model_state: moving statistics of the model, or an empty dict.
        opt_state: the optimisers': see `init_opt_state`.
    """

    step: jax.Array
    params: Any
    ema_params: Any
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


def make_optimizer(
    config: Mapping[str, Any], stacked: Sequence[str] = ()
) -> optax.GradientTransformation:
    """Returns Adam (Engel et al. 2017, section 3) or Muon, with schedule and optional clipping.

    Muon (Jordan et al. 2024) makes the momentum of every kernel, as a matrix of taps and inputs by
    outputs (or turned: it is the same), orthogonal; biases are NAdam's. Its steps are scaled to the
    size of Adam's (Liu et al. 2025, section 2.2), so that learning rates mean the same.

    Args:
        config: `name` (`adam` or `muon`), `learning_rates`,
            `boundaries`, `b1` (Muon's momentum, too), `b2`, `eps`, and of clipping `clip_norm`, the
            largest global norm of the gradient, and `clip_value`, the largest size of one of its
            numbers; or None.
        stacked: see `Update`.

    Raises:
        UserError: there is no such optimizer, or both clip; see `learning_rate_schedule`.
    """
    schedule = learning_rate_schedule(config)
    match config["name"]:
        case "adam":
            update = optax.chain(
                scale_by_adam(config["b1"], config["b2"], config["eps"]),
                optax.scale_by_learning_rate(schedule),
            )
        case "muon":
            update = optax.contrib.muon(
                schedule,
                beta=config["b1"],
                adam_b1=config["b1"],
                adam_b2=config["b2"],
                eps=config["eps"],
                muon_weight_dimension_numbers=functools.partial(_matrices, stacked),
                consistent_rms=_ADAMS_RMS,
            )
        case name:
            raise UserError(f"config.optimizer.name={name!r} must be adam or muon.")
    # The state has the same structure each way, so that a run may begin to clip.
    match config["clip_norm"], config["clip_value"]:
        case None, None:
            clip = optax.identity()
        case norm, None:
            clip = optax.clip_by_global_norm(norm)
        case None, value:
            clip = optax.clip(value)
        case norm, value:
            raise UserError(
                f"config.optimizer has clip_norm={norm} and clip_value={value}: only one of them "
                "may be set."
            )
    return optax.chain(clip, update)


def make_optimizers(
    config: Mapping[str, Any], updates: Sequence[Update]
) -> list[optax.GradientTransformation]:
    """Returns the optimiser of each update, by the settings `config`: see `make_optimizer`."""
    return [make_optimizer(update.settings(config), update.stacked) for update in updates]


def init_opt_state(config: Mapping[str, Any], updates: Sequence[Update], params: Any) -> Any:
    """Returns the state of a task's optimisers before the first step.

    It is that of the optimiser if there is one update, else a tuple of one for each.
    """
    optimizers = make_optimizers(config, updates)
    trained = [update.split(params)[0] for update in updates]
    states = tuple(o.init(some) for o, some in zip(optimizers, trained, strict=True))
    return states if len(states) > 1 else states[0]


def _matrices(stacked: Sequence[str], params: Any) -> Any:
    """Returns which axes of each kernel are a matrix's rows and columns; None for vectors."""

    def axes(path: Any, x: jax.Array) -> optax.contrib.MuonDimensionNumbers | None:
        first = 1 if path[0].key in stacked else 0  # each of the stacked matrices is its own
        if x.ndim < first + 2:
            return None
        *taps_and_inputs, outputs = range(first, x.ndim)
        return optax.contrib.MuonDimensionNumbers(tuple(taps_and_inputs), outputs)

    return jax.tree_util.tree_map_with_path(axes, params)


def scale_by_adam(b1: float, b2: float, eps: float) -> optax.GradientTransformation:
    """Adam in the form of the authors' TensorFlow.

    The bias correction comes after epsilon (Kingma & Ba 2015, end of section 2), so that epsilon
    weighs up to 1 / sqrt(1 - b2) times more in the first steps than in `optax.scale_by_adam`:
    many gradients are small enough here for that to matter.
    """

    def init(params: Any) -> optax.ScaleByAdamState:
        zeros = jax.tree.map(jnp.zeros_like, params)
        return optax.ScaleByAdamState(jnp.zeros((), jnp.int32), zeros, zeros)

    def update(gradients: Any, state: optax.ScaleByAdamState, params: Any = None):
        count = state.count + 1
        mu = optax.tree.update_moment(gradients, state.mu, b1, 1)
        nu = optax.tree.update_moment(gradients, state.nu, b2, 2)
        correction = jnp.sqrt(1 - b2**count) / (1 - b1**count)
        updates = jax.tree.map(lambda m, v: correction * m / (jnp.sqrt(v) + eps), mu, nu)
        return updates, optax.ScaleByAdamState(count, mu, nu)

    return optax.GradientTransformation(init, update)


def update_ema(ema_params: Any, params: Any, num_updates: jax.Array, decay: float) -> Any:
    """Moves the averages towards the parameters.

    Args:
        ema_params: the averages so far.
        params: the parameters after the update.
        num_updates: updates done, this one included.
        decay: the largest; early on it is (1 + n) / (10 + n), so that the first random parameters
            are soon forgotten.
    """
    n = num_updates.astype(jnp.float32)
    rate = 1.0 - jnp.minimum(decay, (1.0 + n) / (10.0 + n))
    return jax.tree.map(lambda average, new: average - rate * (average - new), ema_params, params)
