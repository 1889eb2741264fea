"""Recordings of three domains that can be told apart sample by sample."""

import numpy as np
import soundfile

from wavenet_ae.prepare.long_recordings.build import build

# Seconds by recording; "b" of the noise is longer than a piece, "long" longer than two.
SECONDS = {
    "noise": {"a": 3.0, "b": 10.0, "c": 2.0, "long": 20.0, "d": 1.0},
    "ramp": {"a": 2.0, "b": 4.0, "c": 3.0, "d": 1.5},
    "tone": {"x": 2.0, "y": 2.0, "z": 2.0},
}


def samples(domain, name):
    """What a recording holds, int16 at 16 kHz: no two crops of noise are the same."""
    count = round(16_000 * SECONDS[domain][name])
    seed = sorted(SECONDS).index(domain) * 10 + sorted(SECONDS[domain]).index(name)
    if domain == "noise":
        return np.random.default_rng(seed).integers(-20_000, 20_000, count, np.int16)
    if domain == "ramp":
        return (np.arange(count) % 30_000).astype(np.int16)
    return np.rint(10_000 * np.sin(np.arange(count) * (0.1 + 0.01 * seed))).astype(np.int16)


def write(folder):
    """Writes the recordings; returns the folders by domain."""
    for domain, names in SECONDS.items():
        (folder / domain).mkdir(parents=True)
        for name in names:
            path = folder / domain / f"{name}.flac"
            soundfile.write(path, samples(domain, name), 16_000)
    return {domain: folder / domain for domain in SECONDS}


def build_dataset(folder):
    """Builds `recordings/three` and returns its data_dir."""
    build(write(folder / "recordings"), folder / "datasets", "three")
    return str(folder / "datasets")
