"""What a study tells: text, tables, figures and sounds, whatever they will look like.

Texts may hold `names` in backticks and **what stands out** in pairs of asterisks; all else stands
as it is, and is escaped where needed. Cells of tables and names of sounds are plain.
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
        text_columns: so many of the first columns are text, the others are numbers.
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
    """A WAV file to hear, and to see as a rainbowgram."""

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
    """What belongs together under a title of its own."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Details(Block):
    """What is shown on demand."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class OnPage(Block):
    """What needs figures, sounds or the files beside them to make sense: Markdown leaves it out."""

    blocks: Sequence[Block]


@dataclass(frozen=True)
class Section:
    """A part with a heading; where `is_part`, the first of several that belong together."""

    title: str
    blocks: Sequence[Block]
    is_part: bool = False


@dataclass(frozen=True)
class Document:
    """All that a study has to tell.

    Attributes:
        title: its heading.
        blocks: what stands before the first section.
        sections: those without anything in them are left out.
        footer: small print at the end.
        window_title: for a browser's window, where it differs from the heading.
    """

    title: str
    blocks: Sequence[Block]
    sections: Sequence[Section] = ()
    footer: Sequence[Block] = ()
    window_title: str = ""
