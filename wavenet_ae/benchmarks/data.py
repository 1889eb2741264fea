"""How fast the input pipeline feeds a training step."""

import math
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from tqdm import tqdm

from wavenet_ae import tasks
from wavenet_ae.data.input_pipeline import open_split, training_batches
from wavenet_ae.data.wav_files import open_folder
from wavenet_ae.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.settings import check_numbers
from wavenet_ae.training.step import init_state, make_train_step

_WARM_UP = 0.2  # of a measurement's time


class Measurement(NamedTuple):
    """What one way of reading gave.

    Attributes:
        source: the dataset's name, or `WAV files`.
        crop_samples: of each note; None: whole notes.
        num_workers: processes that read; 0: threads of this one.
        batches_per_s: the median of the repetitions.
        lowest: of the repetitions, batches/s.
        highest: of the repetitions, batches/s.
    """

    source: str
    crop_samples: int | None
    num_workers: int
    batches_per_s: float
    lowest: float
    highest: float


def measure(
    config: Mapping[str, Any],
    *,
    notes: Path | None = None,
    num_workers: Sequence[int] = (0, 1, 2),
    seconds: float = 5.0,
    repetitions: int = 3,
) -> list[Measurement]:
    """Measures all ways of reading, one after the other, and that as often as asked for.

    Args:
        config: of a training: its dataset, batch size, seed and crop (beside whole notes) are used.
        notes: a folder in NSynth's json/wav layout, to read its WAV files likewise.
        num_workers: numbers of reading processes.
        seconds: of each measurement.
        repetitions: of the whole round.

    Raises:
        UserError: a setting is wrong, or there is no such dataset or folder.
    """
    if not math.isfinite(seconds):
        raise UserError(f"--seconds={seconds} must be a finite number.")
    check_numbers(config)
    task = tasks.create(config)
    name = config["dataset"]["name"]
    sources = {name: open_split(name, config["dataset"]["data_dir"], "train")}
    if notes is not None:
        sources["WAV files"] = open_folder(notes)
    crops = dict.fromkeys([task.crop_samples, None])
    ways = [(s, c, w) for c in crops for s in sources for w in num_workers]
    rates: dict[tuple, list[float]] = {way: [] for way in ways}
    with tqdm(total=repetitions * len(ways), unit=" measurements", leave=False) as bar:
        for _ in range(repetitions):
            for way in ways:
                source, crop_samples, workers = way
                batches = training_batches(
                    sources[source],
                    seed=config["seed"],
                    batch_size=config["batch_size"],
                    crop_samples=crop_samples,
                    num_workers=workers,
                )
                rates[way].append(_rate(batches, seconds))
                bar.update()
    return [Measurement(*way, statistics.median(r), min(r), max(r)) for way, r in rates.items()]


def steps_per_s(config: Mapping[str, Any], seconds: float = 5.0) -> float:
    """Measures how many batches the training step takes on this machine's devices.

    Raises:
        UserError: a setting is wrong.
    """
    mesh = sharding.data_mesh()
    task = tasks.create(config)
    state = init_state(config, task, mesh)
    notes = open_split(config["dataset"]["name"], config["dataset"]["data_dir"], "train")
    batches = training_batches(
        notes,
        seed=config["seed"],
        batch_size=config["batch_size"],
        crop_samples=task.crop_samples,
    )
    batch = sharding.to_global(next(batches), mesh)
    batches.close()
    step = make_train_step(config, task, mesh)

    def run() -> Iterator[None]:
        nonlocal state
        while True:
            state, metrics = step(state, batch)
            jax.block_until_ready(metrics)
            yield

    return _rate(run(), seconds)


def _rate(items: Iterator[Any], seconds: float) -> float:
    """Returns how many items come in a second, after the first ones."""
    next(items)
    warm = time.perf_counter() + _WARM_UP * seconds
    while time.perf_counter() < warm:
        next(items)
    count, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < seconds:
        next(items)
        count += 1
    items.close()
    return count / elapsed


def table(
    measurements: Sequence[Measurement], config: Mapping[str, Any], demands: Mapping[str, float]
) -> str:
    """Returns Markdown: a row for each way of reading.

    Args:
        measurements: from `measure`.
        config: that they were made with.
        demands: batches/s that steps take, by what to call them; what a step reads, crops or
            whole notes, is compared with them.
    """
    heads = [
        "read from",
        "notes",
        "workers",
        "batches/s",
        "notes/s",
        *(f"times {d}" for d in demands),
    ]
    lines = [heads, ["---"] * 3 + ["---:"] * (len(heads) - 3)]
    crop_samples = tasks.create(config).crop_samples
    for m in measurements:
        what = f"crops of {m.crop_samples}" if m.crop_samples else "whole"
        rate = f"{m.batches_per_s:.4g} ({m.lowest:.4g} to {m.highest:.4g})"
        is_read = m.crop_samples == crop_samples
        ratios = [f"{m.batches_per_s / d:.3g}" if is_read else "-" for d in demands.values()]
        notes_per_s = f"{m.batches_per_s * config['batch_size']:.4g}"
        lines.append([m.source, what, str(m.num_workers), rate, notes_per_s, *ratios])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
