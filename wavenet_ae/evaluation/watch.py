"""Evaluates the checkpoints of a run while it trains, on this machine or another."""

import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wavenet_ae.data import input_pipeline
from wavenet_ae.evaluation.table1 import MODELS, RULES, evaluate_table1
from wavenet_ae.system import atomic_file, buckets, downloads, locks
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import check, is_url, local_path
from wavenet_ae.training import checkpoint, trained
from wavenet_ae.training.metrics import ScalarLog, read_metrics
from wavenet_ae.training.trained import TrainedModel, load_trained


def watch_table1(config: Mapping[str, Any], workdir: Path, poll_seconds: float) -> None:
    """Evaluates each new checkpoint of a run once, up to the run's last step.

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
        MachineError: the run's bucket cannot be reached.
    """
    check(config, RULES)
    kinds = [kind for kind in MODELS if config[kind] is not None]
    if len(kinds) != 1 or config["classifier"] is None:
        raise UserError(
            "--watch judges a single run: name --config.classifier and either --config.wavenet or "
            "--config.spectral."
        )
    (kind,) = kinds
    run = _run_folder(f"--config.{kind}", config[kind])
    classifier = load_trained(config["classifier"], "classifier")
    dataset = dict(classifier.config["dataset"])
    dataset |= {name: value for name, value in config["dataset"].items() if value is not None}
    input_pipeline.open_split(dataset["name"], dataset["data_dir"], config["split"])
    with locks.exclusive_lock(workdir):
        _check_settings(config, workdir / trained.CONFIG_FILE)
        last = max((int(line["step"]) for line in read_metrics(workdir)), default=0)
        with (
            buckets.Uploads(workdir) as uploads,
            ScalarLog(workdir, uploads, last, last + 1) as log,
        ):
            while (step := _wait_for_checkpoint(run, last, poll_seconds)) is not None:
                last = step
                model = _load(run, step, kind)
                if model is None:
                    continue
                loaded = {kind: model, "classifier": classifier}
                rows = evaluate_table1(config, workdir / str(step), loaded)
                log.write(step, _means(rows))
                if is_url(run):
                    downloads.forget(model.folder)


def _run_folder(name: str, source: str) -> Path:
    if source == "pretrained" or source.startswith("pretrained/"):
        raise UserError(f"{name}={source} does not train: name the folder of a run.")
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


def _wait_for_checkpoint(run: Path, last: int, poll_seconds: float) -> int | None:
    """Returns the oldest step after the last one, or None if the run has none to come."""
    reported = False
    while True:
        if new := [step for step in _steps(run) if step > last]:
            return new[0]
        if last >= _num_steps(run):
            return None
        if not reported:
            reported = True
            print(f"waiting for {run} after step {last}", file=sys.stderr, flush=True)
        time.sleep(poll_seconds)


def _steps(run: Path) -> list[int]:
    with buckets.errors_explained(run):
        return checkpoint.steps(run)


def _num_steps(run: Path) -> float:
    """Returns how long the run will train, as it says now; infinity where it has not begun."""
    with buckets.errors_explained(run):
        if not (run / trained.CONFIG_FILE).exists():
            return float("inf")
        return trained.read_config(run).get("num_steps", float("inf"))


def _load(run: Path, step: int, kind: str) -> TrainedModel | None:
    """Reads a checkpoint, or returns None if the run has deleted it meanwhile."""
    try:
        return load_trained(f"{run}/{checkpoint.FOLDER}/{step}", kind)
    except UserError:
        if step in _steps(run):
            raise
    print(f"step {step} of {run} was deleted before it was read", file=sys.stderr, flush=True)
    return None


def _means(rows: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, float]:
    return {
        f"{row}/{name}": column["mean"]
        for row, columns in rows.items()
        for name, column in columns.items()
    }
