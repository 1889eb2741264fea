"""The document on a WaveNet autoencoder: its training, and its reconstructions."""

import itertools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import librosa
import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.evaluation.notes import title
from wavenet_ae.publish import document as doc
from wavenet_ae.publish import pictures
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.training.trained import TrainedModel

# Keys of the log, and their titles.
_CURVES = {"train/bits_per_sample": "training", "valid/bits_per_sample": "validation"}
_BASELINES = {
    "reference/uniform_bits_per_sample": "uniform",
    "reference/histogram_bits_per_sample": "histogram",
}
# Engel et al. 2017, section 3: 250,000 steps of 32 crops.
_PAPER_SAMPLES = 250_000 * 32 * 6144
_LOUDNESS = {37: "very soft", 62: "soft", 87: "medium", 113: "loud", 127: "very loud"}


class Run(NamedTuple):
    """The training of a model.

    Attributes:
        split: of the notes to show.
        metrics: lines of the log that have a loss, at least one.
        samples_per_second: the speed of training, or None if unknown.
        num_train_notes: notes that it was trained on.
    """

    split: str
    metrics: Sequence[Mapping[str, float]]
    samples_per_second: float | None
    num_train_notes: int


class ShownSound(NamedTuple):
    """A sound and its reconstruction.

    Attributes:
        encoded: its embedding.
        note: its labels, or None.
        original: the file.
        reconstruction: the file.
        before: the file of what the weights make of it that the training started from, or None.
    """

    encoded: EncodedSound
    note: Note | None
    original: Path
    reconstruction: Path
    before: Path | None = None


class Blend(NamedTuple):
    """Two of the sounds, which are notes, and the one between them."""

    first: ShownSound
    second: ShownSound
    path: Path


class Part(NamedTuple):
    """The part of the page on a model.

    Attributes:
        trained: the model.
        run: its training, None for the pretrained one.
        sounds: that it reconstructs.
        blend: of two of them.
        start: what the training's `init_from` names, whose reconstructions are shown, or None.
    """

    trained: TrainedModel
    run: Run | None
    sounds: Sequence[ShownSound]
    blend: Blend | None
    start: TrainedModel | None = None


def document(
    parts: Sequence[Part], *, num_asked: int, temperature: float, seed: int
) -> doc.Document:
    """Returns the document on one model, or on two.

    Args:
        parts: one per model.
        num_asked: how many notes of a run's split were requested.
        temperature: of the generation.
        seed: of the generation.
    """
    introduction = (
        "The model of Engel et al. 2017 turns a sound into an embedding of slow channels, and "
        "generates sound from the embedding again, sample by sample."
    )
    if len(parts) > 1:
        introduction += (
            " Below are two trained models, each with notes of its own: compare the sounds within "
            "a part."
        )
    sections = [section for part in parts for section in _sections(part, num_asked)]
    footer = (
        f"Generated at temperature {temperature:g} with seed {seed}. The sounds are also in the "
        "folder `audio` beside this page."
    )
    step = f", step {parts[0].trained.step:,}" if len(parts) == 1 else ""
    return doc.Document(
        f"What a WaveNet autoencoder makes of {'notes' if parts[0].run else 'sounds'}",
        (doc.Paragraph(introduction),),
        sections,
        (doc.Paragraph(footer),),
        window_title=f"WaveNet autoencoder{step}",
    )


def _sections(part: Part, num_asked: int) -> list[doc.Section]:
    facts = _facts(part)
    if part.run is None:
        first = doc.Section(
            "The pretrained model", (_pretrained_introduction(), facts), is_part=True
        )
        return [first, _sounds(part, num_asked), _between(part)]
    beginning = [*_run_introduction(part.trained, part.run, part.start), facts]
    first = doc.Section("The training of this run", beginning, is_part=True)
    return [first, _loss(part.run), _sounds(part, num_asked), _between(part)]


