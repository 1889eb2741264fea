"""Checkpoints of a run, and trained models read back from them. The only importer of Orbax."""

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from orbax.checkpoint import v1 as ocp

from wavenet_ae import tasks
from wavenet_ae.errors import UserError
from wavenet_ae.training.state import TrainState

CONFIG_FILE = "config.json"
_FOLDER = "checkpoints"
# Kept apart from the rest, so that evaluation and synthesis read no optimiser state.
_TRAINED, _TRAINING = "trained", "training"


class Position(NamedTuple):
    """Where a run stands.

    Attributes:
        step: updates done; it is also the position in the data, whose order depends on the seed
            and the step alone.
        pending: training metrics of the steps since the last line of the log.
    """

    step: int
    pending: list[dict[str, float]]


class Checkpoints(contextlib.AbstractContextManager):
    """The checkpoints of one run, written in the background.

    Args:
        workdir: the run's folder.
        every_steps: how often to save, in steps.
        every_minutes: how often to save, in minutes; None for by steps alone.
        keep_last: how many of the newest to keep; the one with the best `valid/loss` is kept too.
    """

    def __init__(
        self,
        workdir: Path,
        every_steps: int,
        every_minutes: float | None = None,
        keep_last: int = 3,
    ):
        decide, preserve = ocp.training.save_decision_policies, ocp.training.preservation_policies
        when = [decide.FixedIntervalPolicy(every_steps)]
        if every_minutes is not None:
            seconds = int(60 * every_minutes)
            when.append(decide.ContinuousCheckpointingPolicy(minimum_interval_secs=seconds))
        best = preserve.BestN(
            get_metric_fn=lambda metrics: metrics["valid/loss"],
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        self._checkpointer = ocp.training.Checkpointer(
            (workdir / _FOLDER).absolute(),
            save_decision_policy=decide.AnySavePolicy(when),
            preservation_policy=preserve.AnyPreservationPolicy([preserve.LatestN(keep_last), best]),
            cleanup_tmp_directories=True,
        )

    def __exit__(self, *exception) -> None:
        self._checkpointer.close()

    @property
    def latest_step(self) -> int | None:
        """The newest checkpoint's step, or None where there is none."""
        latest = self._checkpointer.latest
        return None if latest is None else latest.step

    def best_loss(self) -> float:
        """Returns the lowest `valid/loss` of the checkpoints, or infinity."""
        losses = [c.metrics["valid/loss"] for c in self._checkpointer.checkpoints if c.metrics]
        return min(losses, default=float("inf"))

    def due(self, step: int) -> bool:
        """Tells whether a checkpoint should be saved after this step."""
        return self._checkpointer.should_save(step)

    def save(self, state: TrainState, position: Position, valid_loss: float | None = None) -> None:
        """Saves in the background; a step that is there already is left as it is."""
        if position.step == self.latest_step:
            return
        trained = {"params": state.averaged, "model_state": state.model_state}
        training = {"step": state.step, "params": state.params, "opt_state": state.opt_state}
        self._checkpointer.save_checkpointables_async(
            position.step,
            {_TRAINED: trained, _TRAINING: training},
            force=True,
            metrics=None if valid_loss is None else {"valid/loss": valid_loss},
            custom_metadata=position._asdict(),
        )

    def restore(self, state: TrainState) -> tuple[TrainState, Position]:
        """Reads the newest checkpoint.

        Args:
            state: of the right shapes and shardings; its values are not read.
        """
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
        )
        step = self.latest_step
        loaded = self._checkpointer.load_checkpointables(
            step,
            {
                _TRAINED: {"params": abstract.averaged, "model_state": abstract.model_state},
                _TRAINING: {
                    "step": abstract.step,
                    "params": abstract.params,
                    "opt_state": abstract.opt_state,
                },
            },
        )
        trained, training = loaded[_TRAINED], loaded[_TRAINING]
        position = self._checkpointer.checkpointables_metadata(step).custom_metadata
        return (
            TrainState(
                step=training["step"],
                params=training["params"],
                averaged=trained["params"],
                model_state=trained["model_state"],
                opt_state=training["opt_state"],
            ),
            Position(**position),
        )


class TrainedModel(NamedTuple):
    """A trained model, ready to use.

    Attributes:
        config: the run's resolved configuration.
        task: with the model.
        params: the averaged parameters, on the default device.
        model_state: moving statistics, or an empty dict.
        step: updates done.
        fingerprint: hexadecimal digest of the model's configuration and weights.
    """

    config: dict[str, Any]
    task: tasks.Task
    params: Any
    model_state: Any
    step: int
    fingerprint: str


def architecture(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the model's settings, without those that only change how it is computed."""
    return {k: v for k, v in config["model"].items() if k not in ("dtype", "rematerialize")}


def read_config(workdir: Path) -> dict[str, Any]:
    """Reads a run's resolved configuration.

    Raises:
        UserError: the folder holds no run, or its configuration is damaged.
    """
    path = workdir / CONFIG_FILE
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"{workdir} is no run of training (there is no {CONFIG_FILE} in it): name a folder "
            "that experiments/train.py wrote."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}): restore it from a copy.") from error


def load_trained(workdir: Path) -> TrainedModel:
    """Reads the averaged weights of a run's newest checkpoint.

    Raises:
        UserError: the folder holds no run, or no checkpoint yet.
    """
    config = read_config(workdir)
    task = tasks.create(config)
    folder = (workdir / _FOLDER).absolute()
    # Without a folder Orbax would make one.
    steps = [int(p.name) for p in folder.iterdir() if p.name.isdigit()] if folder.exists() else []
    if not steps:
        raise UserError(f"the run {workdir} has no checkpoint yet: let it train for longer.")
    shapes = jax.eval_shape(task.init, jax.random.key(0))
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    params, model_state = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device), shapes
    )
    loaded = ocp.load_checkpointables(
        folder / str(max(steps)), {_TRAINED: {"params": params, "model_state": model_state}}
    )[_TRAINED]
    return TrainedModel(
        config=config,
        task=task,
        params=loaded["params"],
        model_state=loaded["model_state"],
        step=max(steps),
        fingerprint=_fingerprint(config, loaded),
    )


def _fingerprint(config: Mapping[str, Any], weights: Any) -> str:
    digest = hashlib.sha256(json.dumps(architecture(config), sort_keys=True).encode())
    for path, leaf in jax.tree_util.tree_leaves_with_path(weights):
        digest.update(jax.tree_util.keystr(path).encode())
        digest.update(np.asarray(leaf).tobytes())
    return digest.hexdigest()[:16]
