"""Notes in NSynth's json/wav layout: what `examples.json` says of them, and how they sound.

`examples.json` maps each note's name to its labels; the sound is `audio/<name>.wav` beside it.
"""

import io
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import soundfile

from wavenet_ae.audio import containers
from wavenet_ae.audio.damage import DamageError
from wavenet_ae.data import nsynth
from wavenet_ae.system.errors import UserError

# JSON can spell halves of characters, which no file's name holds, and line feeds.
_NO_TEXT = re.compile("[\0-\x1f\ud800-\udfff]")


class Note(NamedTuple):
    """A note's labels."""

    name: str
    instrument: str
    pitch: int  # MIDI
    velocity: int  # MIDI
    family: str
    source: str
    qualities: tuple[bool, ...]  # in the order of nsynth.QUALITIES


def _is_midi_number(value: Any) -> bool:
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return is_whole and 0 <= value < nsynth.NUM_PITCHES


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value) and not _NO_TEXT.search(value)


def _is_qualities(value: Any) -> bool:
    of_the_right_length = isinstance(value, list) and len(value) == len(nsynth.QUALITIES)
    return of_the_right_length and all(flag in (0, 1) for flag in value)


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "instrument_str": _is_name,
    "pitch": _is_midi_number,
    "velocity": _is_midi_number,
    "instrument_family_str": lambda value: value in nsynth.FAMILIES,
    "instrument_source_str": lambda value: value in nsynth.SOURCES,
    "qualities": _is_qualities,
}


def parse_notes(examples_json: bytes, where: str) -> list[Note]:
    """Parses the content of `examples.json`; fields that are not ours are ignored.

    Args:
        examples_json: what the file holds.
        where: what to call the file in errors.

    Returns:
        The notes in the order of the file; a name that it has twice comes twice.

    Raises:
        UserError: it is broken, or a note's labels are.
    """
    try:
        entries = json.loads(examples_json, object_pairs_hook=_keep_repeated)
    except (RecursionError, ValueError) as error:
        raise UserError(f"{where} is not valid JSON ({error}): get or write it again.") from error
    if not isinstance(entries, dict | tuple):
        raise UserError(f"{where} must map the notes' names to their labels, as NSynth's does.")
    pairs = entries.items() if isinstance(entries, dict) else entries
    return [_parse(name, entry, where) for name, entry in pairs]


def _keep_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any] | tuple[tuple[str, Any], ...]:
    """Returns an object of JSON as a dict, or as pairs where a name is repeated."""
    entries = dict(pairs)
    return entries if len(entries) == len(pairs) else tuple(pairs)


def _parse(name: str, entry: Any, where: str) -> Note:
    """Checks one entry of `examples.json`."""
    if not _is_name(name):
        raise UserError(f"{where} has the note {name!r}, which cannot be a file's name: rename it.")
    if isinstance(entry, tuple):
        repeated = next(field for field, count in Counter(f for f, _ in entry).items() if count > 1)
        raise UserError(f"{where}: note {name} has {repeated} twice; remove one of them.")
    if not isinstance(entry, dict):
        raise UserError(f"{where}: note {name} has no labels; write them or remove the note.")
    for field, is_valid in _FIELDS.items():
        if field not in entry:
            raise UserError(f"{where}: note {name} has no {field}; add it or remove the note.")
        if not is_valid(entry[field]):
            raise UserError(
                f"{where}: note {name} has {field} {entry[field]!r}, which NSynth does not know;"
                " correct it or remove the note."
            )
    _check_name(name, entry, where)
    return Note(
        name=name,
        instrument=entry["instrument_str"],
        pitch=entry["pitch"],
        velocity=entry["velocity"],
        family=entry["instrument_family_str"],
        source=entry["instrument_source_str"],
        qualities=tuple(map(bool, entry["qualities"])),
    )


def _check_name(name: str, entry: dict[str, Any], where: str) -> None:
    """Holds a name of NSynth's form against its labels; names of other forms tell nothing."""
    try:
        told = nsynth.parse_note_name(name)
    except ValueError:
        return
    is_nsynths = nsynth.parse_instrument_name(told.instrument) is not None
    if not is_nsynths and told.instrument != entry["instrument_str"]:
        return
    fields = {"instrument_str": told.instrument, "pitch": told.pitch, "velocity": told.velocity}
    for field, value in fields.items():
        if entry[field] != value:
            raise UserError(
                f"{where}: note {name} has {field} {entry[field]!r}, which is not what its name "
                "tells; correct it or rename the note and its sound."
            )


def read_audio(wav: Path | BinaryIO, where: str) -> np.ndarray:
    """Reads a note's sound as it is stored.

    Args:
        wav: the file.
        where: what to call it in errors.

    Returns:
        int16 [64000]: 4 s at 16 kHz.

    Raises:
        UserError: the file is missing, broken or of another kind.
    """
    try:
        content = containers.whole(wav.read_bytes() if isinstance(wav, Path) else wav.read())
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            found = (file.samplerate, file.channels, file.frames, file.subtype)
            audio = file.read(dtype="int16")
    except OSError as error:
        raise UserError(f"{where} cannot be read: {error.strerror}.") from error
    except DamageError as error:
        raise UserError(f"{where} {error}: get or write it again.") from error
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise UserError(f"{where} cannot be read ({reason}): get or write it again.") from error
    if found != (nsynth.SAMPLE_RATE_HZ, 1, nsynth.NOTE_SAMPLES, "PCM_16"):
        raise UserError(
            f"{where} has {found[0]} Hz, {found[1]} channel(s), {found[2]} samples of format"
            f" {found[3]}, but NSynth's notes have {nsynth.SAMPLE_RATE_HZ} Hz, 1 channel,"
            f" {nsynth.NOTE_SAMPLES} samples of format PCM_16: convert it or remove the note."
        )
    return audio
