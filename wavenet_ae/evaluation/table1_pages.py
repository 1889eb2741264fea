"""The files that tell of Table 1: JSON, Markdown and a page to listen to."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wavenet_ae.evaluation import page
from wavenet_ae.evaluation.notes import Note

RESULTS_FILE = "table1.json"
TABLE_FILE = "table1.md"
REPORT_FILE = "report.html"

TOOL = "table1"
_TEMPLATE = "table1.html.jinja"
_ROWS = {"original": "original notes", "wavenet": "WaveNet", "spectral": "spectral baseline"}
# Columns: heading, factor, digits.
_COLUMNS = {
    "pitch_accuracy": ("pitch, %", 100, 1),
    "quality_accuracy": ("qualities, %", 100, 1),
    "family_accuracy": ("family, %", 100, 1),
    "source_accuracy": ("source, %", 100, 1),
    "log_spectral_distance_db": ("log-spectral distance, dB", 1, 1),
    "bits_per_sample": ("bits a sample", 1, 2),
}
_NOTHING = "-"

Results = Mapping[str, Any]


def write_tables(folder: Path, results: Results) -> None:
    """Writes `table1.json` and `table1.md`.

    Args:
        folder: made if it is not there.
        results: as `table1.evaluate_table1` collects them.
    """
    page.write(folder / RESULTS_FILE, json.dumps(results, indent=2) + "\n", TOOL)
    data = results["data"]
    text = [
        "# Reconstruction of notes",
        f"{_sentence(results)} In brackets the paper's numbers, on NSynth.",
        page.markdown_table(*_accuracy_table(results)),
        f"## By family ({data['num_notes']:,} notes)",
        page.markdown_table(*_family_table(results)),
        "## Made of",
        page.markdown_table(*_checkpoint_table(results)),
    ]
    page.write(folder / TABLE_FILE, "\n\n".join(text) + "\n", TOOL)


def write_report(
    folder: Path, results: Results, shown: Sequence[tuple[Note, Mapping[str, Path]]]
) -> None:
    """Writes `report.html`: the tables, and notes to hear beside their reconstructions.

    Args:
        folder: of the page.
        results: as for `write_tables`.
        shown: notes, each with a WAV file by row of the table.
    """
    sounds = [
        (note, [(page.read_sound(path, row), _ROWS[row]) for row, path in paths.items()])
        for note, paths in shown
    ]
    text = page.render(
        _TEMPLATE,
        sentence=_sentence(results),
        accuracy_table=_accuracy_table(results),
        family_table=_family_table(results),
        checkpoint_table=_checkpoint_table(results),
        sounds=sounds,
    )
    page.write(folder / REPORT_FILE, text, TOOL)


def _sentence(results: Results) -> str:
    data = results["data"]
    is_nsynth = data["name"].startswith(("nsynth/", "nsynth_json/published"))
    resampled = "instruments" if data["num_instruments"] > 1 else "notes"
    return (
        f"{data['num_notes']:,} notes of {data['num_instruments']} instruments, the split "
        f"{data['split']} of {data['name']}; in parentheses 95 % intervals, from resampled "
        f"{resampled}.{'' if is_nsynth else ' This is not NSynth.'}"
    )


def _accuracy_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Returns the header and the rows of Table 1."""
    columns = [name for name in _COLUMNS if any(name in row for row in results["rows"].values())]
    header = ["", *(_COLUMNS[name][0] for name in columns)]
    rows = []
    for row, scores in results["rows"].items():
        cells = []
        for name in columns:
            if name not in scores:
                cells.append(_NOTHING)
                continue
            _, factor, digits = _COLUMNS[name]
            mean, low, high = (factor * scores[name][key] for key in ("mean", "low", "high"))
            cell = f"{mean:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
            if name in results["paper"][row]:
                cell += f" [{results['paper'][row][name]}]"
            cells.append(cell)
        rows.append([_ROWS[row], *cells])
    none = f"{100 * results['no_quality_accuracy']:.1f}"
    cells = [none if name == "quality_accuracy" else _NOTHING for name in columns]
    rows.append(["always “no quality”", *cells])
    return header, rows


def _family_table(results: Results) -> tuple[list[str], list[list[str]]]:
    """Returns the header and the rows of the accuracies by family, pitch / qualities."""
    header = [
        "family",
        "notes",
        *(f"{_ROWS[row]}: pitch / qualities, %" for row in results["rows"]),
    ]
    rows = [
        [
            family.replace("_", " "),
            f"{scores['num_notes']:,}",
            *(
                f"{100 * row['pitch_accuracy']:.1f} / {100 * row['quality_accuracy']:.1f}"
                for row in scores["rows"].values()
            ),
        ]
        for family, scores in results["families"].items()
    ]
    return header, rows


def _checkpoint_table(results: Results) -> tuple[list[str], list[list[str]]]:
    header = ["checkpoint", "step", "parameters", "pitch", "trained on", "fingerprint", "folder"]
    rows = []
    for kind, checkpoint in results["checkpoints"].items():
        told = "told" if checkpoint["num_pitches"] else "not told"
        rows.append(
            [
                kind,
                f"{checkpoint['step']:,}",
                f"{checkpoint['parameters']:,}",
                _NOTHING if kind == "classifier" else told,
                checkpoint["dataset"],
                checkpoint["fingerprint"],
                checkpoint["folder"],
            ]
        )
    return header, rows
