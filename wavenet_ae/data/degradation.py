"""Random changes of a note's sound that leave its labels true, for training the classifier.

Without them it takes the noise of a WaveNet's reconstructions, which it never saw, for another
pitch.
"""

import librosa
import numpy as np
import soxr

from wavenet_ae.data.nsynth import SAMPLE_RATE_HZ

_MOST_CENTS = 10.0
_MOST_FILTER_DB = 4.0
_BAND_EDGES_HZ = (60.0, 120.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
# Of the codes, so that the noise follows the sound's level as a sampler's does; and of the silence.
_MOST_CODE_NOISE = 6.0
_BACKGROUND_DB = (-90.0, -45.0)


def degrade(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Detunes by up to 10 cents, filters by up to 4 dB, and adds noise of two kinds.

    Args:
        audio: float32 `[samples]`, full scale -1..1, 16 kHz.
        rng: of the random changes.

    Returns:
        float32 `[samples]`, within full scale.
    """
    varied = _filter(_detune(audio, rng.uniform(-_MOST_CENTS, _MOST_CENTS)), rng)
    background = 10 ** (rng.uniform(*_BACKGROUND_DB) / 20)
    varied = varied + rng.normal(0, background, len(varied))
    return _add_code_noise(varied, rng).astype(np.float32)


def _detune(audio: np.ndarray, cents: float) -> np.ndarray:
    """Resamples, and cuts or pads to the former length."""
    changed = soxr.resample(audio, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * 2 ** (-cents / 1200), "MQ")
    return np.pad(changed, (0, max(0, len(audio) - len(changed))))[: len(audio)]


def _filter(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Multiplies the spectrum by random gains at the octaves, interpolated between them."""
    frequencies = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE_HZ)
    gains_db = rng.uniform(-_MOST_FILTER_DB, _MOST_FILTER_DB, len(_BAND_EDGES_HZ))
    octaves = np.log2(np.maximum(frequencies, 1.0))
    gains = 10 ** (np.interp(octaves, np.log2(_BAND_EDGES_HZ), gains_db) / 20)
    return np.fft.irfft(np.fft.rfft(audio) * gains, len(audio))


def _add_code_noise(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Adds normal noise to the mu-law codes of a sound, of a random standard deviation."""
    codes = librosa.mu_compress(np.clip(audio, -1.0, 1.0), quantize=False)
    codes += rng.normal(0, rng.uniform(0, _MOST_CODE_NOISE) / 128, len(codes))
    return librosa.mu_expand(np.clip(codes, -1.0, 1.0), quantize=False)
