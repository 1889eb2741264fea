"""A recording as one of NSynth's notes: 4 s at 16 kHz, mono, in 16 bits."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.prepare import note_files
from wavenet_ae.system.errors import UserError

FADE_S = 0.02  # how long a note that is cut takes to fade out
PRE_ROLL_S = 0.01  # what stays before the onset where silence is cut off

_LARGEST = 32767 / 32768  # of 16 bits


class SoundOptions(NamedTuple):
    """How a recording becomes a note."""

    # What comes before the first sample within this many dB of the loudest is silence and is cut
    # off, except for PRE_ROLL_S; 0 keeps it.
    trim_db: float = 60.0
    # The level of the loudest sample, in dB of full scale; None keeps it.
    peak_dbfs: float | None = None
    # Whether a longer recording is refused, not cut.
    refuse_long: bool = False

    def check(self) -> None:
        """Raises a UserError if a level is not finite, or one at which notes are silent."""
        for flag, level in (("trim", self.trim_db), ("normalize", self.peak_dbfs or 0.0)):
            if not math.isfinite(level):
                raise UserError(f"--{flag}={level} must be a number of dB.")
        if self.peak_dbfs is not None and 10 ** (self.peak_dbfs / 20) <= note_files.SILENT_PEAK:
            raise UserError(
                f"--normalize={self.peak_dbfs} would make every note silent: choose a level above "
                f"{20 * math.log10(note_files.SILENT_PEAK):.0f} dBFS, as -1."
            )


class NoteSound(NamedTuple):
    """A note's samples and what was done to make them fit."""

    audio: np.ndarray  # float32 [nsynth.NOTE_SAMPLES] in [-1, 1]
    trimmed_s: float  # silence taken from the start
    cut_s: float  # what was beyond 4 s
    padded_s: float  # zeros that follow the recording
    # What the samples were multiplied by to fit into 16 bits or to reach `peak_dbfs`.
    gain: float


def load_note(path: Path, options: SoundOptions) -> NoteSound:
    """Reads a recording and makes it as long as a note.

    Args:
        path: what `files.load` reads.
        options: how.

    Raises:
        UserError: the file cannot be read, is silent, or too long for the options.
    """
    whole = files.load(path)
    audio = _trim(whole, options.trim_db)
    cut = max(0, len(audio) - nsynth.NOTE_SAMPLES)
    if cut and options.refuse_long:
        raise UserError(
            f"{path} lasts {len(audio) / nsynth.SAMPLE_RATE_HZ:.2f} s, and a note "
            f"{nsynth.NOTE_SECONDS} s: shorten it, or use --long=cut."
        )
    note = audio[: nsynth.NOTE_SAMPLES].copy()
    if cut:
        fade = round(FADE_S * nsynth.SAMPLE_RATE_HZ)
        note[-fade:] *= (0.5 + 0.5 * np.cos(np.pi * np.arange(1, fade + 1) / fade)).astype(
            np.float32
        )
    peak = float(np.abs(note).max())
    if peak <= note_files.SILENT_PEAK:
        level = f"{20 * np.log10(peak):.0f} dBFS" if peak else "zero"
        raise UserError(f"{path} is silent: its loudest sample, of the 4 s used, is {level}.")
    gain = 1.0
    if options.peak_dbfs is not None:
        gain = min(10 ** (options.peak_dbfs / 20), _LARGEST) / peak
    elif peak > 1:  # a clipped master that is resampled swings beyond full scale
        gain = _LARGEST / peak
    padded = nsynth.NOTE_SAMPLES - len(note)
    return NoteSound(
        audio=np.pad(note * np.float32(gain), (0, padded)),
        trimmed_s=(len(whole) - len(audio)) / nsynth.SAMPLE_RATE_HZ,
        cut_s=cut / nsynth.SAMPLE_RATE_HZ,
        padded_s=padded / nsynth.SAMPLE_RATE_HZ,
        gain=gain,
    )


def _trim(audio: np.ndarray, trim_db: float) -> np.ndarray:
    """Cuts off the silence before a sound."""
    if not trim_db:
        return audio
    size = np.abs(audio)
    onset = int(np.argmax(size >= size.max() * 10 ** (-trim_db / 20)))
    return audio[max(0, onset - round(PRE_ROLL_S * nsynth.SAMPLE_RATE_HZ)) :]
