"""The document on a linear probe: scores, and how embeddings correlate over pitches."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from wavenet_ae.evaluation.embedded_split import SplitNotes
from wavenet_ae.publish import document as doc
from wavenet_ae.publish import pictures

_KINDS = {"time_averaged": "time-averaged", "full": "full"}


class Slot(NamedTuple):
    """What a model in a row of the table must be."""

    title: str
    task: str
    is_conditioned: bool


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
    figure: doc.Figure


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
        notes: their notes.
        slot: the model's key in `SLOTS`.
        kind: of embedding, `time_averaged` or `full`.

    Returns:
        The figure, or None if no instrument has two pitches.
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
    )
    figure = doc.Figure(picture, f"{SLOTS[slot].title}, {_KINDS[kind]}")
    return Drawing(instrument, velocity, len(chosen), figure)


def document(found: Mapping[str, Any], drawings: Sequence[Drawing]) -> doc.Document:
    """Returns the tables and the figures.

    Args:
        found: as `linear_probe.run_linear_probe` collects it.
        drawings: from `draw`, of each model and kind of embedding; empty if there are no pitches to
            correlate.
    """
    files = "The numbers are in `linear_probe.json` and `linear_probe.md` beside this page."
    return doc.Document(
        "What a linear classifier reads off embeddings",
        (
            doc.Paragraph(
                "An autoencoder's decoder may be conditioned on pitch; then the embedding need not "
                "hold it. Here logistic regression learns the labels of notes from their "
                "embeddings (Engel et al. 2017, Table 2): the worse it predicts pitch and the "
                "better timbre, the further the two are disentangled."
            ),
        ),
        (
            doc.Section("Scores", _scores(found)),
            doc.Section("Correlation over pitches", (doc.OnPage(_correlations(drawings)),)),
            doc.Section("Models and notes", (_model_table(found), _notes(found["dataset"]))),
        ),
        footer=(
            doc.Paragraph(
                "The penalty of every classifier was chosen on training notes that were held out "
                "for it."
            ),
            doc.OnPage((doc.Paragraph(files),)),
        ),
        window_title="Linear probe of embeddings",
    )


def _scores(found: Mapping[str, Any]) -> list[doc.Table | doc.Paragraph | doc.Remark]:
    table = doc.Table(
        ["Embeddings of", *found["config"]["labels"]],
        _score_rows(found),
        "Share of correct predictions on the test notes, with its 95 % interval over instruments",
    )
    reading = (
        "A time-averaged embedding is the mean of a note's frames, a full one all frames in a row; "
        "one vector per note is both. Quality is the share of all (note, quality) pairs, of ten "
        "qualities a note. The last row needs no embedding: it always predicts the training notes' "
        "most frequent class, and no quality. A class that no training note has counts as wrong."
    )
    return [table, doc.Paragraph(reading), *map(doc.Remark, found["remarks"])]


def _correlations(drawings: Sequence[Drawing]) -> list[doc.Paragraph | doc.SideBySide]:
    if not drawings:
        return [doc.Paragraph("No instrument of the test notes has two pitches at one velocity.")]
    first = drawings[0]
    reading = (
        f"Each square compares the embeddings of two pitches of `{first.instrument}` at velocity "
        f"{first.velocity} ({first.num_pitches} pitches): red is alike, white unrelated, blue "
        "opposite."
    )
    return [doc.Paragraph(reading), doc.SideBySide([drawing.figure for drawing in drawings])]


def _notes(dataset: Mapping[str, Any]) -> doc.Paragraph:
    def describe(part: Mapping[str, Any], purpose: str) -> str:
        return (
            f"{part['notes']:,} of the {part['notes_in_split']:,} of the split `{part['split']}` "
            f"{purpose}, from {part['instruments']} "
            f"{'instrument' if part['instruments'] == 1 else 'instruments'}"
        )

    train = describe(dataset["train"], "to learn from")
    test = describe(dataset["test"], "to test on")
    return doc.Paragraph(f"Notes of `{dataset['name']}`: {train}; {test}.")


def _percent(score: Mapping[str, Any]) -> str:
    low, high = (f"{100 * end:.1f}" for end in score["interval"])
    return f"{100 * score['accuracy']:.1f} % ({low} to {high})"


def _score_rows(found: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for slot, result in found["models"].items():
        several = len(result["scores"]) > 1
        for kind, scores in result["scores"].items():
            title = SLOTS[slot].title + (f", {_KINDS[kind]}" if several else "")
            rows.append([title, *map(_percent, scores.values())])
    chance = found["always_the_most_frequent"].values()
    return [*rows, ["Always the most frequent", *(f"{100 * score:.1f} %" for score in chance)]]


def _model_table(found: Mapping[str, Any]) -> doc.Table:
    header = ["Model", "checkpoint", "steps", "frames x channels", "trained from", "weights"]
    rows = [
        [
            SLOTS[slot].title,
            result["folder"],
            f"{result['step']:,}",
            f"{result['frames']} x {result['embedding_size']}",
            result["dataset"],
            result["fingerprint"],
        ]
        for slot, result in found["models"].items()
    ]
    return doc.Table(header, rows)
