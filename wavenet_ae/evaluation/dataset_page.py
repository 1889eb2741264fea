"""The files that tell what a dataset holds: numbers, tables and a page with pictures."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import librosa
import numpy as np
from markupsafe import Markup

from wavenet_ae.data import nsynth
from wavenet_ae.evaluation import dataset_tables, page, pictures
from wavenet_ae.prepare.statistics import sounds
from wavenet_ae.prepare.statistics.description import Document
from wavenet_ae.system import results
from wavenet_ae.system.errors import write_error

NUMBERS_FILE = "dataset.json"
TABLES_FILE = "dataset.md"
REPORT_FILE = "report.html"

_TOOL = "dataset_stats"
_TEMPLATE = "dataset.html.jinja"
_MOST_BINS = 30
_DEFINITIONS = {
    "Silent": f"no sample is above {sounds.SILENT_DBFS:g} dB of full scale.",
    "Clipped": f"at least {sounds.CLIPPED_RUN_SAMPLES} samples in a row stand at full scale (32767 "
    "of 16 bits, or more) with the same sign.",
    "DC offset": f"the mean is beyond {100 * sounds.DC_OFFSET:g} % of full scale.",
    "Same sounds": "all samples are the same, under different names; sounds of nothing but zeros "
    "are left out.",
    "Fingerprint": "a SHA-256 of names, labels and samples that does not depend on the order or "
    "the form (16 bits or floats) in which they are stored. Splits aside, a folder of notes and "
    "the dataset that was built from it have the same one.",
}


def summary(document: Document) -> str:
    """Returns a few lines for the terminal: notes by family and source, and the warnings."""
    header, rows = dataset_tables.by_family_and_source(document["all"], "notes")
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [header, *rows]
    ]
    return "\n".join([*lines, *document["warnings"]])


def check_writable(folder: Path) -> None:
    """Finds out before minutes of reading whether `write` would be refused.

    Raises:
        UserError: it would.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise write_error(folder, error) from error
    results.check(folder, (NUMBERS_FILE, TABLES_FILE, REPORT_FILE), _TOOL)


def write(folder: Path, document: Document) -> Path:
    """Writes `dataset.json`, `dataset.md` and `report.html`, each whole or not at all.

    Args:
        folder: made if it is not there.
        document: from `description.describe`.

    Returns:
        The page's path.

    Raises:
        UserError: a file cannot be written, or another one is in its place.
    """
    numbers = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    tables, report = _markdown(document), _report(document)
    page.write(folder / NUMBERS_FILE, numbers, _TOOL)
    page.write(folder / TABLES_FILE, tables, _TOOL)
    page.write(folder / REPORT_FILE, report, _TOOL)
    return folder / REPORT_FILE


def _all_first(document: Document) -> dict[str, Any]:
    sections = dataset_tables.sections(document)
    return dict(sorted(sections.items(), key=lambda section: section[0] != "all"))


def _title(document: Document) -> str:
    return " in ".join(document["data"].values())


def _markdown(document: Document) -> str:
    def table(name: str, *args: Any) -> str:
        return page.markdown_table(*getattr(dataset_tables, name)(*args))

    parts = [f"# What {_title(document)} holds", *(f"- {line}" for line in document["warnings"])]
    parts.append(table("overview", document))
    for name, section in _all_first(document).items():
        for what in ("notes", "instruments"):
            parts.append(f"## {what.capitalize()} by family and source, {name}")
            parts.append(table("by_family_and_source", section, what))
    parts += [
        "## Pitches and velocities",
        dataset_tables.pitch_sentence(document),
        table("velocities", document),
        "## Qualities",
        "Notes with each quality, and the share of a family's notes that have it, in percent.",
        table("qualities", document),
        "Of the notes with the column's quality, the share that have the row's, in percent: "
        "P(row | column).",
        table("together", document),
        "## Sounds",
        table("sound_counts", document),
        table("problems", document),
    ]
    if len(document["splits"]) > 1:
        parts += ["## Instruments in two splits", table("shared_instruments", document)]
    parts += ["## Fingerprints", table("fingerprints", document), "## Words"]
    parts += [f"- {word}: {meaning}" for word, meaning in _DEFINITIONS.items()]
    return "\n\n".join(parts) + "\n"


