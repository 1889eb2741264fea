"""Opens notes from a TFDS dataset, or from a folder in NSynth's json/wav layout."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae.data import input_pipeline, nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare import note_files
from wavenet_ae.prepare.notes_folder import NotesFolder
from wavenet_ae.system.errors import UserError

LONE_FOLDER = "notes"  # the split's name where a folder has none


class Split(NamedTuple):
    """A split to be read.

    Attributes:
        name: of the split.
        num_notes: at least one.
        read: given a place in it, returns the labels and a function that returns the sound, int16
            or float32 `[samples]`. Both raise a UserError for what cannot be read.
        unnamed_sounds: the files of sounds that belong to no note.
    """

    name: str
    num_notes: int
    read: Callable[[int], tuple[Note, Callable[[], np.ndarray]]]
    unnamed_sounds: Sequence[str] = ()


def open_dataset(name: str, data_dir: str, wanted: Sequence[str] = ()) -> list[Split]:
    """Opens a dataset that TFDS has built.

    The instrument is taken from the note's name: TFDS's own `nsynth` only numbers instruments.

    Args:
        name: as `input_pipeline.open_split` takes it.
        data_dir: where TFDS keeps its datasets.
        wanted: the splits; all if empty.

    Raises:
        UserError: there is no such dataset or split, or a split is empty.
    """
    splits = []
    for split in wanted or input_pipeline.split_names(name, data_dir):
        notes = input_pipeline.open_split(name, data_dir, split)
        if not len(notes):
            raise UserError(f"the split {split!r} of {name!r} in {data_dir} holds no notes.")
        splits.append(Split(split, len(notes), _reader_of_records(notes)))
    return splits


def _reader_of_records(notes: Sequence[dict[str, Any]]) -> Callable:
    def read(index: int) -> tuple[Note, Callable[[], np.ndarray]]:
        example = notes[index]
        return Note.from_example(example), lambda: example["audio"]

    return read


def open_notes(
    folder: Path, wanted: Sequence[str] = (), *, with_sounds: bool = True
) -> list[Split]:
    """Opens notes in NSynth's json/wav layout.

    Args:
        folder: holds `examples.json` and `audio/`, then called the split `notes`; or some of
            nsynth-train, nsynth-valid and nsynth-test, each with both.
        wanted: the splits; all that exist if empty.
        with_sounds: check that all sounds exist.

    Raises:
        UserError: there are no notes, or they or a sound cannot be found or read.
    """
    folders = _folders_of_notes(folder)
    for split in wanted:
        if split not in folders:
            raise UserError(f"{folder} has no split {split!r}, only {', '.join(folders)}.")
    splits = []
    for split in wanted or folders:
        source = NotesFolder(folders[split])
        notes = source.read_notes()
        unnamed = []
        if with_sounds:
            source.check_sounds_exist(notes)
            unnamed = source.unnamed_sounds(notes)
        splits.append(Split(split, len(notes), _reader_of_files(source, notes), unnamed))
    return splits


def _folders_of_notes(folder: Path) -> dict[str, Path]:
    published = {split: note_files.published_split(folder, split) for split in nsynth.SPLITS}
    unpacked = {split: path for split, (path, _) in published.items()}
    found = {s: path for s, path in unpacked.items() if (path / note_files.EXAMPLES).is_file()}
    if (folder / note_files.EXAMPLES).is_file():
        if found:
            raise UserError(
                f"{folder} holds examples.json and {next(iter(found.values())).name}, and the "
                "two are not read together: move one of them elsewhere."
            )
        return {LONE_FOLDER: folder}
    if not found:
        raise UserError(
            f"{folder} holds neither examples.json nor a folder nsynth-train, nsynth-valid or "
            "nsynth-test with one: name the folder of the notes, or build a dataset of archives "
            "(wavenet-ae build-dataset) and name that as --dataset."
        )
    for split, (_, archive) in published.items():
        if split not in found and archive.exists():
            tqdm.write(f"passed over, as it is not unpacked: {archive}", file=sys.stderr)
    return found


def _reader_of_files(source: NotesFolder, notes: Sequence[Note]) -> Callable:
    def read(index: int) -> tuple[Note, Callable[[], np.ndarray]]:
        note = notes[index]
        return note, lambda: source.read_audio(note)

    return read