def _pretrained_introduction() -> doc.Paragraph:
    return doc.Paragraph(
        "Below are notes that come with the package, of instruments held out of training, and your "
        "own sounds if you named some; what the model makes of them; and a sound between two of "
        "them. The model card (`wavenet_ae/pretrained/README.md`) says what it was trained on and "
        "how well it does. It is not NSynth's."
    )


def _run_introduction(
    trained: TrainedModel, run: Run, start: TrainedModel | None
) -> list[doc.Block]:
    used = (
        "which the training used"
        if run.split == "train"
        else "which the training did not learn from"
    )
    introduction = (
        f"Below are notes of the split `{run.split}`, {used}, what the model makes of them after "
        f"{trained.step:,} steps, and a sound between two of them."
    )
    if (source := trained.config.get("init_from")) is not None:
        introduction += (
            f" The training started from the weights of `{source}`, whose steps are not counted."
        )
        if start is not None:
            introduction += (
                " Each note is also heard as these weights reconstruct it: those that the name "
                f"stands for today, of step {start.step:,}."
            )
        return [doc.Paragraph(introduction)]
    num_samples = trained.step * trained.setting("batch_size") * trained.setting("crop_samples")
    percent = 100 * num_samples / _PAPER_SAMPLES
    if percent >= 50:
        return [doc.Paragraph(introduction)]
    share = np.format_float_positional(percent, 2, fractional=False, trim="-")
    remark = (
        f"**This was a short training.** The model was trained on {num_samples:,} samples, "
        f"{_duration(num_samples / SAMPLE_RATE_HZ)} of sound: {share} % of what the paper's model "
        "was trained on in ten days on 32 GPUs. These sounds show whether encoding, training and "
        "generation work together, not how good the method can sound."
    )
    if percent < 1:
        remark += " Expect noise in place of a note."
    return [doc.Paragraph(introduction), doc.Remark(remark)]


def _duration(seconds: float) -> str:
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _facts(part: Part) -> doc.Facts:
    trained, model = part.trained, part.trained.task.model
    crops = f"{trained.setting('batch_size')} crops of {trained.setting('crop_samples'):,} samples"
    facts = [
        ("Encoder", f"{model.encoder_layers} layers of {model.encoder_channels} channels"),
        (
            "Decoder",
            f"{model.decoder_layers} layers of {model.decoder_channels} channels, "
            f"{model.skip_channels} in the skip sum",
        ),
        (
            "Dilations",
            f"doubling from layer to layer, from 1 again every {model.dilation_cycle} layers",
        ),
        (
            "Embedding",
            f"{model.embedding_size} numbers for every {model.hop_length} samples "
            f"({model.hop_length / 16:g} ms)",
        ),
        ("Pitch", "given to the decoder" if model.num_pitches else "not given to the decoder"),
        ("Parameters", f"{trained.num_parameters:,}"),
        ("Training" if part.run else "Training, last part", f"{trained.step:,} steps of {crops}"),
    ]
    if part.run:
        name = trained.config["dataset"]["name"]
        facts.append(("Training data", f"{part.run.num_train_notes:,} notes of `{name}`"))
    return doc.Facts([*facts, ("Weights", f"`{trained.fingerprint}`")])


def _loss(run: Run) -> doc.Section:
    reading = (
        "The surprise at every sample, of 256 possible values, given the samples before and the "
        "embedding. There are two trivial baselines: uniform (all values equally probable) and "
        "histogram (how often each occurs in the training notes, the unigram entropy). Validation "
        "and the sounds below use the EMA weights, which lag behind."
    )
    curves = {
        name: [(line["step"], line[key]) for line in run.metrics if key in line]
        for key, name in _CURVES.items()
    }
    curves = {name: points for name, points in curves.items() if points}
    last = {key: value for line in run.metrics for key, value in line.items()}
    baselines = {name: last[key] for key, name in _BASELINES.items() if key in last}
    picture = pictures.draw_curves(
        curves,
        baselines,
        "Loss in bits a sample over the steps of training, with two trivial baselines.",
        across="step",
        measured="bits a sample",
    )
    ends = {f"{name}, step {p[-1][0]:,}": p[-1][1] for name, p in curves.items()} | baselines
    rows = [[name, f"{b:.3f}", f"{b * math.log(2):.3f}"] for name, b in ends.items()]
    table = doc.Table(["last values", "bits", "nats"], rows)
    blocks: list[doc.Block] = [doc.Paragraph(reading), doc.SideBySide((doc.Figure(picture), table))]
    if run.samples_per_second is not None:
        blocks.append(doc.Aside(f"Trained at {run.samples_per_second:,.0f} samples a second."))
    return doc.Section("Loss", blocks)


