"""Which files of a folder this package wrote, and from what: no others are replaced."""

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

# Digests of what a file was made from and of what it held when it was written. The second is not
# there while the file is written.
_LINE = re.compile(r"[0-9a-f]*( [0-9a-f]{16})?")
_MOST_NAMES = 3


def digest(*parts: str | bytes) -> str:
    """Returns 16 hexadecimal digits that stand for these parts together."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part.encode() if isinstance(part, str) else part)
    return whole.hexdigest()[:16]


class Record:
    """What a folder's files of a kind were made from, a line each, in a JSON file beside them.

    Every process that writes there has a record of its own, so that none loses another's lines.

    Args:
        folder: that need not be there yet.
        kind: the record is `KIND.json`, or `KIND-PROCESS.json` of all processes but the first.
        suffix: of the files, which their names in the record lack.

    Raises:
        UserError: a file is in the record's place.
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
                f"{self._path} is no record of what this tool wrote there, for which its place is: "
                "move it away, or write to another folder."
            )
        self._own = own

    def holds(self, name: str, made_from: str) -> bool:
        """Tells whether a file is there, made from what has this digest, as it was written."""
        lines = self._lines(name)
        return bool(lines) and f"{made_from} {self._content(name)}" in lines

    def check(self, made_from: Mapping[str, str], *, replace: bool = False) -> None:
        """Finds out whether files may be written.

        Args:
            made_from: digests by the files' names without suffix.
            replace: also those that this package made from something else.

        Raises:
            UserError: some files of these names are there that may not be replaced.
        """
        foreign, others = [], []
        for name, wanted in made_from.items():
            if not os.path.lexists(self._file(name)):
                continue
            content = self._content(name)
            # What was cut short may hold anything.
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
        """Records the files that the block writes; see `check`.

        Raises:
            UserError: see `check`; or the record cannot be written.
        """
        self.check(made_from, replace=replace)
        self._own |= made_from
        self._write()
        yield
        for name, first in made_from.items():
            content = self._content(name)
            self._own[name] = f"{first} {content}"
            if not content:  # the block refused to write it
                del self._own[name]
        self._write()

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}{self._suffix}"

    def _lines(self, name: str) -> list[str]:
        return [lines[name] for lines in (self._own, *self._others) if name in lines]

    def _content(self, name: str) -> str:
        """Returns the digest of what a file holds, or nothing where it is none."""
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
    """Returns a record's lines; none where there is no file, None where it is no record."""
    if not os.path.lexists(path):
        return {}
    try:
        lines = json.loads(path.read_text())
        return lines if all(map(_LINE.fullmatch, lines.values())) else None
    except (OSError, AttributeError, TypeError, ValueError):
        return None


def check(folder: Path, names: Iterable[str], tool: str) -> None:
    """Finds out before the work whether `replacing` will refuse these files.

    Raises:
        UserError: it will.
    """
    Record(folder).check(dict.fromkeys(names, digest(tool)))


@contextlib.contextmanager
def replacing(path: Path, tool: str) -> Iterator[Path]:
    """Gives a temporary path as `atomic_file.replacing` does, for a file with a line in a record.

    Args:
        path: of the file.
        tool: a word that no other tool has: it replaces its own earlier files alone.

    Raises:
        UserError: another file is there, or the system refuses.
    """
    with (
        Record(path.parent).writing({path.name: digest(tool)}),
        atomic_file.replacing(path) as temporary,
    ):
        yield temporary
