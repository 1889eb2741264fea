"""NSynth's json/wav layout: what a folder of notes holds, and how it falls into splits.

A folder holds `examples.json`, which maps each note's name to its labels, and `audio/<name>.wav`.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import soundfile

from wavenet_ae.data import nsynth
from wavenet_ae.errors import UserError

HELD_OUT_FRACTION = 0.1  # for each of valid and test


class Note(NamedTuple):
    """A note's labels, and the folder that holds its sound."""

    name: str
    instrument: str
    pitch: int  # MIDI
    velocity: int  # MIDI
    family: str
    source: str
    qualities: tuple[bool, ...]  # in the order of nsynth.QUALITIES
    folder: Path

    @property
    def wav(self) -> Path:
        """The note's sound."""
        return self.folder / "audio" / f"{self.name}.wav"


def _is_midi_number(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < nsynth.NUM_PITCHES


def _is_qualities(value: Any) -> bool:
    of_the_right_length = isinstance(value, list) and len(value) == len(nsynth.QUALITIES)
    return of_the_right_length and all(flag in (0, 1) for flag in value)


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "instrument_str": lambda value: isinstance(value, str) and bool(value),
    "pitch": _is_midi_number,
    "velocity": _is_midi_number,
    "instrument_family_str": lambda value: value in nsynth.FAMILIES,
    "instrument_source_str": lambda value: value in nsynth.SOURCES,
    "qualities": _is_qualities,
}


def read_notes(folder: Path) -> list[Note]:
    """Reads `examples.json` and looks for the sounds; fields that are not ours are ignored.

    Args:
        folder: holds `examples.json` and `audio/`.

    Returns:
        The notes in a fair and lasting order, that of their names' hashes.

    Raises:
        UserError: a file is missing or broken, or a note's labels are.
    """
    path = folder / "examples.json"
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON ({error}): get or write it again.") from error
    if not isinstance(entries, dict):
        raise UserError(f"{path} must map the notes' names to their labels, as NSynth's does.")
    notes = [_parse(name, entry, folder) for name, entry in entries.items()]
    _check_sounds_exist(notes, folder)
    return sorted(notes, key=lambda note: _hash(note.name))


def _parse(name: str, entry: Any, folder: Path) -> Note:
    """Checks one entry of `examples.json`."""
    path = folder / "examples.json"
    if not isinstance(entry, dict):
        raise UserError(f"{path}: note {name} has no labels; write them or remove the note.")
    for field, is_valid in _FIELDS.items():
        if field not in entry:
            raise UserError(f"{path}: note {name} has no {field}; add it or remove the note.")
        if not is_valid(entry[field]):
            raise UserError(
                f"{path}: note {name} has {field} {entry[field]!r}, which NSynth does not know;"
                " correct it or remove the note."
            )
    return Note(
        name=name,
        instrument=entry["instrument_str"],
        pitch=entry["pitch"],
        velocity=entry["velocity"],
        family=entry["instrument_family_str"],
        source=entry["instrument_source_str"],
        qualities=tuple(map(bool, entry["qualities"])),
        folder=folder,
    )


def _check_sounds_exist(notes: Sequence[Note], folder: Path) -> None:
    """Finds a missing sound now, not after an hour of building."""
    try:
        present = set(os.listdir(folder / "audio"))  # one call, not one for each note
    except OSError as error:
        raise UserError(f"{folder / 'audio'} cannot be read: {error.strerror}.") from error
    missing = [note for note in notes if note.wav.name not in present]
    if missing:
        raise UserError(
            f"{missing[0].wav} does not exist ({len(missing)} of {len(notes)} notes have no"
            " sound): add it or remove the note from examples.json."
        )


