"""The content of a report: text, tables, figures and sounds, independent of the output format.

Texts may hold `names` in backticks and **emphasis** in pairs of asterisks; all else is literal, and
escaped where needed. Cells of tables and names of sounds are plain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class Block:
    """A part of a document."""


@dataclass(frozen=True)
class Paragraph(Block):
    """Some sentences."""

    text: str


class Remark(Paragraph):
    """Sentences that no reader should miss."""


class Aside(Paragraph):
    """Sentences in small print."""


@dataclass(frozen=True)
class Table(Block):
    """Rows of cells.

    Attributes:
        header: a title for each column.
        rows: each with a cell for each column, or with fewer; the first one names the row.
        caption: empty for none.
        text_columns: this many of the first columns are text, the others are numbers.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    text_columns: int = 1


@dataclass(frozen=True)
class Facts(Block):
    """Short facts: texts by name."""

    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Figure(Block):
    """A picture in SVG, as `pictures` draws it; caption and note may be empty."""

    picture: str
    caption: str = ""
    note: str = ""


@dataclass(frozen=True)
class Sound(Block):
    """A WAV file with a player and its rainbowgram."""

    path: Path
    name: str


@dataclass(frozen=True)
class SoundGrid(Block):
    """Sounds in rows of one length."""

    rows: Sequence[Sequence[Sound]]


@dataclass(frozen=True)
class SideBySide(Block):
    """Tables, figures or sounds beside each other, as far as there is room."""

    blocks: Sequence[Block]


@dataclass(frozen=True)
class Card(Block):
    """Blocks that belong together, under a title."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Details(Block):
    """Blocks that are shown on demand."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class OnPage(Block):
    """Blocks that refer to figures, sounds or files beside the page: Markdown leaves them out."""

    blocks: Sequence[Block]


@dataclass(frozen=True)
class Section:
    """A part with a heading; where `is_part`, the first of several that belong together."""

    title: str
    blocks: Sequence[Block]
    is_part: bool = False


@dataclass(frozen=True)
class Document:
    """The report of a study.

    Attributes:
        title: its heading.
        blocks: before the first section.
        sections: empty ones are left out.
        footer: small print at the end.
        window_title: for a browser's window, where it differs from the heading.
    """

    title: str
    blocks: Sequence[Block]
    sections: Sequence[Section] = ()
    footer: Sequence[Block] = ()
    window_title: str = ""
