"""The compiled training and evaluation steps."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from wavenet_ae.models.arithmetic import CPU
from wavenet_ae.tasks import Task
from wavenet_ae.tasks.updates import Update, joined
from wavenet_ae.training import sharding
from wavenet_ae.training.state import TrainState, init_opt_state, make_optimizers, update_ema

Batch = Mapping[str, jax.Array]


def init_state(config: Mapping[str, Any], task: Task, mesh: Mesh) -> TrainState:
    """Returns the state before the first step, replicated over the mesh."""

    def init(key: jax.Array) -> TrainState:
        params, model_state = task.init(key)
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            # A copy: the step donates all of the state, and one buffer cannot be donated twice.
            ema_params=jax.tree.map(jnp.copy, params),
            model_state=model_state,
            opt_state=init_opt_state(config["optimizer"], task.updates, params),
        )

    return jax.jit(init, out_shardings=sharding.replicated(mesh))(jax.random.key(config["seed"]))


def make_train_step(
    config: Mapping[str, Any], task: Task, mesh: Mesh
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
    """Compiles one step: the task's updates, one after the other.

    Args:
        config: `optimizer`, `ema_decay`, `accumulation_steps`: microbatches in which a
            batch is computed, to save memory (a single CPU computes as few examples at a time as
            the task can if the model has no batch statistics); `max_skipped_steps`: if above 0, a
            gradient that is not finite, or whose norm is above `optimizer.skip_above_grad_norm`,
            changes nothing but the number of the step.
        task: with the model and the updates.
        mesh: over which batches are split.

    Returns:
        A function of state (donated) and global batch to the new state and metrics: means over
        the batch, and the global norms `gradient_norm` (of all updates, before clipping) and
        `parameter_norm` (after them), and `skipped` (0 or 1) where steps may be; scalars on the
        device.
    """
    updates = task.updates
    optimizers = make_optimizers(config["optimizer"], updates)
    gradients = [_accumulated_gradient(config, task, update, mesh) for update in updates]

    def updated(state: TrainState, batch: Batch, key: jax.Array):
        params, model_state = state.params, state.model_state
        opt_states = state.opt_state if len(updates) > 1 else (state.opt_state,)
        metrics, all_grads, new_opt_states = {}, [], []
        for update, optimizer, gradient, opt_state in zip(
            updates, optimizers, gradients, opt_states, strict=True
        ):
            trained, others = update.split(params)
            with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):  # for models that share rows
                grads, (found, model_state) = gradient(trained, others, model_state, batch, key)
            changes, opt_state = optimizer.update(grads, opt_state, trained)
            params = joined(optax.apply_updates(trained, changes), others)
            metrics |= found
            all_grads.append(grads)
            new_opt_states.append(opt_state)
        opt_state = tuple(new_opt_states) if len(updates) > 1 else new_opt_states[0]
        return params, model_state, opt_state, metrics, all_grads

    def train_step(state: TrainState, batch: Batch):
        key = jax.random.fold_in(jax.random.key(config["seed"]), state.step)
        params, model_state, opt_state, metrics, all_grads = updated(state, batch, key)
        step = state.step + 1
        ema_params = update_ema(state.ema_params, params, step, config["ema_decay"])
        new_state = TrainState(step, params, ema_params, model_state, opt_state)
        norm = optax.global_norm(all_grads)
        metrics |= {"gradient_norm": norm, "parameter_norm": optax.global_norm(params)}
        if config["max_skipped_steps"] > 0:
            accept_update = jnp.isfinite(metrics["loss"]) & jnp.isfinite(norm)
            if (largest := config["optimizer"]["skip_above_grad_norm"]) is not None:
                accept_update &= norm <= largest
            kept = jax.tree.map(
                lambda new, old: jnp.where(accept_update, new, old), new_state, state
            )
            new_state = kept.replace(step=step)
            metrics["skipped"] = 1 - accept_update.astype(jnp.int32)
        return new_state, metrics

    replicated, split = sharding.replicated(mesh), sharding.batch_sharded(mesh)
    return jax.jit(
        train_step,
        in_shardings=(replicated, split),
        out_shardings=(replicated, replicated),
        donate_argnums=0,
    )


def _accumulated_gradient(
    config: Mapping[str, Any], task: Task, update: Update, mesh: Mesh
) -> Callable[..., tuple[Any, tuple[dict[str, jax.Array], Any]]]:
    """Returns a function that computes an update's gradient, in microbatches.

    It maps the parameters that the update changes, the others, model state, batch and key to the
    gradient, and means of the metrics with the new model state.
    """
    is_one_cpu = mesh.size == 1 and mesh.devices.flat[0].platform == CPU

    def mean_loss(trained, others, model_state, batch, key):
        params = joined(trained, others)
        metrics, model_state = update.loss(params, model_state, batch, train=True, key=key)
        metrics = jax.tree.map(jnp.mean, metrics)
        return metrics[update.objective], (metrics, model_state)

    gradient = jax.grad(mean_loss, has_aux=True)

    def accumulated(trained, others, model_state, batch, key):
        num_microbatches = config["accumulation_steps"]
        if is_one_cpu and not jax.tree.leaves(model_state):
            # Example by example, since then activations stay in a processor's caches.
            num_microbatches = len(batch["audio"]) // task.batch_multiple
        if num_microbatches == 1:
            return gradient(trained, others, model_state, batch, key)
        # Strided: each microbatch holds rows of every device, so none has to move; and where rows
        # are sorted, as many of each kind.
        split = jax.tree.map(
            lambda x: x.reshape(-1, num_microbatches, *x.shape[1:]).swapaxes(0, 1), batch
        )

        def one_microbatch(carry, microbatch):
            total, model_state = carry
            grads, (metrics, model_state) = gradient(trained, others, model_state, *microbatch)
            return (jax.tree.map(jnp.add, total, grads), model_state), metrics

        zeros = jax.tree.map(jnp.zeros_like, trained)
        (total, model_state), metrics = jax.lax.scan(
            one_microbatch, (zeros, model_state), (split, jax.random.split(key, num_microbatches))
        )
        return (
            jax.tree.map(lambda x: x / num_microbatches, total),
            (jax.tree.map(jnp.mean, metrics), model_state),
        )

    return accumulated


def make_eval_step(
    task: Task, mesh: Mesh
) -> Callable[[TrainState, Batch], tuple[dict[str, jax.Array], jax.Array]]:
    """Compiles the scoring of one batch by the averaged parameters.

    Returns:
        A function of state and global batch with a `mask` `[batch]` to the metrics' sums over the
        examples that count, and their number; scalars on the device.
    """

    def eval_step(state: TrainState, batch: Batch):
        mask = batch["mask"].astype(jnp.float32)
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            metrics, _ = task.loss(state.ema_params, state.model_state, batch, train=False)
        return jax.tree.map(lambda values: jnp.sum(values * mask), metrics), mask.sum()

    replicated, split = sharding.replicated(mesh), sharding.batch_sharded(mesh)
    return jax.jit(eval_step, in_shardings=(replicated, split), out_shardings=replicated)
