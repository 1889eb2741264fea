"""Notes that are rendered already: WAV files named by what they were made from, and a list of them.

An interrupted call is resumed with them, and another request uses those that it shares.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from wavenet_ae.audio import files
from wavenet_ae.instrument import rendered, tuning
from wavenet_ae.instrument.finishing import Finished
from wavenet_ae.system.errors import write_error

FOLDER = "notes"
# A line a note, only ever appended to: that takes the same time however many notes there are.
LIST = "notes.jsonl"
_NAME = re.compile(r"[0-9a-f]+-[0-9]+\.wav")
_HEADER_BYTES, _SAMPLE_BYTES = 44, 2


class StoredNote(NamedTuple):
    """A note in the folder; all but the first two are fields of `RenderedNote`.

    Attributes:
        name: by what it is made from.
        chosen: the attempt whose sound is kept, from 1.
        samples: the file's length.
        gain: linear.
        loop: first sample, and the one after the last, or None.
        release: a sample.
        cents: or None.
        attempts: how often the note was generated.
    """

    name: str
    chosen: int
    samples: int
    gain: float
    loop: tuple[int, int] | None
    release: int
    cents: int | None
    attempts: int

    @property
    def file(self) -> str:
        """The path of its file in the instrument's folder."""
        return f"{FOLDER}/{self.name}-{self.chosen}.wav"

    @property
    def is_in_tune(self) -> bool:
        """Whether it needs no further attempt."""
        return rendered.is_in_tune(self.cents)


class StoredNotes:
    """The notes of a folder, by the names of their files.

    Args:
        output: the instrument's folder, which need not exist yet.
    """

    def __init__(self, output: Path):
        self._output = output
        self._list = output / FOLDER / LIST
        self._notes = {note.name: note for note in self._read()}

    def get(self, name: str) -> StoredNote | None:
        """Returns a note whose file is there, or None."""
        note = self._notes.get(name)
        if note is None:
            return None
        try:
            size = (self._output / note.file).stat().st_size
        except OSError:
            return None
        return note if size == _HEADER_BYTES + _SAMPLE_BYTES * note.samples else None

    def check_writable(self) -> None:
        """Raises a UserError now, not after the first batch, if notes cannot be written."""
        try:
            self._list.parent.mkdir(parents=True, exist_ok=True)
            self._list.open("a").close()
        except OSError as error:
            raise write_error(self._list, error) from error

    def add(self, name: str, finished: Finished, attempt: int) -> StoredNote:
        """Keeps the note of an attempt, unless an earlier one is at least as near to its pitch.

        Raises:
            UserError: it cannot be written.
        """
        before = self.get(name)
        if before is not None and not tuning.is_better(finished.cents, before.cents):
            note = before._replace(attempts=attempt)
        else:
            fields = finished._asdict()
            samples = len(fields.pop("audio"))
            note = StoredNote(
                name=name, chosen=attempt, samples=samples, attempts=attempt, **fields
            )
            files.save(self._output / note.file, finished.audio)
        self._append(note)
        self._notes[name] = note
        return note

    def discard_superseded(self) -> None:
        """Deletes the sounds of attempts that were not the best.

        Not before the instrument's description is written: the one before may name them.
        """
        kept = {(self._output / note.file).name for note in self._notes.values()}
        for path in self._list.parent.glob("*.wav"):
            if _NAME.fullmatch(path.name) and path.name not in kept:
                path.unlink(missing_ok=True)

    def _append(self, note: StoredNote) -> None:
        try:
            with self._list.open("a", encoding="utf-8") as file:
                # The line before may have been interrupted.
                file.write(f"\n{json.dumps(note._asdict())}")
        except OSError as error:
            raise write_error(self._list, error) from error

    def _read(self) -> Iterator[StoredNote]:
        try:
            lines = self._list.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return
        for line in lines:
            try:
                note = StoredNote(**json.loads(line))
                yield note._replace(loop=note.loop and tuple(note.loop))
            except (ValueError, TypeError):
                continue  # an interrupted line: the note is rendered again
