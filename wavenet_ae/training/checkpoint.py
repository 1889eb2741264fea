"""The checkpoints of a run. The only importer of Orbax."""

import contextlib
import gc
import itertools
import json
import logging
import re
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh
from orbax.checkpoint import v1 as ocp

from wavenet_ae.system import atomic_file, processes
from wavenet_ae.system.buckets import is_network_error
from wavenet_ae.system.errors import MachineError, UserError
from wavenet_ae.system.settings import is_url
from wavenet_ae.training import older_layouts
from wavenet_ae.training.agreement import Agreement
from wavenet_ae.training.progress import Progress
from wavenet_ae.training.state import TrainState

FOLDER = "checkpoints"
# By Orbax; without the second a checkpoint in a bucket is none.
METADATA_FILE, _COMMITTED = "_CHECKPOINT_METADATA", "commit_success.txt"
# In separate folders, so that evaluation and synthesis read no optimiser state.
_WEIGHTS, _TRAIN_STATE = "trained", "training"
_CHECKSUMS = "checksums"
_VALID_LOSS = "valid/loss"
# How long processes wait for each other while they write. One that is alone may be paused.
_SAVE_TIMEOUT_S, _WEEK_S = 300, 7 * 24 * 3600
# Orbax finds the files that it has written by glob patterns that begin with the folder's path.
# TensorStore refuses any path with the second kind.
_NOT_TO_WRITE = re.compile(r"[][*?]")
_NOT_TO_READ = re.compile(r"\\|\*\*|[\ud800-\udfff]")

_UNWRITABLE = re.compile(r"No space left on device|Permission denied|Failed writing")
_UNREACHABLE = re.compile(r"PERMISSION_DENIED|UNAUTHENTICATED|UNAVAILABLE|DEADLINE_EXCEEDED")

_Read = TypeVar("_Read")


