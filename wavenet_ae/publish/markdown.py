"""Documents and tables in Markdown."""

from collections.abc import Iterable, Iterator, Sequence

from wavenet_ae.publish import document as doc


def render(document: doc.Document) -> str:
    """Returns a document's text and tables; figures and sounds are left out."""
    parts = [f"# {document.title}", *_blocks(document.blocks)]
    for section in document.sections:
        parts += _under(f"## {section.title}", section.blocks)
    parts += _under("---", document.footer)
    return "\n\n".join(parts) + "\n"


def render_blocks(blocks: Iterable[doc.Block]) -> str:
    """Returns some blocks, without a line break at the end."""
    return "\n\n".join(_blocks(blocks))


def table(header: Sequence[str], rows: Iterable[Sequence[str]], text_columns: int = 1) -> str:
    """Returns a table, without a line break at its end.

    Args:
        header: a title for each column.
        rows: of cells; missing cells at the right are left empty.
        text_columns: this many of the first columns are text; the others are numbers, aligned to
            the right.
    """
    rule = ["---"] * text_columns + ["---:"] * (len(header) - text_columns)
    filled = ([*row, *[""] * (len(header) - len(row))] for row in rows)
    escaped = ([cell.replace("|", "\\|") for cell in line] for line in (header, rule, *filled))
    return "\n".join(f"| {' | '.join(line)} |" for line in escaped)


def _under(heading: str, blocks: Iterable[doc.Block]) -> list[str]:
    """Returns the heading and the blocks, or nothing where no block is shown."""
    shown = [*_blocks(blocks)]
    return [heading, *shown] if shown else []


def _blocks(blocks: Iterable[doc.Block]) -> Iterator[str]:
    for block in blocks:
        match block:
            case doc.Remark(text):
                yield f"> {text}"
            case doc.Paragraph(text):
                yield text
            case doc.Table(header, rows, caption, text_columns):
                if caption:
                    yield f"{caption}:"
                yield table(header, rows, text_columns)
            case doc.Facts(facts):
                yield "\n".join(f"- {name}: {text}" for name, text in facts)
            case doc.SideBySide(inner):
                yield from _blocks(inner)
            case doc.Card(title, inner) | doc.Details(title, inner):
                yield from _under(f"### {title}", inner)
