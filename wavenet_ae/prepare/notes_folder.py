"""A folder of notes in NSynth's json/wav layout: `examples.json` and `audio/<name>.wav`."""

import collections
import concurrent.futures
import contextlib
import functools
import json
import os
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, SupportsIndex

import numpy as np

from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare import note_files
from wavenet_ae.system import atomic_file
from wavenet_ae.system.errors import UserError, write_error
from wavenet_ae.system.locks import exclusive_lock

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
        """Opens the notes as `input_pipeline.open_split` opens a split, read in place.

        Raises:
            UserError: there are none, or they or a sound cannot be found or read.
        """
        import grain.python as grain  # takes seconds: not when notes are only written

        notes = self.read_notes()
        self.check_sounds_exist(notes)
        return grain.MapDataset.source(_Examples(self, notes))

    def sounds(self, notes: Sequence[Note]) -> Iterator[tuple[Note, np.ndarray]]:
        """Yields the notes in their order, with what `note_files.read_audio` returns.

        Raises:
            UserError: sounds are missing (raised at the call, not after an hour of building), or a
                sound cannot be read or is of another format (raised at its note).
        """
        self.check_sounds_exist(notes)
        return self._read_sounds(notes)

    def wav(self, note: str) -> Path:
        """Returns the path of the sound of the note of this name."""
        return self.path / note_files.AUDIO / f"{note}.wav"

    def check_sounds_exist(self, notes: Sequence[Note]) -> None:
        """Checks at once that all sounds exist, not after an hour of reading.

        Raises:
            UserError: a note's sound is not there.
        """
        wavs = [self.wav(note.name) for note in notes]
        missing = [wav for wav in wavs if wav.name not in self._present]
        if missing:
            raise UserError(
                f"{missing[0]} does not exist ({len(missing)} of {len(notes)} notes have no"
                " sound): add it or remove the note from examples.json."
            )

    def unnamed_sounds(self, notes: Sequence[Note]) -> list[str]:
        """Returns the sound files that belong to none of the folder's notes."""
        sounds = {name for name in self._present if name.endswith(".wav") and name[0] != "."}
        return sorted(sounds - {self.wav(note.name).name for note in notes})

    @functools.cached_property
    def _present(self) -> set[str]:
        folder = self.path / note_files.AUDIO
        try:
            return set(os.listdir(folder))  # one call for all notes
        except OSError as error:
            raise UserError(f"{folder} cannot be read: {error.strerror}.") from error

    def read_audio(self, note: Note) -> np.ndarray:
        """Returns a note's sound as `note_files.read_audio` does."""
        wav = self.wav(note.name)
        return note_files.read_audio(wav, f"{wav}")

    def _read_sounds(self, notes: Sequence[Note]) -> Iterator[tuple[Note, np.ndarray]]:
        """Reads ahead: small files are slow to read one by one."""
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


class Maker(NamedTuple):
    """A tool that makes folders of notes."""

    report: str  # the file that says how and from what the notes were made
    participle: str
    remedy: str  # what to do where the folder holds other notes

    @property
    def journal(self) -> str:
        """The file that says what an unfinished folder holds: the request, then its facts."""
        return f".{Path(self.report).stem}.jsonl"


IMPORT = Maker("import.json", "imported", "or replace them with --overwrite")
RENDERING = Maker("rendering.json", "rendered", "or remove that folder first")

# What may be overwritten: the parts of a folder of notes, whoever made it; earlier versions had
# `.parts`.
_PARTS = {note_files.EXAMPLES, note_files.AUDIO, ".parts"}
_PARTS |= {name for maker in (IMPORT, RENDERING) for name in (maker.report, maker.journal)}


