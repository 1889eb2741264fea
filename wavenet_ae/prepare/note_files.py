"""The files of NSynth's json/wav layout: `examples.json`, and `audio/<note_str>.wav` beside it.

`examples.json` maps each note's name to its labels, the fields that `nsynth.Note` reads and writes.
"""

import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile

from wavenet_ae.audio import containers
from wavenet_ae.audio.damage import DamageError
from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.system import atomic_file
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError

EXAMPLES = "examples.json"
AUDIO = "audio"

# Full scale is 1. A note that never gets beyond these eight steps of 16 bits (-72 dBFS) counts as
# silent.
SILENT_PEAK = 8 / 32768


def published_split(folder: Path, split: str) -> tuple[Path, Path]:
    """Returns the paths of a split of NSynth's release: the unpacked folder and the archive."""
    name = f"nsynth-{split}"
    return folder / name, folder / f"{name}.jsonwav.tar.gz"


def parse_notes(examples_json: bytes, where: str) -> list[Note]:
    """Parses the content of `examples.json`.

    Args:
        examples_json: what the file holds.
        where: what to call the file in errors.

    Returns:
        The notes in the order of the file; a repeated name is returned twice.

    Raises:
        UserError: the file or a note's labels are invalid.
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
    if not nsynth.is_text(name):
        raise UserError(f"{where} has the note {name!r}, which cannot be a file's name: rename it.")
    if isinstance(entry, tuple):
        repeated = next(field for field, times in Counter(f for f, _ in entry).items() if times > 1)
        raise UserError(f"{where}: note {name} has {repeated} twice; remove one of them.")
    if not isinstance(entry, dict):
        raise UserError(f"{where}: note {name} has no labels; write them or remove the note.")
    try:
        return Note.from_json(name, entry)
    except UserError as error:
        raise UserError(f"{where}: note {name} {error}") from None


def write_notes(folder: Path, notes: Iterable[Note], instrument_numbers: Mapping[str, int]) -> None:
    """Writes `examples.json` atomically, one note per line.

    Args:
        folder: where it goes.
        notes: in any order; they are sorted by the instrument's number, pitch and velocity, and
            numbered (`note`).
        instrument_numbers: by the instrument's name.

    Raises:
        UserError: the file cannot be written.
    """
    ordered = sorted(
        notes, key=lambda it: (instrument_numbers[it.instrument], it.pitch, it.velocity)
    )
    with (
        atomic_file.replacing(folder / EXAMPLES) as unfinished,
        unfinished.open("w", encoding="utf-8") as file,
    ):
        separator = "{\n"
        for number, note in enumerate(ordered):
            fields = json.dumps(note.to_json(number, instrument_numbers[note.instrument]))
            file.write(f"{separator}{json.dumps(note.name)}: {fields}")
            separator = ",\n"
        file.write("\n}\n")


def read_audio(wav: Path | BinaryIO, where: str) -> np.ndarray:
    """Reads a note's sound as it is stored.

    Args:
        wav: the file.
        where: what to call it in errors.

    Returns:
        int16 [64000]: 4 s at 16 kHz.

    Raises:
        UserError: the file is missing, damaged or of another format.
    """
    try:
        content = containers.checked(wav.read_bytes() if isinstance(wav, Path) else wav.read())
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
            f"{where} has {found[0]} Hz, {count(found[1], 'channel')}, {found[2]} samples of format"
            f" {found[3]}, but NSynth's notes have {nsynth.SAMPLE_RATE_HZ} Hz, 1 channel,"
            f" {nsynth.NOTE_SAMPLES} samples of format PCM_16: convert it or remove the note."
        )
    return audio
