"""How well the MIDI-conditioned WaveNet plays: are the notes in what it makes of its own past?

With the true past even a model that is deaf to the notes predicts well. So it plays pieces on a
past of its own, and a transcriber looks for their notes, in the original sound, too (Hawthorne et
al. 2019, arXiv 1810.12247, judge by ear).
"""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from wavenet_ae.audio import files, transcriber
from wavenet_ae.audio.midi import Note
from wavenet_ae.data import performance_batches, piano_roll
from wavenet_ae.data.performance_batches import PerformanceSplit
from wavenet_ae.evaluation import note_scores, performance_document
from wavenet_ae.evaluation.intervals import mean_with_interval
from wavenet_ae.evaluation.performance_document import ORIGINAL, OTHER, PERFORMED, ShownExcerpt
from wavenet_ae.publish.study_files import StudyFiles
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.generate_files import Job, check_names, generate_files, save_sounds
from wavenet_ae.synthesis.perform_files import Player
from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import (
    DATASET_NAME,
    NOT_NEGATIVE,
    PATH_OR_URL,
    SEED,
    TEXT,
    Rules,
    check,
    or_none,
    whole,
)
from wavenet_ae.training.trained import TrainedModel, load_trained

FILES = StudyFiles("performance", numbers="performance.json", text="performance.md")
# By name, the lowest and the highest MIDI pitch.
REGISTERS = {"below C3": (21, 47), "C3 to B4": (48, 71), "C5 and above": (72, 108)}

_BATCH = 8  # crops whose loss is computed at a time

_RULES: Rules = {
    "experiment": TEXT,
    "midi": or_none(PATH_OR_URL),
    "dataset": {"name": or_none(DATASET_NAME), "data_dir": or_none(PATH_OR_URL)},
    "split": TEXT,
    "num_excerpts": whole(2),
    "seconds": whole(1, 3600),
    "num_crops": whole(2),
    "temperature": NOT_NEGATIVE,
    "seed": SEED,
    "batch_size": whole(1),
    "num_shown": whole(0),
}


class Excerpt(NamedTuple):
    """A part of a performance.

    Attributes:
        name: of its files.
        audio: float32 `[samples]`, full scale -1..1.
        roll: uint8 `[frames, keys]`, velocities.
        notes: those that begin in it, by the time since its start.
    """

    name: str
    audio: np.ndarray
    roll: np.ndarray
    notes: list[Note]


def evaluate_performance(config: Mapping[str, Any], workdir: Path) -> None:
    """Plays excerpts of a split, and looks for their notes in what was played.

    Performances that an earlier call generated from the same weights and settings are reused.

    Args:
        config: `experiments/configs/performance_scores.py` documents the settings.
        workdir: the folder to write: `performance.json`, `performance.md`, `report.html`, and the
            sounds.

    Raises:
        UserError: a setting is wrong, the checkpoint is not of a MIDI-conditioned WaveNet, the data
            does not exist, the transcriber is not installed, or a file cannot be written.
    """
    if jax.process_count() > 1:
        raise UserError("performances are evaluated in one process: leave out --distributed.")
    check(config, _RULES)
    FILES.check(workdir)
    if config["midi"] is None:
        raise UserError(
            "there is no --config.midi: name a run of experiments/configs/midi_wavenet.py."
        )
    transcriber.check()
    player = Player(load_trained(config["midi"], "midi"), config["temperature"])
    theirs = player.trained.config["dataset"]
    where = [config["dataset"][key] or theirs[key] for key in ("name", "data_dir")]
    split = performance_batches.open_split(*where, config["split"])
    excerpts = _excerpts(split, player, config["num_excerpts"], config["seconds"])
    save_sounds(workdir / ORIGINAL, {excerpt.name: excerpt.audio for excerpt in excerpts})
    _perform(player, excerpts, workdir / PERFORMED, config)

    heard = {row: _transcribe(workdir / row, excerpts) for row in (ORIGINAL, PERFORMED)}
    # How many notes agree by chance.
    heard[OTHER] = [*heard[ORIGINAL][1:], heard[ORIGINAL][0]]
    found = {
        "data": {
            "name": where[0],
            "split": config["split"],
            "num_excerpts": len(excerpts),
            "seconds": config["seconds"],
            "num_notes": sum(len(excerpt.notes) for excerpt in excerpts),
        },
        "checkpoint": player.trained.describe(),
        "settings": {name: config[name] for name in ("seed", "temperature")},
        "rows": {row: _score(excerpts, notes, config["seed"]) for row, notes in heard.items()},
        "loss": _score_loss(player, split, config["num_crops"], config["seed"]),
    }
    shown = [
        ShownExcerpt(
            e.name, {row: workdir / row / f"{e.name}.wav" for row in (ORIGINAL, PERFORMED)}
        )
        for e in excerpts[: config["num_shown"]]
    ]
    page = FILES.write(workdir, performance_document.document(found, shown), found)
    print(f"{page}: scores of {len(excerpts)} excerpts")


