"""The pitch of notes and melodies, by probabilistic YIN (Mauch and Dixon 2014; librosa)."""

from typing import NamedTuple

import librosa
import numpy as np
import soxr

from wavenet_ae.audio import first_call
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.system.errors import UserError

LOWEST, HIGHEST = 21, 108  # MIDI: the keys of a piano

# At 16 kHz the highest pitches have four samples a period, and a period between two samples is
# mistaken for one of twice its length.
_RATE_HZ = 2 * SAMPLE_RATE_HZ
_FRAME_SAMPLES = 4096  # four periods of the lowest pitch: YIN compares windows of half a frame
_HOP_SAMPLES = 1024
# Quarters of a semitone: enough to round from, and six times as fast as librosa's tenths.
_RESOLUTION = 0.25

# Frames within 40 dB of the loudest count as sounding; the rest is release and silence.
_SOUNDING_DB = 40.0
_FEWEST_FRAMES = 4
# A note has a pitch in half of its sounding frames (breath and hammer have none), and stays within
# a semitone, which leaves room for vibrato, four fifths of the time.
_LEAST_VOICED = 0.5
_LEAST_STEADY = 0.8
_STEADY_SEMITONES = 1.0


class PitchError(UserError):
    """A sound without a clear pitch; the message follows the sound's name."""


class Pitch(NamedTuple):
    """A note's pitch."""

    midi: int
    cents: int  # how far the sound lies from it, -50 to 50
    voiced: float  # the share of the sounding frames that have a pitch


def track(audio: np.ndarray) -> Pitch:
    """Finds the pitch of a sound that holds one note.

    Args:
        audio: float32 [samples] at 16 kHz.

    Returns:
        The median over the frames that have a pitch, weighted by how probable that is, rounded to
        a MIDI number from LOWEST to HIGHEST.

    Raises:
        PitchError: the sound is silent, too short, has a pitch too rarely, or its pitch wanders.
    """
    audio = soxr.resample(audio, SAMPLE_RATE_HZ, _RATE_HZ, quality="HQ")
    hz, is_voiced, probability = _pyin(audio)
    sounding = _is_sounding(audio)
    if not sounding.any():
        raise PitchError("is silent")
    if sounding.sum() < _FEWEST_FRAMES:
        seconds = sounding.sum() * _HOP_SAMPLES / _RATE_HZ
        raise PitchError(f"sounds for {seconds:.2f} s, too short for its pitch to be tracked")
    has_pitch = sounding & is_voiced
    voiced = has_pitch.sum() / sounding.sum()
    if voiced < _LEAST_VOICED:
        raise PitchError(
            f"has a pitch in {voiced:.0%} of the time that it sounds, and a note needs "
            f"{_LEAST_VOICED:.0%}"
        )
    semitones = librosa.hz_to_midi(hz[has_pitch])
    median = _weighted_median(semitones, probability[has_pitch])
    steady = np.mean(np.abs(semitones - median) <= _STEADY_SEMITONES)
    if steady < _LEAST_STEADY:
        raise PitchError(
            f"has a pitch that wanders: {steady:.0%} of it lies within a semitone of "
            f"{librosa.midi_to_note(median, unicode=False)} (MIDI {median:.1f}), and a note needs "
            f"{_LEAST_STEADY:.0%}"
        )
    midi = int(np.clip(np.rint(median), LOWEST, HIGHEST))
    return Pitch(midi, round(100 * (median - midi)), float(voiced))


def contour(audio: np.ndarray) -> np.ndarray:
    """Finds the pitch of a melody every 32 ms.

    Args:
        audio: float32 [samples] at 16 kHz.

    Returns:
        MIDI pitches [frames], with fractions; NaN where there is none.
    """
    hz, _, _ = _pyin(soxr.resample(audio, SAMPLE_RATE_HZ, _RATE_HZ, quality="HQ"))
    return librosa.hz_to_midi(hz)


@first_call.exclusive
def _pyin(audio: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns hertz, whether there is a pitch, and how probable that is, of each frame."""
    return librosa.pyin(
        audio,
        # Half a semitone more, so that a note out of tune is still detected.
        fmin=float(librosa.midi_to_hz(LOWEST - 0.5)),
        fmax=float(librosa.midi_to_hz(HIGHEST + 0.5)),
        sr=_RATE_HZ,
        frame_length=_FRAME_SAMPLES,
        hop_length=_HOP_SAMPLES,
        resolution=_RESOLUTION,
    )


def _is_sounding(audio: np.ndarray) -> np.ndarray:
    """Returns bool [frames]: which of pyin's frames are near the loudest."""
    level = librosa.feature.rms(y=audio, frame_length=_FRAME_SAMPLES, hop_length=_HOP_SAMPLES)[0]
    return level > level.max() * 10 ** (-_SOUNDING_DB / 20)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])
