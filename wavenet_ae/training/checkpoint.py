"""The checkpoints of a run. The only importer of Orbax."""

import contextlib
from pathlib import Path
from typing import Any, NamedTuple

import jax
from orbax.checkpoint import v1 as ocp

from wavenet_ae.errors import UserError
from wavenet_ae.training.state import TrainState

FOLDER = "checkpoints"
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
        self._workdir = workdir
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
            (workdir / FOLDER).absolute(),
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

        Raises:
            UserError: it is damaged, or there are weights alone, without the state of training.
        """
        abstract = jax.tree.map(
            lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
        )
        step = self.latest_step
        folder = Path(self._checkpointer.directory) / str(step)
        if not (folder / _TRAINED).exists():
            raise _unreadable(folder)
        if not (folder / _TRAINING).exists():
            raise UserError(
                f"{self._workdir} holds imported weights alone, with no state of training to go on "
                f"from: train in another --workdir, with --config.init_from={self._workdir}."
            )
        try:
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
            position = self._checkpointer.checkpointables_metadata(step).custom_metadata
        except Exception as error:  # whatever Orbax makes of a damaged file
            raise _unreadable(folder) from error
        trained, training = loaded[_TRAINED], loaded[_TRAINING]
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


def has_checkpoint(workdir: Path) -> bool:
    """Tells whether there is a checkpoint, without making its folder as Orbax would."""
    return bool(_steps(workdir))


def load_weights(
    workdir: Path, params: Any, model_state: Any, step: int | None = None
) -> tuple[Any, Any, int]:
    """Reads the averaged weights of a checkpoint.

    Args:
        workdir: the run's folder, with a checkpoint.
        params: shapes of the parameters.
        model_state: shapes of the model's state.
        step: of the checkpoint; None for the newest.

    Returns:
        Parameters and model state on the first local device, and the checkpoint's step.

    Raises:
        UserError: the checkpoint is not there or is damaged.
    """
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device),
        {"params": params, "model_state": model_state},
    )
    step = max(_steps(workdir)) if step is None else step
    folder = (workdir / FOLDER).absolute() / str(step)
    if not folder.exists():
        raise UserError(f"there is no checkpoint {folder}: there are {_steps(workdir)}.")
    try:
        loaded = ocp.load_checkpointables(folder, {_TRAINED: abstract})[_TRAINED]
    except Exception as error:  # whatever Orbax makes of a damaged file
        raise _unreadable(folder) from error
    return loaded["params"], loaded["model_state"], step


def save_weights(workdir: Path, params: Any, model_state: Any, step: int) -> None:
    """Writes a checkpoint of averaged weights alone, to evaluate and generate with."""
    ocp.save_checkpointables(
        (workdir / FOLDER).absolute() / str(step),
        {_TRAINED: {"params": params, "model_state": model_state}},
    )


def _unreadable(folder: Path) -> UserError:
    return UserError(
        f"the checkpoint {folder} is damaged or not of this model: move the folder away to use "
        "the checkpoint before it."
    )


def _steps(workdir: Path) -> list[int]:
    folder = workdir / FOLDER
    steps = [int(p.name) for p in folder.iterdir() if p.name.isdigit()] if folder.exists() else []
    return sorted(steps)
