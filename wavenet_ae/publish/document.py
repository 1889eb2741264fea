"""What a study tells: text, tables, figures and sounds, whatever they will look like."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


class Code(str):
    """A part of a text that is a name: of a file, a dataset or a note."""


class Strong(str):
    """A part of a text that stands out."""


class Emphasis(str):
    """A part of a text with stress on it."""


# Plain text, or parts of which some are `Code`, `Strong` or `Emphasis`. It is escaped where needed.
Text = str | Sequence[str]


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    text: Text


@dataclass(frozen=True)
class Remark:
    """Sentences that no reader should miss."""

    text: Text


@dataclass(frozen=True)
class Aside:
    """Sentences in small print."""

    text: Text


@dataclass(frozen=True)
class Table:
    """Rows of cells.

    Attributes:
        header: a title for each column.
        rows: each with a cell for each column, or with fewer; the first one names the row.
        caption: empty for none.
        text_columns: so many of the first columns are text, the others are numbers.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: Text = ""
    text_columns: int = 1


@dataclass(frozen=True)
class Facts:
    """Short facts by name."""

    facts: Sequence[tuple[str, Text]]


@dataclass(frozen=True)
class Figure:
    """A picture in SVG, as `pictures` draws it; caption and note may be empty."""

    picture: str
    caption: Text = ""
    note: Text = ""


@dataclass(frozen=True)
class Sound:
    """A WAV file to hear, and to see as a rainbowgram."""

    path: Path
    name: str


@dataclass(frozen=True)
class SoundGrid:
    """Sounds in rows of one length."""

    rows: Sequence[Sequence[Sound]]


@dataclass(frozen=True)
class SideBySide:
    """Tables, figures or sounds beside each other, as far as there is room."""

    blocks: Sequence["Block"]


@dataclass(frozen=True)
class Card:
    """What belongs together under a title of its own."""

    title: Text
    blocks: Sequence["Block"]


@dataclass(frozen=True)
class Details:
    """What is shown on demand."""

    summary: str
    blocks: Sequence["Block"]


@dataclass(frozen=True)
class OnPage:
    """What needs figures, sounds or the files beside them to make sense: Markdown leaves it out."""

    blocks: Sequence["Block"]


Block = (
    Paragraph
    | Remark
    | Aside
    | Table
    | Facts
    | Figure
    | Sound
    | SoundGrid
    | SideBySide
    | Card
    | Details
    | OnPage
)


@dataclass(frozen=True)
class Section:
    """A part of a document.

    Attributes:
        title: its heading.
        blocks: what it tells.
        is_part: it is the first of several sections that belong together.
    """

    title: Text
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

    title: Text
    blocks: Sequence[Block]
    sections: Sequence[Section]
    footer: Sequence[Block] = ()
    window_title: str = ""
