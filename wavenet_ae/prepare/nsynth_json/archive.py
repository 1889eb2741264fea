"""A gzipped tar archive of a folder of notes, as NSynth is published; read without unpacking it."""

import contextlib
import gzip
import io
import posixpath
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import tqdm

from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare import note_files
from wavenet_ae.system.errors import UserError

_DRAIN_BYTES = 1 << 20


class _Member(NamedTuple):
    """A file in an archive; its content can be read until the next member is requested."""

    name: str
    content: BinaryIO
    position: int  # how many bytes of the archive have been read


class Archive:
    """An archive of `examples.json` and `audio/<name>.wav`, in any order and below any folder.

    Its files are read in the order in which they are stored, since gzip has no random access;
    nothing is written to the disk.
    """

    def __init__(self, path: Path):
        self.path = path
        self.labels_name = f"examples.json in {path}"
        self._others: set[str] = set()  # notes whose sounds were passed over

    def read_labels(self) -> bytes:
        """Returns the content of `examples.json`; it may have to read the whole archive.

        Raises:
            UserError: the archive is damaged, cannot be read, or holds no such file.
        """
        with (
            _reporting_damage(self.path),
            tqdm.tqdm(
                desc=f"looking for examples.json in {self.path.name}",
                total=self.path.stat().st_size,
                unit="B",
                unit_scale=True,
                disable=None,  # none where standard error is not a terminal
                delay=1,
                leave=False,
            ) as bar,
        ):
            for member in _members(self.path):
                bar.update(member.position - bar.n)
                if posixpath.basename(member.name) == note_files.EXAMPLES:
                    return member.content.read()
        raise UserError(
            f"{self.path} holds no examples.json: download it again, or name an archive of"
            " examples.json and audio/."
        )

    def sounds(self, notes: Sequence[Note]) -> Iterator[tuple[Note, np.ndarray]]:
        """Yields the notes in the archive's order, with what `note_files.read_audio` returns.

        Sounds of other notes are passed over.

        Raises:
            UserError: the archive is damaged or cannot be read, it holds a sound or `examples.json`
                twice, a sound is of another format or, raised at the end, sounds are missing.
        """
        by_name = {note.name: note for note in notes}
        found = set()
        with _reporting_damage(self.path):
            for member in _members(self.path):
                name = _name_of_sound(member.name)
                note = by_name.get(name)
                if name and not note:
                    self._others.add(name)
                key = note.name if note else posixpath.basename(member.name)
                if not note and key != note_files.EXAMPLES:
                    continue
                if key in found:
                    raise UserError(
                        f"{self.path} holds {key} twice, the second as {member.name}: download or"
                        " pack it again."
                    )
                found.add(key)
                if note:
                    wav = io.BytesIO(member.content.read())
                    yield note, note_files.read_audio(wav, f"{member.name} in {self.path}")
        missing = [name for name in by_name if name not in found]
        if missing:
            raise UserError(
                f"{self.path} does not hold audio/{missing[0]}.wav ({len(missing)} of"
                f" {len(notes)} notes of the split have no sound): download or pack it again."
            )

    def unnamed_sounds(self, notes: Sequence[Note]) -> list[str]:
        """Returns the names of the sounds that were passed over and belong to none of the notes."""
        return sorted(self._others - {note.name for note in notes})


def _name_of_sound(member: str) -> str | None:
    """Returns the note whose sound a member is by its name; None where it is not a sound."""
    folder, file = posixpath.split(member)
    is_sound = posixpath.basename(folder) == note_files.AUDIO and file.endswith(".wav")
    return file.removesuffix(".wav") if is_sound and not file.startswith(".") else None


def _members(path: Path) -> Iterator[_Member]:
    """Yields the files in an archive, and reads it to its end."""
    with (
        path.open("rb") as stored,
        # Not tarfile's own gzip, which does not notice truncated or changed files.
        gzip.GzipFile(fileobj=stored) as unzipped,
        tarfile.open(fileobj=unzipped, mode="r|") as archive,
    ):
        while (member := archive.next()) is not None:
            archive.members.clear()  # it would keep all members
            if member.isreg():
                yield _Member(member.name, archive.extractfile(member), stored.tell())
        # Checks gzip's checksum at the end; what tarfile takes for the archive's end may be damage.
        while unzipped.read(_DRAIN_BYTES):
            pass


@contextlib.contextmanager
def _reporting_damage(path: Path) -> Iterator[None]:
    """Turns the exceptions of a truncated, changed or invalid archive into a UserError."""
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError) as error:
        raise UserError(
            f"{path} is not a complete .tar.gz archive ({error}): download it again."
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from error