def read_audio(note: Note) -> np.ndarray:
    """Reads a note's sound as it is stored.

    Returns:
        int16 [64000]: 4 s at 16 kHz.

    Raises:
        UserError: the file is missing, broken or of another kind.
    """
    try:
        with soundfile.SoundFile(note.wav) as file:
            found = (file.samplerate, file.channels, file.frames, file.subtype)
            audio = file.read(dtype="int16")
    except soundfile.SoundFileError as error:
        raise UserError(f"{note.wav} cannot be read ({error}): get or write it again.") from error
    if found != (nsynth.SAMPLE_RATE_HZ, 1, nsynth.NOTE_SAMPLES, "PCM_16"):
        raise UserError(
            f"{note.wav} has {found[0]} Hz, {found[1]} channel(s), {found[2]} samples of format"
            f" {found[3]}, but NSynth's notes have {nsynth.SAMPLE_RATE_HZ} Hz, 1 channel,"
            f" {nsynth.NOTE_SAMPLES} samples of format PCM_16: convert it or remove the note."
        )
    return audio


def read_splits(folder: Path, config: str) -> dict[str, list[Note]]:
    """Reads the notes below a folder and splits them.

    Args:
        folder: holds `examples.json` and `audio/`, or for `published` three such folders.
        config: `by_instrument` (valid and test hold instruments that train does not, as in
            NSynth), `by_note` (other notes of the same instruments, as in GANSynth's subset) or
            `published` (as the folders nsynth-train, nsynth-valid and nsynth-test say).

    Returns:
        The notes of train, valid and test, each in the order of their names' hashes; the same
        at every call and on every machine.

    Raises:
        UserError: there are too few notes, or they cannot be read.
    """
    folders = _folders_of_notes(folder, config)
    if config == "published":
        splits = {split: read_notes(folders[split]) for split in nsynth.SPLITS}
        for split, notes in splits.items():
            if not notes:
                raise UserError(f"{folders[split]} holds no notes: unpack it again.")
        return splits
    notes = read_notes(folder)
    if config == "by_note":
        split_of = _assign((note.name for note in notes), "notes", folder)
        return {s: [n for n in notes if split_of[n.name] == s] for s in nsynth.SPLITS}
    split_of = _assign({note.instrument for note in notes}, "instruments", folder)
    return {s: [n for n in notes if split_of[n.instrument] == s] for s in nsynth.SPLITS}


def _folders_of_notes(folder: Path, config: str) -> dict[str, Path]:
    """Returns the folders that must hold `examples.json`, by split if they are the splits.

    Raises:
        UserError: one does not.
    """
    published = {split: folder / f"nsynth-{split}" for split in nsynth.SPLITS}
    folders = published if config == "published" else {"all": folder}
    for one in folders.values():
        path = one / "examples.json"
        if path.is_file():
            continue
        if config == "published":
            way_out = (
                f"unpack {one.name}.jsonwav.tar.gz in {folder}, or use --split=by_instrument or"
                " --split=by_note for one folder of notes"
            )
        elif any(other.is_dir() for other in published.values()):
            way_out = "as there are NSynth's published splits, use --split=published"
        else:
            way_out = "name the folder that holds it and audio/"
        raise UserError(f"{path} does not exist: {way_out}.")
    return folders


def _assign(names: Iterable[str], what: str, folder: Path) -> dict[str, str]:
    """Gives each name a split: a tenth each to valid and test, at least one, the rest to train."""
    ordered = sorted(names, key=_hash)
    if len(ordered) < len(nsynth.SPLITS):
        way_out = "add more, or use --split=by_note" if what == "instruments" else "add more"
        raise UserError(
            f"{folder} holds {len(ordered)} {what}, too few for train, valid and test: {way_out}."
        )
    held_out = max(1, round(HELD_OUT_FRACTION * len(ordered)))
    splits = ["test"] * held_out + ["valid"] * held_out
    splits += ["train"] * (len(ordered) - len(splits))
    return dict(zip(ordered, splits, strict=True))


def _hash(name: str) -> bytes:
    """Returns what names are ordered by: fair, and unlike Python's hash() always the same."""
    return hashlib.sha256(name.encode()).digest()


def fingerprint(folder: Path, config: str) -> str:
    """Returns a hash of the `examples.json` that a dataset is built from.

    It tells other notes or labels; it does not see sounds that change under the same names.

    Raises:
        UserError: there is no such file.
    """
    digest = hashlib.sha256()
    for one in _folders_of_notes(folder, config).values():
        with (one / "examples.json").open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
