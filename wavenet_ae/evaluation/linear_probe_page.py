"""The files of a linear probe: scores, a table and a page."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from wavenet_ae.evaluation import page, pictures
from wavenet_ae.evaluation.embedded_split import SplitNotes
from wavenet_ae.system import results

SCORES_FILE = "linear_probe.json"
TABLE_FILE = "linear_probe.md"
REPORT_FILE = "report.html"

_TOOL = "linear_probe"
_TEMPLATE = "linear_probe.html.jinja"
_KINDS = {"time_averaged": "time-averaged", "full": "full"}


class Slot(NamedTuple):
    """What a model has to be to stand in a place of the table."""

    title: str
    task: str
    sees_pitch: bool


SLOTS = {
    "wavenet": Slot("WaveNet", "wavenet", False),
    "wavenet_pitch": Slot("WaveNet with pitch conditioning", "wavenet", True),
    "spectral": Slot("Spectral autoencoder", "spectral", False),
    "spectral_pitch": Slot("Spectral autoencoder with pitch conditioning", "spectral", True),
}


class Drawing(NamedTuple):
    """The correlation of one instrument's embeddings over its pitches."""

    instrument: str
    velocity: int
    num_pitches: int
    picture: Markup


def choose_instrument(notes: SplitNotes) -> np.ndarray:
    """Chooses the notes to correlate: one instrument's at one velocity, one of each pitch.

    Returns:
        int, places in the notes, by ascending pitch: of the instrument and the velocity with the
        most pitches, the first by name and velocity among equals. Empty if none has two pitches.
    """
    best = np.zeros(0, int)
    for instrument in np.unique(notes.instruments):
        for velocity in np.unique(notes.velocities[notes.instruments == instrument]):
            places = np.flatnonzero(
                (notes.instruments == instrument) & (notes.velocities == velocity)
            )
            _, firsts = np.unique(notes.labels["pitch"][places], return_index=True)
            if len(firsts) > max(1, len(best)):
                best = places[firsts]
    return best


def draw(features: np.ndarray, notes: SplitNotes, slot: str, kind: str) -> Drawing | None:
    """Draws how alike an instrument's embeddings are over its pitches.

    Args:
        features: float `[notes, features]`, embeddings.
        notes: that they are of.
        slot: the model's key in `SLOTS`.
        kind: of embedding, `time_averaged` or `full`.

    Returns:
        The picture, or None if no instrument has two pitches.
    """
    chosen = choose_instrument(notes)
    if not len(chosen):
        return None
    instrument, velocity = str(notes.instruments[chosen[0]]), int(notes.velocities[chosen[0]])
    with np.errstate(divide="ignore", invalid="ignore"):  # an embedding may be constant
        matrix = np.corrcoef(features[chosen])
    picture = pictures.draw_correlation(
        matrix,
        notes.labels["pitch"][chosen],
        f"{_KINDS[kind]} embeddings ({SLOTS[slot].title}) between the pitches of {instrument}",
        f"correlation-{slot}-{kind}",
    )
    return Drawing(instrument, velocity, len(chosen), picture)


def check(workdir: Path) -> None:
    """Raises a UserError where `write` would be refused because of what the folder holds."""
    results.check(workdir, (SCORES_FILE, TABLE_FILE, REPORT_FILE), _TOOL)


def write(
    workdir: Path,
    document: Mapping[str, Any],
    drawings: Mapping[str, Mapping[str, Drawing | None]],
) -> Path:
    """Writes `linear_probe.json`, `linear_probe.md` and `report.html`, each whole or not at all.

    Args:
        workdir: the folder.
        document: what the JSON file is to hold.
        drawings: by model and kind of embedding.

    Returns:
        The page's path.

    Raises:
        UserError: a file cannot be written, or another one is in its place.
    """
    labels = document["config"]["labels"]
    score_header, score_rows = ["Embeddings of", *labels], _score_rows(document)
    model_header = ["Model", "checkpoint", "steps", "frames x channels", "trained from", "weights"]
    model_rows = _model_rows(document)
    text = page.render(
        _TEMPLATE,
        document=document,
        score_header=score_header,
        score_rows=score_rows,
        model_header=model_header,
        model_rows=model_rows,
        drawings=[
            (SLOTS[slot].title, _KINDS[kind], drawing)
            for slot, kinds in drawings.items()
            for kind, drawing in kinds.items()
            if drawing
        ],
    )
    dataset = document["dataset"]
    remarks = "".join(f"\n{sentence}\n" for sentence in document["remarks"])
    markdown = f"""# What a linear classifier reads off embeddings

{page.markdown_table(score_header, score_rows)}

Accuracy, with the 95 % interval over the test notes' instruments. Quality counts all (note,
quality) pairs; its last row is the score of answering none.

Data: {dataset["name"]}, {_splits_in_words(dataset)}.
{remarks}
{page.markdown_table(model_header, model_rows)}
"""
    numbers = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    page.write(workdir / SCORES_FILE, numbers, _TOOL)
    page.write(workdir / TABLE_FILE, markdown, _TOOL)
    page.write(workdir / REPORT_FILE, text, _TOOL)
    return workdir / REPORT_FILE


def _percent(score: Mapping[str, Any]) -> str:
    low, high = (f"{100 * end:.1f}" for end in score["interval"])
    return f"{100 * score['accuracy']:.1f} % ({low} to {high})"


def _score_rows(document: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for slot, result in document["models"].items():
        several = len(result["scores"]) > 1
        for kind, scores in result["scores"].items():
            title = SLOTS[slot].title + (f", {_KINDS[kind]}" if several else "")
            rows.append([title, *map(_percent, scores.values())])
    chance = document["always_the_most_frequent"].values()
    return [*rows, ["Always the most frequent", *(f"{100 * score:.1f} %" for score in chance)]]


def _model_rows(document: Mapping[str, Any]) -> list[list[str]]:
    return [
        [
            SLOTS[slot].title,
            result["folder"],
            f"{result['step']:,}",
            f"{result['frames']} x {result['embedding_size']}",
            result["dataset"],
            result["fingerprint"],
        ]
        for slot, result in document["models"].items()
    ]


def _splits_in_words(dataset: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{part['notes']:,} of {part['notes_in_split']:,} notes ({part['instruments']} "
        f"instruments) of the split {part['split']} to {purpose}"
        for purpose, part in (("learn from", dataset["train"]), ("test on", dataset["test"]))
    )
