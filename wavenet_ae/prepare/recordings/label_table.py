"""A table of labels that the user gives: CSV or JSON, one row per sound file.

Columns: file (the path within the folder, absolute or from where the tool is started, or the name,
with or without suffix) and any of instrument, pitch, velocity, family, source, qualities; others
are ignored, as are empty cells. A CSV file is divided by commas, semicolons or tabs; empty
lines, remarks (#) and a spreadsheet's `sep=;` may come before its header. A JSON file holds a
list of rows, or maps the files to their rows, as NSynth's own `examples.json` does.
"""

import csv
import difflib
import functools
import io
import itertools
import json
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from wavenet_ae.system.errors import UserError

LABELS = ("instrument", "pitch", "velocity", "family", "source", "qualities")
# The names of NSynth's own file, where `instrument` is a number.
_NSYNTH_NAMES = {
    "instrument_str": "instrument",
    "instrument_family_str": "family",
    "instrument_source_str": "source",
}
_DELIMITERS = ",;\t"
_DELIMITER_LINE = re.compile(r"(?i)sep=([,;\t|])\s*")  # Excel's
_EMPTY = ' ,;"\t\r\n'  # what an empty line of a spreadsheet holds


class Row(NamedTuple):
    """What a table says of one file."""

    where: str  # the table and the line, for messages
    labels: dict[str, Any]  # by the names in LABELS; those that are given


