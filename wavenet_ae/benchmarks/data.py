"""How fast the input pipeline feeds a training step."""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax

from wavenet_ae import tasks
from wavenet_ae.benchmarks import interleaved
from wavenet_ae.benchmarks.interleaved import Spread
from wavenet_ae.benchmarks.training import TrainingStep, first_batches
from wavenet_ae.data.input_pipeline import open_split, training_batches
from wavenet_ae.prepare.notes_folder import NotesFolder
from wavenet_ae.publish import markdown
from wavenet_ae.training.settings import check_training

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
    interleaved.check_seconds(seconds)
    check_training(config)
    task = tasks.create(config)
    name = config["dataset"]["name"]
    sources = {name: open_split(name, config["dataset"]["data_dir"], "train")}
    if notes is not None:
        sources["WAV files"] = NotesFolder(notes).dataset()
    crops = dict.fromkeys([task.crop_samples, None])
    ways = [(s, c, w) for c in crops for s in sources for w in num_workers]

    def rate(source: str, crop_samples: int | None, workers: int) -> float:
        batches = training_batches(
            sources[source],
            seed=config["seed"],
            batch_size=config["batch_size"],
            crop_samples=crop_samples,
            num_workers=workers,
        )
        with contextlib.closing(batches):
            next(batches)
            return interleaved.calls_per_s(lambda: next(batches), seconds, _WARM_UP * seconds)

    measured = interleaved.measure(
        {way: functools.partial(rate, *way) for way in ways}, repetitions
    )
    return [Measurement(*way, *spread) for way, spread in measured.items()]


def steps_per_s(config: Mapping[str, Any], seconds: float = 5.0) -> float:
    """Measures how many batches the training step takes on this machine's devices.

    Raises:
        UserError: a setting is wrong, or there is no such dataset.
    """
    step = TrainingStep(config, first_batches(config))
    jax.block_until_ready(step())
    return interleaved.calls_per_s(step, seconds, _WARM_UP * seconds)


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
    lines = []
    crop_samples = tasks.create(config).crop_samples
    for m in measurements:
        what = f"crops of {m.crop_samples}" if m.crop_samples else "whole"
        rate = Spread(m.batches_per_s, m.lowest, m.highest).in_one_cell()
        is_read = m.crop_samples == crop_samples
        ratios = [f"{m.batches_per_s / d:.3g}" if is_read else "-" for d in demands.values()]
        notes_per_s = f"{m.batches_per_s * config['batch_size']:.4g}"
        lines.append([m.source, what, str(m.num_workers), rate, notes_per_s, *ratios])
    return markdown.table(heads, lines, text_columns=3) + "\n"
