"""A folder of notes: `examples.json` and `audio/<name>.wav`."""

import collections
import concurrent.futures
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from wavenet_ae.prepare.nsynth_json import notes as nsynth_notes
from wavenet_ae.prepare.nsynth_json.notes import Note
from wavenet_ae.system.errors import UserError

_READERS = 8
_READ_AHEAD = 4 * _READERS


class Folder:
    """A folder of notes."""

    def __init__(self, path: Path):
        self.path = path
        self.labels_name = f"{path / 'examples.json'}"

    def read_labels(self) -> bytes:
        """Returns the content of `examples.json`.

        Raises:
            UserError: it cannot be read.
        """
        try:
            return (self.path / "examples.json").read_bytes()
        except OSError as error:
            raise UserError(f"{self.labels_name} cannot be read: {error.strerror}.") from error

    def sounds(self, notes: Sequence[Note]) -> Iterator[tuple[Note, np.ndarray]]:
        """Yields the notes in their order, with their sounds as `notes.read_audio` returns them.

        Raises:
            UserError: at the call, not after an hour of building: sounds are missing; when it is
                a note's turn: its sound cannot be read or is of another kind.
        """
        self.check_sounds_exist(notes)
        return self._read_sounds(notes)

    def _wav(self, note: Note) -> Path:
        return self.path / "audio" / f"{note.name}.wav"

    def check_sounds_exist(self, notes: Sequence[Note]) -> None:
        """Finds a missing sound now, not after an hour of reading.

        Raises:
            UserError: a note's sound is not there.
        """
        present = self._present()
        missing = [wav for wav in map(self._wav, notes) if wav.name not in present]
        if missing:
            raise UserError(
                f"{missing[0]} does not exist ({len(missing)} of {len(notes)} notes have no"
                " sound): add it or remove the note from examples.json."
            )

    def unnamed_sounds(self, notes: Sequence[Note]) -> list[str]:
        """Returns the files of sounds that belong to none of all the folder's notes."""
        sounds = {name for name in self._present() if name.endswith(".wav") and name[0] != "."}
        return sorted(sounds - {self._wav(note).name for note in notes})

    def _present(self) -> set[str]:
        try:
            return set(os.listdir(self.path / "audio"))  # one call, not one for each note
        except OSError as error:
            raise UserError(f"{self.path / 'audio'} cannot be read: {error.strerror}.") from error

    def read_audio(self, note: Note) -> np.ndarray:
        """Returns a note's sound as `notes.read_audio` does."""
        wav = self._wav(note)
        return nsynth_notes.read_audio(wav, f"{wav}")

    def _read_sounds(self, notes: Sequence[Note]) -> Iterator[tuple[Note, np.ndarray]]:
        """Reads ahead, as small files on a disk take their time."""
        pending: collections.deque[tuple[Note, concurrent.futures.Future]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            for note in notes:
                pending.append((note, pool.submit(self.read_audio, note)))
                if len(pending) == _READ_AHEAD:
                    first, audio = pending.popleft()
                    yield first, audio.result()
            for note, audio in pending:
                yield note, audio.result()