def _sounds(part: Part, num_asked: int) -> doc.Section:
    blocks: list[doc.Block] = [
        doc.Paragraph(f"{pictures.RAINBOWGRAMS_SHOW} Embeddings share one scale of colours.")
    ]
    if part.run and len(part.sounds) < num_asked:
        text = f"{num_asked} notes were asked for; the split has {len(part.sounds)}."
        blocks.append(doc.Paragraph(text))
    limit = max(float(np.abs(sound.encoded.embedding).max()) for sound in part.sounds)
    is_conditioned = bool(part.trained.task.model.num_pitches)
    cards = (_card(sound, limit, is_conditioned) for sound in part.sounds)
    return doc.Section("Notes" if part.run else "Sounds", (*blocks, *cards))


def _card(sound: ShownSound, limit: float, is_conditioned: bool) -> doc.Card:
    note, encoded = sound.note, sound.encoded
    given = f"All that the decoder is given of the {'note' if note else 'sound'}"
    picture = pictures.draw_channels(
        encoded.embedding,
        encoded.num_samples / SAMPLE_RATE_HZ,
        encoded.hop_length / SAMPLE_RATE_HZ,
        limit,
        f"Embedding of {encoded.source}: each channel's value over time.",
    )
    sounds = [doc.Sound(sound.original, "original")]
    if sound.before is not None:
        sounds.append(doc.Sound(sound.before, "reconstruction before this training"))
    sounds.append(doc.Sound(sound.reconstruction, "reconstruction"))
    figure = doc.Figure(
        picture, "embedding", f"{given}{', besides its pitch' if is_conditioned else ''}."
    )
    beside = doc.SideBySide((*sounds, figure))
    if note is None:
        return doc.Card(encoded.source, (beside,))
    return doc.Card(title(note), (_labels(note), beside))


def _labels(note: Note) -> doc.Aside:
    loudness = next(word for most, word in _LOUDNESS.items() if note.velocity <= most)
    named = itertools.compress(nsynth.QUALITIES, note.qualities)
    qualities = "".join(f", {quality.replace('_', ' ')}" for quality in named)
    text = (
        f"{librosa.midi_to_note(note.pitch)} is MIDI {note.pitch}, "
        f"{librosa.midi_to_hz(note.pitch):.0f} Hz; {loudness} (velocity {note.velocity} of 127)"
        f"{qualities}. `{note.name}`"
    )
    return doc.Aside(text)


def _between(part: Part) -> doc.Section:
    if part.blend is None:
        text = "The split has one note; a blend needs two."
        return doc.Section("Between two notes", (doc.Paragraph(text),))
    first, second, path = part.blend
    pitch = ""
    if part.trained.task.model.num_pitches:
        pitch = f", at the pitch {librosa.midi_to_note(first.note.pitch)}"
    text = (
        f"The sound in the middle is generated from the mean of the two embeddings{pitch}. It is "
        "not the two sounds played at once."
    )
    sounds = (
        doc.Sound(first.original, title(first.note)),
        doc.Sound(path, "half of each"),
        doc.Sound(second.original, title(second.note)),
    )
    return doc.Section("Between two notes", (doc.Paragraph(text), doc.SideBySide(sounds)))
