"""The training loop."""

import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from wavenet_ae import tasks
from wavenet_ae.system import buckets, processes
from wavenet_ae.system.buckets import Uploads
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import Stopped
from wavenet_ae.training import setup, sharding
from wavenet_ae.training import workdir as workdirs
from wavenet_ae.training.batches import make_evaluate, training_batches, trivial_baselines
from wavenet_ae.training.checkpoint import Checkpoints
from wavenet_ae.training.interruption import StopRequest
from wavenet_ae.training.metrics import MediaSummaries, MetricsLog
from wavenet_ae.training.profiling import Profiler
from wavenet_ae.training.progress import Progress, due_after
from wavenet_ae.training.state import TrainState
from wavenet_ae.training.step import Batch, make_train_step

Summarize = Callable[[Mapping[str, Any], tasks.Task, TrainState], MediaSummaries]


class _Run(NamedTuple):
    """What is used after every step."""

    config: Mapping[str, Any]
    checkpoints: Checkpoints
    evaluate: Callable[[TrainState], dict[str, float] | None]
    baselines: Mapping[str, float]
    log: MetricsLog
    uploads: Uploads
    stop: StopRequest
    summarize: Callable[[TrainState], MediaSummaries]


def train_and_evaluate(config: Mapping[str, Any], workdir: Path, summarize: Summarize) -> None:
    """Trains until `num_steps`, resuming from the newest complete checkpoint of the workdir.

    Args:
        config: a resolved configuration; `experiments/configs/` documents the settings.
        workdir: the run's folder, created if needed.
        summarize: makes sounds and pictures for TensorBoard every `summarize_every_steps`.

    Raises:
        UserError: a setting or the data is wrong, the workdir is in use, full or of another
            model's run, or the loss is no longer finite.
        Stopped: the process was asked to stop; the run was saved.
    """
    mesh = sharding.data_mesh()
    config, task, notes = setup.check(config, mesh)
    with buckets.errors_explained(workdir), contextlib.ExitStack() as stack:
        enter = stack.enter_context
        check_owned = enter(workdirs.locked(workdir))
        with processes.barrier():
            workdirs.check_config_compatible(config, workdir)
        stop = enter(StopRequest(mesh))
        state, progress = setup.restore_or_init(config, task, mesh, workdir)
        if progress.step >= config["num_steps"] and not progress.owes_evaluation:
            processes.print_once(
                f"{workdir} is at step {progress.step}: raise --config.num_steps to train on"
            )
            return
        checkpoints = enter(Checkpoints(workdir, mesh, config["checkpoint_every_minutes"]))
        workdirs.save_config(config, workdir, is_resumed=progress.step > 0)
        evaluate = make_evaluate(config, task, mesh, notes["valid"], stop)
        baselines = trivial_baselines(config, task, notes["train"])
        batches = enter(
            contextlib.closing(training_batches(config, task, notes["train"], progress.step))
        )
        batch = sharding.to_global(next(batches), mesh)
        train_step = _compile(make_train_step(config, task, mesh), state, batch)
        steps = progress.step, config["num_steps"]
        uploads = enter(Uploads(workdir, check_owned))
        owes = progress.owes_evaluation
        log = enter(MetricsLog(workdir, uploads, *steps, batch["audio"].size, owes))
        profiler = enter(Profiler(uploads.folder, workdir, config["profile_steps"]))
        show = functools.partial(summarize, config, task)
        run = _Run(config, checkpoints, evaluate, baselines, log, uploads, stop, show)

        if progress.owes_evaluation:
            _finish_step(run, state, progress)
        while progress.step < config["num_steps"] and not stop.agreed and not stop.is_made():
            with jax.transfer_guard("disallow"):  # any other is a defect
                state, metrics = profiler.run(progress.step + 1, train_step, state, batch)
                batch = sharding.to_global(next(batches), mesh)
            progress.advance(metrics)
            _finish_step(run, state, progress)
        if stop.agreed:
            _save(run, state, progress)
    if stop.agreed:  # and the background save has finished
        raise Stopped(
            f"{stop.reason()}: {workdir} is saved at step {progress.step}; the same command "
            "resumes there"
        )
    processes.print_once(f"{workdir} is trained: {count(progress.step, 'step')}")


def _compile(step: Callable[..., Any], state: TrainState, batch: Batch) -> Callable[..., Any]:
    # A JAX without support for the accelerator would train on the CPU, and nobody would notice.
    processes.print_once(f"devices: {jax.device_count()} x {jax.devices()[0].device_kind}")
    started = time.monotonic()
    compiled = step.lower(state, batch).compile()
    processes.print_once(f"compiled the training step in {time.monotonic() - started:.0f} s")
    return compiled


def _finish_step(run: _Run, state: TrainState, progress: Progress) -> None:
    """Logs, evaluates, saves and summarises what is due after the last step.

    A line of only training metrics is written after the next step has been dispatched; what needs
    the state comes at once, since the next step donates it.
    """
    due = due_after(progress.step, run.config)
    saving = run.checkpoints.timed_save_due() or due.save
    run.log.progress(progress.step)
    if progress.owed_line is not None:
        _write_line(run, progress)
    if due.log:
        progress.owed_line = progress.step
    valid = {}
    if due.evaluate:
        progress.fetch(run.config["max_skipped_steps"])  # broken weights need not be evaluated
        with run.log.clock_stopped():
            valid = run.evaluate(state)
        progress.owes_evaluation = valid is None
        if valid is None:
            progress.owed_line = None  # it comes with the evaluation
            return
        saving = saving or valid["valid/loss"] < run.checkpoints.best_loss()
        _write_line(run, progress, valid)
    if saving:
        _save(run, state, progress, valid.get("valid/loss"))
    if due.summarize and jax.process_index() == 0 and not run.stop.received:
        with run.log.clock_stopped(), run.stop.interruptible():
            run.log.write_summaries(progress.step, run.summarize(state))


def _write_line(run: _Run, progress: Progress, valid: Mapping[str, float] = {}) -> None:
    step, progress.owed_line = progress.owed_line, None
    line = progress.take_line(step, run.config["max_skipped_steps"])
    run.log.write(step, {**line, **run.baselines, **valid})


def _save(
    run: _Run, state: TrainState, progress: Progress, valid_loss: float | None = None
) -> None:
    if progress.owed_line is not None:
        _write_line(run, progress)
    progress.fetch(run.config["max_skipped_steps"])
    with run.log.clock_stopped():
        with processes.barrier():
            run.uploads.flush()  # a checkpoint's metrics are stored before it is
        run.checkpoints.save(state, progress, valid_loss)
