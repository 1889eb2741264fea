"""The notes of a split that a page shows."""

import collections
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import librosa
import numpy as np
from tqdm import tqdm

from wavenet_ae.data import nsynth

# A split may hold thousands of notes; evenly spaced ones show its instruments well enough.
_MOST_CANDIDATES = 512
_MIDDLE_C_MIDI = 60
_FIFTH_SEMITONES = 7


class Note(NamedTuple):
    """A note's labels; `index` is its place in the split, pitch and velocity are MIDI."""

    index: int
    id: str
    instrument: str
    family: str
    source: str
    pitch: int
    velocity: int
    qualities: tuple[str, ...]

    @property
    def title(self) -> str:
        """The note in words: `synth lead, acoustic, C♯4`."""
        return f"{self.family.replace('_', ' ')}, {self.source}, {librosa.midi_to_note(self.pitch)}"


def read_labels(notes: Sequence[dict[str, Any]]) -> list[Note]:
    """Reads the labels of all notes, or of some where there are very many.

    Args:
        notes: a split, as `input_pipeline.open_split` gives it; at least one note.

    Returns:
        The labels in the order of the split.
    """
    indices = np.unique(np.linspace(0, len(notes) - 1, _MOST_CANDIDATES).astype(int)).tolist()
    return [note_of(notes[index], index) for index in tqdm(indices, unit="note", desc="choosing")]


def note_of(example: Mapping[str, Any], index: int) -> Note:
    """Returns the labels of the note at this place of a split."""
    return Note(
        index=index,
        id=example["id"],
        instrument=example["id"].rsplit("-", 2)[0],
        family=nsynth.FAMILIES[example["family"]],
        source=nsynth.SOURCES[example["source"]],
        pitch=int(example["pitch"]),
        velocity=int(example["velocity"]),
        qualities=tuple(itertools.compress(nsynth.QUALITIES, example["qualities"])),
    )


def named_note(note_str: str) -> Note:
    """Returns the labels that a name like `bass_synthetic_033-022-050` tells: not the qualities.

    Raises:
        ValueError: the name is not of NSynth's form.
    """
    instrument, pitch, velocity = nsynth.parse_note_name(note_str)
    place = nsynth.parse_instrument_name(instrument)
    if place is None:
        raise ValueError(f"{instrument!r} is not of the form family_source_number")
    return Note(0, note_str, instrument, *place, pitch, velocity, ())


def read_audio(notes: Sequence[dict[str, Any]], note: Note) -> np.ndarray:
    """Reads the sound of one of the split's notes: float32 `[samples]` at 16 kHz."""
    return notes[note.index]["audio"]


def choose_notes(notes: Sequence[Note], count: int) -> list[Note]:
    """Chooses notes to show: instruments and families in turn, each near middle C.

    Args:
        notes: to choose from, in any order.
        count: how many.

    Returns:
        The notes; all of them if there are fewer.
    """
    chosen: list[Note] = []

    def rank(note: Note) -> tuple:
        return (
            sum(note.instrument == other.instrument for other in chosen),
            sum(note.family == other.family for other in chosen),
            abs(note.pitch - _MIDDLE_C_MIDI),
            note.id,
        )

    left = set(notes)
    while left and len(chosen) < count:
        chosen.append(min(left, key=rank))
        left.remove(chosen[-1])
    return chosen


def choose_pair(notes: Sequence[Note]) -> tuple[Note, Note] | None:
    """Chooses two notes to blend: of different instruments, like pitches and different families.

    Where not all of it can be had, the order here is the order of importance; like pitches are no
    more than a fifth apart. None if there are fewer than two notes.
    """
    return next(iter(choose_pairs(notes, 1)), None)


def choose_pairs(notes: Sequence[Note], count: int) -> list[tuple[Note, Note]]:
    """Chooses several pairs to blend, each as `choose_pair` does, of ever new notes and families.

    New notes are less important than different instruments and more so than like pitches; new
    families come after different ones.

    Args:
        notes: to choose from, in any order.
        count: how many.

    Returns:
        The pairs, all different; fewer if there are fewer.
    """
    chosen: list[tuple[Note, Note]] = []
    used: collections.Counter[Note | str] = collections.Counter()  # notes, and names of families

    def rank(pair: tuple[Note, Note]) -> tuple:
        one, other = pair
        distance = abs(one.pitch - other.pitch)
        return (
            one.instrument == other.instrument,
            used[one] + used[other],
            distance > _FIFTH_SEMITONES,
            one.family == other.family,
            used[one.family] + used[other.family],
            distance,
            abs(one.pitch + other.pitch - 2 * _MIDDLE_C_MIDI),
            one.id,
            other.id,
        )

    left = set(itertools.combinations(notes, 2))
    while left and len(chosen) < count:
        pair = min(left, key=rank)
        left.remove(pair)
        chosen.append(pair)
        for note in pair:
            used.update((note, note.family))
    return chosen
