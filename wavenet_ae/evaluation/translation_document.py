"""The document on translations: scores, and excerpts to listen to."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wavenet_ae.evaluation import intervals
from wavenet_ae.evaluation import translation_scores as scores
from wavenet_ae.publish import document as doc

MODELS = {"translation": "", "without_confusion": " without confusion"}
_ROWS = {
    scores.SOURCE: "the source",
    scores.OTHER: "another excerpt",
    **{
        f"{model}_{kind}": f"{kind}{title}"
        for model, title in MODELS.items()
        for kind in (scores.RECONSTRUCTED, scores.TRANSLATED)
    },
}
# Columns: heading, factor, digits.
_COLUMNS = {
    "pitch": ("pitch kept, %", 100, 1),
    "chroma": ("in any octave, %", 100, 1),
    "distance": ("warped distance, semitones", 1, 2),
    "target_named": ("target named, %", 100, 1),
    "source_named": ("source named, %", 100, 1),
}
_NOTHING = "-"


class ShownSource(NamedTuple):
    """An excerpt and its translations.

    Attributes:
        domain: the excerpt's.
        source: its WAV file.
        translations: WAV files by model and domain.
    """

    domain: str
    source: Path
    translations: Mapping[str, Mapping[str, Path]]


def document(found: Mapping[str, Any], shown: Sequence[ShownSource]) -> doc.Document:
    """Returns the tables and the sounds.

    Args:
        found: as `translation.evaluate_translation` collects it.
        shown: excerpts to listen to.
    """
    data = found["data"]
    introduction = (
        f"{data['num_excerpts']} excerpts of {data['seconds']:g} s, equally many of "
        f"{', '.join(found['domains'])}, from the split `{data['split']}` of `{data['name']}`, "
        "played by the decoder of every domain. Translated is what another domain plays than the "
        "excerpt's own, reconstructed what its own plays. In parentheses 95 % intervals, from "
        "resampled excerpts."
    )
    return doc.Document(
        "What is left of music that another domain plays",
        (doc.Paragraph(introduction),),
        (
            doc.Section("Melody and timbre", (_score_table(found), doc.Paragraph(_READING))),
            doc.Section("The latent", (_latent_table(found), doc.Paragraph(_LATENT))),
            doc.Section("From domain to domain", _pair_tables(found)),
            doc.Section("Sounds", (doc.OnPage([_card(s) for s in shown]),) if shown else ()),
            doc.Section("Checkpoints", (_checkpoint_table(found),)),
        ),
        window_title="Music translation",
    )


_READING = (
    "Pitch kept is the share of the frames (32 ms) with a pitch in the source in which the "
    "translation has the same, within 50 cents, by the pitch tracker pyin. The warped distance is "
    "between both melodies after dynamic time warping. Beside them, the same between an excerpt "
    "and the next, which has nothing to do with it. The domains are named, for windows of 2 s, by "
    "a logistic regression on the timbre (mel-frequency cepstral coefficients) of the training "
    "split."
)
_LATENT = (
    "How often a perceptron that learned from the latents of the training split finds the domain "
    "of 2 s of the excerpts in theirs; the network's own classifier, which the encoder deceives, "
    "has no part in it."
)


def _score_table(found: Mapping[str, Any]) -> doc.Table:
    rows = [
        [
            _ROWS[row],
            *(
                intervals.as_text(columns[name], factor, digits) if name in columns else _NOTHING
                for name, (_, factor, digits) in _COLUMNS.items()
            ),
        ]
        for row, columns in found["rows"].items()
    ]
    return doc.Table(["", *(heading for heading, _, _ in _COLUMNS.values())], rows)


def _latent_table(found: Mapping[str, Any]) -> doc.Table:
    rows = [
        [f"the network{MODELS[model]}", intervals.as_text(score)]
        for model, score in found["latent"].items()
    ]
    return doc.Table(
        ["latents of", "domain found, %"], [*rows, ["chance", f"{100 * found['chance']:.1f}"]]
    )


def _pair_tables(found: Mapping[str, Any]) -> list[doc.Table]:
    domains = found["domains"]
    return [
        doc.Table(
            ["from", *(f"to {domain}" for domain in domains)],
            [
                [domain, *(_NOTHING if v is None else f"{100 * v:.0f}" for v in row)]
                for domain, row in zip(domains, table[name], strict=True)
            ],
            caption=f"{_COLUMNS[name][0]}{MODELS[model]}",
        )
        for model, table in found["tables"].items()
        for name in ("pitch", "target_named")
    ]


def _card(shown: ShownSource) -> doc.Card:
    source = [doc.Sound(shown.source, shown.domain)]
    grid = [
        [doc.Sound(path, f"to {domain}{MODELS[model]}") for domain, path in by_domain.items()]
        for model, by_domain in shown.translations.items()
    ]
    return doc.Card(f"An excerpt of {shown.domain}", (doc.SoundGrid([source]), doc.SoundGrid(grid)))


def _checkpoint_table(found: Mapping[str, Any]) -> doc.Table:
    header = ["checkpoint", "step", "parameters", "trained on", "fingerprint", "folder"]
    rows = [
        [
            f"the network{MODELS[model]}",
            f"{checkpoint['step']:,}",
            f"{checkpoint['parameters']:,}",
            checkpoint["dataset"],
            checkpoint["fingerprint"],
            checkpoint["folder"],
        ]
        for model, checkpoint in found["checkpoints"].items()
    ]
    return doc.Table(header, rows)
