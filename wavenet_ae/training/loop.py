"""The training loop."""

import contextlib
import itertools
import math
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

import wavenet_ae
from wavenet_ae import pretrained, processes, tasks
from wavenet_ae.data import input_pipeline
from wavenet_ae.errors import Stopped, UserError
from wavenet_ae.training import checkpoint, sharding, trained
from wavenet_ae.training import workdir as workdirs
from wavenet_ae.training.agreement import Agreement
from wavenet_ae.training.checkpoint import Checkpoints, Position
from wavenet_ae.training.interruption import StopRequest
from wavenet_ae.training.metrics import MetricsLog, Summaries, read_metrics
from wavenet_ae.training.settings import check_numbers, with_absolute_paths
from wavenet_ae.training.state import TrainState
from wavenet_ae.training.step import init_state, make_eval_step, make_train_step

# Batches of training data from which the references beside the loss are computed.
_REFERENCE_BATCHES = 64
# Of each split, evenly spaced, to see whether all processes read the same.
_COMPARED_NOTES = 16

Summarize = Callable[[Mapping[str, Any], tasks.Task, TrainState], Summaries]


def train_and_evaluate(config: Mapping[str, Any], workdir: Path, summarize: Summarize) -> None:
    """Trains until `num_steps`, going on from the newest whole checkpoint of the workdir.

    Args:
        config: a resolved configuration; `experiments/configs/` documents the settings.
        workdir: the run's folder, made if it is not there.
        summarize: makes sounds and pictures for TensorBoard every `summarize_every_steps`.

    Raises:
        UserError: a setting or the data is wrong, the workdir is in use, full or of another
            model's run, or the loss is no longer finite.
        Stopped: the process was asked to stop; the run was saved.
    """
    mesh = sharding.data_mesh()
    with processes.together():
        config, task, notes = _prepare(config, mesh)
        identity = _identity(config, notes) if jax.process_count() > 1 else {}
    processes.require_same(identity, "start all with the same command, code and data.")
    computation = task.model.arithmetic.describe(task.model.dtype)
    if computation != task.model.dtype:
        processes.say_once(f"config.model.dtype={computation}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(workdirs.claimed(workdir))
        with processes.together():
            workdirs.check_fits(config, workdir)
        stop = stack.enter_context(StopRequest())
        state, (step, pending, skipped) = _begin(config, task, mesh, workdir)
        unfinished = False
        if pending and _logs(config, step):  # stopped during an evaluation
            if _has_logged(workdir, step):  # which has been made up for
                pending = []
            else:
                unfinished = True
        if step >= config["num_steps"] and not unfinished:
            processes.say_once(f"{workdir} is at step {step}: raise --config.num_steps to go on")
            return
        checkpoints = stack.enter_context(
            Checkpoints(
                workdir, config["checkpoint_every_steps"], config["checkpoint_every_minutes"]
            )
        )
        workdirs.save_config(config, workdir)
        agreement = Agreement(mesh)
        evaluate = _make_evaluate(config, task, mesh, notes["valid"])
        references = _references(config, task, notes["train"])
        batches = _training_batches(config, task, notes["train"], step)
        stack.callback(batches.close)
        batch = sharding.to_global(next(batches), mesh)
        samples_per_step = batch["audio"].size
        started = time.monotonic()
        train_step = make_train_step(config, task, mesh).lower(state, batch).compile()
        processes.say_once(f"compiled the training step in {time.monotonic() - started:.0f} s")

        saved, stopped, overdue, asked = step, False, False, 0
        log = stack.enter_context(MetricsLog(workdir, step, config["num_steps"]))
        clock = _Stopwatch(step)

        def asked_to_stop() -> bool:
            nonlocal stopped, overdue, asked
            stopped, overdue = agreement.any([stop.received is not None, checkpoints.overdue])
            asked += 1
            overdue = overdue and asked > agreement.lag  # not what was asked before the last save
            return stopped

        while unfinished or step < config["num_steps"]:
            if not unfinished:
                if asked_to_stop():
                    break
                # Any other transfer between host and device is a defect.
                with jax.transfer_guard("disallow"):
                    state, metrics = train_step(state, batch)
                    batch = sharding.to_global(next(batches), mesh)
                step += 1
                pending.append(metrics)
                log.progress(step)
            unfinished = False
            last = step == config["num_steps"]
            evaluating = _is_due(step, config["eval_every_steps"]) or last
            saving = last or overdue or checkpoints.due(step)
            summarizing = _is_due(step, config["summarize_every_steps"]) or (
                last and config["summarize_every_steps"] > 0
            )
            if not (saving or summarizing or _logs(config, step)):
                continue

            pending, skipped = _fetch(pending, step, skipped, config)
            valid = {}
            if evaluating:
                with clock.paused():
                    valid = evaluate(state, asked_to_stop)
                if valid is None:
                    break
                saving = saving or valid["valid/loss"] < checkpoints.best_loss()
            if _logs(config, step):
                log.write(step, _training_line(config, pending, skipped) | references | valid)
                if rate := clock.rate(step):  # none were trained where an evaluation is made up for
                    log.write_speed(step, samples_per_step * rate)
                pending = []
            with clock.paused():
                if saving:
                    checkpoints.save(
                        state, Position(step, list(pending), skipped), valid.get("valid/loss")
                    )
                    saved, asked = step, 0
                if summarizing and jax.process_index() == 0 and not stop.received:
                    with stop.abandoning():
                        log.write_summaries(step, summarize(config, task, state))
        if saved < step:  # asked to stop since
            pending, skipped = _fetch(pending, step, skipped, config)
            checkpoints.save(state, Position(step, pending, skipped))
    if stopped:
        why = stop.received.name if stop.received else "a process was asked to stop"
        raise Stopped(f"{why}: {workdir} is saved at step {step}; the same command goes on")


def _prepare(
    config: Mapping[str, Any], mesh: Mesh
) -> tuple[dict[str, Any], tasks.Task, dict[str, Sequence[Any]]]:
    """Returns the checked configuration, its task, and the notes by split."""
    check_numbers(config)
    config = with_absolute_paths(config)
    sharding.check_batch_size(config["batch_size"], mesh, config["accumulation_steps"])
    task = tasks.create(config)
    where = config["dataset"]["name"], config["dataset"]["data_dir"]
    return config, task, {s: input_pipeline.open_split(*where, s) for s in ("train", "valid")}


def _identity(config: Mapping[str, Any], notes: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """Returns what must be the same in all processes: settings, versions, some of the notes."""
    what = {f"config.{name}": value for name, value in workdirs.flatten(config).items()}
    # Every machine may have a copy of its own.
    del what["config.dataset.data_dir"], what["config.dataset.num_workers"]
    what |= {"jax": jax.__version__, "wavenet_ae": wavenet_ae.__version__}
    for split, of_split in notes.items():
        what[f"{split}.notes"] = len(of_split)
        for index in range(0, len(of_split), max(1, len(of_split) // _COMPARED_NOTES)):
            note = of_split[index]
            what[f"{split}[{index}]"] = note["id"], zlib.crc32(note["audio"].tobytes())
    return what


def _share() -> input_pipeline.ProcessShare:
    return input_pipeline.ProcessShare(jax.process_index(), jax.process_count())


def _training_batches(
    config: Mapping[str, Any],
    task: tasks.Task,
    notes: Sequence[Any],
    first_step: int = 0,
    *,
    plain: bool = False,
) -> Iterator[input_pipeline.Batch]:
    """Yields this process's share of the batches, or, in this thread, all of them as they are."""
    dataset = config["dataset"]
    local = (
        {}
        if plain
        else {
            **input_pipeline.augmentations(dataset),
            "share": _share(),
            "num_workers": dataset["num_workers"],
        }
    )
    return input_pipeline.training_batches(
        notes,
        seed=config["seed"],
        batch_size=config["batch_size"],
        crop_samples=task.crop_samples,
        first_step=first_step,
        **local,
    )


def _references(
    config: Mapping[str, Any], task: tasks.Task, notes: Sequence[Any]
) -> dict[str, float]:
    """Returns what stands beside the loss, the same in every process."""
    batches = _training_batches(config, task, notes, plain=True)  # as those of validation
    # A small split is not read again and again.
    epoch = math.ceil(len(notes) / config["batch_size"])
    references = task.references(itertools.islice(batches, min(epoch, _REFERENCE_BATCHES)))
    return {f"reference/{name}": value for name, value in references.items()}


def _make_evaluate(
    config: Mapping[str, Any], task: tasks.Task, mesh: Mesh, notes: Sequence[Any]
) -> Callable[[TrainState, Callable[[], bool]], dict[str, float] | None]:
    """Returns a function that scores the averaged weights, or gives up when asked to stop."""
    eval_step = make_eval_step(task, mesh)

    def evaluate(state: TrainState, asked_to_stop: Callable[[], bool]) -> dict[str, float] | None:
        batches = input_pipeline.evaluation_batches(
            notes,
            batch_size=config["batch_size"],
            crop_samples=task.crop_samples,
            num_batches=config["eval_batches"],
            share=_share(),
        )
        sums = []
        for batch in batches:
            if asked_to_stop():
                return None
            sums.append(eval_step(state, sharding.to_global(batch, mesh)))
        totals, counts = zip(*jax.device_get(sums), strict=True)
        scores = {f"valid/{k}": float(sum(t[k] for t in totals) / sum(counts)) for k in totals[0]}
        if not math.isfinite(scores["valid/loss"]):
            raise UserError(
                f"the valid/loss is {scores['valid/loss']} at step {int(state.step)}: look for "
                "broken sounds in the valid split; the same command goes on from the last "
                "checkpoint."
            )
        return scores

    return evaluate


def _begin(
    config: Mapping[str, Any], task: tasks.Task, mesh: Mesh, workdir: Path
) -> tuple[TrainState, Position]:
    """Returns the state to go on from: the newest checkpoint's, another run's, or a new one."""
    state = init_state(config, task, mesh)
    restored = checkpoint.restore(workdir, state)
    if restored is not None:
        processes.say_once(
            f"resuming {workdir} at step {restored[1].step} of {config['num_steps']}"
        )
        return restored
    if config["init_from"] is not None:
        with processes.together():
            state = _start_from(Path(config["init_from"]).expanduser(), config, state)
    return state, Position(0, [])


def _is_due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0


def _logs(config: Mapping[str, Any], step: int) -> bool:
    return step == config["num_steps"] or any(
        _is_due(step, config[name]) for name in ("log_every_steps", "eval_every_steps")
    )


def _has_logged(workdir: Path, step: int) -> bool:
    """Tells whether process 0 sees a line of this step in the log."""
    with processes.together():
        here = any(line["step"] == step for line in read_metrics(workdir))
    return processes.gather_texts("yes" if here else "no")[0] == "yes"


class _Stopwatch:
    """Measures steps a second, leaving out what is not training."""

    def __init__(self, step: int):
        self._step, self._since = step, time.monotonic()

    def rate(self, step: int) -> float:
        """Returns steps a second since the last call."""
        now = time.monotonic()
        rate = (step - self._step) / (now - self._since)
        self._step, self._since = step, now
        return rate

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Stops the clock."""
        stopped = time.monotonic()
        yield
        self._since += time.monotonic() - stopped


def _fetch(
    pending: list[dict[str, Any]], step: int, skipped: int, config: Mapping[str, Any]
) -> tuple[list[dict[str, float]], int]:
    """Brings the metrics of the last steps to the host.

    Args:
        pending: by step.
        step: of the last of them.
        skipped: steps skipped before.
        config: with the limit.

    Returns:
        The metrics, empty where a step was skipped, and how many have now been skipped.

    Raises:
        UserError: a loss or a norm is not finite: the weights are lost, and must not be saved; or
            too many steps were skipped.
    """
    fetched = [
        {name: float(value) for name, value in metrics.items()}
        for metrics in jax.device_get(pending)
    ]
    limit = config["skip_nonfinite"]
    for index, metrics in enumerate(fetched):
        number = step - len(fetched) + 1 + index
        if metrics.pop("skipped", 0):
            metrics.clear()
            skipped += 1
            if skipped > limit:
                raise UserError(
                    f"{skipped} steps up to step {number} had a gradient that is not finite or too "
                    f"large, and --config.skip_nonfinite={limit}: lower "
                    "--config.optimizer.learning_rates or raise the limit; the same command goes "
                    "on from the last checkpoint."
                )
        broken = [name for name, value in metrics.items() if not math.isfinite(value)]
        if broken:
            raise UserError(
                f"the {broken[0]} is {metrics[broken[0]]} at step {number}: lower "
                "--config.optimizer.learning_rates, set --config.optimizer.clip_norm, or let some "
                "steps be skipped with --config.skip_nonfinite=10; the same command goes on from "
                "the last checkpoint."
            )
    return fetched, skipped


def _training_line(
    config: Mapping[str, Any], pending: list[dict[str, float]], skipped: int
) -> dict[str, float]:
    """Returns the means over the steps that were not skipped."""
    kept = [metrics for metrics in pending if metrics]
    line = {
        f"train/{name}": math.fsum(metrics[name] for metrics in kept) / len(kept)
        for name in (kept[0] if kept else ())
    }
    return line | ({"train/skipped": skipped} if config["skip_nonfinite"] else {})


def _start_from(folder: Path, config: Mapping[str, Any], state: TrainState) -> TrainState:
    """Puts the weights of another run or an export into a new state."""
    theirs = trained.load_trained(pretrained.find(folder, config["task"]))
    workdirs.check_same_model(
        theirs.config, config, f"config.init_from={folder} has", "choose the same."
    )
    weights = {"params": theirs.params, "model_state": theirs.model_state}
    weights["averaged"] = theirs.params

    def place(new: jax.Array, old: jax.Array) -> jax.Array:
        # From the host, where several processes each have their own. A copy for every place: the
        # step donates its state, and the parameters and their average are one here.
        array = np.asarray(new)
        return jax.make_array_from_callback(
            old.shape, old.sharding, lambda index: np.array(array[index])
        )

    processes.say_once(f"starting from the weights of {folder}, step {theirs.step}")
    return state.replace(**jax.tree.map(place, weights, {k: getattr(state, k) for k in weights}))
