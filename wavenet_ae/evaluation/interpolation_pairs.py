"""The pairs of sounds to interpolate between: sound files, or notes of a dataset."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio import files
from wavenet_ae.data import input_pipeline
from wavenet_ae.data.nsynth import Note
from wavenet_ae.evaluation.notes import choose_pairs, read_labels, title
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.encode_files import find_pitch, pitch_in_name
from wavenet_ae.system.errors import UserError


class End(NamedTuple):
    """One of the two sounds of a pair.

    Attributes:
        source: the file, or the note of a dataset.
        audio: float32 `[samples]` at 16 kHz.
        pitch: MIDI, or -1 where it is not known.
        split: of a note: the dataset and its split, like `nsynth/full:test`.
    """

    source: Path | Note
    audio: np.ndarray
    pitch: int
    split: str | None = None

    @property
    def name(self) -> str:
        """The file's name, or the note's id."""
        return self.source.name

    @property
    def title(self) -> str:
        """The note in words, or the file's name."""
        return title(self.source) if isinstance(self.source, Note) else self.name


class Pair(NamedTuple):
    """The sound at weight 0 and the sound at weight 1."""

    first: End
    second: End

    @property
    def num_samples(self) -> int:
        """Length of all sounds between the two: the longer one's; the shorter ends in silence."""
        return max(len(end.audio) for end in self)


def read_pairs(given: Sequence[Sequence[Path]], track_pitch: bool) -> list[Pair]:
    """Reads pairs of sound files.

    Args:
        given: two paths each.
        track_pitch: find the pitch of sounds whose names do not give it.

    Raises:
        UserError: a file cannot be read.
    """
    pairs = []
    find = find_pitch if track_pitch else lambda path, _: pitch_in_name(path)
    for two in given:
        sounds = [(path, files.load(path)) for path in two]
        ends = [End(path, audio, find(path, audio)) for path, audio in sounds]
        pairs.append(Pair(*ends))
    return pairs


def two_paths(text: str) -> list[Path]:
    """Divides two paths at the comma that has files on both sides.

    Raises:
        UserError: it is not two paths, or it is ambiguous.
    """
    parts = text.split(",")
    sides = ((",".join(parts[:i]), ",".join(parts[i:])) for i in range(1, len(parts)))
    candidates = [[Path(side.strip()).expanduser() for side in two] for two in sides if all(two)]
    there = [paths for paths in candidates if all(path.is_file() for path in paths)]
    if len(there) > 1:
        raise UserError(
            f"--pair={text} could be {there[0][0]} and {there[0][1]}, or {there[1][0]} and "
            f"{there[1][1]}: rename one of them."
        )
    # With one candidate, reading it reports which file does not exist.
    if not there and len(candidates) != 1:
        raise UserError(f"--pair={text} must be two sound files, as --pair=a.wav,b.wav, and exist.")
    return (there or candidates)[0]


def choose_notes(
    model: Codec, *, dataset: str | None, data_dir: str | None, split: str, num_pairs: int
) -> list[Pair]:
    """Chooses pairs of notes from a dataset.

    Args:
        model: whose run names the dataset where none is given.
        dataset: its name, or None.
        data_dir: TFDS's folder of datasets; None for the one that the run names.
        split: of the dataset.
        num_pairs: how many; fewer if the split has fewer.

    Raises:
        UserError: there is no such dataset or split, or it has fewer than two notes.
    """
    of_run = model.trained.config["dataset"]
    name = dataset or of_run["name"]
    notes = input_pipeline.open_split(name, data_dir or of_run["data_dir"], split)
    if len(notes) < 2:
        raise UserError(
            f"a pair needs two notes, and the split {split} has {len(notes)}: choose another "
            "--split, or files by --pair."
        )
    places = read_labels(notes)
    chosen = choose_pairs(places, num_pairs)
    if len(chosen) < num_pairs:
        print(f"pairs in the split {split}: {len(chosen)}, fewer than --num_pairs={num_pairs}")
    origin = f"{name}:{split}"
    return [
        Pair(*(End(note, notes[places[note]]["audio"], note.pitch, origin) for note in pair))
        for pair in chosen
    ]
