"""Everything before the first step: checks, and the state to start from."""

import hashlib
import importlib.metadata
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

import wavenet_ae
from wavenet_ae import tasks
from wavenet_ae.system import processes
from wavenet_ae.training import batches, checkpoint, sharding, trained
from wavenet_ae.training import workdir as workdirs
from wavenet_ae.training.progress import Progress, due_after
from wavenet_ae.training.settings import (
    check_memory,
    check_training,
    describe_short_crop,
    with_absolute_paths,
)
from wavenet_ae.training.state import TrainState
from wavenet_ae.training.step import init_state

# Of each split, evenly spaced, to see whether all processes read the same.
_COMPARED_NOTES = 16


def check(
    config: Mapping[str, Any], mesh: Mesh
) -> tuple[dict[str, Any], tasks.Task, dict[str, Sequence[Any]]]:
    """Checks all that a training reads, before anything is written.

    Args:
        config: resolved.
        mesh: all devices.

    Returns:
        The configuration with absolute paths, its task, and the notes by split.

    Raises:
        UserError: a setting or the data is wrong, or not the same in all processes.
    """
    with processes.barrier():
        check_training(config)
        config = with_absolute_paths(config)
        task = tasks.create(config)
        sharding.check_batch_size(
            config["batch_size"], mesh, config["accumulation_steps"], task.batch_multiple
        )
        check_memory(config, task)
        notes = {split: batches.open_split(config, task, split) for split in ("train", "valid")}
        identity = _identity(config, notes) if jax.process_count() > 1 else {}
    processes.require_same(identity, "start all with the same command, code and data.")
    computation = task.model.arithmetic.describe(task.model.dtype)
    if computation != task.model.dtype:
        processes.print_once(f"config.model.dtype={computation}")
    if (short := describe_short_crop(task)) is not None:
        processes.print_once(f"note: {short}")
    return config, task, notes


def _identity(config: Mapping[str, Any], notes: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Returns what must be the same in all processes: settings, versions, some of the notes."""
    what = {f"config.{name}": value for name, value in workdirs.flatten(config).items()}
    # Every machine may have its own copy.
    del what["config.dataset.data_dir"], what["config.dataset.num_workers"]
    # Other versions of Grain or NumPy may shuffle and crop differently.
    what |= {name: importlib.metadata.version(name) for name in ("jax", "grain", "numpy")}
    what |= {"wavenet_ae": wavenet_ae.__version__, "wavenet_ae's code": _code_digest()}
    for split, of_split in notes.items():
        what[f"{split}.notes"] = len(of_split)
        for index in range(0, len(of_split), max(1, len(of_split) // _COMPARED_NOTES)):
            note = of_split[index]
            what[f"{split}[{index}]"] = note["id"], zlib.crc32(note["audio"].tobytes())
    return what


def _code_digest() -> str:
    """Returns a digest of the package's modules: it changes with a commit, and with an edit."""
    digest, folder = hashlib.sha256(), Path(wavenet_ae.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def restore_or_init(
    config: Mapping[str, Any], task: tasks.Task, mesh: Mesh, workdir: Path
) -> tuple[TrainState, Progress]:
    """Returns the newest checkpoint's state, another run's weights in a new one, or a new one.

    Raises:
        UserError: no checkpoint is complete, or the other run has another model.
    """
    state = init_state(config, task, mesh)
    restored = checkpoint.restore(workdir, state)
    if restored is not None:
        state, progress = restored
        due = due_after(progress.step, config)
        progress.owes_evaluation = progress.owes_evaluation and due.evaluate
        processes.print_once(f"resuming {workdir} at step {progress.step} of {config['num_steps']}")
        return state, progress
    if config["init_from"] is not None:
        with processes.barrier():
            theirs = trained.load_trained(trained.find(config["init_from"], config["task"]))
            workdirs.check_same_model(
                theirs.config,
                config,
                f"config.init_from={config['init_from']} has",
                "choose the same.",
                task.may_differ,
            )
        processes.require_same(  # each has fetched it for itself, perhaps another version
            {"weights of config.init_from": theirs.fingerprint},
            "name a checkpoint that does not change.",
        )
        processes.print_once(
            f"starting from the weights of {config['init_from']}, step {theirs.step}"
        )
        state = _init_from(theirs, task, state)
    return state, Progress()


def _init_from(theirs: trained.TrainedModel, task: tasks.Task, state: TrainState) -> TrainState:
    """Puts the weights of another run or an export into a new state."""
    params = task.start_params(state.params, theirs.params)
    weights = {"params": params, "model_state": theirs.model_state, "ema_params": params}

    def place(new: jax.Array, old: jax.Array) -> jax.Array:
        # From the host, where several processes each have their own. A copy for every place: the
        # step donates its state, and the parameters and their average are one here.
        array = np.asarray(new)
        return jax.make_array_from_callback(
            old.shape, old.sharding, lambda index: np.array(array[index])
        )

    return state.replace(**jax.tree.map(place, weights, {k: getattr(state, k) for k in weights}))
