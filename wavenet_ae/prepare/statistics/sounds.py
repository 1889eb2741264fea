"""Measurements of a sound.

    silent         No sample is above -60 dB of full scale (dBFS): 32 steps of 16 bits.
    digital        All samples are zero; such a sound is silent, too.
    clipped        At least 3 samples in a row are at full scale with the same sign. Full scale is
                   32767 / 32768, the largest sample of 16 bits, or more (also -32767 / 32768: some
                   tools scale so), for floats as for integers. A single peak at full scale, as
                   normalisation leaves it, is not clipping; clipping scaled down afterwards is not
                   detected.
    DC offset      The mean is beyond 1 % of full scale (-40 dBFS).

Two sounds are the same if all samples are: the digest is the SHA-256 of the samples as
little-endian float32 in -1..1, so that 16-bit integers and the equal floats have the same
digest. Negative zero counts as zero.
"""

import hashlib
from typing import NamedTuple

import numpy as np

SILENT_DBFS = -60.0
CLIPPED_RUN_SAMPLES = 3
FULL_SCALE = 32_767 / 32_768
DC_OFFSET = 0.01


class SoundFacts(NamedTuple):
    """The measurements of a sound."""

    num_samples: int
    peak: float  # the largest magnitude; 1 is full scale
    mean: float
    longest_run: int  # of samples at full scale
    digest: str  # hexadecimal


def measure(audio: np.ndarray) -> SoundFacts:
    """Measures a sound: int16 or float32 `[samples]`, finite, at least one sample."""
    samples = audio.astype("<f4")
    if audio.dtype == np.int16:
        samples /= 32_768
    samples += 0.0  # -0 becomes 0
    low, high = float(samples.min()), float(samples.max())
    run = 0
    if high >= FULL_SCALE:
        run = _longest_run(samples >= FULL_SCALE)
    if low <= -FULL_SCALE:
        run = max(run, _longest_run(samples <= -FULL_SCALE))
    return SoundFacts(
        num_samples=len(samples),
        peak=max(high, -low),
        mean=float(samples.mean(dtype=np.float64)),
        longest_run=run,
        digest=hashlib.sha256(samples).hexdigest(),
    )


def _longest_run(flags: np.ndarray) -> int:
    """Returns the length of the longest run of True in bool `[samples]`."""
    changes = np.flatnonzero(np.diff(flags, prepend=False, append=False))
    return int((changes[1::2] - changes[::2]).max(initial=0))
