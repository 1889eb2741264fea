"""The augmentation of translation: a part of a sound is out of tune.

Mor et al. 2019, section 3.1: the encoder reads a sound of which a random part is shifted in pitch,
and the decoder restores the original; a memory of the exact waveform does not help it.
"""

import math

import numpy as np
import soxr

from wavenet_ae.audio.files import SAMPLE_RATE_HZ

# By resampling: librosa's phase vocoder takes nine times as long (1.6 ms a crop), and leaves 20 dB
# more beside a shifted tone. The price: sounds of the part come early or late, by up to 1.5 % of
# its length at its ends, twice that where it lies at an end of the crop.
_QUALITY = "MQ"
_FADE_SAMPLES = 160  # 10 ms at each end, instead of clicks
_MARGIN_SAMPLES = 64  # beyond the reach of the resampler's filter


def shift_a_part(
    audio: np.ndarray, rng: np.random.Generator, most_semitones: float = 0.5
) -> np.ndarray:
    """Shifts the pitch of a random part, of a quarter to a half of the sound.

    As in the authors' code the part begins anywhere in the first half, and the shift is uniform.

    Args:
        audio: float32 `[samples]`, full scale -1..1.
        rng: of the random choices.
        most_semitones: the shift is up to this many, up or down.

    Returns:
        float32 `[samples]`, within full scale; not `audio` itself.
    """
    length = int(rng.integers(len(audio) // 4, len(audio) // 2 + 1))
    start = int(rng.integers(len(audio) // 2 + 1))
    return shift(audio, start, length, rng.uniform(-most_semitones, most_semitones))


def shift(audio: np.ndarray, start: int, length: int, semitones: float) -> np.ndarray:
    """Shifts the pitch of a part; what is before and after stays, and so does the length.

    Args:
        audio: float32 `[samples]`, full scale -1..1.
        start: of the part.
        length: of the part; short ones, without room for two fades, stay as they are.
        semitones: up, or down where it is negative.

    Returns:
        float32 `[samples]`, within full scale; not `audio` itself.
    """
    changed = audio.copy()
    ratio = 2 ** (semitones / 12)
    needed = math.ceil(length * ratio)  # samples that are played in the time of the part
    if length < 2 * _FADE_SAMPLES or needed > len(audio):
        return changed
    # The middle of the part stays where it is, as far as the sound's ends allow.
    source = min(max(0, start - (needed - length) // 2), len(audio) - needed)
    first = max(0, source - _MARGIN_SAMPLES)
    wider = audio[first : source + needed + _MARGIN_SAMPLES]
    resampled = soxr.resample(wider, SAMPLE_RATE_HZ * ratio, SAMPLE_RATE_HZ, _QUALITY)
    skipped = round((source - first) / ratio)
    part = resampled[skipped : skipped + length]
    end = start + len(part)
    weight = _fades(len(part))
    changed[start:end] += weight * (part - changed[start:end])
    return np.clip(changed, -1.0, 1.0)


def _fades(length: int) -> np.ndarray:
    """Returns float32 `[length]`: from 0 to 1, then 1, then back to 0."""
    weight = np.ones(length, np.float32)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(_FADE_SAMPLES) + 0.5) / _FADE_SAMPLES)
    weight[:_FADE_SAMPLES] = rise
    weight[-_FADE_SAMPLES:] = rise[::-1]
    return weight
