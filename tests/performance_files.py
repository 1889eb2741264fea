"""Performances of noise, whose samples and notes can be told apart."""

import functools

import numpy as np
import soundfile

from wavenet_ae.audio import midi
from wavenet_ae.audio.midi import Note
from wavenet_ae.prepare.performances.build import build

# Seconds by name; "long" is longer than two of the pieces that are stored.
SECONDS = {"a": 3.0, "b": 10.0, "more/c": 2.0, "long": 20.0, "d": 1.5}


@functools.cache
def samples(name):
    """What a performance holds, int16 at 16 kHz: no two crops are the same."""
    seed = sorted(SECONDS).index(name)
    count = round(16_000 * SECONDS[name])
    return np.random.default_rng(seed).integers(-20_000, 20_000, count, np.int16)


@functools.cache
def notes(name):
    """Six notes a second, of up to 4 s, at times that MIDI files hold exactly."""
    rng = np.random.default_rng(sorted(SECONDS).index(name))
    count = round(6 * SECONDS[name])
    found = []
    for number in range(count):
        start = int(rng.integers(0, 960 * SECONDS[name] - 100))
        end = start + int(rng.integers(20, 3_840))
        pitch, velocity = 21 + number % 88, int(rng.integers(1, 128))
        found.append(Note(start / 960, end / 960, pitch, velocity))
    return midi.on_one_keyboard(found)  # or the file would be read differently


def write(folder, suffix=".flac"):
    """Writes the performances, and returns the folder."""
    for name in SECONDS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path.with_name(path.name + suffix), samples(name), 16_000)
        midi.save(path.with_name(path.name + ".mid"), notes(name), 0)
    return folder


def build_dataset(folder):
    """Builds `performances/five` and returns its data_dir."""
    build([write(folder / "piano")], folder / "datasets", "five")
    return str(folder / "datasets")