def read_table(path: Path, files: Sequence[str], folder: Path = Path()) -> dict[str, Row]:
    """Reads a table and finds its files.

    Args:
        path: the table, `.csv` (or `.tsv`) or `.json`.
        files: the sound files, as paths within their folder divided by "/".
        folder: where they are.

    Returns:
        The rows by file.

    Raises:
        UserError: the table cannot be read, or names a file that does not exist, twice, or that
            could be several.
    """
    readers = {".csv": _read_csv, ".tsv": _read_csv, ".json": _read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UserError(f"{path} is neither a .csv nor a .json file: see --labels.")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not text in UTF-8: save it as such.") from error
    return _match(list(reader(path, text)), files, folder)


def _read_csv(path: Path, text: str) -> Iterable[tuple[str, str, dict[str, Any]]]:
    """Yields the places, files and labels of the rows."""
    lines, skipped, delimiter = io.StringIO(text, newline=""), 0, None
    header = ""
    for header in lines:
        if match := _DELIMITER_LINE.fullmatch(header):
            delimiter = match[1]
        elif header.strip(_EMPTY) and not header.startswith("#"):
            break
        skipped += 1
    delimiter = delimiter or max(_DELIMITERS, key=header.count)
    reader = csv.reader(itertools.chain([header], lines), delimiter=delimiter, strict=True)
    try:
        columns = [_column(path, name) for name in next(reader, [])]
        _check_columns(path, columns)
        _check_repeats(path, [name for name in columns if name])
        for cells in reader:
            where = f"{path}, line {skipped + reader.line_num}"
            if len(cells) > len(columns) and any(cells[len(columns) :]):
                raise UserError(
                    f"{where} has more cells than the first line has columns: correct it."
                )
            if any(cell.strip() for cell in cells):
                cells = map(str.strip, cells)
                yield _row(where, dict(zip(columns, cells, strict=False)))
    except csv.Error as error:
        line = skipped + reader.line_num
        raise UserError(f"{path} is not valid CSV ({error}, line {line}).") from error


def _read_json(path: Path, text: str) -> Iterable[tuple[str, str, dict[str, Any]]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        _check_repeats(path, [name for name, _ in pairs])
        return dict(pairs)

    try:
        rows = json.loads(text, object_pairs_hook=once)
    except (RecursionError, ValueError) as error:
        raise UserError(f"{path} is not valid JSON ({error}).") from error
    if isinstance(rows, dict):
        rows = [
            {"file": file, **row} if isinstance(row, dict) else row for file, row in rows.items()
        ]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError(f"{path} must hold a list of objects, or map files to objects.")
    _check_columns(path, {_column(path, name) for row in rows for name in row} | {"file"})
    for number, row in enumerate(rows, 1):
        _check_repeats(path, [_column(path, name) for name in row])
        columns = {_column(path, name): value for name, value in row.items()}
        yield _row(f"{path}, entry {number}", columns)


@functools.cache
def _column(path: Path, name: str) -> str:
    """Returns a column's name in lower case.

    Raises:
        UserError: it looks like a mistyped label.
    """
    column = name.strip().lower()
    meant = ("file", *LABELS)
    known = (*meant, *_NSYNTH_NAMES, "qualities_str")
    if column not in known and (close := difflib.get_close_matches(column, meant, 1, 0.75)):
        raise UserError(f"{path} has a column {name!r}: is it {close[0]!r}?")
    return column


def _check_repeats(path: Path, names: Collection[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise UserError(f"{path} has {name!r} twice: remove or rename one.")


def _check_columns(path: Path, columns: Collection[str]) -> None:
    if "file" not in columns:
        raise UserError(f"{path} has no column 'file', which names the file that a row is about.")
    if not any(label in columns for label in (*LABELS, *_NSYNTH_NAMES)):
        raise UserError(f"{path} has none of the columns {', '.join(LABELS)}.")


def _row(where: str, cells: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    if not isinstance(cells.get("file"), str) or not cells["file"]:
        raise UserError(f"{where} names no file: fill in its 'file', or remove it.")
    for name, label in _NSYNTH_NAMES.items():
        if not (value := cells.get(name)):
            continue
        # NSynth's own `instrument` is a number.
        if label != "instrument" and cells.get(label) not in (None, "", value):
            raise UserError(
                f"{where} has {label} {cells[label]!r} and {name} {value!r}: correct it."
            )
        cells[label] = value
    labels = {name: cells[name] for name in LABELS if cells.get(name) not in (None, "")}
    return where, cells["file"], labels


def _match(
    rows: Sequence[tuple[str, str, dict[str, Any]]], files: Sequence[str], folder: Path
) -> dict[str, Row]:
    """Finds the file of each row: by path, by path without suffix, by name, by stem."""
    found: dict[str, Row] = {}
    levels: list[dict[str, list[str]]] = [defaultdict(list) for _ in range(4)]
    for file in files:
        pure = PurePosixPath(_normal(file))
        keys = (str(pure), str(pure.with_suffix("")), pure.name, pure.stem)
        for level, key in zip(levels, keys, strict=True):
            level[key].append(file)
    unknown = []
    for where, name, labels in rows:
        key = name.replace("\\", "/")
        meant = _find(levels, key.removeprefix("./")) or _find(levels[:2], _within(folder, key))
        name = " ".join(name.split())  # for messages of one line
        if len(meant) > 1:
            raise UserError(
                f"{where}: {name} could be {meant[0]} or {meant[1]}: write the path within the "
                "folder."
            )
        if not meant:
            unknown.append((where, name))
        elif meant[0] in found:
            raise UserError(f"{where}: {meant[0]} is listed already, in {found[meant[0]].where}.")
        else:
            found[meant[0]] = Row(where, labels)
    if unknown:
        where, name = unknown[0]
        place = f" below {folder}" if folder != Path() else ""
        more = f" ({len(unknown)} rows name no file that exists)" if len(unknown) > 1 else ""
        raise UserError(
            f"{where}: there is no sound file {name}{place}{more}: correct or remove it."
        )
    return found


def _find(levels: Iterable[Mapping[str, list[str]]], key: str | None) -> list[str]:
    key = key and _normal(key)
    return next((level[key] for level in levels if key in level), [])


def _within(folder: Path, name: str) -> str | None:
    """Returns the path within a folder of a path that is absolute or relative to the current one.

    None if it is elsewhere.
    """
    try:
        path = Path(name)
        real = path.parent.resolve() / path.name
        return real.relative_to(folder.resolve()).as_posix()
    except (OSError, RuntimeError, ValueError):  # elsewhere, or no path at all
        return None


def _normal(name: str) -> str:
    # macOS decomposes accented letters in names.
    return unicodedata.normalize("NFC", name)
