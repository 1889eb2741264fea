"""A folder of notes in NSynth's json/wav layout, read as it lies: what a dataset is faster than."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, SupportsIndex

import grain.python as grain
import numpy as np

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.nsynth_json.folder import Folder
from wavenet_ae.prepare.nsynth_json.notes import Note, parse_notes
from wavenet_ae.system.errors import UserError


def open_folder(path: Path) -> grain.MapDataset:
    """Opens a folder as `input_pipeline.open_split` opens a split, in the order of its labels.

    Raises:
        UserError: it holds no notes, or they or a sound cannot be found or read.
    """
    folder = Folder(path)
    notes = parse_notes(folder.read_labels(), folder.labels_name)
    if not notes:
        raise UserError(f"{folder.labels_name} holds no notes.")
    folder.check_sounds_exist(notes)
    return grain.MapDataset.source(_WavFiles(folder, notes))


class _WavFiles:
    def __init__(self, folder: Folder, notes: Sequence[Note]):
        self._folder = folder
        self._notes = notes

    def __len__(self) -> int:
        return len(self._notes)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        note = self._notes[index]
        return {
            "id": note.name,
            "audio": self._folder.read_audio(note).astype(np.float32) / 32_768,
            "pitch": np.int32(note.pitch),
            "velocity": np.int32(note.velocity),
            "family": np.int32(nsynth.FAMILIES.index(note.family)),
            "source": np.int32(nsynth.SOURCES.index(note.source)),
            "qualities": np.array(note.qualities),
        }
