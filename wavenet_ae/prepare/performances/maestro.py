"""MAESTRO's own layout: a table of the performances, in the folder that holds their files.

Hawthorne et al. (ICLR 2019), https://magenta.tensorflow.org/datasets/maestro. Versions 1 to 3 have
`maestro-vX.Y.Z.csv` and a `.json` of the same content: in some versions a list of rows, in others a
mapping from each column to its values by row. Recordings are WAV, notes are `.midi`. The splits
hold other compositions, by the dataset's authors.
"""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wavenet_ae.prepare.performances.performance import Performance
from wavenet_ae.system.errors import UserError

_SPLITS = {"train": "train", "validation": "valid", "test": "test"}
_COLUMNS = ("split", "midi_filename", "audio_filename")


def find_table(folder: Path) -> Path | None:
    """Returns the table of a folder of MAESTRO, None of another folder.

    Raises:
        UserError: there are tables of several versions.
    """
    tables = [path for suffix in ("csv", "json") for path in folder.glob(f"maestro-v*.{suffix}")]
    if len({path.stem for path in tables}) > 1:
        raise UserError(
            f"{folder} holds the tables of several versions, {tables[0].name} and "
            f"{tables[-1].name}: leave one."
        )
    return tables[0] if tables else None  # the CSV, if there are both


def read_table(table: Path, name: str) -> Iterator[tuple[str, Performance]]:
    """Yields the split of each performance, and the performance.

    Args:
        table: of `find_table`; its paths are within its folder.
        name: of the folder, for the performances' names.

    Raises:
        UserError: the table is damaged, or lists files that are not there.
    """
    seen: set[str] = set()
    for number, row in enumerate(_rows(table), 1):
        where = f"row {number} of {table}"
        values = [row.get(column) for column in _COLUMNS]
        for column, value in zip(_COLUMNS, values, strict=True):
            if not isinstance(value, str) or not value:
                raise UserError(f"{where} has no {column}: get MAESTRO's table again.")
        split, notes, sound = values
        if split not in _SPLITS:
            raise UserError(
                f"{where} has the split {split!r}, which is none of {', '.join(_SPLITS)}: get "
                "MAESTRO's table again."
            )
        for file in (sound, notes):
            if not (table.parent / file).is_file():
                raise UserError(
                    f"{where} lists {file}, which is not there: unpack MAESTRO's archive, the one "
                    "with WAV and MIDI files, completely into that folder."
                )
        piece = Path(sound).with_suffix("").as_posix()
        if piece in seen:
            raise UserError(f"{where} lists {sound} again: leave one of the rows.")
        seen.add(piece)
        yield (
            _SPLITS[split],
            Performance(f"{name}/{piece}", table.parent / sound, table.parent / notes),
        )


def _rows(table: Path) -> list[dict[str, Any]]:
    try:
        text = table.read_text(encoding="utf-8-sig")
        if table.suffix == ".csv":
            return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
        content = json.loads(text)
        if isinstance(content, dict):
            columns = {name: list(values.values()) for name, values in content.items()}
            content = [
                dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
            ]
        return [dict(row) for row in content]
    except OSError as error:
        raise UserError(f"{table} cannot be read: {error.strerror}.") from error
    except (AttributeError, RecursionError, TypeError, ValueError, csv.Error) as error:
        raise UserError(f"{table} is damaged: get MAESTRO's table again.") from error
