"""The document on interpolations: what was done, and the sounds themselves."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import librosa
import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.evaluation.interpolation_pairs import Pair
from wavenet_ae.publish import document as doc
from wavenet_ae.publish import pictures
from wavenet_ae.synthesis.codec import Codec

MIX = "mix"
# Titles of rows of sounds by folder; the models' folders have the names of their tasks.
ROWS = {MIX: "mix", "wavenet": "WaveNet", "spectral": "spectral"}

_INTERPOLATIONS = {
    "linear": "the sum of the two embeddings, with the same weights",
    "spherical": "a point on the arc from one embedding to the other, at constant angular speed",
}


class ShownPair(NamedTuple):
    """A pair and the sounds made from it.

    Attributes:
        pair: the two sounds.
        originals: their WAV files.
        grid: the sounds between them, each row by weight.
        pitches: MIDI, given at weight 0 and at weight 1.
    """

    pair: Pair
    originals: tuple[Path, Path]
    grid: Sequence[Sequence[doc.Sound]]
    pitches: tuple[int, int]


def document(
    models: Mapping[str, Codec],
    pairs: Sequence[ShownPair],
    settings: Mapping[str, Any],
    classified: Mapping[str, Any] | None,
) -> doc.Document:
    """Returns the grids of sounds and explanations of them.

    Args:
        models: by task.
        pairs: to show.
        settings: `interpolation`, `pitch`, `seed` and `weights` of `write_interpolation`.
        classified: what a classifier named, from `interpolation_scores.classify`.
    """
    is_conditioned = any(model.num_pitches for model in models.values())
    beginning: list[doc.Block] = [_introduction(settings["interpolation"]), _listening(models)]
    if is_conditioned:
        beginning.append(_pitch(settings["pitch"]))
    beginning.append(_model_table(models))
    if classified:
        explanation = (
            "A classifier names each sound's pitch and family. In brackets 95 % intervals, from "
            "resampling the pairs."
        )
        beginning += [
            doc.Paragraph(explanation),
            _classification_table(classified, settings["weights"]),
        ]
    shows_pitch = is_conditioned and settings["pitch"] is None
    footer = (
        f"{pictures.RAINBOWGRAMS_SHOW} Generated with seed {settings['seed']}. The sounds are also "
        "in folders beside this page; `interpolation.json` lists them."
    )
    return doc.Document(
        "Between two sounds",
        beginning,
        [_section(pair, shows_pitch) for pair in pairs],
        (doc.Paragraph(footer),),
    )


def _introduction(interpolation: str) -> doc.Paragraph:
    return doc.Paragraph(
        "From left to right the first sound gives way to the second: 0 % is the first alone, "
        "100 % the second alone. In the row **mix** the sounds themselves are added with these "
        "weights. In the other rows a model of Engel et al. 2017 encoded both sounds, and every "
        f"sound is generated from {_INTERPOLATIONS[interpolation]}; at 0 % and 100 % are the "
        "model's reconstructions."
    )


def _listening(models: Mapping[str, Codec]) -> doc.Remark:
    text = (
        "**What to listen for:** a mix is heard as two instruments that play at once. The "
        "paper's question (section 4.2) is whether a sound between two embeddings is heard as one "
        "instrument, with something of both. The reconstructions show how much of a sound a model "
        "keeps at all, before anything is blended."
    )
    if not all(model.keeps_level for model in models.values()):
        text += (
            " The spectral autoencoder does not keep a note's level: the peak of what it decodes "
            "is at full scale."
        )
    return doc.Remark(text)


def _pitch(pitch: int | None) -> doc.Paragraph:
    given = (
        "the pitch of both sounds where they agree, else the nearer one's: below 50 % the first's, "
        "from 50 % on the second's"
        if pitch is None
        else f"one pitch for all sounds, {_pitch_name(pitch)}"
    )
    return doc.Paragraph(f"A model that is conditioned on pitch is given {given}.")


def _pitch_name(midi: int) -> str:
    return f"{librosa.midi_to_note(midi)} (MIDI {midi})"


def _model_table(models: Mapping[str, Codec]) -> doc.Table:
    rows = []
    for task, model in models.items():
        settings = {name.replace("_", " "): value for name, value in model.settings.items()}
        rows.append(
            [
                ROWS[task],
                f"{model.trained.step:,}",
                f"{model.embedding_size} numbers for "
                f"{1000 * model.hop_length / SAMPLE_RATE_HZ:g} ms",
                "given" if model.num_pitches else "not given",
                ", ".join(f"{name} {value:g}" for name, value in settings.items()),
                model.trained.fingerprint,
            ]
        )
    return doc.Table(["model", "steps", "embedding", "pitch", "decoder", "weights"], rows)


def _classification_table(classified: Mapping[str, Any], weights: Sequence[float]) -> doc.Table:
    header = ["sound", "named, % of the pairs", *(f"{100 * weight:.3g} %" for weight in weights)]
    rows = [
        [ROWS[folder], what.replace("_", " ")]
        + [f"{100 * s['mean']:.0f} ({100 * s['low']:.0f} to {100 * s['high']:.0f})" for s in shares]
        for folder, by_label in classified.items()
        for what, shares in by_label.items()
    ]
    return doc.Table(header, rows)


def _section(shown: ShownPair, shows_pitch: bool) -> doc.Section:
    first, second = shown.pair
    originals = [
        doc.Sound(path, f"{place}: {end.title}")
        for path, (place, end) in zip(shown.originals, shown.pair._asdict().items(), strict=True)
    ]
    facts: list[str] = []
    if first.split and second.split:
        facts.append(f"`{first.name}`, `{second.name}` of `{first.split}`.")
    for place, end in shown.pair._asdict().items():
        if missing := shown.pair.num_samples - len(end.audio):
            silence_s = missing / SAMPLE_RATE_HZ
            length = np.format_float_positional(silence_s, 2, fractional=False, trim="-")
            facts.append(
                f"The {place} sound is followed by {length} s of silence, to the length of the "
                "other."
            )
    if shows_pitch:
        low, high = shown.pitches
        later = f", from 50 % on {_pitch_name(high)}" if high != low else ""
        facts.append(f"Pitch given: {_pitch_name(low)}{later}.")
    aside = [doc.Aside(" ".join(facts))] if facts else []
    return doc.Section(
        f"From {first.title} to {second.title}",
        (*aside, doc.SoundGrid([originals]), doc.SoundGrid(shown.grid)),
    )
