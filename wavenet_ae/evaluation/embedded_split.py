"""Many notes of a split: their labels, and their embeddings, which are cached on the disk."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae.data import input_pipeline
from wavenet_ae.data.input_pipeline import ProcessShare
from wavenet_ae.data.nsynth import Note
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.system import atomic_file, processes
from wavenet_ae.system.errors import UserError

# Notes whose embeddings share a file: an interruption loses at most this many.
_PART_NOTES = 256
_WHOLE = ProcessShare()


class SplitNotes(NamedTuple):
    """Notes of a split, without their sounds.

    Attributes:
        split: its name.
        dataset: the whole split, from `input_pipeline.open_split`.
        indices: int `[notes]`, their places in it.
        notes: their labels.
        instruments: str `[notes]`.
        velocities: int `[notes]`, MIDI.
        labels: by name `pitch` (MIDI), `family` and `source` (places in `nsynth.FAMILIES` and
            `nsynth.SOURCES`), each int `[notes]`, and `quality`, bool `[notes, 10]`.
        digests: hashes of the ids and sounds, one per part that is encoded together.
    """

    split: str
    dataset: Sequence[dict[str, Any]]
    indices: np.ndarray
    notes: Sequence[Note]
    instruments: np.ndarray
    velocities: np.ndarray
    labels: Mapping[str, np.ndarray]
    digests: Sequence[str]


def read_split(
    name: str,
    data_dir: str,
    split: str,
    num_notes: int | None,
    share: ProcessShare = _WHOLE,
) -> SplitNotes:
    """Reads the labels of notes that are evenly spaced over a split.

    Args:
        name: of the dataset, as `input_pipeline.open_split` takes it.
        data_dir: TFDS's folder of datasets.
        split: of the dataset.
        num_notes: how many; None, or a number above the split's size, for all.
        share: of the notes; process p of n gets the notes p, p + n, ...

    Raises:
        UserError: there is no such split, or it has fewer than two notes, or fewer than processes.
    """
    dataset = input_pipeline.open_split(name, data_dir, split)
    count = len(dataset) if num_notes is None else min(num_notes, len(dataset))
    least = max(2, share.count)
    if count < least:
        raise UserError(
            f"the split {split!r} of {name!r} in {data_dir} gives {count} notes, and a score needs "
            f"at least {least}: name another split or dataset, or more notes."
        )
    indices = np.linspace(0, len(dataset) - 1, count).round().astype(int)
    indices = indices[share.index :: share.count]
    examples, digests, digest = [], [], hashlib.sha256()
    bar = processes.progress(indices.tolist(), unit="note", desc=f"reading {split}")
    for place, index in enumerate(bar):
        example = dataset[index]
        audio = example["audio"]
        examples.append({key: value for key, value in example.items() if key != "audio"})
        digest.update(f"{example['id']} {audio.dtype} {audio.shape}".encode())
        digest.update(audio.tobytes())
        if (place + 1) % _PART_NOTES == 0 or place + 1 == len(indices):
            digests.append(digest.hexdigest()[:16])
            digest = hashlib.sha256()
    columns = {key: np.array([example[key] for example in examples]) for key in examples[0]}
    labels = {key: columns[key] for key in ("pitch", "family", "source")}
    notes = [Note.from_example(example) for example in examples]
    return SplitNotes(
        split=split,
        dataset=dataset,
        indices=indices,
        notes=notes,
        instruments=np.array([note.instrument for note in notes]),
        velocities=columns["velocity"],
        labels={**labels, "quality": columns["qualities"]},
        digests=digests,
    )


def encode_share(
    codecs: Sequence[Codec], splits: Sequence[SplitNotes], folder: Path, batch_size: int
) -> None:
    """Writes this process's share of the files that `encode_split` will read in one process.

    Args:
        codecs: the models, the same in all processes.
        splits: the notes, the same in all processes.
        folder: of the embeddings, shared by all processes.
        batch_size: notes encoded at once.

    Raises:
        UserError: see `encode_split`.
    """
    every = [(c, notes, part) for c in codecs for notes in splits for part in range(_parts(notes))]
    todo = [work for work in processes.own_share(every) if not _path(*work, folder).exists()]
    total = sum(len(notes.indices[_rows(part)]) for _, notes, part in todo)
    with processes.progress(total=total, unit="note", desc="encoding a share") as bar:
        for codec, notes, part in todo:
            _encode(codec, notes, part, folder, batch_size, bar)


def encode_split(codec: Codec, notes: SplitNotes, folder: Path, batch_size: int) -> np.ndarray:
    """Encodes notes, except those that an earlier call encoded with the same weights.

    Args:
        codec: the model.
        notes: from `read_split`.
        folder: of the embeddings; a file's place in it is a function of the model, the notes'
            names and their sounds, so that models, datasets and numbers of notes share a folder.
        batch_size: notes encoded at once.

    Returns:
        float32 `[notes, frames, embedding_size]`.

    Raises:
        UserError: the embeddings are not finite, or a file cannot be written.
    """
    parts = []
    name = f"{notes.split} by {codec.trained.name}"
    with processes.progress(total=len(notes.indices), unit="note", desc=f"encoding {name}") as bar:
        for part in range(_parts(notes)):
            embeddings = _read(_path(codec, notes, part, folder), codec)
            if embeddings is None or len(embeddings) != len(notes.indices[_rows(part)]):
                embeddings = _encode(codec, notes, part, folder, batch_size, bar)
            else:
                bar.update(len(embeddings))
            parts.append(embeddings)
    return np.concatenate(parts)


def _parts(notes: SplitNotes) -> int:
    """Returns the number of files that hold the embeddings of these notes."""
    return len(notes.digests)


def _rows(part: int) -> slice:
    return slice(part * _PART_NOTES, (part + 1) * _PART_NOTES)


def _path(codec: Codec, notes: SplitNotes, part: int, folder: Path) -> Path:
    return folder / codec.trained.fingerprint / f"{notes.split}_{notes.digests[part]}.npz"


def _encode(
    codec: Codec, notes: SplitNotes, part: int, folder: Path, batch_size: int, bar: tqdm
) -> np.ndarray:
    """Encodes the notes of a part, and writes and returns their embeddings."""
    indices, batches = notes.indices[_rows(part)], []
    # The last batch is padded, so that one compiled program serves all.
    batch_size = min(batch_size, len(notes.indices))
    for first in range(0, len(indices), batch_size):
        rows = indices[first : first + batch_size]
        sounds = [notes.dataset[index]["audio"] for index in rows.tolist()]
        filled = np.stack([sounds[min(i, len(rows) - 1)] for i in range(batch_size)])
        encoded = codec.encode(filled)[: len(rows)]
        if not np.isfinite(encoded).all():
            raise UserError(
                f"{codec.trained.name} encodes notes of the split {notes.split!r} as NaN or "
                "infinity: name an earlier checkpoint, RUN/checkpoints/STEP."
            )
        batches.append(encoded)
        bar.update(len(rows))
    embeddings = np.concatenate(batches)
    path = _path(codec, notes, part, folder)
    with atomic_file.replacing(path) as temporary, temporary.open("wb") as file:
        ids = [note.name for note in notes.notes[_rows(part)]]
        np.savez(file, embeddings=embeddings, ids=ids)
    return embeddings


def _read(path: Path, codec: Codec) -> np.ndarray | None:
    if not path.exists():
        return None
    try:
        with path.open("rb") as file:
            embeddings = np.load(file)["embeddings"]
    except Exception as error:  # damaged files can make NumPy raise almost anything
        tqdm.write(f"{path} cannot be read ({error}): its notes are encoded again", file=sys.stderr)
        return None
    fits = embeddings.ndim == 3 and embeddings.shape[-1] == codec.embedding_size
    return embeddings if fits and np.issubdtype(embeddings.dtype, np.floating) else None
