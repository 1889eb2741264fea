"""Recordings that tests make themselves."""

import numpy as np
import soundfile


def tone(pitch, *, seconds=1.0, rate_hz=16_000, channels=1, silence_s=0.0, harmonics=1):
    """Returns a decaying tone, float [samples, channels], after some silence."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    f0_hz = 440 * 2 ** ((pitch - 69) / 12)
    partials = [np.sin(2 * np.pi * f0_hz * k * time_s) / k for k in range(1, harmonics + 1)]
    sound = 0.4 * np.sum(partials, axis=0) * np.exp(-time_s)
    sound = np.concatenate([np.zeros(round(silence_s * rate_hz)), sound])
    return np.repeat(sound[:, np.newaxis], channels, axis=1)


def record(path, pitch=60, *, rate_hz=16_000, subtype=None, scale=1.0, **settings):
    """Writes a tone to a file of the format that the suffix names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, scale * tone(pitch, rate_hz=rate_hz, **settings), rate_hz, subtype)
    return path
