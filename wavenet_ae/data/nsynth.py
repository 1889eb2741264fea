"""The schema of NSynth: what a note is and the names of its labels.

Source: Engel et al. 2017, section 4 and appendix A; the features carry the names that TFDS's
`nsynth` builder gives them.
"""

import re
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ

NOTE_SECONDS = 4
HELD_SECONDS = 3  # the key is released here; the last second is the release
NOTE_SAMPLES = SAMPLE_RATE_HZ * NOTE_SECONDS
HELD_SAMPLES = SAMPLE_RATE_HZ * HELD_SECONDS

NUM_PITCHES = 128
PITCHES = range(21, 109)  # MIDI numbers: the keys of a piano
VELOCITIES = (25, 50, 75, 100, 127)
MOST_VELOCITY = 127  # MIDI

FAMILIES = (
    "bass",
    "brass",
    "flute",
    "guitar",
    "keyboard",
    "mallet",
    "organ",
    "reed",
    "string",
    "synth_lead",
    "vocal",
)
SOURCES = ("acoustic", "electronic", "synthetic")
QUALITIES = (
    "bright",
    "dark",
    "distortion",
    "fast_decay",
    "long_release",
    "multiphonic",
    "nonlinear_env",
    "percussive",
    "reverb",
    "tempo-synced",
)
SPLITS = ("train", "valid", "test")


def batch_arrays(
    batch_size: int, samples: int, *, input_noise: bool = False
) -> dict[str, tuple[tuple[int, ...], type]]:
    """Describes a batch: the shape and the type of each of its arrays.

    Args:
        batch_size: notes in it.
        samples: of each note's sound.
        input_noise: whether the WaveNet's past is made wrong.

    Returns:
        `audio`, full scale -1..1; `pitch` and `velocity`, MIDI; `family` and `source`, positions
        in FAMILIES and SOURCES; `qualities`; and with noise `input_noise`, in mu-law codes. A batch
        of evaluation has a bool `mask` `[batch]` beside them.
    """
    arrays = {
        "audio": ((batch_size, samples), np.float32),
        **dict.fromkeys(("pitch", "velocity", "family", "source"), ((batch_size,), np.int32)),
        "qualities": ((batch_size, len(QUALITIES)), np.bool_),
    }
    return arrays | ({"input_noise": ((batch_size, samples), np.int8)} if input_noise else {})


class NoteName(NamedTuple):
    """The parts of a `note_str`."""

    instrument: str  # `bass_synthetic_033`
    pitch: int  # MIDI
    velocity: int  # MIDI

    def __str__(self) -> str:
        return f"{self.instrument}-{self.pitch:03d}-{self.velocity:03d}"


_NOTE_NAME = re.compile(r"(?P<instrument>.+)-(?P<pitch>\d{3})-(?P<velocity>\d{3})")

_INSTRUMENT_NAME = re.compile(
    rf"(?P<family>{'|'.join(FAMILIES)})_(?P<source>{'|'.join(SOURCES)})_\d{{3}}"
)


def instrument_name(family: str, source: str, number: int) -> str:
    """Returns an instrument's name, as in `bass_synthetic_033`."""
    return f"{family}_{source}_{number:03d}"


def parse_instrument_name(instrument: str) -> tuple[str, str] | None:
    """Returns the family and the source in a name like `bass_synthetic_033`, None for others."""
    match = _INSTRUMENT_NAME.fullmatch(instrument)
    return None if match is None else (match["family"], match["source"])


def parse_note_name(note_str: str) -> NoteName:
    """Splits a name like `bass_synthetic_033-022-050`.

    Raises:
        ValueError: the name has another form.
    """
    match = _NOTE_NAME.fullmatch(note_str)
    if match is None:
        raise ValueError(f"{note_str!r} is not of the form instrument-pitch-velocity")
    return NoteName(match["instrument"], int(match["pitch"]), int(match["velocity"]))


def is_note_name(name: NoteName) -> bool:
    """Tells whether a name of NSynth's form surely is one: a recorder's REC-001-003 has it, too.

    Where the instrument is not called as NSynth's are, the pitch must be one of a piano's keys.
    """
    is_known = parse_instrument_name(name.instrument) is not None or name.pitch in PITCHES
    return is_known and name.pitch < NUM_PITCHES and 1 <= name.velocity <= MOST_VELOCITY
