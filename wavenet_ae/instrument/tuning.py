"""How far a note lies from its pitch, and what to try where that is far."""

import numpy as np
import soxr

from wavenet_ae.audio import pitch_tracker
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.audio.pitch_tracker import PitchError

# What is tracked: after the attack, and no longer than the tracker needs.
_ATTACK = round(0.15 * SAMPLE_RATE_HZ)
_TRACKED = round(1.2 * SAMPLE_RATE_HZ)

# A decoder that has learned little of one pitch misses it whatever the seed. It is then given the
# semitone below or above, and its sound is transposed.
_SEMITONES = (0, -1, 1)


def cents(audio: np.ndarray, pitch: int, release: int) -> int | None:
    """Returns how far a note lies from its pitch, in cents, or None without a clear pitch.

    Args:
        audio: float32 `[samples]` at 16 kHz.
        pitch: MIDI, from `pitch_tracker.LOWEST` to `pitch_tracker.HIGHEST`.
        release: the sample at which the key is lifted.
    """
    # Of a note that has hardly more than an attack, that is tracked.
    first = _ATTACK if release >= 2 * _ATTACK else 0
    try:
        found = pitch_tracker.track(audio[first : min(release, first + _TRACKED)])
    except PitchError:
        return None
    return 100 * (found.midi - pitch) + found.cents


def semitones(attempt: int) -> int:
    """Returns how far from its pitch a note is generated at an attempt, which count from 1.

    What was generated so is brought to its pitch by `transpose`.
    """
    return _SEMITONES[(attempt - 1) % len(_SEMITONES)]


def transpose(audio: np.ndarray, semitones: float) -> np.ndarray:
    """Returns a sound played faster, which is higher, or slower.

    Args:
        audio: float32 `[samples]` at 16 kHz.
        semitones: up, or negative down.
    """
    if not semitones:
        return audio
    factor = 2 ** (semitones / 12)
    return soxr.resample(audio, SAMPLE_RATE_HZ * factor, SAMPLE_RATE_HZ, quality="HQ")


def is_better(cents: int | None, than: int | None) -> bool:
    """Returns whether a note lies nearer to its pitch than another; None is the farthest."""
    return cents is not None and (than is None or abs(cents) < abs(than))
