"""Measurements as Markdown."""

from collections.abc import Sequence

from wavenet_ae.benchmarks.interleaved import Spread

SPREAD_HEADS = ["median", "lowest", "highest"]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """Returns a table whose first columns are text, the others numbers."""
    rule = ["---"] * text_columns + ["---:"] * (len(heads) - text_columns)
    return "".join(f"| {' | '.join(row)} |\n" for row in [heads, rule, *rows])


def cells(spread: Spread) -> list[str]:
    """Returns what belongs under `SPREAD_HEADS`."""
    return [f"{value:.4g}" for value in spread]


def in_one_cell(spread: Spread) -> str:
    """Returns the median, and the others in parentheses."""
    return f"{spread.median:.4g} ({spread.lowest:.4g} to {spread.highest:.4g})"