class Checkpoints(contextlib.AbstractContextManager):
    """Writes the checkpoints of one run, in the background.

    Args:
        workdir: the run's folder.
        mesh: all devices of all processes, which save together.
        every_minutes: how often to save in addition to saves by step; None for never.
        keep_last: how many of the newest to keep; the one with the best `valid/loss` is kept too.

    Raises:
        MachineError: when saving or leaving the block: a checkpoint cannot be written. The earlier
            ones are still there.
    """

    def __init__(
        self,
        workdir: Path,
        mesh: Mesh,
        every_minutes: float | None = None,
        keep_last: int = 3,
    ):
        self._folder = _folder(workdir)
        _delete_unfinished(workdir)
        logging.getLogger("absl").addFilter(_is_no_background_error)
        self._agreement = Agreement(mesh)
        self._every_s = float("inf") if every_minutes is None else 60 * every_minutes
        self._saved_at = time.monotonic()
        preserve = ocp.training.preservation_policies
        best = preserve.BestN(
            get_metric_fn=lambda metrics: metrics[_VALID_LOSS],
            reverse=True,
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        context = ocp.Context()
        context.asynchronous.timeout_secs = _SAVE_TIMEOUT_S if jax.process_count() > 1 else _WEEK_S
        self._checkpointer = ocp.training.Checkpointer(
            self._folder,
            context=context,
            preservation_policy=preserve.AnyPreservationPolicy([preserve.LatestN(keep_last), best]),
            # In a bucket Orbax would delete all that it does not know.
            cleanup_tmp_directories=not is_url(workdir),
        )

    def __exit__(self, kind: type[BaseException] | None, *exception) -> None:
        if kind and not issubclass(kind, UserError) and jax.process_count() > 1:
            return  # another process may be gone, and closing would wait for it
        try:
            # The first error is the one to report.
            with contextlib.suppress(Exception) if kind else self._raising_machine_errors():
                self._checkpointer.close()
        finally:
            logging.getLogger("absl").removeFilter(_is_no_background_error)

    def best_loss(self) -> float:
        """Returns the lowest `valid/loss` of the checkpoints, or infinity."""
        losses = [c.metrics[_VALID_LOSS] for c in self._checkpointer.checkpoints if c.metrics]
        return min(losses, default=float("inf"))

    def timed_save_due(self) -> bool:
        """Returns whether the last checkpoint is older than `every_minutes` in any process.

        All processes call it after every step.
        """
        return self._agreement.any_process(time.monotonic() - self._saved_at > self._every_s)

    def save(self, state: TrainState, progress: Progress, valid_loss: float | None = None) -> None:
        """Saves in the background; if the step is saved already, only adds the loss.

        Args:
            state: to save.
            progress: of the run, with its metrics on the host.
            valid_loss: by which the best checkpoint is chosen.
        """
        self._saved_at = time.monotonic()
        self._agreement.restart()
        metrics = None if valid_loss is None else {_VALID_LOSS: valid_loss}
        latest = self._checkpointer.latest
        with self._raising_machine_errors():
            if latest is not None and progress.step == latest.step:
                if metrics is not None and latest.metrics is None:
                    self._add_metrics(progress.step, metrics)
                return
            trees = _trees(state)
            self._checkpointer.save_checkpointables_async(
                progress.step,
                trees,
                force=True,
                metrics=metrics,
                custom_metadata={**progress.metadata(), _CHECKSUMS: _checksums(trees)},
            )

    def _add_metrics(self, step: int, metrics: dict[str, float]) -> None:
        """Adds the metrics of an interrupted evaluation to its checkpoint."""
        self._checkpointer.wait()
        if jax.process_index() == 0:
            with atomic_file.replacing(_metrics_file(self._folder / str(step))) as temporary:
                temporary.write_text(json.dumps(metrics))
        processes.gather_texts("")  # the others read it next
        self._checkpointer.reload()

    @contextlib.contextmanager
    def _raising_machine_errors(self) -> Iterator[None]:
        try:
            yield
        except UserError:
            raise
        except Exception as error:  # TensorStore's are ValueErrors, a bucket's of many kinds
            known = _UNWRITABLE.search(str(error))
            if is_url(self._folder) and jax.process_count() == 1:  # else it may be another process
                known = known or _UNREACHABLE.search(str(error))
            if not known and not isinstance(error, OSError) and not is_network_error(error):
                raise
            reason = known[0] if known else getattr(error, "strerror", None) or error
            raise MachineError(
                f"a checkpoint cannot be written to {self._folder} ({reason}): the earlier ones "
                "are kept: correct this, and the same command resumes from the last."
            ) from error


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name != "asyncio" and "orbax" not in record.pathname


def _is_no_background_error(record: logging.LogRecord) -> bool:
    """Drops the stack traces of Orbax's threads, whose errors are raised again in the caller."""
    return not (record.exc_info and "orbax" in record.pathname)


def _trees(state: TrainState) -> dict[str, Any]:
    """Returns a state's trees by their folders in a checkpoint."""
    return {
        _WEIGHTS: {"params": state.ema_params, "model_state": state.model_state},
        _TRAIN_STATE: {"step": state.step, "params": state.params, "opt_state": state.opt_state},
    }


def _checksums(trees: Mapping[str, Any]) -> dict[str, int]:
    """Returns a CRC-32 of the names and values of each tree.

    Orbax's files have none of their own: most flipped bits of an array would go unnoticed.
    """
    sums = {}
    for tree_name, tree in trees.items():
        value = 0
        for name, leaf in older_layouts.named_leaves(tree):
            array = np.ascontiguousarray(leaf)
            value = zlib.crc32(array.reshape(-1).view(np.uint8), zlib.crc32(name.encode(), value))
        sums[tree_name] = value
    return sums


def restore(workdir: Path, state: TrainState) -> tuple[TrainState, Progress] | None:
    """Reads the newest complete checkpoint.

    Newer ones are damaged: they are renamed to end in `.damaged`, and nothing is deleted. All
    processes must call it.

    Args:
        workdir: the run's folder.
        state: of the right shapes and shardings; its values are not read.

    Returns:
        The state and its progress, or None if there is no checkpoint.

    Raises:
        UserError: no checkpoint is complete, or there are only weights, without a training state.
        MachineError: a checkpoint cannot be read now, damaged or not.
    """
    _mark_copied(workdir)
    # Process 0's: on network storage the others may not see the newest one yet.
    found = json.loads(processes.gather_texts(json.dumps(steps(workdir)))[0])
    folders = [_folder(workdir) / str(step) for step in reversed(found)]
    if not folders:
        return None
    with processes.barrier():
        for folder in folders:
            if not processes.wait_until(folder.exists):
                raise UserError(
                    f"{folder} is not visible in this process: all need a --workdir on shared "
                    "storage."
                )
        if not any((folder / _TRAIN_STATE).exists() for folder in folders):
            raise UserError(
                f"{workdir} holds only imported weights, without a training state to resume: "
                f"train in another --workdir, with --config.init_from={workdir}."
            )
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding), state
    )
    for number, folder in enumerate(folders):
        with processes.barrier():
            restored, damage = _attempt(_read, folder, abstract)
        if found := next(filter(None, processes.gather_texts(damage)), ""):
            processes.print_once(f"warning: the checkpoint {folder} is damaged ({found})")
            continue
        damaged = folders[:number] + [f for f in folders[number + 1 :] if not _metrics_readable(f)]
        with processes.barrier():
            _quarantine(damaged)
        restored_state, progress = restored
        return older_layouts.as_today(restored_state, abstract), progress
    raise UserError(
        f"no checkpoint of {workdir} is complete: restore one from a copy, or use another "
        "--workdir."
    )


