"""How much of a melody another sound keeps, by the pitch of both, frame by frame."""

from typing import NamedTuple

import librosa
import mir_eval
import numpy as np

from wavenet_ae.audio import first_call


class Kept(NamedTuple):
    """What is left of a melody.

    Attributes:
        pitch: share of the frames in which the melody has a pitch, and the other sound has it, too,
            within 50 cents: MIREX's raw pitch accuracy.
        chroma: as `pitch`, in whatever octave: raw chroma accuracy.
        distance: semitones between both, on the mean along the path of dynamic time warping, which
            forgives other durations; frames without pitch are left out. NaN where no frame of the
            other sound has a pitch.
    """

    pitch: float
    chroma: float
    distance: float


def compare(melody: np.ndarray, other: np.ndarray) -> Kept | None:
    """Compares two sounds of the same length.

    Args:
        melody: MIDI pitches `[frames]` of the reference, NaN where it has none.
        other: of the other sound, likewise.

    Returns:
        None where the reference has no pitch at all.
    """
    if np.isnan(melody).all():
        return None
    if np.isnan(other).all():
        return Kept(0.0, 0.0, np.nan)
    both = (*_in_cents(melody), *_in_cents(other))
    return Kept(
        float(mir_eval.melody.raw_pitch_accuracy(*both)),
        float(mir_eval.melody.raw_chroma_accuracy(*both)),
        _warped_distance(melody[~np.isnan(melody)], other[~np.isnan(other)]),
    )


def _in_cents(pitches: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns, for mir_eval, where there is a pitch, and the pitches in cents, 0 for none."""
    return (~np.isnan(pitches)).astype(float), 100 * np.nan_to_num(pitches)


@first_call.exclusive
def _warped_distance(melody: np.ndarray, other: np.ndarray) -> float:
    costs = np.abs(melody[:, None] - other[None])
    _, path = librosa.sequence.dtw(C=costs)
    return float(costs[path[:, 0], path[:, 1]].mean())
