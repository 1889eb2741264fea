"""Writes Table 1 into README.md, docs/results.md and the model card, from docs/table1/*.json.

    .venv/bin/python tools/results_tables.py runs/table1/results

takes the results of `make table1` first; without a folder it only writes the tables again. A table
stands between <!-- table1 SET KIND --> and <!-- end -->: SET is a file of docs/table1, KIND is one
of `short`, `full`, `families` and `registers`.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wavenet_ae.evaluation.table1_document import COLUMNS, ROWS, with_interval
from wavenet_ae.publish import markdown

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs/table1"
PAGES = (
    ROOT / "README.md",
    ROOT / "docs/results.md",
    ROOT / "wavenet_ae/pretrained/README.md",
)
_BLOCK = re.compile(r"(<!-- table1 (\w+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_OF_PAPER = ("pitch_accuracy", "quality_accuracy")


def _accuracies(results: Mapping[str, Any], names: list[str]) -> str:
    header = ["", *(COLUMNS[n][0] for n in names), *(f"paper: {COLUMNS[n][0]}" for n in _OF_PAPER)]
    rows = []
    for row, scores in results["rows"].items():
        cells = [with_interval(n, scores[n]) if n in scores else "-" for n in names]
        rows.append([ROWS[row], *cells, *(str(results["paper"][row][n]) for n in _OF_PAPER)])
    none = f"{100 * results['no_quality_accuracy']:.1f}"
    cells = [none if n == "quality_accuracy" else "-" for n in names]
    return markdown.table(header, [*rows, ["always “no quality”", *cells, "-", "-"]])


def _groups(what: str, results: Mapping[str, Any]) -> str:
    groups = results["families" if what == "family" else "registers"]
    header = [what, "notes", *(f"{ROWS[row]}: pitch, %" for row in results["rows"])]
    rows = [
        [
            name.replace("_", " "),
            str(group["num_notes"]),
            *(f"{100 * row['pitch_accuracy']:.0f}" for row in group["rows"].values()),
        ]
        for name, group in groups.items()
    ]
    return markdown.table(header, rows)


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "short": lambda results: _accuracies(results, [*_OF_PAPER]),
    "full": lambda results: _accuracies(
        results, [*_OF_PAPER, "log_spectral_distance_db", "bits_per_sample"]
    ),
    "families": lambda results: _groups("family", results),
    "registers": lambda results: _groups("pitch", results),
}


def with_tables(page: str) -> str:
    """Returns a page's text with its tables written anew."""

    def block(match: re.Match[str]) -> str:
        start, name, kind, end = match.groups()
        return f"{start}{_KINDS[kind](json.loads((RESULTS / f'{name}.json').read_text()))}\n{end}"

    return _BLOCK.sub(block, page)


def take(folder: Path) -> None:
    """Copies the results of both test sets, without the folders of this machine."""
    for name in ("instruments", "soundfont"):
        results = json.loads((folder / name / "table1.json").read_text())
        results["data"].pop("data_dir")
        for checkpoint in results["checkpoints"].values():
            checkpoint.pop("folder")
            checkpoint.pop("data_dir", None)
        (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:]:
        take(Path(sys.argv[1]))
    for path in PAGES:
        path.write_text(with_tables(path.read_text()))
