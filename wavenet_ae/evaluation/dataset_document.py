"""The document on a dataset: counts, what to know before training, fingerprints."""

from collections.abc import Mapping
from typing import Any

import librosa
import numpy as np

from wavenet_ae.data import nsynth
from wavenet_ae.evaluation import dataset_tables as tables
from wavenet_ae.prepare.statistics import description, sounds
from wavenet_ae.publish import document as doc
from wavenet_ae.publish import pictures, terminal
from wavenet_ae.publish.study_files import StudyFiles

FILES = StudyFiles("dataset_stats", numbers="dataset.json", text="dataset.md")

_MOST_BINS = 30
_WORDS = {
    "Silent": f"no sample is above {sounds.SILENT_DBFS:g} dB of full scale.",
    "Clipped": f"at least {sounds.CLIPPED_RUN_SAMPLES} samples in a row are at full scale (32767 "
    "of 16 bits, or more) with the same sign.",
    "DC offset": f"the mean is beyond {100 * sounds.DC_OFFSET:g} % of full scale.",
    "Same sounds": "all samples are the same, under different names; sounds of nothing but zeros "
    "are left out.",
    "Fingerprint": "a SHA-256 of names, labels and samples that does not depend on the order or "
    "the form (16 bits or floats) in which they are stored. Splits aside, a folder of notes and "
    "the dataset that was built from it have the same one.",
}


def summary(described: description.Document) -> str:
    """Returns a few lines for the terminal: notes by family and source, and the warnings."""
    table = tables.by_family_and_source(described["all"], "notes")
    return "\n".join([terminal.table(table.header, table.rows), *described["warnings"]])


def document(described: description.Document) -> doc.Document:
    """Returns all tables, and figures of all notes.

    Args:
        described: from `description.describe`.
    """
    beginning: list[doc.Block] = [
        *map(doc.Remark, described["warnings"]),
        tables.overview(described),
    ]
    if not described["with_sounds"]:
        beginning.insert(0, doc.Paragraph("Only the labels were read, not the sounds."))
    name = " in ".join(described["data"].values())
    files = "The same in `dataset.md`, all numbers and names in `dataset.json`, beside this page."
    return doc.Document(
        f"What `{name}` holds",
        beginning,
        (
            doc.Section("Families and sources", _families(described)),
            doc.Section("Pitches and velocities", _pitches(described)),
            doc.Section("Qualities", _qualities(described)),
            doc.Section("Sounds", _sounds(described)),
            doc.Section("Fingerprints", (tables.fingerprints(described),)),
        ),
        (
            *(doc.Paragraph(f"**{word}**: {meaning}") for word, meaning in _WORDS.items()),
            doc.OnPage((doc.Paragraph(files),)),
        ),
    )


def _families(described: description.Document) -> list[doc.Block]:
    everything, *splits = (
        doc.SideBySide(
            [tables.by_family_and_source(section, what, name) for what in ("notes", "instruments")]
        )
        for name, section in _all_first(described).items()
    )
    figures = [
        doc.Figure(
            _draw_families(described["all"]["notes_by_family_and_source"]), "notes of each family"
        ),
        doc.Figure(
            _draw_instruments(described["all"]["notes_of_instruments"]["counts"]),
            "instruments by number of notes",
        ),
    ]
    details = [doc.Details("By split", splits)] if splits else []
    return [everything, *details, doc.SideBySide(figures)]


def _all_first(described: description.Document) -> dict[str, Any]:
    sections = tables.sections(described)
    return dict(sorted(sections.items(), key=lambda section: section[0] != "all"))


def _pitches(described: description.Document) -> list[doc.Block]:
    section = described["all"]
    figures = [
        doc.Figure(_draw_pitches(section["pitches"]["counts"]), "notes of each pitch"),
        doc.Figure(_draw_velocities(section["velocities"]), "notes of each velocity"),
    ]
    sentence = doc.Paragraph(tables.pitch_sentence(described))
    return [sentence, doc.SideBySide(figures), tables.velocities(described)]


def _qualities(described: description.Document) -> list[doc.Block]:
    qualities = described["all"]["qualities"]
    reading = (
        "On the left, how many of each family's notes have a quality, in percent. On the right, "
        "how often qualities occur together: of the notes with the column's quality, the "
        "percentage that have the row's, P(row | column)."
    )
    figures = [
        doc.Figure(_draw_qualities(qualities), "quality by family, %"),
        doc.Figure(_draw_together(qualities["together"]["share_given"]), "P(row | column), %"),
    ]
    numbers = doc.Details("Numbers", (tables.qualities(described), tables.together(described)))
    return [doc.OnPage((doc.Paragraph(reading), doc.SideBySide(figures))), numbers]


