"""A page to listen to: what a run learned, and what it makes of notes that it did not train on."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import input_pipeline, nsynth
from wavenet_ae.errors import UserError
from wavenet_ae.evaluation import page, pictures
from wavenet_ae.evaluation.notes import Note, choose_notes, choose_pair, read_audio, read_labels
from wavenet_ae.synthesis import codec, embeddings
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.encode_files import encode_sound
from wavenet_ae.synthesis.generate_files import Job, generate_files
from wavenet_ae.training.metrics import METRICS_FILE, TIMING_FILE, read_metrics
from wavenet_ae.training.trained import TrainedModel, load_trained

REPORT_FILE = "report.html"
AUDIO_FOLDER = "audio"

_TEMPLATE = "report.html.jinja"
# Engel et al. 2017, section 3: 250,000 steps of 32 crops.
_PAPER_SAMPLES = 250_000 * 32 * 6144


def write_report(
    workdir: Path,
    output: Path,
    *,
    data_dir: str | None = None,
    split: str = "test",
    num_notes: int = 4,
    seconds: float = float(nsynth.NOTE_SECONDS),
    temperature: float = 1.0,
    seed: int = 0,
) -> Path:
    """Encodes and regenerates notes, blends two of them, and writes the page about it.

    Sounds that an earlier call generated from the same weights and settings are taken as they are.

    Args:
        workdir: a run's folder.
        output: a folder, for `report.html` and the WAV files in `audio`.
        data_dir: TFDS's folder of datasets; None for the one that the run names.
        split: of the run's dataset, to take the notes from.
        num_notes: how many to show; fewer if the split has fewer.
        seconds: of every note; what follows is cut off.
        temperature: of the generation.
        seed: of the generation; it has no influence on the choice of notes.

    Returns:
        The page's path.

    Raises:
        UserError: the run, its checkpoint, its metrics or the split are not there, or the output
            cannot be written.
    """
    if not 0 < seconds < math.inf:
        raise UserError(f"--seconds={seconds} must be a number above 0.")
    trained = load_trained(workdir, "wavenet")
    model = codec.create(trained, temperature=temperature)
    training_facts = _training_facts(trained, _open(trained, data_dir, "train"))
    loss_facts = _loss_facts(_read_bits(workdir), read_metrics(workdir, TIMING_FILE))
    dataset = _open(trained, data_dir, split)
    notes = choose_notes(read_labels(dataset), num_notes)
    if len(notes) < num_notes:
        print(f"notes in the split {split}: {len(notes)}, fewer than --num_notes={num_notes}")
    num_samples = max(1, round(seconds * SAMPLE_RATE_HZ))
    originals = {note: read_audio(dataset, note)[:num_samples] for note in notes}
    text = page.render(
        _TEMPLATE,
        **training_facts,
        **loss_facts,
        **_make_sounds(model, originals, output / AUDIO_FOLDER, seed),
        split=split,
        num_asked=num_notes,
        temperature=temperature,
        seed=seed,
    )
    page.write(output / REPORT_FILE, text)
    return output / REPORT_FILE


def _open(trained: TrainedModel, data_dir: str | None, split: str) -> Sequence[dict[str, Any]]:
    dataset = trained.config["dataset"]
    return input_pipeline.open_split(dataset["name"], data_dir or dataset["data_dir"], split)


def _make_sounds(
    model: Codec,
    originals: dict[Note, np.ndarray],
    folder: Path,
    seed: int,
) -> dict[str, Any]:
    """Writes the originals, generates the other sounds, and returns them with their pictures."""
    for note, audio in originals.items():
        files.save(folder / f"{note.id}_original.wav", audio)
    encoded = {
        note: encode_sound(model, audio, source=note.id, pitch=note.pitch)
        for note, audio in tqdm(originals.items(), unit="note", desc="encoding")
    }
    jobs = [Job(f"{note.id}_reconstruction", sound) for note, sound in encoded.items()]
    pair = choose_pair(list(encoded))
    blend = _blend(pair, encoded) if pair else None
    generate_files(model, [*jobs, blend] if blend else jobs, folder, seed=seed)

    def read(stem: str, prefix: str) -> page.Sound:
        return page.read_sound(folder / f"{stem}.wav", prefix)

    limit = max(float(np.abs(sound.embedding).max()) for sound in encoded.values())
    return {
        "notes": list(encoded),
        "originals": [read(f"{note.id}_original", "note") for note in encoded],
        "reconstructions": [read(job.name, "note") for job in jobs],
        "embeddings": [pictures.draw_embedding(sound, limit) for sound in encoded.values()],
        "pair": pair,
        "pair_originals": [read(f"{note.id}_original", "pair") for note in pair or ()],
        "blend": read(blend.name, "pair") if blend else None,
    }


def _blend(pair: tuple[Note, Note], encoded: dict[Note, EncodedSound]) -> Job:
    sound = embeddings.blend([encoded[note] for note in pair], [0.5, 0.5])
    name = "_".join(note.id for note in pair)
    # A model that is conditioned on pitch can play but one.
    return Job(f"{name}_blend", sound._replace(pitch=pair[0].pitch))


def _read_bits(workdir: Path) -> list[dict[str, float]]:
    """Returns the lines of the run's log; there is at least one."""
    lines = [line for line in read_metrics(workdir) if "train/bits_per_sample" in line]
    if not lines:
        raise UserError(
            f"{workdir / METRICS_FILE} holds no losses: restore it from a copy, or train further."
        )
    return lines


def _training_facts(trained: TrainedModel, train_notes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Returns what the page says of the model and of the length of its training."""
    config = trained.config
    num_samples = trained.step * config["batch_size"] * config["crop_samples"]
    return {
        "trained": trained,
        "model": trained.task.model,
        "num_parameters": sum(leaf.size for leaf in jax.tree.leaves(trained.params)),
        "num_samples": num_samples,
        "duration": _duration(num_samples / SAMPLE_RATE_HZ),
        "percent_of_paper": 100 * num_samples / _PAPER_SAMPLES,
        "num_train_notes": len(train_notes),
    }


def _duration(seconds: float) -> str:
    for unit, size in (("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} seconds"


def _loss_facts(metrics: list[dict[str, float]], timing: list[dict[str, float]]) -> dict[str, Any]:
    """Returns the loss curve, the rows of the table beside it, and the speed of training."""
    last = {key: (line["step"], line[key]) for line in metrics for key in line}
    curves = [
        (f"{name}, step {last[key][0]:,}", last[key][1])
        for key, (name, _) in pictures.CURVES.items()
        if key in last
    ]
    references = [
        (name, last[key][1]) for key, (name, _) in pictures.REFERENCES.items() if key in last
    ]
    in_nats = math.log(2)
    return {
        "loss_picture": pictures.draw_loss(metrics),
        "losses": [
            (name, f"{bits:.3f}", f"{bits * in_nats:.3f}") for name, bits in [*curves, *references]
        ],
        "samples_per_second": timing[-1]["samples_per_second"] if timing else None,
    }
