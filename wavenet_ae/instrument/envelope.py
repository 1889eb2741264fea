"""Where a note begins, is released and ends, by its level."""

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ

# The level is that of windows of 40 ms, every 20 ms: at least one period of the lowest notes.
_HOP = round(0.02 * SAMPLE_RATE_HZ)
_WINDOW = 2 * _HOP
# Below the peak's level, what a release is found in: above the noise that recordings have.
_RELEASE_RANGE_DB = 50.0
# How much faster, in dB/s, a level falls after a release than before it. Plucked strings lose some
# 10 dB/s while they are held.
_RELEASE_STEEPER = 20.0
_LEAST_FRAMES = 4  # of a line's fit
# An onset is sharp; windows of 4 ms show it.
_ONSET_HOP = round(0.004 * SAMPLE_RATE_HZ)
_ONSET_DB = -30.0
# What begins later than this does so slowly, and is kept from its start.
_LATEST_ONSET = round(0.25 * SAMPLE_RATE_HZ)
_END_DB = -60.0


def levels_db(audio: np.ndarray, hop: int = _HOP, window: int = _WINDOW) -> np.ndarray:
    """Returns the RMS levels `[frames]` in dB of full scale, of the windows at every hop."""
    # Windows that the sound does not fill would make its end a release.
    padded = np.pad(audio.astype(np.float64), (0, max(0, window - len(audio))))
    sums = np.concatenate([[0.0], np.cumsum(padded**2)])
    starts = np.arange(0, len(padded) - window + 1, hop)
    power = (sums[starts + window] - sums[starts]) / window
    return 10 * np.log10(np.maximum(power, 1e-12))


def onset(audio: np.ndarray) -> int:
    """Returns the sample at which a note begins, or 0 where it begins slowly."""
    levels = levels_db(audio, _ONSET_HOP, _ONSET_HOP)
    sample = int(np.argmax(levels >= levels.max() + _ONSET_DB)) * _ONSET_HOP
    return sample if sample <= _LATEST_ONSET else 0


def end(audio: np.ndarray) -> int:
    """Returns the sample after the last one that is heard."""
    levels = levels_db(audio)
    last = int(np.flatnonzero(levels >= levels.max() + _END_DB)[-1])
    return len(audio) if last == len(levels) - 1 else last * _HOP + _WINDOW


def release(audio: np.ndarray) -> int | None:
    """Returns the sample at which a note's key is lifted, or None where nothing shows it.

    The level in dB is fitted by two lines, of which the second must fall much faster: where they
    meet is the release.

    Args:
        audio: float32 `[samples]` at 16 kHz, of one note.
    """
    levels = levels_db(audio)
    loud = np.flatnonzero(levels >= levels.max() - _RELEASE_RANGE_DB)
    first, last = int(np.argmax(levels)), int(loud[-1])
    held = levels[first : last + 1]
    splits = range(_LEAST_FRAMES, len(held) - _LEAST_FRAMES + 1)
    if not splits:
        return None
    fits = [(_line(held[:place]), _line(held[place:])) for place in splits]
    best = min(range(len(fits)), key=lambda i: fits[i][0][1] + fits[i][1][1])
    (before, _), (after, _) = fits[best]
    if (before - after) * SAMPLE_RATE_HZ / _HOP < _RELEASE_STEEPER:
        return None
    return (first + splits[best]) * _HOP


def _line(levels: np.ndarray) -> tuple[float, float]:
    """Fits a line; returns its slope, in dB a frame, and the sum of the squared errors."""
    places = np.arange(len(levels)) - (len(levels) - 1) / 2
    rest = levels - levels.mean()
    slope = float(places @ rest / (places @ places))
    return slope, float(np.sum((rest - slope * places) ** 2))


def fade(audio: np.ndarray, rise: int, fall: int) -> np.ndarray:
    """Returns a sound that rises from silence and falls to it, in so many samples."""
    faded = audio.copy()
    rise, fall = min(rise, len(audio)), min(fall, len(audio))
    if rise:
        faded[:rise] *= _ramp(rise)
    if fall:
        faded[-fall:] *= _ramp(fall)[::-1]
    return faded


def _ramp(samples: int) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(np.pi * np.arange(samples) / samples)).astype(np.float32)