def _read(folder: Path, abstract: TrainState) -> tuple[TrainState, Progress]:
    """Reads a complete checkpoint; the state is in the layout of the version that saved it."""
    loaded, progress = _load(folder, _trees(abstract)), _read_progress(folder)
    if not _metrics_readable(folder):
        raise ValueError("its metrics cannot be read")
    trained = loaded[_WEIGHTS]
    state = TrainState(
        **loaded[_TRAIN_STATE], ema_params=trained["params"], model_state=trained["model_state"]
    )
    return state, progress


def _read_progress(folder: Path) -> Progress:
    metadata = ocp.checkpointables_metadata(folder).custom_metadata
    if metadata.get("step") != int(folder.name):  # Orbax has none where its file is damaged
        raise ValueError("its step is missing")
    progress = Progress(**{name: x for name, x in metadata.items() if name != _CHECKSUMS})
    if "owes_evaluation" not in metadata:  # of an older version: the loop asks what is due
        progress.owes_evaluation = bool(progress.pending)
    if _metrics_file(folder).exists():  # the owed evaluation was done on resumption
        progress.owes_evaluation, progress.pending = False, []
    return progress


def _load(folder: Path, abstract: dict[str, Any]) -> dict[str, Any]:
    """Reads trees by name, in the layout of the version that saved them."""
    saved = ocp.checkpointables_metadata(folder)
    shapes = {name: leaf.shape for name, leaf in older_layouts.named_leaves(saved.metadata)}
    loaded = ocp.load_checkpointables(folder, older_layouts.as_saved(abstract, shapes))
    wanted = (saved.custom_metadata or {}).get(_CHECKSUMS)  # older versions saved none
    if wanted is not None and (found := _checksums(loaded)) != {n: wanted.get(n) for n in found}:
        raise ValueError("its checksum differs")
    return loaded


def _attempt(
    read: Callable[[Path, Any], _Read], folder: Path, abstract: Any
) -> tuple[_Read | None, str]:
    """Returns what `read` returns and an empty text, or None and what is damaged.

    Raises:
        MachineError: it cannot be read now, which does not mean that it is damaged.
    """
    with _orbax_silenced():
        try:
            with _reading_alone():
                return read(folder, abstract), ""
        except Exception as error:  # damaged files make Orbax raise almost anything
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            machine = isinstance(error, OSError) and not isinstance(error, FileNotFoundError)
            machine |= is_url(folder) and bool(_UNREACHABLE.search(str(error)))
            machine |= is_network_error(error) and not isinstance(error, FileNotFoundError)
        gc.collect()  # reads under way warn when they are collected
    if machine or "RESOURCE_EXHAUSTED" in reason:
        raise MachineError(
            f"the checkpoint {folder} cannot be read ({reason}): correct this and start again."
        )
    return None, reason


@contextlib.contextmanager
def _reading_alone() -> Iterator[None]:
    """Lets every process read independently: it does not wait for others, which may have failed."""
    context, index = ocp.Context(), jax.process_index()
    context.multiprocessing.primary_host = index
    context.multiprocessing.active_processes = {index}
    with context:
        yield


def _metrics_file(folder: Path) -> Path:
    """Returns where Orbax keeps a checkpoint's metrics."""
    return folder / "metrics" / "metrics"


def _metrics_readable(folder: Path) -> bool:
    """Returns whether Orbax, which reads those of all checkpoints, can read these."""
    path = _metrics_file(folder)
    try:
        return not path.exists() or isinstance(json.loads(path.read_text()), dict)
    except (OSError, ValueError):
        return False


