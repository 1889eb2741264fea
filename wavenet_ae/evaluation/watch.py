"""Evaluates the checkpoints of a run while it trains, on this machine or another."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wavenet_ae.evaluation.table1 import MODELS, evaluate_table1
from wavenet_ae.system import atomic_file, buckets, downloads, locks
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import is_url, local_path
from wavenet_ae.training import checkpoint, trained
from wavenet_ae.training.metrics import ScalarLog, read_metrics

_SETTINGS = "config.json"


def watch_table1(config: Mapping[str, Any], workdir: Path, poll_seconds: float) -> None:
    """Evaluates each new checkpoint of a run once, until the run has ended.

    A checkpoint that was evaluated by an earlier call is not evaluated again; one whose evaluation
    was interrupted is resumed. Those that the run deletes before they are read are left out.

    Args:
        config: as of `evaluate_table1`, with one autoencoder: the run, which may not exist yet.
        workdir: the folder to write: `metrics.jsonl` and TensorBoard's events, with the means of
            each row by the run's step, and a folder of `evaluate_table1` for each step.
        poll_seconds: how often to look for a new checkpoint.

    Raises:
        UserError: there are none or two autoencoders, the workdir holds evaluations with other
            settings, another process uses it; or what `evaluate_table1` raises.
    """
    kinds = [kind for kind in MODELS if config.get(kind) is not None]
    if len(kinds) != 1:
        raise UserError(
            "--watch follows a single run: name either --config.wavenet or --config.spectral."
        )
    (kind,) = kinds
    run = _run_folder(f"--config.{kind}", config[kind])
    with locks.exclusive_lock(workdir), buckets.Uploads(workdir) as uploads:
        _check_settings(config, workdir / _SETTINGS)
        done = {int(line["step"]) for line in read_metrics(workdir)}
        last = max(done, default=0)
        with ScalarLog(workdir, uploads, last, last + 1) as log:
            reported = None
            while True:
                if new := [step for step in _steps(run) if step > last]:
                    last = new[0]
                    _evaluate(config, kind, run, last, workdir / str(last), log)
                    continue
                if last >= _num_steps(run):
                    return
                if reported != last:
                    reported = last
                    print(f"waiting for {run} after step {last}", file=sys.stderr, flush=True)
                time.sleep(poll_seconds)


def _run_folder(name: str, source: str) -> Path:
    return buckets.path(name, source) if is_url(source) else local_path(name, source)


def _check_settings(config: Mapping[str, Any], path: Path) -> None:
    """Refuses to continue evaluations with settings that would make them incomparable."""
    try:
        before = json.loads(path.read_text())
    except FileNotFoundError:
        with atomic_file.replacing(path) as temporary:
            temporary.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        return
    except ValueError as error:
        raise UserError(f"{path} is damaged: use another --workdir.") from error
    for name in sorted(before.keys() | config.keys()):
        if before.get(name) != config.get(name):
            raise UserError(
                f"{path.parent} holds evaluations with config.{name}={before.get(name)}, not "
                f"{config.get(name)}: use another --workdir."
            )


def _steps(run: Path) -> list[int]:
    with buckets.errors_explained(run):
        return checkpoint.steps(run)


def _evaluate(
    config: Mapping[str, Any], kind: str, run: Path, step: int, workdir: Path, log: ScalarLog
) -> None:
    try:
        model = trained.find(f"{run}/{checkpoint.FOLDER}/{step}")
        rows = evaluate_table1({**config, kind: str(model)}, workdir)
        downloads.forget(model)  # of a bucket; another step's is fetched anyway
    except UserError:
        if step in _steps(run):
            raise
        print(f"step {step} of {run} was deleted before it was read", file=sys.stderr, flush=True)
        return
    means = {
        f"{row}/{name}": value["mean"]
        for row, columns in rows.items()
        for name, value in columns.items()
    }
    log.write(step, means)


def _num_steps(run: Path) -> float:
    """Returns how long the run will train, as it says now; infinity where it has not begun."""
    with buckets.errors_explained(run):
        if not (run / trained.CONFIG_FILE).exists():
            return float("inf")
        return trained.read_config(run).get("num_steps", float("inf"))
