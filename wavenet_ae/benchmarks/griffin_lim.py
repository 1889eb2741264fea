"""Speed of Griffin-Lim, compared with librosa, which the authors use."""

import inspect
import time
from collections.abc import Mapping
from typing import Any

import jax
import librosa
import numpy as np

from wavenet_ae.audio import first_call, spectral
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.benchmarks import interleaved
from wavenet_ae.data import nsynth
from wavenet_ae.publish import document as doc
from wavenet_ae.training import sharding

_HARMONICS = 20

# The argument's name changed with librosa 1.0, which needs Python 3.12.
LIBROSAS_SEED = (
    "rng" if "rng" in inspect.signature(librosa.griffinlim).parameters else "random_state"
)


def measure(
    *,
    batch_size: int = 32,
    iterations: int = 1000,
    seconds: float = 5.0,
    repetitions: int = 3,
    seed: int = 0,
) -> dict[str, Any]:
    """Measures `spectral.griffin_lim`, as `SpectralCodec` calls it, and `librosa.griffinlim`.

    Both start from random phases and get the same magnitudes, of notes of 4 s; neither uses
    momentum. Ours gets all notes at once, on all devices of this process; librosa one after the
    other, which on a CPU is not slower.

    Args:
        batch_size: notes.
        iterations: 1000 in the authors' code.
        seconds: of each measurement; the last batch is finished.
        repetitions: of the whole round.
        seed: of the notes and phases.

    Returns:
        What was measured, for JSON; the names have the units. A spread has the repetitions'
        `median`, `lowest` and `highest`; `ratio` is the quotient of the medians.
        `spectral_convergence` is the relative distance of the sounds' magnitudes from the given
        ones, averaged over the notes; both should have about the same.
    """
    interleaved.check_seconds(seconds)
    mesh = sharding.data_mesh(jax.local_devices())
    magnitude = np.asarray(
        spectral.from_log_magnitude(spectral.log_magnitude(spectral.stft(_notes(batch_size, seed))))
    )
    rows = sharding.padded_rows(batch_size, mesh)
    keys = jax.random.split(jax.random.key(seed), batch_size)
    placed = jax.device_put((magnitude[rows], keys[rows]), sharding.batch_sharded(mesh))
    sounds = {}

    def ours(number: int = iterations) -> jax.Array:
        found = spectral.griffin_lim(*placed, number, num_samples=nsynth.NOTE_SAMPLES)
        sounds["ours"] = found
        return found

    def theirs(number: int = iterations) -> None:
        sounds["librosa"] = _by_librosa(magnitude, number, seed)

    start = time.perf_counter()
    jax.block_until_ready(ours(1))
    compile_s = time.perf_counter() - start
    theirs(1)
    measured = interleaved.measure(
        {
            "librosa": lambda: interleaved.calls_per_s(theirs, seconds),
            "ours": lambda: interleaved.calls_per_s(ours, seconds),
        },
        repetitions,
    )
    rates = {name: spread.times(batch_size) for name, spread in measured.items()}
    return {
        "batch_size": batch_size,
        "iterations": iterations,
        "samples_per_note": nsynth.NOTE_SAMPLES,
        "librosa_version": librosa.__version__,
        "notes_per_s": {name: spread._asdict() for name, spread in rates.items()},
        "ratio": rates["ours"].median / rates["librosa"].median,
        "spectral_convergence": {
            name: _convergence(np.asarray(sound)[:batch_size], magnitude)
            for name, sound in sounds.items()
        },
        "compile_s": compile_s,
    }


@first_call.exclusive
def _by_librosa(magnitude: np.ndarray, iterations: int, seed: int) -> np.ndarray:
    """Returns the sounds of magnitudes, float32 `[notes, samples]`."""
    return np.stack(
        [
            librosa.griffinlim(
                one,
                n_iter=iterations,
                hop_length=spectral.HOP_SAMPLES,
                n_fft=spectral.WINDOW_SAMPLES,
                length=nsynth.NOTE_SAMPLES,
                pad_mode="constant",
                momentum=0.0,
                **{LIBROSAS_SEED: seed},
            )
            for one in magnitude
        ]
    )


def _notes(number: int, seed: int) -> np.ndarray:
    """Returns float32 `[number, samples]`: fading harmonics of random pitches, and noise."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(nsynth.NOTE_SAMPLES) / SAMPLE_RATE_HZ
    notes = 0.01 * rng.normal(size=(number, nsynth.NOTE_SAMPLES))
    for note, frequency in zip(notes, 440 * 2 ** rng.uniform(-3, 1, number), strict=True):
        for harmonic in range(1, _HARMONICS + 1):
            if harmonic * frequency < SAMPLE_RATE_HZ / 2:
                turns = harmonic * frequency * time_s + rng.uniform()
                note += np.sin(2 * np.pi * turns) * np.exp(-harmonic * time_s) / harmonic
    return notes.astype(np.float32)


def _convergence(audio: np.ndarray, magnitude: np.ndarray) -> float:
    found = np.abs(np.asarray(spectral.stft(audio)))
    distances = np.linalg.norm(found - magnitude, axis=(1, 2))
    return float(np.mean(distances / np.linalg.norm(magnitude, axis=(1, 2))))


def document(result: Mapping[str, Any]) -> doc.Document:
    """Returns what `measure` found."""
    titles = {"ours": "wavenet_ae", "librosa": f"librosa {result['librosa_version']}"}
    rows = [
        [
            title,
            *interleaved.Spread(**result["notes_per_s"][name]).cells(),
            f"{result['spectral_convergence'][name]:.4f}",
        ]
        for name, title in titles.items()
    ]
    rows.append(["ratio", f"{result['ratio']:.3g}"])
    title = (
        f"Griffin-Lim, {result['iterations']} iterations, {result['batch_size']} notes of "
        f"{result['samples_per_note']} samples"
    )
    compiled = f"Compiled in {result['compile_s']:.1f} s; librosa computes in one thread."
    heads = ["notes/s", *interleaved.HEADER, "spectral convergence"]
    return doc.Document(title, (doc.Table(heads, rows), doc.Aside(compiled)))
