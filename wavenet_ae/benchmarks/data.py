"""How fast the input pipeline feeds a training step."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from wavenet_ae import tasks
from wavenet_ae.benchmarks import interleaved
from wavenet_ae.benchmarks.training import TrainingStep, first_batches
from wavenet_ae.data.input_pipeline import open_split, training_batches
from wavenet_ae.prepare.notes_folder import NotesFolder
from wavenet_ae.publish import document as doc
from wavenet_ae.training.settings import check_training

_WARM_UP = 0.2  # of a measurement's time


def measure(
    config: Mapping[str, Any],
    *,
    notes: Path | None = None,
    num_workers: Sequence[int] = (0, 1, 2),
    step_ms: Sequence[float] = (),
    measure_step: bool = False,
    seconds: float = 5.0,
    repetitions: int = 3,
) -> dict[str, Any]:
    """Measures all ways of reading in turn, for some rounds.

    Args:
        config: of a training: its dataset, batch size, seed and crop are used.
        notes: a folder in NSynth's json/wav layout, to also read its WAV files.
        num_workers: numbers of reading processes; 0: threads of this one.
        step_ms: of steps on other machines, to compare with.
        measure_step: measure the training step on this machine's devices, to compare with.
        seconds: of each measurement.
        repetitions: of the whole round.

    Returns:
        What was measured, for JSON. `measurements` has an entry for each way: its `source` (the
        dataset's name, or `WAV files`), `crop_samples` (None: whole notes), `num_workers`, and of
        the repetitions the median `batches_per_s` with the `lowest` and `highest`. `demands` are
        the batches/s that steps take, by title, of notes with the `crop_samples` of the training.

    Raises:
        UserError: a setting is wrong, or there is no such dataset or folder.
    """
    interleaved.check_seconds(seconds)
    check_training(config)
    crop_samples = tasks.create(config).crop_samples
    name = config["dataset"]["name"]
    sources = {name: open_split(name, config["dataset"]["data_dir"], "train")}
    if notes is not None:
        sources["WAV files"] = NotesFolder(notes).dataset()
    measured = interleaved.measure(
        {
            (source, crop, workers): functools.partial(_rate, config, split, crop, workers, seconds)
            for crop in dict.fromkeys([crop_samples, None])
            for source, split in sources.items()
            for workers in num_workers
        },
        repetitions,
    )
    demands = {f"steps of {ms:g} ms": 1000 / ms for ms in step_ms}
    if measure_step:
        demands["steps here"] = _steps_per_s(config, seconds)
    names = ("source", "crop_samples", "num_workers", "batches_per_s", "lowest", "highest")
    return {
        "batch_size": config["batch_size"],
        "crop_samples": crop_samples,
        "demands": demands,
        "measurements": [
            dict(zip(names, (*way, *spread), strict=True)) for way, spread in measured.items()
        ],
    }


def _rate(
    config: Mapping[str, Any], split: Any, crop_samples: int | None, workers: int, seconds: float
) -> float:
    """Measures batches/s of one way of reading."""
    batches = training_batches(
        split,
        seed=config["seed"],
        batch_size=config["batch_size"],
        crop_samples=crop_samples,
        num_workers=workers,
    )
    with contextlib.closing(batches):
        next(batches)
        return interleaved.calls_per_s(lambda: next(batches), seconds, _WARM_UP * seconds)


def _steps_per_s(config: Mapping[str, Any], seconds: float) -> float:
    """Measures how many batches the training step takes on this machine's devices."""
    step = TrainingStep(config, first_batches(config))
    jax.block_until_ready(step())
    return interleaved.calls_per_s(step, seconds, _WARM_UP * seconds)


def document(result: Mapping[str, Any]) -> doc.Document:
    """Returns what `measure` found, with the rates of reading relative to those of steps."""
    batch_size, demands = result["batch_size"], result["demands"]
    header = ["read from", "notes", "workers", "batches/s", "notes/s"]
    rows = []
    for way in result["measurements"]:
        rate, crop = way["batches_per_s"], way["crop_samples"]
        is_read = crop == result["crop_samples"]
        rows.append(
            [
                way["source"],
                f"crops of {crop}" if crop else "whole",
                str(way["num_workers"]),
                interleaved.Spread(rate, way["lowest"], way["highest"]).in_one_cell(),
                f"{rate * batch_size:.4g}",
                *(f"{rate / d:.3g}" if is_read else "-" for d in demands.values()),
            ]
        )
    table = doc.Table([*header, *(f"times {d}" for d in demands)], rows, text_columns=3)
    facts = [(name, f"{demand:.4g} batches/s") for name, demand in demands.items()]
    blocks = [doc.Facts(facts), table] if facts else [table]
    return doc.Document(f"Reading batches of {batch_size} notes", blocks)