def _report(document: Document) -> str:
    return page.render(
        _TEMPLATE,
        title=_title(document),
        document=document,
        sections=_all_first(document),
        tables=dataset_tables,
        definitions=_DEFINITIONS,
        pictures=_draw(document["all"]),
    )


def _draw(section: Mapping[str, Any]) -> dict[str, Markup | None]:
    """Draws all notes; None stands for what was not looked at."""
    return {
        "pitches": _draw_pitches(section["pitches"]["counts"]),
        "velocities": _draw_velocities(section["velocities"]),
        "instruments": _draw_instruments(section["notes_of_instruments"]["counts"]),
        "families": _draw_families(section["notes_by_family_and_source"]),
        "qualities": _draw_qualities(section["qualities"]),
        "together": _draw_together(section["qualities"]["together"]["share_given"]),
        "peaks": section["sounds"] and _draw_peaks(section["sounds"]["peaks"]),
    }


def _draw_families(table: Mapping[str, Mapping[str, int]]) -> Markup:
    series = {s: [table[f][s] for f in nsynth.FAMILIES] for s in nsynth.SOURCES}
    names = {i: name.replace("_", " ") for i, name in enumerate(nsynth.FAMILIES)}
    label = "Notes of each family by source."
    places = range(len(nsynth.FAMILIES))
    return pictures.draw_bars(places, series, label, "families", across="", width=0.8, names=names)


def _draw_pitches(counts: Mapping[str, int]) -> Markup:
    pitches = [*map(int, counts)]
    octaves = range(12 * (min(pitches) // 12), max(pitches) + 12, 12)
    names = {pitch: f"{librosa.midi_to_note(pitch)}\n{pitch}" for pitch in octaves}
    label, series = "Notes of each MIDI pitch.", {"notes": [*counts.values()]}
    return pictures.draw_bars(
        pitches, series, label, "pitches", across="pitch", width=0.85, names=names
    )


def _draw_velocities(counts: Mapping[str, int]) -> Markup:
    label, series = "Notes of each velocity.", {"notes": [*counts.values()]}
    velocities = [*map(int, counts)]
    return pictures.draw_bars(
        velocities, series, label, "velocities", across="MIDI velocity", width=3
    )


def _draw_instruments(counts: Mapping[str, int]) -> Markup:
    numbers = [*counts.values()]
    width = -(-(max(numbers) - min(numbers) + 1) // _MOST_BINS)  # whole numbers of notes
    edges = np.arange(min(numbers), max(numbers) + width + 1, width) - 0.5
    heights, _ = np.histogram(numbers, bins=edges)
    return pictures.draw_bars(
        (edges[1:] + edges[:-1]) / 2,
        {"instruments": heights},
        "Instruments by their number of notes.",
        "instruments",
        across="notes of an instrument",
        counted="instruments",
        width=0.9 * width,
    )


def _draw_qualities(qualities: Mapping[str, Any]) -> Markup:
    names = [*nsynth.QUALITIES, "none"]
    shares = {"all": qualities["shares"]} | qualities["shares_by_family"]
    rows = [name for name, row in shares.items() if row is not None]
    matrix = np.array([[shares[row][name] for name in names] for row in rows])
    words = [[name.replace("_", " ") for name in part] for part in (rows, names)]
    label = "Share of the notes of each family that have each quality, in percent."
    return pictures.draw_shares(matrix, *words, label, "qualities")


def _draw_together(given: Mapping[str, Mapping[str, float | None]]) -> Markup:
    matrix = np.array([[given[b][a] for b in nsynth.QUALITIES] for a in nsynth.QUALITIES], float)
    names = [name.replace("_", " ") for name in nsynth.QUALITIES]
    label = "Of the notes with the column's quality, the share that have the row's, in percent."
    return pictures.draw_shares(matrix, names, names, label, "together")


def _draw_peaks(peaks: Mapping[str, Any]) -> Markup:
    *edges, _ = peaks["upper_edges_dbfs"]
    step = edges[1] - edges[0]
    # The first bin holds all below it, the last one all above.
    middles = [*(edge - step / 2 for edge in edges), edges[-1] + step / 2]
    label, series = "Notes by their peak level in dBFS.", {"notes": peaks["counts"]}
    names = {edge: f"{edge}" for edge in edges[::4]}
    return pictures.draw_bars(
        middles, series, label, "peaks", across="peak in dBFS", width=0.9 * step, names=names
    )
