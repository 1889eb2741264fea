"""NSynth's notes with the families that they belong to, which are read once and kept."""

import contextlib
import hashlib
import os

import numpy as np
from etils import epath

from wavenet_ae.data import nsynth
from wavenet_ae.data.stored_notes import Notes, StoredDataset
from wavenet_ae.system import atomic_file, downloads
from wavenet_ae.system.errors import UserError


class NotesOfFamilies:
    """The notes of a split, read in part.

    Attributes:
        domains: the family of each, by name.
        lengths: of each, in samples, int64 `[notes]`.

    Raises:
        UserError: as `stored_notes.Notes`.
    """

    def __init__(self, dataset: StoredDataset, split: str):
        self._notes = Notes(dataset, split)
        families = _read_families(self._notes, dataset, split)
        self.domains = [nsynth.FAMILIES[family] for family in families]
        self.lengths = np.full(len(self._notes), nsynth.NOTE_SAMPLES, np.int64)

    def __len__(self) -> int:
        return len(self._notes)

    def name(self, note: int) -> str:
        """Returns a note's name."""
        return self._notes[note]["id"]

    def read(self, note: int, start: int, samples: int) -> np.ndarray:
        """Returns samples of a note, float32 `[samples]`, full scale -1..1."""
        return self._notes[note]["audio"][start : start + samples]


def _read_families(notes: Notes, dataset: StoredDataset, split: str) -> np.ndarray:
    """Returns `Notes.families`, from the cache where the split has been read before.

    A split is known by its files' names, sizes and times.
    """
    files = [epath.Path(it.filename) for it in dataset.splits[split].file_instructions]
    stats = [(str(path), os.stat(path)) for path in files]
    state = repr([(path, it.st_size, it.st_mtime_ns) for path, it in stats])
    kept = (
        downloads.cache_folder() / "families" / f"{hashlib.sha256(state.encode()).hexdigest()}.npy"
    )
    with contextlib.suppress(OSError, ValueError, EOFError):  # there is none, or it is damaged
        found = np.load(kept)
        if found.shape == (len(notes),) and np.isin(found, range(len(nsynth.FAMILIES))).all():
            return found
    found = notes.families()
    # A machine without room or permission reads them again.
    with (
        contextlib.suppress(UserError),
        atomic_file.replacing(kept) as temporary,
        temporary.open("wb") as file,
    ):
        np.save(file, found)
    return found