class NotesWriter(NotesFolder):
    """A folder of notes that is being written; other processes are kept out until it is closed.

    A journal records what has been made; a later call for the same notes resumes from it, however
    this call ends. `examples.json` exists only when the folder is complete.

    Args:
        path: a new or an empty folder, or one that was written for the same request.
        maker: of the notes.
        request: what all the notes have in common, as JSON values; the report of the finished notes
            holds it as `request`.
        versions: what unfinished notes must also have in common.
        overwrite: delete the content, unless it is the unfinished work of the same request.

    Attributes:
        report: on notes of the same request that an earlier call finished, else None.
        noted: the journal of an earlier call for the same request: keys and facts, the latest last.

    Raises:
        UserError: the folder holds something else, cannot be written, or another process is writing
            to it.
    """

    def __init__(
        self,
        path: Path,
        maker: Maker,
        request: Mapping[str, Any],
        *,
        versions: Mapping[str, Any] = MappingProxyType({}),
        overwrite: bool = False,
    ):
        super().__init__(path)
        self.report: dict[str, Any] | None = None
        self.noted: list[tuple[str, Any]] = []
        self._maker = maker
        self._request = dict(request)
        self._begun = {**request, **versions}
        self._taken_away: bytes | None = None
        with contextlib.ExitStack() as opened, self._reporting_failures():
            opened.enter_context(exclusive_lock(path))
            self._prepare(overwrite)
            self._opened = opened.pop_all()

    @contextlib.contextmanager
    def _reporting_failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise write_error(self.path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def _prepare(self, overwrite: bool) -> None:
        """Reads what an earlier call left, or deletes what may be overwritten."""
        there = {path.name for path in self.path.iterdir()} - {it.name for it in self._torn()}
        if not there:
            return
        begun, noted = self._read_journal()
        report = self._read_report()
        asked, known = (self._begun, begun) if begun else (self._request, report.get("request"))
        if known == asked and (begun or not overwrite):
            self.report, self.noted = (None, noted) if begun else (report, [])
            return
        if strange := sorted(there - _PARTS):
            raise UserError(
                f"{self.path} holds {strange[0]}, which is not part of any notes: choose another "
                "--output."
            )
        if not overwrite:
            raise UserError(f"{self.path} holds {self._conflict(known, asked, begun is not None)}.")
        for name in there:
            path = self.path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _torn(self) -> list[Path]:
        """Returns the files that a killed process was writing (see `atomic_file`)."""
        return list(self.path.glob(".*.tmp"))

    def _read_journal(self) -> tuple[dict[str, Any] | None, list[tuple[str, Any]]]:
        """Returns the request and the facts of an unfinished call's journal; None without one."""
        noted: list[tuple[str, Any]] = []
        try:
            text = (self.path / self._maker.journal).read_text(encoding="utf-8")
            first, *lines = text.splitlines()
            begun = json.loads(first)
        except (FileNotFoundError, ValueError):
            return None, []
        with contextlib.suppress(TypeError, ValueError):  # the last line may be torn
            for line in lines:
                key, facts = json.loads(line)
                noted.append((key, facts))
        return begun if isinstance(begun, dict) else None, noted

    def _read_report(self) -> dict[str, Any]:
        """Returns an earlier call's report; nothing if there is none, or if it is not ours."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            report = json.loads((self.path / self._maker.report).read_text(encoding="utf-8"))
            if isinstance(report, dict) and isinstance(report.get("request"), dict):
                return report
        return {}

    def _conflict(
        self, known: dict[str, Any] | None, asked: dict[str, Any], unfinished: bool
    ) -> str:
        """Returns which other notes the folder holds, and the remedies."""
        made, remedies = self._maker.participle, f"choose another --output, {self._maker.remedy}"
        if not known:
            return f"notes that were not {made} here: {remedies}"
        names = [name.removesuffix("_sha256") for name in asked if known.get(name) != asked[name]]
        others = f"notes that were {made} with other {' and '.join(names) or 'settings'}"
        if unfinished:
            return f"unfinished {others}: finish them with the former settings, {remedies}"
        return f"{others}: {remedies}"

    @property
    def is_finished(self) -> bool:
        """Whether an earlier call for the same request has finished."""
        return self.report is not None and (self.path / note_files.EXAMPLES).exists()

    def begin(self, noted: Mapping[str, Any]) -> None:
        """Starts a new journal, with what is still true of the earlier one or of the report.

        Raises:
            UserError: it cannot be written.
        """
        journal = self.path / self._maker.journal
        with self._reporting_failures():
            with (
                atomic_file.replacing(journal) as unfinished,
                unfinished.open("w", encoding="utf-8") as file,
            ):
                for line in (self._begun, *noted.items()):
                    file.write(json.dumps(line) + "\n")
            (self.path / note_files.AUDIO).mkdir(exist_ok=True)
            self._journal = self._opened.enter_context(journal.open("a", encoding="utf-8"))

    def append(self, key: str, facts: Any) -> None:
        """Adds a line to the journal: what has been made, as JSON values.

        Raises:
            UserError: it cannot be written.
        """
        with self._reporting_failures():
            self._journal.write(json.dumps([key, facts]) + "\n")
            self._journal.flush()

    def begin_changes(self) -> None:
        """Removes `examples.json` before sounds change, since it will be out of date."""
        examples = self.path / note_files.EXAMPLES
        with self._reporting_failures(), contextlib.suppress(FileNotFoundError):
            self._taken_away = examples.read_bytes()
        self._delete([examples])

    def undo(self) -> None:
        """Restores what an earlier call left, or removes the folder; before any sound is made."""
        if self.report is None and not self.noted:
            self.discard()
        elif self._taken_away is not None:
            with atomic_file.replacing(self.path / note_files.EXAMPLES) as unfinished:
                unfinished.write_bytes(self._taken_away)
        if self.report is not None:
            self._delete([self.path / self._maker.journal])

    def finish(
        self, notes: Collection[Note], instrument_numbers: Mapping[str, int], report: str
    ) -> None:
        """Deletes sounds of other notes, and writes the report and `examples.json`.

        Args:
            notes: all that the folder holds.
            instrument_numbers: as `note_files.write_notes` takes them.
            report: JSON, with the request.

        Raises:
            UserError: something cannot be written.
        """
        wavs = {self.wav(note.name) for note in notes}
        # Of labels that no longer exist, and what a killed process was writing.
        stale = [it for it in (self.path / note_files.AUDIO).iterdir() if it not in wavs]
        if stale:
            self.begin_changes()
        self._delete([*stale, *self._torn()])
        self._journal.close()
        with atomic_file.replacing(self.path / self._maker.report) as unfinished:
            # A file's name may not be valid text; JSON reads it back.
            unfinished.write_text(report, encoding="utf-8", errors="backslashreplace")
        note_files.write_notes(self.path, notes, instrument_numbers)
        self._delete([self.path / self._maker.journal])

    def discard(self) -> None:
        """Removes everything that was written, since there are no notes."""
        shutil.rmtree(self.path / note_files.AUDIO, ignore_errors=True)
        names = (self._maker.journal, self._maker.report, note_files.EXAMPLES)
        self._delete(self.path / name for name in names)
        with contextlib.suppress(OSError):
            self.path.rmdir()

    def _delete(self, paths: Iterable[Path]) -> None:
        with self._reporting_failures():
            for path in paths:
                path.unlink(missing_ok=True)