def _sounds(described: description.Document) -> list[doc.Block]:
    counts, found = tables.sound_counts(described), described["all"]["sounds"]
    blocks: list[doc.Block] = [counts]
    if found is not None:
        bins = doc.Aside(
            "The first bar holds all silent notes, the last one peaks above full scale."
        )
        peaks = doc.Figure(_draw_peaks(found["peaks"]), "peak levels")
        blocks = [doc.SideBySide((peaks, counts)), doc.OnPage((bins,))]
    blocks += [tables.problems(described), doc.Aside("All names are in `dataset.json`.")]
    if len(described["splits"]) > 1:
        blocks.append(tables.shared_instruments(described))
    return blocks


def _draw_families(table: Mapping[str, Mapping[str, int]]) -> str:
    series = {s: [table[f][s] for f in nsynth.FAMILIES] for s in nsynth.SOURCES}
    names = {i: name.replace("_", " ") for i, name in enumerate(nsynth.FAMILIES)}
    label = "Notes of each family by source."
    places = range(len(nsynth.FAMILIES))
    return pictures.draw_bars(places, series, label, across="", width=0.8, names=names)


def _draw_pitches(counts: Mapping[str, int]) -> str:
    pitches = [*map(int, counts)]
    octaves = range(12 * (min(pitches) // 12), max(pitches) + 12, 12)
    names = {pitch: f"{librosa.midi_to_note(pitch)}\n{pitch}" for pitch in octaves}
    label, series = "Notes of each MIDI pitch.", {"notes": [*counts.values()]}
    return pictures.draw_bars(pitches, series, label, across="pitch", width=0.85, names=names)


def _draw_velocities(counts: Mapping[str, int]) -> str:
    label, series = "Notes of each velocity.", {"notes": [*counts.values()]}
    velocities = [*map(int, counts)]
    return pictures.draw_bars(velocities, series, label, across="MIDI velocity", width=3)


def _draw_instruments(counts: Mapping[str, int]) -> str:
    numbers = [*counts.values()]
    width = -(-(max(numbers) - min(numbers) + 1) // _MOST_BINS)  # whole numbers of notes
    edges = np.arange(min(numbers), max(numbers) + width + 1, width) - 0.5
    heights, _ = np.histogram(numbers, bins=edges)
    return pictures.draw_bars(
        (edges[1:] + edges[:-1]) / 2,
        {"instruments": heights},
        "Instruments by their number of notes.",
        across="notes of an instrument",
        counted="instruments",
        width=0.9 * width,
    )


def _draw_qualities(qualities: Mapping[str, Any]) -> str:
    names = [*nsynth.QUALITIES, "none"]
    shares = {"all": qualities["shares"]} | qualities["shares_by_family"]
    rows = [name for name, row in shares.items() if row is not None]
    matrix = np.array([[shares[row][name] for name in names] for row in rows])
    words = [[name.replace("_", " ") for name in part] for part in (rows, names)]
    label = "Share of the notes of each family that have each quality, in percent."
    return pictures.draw_shares(matrix, *words, label)


def _draw_together(given: Mapping[str, Mapping[str, float | None]]) -> str:
    matrix = np.array([[given[b][a] for b in nsynth.QUALITIES] for a in nsynth.QUALITIES], float)
    names = [name.replace("_", " ") for name in nsynth.QUALITIES]
    label = "Of the notes with the column's quality, the share that have the row's, in percent."
    return pictures.draw_shares(matrix, names, names, label)


def _draw_peaks(peaks: Mapping[str, Any]) -> str:
    *edges, _ = peaks["upper_edges_dbfs"]
    step = edges[1] - edges[0]
    # The first bin holds all below it, the last one all above.
    middles = [*(edge - step / 2 for edge in edges), edges[-1] + step / 2]
    label, series = "Notes by their peak level in dBFS.", {"notes": peaks["counts"]}
    names = {edge: f"{edge}" for edge in edges[::4]}
    return pictures.draw_bars(
        middles, series, label, across="peak in dBFS", width=0.9 * step, names=names
    )
