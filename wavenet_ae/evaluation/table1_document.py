"""The document on Table 1: scores, and notes with their reconstructions to listen to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wavenet_ae.data.nsynth import Note
from wavenet_ae.evaluation import intervals
from wavenet_ae.evaluation.notes import title
from wavenet_ae.publish import document as doc

ROWS = {"original": "original notes", "wavenet": "WaveNet", "spectral": "spectral baseline"}
# Columns: heading, factor, digits.
COLUMNS = {
    "pitch_accuracy": ("pitch, %", 100, 1),
    "quality_accuracy": ("qualities, %", 100, 1),
    "family_accuracy": ("family, %", 100, 1),
    "source_accuracy": ("source, %", 100, 1),
    "log_spectral_distance_db": ("log-spectral distance, dB", 1, 1),
    "bits_per_sample": ("bits a sample", 1, 2),
}
_NOTHING = "-"

Results = Mapping[str, Any]


def document(results: Results, shown: Sequence[tuple[Note, Mapping[str, Path]]]) -> doc.Document:
    """Returns the tables and the sounds.

    Args:
        results: as `table1.evaluate_table1` collects them.
        shown: notes, each with a WAV file by row of the table.
    """
    introduction = (
        "A classifier names the pitch and the qualities of notes and of their reconstructions by "
        f"autoencoders (Engel et al. 2017, table 1). {_sentence(results)}"
    )
    reading = (
        "The paper's numbers, on NSynth, are in square brackets. Qualities are rare, so always "
        "predicting none is right most of the time: compare with the last row. The "
        "log-spectral distance is between a note and its reconstruction, both relative to their "
        "own peak, down to 80 dB below it. Bits a sample is the WaveNet's loss with teacher "
        "forcing."
    )
    cards = [
        doc.Card(
            title(note),
            (
                doc.Aside(f"`{note.name}`"),
                doc.SoundGrid([[doc.Sound(path, ROWS[row]) for row, path in paths.items()]]),
            ),
        )
        for note, paths in shown
    ]
    return doc.Document(
        "What is left of a note after encoding and decoding",
        (doc.Paragraph(introduction),),
        (
            doc.Section("Accuracy", (doc.Paragraph(reading), _accuracy_table(results))),
            doc.Section("By family", (_group_table("family", results, results["families"]),)),
            doc.Section("By register", (_group_table("pitch", results, results["registers"]),)),
            doc.Section("Sounds", (doc.OnPage(cards),) if cards else ()),
            doc.Section("Checkpoints", (_checkpoint_table(results),)),
        ),
        window_title="Reconstruction of notes",
    )


def _sentence(results: Results) -> str:
    data = results["data"]
    is_nsynth = data["name"].startswith(("nsynth/", "nsynth_json/published"))
    resampled = "instruments" if data["num_instruments"] > 1 else "notes"
    return (
        f"{data['num_notes']:,} notes of {data['num_instruments']} instruments, the split "
        f"{data['split']} of {data['name']}; in parentheses 95 % intervals, from resampled "
        f"{resampled}.{'' if is_nsynth else ' This is not NSynth.'}"
    )


def with_interval(column: str, score: Mapping[str, float]) -> str:
    """Returns a column's mean and its interval as text."""
    _, factor, digits = COLUMNS[column]
    return intervals.as_text(score, factor, digits)


def _accuracy_table(results: Results) -> doc.Table:
    """Returns Table 1."""
    columns = [name for name in COLUMNS if any(name in row for row in results["rows"].values())]
    header = ["", *(COLUMNS[name][0] for name in columns)]
    rows = []
    for row, scores in results["rows"].items():
        cells = []
        for name in columns:
            if name not in scores:
                cells.append(_NOTHING)
                continue
            cell = with_interval(name, scores[name])
            if name in results["paper"][row]:
                cell += f" [{results['paper'][row][name]}]"
            cells.append(cell)
        rows.append([ROWS[row], *cells])
    none = f"{100 * results['no_quality_accuracy']:.1f}"
    cells = [none if name == "quality_accuracy" else _NOTHING for name in columns]
    rows.append(["always “no quality”", *cells])
    return doc.Table(header, rows)


def _group_table(what: str, results: Results, groups: Mapping[str, Any]) -> doc.Table:
    """Returns the accuracies of groups of notes, pitch / qualities."""
    header = [
        what,
        "notes",
        *(f"{ROWS[row]}: pitch / qualities, %" for row in results["rows"]),
    ]
    rows = [
        [
            name.replace("_", " "),
            f"{scores['num_notes']:,}",
            *(
                f"{100 * row['pitch_accuracy']:.1f} / {100 * row['quality_accuracy']:.1f}"
                for row in scores["rows"].values()
            ),
        ]
        for name, scores in groups.items()
    ]
    return doc.Table(header, rows)


def _checkpoint_table(results: Results) -> doc.Table:
    header = ["checkpoint", "step", "parameters", "pitch", "trained on", "fingerprint", "folder"]
    rows = []
    for kind, checkpoint in results["checkpoints"].items():
        pitch = "given" if checkpoint["num_pitches"] else "not given"
        rows.append(
            [
                kind,
                f"{checkpoint['step']:,}",
                f"{checkpoint['parameters']:,}",
                _NOTHING if kind == "classifier" else pitch,
                checkpoint["dataset"],
                checkpoint["fingerprint"],
                checkpoint["folder"],
            ]
        )
    return doc.Table(header, rows)
