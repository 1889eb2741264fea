"""The training loop."""

import contextlib
import itertools
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from wavenet_ae import atomic_file, tasks
from wavenet_ae.data import input_pipeline
from wavenet_ae.errors import UserError
from wavenet_ae.training import sharding, trained
from wavenet_ae.training.checkpoint import Checkpoints, Position
from wavenet_ae.training.interruption import StopRequest
from wavenet_ae.training.metrics import MetricsLog, Summaries
from wavenet_ae.training.state import TrainState
from wavenet_ae.training.step import init_state, make_eval_step, make_train_step

# Batches of training data from which the references beside the loss are computed.
_REFERENCE_BATCHES = 64

Summarize = Callable[[Mapping[str, Any], tasks.Task, TrainState], Summaries]

# Settings that must be whole numbers, with the smallest value of each.
_WHOLE_NUMBERS = {
    "seed": 0,
    "num_steps": 1,
    "batch_size": 1,
    "accumulation_steps": 1,
    "log_every_steps": 1,
    "eval_every_steps": 1,
    "checkpoint_every_steps": 1,
    "summarize_every_steps": 0,
    "dataset.num_workers": 0,
}
_LARGEST_SEED = 2**32 - 1


def train_and_evaluate(config: Mapping[str, Any], workdir: Path, summarize: Summarize) -> None:
    """Trains until `num_steps`, going on from the newest checkpoint of the workdir.

    Args:
        config: a resolved configuration; `experiments/configs/` documents the settings.
        workdir: the run's folder, made if it is not there.
        summarize: makes sounds and pictures for TensorBoard every `summarize_every_steps`.

    Raises:
        UserError: a setting or the data is wrong, the workdir holds another model's run, or the
            loss is no longer finite.
        KeyboardInterrupt: the process was asked to stop; the run was saved.
    """
    config = _resolve(config)
    mesh = sharding.data_mesh()
    sharding.check_batch_size(config["batch_size"], mesh, config["accumulation_steps"])
    task = tasks.create(config)
    dataset = config["dataset"]
    train_notes, valid_notes = (
        input_pipeline.open_split(dataset["name"], dataset["data_dir"], split)
        for split in ("train", "valid")
    )
    _check_workdir(config, workdir)
    data = {
        "seed": config["seed"],
        "batch_size": config["batch_size"],
        "crop_samples": task.crop_samples,
    }
    evaluate = _make_evaluate(config, task, mesh, valid_notes)
    with (
        contextlib.ExitStack() as stack,
        StopRequest() as stop,
        Checkpoints(
            workdir, config["checkpoint_every_steps"], config["checkpoint_every_minutes"]
        ) as checkpoints,
    ):
        if (checkpoints.latest_step or 0) >= config["num_steps"]:
            _say(
                f"{workdir} is at step {checkpoints.latest_step}: "
                "raise --config.num_steps to train for longer"
            )
            return
        state, (step, pending) = _begin(config, task, mesh, workdir, checkpoints)
        _save_config(config, workdir)
        # Read by every process alike, so that all have the same references.
        first_batches = input_pipeline.training_batches(train_notes, **data)
        references = task.references(itertools.islice(first_batches, _REFERENCE_BATCHES))
        references = {f"reference/{name}": value for name, value in references.items()}
        batches = input_pipeline.training_batches(
            train_notes,
            **data,
            first_step=step,
            share=_share(),
            num_workers=dataset["num_workers"],
        )
        stack.callback(batches.close)
        batch = sharding.to_global(next(batches), mesh)
        samples_per_step = batch["audio"].size
        started = time.monotonic()
        train_step = make_train_step(config, task, mesh).lower(state, batch).compile()
        _say(f"compiled the training step in {time.monotonic() - started:.0f} s")

        saved = step
        with MetricsLog(workdir, step, config["num_steps"]) as log:
            clock = _Stopwatch(step)
            while step < config["num_steps"] and not stop.received:
                # Any other transfer between host and device is a defect.
                with jax.transfer_guard("disallow"):
                    state, metrics = train_step(state, batch)
                    batch = sharding.to_global(next(batches), mesh)
                step += 1
                pending.append(metrics)
                log.progress(step)
                last = step == config["num_steps"]
                evaluating = last or step % config["eval_every_steps"] == 0
                logging = evaluating or step % config["log_every_steps"] == 0
                saving = last or checkpoints.due(step)
                every = config["summarize_every_steps"]
                summarizing = every and (last or step % every == 0) and jax.process_index() == 0
                if not (logging or saving or summarizing):
                    continue

                pending = _fetch_finite(pending, step)
                line, valid = {}, {}
                if logging:
                    line = {f"train/{name}": _mean(pending, name) for name in pending[0]}
                    line["train/samples_per_second"] = samples_per_step * clock.rate(step)
                    line |= references
                    pending = []
                with clock.paused():
                    if evaluating:
                        valid = evaluate(state)
                        saving = saving or valid["valid/loss"] < checkpoints.best_loss()
                    if logging:
                        log.write(step, line | valid)
                    if saving:
                        position = Position(step, list(pending))
                        checkpoints.save(state, position, valid.get("valid/loss"))
                        saved = step
                    if summarizing:
                        log.write_summaries(step, summarize(config, task, state))
        if saved < step:  # asked to stop since
            checkpoints.save(state, Position(step, _fetch_finite(pending, step)))
    if stop.received:
        _say(f"{stop.received.name}: {workdir} is saved at step {step}; the same command goes on")
        raise KeyboardInterrupt


def _share() -> input_pipeline.ProcessShare:
    return input_pipeline.ProcessShare(jax.process_index(), jax.process_count())


