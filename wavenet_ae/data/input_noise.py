"""Noise on a decoder's past in training: a sampler's past is never as clean as a recording."""

from typing import Any

import grain.python as grain
import librosa
import numpy as np

_CODES = 128  # mu-law codes of full scale
_WINDOW_SAMPLES = 512  # fewer for a shorter sound


class InputNoise(grain.RandomMapTransform):
    """Adds `decoder_input_noise`, int8 `[samples]`, in mu-law codes.

    Args:
        most_codes: normal noise has a standard deviation drawn up to this one.
        most_share: shaped noise has an amplitude drawn up to this share of the sound's; 0: none.
    """

    def __init__(self, most_codes: float, most_share: float = 0.0):
        self._most_codes = most_codes
        self._most_share = most_share

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        audio = element["audio"]
        noise = rng.normal(0, rng.uniform(0, self._most_codes), len(audio))
        if self._most_share:
            noisy = audio + rng.uniform(0, self._most_share) * shaped_noise(audio, rng)
            noise += _codes(noisy) - _codes(audio)
        limits = np.iinfo(np.int8)
        codes = noise.round().clip(limits.min, limits.max).astype(np.int8)
        return {**element, "decoder_input_noise": codes}


def shaped_noise(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns noise with a sound's own spectrum at every moment, and as loud.

    That is what a decoder's mistakes sound like. What follows from the last few samples is as true
    of it as of the sound: only what repeats tells them apart.

    Args:
        audio: float32 `[samples]`.
        rng: of the phases and amplitudes.

    Returns:
        float32 `[samples]`, of the same root mean square.
    """
    window = min(_WINDOW_SAMPLES, len(audio))
    hop = max(1, window // 4)
    spectrum = librosa.stft(audio, n_fft=window, hop_length=hop)
    real, imaginary = rng.normal(size=(2, *spectrum.shape))
    noise = librosa.istft(
        spectrum * (real + 1j * imaginary), n_fft=window, hop_length=hop, length=len(audio)
    )
    loudness, ours = (np.sqrt(np.mean(np.square(x))) for x in (audio, noise))
    return (noise * (loudness / max(ours, 1e-9))).astype(np.float32)


def _codes(audio: np.ndarray) -> np.ndarray:
    return _CODES * librosa.mu_compress(np.clip(audio, -1.0, 1.0), quantize=False)
