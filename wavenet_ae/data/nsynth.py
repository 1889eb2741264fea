"""The schema of NSynth: what a note is, the names of its labels, and the forms that it takes.

Source: Engel et al. 2017, section 4 and appendix A; the features carry the names that TFDS's
`nsynth` builder gives them.
"""

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.system.errors import UserError

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
    batch_size: int, samples: int, *, decoder_input_noise: bool = False
) -> dict[str, tuple[tuple[int, ...], type]]:
    """Describes a batch: the shape and the type of each of its arrays.

    Args:
        batch_size: notes in it.
        samples: of each note's sound.
        decoder_input_noise: whether noise is added to the WaveNet decoder's input.

    Returns:
        `audio`, full scale -1..1; `pitch` and `velocity`, MIDI; `family` and `source`, positions
        in FAMILIES and SOURCES; `qualities`; and with noise `decoder_input_noise`, in mu-law codes.
        A batch of evaluation also has a bool `mask` `[batch]`.
    """
    arrays = {
        "audio": ((batch_size, samples), np.float32),
        **dict.fromkeys(("pitch", "velocity", "family", "source"), ((batch_size,), np.int32)),
        "qualities": ((batch_size, len(QUALITIES)), np.bool_),
    }
    if decoder_input_noise:
        arrays["decoder_input_noise"] = ((batch_size, samples), np.int8)
    return arrays


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
    """Returns whether a name of NSynth's form is one; a recorder's REC-001-003 has that form too.

    If the instrument is not named like NSynth's, the pitch must be one of a piano's keys.
    """
    is_known = parse_instrument_name(name.instrument) is not None or name.pitch in PITCHES
    return is_known and name.pitch < NUM_PITCHES and 1 <= name.velocity <= MOST_VELOCITY


# JSON can hold lone surrogates, which cannot be in file names, and line feeds.
_NO_TEXT = re.compile("[\0-\x1f\ud800-\udfff]")


def is_text(value: Any) -> bool:
    """Returns whether a value from JSON can be a name and a part of a file name."""
    return isinstance(value, str) and bool(value) and not _NO_TEXT.search(value)


def _is_midi_number(value: Any) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and 0 <= value < NUM_PITCHES


def _is_qualities(value: Any) -> bool:
    of_the_right_length = isinstance(value, list) and len(value) == len(QUALITIES)
    return of_the_right_length and all(flag in (0, 1) for flag in value)


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "instrument_str": is_text,
    "pitch": _is_midi_number,
    "velocity": _is_midi_number,
    "instrument_family_str": lambda value: value in FAMILIES,
    "instrument_source_str": lambda value: value in SOURCES,
    "qualities": _is_qualities,
}


class Note(NamedTuple):
    """A note's labels."""

    name: str  # NSynth's `note_str`, also the name of its sound file
    instrument: str
    pitch: int  # MIDI
    velocity: int  # MIDI
    family: str  # one of FAMILIES
    source: str  # one of SOURCES
    qualities: tuple[bool, ...]  # in the order of QUALITIES

    @classmethod
    def named(
        cls,
        instrument: str,
        pitch: int,
        velocity: int,
        family: str,
        source: str,
        qualities: Sequence[int],
    ) -> Self:
        """Returns a note with the name that NSynth gives to these labels."""
        name = str(NoteName(instrument, pitch, velocity))
        return cls(name, instrument, pitch, velocity, family, source, tuple(map(bool, qualities)))

    @classmethod
    def from_json(cls, name: str, fields: Mapping[str, Any]) -> Self:
        """Reads a note's fields in `examples.json`; unknown ones are ignored.

        Raises:
            UserError: a field is missing or wrong, or contradicts the note's name; the message
                follows that name.
        """
        for field, is_valid in _FIELDS.items():
            if field not in fields:
                raise UserError(f"has no {field}; add it or remove the note.")
            if not is_valid(fields[field]):
                raise UserError(
                    f"has {field} {fields[field]!r}, which NSynth does not know; correct it or "
                    "remove the note."
                )
        _check_name(name, fields)
        return cls(
            name=name,
            instrument=fields["instrument_str"],
            pitch=fields["pitch"],
            velocity=fields["velocity"],
            family=fields["instrument_family_str"],
            source=fields["instrument_source_str"],
            qualities=tuple(map(bool, fields["qualities"])),
        )

    def to_json(self, number: int, instrument_number: int) -> dict[str, Any]:
        """Returns all fields that NSynth's `examples.json` has of a note.

        Args:
            number: of the note.
            instrument_number: of the instrument.
        """
        return {
            "note": number,
            "note_str": self.name,
            "instrument": instrument_number,
            "instrument_str": self.instrument,
            "pitch": self.pitch,
            "velocity": self.velocity,
            "sample_rate": SAMPLE_RATE_HZ,
            "qualities": list(map(int, self.qualities)),
            "qualities_str": list(itertools.compress(QUALITIES, self.qualities)),
            "instrument_family": FAMILIES.index(self.family),
            "instrument_family_str": self.family,
            "instrument_source": SOURCES.index(self.source),
            "instrument_source_str": self.source,
        }

    @classmethod
    def from_example(cls, example: Mapping[str, Any]) -> Self:
        """Returns the labels of an example of `to_example`; the name gives the instrument."""
        return cls(
            name=example["id"],
            instrument=example["id"].rsplit("-", 2)[0],
            pitch=int(example["pitch"]),
            velocity=int(example["velocity"]),
            family=FAMILIES[example["family"]],
            source=SOURCES[example["source"]],
            qualities=tuple(map(bool, example["qualities"])),
        )

    def to_example(self, audio: np.ndarray) -> dict[str, Any]:
        """Returns the note as training reads it, a dict as `input_pipeline.open_split` says.

        Args:
            audio: float32 `[samples]`, full scale -1..1.
        """
        return {
            "id": self.name,
            "audio": audio,
            "pitch": np.int32(self.pitch),
            "velocity": np.int32(self.velocity),
            "family": np.int32(FAMILIES.index(self.family)),
            "source": np.int32(SOURCES.index(self.source)),
            "qualities": np.array(self.qualities, bool),
        }


def _check_name(name: str, fields: Mapping[str, Any]) -> None:
    """Compares a name of NSynth's form with the labels; other names are not checked."""
    try:
        parsed = parse_note_name(name)
    except ValueError:
        return
    is_nsynths = parse_instrument_name(parsed.instrument) is not None
    if not is_nsynths and parsed.instrument != fields["instrument_str"]:
        return
    values = {
        "instrument_str": parsed.instrument,
        "pitch": parsed.pitch,
        "velocity": parsed.velocity,
    }
    for field, value in values.items():
        if fields[field] != value:
            raise UserError(
                f"has {field} {fields[field]!r}, which contradicts its name; correct it or "
                "rename the note and its sound."
            )
