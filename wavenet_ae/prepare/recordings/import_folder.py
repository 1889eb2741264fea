"""The folder that recordings are imported to, and what it remembers of them.

    DIR/examples.json          the notes, in NSynth's schema; there only when all is whole
    DIR/audio/<note_str>.wav   their sounds
    DIR/import.json            where each comes from, what was done to it, and what was refused
    DIR/.import.jsonl          the same while the work goes on

A call that finds its own folder goes on with it: what has not changed is kept, and `audio` holds
nothing else in the end.
"""

import contextlib
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare import note_files
from wavenet_ae.system import atomic_file
from wavenet_ae.system.errors import UserError, write_error
from wavenet_ae.system.folder_lock import alone_in

REPORT = "import.json"
_JOURNAL = ".import.jsonl"
# What --overwrite may delete: the parts of a folder of notes, whoever made it.
_REPLACEABLE = {
    note_files.EXAMPLES,
    note_files.AUDIO,
    REPORT,
    _JOURNAL,
    "rendering.json",
    ".parts",
}


class ImportFolder:
    """A folder of notes while it is being made; other processes are kept out until it is closed.

    Args:
        path: a new or an empty folder, or one that was made for the same request.
        request: what all its notes have in common, as JSON has it.
        overwrite: delete what is there, unless it is the unfinished work of the same request.

    Raises:
        UserError: the folder holds something else, cannot be written, or another process writes it.
    """

    def __init__(self, path: Path, request: Mapping[str, Any], *, overwrite: bool):
        self._path = path
        self._request = dict(request)
        self._facts: dict[str, dict[str, Any]] = {}  # by file
        self._owners: dict[str, str] = {}  # the file that each note comes from
        with contextlib.ExitStack() as opened:
            try:
                opened.enter_context(alone_in(path))
                self._prepare(overwrite)
                (path / note_files.AUDIO).mkdir(exist_ok=True)
                self._write_journal()
                self._journal = opened.enter_context((path / _JOURNAL).open("a", encoding="utf-8"))
            except OSError as error:
                raise write_error(path, error) from error
            self._opened = opened.pop_all()

    def _prepare(self, overwrite: bool) -> None:
        """Reads what an earlier call left, or makes room."""
        if not self._path.is_dir() or not (there := {p.name for p in self._path.iterdir()}):
            return
        request, facts = self._read()
        unfinished = (self._path / _JOURNAL).exists()
        if request == self._request and (unfinished or not overwrite):
            for file, known in facts:
                self._remember(file, known)
            return
        if strange := sorted(there - _REPLACEABLE):
            raise UserError(
                f"{self._path} holds {strange[0]}, which belongs to no notes: choose another "
                "--output."
            )
        if not overwrite:
            if request is None:
                what = "notes that were not imported here"
            else:
                names = [name for name in self._request if request.get(name) != self._request[name]]
                what = f"notes that were imported with other {' and '.join(names)}"
            raise UserError(
                f"{self._path} holds {what}: choose another --output, or replace them with "
                "--overwrite."
            )
        for name in there:
            path = self._path / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _read(self) -> tuple[Any, list[tuple[str, dict[str, Any]]]]:
        """Returns the request and the facts of an earlier call, None and none if there was none."""
        request, facts = None, []
        # Whatever else JSON holds is not ours.
        strange = (AttributeError, KeyError, TypeError, ValueError)
        with contextlib.suppress(FileNotFoundError, *strange):
            report = json.loads((self._path / REPORT).read_text(encoding="utf-8"))
            files = report["files"].items()
            for _, known in files:
                known.pop("labels_from", None)
            request, facts = report["request"], list(files)
        # A journal is younger than the report; its last line may be torn.
        with contextlib.suppress(FileNotFoundError, ValueError):
            first, *lines = (self._path / _JOURNAL).read_text(encoding="utf-8").splitlines()
            request, facts = json.loads(first), []
            for line in lines:
                facts.append(tuple(json.loads(line)))
        return request, facts

    def _write_journal(self) -> None:
        with (
            atomic_file.replacing(self._path / _JOURNAL) as unfinished,
            unfinished.open("w", encoding="utf-8") as file,
        ):
            for line in (self._request, *self._facts.items()):
                file.write(json.dumps(line) + "\n")

    def known(self, file: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns what is known of a file, nothing if it is in another state now."""
        facts = self._facts.get(file, {})
        return facts if all(facts.get(name) == value for name, value in state.items()) else {}

    def has(self, file: str, state: Mapping[str, Any], note: str) -> bool:
        """Tells whether the note has been made from the file in this state."""
        return self.known(file, state).get("note") == note and self.wav(note).is_file()

    def wav(self, note: str) -> Path:
        """Returns the path of a note's sound."""
        return self._path / note_files.AUDIO / f"{note}.wav"

    def learn(self, file: str, state: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        """Adds to what is known of a file, and keeps it for a later call.

        Raises:
            UserError: it cannot be written.
        """
        known = {**self.known(file, state), **state, **facts}
        self._remember(file, known)
        try:
            self._journal.write(json.dumps([file, known]) + "\n")
            self._journal.flush()
        except OSError as error:
            raise write_error(self._path, error) from error

    def _remember(self, file: str, facts: dict[str, Any]) -> None:
        note = facts.get("note")
        if note is not None:
            former = self._facts.get(self._owners.get(note, file), {})
            if former.get("note") == note:  # its sound has been replaced
                del former["note"]
            self._owners[note] = file
        self._facts[file] = facts

    def begin_changes(self) -> None:
        """Takes `examples.json` away, for it will not be true any more."""
        self._delete([self._path / note_files.EXAMPLES])

    def finish(
        self,
        notes: Mapping[str, Note],
        origins: Mapping[str, Mapping[str, str]],
        refused: Mapping[str, str],
    ) -> None:
        """Deletes the notes that are no more, and writes `import.json` and `examples.json`.

        Args:
            notes: by file.
            origins: by file: where its labels come from.
            refused: the reasons, by file.

        Raises:
            UserError: something cannot be written.
        """
        wavs = {self.wav(note.name).name for note in notes.values()}
        # Notes that are no more, and what a call that was killed left.
        gone = [it for it in (self._path / note_files.AUDIO).iterdir() if it.name not in wavs]
        if gone:
            self.begin_changes()
            self._delete(gone)
        files = {}
        for file in sorted({*notes, *refused} & set(self._facts)):
            facts = {name: it for name, it in self._facts[file].items() if name != "note"}
            made = {"note": notes[file].name, "labels_from": origins[file]} if file in notes else {}
            files[file] = {**made, **facts}
        report = {
            "request": self._request,
            "refused": dict(sorted(refused.items())),
            "files": files,
        }
        self._journal.close()
        with atomic_file.replacing(self._path / REPORT) as unfinished:
            unfinished.write_text(
                json.dumps(report, indent=1, ensure_ascii=False) + "\n",
                encoding="utf-8",
                errors="backslashreplace",  # a file name need not be text; JSON reads it back
            )
        numbers = {
            name: n for n, name in enumerate(sorted({it.instrument for it in notes.values()}))
        }
        note_files.write_notes(self._path, notes.values(), numbers)
        (self._path / _JOURNAL).unlink(missing_ok=True)

    def close(self) -> None:
        """Ends the work, for a later call to go on with."""
        self._opened.close()

    def discard(self) -> None:
        """Takes away what there is, for it comes to nothing."""
        self.close()
        shutil.rmtree(self._path / note_files.AUDIO, ignore_errors=True)
        self._delete(self._path / name for name in (_JOURNAL, REPORT, note_files.EXAMPLES))
        with contextlib.suppress(OSError):
            self._path.rmdir()

    def _delete(self, paths: Iterable[Path]) -> None:
        try:
            for path in paths:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise write_error(self._path, error) from error
