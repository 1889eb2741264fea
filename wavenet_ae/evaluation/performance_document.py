"""The document on performances of the MIDI-conditioned WaveNet: scores, and sounds."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wavenet_ae.evaluation import intervals
from wavenet_ae.publish import document as doc

ORIGINAL, PERFORMED, OTHER = "original", "performed", "another_excerpt"
_ROWS = {ORIGINAL: "the original", PERFORMED: "performed", OTHER: "another excerpt"}
_COLUMNS = {"f1": "notes, F1, %", "precision": "precision, %", "recall": "recall, %"}
_NOTHING = "-"


class ShownExcerpt(NamedTuple):
    """An excerpt and its WAV files by row of the table."""

    name: str
    sounds: Mapping[str, Path]


def document(found: Mapping[str, Any], shown: Sequence[ShownExcerpt]) -> doc.Document:
    """Returns the tables and the sounds.

    Args:
        found: as `performance.evaluate_performance` collects it.
        shown: excerpts to listen to.
    """
    data = found["data"]
    introduction = (
        f"{data['num_excerpts']} excerpts of {data['seconds']} s with {data['num_notes']:,} notes, "
        f"from the split `{data['split']}` of `{data['name']}`. The network plays them from the "
        "notes alone, on its own past samples; a transcriber looks for the notes in it and in the "
        "original sound. In parentheses 95 % intervals, from resampled excerpts."
    )
    return doc.Document(
        "What is left of the notes when a WaveNet plays them",
        (doc.Paragraph(introduction),),
        (
            doc.Section("Notes", (_note_table(found["rows"]), doc.Paragraph(_READING))),
            doc.Section("By register", (_register_table(found["rows"]),)),
            doc.Section("Wrong notes", (_wrong_table(found["rows"]), doc.Paragraph(_WRONG))),
            doc.Section(
                "With the true past", (_loss_table(found["loss"]), doc.Paragraph(_TRUE_PAST))
            ),
            doc.Section("Sounds", (doc.OnPage([_card(s) for s in shown]),) if shown else ()),
            doc.Section("Checkpoint", (_checkpoint_table(found["checkpoint"]),)),
        ),
        window_title="Performances from MIDI",
    )


_READING = (
    "A note is found if a transcribed one has its pitch and begins within 50 ms of it (mir_eval); "
    "its end and loudness do not count. The transcriber is basic-pitch. Beside the performances, "
    "the same for the original, which shows what the transcriber can find, and for the original of "
    "another excerpt, which shows what agrees by chance. Unlike in training, the network does not "
    "know the notes before and after."
)
_WRONG = (
    "What kinds of notes are found that are not in the piece: means over the excerpts in which any "
    "note is found."
)
_TRUE_PAST = (
    "The loss with teacher forcing, which tells little of whether the notes are heard; and how "
    "many bits a sample more it takes with the notes of another crop: 0 for a network that is deaf "
    "to them."
)


def _percent(score: Mapping[str, float] | None) -> str:
    return _NOTHING if score is None else intervals.as_text(score)


def _note_table(rows: Mapping[str, Any]) -> doc.Table:
    cells = [[_ROWS[row], *(_percent(s.get(c)) for c in _COLUMNS)] for row, s in rows.items()]
    return doc.Table(["", *_COLUMNS.values()], cells)


def _register_table(rows: Mapping[str, Any]) -> doc.Table:
    names = [*next(iter(rows.values()))["registers"]]
    cells = [[_ROWS[row], *(_percent(s["registers"][n]) for n in names)] for row, s in rows.items()]
    return doc.Table(["notes, F1, %", *names], cells)


def _wrong_table(rows: Mapping[str, Any]) -> doc.Table:
    titles = {
        "repeated": "a sounding note again, or at another time",
        "overtone": "an over- or undertone of one",
        "other": "any other",
    }
    cells = [
        [_ROWS[row], *(_percent(s["wrong"].get(t)) for t in titles)] for row, s in rows.items()
    ]
    return doc.Table(["of the notes found, %", *titles.values()], cells)


def _loss_table(loss: Mapping[str, Mapping[str, float]]) -> doc.Table:
    titles = {
        "bits_per_sample": "bits a sample",
        "roll_gap_bits": "more bits with the notes of another crop",
    }
    rows = [
        [title, intervals.as_text(loss[name], factor=1, digits=3)] for name, title in titles.items()
    ]
    return doc.Table(["", "mean"], rows)


def _card(shown: ShownExcerpt) -> doc.Card:
    sounds = [doc.Sound(path, _ROWS[row]) for row, path in shown.sounds.items()]
    return doc.Card(shown.name, (doc.SoundGrid([sounds]),))


def _checkpoint_table(checkpoint: Mapping[str, Any]) -> doc.Table:
    header = ["step", "parameters", "trained on", "fingerprint", "folder"]
    row = [
        f"{checkpoint['step']:,}",
        f"{checkpoint['parameters']:,}",
        checkpoint["dataset"],
        checkpoint["fingerprint"],
        checkpoint["folder"],
    ]
    return doc.Table(header, [row])
