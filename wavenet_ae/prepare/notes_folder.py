"""A folder of notes in NSynth's json/wav layout: `examples.json` and `audio/<name>.wav`."""

import collections
import concurrent.futures
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

import numpy as np

from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare import note_files
from wavenet_ae.system.errors import UserError

if TYPE_CHECKING:
    import grain.python as grain

_READERS = 8
_READ_AHEAD = 4 * _READERS


class NotesFolder:
    """A folder of notes to be read."""

    def __init__(self, path: Path):
        self.path = path
        self.labels_name = f"{path / note_files.EXAMPLES}"

    def read_labels(self) -> bytes:
        """Returns the content of `examples.json`.

        Raises:
            UserError: it cannot be read.
        """
        try:
            return (self.path / note_files.EXAMPLES).read_bytes()
        except OSError as error:
            raise UserError(f"{self.labels_name} cannot be read: {error.strerror}.") from error

    def read_notes(self) -> list[Note]:
        """Returns the notes in the order of `examples.json`.

        Raises:
            UserError: there are none, or they cannot be read.
        """
        notes = note_files.parse_notes(self.read_labels(), self.labels_name)
        if not notes:
            raise UserError(f"{self.labels_name} holds no notes.")
        return notes

    def dataset(self) -> "grain.MapDataset":
        """Opens the notes as `input_pipeline.open_split` opens a split, read as they lie.

        Raises:
            UserError: there are none, or they or a sound cannot be found or read.
        """
        import grain.python as grain  # takes seconds, which who writes notes need not wait

        notes = self.read_notes()
        self.check_sounds_exist(notes)
        return grain.MapDataset.source(_Examples(self, notes))

    def sounds(self, notes: Sequence[Note]) -> Iterator[tuple[Note, np.ndarray]]:
        """Yields the notes in their order, with what `note_files.read_audio` returns.

        Raises:
            UserError: at the call, not after an hour of building: sounds are missing; when it is
                a note's turn: its sound cannot be read or is of another kind.
        """
        self.check_sounds_exist(notes)
        return self._read_sounds(notes)

    def _wav(self, note: Note) -> Path:
        return self.path / note_files.AUDIO / f"{note.name}.wav"

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
        folder = self.path / note_files.AUDIO
        try:
            return set(os.listdir(folder))  # one call, not one for each note
        except OSError as error:
            raise UserError(f"{folder} cannot be read: {error.strerror}.") from error

    def read_audio(self, note: Note) -> np.ndarray:
        """Returns a note's sound as `note_files.read_audio` does."""
        wav = self._wav(note)
        return note_files.read_audio(wav, f"{wav}")

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


class _Examples:
    def __init__(self, folder: NotesFolder, notes: Sequence[Note]):
        self._folder = folder
        self._notes = notes

    def __len__(self) -> int:
        return len(self._notes)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        note = self._notes[index]
        return note.to_example(self._folder.read_audio(note).astype(np.float32) / 32_768)