def _excerpts(split: PerformanceSplit, player: Player, count: int, seconds: int) -> list[Excerpt]:
    """Returns excerpts that are evenly spread over the time of the split."""
    hop = player.hop_length
    num_frames = seconds * files.SAMPLE_RATE_HZ // hop
    samples = num_frames * hop
    lengths = split.sounds.lengths
    if lengths.min() < samples:
        shortest = int(lengths.argmin())
        raise UserError(
            f"config.seconds={seconds}: {split.sounds.name(shortest)} lasts "
            f"{lengths[shortest] / files.SAMPLE_RATE_HZ:.1f} s: lower it."
        )
    places, excerpts = split.places(samples), []
    count = min(count, places.num_windows)  # so that they do not overlap
    if count < 2:
        raise UserError(
            f"config.seconds={seconds}: the split has fewer than two excerpts of this length: "
            "lower it."
        )
    for number in range(count):
        sound, start = places.at((number + 0.5) / count)
        # The frame after the last one can change it: `piano_roll.draw`.
        audio, notes = split.sounds.read_with_notes(sound, start, samples, hop)
        roll = piano_roll.draw(notes, start, num_frames, player.roll)
        name = f"{number:03d}_{split.sounds.name(sound).rpartition('/')[2]}"
        excerpts.append(
            Excerpt(name, audio, piano_roll.to_velocities(roll), _notes(notes, start, samples))
        )
    if not any(excerpt.notes for excerpt in excerpts):
        raise UserError(f"no note begins in {count} excerpts of the split: take longer ones.")
    return excerpts


def _notes(rows: np.ndarray, start: int, samples: int) -> list[Note]:
    rate = files.SAMPLE_RATE_HZ
    notes = [Note(first / rate, end / rate, int(p), int(v)) for first, end, p, v in rows.tolist()]
    return note_scores.excerpt(notes, start / rate, (start + samples) / rate)


def _perform(
    player: Player, excerpts: Sequence[Excerpt], folder: Path, config: Mapping[str, Any]
) -> None:
    jobs = [
        Job(
            excerpt.name,
            EncodedSound(
                embedding=excerpt.roll,
                hop_length=player.hop_length,
                num_samples=len(excerpt.audio),
                source=excerpt.name,
                fingerprint=player.trained.fingerprint,
            ),
        )
        for excerpt in excerpts
    ]
    check_names(folder, [job.name for job in jobs])
    generate_files(player, jobs, folder, seed=config["seed"], batch_size=config["batch_size"])


def _transcribe(folder: Path, excerpts: Sequence[Excerpt]) -> list[list[Note]]:
    bar = processes.progress(excerpts, unit="sound", desc=f"transcribing {folder.name}")
    return [transcriber.transcribe(folder / f"{excerpt.name}.wav") for excerpt in bar]


def _score(
    excerpts: Sequence[Excerpt], heard: Sequence[Sequence[Note]], seed: int
) -> dict[str, Any]:
    """Returns precision, recall, F1 and wrong notes over all pitches, and each register's F1."""
    pairs = [
        (excerpt.notes, notes)
        for excerpt, notes in zip(excerpts, heard, strict=True)
        if excerpt.notes
    ]

    def means(scores: Iterable[Any]) -> dict[str, dict[str, float]]:
        found = [score for score in scores if score]
        if len(found) < 2:
            return {}
        columns = zip(found[0]._fields, np.array(found).T, strict=True)
        return {name: mean_with_interval(values, None, seed) for name, values in columns}

    registers = {}
    for name, limits in REGISTERS.items():
        parts = [[note_scores.within(notes, *limits) for notes in pair] for pair in pairs]
        registers[name] = means(note_scores.compare(*part) for part in parts).get("f1")
    return {
        **means(note_scores.compare(*pair) for pair in pairs),
        "wrong": means(note_scores.wrong(*pair) for pair in pairs),
        "registers": registers,
    }


def _score_loss(
    player: Player, split: PerformanceSplit, num_crops: int, seed: int
) -> dict[str, dict[str, float]]:
    """Returns the task's metrics with the true past, means over crops of training's length."""
    trained: TrainedModel = player.trained
    task = trained.task
    loss = jax.jit(functools.partial(task.loss, train=False))
    num_batches = -(-min(num_crops, split.num_windows(task.crop_samples)) // _BATCH)
    batches = performance_batches.evaluation_batches(
        split,
        batch_size=_BATCH,
        crop_samples=task.crop_samples,
        margin=task.roll_margin,
        roll=player.roll,
        num_batches=num_batches,
    )
    columns: dict[str, list[np.ndarray]] = {}
    for batch in processes.progress(
        batches, total=num_batches, unit="batch", desc="scoring the loss"
    ):
        is_crop = batch.pop("mask")
        metrics, _ = loss(trained.params, trained.model_state, batch)
        for name, values in metrics.items():
            columns.setdefault(name, []).append(np.asarray(values)[is_crop])
    return {
        name: mean_with_interval(np.concatenate(parts), None, seed)
        for name, parts in columns.items()
    }
