"""The choice of the notes that a page shows."""

import collections
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import librosa
import numpy as np
from tqdm import tqdm

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note

# A split may hold thousands of notes; evenly spaced ones show its instruments well enough.
_MOST_CANDIDATES = 512
_MIDDLE_C_MIDI = 60
_FIFTH_SEMITONES = 7


def title(note: Note) -> str:
    """Returns the note in words: `synth lead, acoustic, C♯4`."""
    return f"{note.family.replace('_', ' ')}, {note.source}, {librosa.midi_to_note(note.pitch)}"


def read_labels(split: Sequence[dict[str, Any]]) -> dict[Note, int]:
    """Reads the labels of all notes, or of some where there are very many.

    Args:
        split: from `input_pipeline.open_split`; at least one note.

    Returns:
        The notes, each with its place in the split, in this order.
    """
    indices = np.unique(np.linspace(0, len(split) - 1, _MOST_CANDIDATES).astype(int)).tolist()
    bar = tqdm(indices, unit="note", desc="choosing")
    return {Note.from_example(split[index]): index for index in bar}


def named_note(note_str: str) -> Note:
    """Returns the labels in a name like `bass_synthetic_033-022-050`, without qualities.

    Raises:
        ValueError: the name is not of NSynth's form.
    """
    name = nsynth.parse_note_name(note_str)
    place = nsynth.parse_instrument_name(name.instrument)
    if place is None:
        raise ValueError(f"{name.instrument!r} is not of the form family_source_number")
    return Note.named(*name, *place, [False] * len(nsynth.QUALITIES))


def choose_notes(notes: Iterable[Note], count: int) -> list[Note]:
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
            note.name,
        )

    left = set(notes)
    while left and len(chosen) < count:
        chosen.append(min(left, key=rank))
        left.remove(chosen[-1])
    return chosen


def choose_pair(notes: Iterable[Note]) -> tuple[Note, Note] | None:
    """Chooses two notes to blend: of different instruments, similar pitches, different families.

    Where not all are possible, this is the order of importance; similar pitches are at most a
    fifth apart. None if there are fewer than two notes.
    """
    return next(iter(choose_pairs(notes, 1)), None)


def choose_pairs(notes: Iterable[Note], count: int) -> list[tuple[Note, Note]]:
    """Chooses several pairs to blend, each as `choose_pair` does, of new notes and families.

    New notes are less important than different instruments and more so than similar pitches; new
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
            one.name,
            other.name,
        )

    left = set(itertools.combinations(notes, 2))
    while left and len(chosen) < count:
        pair = min(left, key=rank)
        left.remove(pair)
        chosen.append(pair)
        for note in pair:
            used.update((note, note.family))
    return chosen