def _make_evaluate(
    config: Mapping[str, Any], task: tasks.Task, mesh: Mesh, notes: Sequence[Any]
) -> Callable[[TrainState], dict[str, float]]:
    """Returns a function that scores the averaged weights on the notes."""
    eval_step = make_eval_step(task, mesh)

    def evaluate(state: TrainState) -> dict[str, float]:
        batches = input_pipeline.evaluation_batches(
            notes,
            batch_size=config["batch_size"],
            crop_samples=task.crop_samples,
            num_batches=config["eval_batches"],
            share=_share(),
        )
        sums = [eval_step(state, sharding.to_global(batch, mesh)) for batch in batches]
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
    config: Mapping[str, Any],
    task: tasks.Task,
    mesh: Mesh,
    workdir: Path,
    checkpoints: Checkpoints,
) -> tuple[TrainState, Position]:
    """Returns the state to go on from: the newest checkpoint's, another run's, or a new one."""
    state = init_state(config, task, mesh)
    if checkpoints.latest_step is not None:
        _say(f"resuming {workdir} at step {checkpoints.latest_step} of {config['num_steps']}")
        return checkpoints.restore(state)
    if config["init_from"] is not None:
        state = _start_from(Path(config["init_from"]).expanduser(), config, state)
    return state, Position(0, [])


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


def _fetch_finite(pending: list[dict[str, Any]], step: int) -> list[dict[str, float]]:
    """Brings the metrics of the last steps to the host.

    Raises:
        UserError: a loss or a norm is not finite: the weights are lost, and must not be saved.
    """
    fetched = [
        {name: float(value) for name, value in metrics.items()}
        for metrics in jax.device_get(pending)
    ]
    for number, metrics in enumerate(fetched, start=step - len(fetched) + 1):
        broken = [name for name, value in metrics.items() if not math.isfinite(value)]
        if broken:
            raise UserError(
                f"the {broken[0]} is {metrics[broken[0]]} at step {number}: lower "
                "--config.optimizer.learning_rates or set --config.optimizer.clip_norm; the same "
                "command goes on from the last checkpoint."
            )
    return fetched


def _mean(pending: list[dict[str, float]], name: str) -> float:
    return math.fsum(metrics[name] for metrics in pending) / len(pending)


def _say(message: str) -> None:
    if jax.process_index() == 0:
        print(message, file=sys.stderr, flush=True)


def _resolve(config: Mapping[str, Any]) -> dict[str, Any]:
    """Checks the numbers, and makes the data's folder independent of the current one."""
    numbers = {**config, **{f"dataset.{k}": v for k, v in config["dataset"].items()}}
    for name, smallest in _WHOLE_NUMBERS.items():
        value = numbers[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < smallest:
            raise UserError(
                f"config.{name}={value!r} must be a whole number, {smallest} or larger."
            )
    if config["seed"] > _LARGEST_SEED:
        raise UserError(f"config.seed={config['seed']} must be at most {_LARGEST_SEED}.")
    for name, smallest in (("eval_batches", 1), ("checkpoint_every_minutes", 0)):
        if config[name] is not None and config[name] < smallest:
            raise UserError(f"config.{name}={config[name]} must be {smallest} or more, or None.")
    data_dir = config["dataset"]["data_dir"]
    if "://" not in data_dir:
        data_dir = str(Path(data_dir).expanduser().absolute())
    return {**config, "dataset": {**config["dataset"], "data_dir": data_dir}}


def _start_from(folder: Path, config: Mapping[str, Any], state: TrainState) -> TrainState:
    """Puts the weights of another run or an export into a new state."""
    theirs = trained.load_trained(folder)
    _check_same_model(theirs.config, config, f"config.init_from={folder} has", "choose the same.")
    weights = {"params": theirs.params, "model_state": theirs.model_state}
    weights["averaged"] = theirs.params
    shardings = jax.tree.map(lambda x: x.sharding, {name: getattr(state, name) for name in weights})
    _say(f"starting from the weights of {folder}, step {theirs.step}")
    # Copies: the step donates its state, and the parameters and their average are one here.
    return state.replace(**jax.device_put(weights, shardings, may_alias=False))


def _check_same_model(
    theirs: Mapping[str, Any], ours: Mapping[str, Any], who: str, way_out: str
) -> None:
    theirs, ours = ({"task": c["task"], **trained.architecture(c)} for c in (theirs, ours))
    for name in theirs | ours:
        if theirs.get(name) != ours.get(name):
            raise UserError(
                f"{who} {name}={theirs.get(name)}, and this run has {name}={ours.get(name)}: "
                f"{way_out}"
            )


def _check_workdir(config: Mapping[str, Any], workdir: Path) -> None:
    """Makes the folder; another model's run there is a UserError, other settings are told."""
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"the workdir {workdir} cannot be made: {error.strerror}.") from error
    if not (workdir / trained.CONFIG_FILE).exists():
        return
    saved = trained.read_config(workdir)
    _check_same_model(saved, config, f"{workdir} holds a run with", "use another --workdir.")
    before, now = (_flatten(c) for c in (saved, config))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            _say(f"changed since the last start: {name}={now.get(name)}, was {before.get(name)}")


def _flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat = {}
    for name, value in config.items():
        inner = isinstance(value, Mapping)
        flat |= _flatten(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return flat


def _save_config(config: Mapping[str, Any], workdir: Path) -> None:
    if jax.process_index() == 0:
        with atomic_file.replacing(workdir / trained.CONFIG_FILE) as temporary:
            temporary.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
