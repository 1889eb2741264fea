"""Which notes of a piece are in what is played, as transcriptions are judged (mir_eval)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import librosa
import mir_eval
import numpy as np

from wavenet_ae.audio.midi import Note

_AROUND_S = 0.1  # of a note's beginning and end, which a transcriber sets a little differently
_OVERTONES = frozenset(round(12 * math.log2(n)) for n in range(2, 9))  # semitones


class Found(NamedTuple):
    """How many notes were found.

    Attributes:
        precision: share of the found notes that are in the piece.
        recall: share of the piece's notes that were found.
        f1: the harmonic mean of both.
    """

    precision: float
    recall: float
    f1: float


class Wrong(NamedTuple):
    """Which shares of the found notes are not in the piece.

    Attributes:
        repeated: a note that sounds there, found again or at another time.
        overtone: an overtone of a note that sounds there, or an undertone.
        other: any other.
    """

    repeated: float
    overtone: float
    other: float


def compare(piece: Sequence[Note], found: Sequence[Note]) -> Found | None:
    """Compares notes by pitch and by beginning, within 50 ms; their ends do not count.

    Args:
        piece: what should be there.
        found: what is there.

    Returns:
        None where the piece has no notes.
    """
    if not piece:
        return None
    if not found:
        return Found(0.0, 0.0, 0.0)
    both = (*_intervals_and_hz(piece), *_intervals_and_hz(found))
    scores = mir_eval.transcription.precision_recall_f1_overlap(*both, offset_ratio=None)
    return Found(*map(float, scores[:3]))


def wrong(piece: Sequence[Note], found: Sequence[Note]) -> Wrong | None:
    """Returns what those of the found notes are which `compare` does not find in the piece.

    Args:
        piece: what should be there, at least a note.
        found: what is there.

    Returns:
        None where nothing is found.
    """
    if not found:
        return None
    both = (*_intervals_and_hz(piece), *_intervals_and_hz(found))
    right = {place for _, place in mir_eval.transcription.match_notes(*both, offset_ratio=None)}
    kinds = [_kind(piece, note) for place, note in enumerate(found) if place not in right]
    return Wrong(*(kinds.count(kind) / len(found) for kind in Wrong._fields))


def _kind(piece: Sequence[Note], note: Note) -> str:
    """Returns what a wrong note is to those that sound when it begins."""
    distances = {
        abs(note.pitch - other.pitch)
        for other in piece
        if other.start_s - _AROUND_S <= note.start_s <= other.end_s + _AROUND_S
    }
    if 0 in distances:
        return "repeated"
    return "overtone" if distances & _OVERTONES else "other"


def within(notes: Sequence[Note], lowest: int, highest: int) -> list[Note]:
    """Returns the notes of some pitches."""
    return [note for note in notes if lowest <= note.pitch <= highest]


def excerpt(notes: Sequence[Note], start_s: float, end_s: float) -> list[Note]:
    """Returns the notes that begin in a part of a piece, by the time since its start."""
    return [
        note._replace(start_s=note.start_s - start_s, end_s=min(note.end_s, end_s) - start_s)
        for note in notes
        if start_s <= note.start_s < end_s
    ]


def _intervals_and_hz(notes: Sequence[Note]) -> tuple[np.ndarray, np.ndarray]:
    intervals = np.array([[note.start_s, note.end_s] for note in notes])
    return intervals, librosa.midi_to_hz(np.array([note.pitch for note in notes]))
