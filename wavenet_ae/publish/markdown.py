"""Documents and tables in Markdown."""

from collections.abc import Iterable, Iterator, Sequence

from wavenet_ae.publish.document import (
    Aside,
    Block,
    Card,
    Code,
    Details,
    Document,
    Emphasis,
    Facts,
    Paragraph,
    Remark,
    SideBySide,
    Strong,
    Table,
    Text,
)

_MARKS = {Code: "`", Strong: "**", Emphasis: "*"}


def render(document: Document) -> str:
    """Returns a document's text and tables; figures and sounds are left out."""
    parts = [f"# {_inline(document.title)}", *_blocks(document.blocks)]
    for section in document.sections:
        if inner := [*_blocks(section.blocks)]:
            parts += [f"## {_inline(section.title)}", *inner]
    if footer := [*_blocks(document.footer)]:
        parts += ["---", *footer]
    return "\n\n".join(parts) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Returns a table, without a line break at its end.

    Args:
        header: a title for each column.
        rows: of cells; what they lack at the right is left empty.
        text_columns: so many of the first columns are text; the others are numbers, and stand at
            the right.
    """
    rule = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    filled = ([*row, *[""] * (len(header) - len(row))] for row in rows)
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in (header, rule, *filled))
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _blocks(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        yield from _block(block)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Paragraph(text) | Aside(text):
            yield _inline(text)
        case Remark(text):
            yield f"> {_inline(text)}"
        case Table(header, rows, caption, text_columns):
            if caption:
                yield f"{_inline(caption)}:"
            yield table(header, rows, text_columns)
        case Facts(facts):
            yield "\n".join(f"- {name}: {_inline(text)}" for name, text in facts)
        case SideBySide(blocks):
            yield from _blocks(blocks)
        case Card(title, blocks) | Details(title, blocks):
            if inner := [*_blocks(blocks)]:
                yield from (f"### {_inline(title)}", *inner)


def _inline(text: Text) -> str:
    parts = (text,) if isinstance(text, str) else text
    marks = (_MARKS.get(type(part), "") for part in parts)
    return "".join(f"{mark}{part}{mark}" for mark, part in zip(marks, parts, strict=True))