@contextlib.contextmanager
def _orbax_silenced() -> Iterator[None]:
    """Silences Orbax's messages on failed reads, and on those under way at the time."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None
    loggers = [logging.getLogger(name) for name in ("absl", "asyncio")]
    for logger in loggers:
        logger.addFilter(_is_ours)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # coroutines that nobody awaits
            yield
    finally:
        for logger in loggers:
            logger.removeFilter(_is_ours)
        sys.unraisablehook = before


def _quarantine(folders: list[Path]) -> None:
    if jax.process_index() != 0:
        return
    for folder in folders:
        names = (f"{folder.name}.damaged{number or ''}" for number in itertools.count())
        aside = next(p for p in (folder.with_name(name) for name in names) if not p.exists())
        try:
            folder.rename(aside)
        except OSError as error:
            raise UserError(
                f"the damaged checkpoint {folder} cannot be renamed ({error.strerror}): move it "
                "away."
            ) from error
        processes.print_once(f"renamed {folder.name} to {aside}")


def check_path(folder: Path, *, writing: bool) -> None:
    """Raises a UserError if checkpoints cannot be in a folder of this name.

    Args:
        folder: of a run.
        writing: whether to write there, not only to read.
    """
    path = str(folder if is_url(folder) else folder.absolute())
    if found := _NOT_TO_READ.search(path) or (writing and _NOT_TO_WRITE.search(path)):
        raise UserError(
            f"{path!r} has {found[0]!r} in its path, with which checkpoints cannot be "
            f"{'written' if writing else 'read'}: use a folder without."
        )


def has_checkpoint(workdir: Path) -> bool:
    """Returns whether there is a checkpoint, without creating its folder as Orbax would."""
    return bool(steps(workdir))


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
        MachineError: it cannot be read now.
    """
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    abstract = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=device),
        {"params": params, "model_state": model_state},
    )
    check_path(workdir, writing=False)
    step = max(steps(workdir)) if step is None else step
    folder = _folder(workdir) / str(step)
    if not folder.exists():
        raise UserError(f"there is no checkpoint {folder}: there are {steps(workdir)}.")
    saved, damage = _attempt(_load, folder, {_WEIGHTS: abstract})
    if saved is None:
        raise UserError(
            f"the checkpoint {folder} is damaged or not of this model ({damage}): move the folder "
            "away to use the checkpoint before it."
        )
    loaded = older_layouts.as_today(saved[_WEIGHTS], abstract)
    return loaded["params"], loaded["model_state"], step


def save_weights(workdir: Path, params: Any, model_state: Any, step: int) -> None:
    """Writes a checkpoint of only averaged weights, for evaluation and generation."""
    trees = {_WEIGHTS: {"params": params, "model_state": model_state}}
    ocp.save_checkpointables(
        _folder(workdir) / str(step),
        trees,
        custom_metadata={_CHECKSUMS: _checksums(trees)},
    )


def _folder(workdir: Path) -> Path:
    folder = workdir / FOLDER
    return folder if is_url(folder) else folder.absolute()


def steps(workdir: Path) -> list[int]:
    """Lists the checkpoints of a run that are complete, the oldest first."""
    return sorted(int(path.name) for path in _numbered(workdir) if _is_committed(path))


def _numbered(workdir: Path) -> list[Path]:
    try:
        return [path for path in (workdir / FOLDER).iterdir() if path.name.isdigit()]
    except (FileNotFoundError, NotADirectoryError):  # and no other: the folder may be unreachable
        return []


def _is_committed(folder: Path) -> bool:
    """Tells whether Orbax has finished a checkpoint, which in a bucket has its name before that."""
    if not is_url(folder) or (folder / _COMMITTED).exists():
        return True
    try:
        return is_finished((folder / METADATA_FILE).read_text())
    except FileNotFoundError:
        return False


def is_finished(metadata: str | bytes) -> bool:
    """Tells whether a checkpoint's METADATA_FILE says that Orbax has finished it."""
    try:
        return bool(json.loads(metadata)["commit_timestamp_nsecs"])
    except (KeyError, TypeError, ValueError):
        return False


def _delete_unfinished(workdir: Path) -> None:
    """Deletes checkpoints in a bucket that a killed run has not finished."""
    if is_url(workdir) and jax.process_index() == 0:
        for folder in _numbered(workdir):
            if not _is_committed(folder):
                folder.rmtree()


def _mark_copied(workdir: Path) -> None:
    """Marks checkpoints that were copied into a bucket from a disk, as Orbax needs it there."""
    if is_url(workdir) and jax.process_index() == 0:
        for folder in _numbered(workdir):
            if _is_committed(folder) and not (folder / _COMMITTED).exists():
                (folder / _COMMITTED).write_text("copied")
