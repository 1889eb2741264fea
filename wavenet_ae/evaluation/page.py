"""HTML pages that hold their sounds and pictures themselves, and tables in Markdown."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import librosa
import numpy as np
from markupsafe import Markup

from wavenet_ae.audio import files
from wavenet_ae.evaluation import pictures
from wavenet_ae.system import results

_LOUDNESS = {37: "very soft", 62: "soft", 87: "medium", 113: "loud", 127: "very loud"}


class Sound(NamedTuple):
    """A sound on a page: a WAV file as a data URI, and its rainbowgram."""

    uri: str
    picture: Markup


def read_sound(path: Path, prefix: str) -> Sound:
    """Reads a WAV file that lies beside a page, so that the page holds what the folder holds.

    Args:
        path: the file; its stem is the rainbowgram's name, and is without spaces and quotes.
        prefix: starts the ids inside the rainbowgram, before the stem; two sounds of one page
            differ in one of them.

    Raises:
        AudioFileError: there is no such file, or it is not a sound.
    """
    picture = pictures.draw_rainbowgram(files.load(path), path.stem, f"{prefix}-{path.stem}")
    data = base64.b64encode(path.read_bytes()).decode()
    return Sound(f"data:audio/wav;base64,{data}", picture)


def render(template: str, **values: Any) -> str:
    """Renders a template of this folder; whatever is not `Markup` is escaped.

    Beside Jinja's filters there are, of a MIDI pitch, `note_name` (60 is C4) and `hz` (a float), of
    a MIDI velocity `loudness` (in words), and of any number `two_digits` (significant ones).

    Args:
        template: the file's name.
        **values: all that it names.

    Raises:
        jinja2.UndefinedError: a value is missing.
    """
    return _environment().get_template(template).render(**values)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("wavenet_ae.evaluation", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "two_digits": lambda x: np.format_float_positional(x, 2, fractional=False, trim="-"),
        "note_name": librosa.midi_to_note,
        "hz": lambda pitch: float(librosa.midi_to_hz(pitch)),
        "loudness": lambda v: next(word for most, word in _LOUDNESS.items() if v <= most),
    }
    return environment


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown, without a line break at its end; numbers stand at the right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def write(path: Path, text: str, tool: str) -> None:
    """Writes a page, whole or not at all; its folders are made.

    Args:
        path: of the file.
        text: its content.
        tool: a word for who writes it, whose older page is replaced; see `results.check`.

    Raises:
        UserError: the file cannot be written, or another one is there.
    """
    with results.replacing(path, tool) as temporary:
        temporary.write_text(text, encoding="utf-8")
