"""One pass over the notes of a dataset that collects labels and a few numbers of each sound."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare.statistics import sounds
from wavenet_ae.prepare.statistics.sounds import SoundFacts
from wavenet_ae.prepare.statistics.splits import Split
from wavenet_ae.system import worker_pool
from wavenet_ae.system.errors import UserError

# Read together by a thread; an interruption waits for this many.
_CHUNK_NOTES = 64
# Hashing, measuring and file access release the GIL; decoding records does not.
_MOST_THREADS = 8


class Unreadable(NamedTuple):
    """A note that cannot be read, by its place in the split, or only its sound."""

    split: str
    index: int
    name: str | None
    reason: str


class Notes(NamedTuple):
    """The notes of a dataset, in columns.

    Attributes:
        splits: names.
        split: int `[notes]`, a place in `splits`.
        name: str `[notes]`.
        instrument: str `[notes]`.
        pitch: int `[notes]`, MIDI.
        velocity: int `[notes]`, MIDI.
        family: int `[notes]`, a place in `nsynth.FAMILIES`.
        source: int `[notes]`, a place in `nsynth.SOURCES`.
        qualities: bool `[notes, 10]`.
        has_sound: bool `[notes]`, whether the sound was measured.
        num_samples: int `[notes]`, 0 where it was not.
        peak: float `[notes]`, NaN where it was not; so is the mean.
        mean: float `[notes]`.
        longest_run: int `[notes]`, of samples at full scale.
        digest: str `[notes]`, of the sound; empty where it was not measured.
        unreadable: notes without labels, which have no row, and sounds that were not measured.
        with_sounds: whether the sounds were read.
        unnamed_sounds: by split, the files of sounds that belong to no note.
    """

    splits: tuple[str, ...]
    split: np.ndarray
    name: np.ndarray
    instrument: np.ndarray
    pitch: np.ndarray
    velocity: np.ndarray
    family: np.ndarray
    source: np.ndarray
    qualities: np.ndarray
    has_sound: np.ndarray
    num_samples: np.ndarray
    peak: np.ndarray
    mean: np.ndarray
    longest_run: np.ndarray
    digest: np.ndarray
    unreadable: tuple[Unreadable, ...]
    with_sounds: bool
    unnamed_sounds: Mapping[str, Sequence[str]] = {}


_Columns = tuple[np.ndarray, ...]
_NO_SOUND = SoundFacts(0, np.nan, np.nan, 0, "")


def collect(splits: Sequence[Split], *, with_sounds: bool = True) -> Notes:
    """Reads all notes.

    A note that cannot be read is recorded, and the others are still read.

    Args:
        splits: from `open_dataset` or `open_notes`.
        with_sounds: measure the sounds, too.

    Raises:
        UserError: no note of a split can be read.
    """
    columns: list[_Columns] = []
    unreadable: list[Unreadable] = []
    total = sum(split.num_notes for split in splits)
    pool = ThreadPoolExecutor(min(_MOST_THREADS, worker_pool.num_cores()) if with_sounds else 1)
    try:
        with tqdm(total=total, unit="note", desc="reading") as bar:
            for place, split in enumerate(splits):
                before = len(unreadable)
                starts = range(0, split.num_notes, _CHUNK_NOTES)
                for found, failed in pool.map(
                    lambda start, split=split, place=place: _read(split, place, start, with_sounds),
                    starts,
                ):
                    columns.append(found)
                    unreadable += failed
                    bar.update(len(found[0]) + sum(note.name is None for note in failed))
                lost = [note for note in unreadable[before:] if note.name is None]
                if len(lost) == split.num_notes:
                    raise UserError(
                        f"no note of the split {split.name!r} can be read; of the first one: "
                        f"{lost[0].reason}"
                    )
    finally:
        pool.shutdown(cancel_futures=True)
    joined = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
    unnamed = {split.name: split.unnamed_sounds for split in splits}
    return Notes(tuple(s.name for s in splits), *joined, tuple(unreadable), with_sounds, unnamed)


def _read(
    split: Split, place: int, start: int, with_sounds: bool
) -> tuple[_Columns, list[Unreadable]]:
    """Reads consecutive notes."""
    labels: list[Note] = []
    facts: list[SoundFacts] = []
    unreadable = []
    for index in range(start, min(start + _CHUNK_NOTES, split.num_notes)):
        name = None
        try:
            note, load = split.read(index)
            name = note.name
            labels.append(note)
            facts.append(_NO_SOUND)
            if with_sounds:
                facts[-1] = sounds.measure(load())
        except UserError as error:
            unreadable.append(Unreadable(split.name, index, name, str(error)))
    return _to_columns(place, labels, facts), unreadable


def _to_columns(place: int, labels: list[Note], facts: list[SoundFacts]) -> _Columns:
    """Returns the columns of `Notes` from the split's place to the digests."""
    num_samples, peaks, means, runs, digests = zip(*facts, strict=True) if facts else [()] * 5
    return (
        np.full(len(labels), place),
        np.array([it.name for it in labels], dtype=str),
        np.array([it.instrument for it in labels], dtype=str),
        np.array([it.pitch for it in labels], dtype=int),
        np.array([it.velocity for it in labels], dtype=int),
        np.array([nsynth.FAMILIES.index(it.family) for it in labels], dtype=int),
        np.array([nsynth.SOURCES.index(it.source) for it in labels], dtype=int),
        np.array([it.qualities for it in labels], dtype=bool).reshape(-1, len(nsynth.QUALITIES)),
        np.array(num_samples, dtype=int) > 0,
        np.array(num_samples, dtype=int),
        np.array(peaks, dtype=float),
        np.array(means, dtype=float),
        np.array(runs, dtype=int),
        np.array(digests, dtype=str),
    )
