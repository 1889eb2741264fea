"""Loop points of a note: where to repeat it while its key is held, without a step or a beat."""

from typing import NamedTuple

import librosa
import numpy as np
from scipy import signal

from wavenet_ae.audio.files import SAMPLE_RATE_HZ

# How long the crossfade takes to reach the loop's end, and then to return to the original. What is
# added up in it must be alike, so that windows of the same length are compared.
CROSSFADE = round(0.02 * SAMPLE_RATE_HZ)
# They are compared up to three harmonics or 1 kHz: what lies above has more of a decoder's noise,
# which is alike nowhere and need not be.
_HARMONICS = 3.5
_LOWEST_CUT_HZ, _HIGHEST_CUT_HZ = 1000, 4000
# Shorter loops sound like a machine; longer ones have room for vibrato and beats.
SHORTEST = round(0.5 * SAMPLE_RATE_HZ)
# From this correlation on the crossfade's two parts add up like one; a larger step of the level
# would be heard as pulsing.
LEAST_CORRELATION = 0.95
MOST_STEP_DB = 1.0
# Ends to try, evenly from the last one back.
_NUM_ENDS = 64
# A loop with a weaker end, below the peak, would repeat what is left of a note that has died away.
_AUDIBLE_DB = -40.0
# Of nearly equal loops the longest is taken.
_NEARLY = 0.005


class Loop(NamedTuple):
    """Loop points.

    Attributes:
        start: the first sample to repeat.
        end: the one after the last.
        correlation: normalised, of the lower harmonics around the two; 1 is a perfect match.
    """

    start: int
    end: int
    correlation: float


def find(audio: np.ndarray, pitch: int, first: int, last: int) -> Loop | None:
    """Finds the part of a note to repeat.

    Args:
        audio: float32 `[samples]` at 16 kHz.
        pitch: MIDI.
        first: the earliest start: after the attack.
        last: the latest end: before the release.

    Returns:
        The loop, or None where no two places are alike in waveform and level, as in notes that
        decay, wander or are too short.
    """
    margin = 2 * CROSSFADE
    first, last = max(first, margin), min(last, len(audio) - margin)
    if last - first < SHORTEST:
        return None
    audio = _low_passed(audio, pitch)
    ends = np.linspace(last, first + SHORTEST, _NUM_ENDS).astype(int).tolist()
    loops = [loop for end in ends if (loop := _best_start(audio, first, end)) is not None]
    if not loops:
        return None
    best = max(loop.correlation for loop in loops)
    near = [loop for loop in loops if loop.correlation >= best - _NEARLY]
    return max(near, key=lambda loop: loop.end - loop.start)


def _low_passed(audio: np.ndarray, pitch: int) -> np.ndarray:
    cut_hz = _HARMONICS * librosa.midi_to_hz(pitch)
    cut_hz = float(np.clip(cut_hz, _LOWEST_CUT_HZ, _HIGHEST_CUT_HZ))
    low_pass = signal.butter(4, cut_hz, fs=SAMPLE_RATE_HZ, output="sos")
    return signal.sosfiltfilt(low_pass, audio.astype(np.float64))


def _best_start(audio: np.ndarray, first: int, end: int) -> Loop | None:
    """Returns the loop to an end whose start is most alike, if it is alike enough."""
    target = audio[end - CROSSFADE : end + CROSSFADE]
    if target.std() <= np.abs(audio).max() * 10 ** (_AUDIBLE_DB / 20):
        return None
    searched = audio[first - CROSSFADE : end - SHORTEST + CROSSFADE]
    products = signal.correlate(searched, target, mode="valid", method="fft")
    sums = np.concatenate([[0.0], np.cumsum(searched**2)])
    # In units of the end's energy; rounding may leave the sums of silence below 0.
    energy = float(target @ target)
    energies = np.maximum((sums[2 * CROSSFADE :] - sums[: -2 * CROSSFADE]) / energy, 1e-9)
    correlations = products / energy / np.sqrt(energies)
    step_db = 10 * np.log10(energies)
    fits = (correlations >= LEAST_CORRELATION) & (np.abs(step_db) <= MOST_STEP_DB)
    if not fits.any():
        return None
    place = int(np.argmax(np.where(fits, correlations, -1.0)))
    return Loop(first + place, end, float(correlations[place]))


def bake(audio: np.ndarray, loop: Loop) -> np.ndarray:
    """Returns the note with a crossfade at the loop's end.

    At the end it has become what precedes the start, so that the jump back has no step; then it
    returns to the original, so that playing on has none either.

    Args:
        audio: float32 `[samples]`.
        loop: from `find`.
    """
    places = np.arange(loop.end - CROSSFADE, loop.end + CROSSFADE)
    share = 0.5 + 0.5 * np.cos(np.pi * (places - loop.end) / CROSSFADE)
    earlier = audio[places - (loop.end - loop.start)]
    baked = audio.copy()
    baked[places] += (share * (earlier - audio[places])).astype(audio.dtype)
    return baked
