"""Records of which files this package wrote, and from what: no others are replaced."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import jax

from wavenet_ae.system import atomic_file
from wavenet_ae.system.errors import UserError

# Digests of a file's sources and of its content. The second is missing while the file is written.
_LINE = re.compile(r"[0-9a-f]*( [0-9a-f]{16})?")
_MOST_NAMES = 3


def digest(*parts: str | bytes) -> str:
    """Returns a digest of these parts, 16 hexadecimal digits."""
    combined = hashlib.sha256()
    for part in parts:
        combined.update(part.encode() if isinstance(part, str) else part)
    return combined.hexdigest()[:16]


class Record:
    """A JSON file that records what each file of one kind in its folder was made from.

    Every process that writes there has its own record, so that none loses another's lines.

    Args:
        folder: which need not exist yet.
        kind: the record is `KIND.json`, or `KIND-PROCESS.json` for all processes but the first.
        suffix: of the files; the record has their names without it.

    Raises:
        UserError: another file has the record's name.
    """

    def __init__(self, folder: Path, kind: str = "written", suffix: str = ""):
        self._folder, self._suffix = folder, suffix
        index = jax.process_index()
        self._path = folder / (f"{kind}-{index}.json" if index else f"{kind}.json")
        there = {folder / f"{kind}.json", *folder.glob(f"{kind}-*.json")} - {self._path}
        self._others = [_read(path) or {} for path in there]
        own = _read(self._path)
        if own is None:
            raise UserError(
                f"{self._path} has the name of this tool's record of its files, and is not one: "
                "move it away, or write to another folder."
            )
        self._own = own

    def holds(self, name: str, made_from: str) -> bool:
        """Returns whether a file was made from what has this digest, and is unchanged since."""
        lines = self._lines(name)
        return bool(lines) and f"{made_from} {self._content(name)}" in lines

    def check(self, made_from: Mapping[str, str], *, replace: bool = False) -> None:
        """Checks that files may be written.

        Args:
            made_from: digests of their sources, by the files' names without suffix.
            replace: allow files that this package made from something else.

        Raises:
            UserError: files of these names exist that may not be replaced.
        """
        foreign, others = [], []
        for name, wanted in made_from.items():
            if not os.path.lexists(self._file(name)):
                continue
            content = self._content(name)
            # A file whose writing was interrupted may hold anything.
            known = [line for line in self._lines(name) if line.partition(" ")[2] in ("", content)]
            if not known or not content:
                foreign.append(name)
            elif not replace and not any(line.partition(" ")[0] == wanted for line in known):
                others.append(name)
        if foreign:
            raise UserError(
                f"{self._named(foreign)}, not written by this tool or changed since: move away "
                "what is there, or write to another folder."
            )
        if others:
            raise UserError(
                f"{self._named(others)}, made from something else or with other settings: write to "
                "another folder, or delete what is there."
            )

    @contextlib.contextmanager
    def writing(self, made_from: Mapping[str, str], *, replace: bool = False) -> Iterator[None]:
        """Records the files that the block writes, of which it may leave out some; see `check`.

        Raises:
            UserError: see `check`; or the record cannot be written.
        """
        self.check(made_from, replace=replace)
        is_new = not self._folder.exists()
        self._own |= made_from
        self._write()
        yield
        for name, first in made_from.items():
            content = self._content(name)
            self._own[name] = f"{first} {content}"
            if not content:  # the block refused to write it
                del self._own[name]
        self._write()
        if not self._own:  # nothing was written: nothing is left
            self._path.unlink(missing_ok=True)
            if is_new and jax.process_count() == 1:  # others may be about to write there
                with contextlib.suppress(OSError):
                    self._folder.rmdir()

    def delete_others(self, kept: Iterable[str]) -> None:
        """Deletes the files that this package wrote, unchanged since, but for some."""
        for name in sorted(self._own.keys() - set(kept)):
            content = self._content(name)
            if content and self._own[name].partition(" ")[2] == content:
                self._file(name).unlink(missing_ok=True)
                del self._own[name]
        self._write()

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}{self._suffix}"

    def _lines(self, name: str) -> list[str]:
        return [lines[name] for lines in (self._own, *self._others) if name in lines]

    def _content(self, name: str) -> str:
        """Returns the digest of a file's content, or an empty string if it cannot be read."""
        try:
            return digest(self._file(name).read_bytes())
        except OSError:
            return ""

    def _named(self, names: list[str]) -> str:
        shown = ", ".join(self._file(name).name for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" * (len(names) > _MOST_NAMES)
        return f"{self._folder} holds {shown}{more}"

    def _write(self) -> None:
        with atomic_file.replacing(self._path) as temporary:
            temporary.write_text(json.dumps(self._own, indent=1, sort_keys=True) + "\n")


def _read(path: Path) -> dict[str, str] | None:
    """Returns a record's lines: empty without a file, None if it is not a record."""
    if not os.path.lexists(path):
        return {}
    try:
        lines = json.loads(path.read_text())
        return lines if all(map(_LINE.fullmatch, lines.values())) else None
    except (OSError, AttributeError, TypeError, ValueError):
        return None


def check(folder: Path, names: Iterable[str], tool: str) -> None:
    """Checks in advance whether `replacing` will refuse these files.

    Raises:
        UserError: it will.
    """
    Record(folder).check(dict.fromkeys(names, digest(tool)))


@contextlib.contextmanager
def replacing(path: Path, tool: str) -> Iterator[Path]:
    """Yields a temporary path as `atomic_file.replacing` does, and records the file.

    Args:
        path: of the file.
        tool: a word that identifies the tool, which replaces only its own earlier files.

    Raises:
        UserError: another file is there, or the file cannot be written.
    """
    with (
        Record(path.parent).writing({path.name: digest(tool)}),
        atomic_file.replacing(path) as temporary,
    ):
        yield temporary
