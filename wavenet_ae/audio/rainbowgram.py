"""Rainbowgrams: the constant-Q pictures of the NSynth paper.

Brightness is the log power, colour the phase's change from frame to frame (Engel et al. 2017,
section 4). A steady partial keeps its colour; an unsteady one runs through the rainbow.
"""

import librosa
import numpy as np

from wavenet_ae.audio import first_call
from wavenet_ae.audio.files import SAMPLE_RATE_HZ

HOP_SAMPLES = 256
LOWEST_NOTE_MIDI = 36  # C2
OCTAVES = 6
BINS_PER_OCTAVE = 40
NUM_BINS = OCTAVES * BINS_PER_OCTAVE
DYNAMIC_RANGE_DB = 70.0

_FILTER_SCALE = 0.8
_POWER_FLOOR = 1e-13
# librosa halves the rate for each octave down and analyses the lowest one with a 512-point FFT:
# shorter sounds make it warn or fail.
_SHORTEST_SAMPLES = 512 * 2 ** (OCTAVES - 1)


def rainbowgram(audio: np.ndarray) -> np.ndarray:
    """Draws a sound.

    Args:
        audio: float [samples] at 16 kHz, at least one sample.

    Returns:
        uint8 RGB [bins, frames, 3]: 240 bins from C2 up, 40 to the octave, the lowest first;
        1 + samples // 256 frames. Silence is black.

    Raises:
        ValueError: `audio` is not [samples], is empty, or holds NaN or infinity.
    """
    import matplotlib  # slow, and needed here only

    audio = np.asarray(audio, np.float32)
    if audio.ndim != 1 or not len(audio) or not np.isfinite(audio).all():
        raise ValueError(f"expected finite float [samples], got {list(audio.shape)}")
    spectrum = _constant_q(audio)
    colour = matplotlib.colormaps["rainbow"]((_phase_change(spectrum) + 1) / 2)[..., :3]
    return np.rint(255 * colour * _brightness(spectrum)[..., np.newaxis]).astype(np.uint8)


@first_call.exclusive
def _constant_q(audio: np.ndarray) -> np.ndarray:
    """Returns the constant-Q transform, complex [bins, frames]."""
    padded = np.pad(audio, (0, max(0, _SHORTEST_SAMPLES - len(audio))))
    spectrum = librosa.cqt(
        padded,
        sr=SAMPLE_RATE_HZ,
        hop_length=HOP_SAMPLES,
        fmin=librosa.midi_to_hz(LOWEST_NOTE_MIDI),
        n_bins=NUM_BINS,
        bins_per_octave=BINS_PER_OCTAVE,
        filter_scale=_FILTER_SCALE,
    )
    return spectrum[:, : 1 + len(audio) // HOP_SAMPLES]


def _brightness(spectrum: np.ndarray) -> np.ndarray:
    """Returns the power [bins, frames] in dB below its maximum, scaled to [0, 1]."""
    power = np.square(np.abs(spectrum.astype(np.complex128)))
    floored = np.maximum(power, _POWER_FLOOR)
    below_peak_db = 10 * np.log10(floored / floored.max())
    brightness = np.maximum(below_peak_db / DYNAMIC_RANGE_DB + 1, 0)
    # In near silence the floor itself is close to the maximum, and would be bright.
    return np.where(power > _POWER_FLOOR, brightness, 0)


def _phase_change(spectrum: np.ndarray) -> np.ndarray:
    """Returns the unwrapped phase's change [bins, frames] in half turns, [-1, 1].

    The first frame has no predecessor and repeats the second's.
    """
    change = np.angle(spectrum[:, 1:] * np.conj(spectrum[:, :-1])) / np.pi
    first = change[:, :1] if change.shape[1] else np.zeros((len(spectrum), 1))
    return np.concatenate([first, change], axis=1)
