"""Table 1 of Engel et al. 2017: a classifier's accuracy on notes and on their reconstructions.

Every process reconstructs and scores a share of the notes; the first one writes the results. The
classifier normalises by its moving statistics (the authors' evaluation: by the batch's), so that a
note's scores do not depend on the rest of its batch.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.data.input_pipeline import ProcessShare
from wavenet_ae.data.nsynth import Note
from wavenet_ae.evaluation import table1_document
from wavenet_ae.evaluation.embedded_split import SplitNotes, encode_split, read_split
from wavenet_ae.evaluation.intervals import mean_with_interval
from wavenet_ae.evaluation.notes import choose_notes
from wavenet_ae.evaluation.scores import Scorer, log_spectral_distance
from wavenet_ae.publish.study_files import StudyFiles
from wavenet_ae.synthesis import codec
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.generate_files import Job, check_names, generate_files, save_sounds
from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import (
    DATASET_NAME,
    NOT_NEGATIVE,
    PATH_OR_URL,
    SEED,
    SHARE,
    TEXT,
    Rules,
    check,
    or_none,
    whole,
)
from wavenet_ae.training.trained import TrainedModel, load_trained

FILES = StudyFiles("table1", numbers="table1.json", text="table1.md")
NOTES_FILE = "notes.jsonl"
# The settings of each model's decoder.
MODELS = {
    "wavenet": ("temperature",),
    "spectral": ("griffin_lim_iterations", "griffin_lim_momentum"),
}
ORIGINAL = "original"
# Engel et al. 2017, table 1: percent.
PAPER = {
    ORIGINAL: {"pitch_accuracy": 91.6, "quality_accuracy": 90.1},
    "wavenet": {"pitch_accuracy": 79.6, "quality_accuracy": 88.9},
    "spectral": {"pitch_accuracy": 46.9, "quality_accuracy": 85.2},
}

_LABELS = ("pitch", "family", "source", "qualities")
_ACCURACIES = ("pitch_accuracy", "quality_accuracy", "family_accuracy", "source_accuracy")
_SHOWN = _ACCURACIES[:2]
# The C of each octave that begins a register, by its MIDI pitch: 60 is middle C.
_OCTAVES = (36, 48, 60, 72, 84)
_REGISTERS = ("below C2", "C2 to B2", "C3 to B3", "C4 to B4", "C5 to B5", "C6 and above")
_DISTANCE = "log_spectral_distance_db"
_BITS = "bits_per_sample"
# Notes that are encoded or scored at a time on every device, to bound the memory.
_ROWS_PER_DEVICE = 8

RULES: Rules = {
    "experiment": TEXT,
    **dict.fromkeys(("classifier", *MODELS), or_none(PATH_OR_URL)),
    "dataset": {"name": or_none(DATASET_NAME), "data_dir": or_none(PATH_OR_URL)},
    "split": TEXT,
    "num_notes": or_none(whole(1)),
    "temperature": NOT_NEGATIVE,
    "griffin_lim_iterations": whole(0, 1_000_000),
    "griffin_lim_momentum": SHARE,
    "seed": SEED,
    "batch_size": whole(1),
    "num_shown": whole(0),
}

# A number for every note: by the row of the table, and by the column.
Scores = dict[str, dict[str, np.ndarray]]


def evaluate_table1(
    config: Mapping[str, Any], workdir: Path, loaded: Mapping[str, TrainedModel] = {}
) -> dict[str, Any]:
    """Reconstructs the notes of a split with both models, and scores notes and reconstructions.

    Reconstructions that an earlier call generated from the same weights and settings are reused.

    Args:
        config: `experiments/configs/table1.py` documents the settings.
        workdir: the folder to write: `table1.json`, `table1.md`, `report.html`, `notes.jsonl` with
            the scores of every note, and the sounds.
        loaded: models to take instead of those that the configuration names, by their kinds.

    Returns:
        The columns of each row, each with its mean and 95 % interval; in processes other than the
        first, nothing.

    Raises:
        UserError: a checkpoint is of the wrong kind, the data or the split does not exist, or
            another process failed.
    """
    share = ProcessShare(jax.process_index(), jax.process_count())
    with processes.barrier():
        check(config, RULES)
        classifier, codecs = _load_models(config, loaded)
        dataset = dict(classifier.config["dataset"])
        dataset |= {name: value for name, value in config["dataset"].items() if value is not None}
        where = (dataset["name"], dataset["data_dir"], config["split"], config["num_notes"])
        notes = read_split(*where, share)
        _check_folder(workdir, [*codecs], [note.name for note in notes.notes])
    with processes.barrier():
        for kind, model in codecs.items():
            _reconstruct(model, notes, workdir, kind, config)
        scores = _score(classifier, codecs, notes, workdir)
    scores = _gather(scores)
    if jax.process_index() != 0:
        return {}
    everything = notes if share.count == 1 else read_split(*where)
    found = {
        "data": {
            "name": dataset["name"],
            "data_dir": dataset["data_dir"],
            "split": config["split"],
            "num_notes": len(everything.notes),
            "num_instruments": len(np.unique(everything.instruments)),
        },
        "checkpoints": {
            name: trained.describe()
            for name, trained in [
                *((kind, model.trained) for kind, model in codecs.items()),
                ("classifier", classifier),
            ]
        },
        "settings": {"seed": config["seed"]}
        | {name: value for model in codecs.values() for name, value in model.settings.items()},
        "no_quality_accuracy": float(1 - everything.labels["quality"].mean()),
        "rows": _summarise(scores, everything.instruments, config["seed"]),
        "families": _by_group(scores, everything.labels["family"], nsynth.FAMILIES),
        "registers": _by_group(
            scores, np.searchsorted(_OCTAVES, everything.labels["pitch"], "right"), _REGISTERS
        ),
        "paper": {row: PAPER[row] for row in scores},
    }
    _write_notes(workdir / NOTES_FILE, scores, everything.notes)
    shown = _show(notes, codecs, workdir, config["num_shown"])
    page = FILES.write(workdir, table1_document.document(found, shown), found)
    print(f"{page}: scores of {len(everything.notes)} notes")
    return found["rows"]


def _load_models(
    config: Mapping[str, Any], loaded: Mapping[str, TrainedModel]
) -> tuple[TrainedModel, dict[str, Codec]]:
    """Returns the classifier, and the given autoencoders."""
    trained = {
        kind: loaded[kind] if kind in loaded else load_trained(config[kind], kind)
        for kind in ("classifier", *MODELS)
        if config[kind] is not None
    }
    if "classifier" not in trained:
        raise UserError(
            "there is no --config.classifier: name a run of experiments/configs/classifier.py."
        )
    if len(trained) == 1:
        raise UserError("there is nothing to evaluate: name --config.wavenet or --config.spectral.")
    codecs = {
        kind: codec.create(trained[kind], **{name: config[name] for name in settings})
        for kind, settings in MODELS.items()
        if kind in trained
    }
    return trained["classifier"], codecs


def _check_folder(workdir: Path, kinds: Sequence[str], ids: Sequence[str]) -> None:
    """Raises a UserError if files that are not ours would be replaced."""
    FILES.check(workdir, [NOTES_FILE])
    for kind in (*kinds, ORIGINAL):
        check_names(workdir / kind, ids)


def _reconstruct(
    model: Codec, notes: SplitNotes, workdir: Path, kind: str, config: Mapping[str, Any]
) -> None:
    """Writes the reconstructions that are not in the workdir yet."""
    size = _ROWS_PER_DEVICE * jax.local_device_count()
    encoded = encode_split(model, notes, workdir / "embeddings", size)
    jobs = [
        Job(
            note.name,
            EncodedSound(
                embedding=embedding,
                hop_length=model.hop_length,
                num_samples=nsynth.NOTE_SAMPLES,
                source=note.name,
                fingerprint=model.trained.fingerprint,
                pitch=note.pitch,
            ),
        )
        for note, embedding in zip(notes.notes, encoded, strict=True)
    ]
    generate_files(
        model, jobs, workdir / kind, seed=config["seed"], batch_size=config["batch_size"]
    )


def _score(
    classifier: TrainedModel, codecs: Mapping[str, Codec], notes: SplitNotes, workdir: Path
) -> Scores:
    """Returns the scores of these notes and of their reconstructions."""
    classify = Scorer(classifier)
    columns: dict[str, list[dict[str, np.ndarray]]] = {row: [] for row in (ORIGINAL, *codecs)}
    predict = Scorer(codecs["wavenet"].trained) if "wavenet" in codecs else None
    size = _ROWS_PER_DEVICE * jax.local_device_count()
    batches = range(0, len(notes.notes), size)
    for first in processes.progress(batches, unit="batch", desc="scoring"):
        examples = [notes.dataset[i] for i in notes.indices[first : first + size].tolist()]
        audio = np.stack([example["audio"] for example in examples])
        labels = {name: np.stack([e[name] for e in examples]) for name in _LABELS}
        columns[ORIGINAL].append(classify(audio, labels))
        for kind in codecs:
            paths = [workdir / kind / f"{example['id']}.wav" for example in examples]
            again = np.stack([files.load(path) for path in paths])
            distance = np.asarray(log_spectral_distance(audio, again))
            columns[kind].append(classify(again, labels) | {_DISTANCE: distance})
        if predict is not None:
            hop = codecs["wavenet"].hop_length
            whole_frames = audio[:, : audio.shape[1] // hop * hop]
            columns["wavenet"][-1][_BITS] = predict(whole_frames, labels)[_BITS]
    return {
        row: {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for row, parts in columns.items()
    }


def _gather(scores: Scores) -> Scores:
    """Returns the scores of all processes' notes, in the order of the split."""
    count = jax.process_count()
    if count == 1:
        return scores
    here = len(scores[ORIGINAL]["loss"])
    shares = multihost_utils.process_allgather(np.array(here)).tolist()

    def one(values: np.ndarray) -> np.ndarray:
        padded = np.pad(values.astype(np.float32), (0, max(shares) - here))
        # Process p has the notes p, p + count, ...
        return multihost_utils.process_allgather(padded).T.reshape(-1)[: sum(shares)]

    # Not jax.tree.map, which would sort the rows.
    return {
        row: {name: one(values) for name, values in columns.items()}
        for row, columns in scores.items()
    }


def _summarise(scores: Scores, instruments: np.ndarray, seed: int) -> dict[str, Any]:
    """Returns each column's mean over the notes, with its 95 % interval."""
    rows: dict[str, Any] = {}
    for row, columns in scores.items():
        rows[row] = {}
        for name in (*_ACCURACIES, _DISTANCE, _BITS):
            if name in columns:
                rows[row][name] = mean_with_interval(columns[name], instruments, seed)
    return rows


def _by_group(scores: Scores, groups: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """Returns the number of notes and the mean accuracies of each group, by its name."""
    return {
        names[group]: {
            "num_notes": int(np.sum(groups == group)),
            "rows": {
                row: {name: float(columns[name][groups == group].mean()) for name in _SHOWN}
                for row, columns in scores.items()
            },
        }
        for group in np.unique(groups).tolist()
    }


def _write_notes(path: Path, scores: Scores, notes: Sequence[Note]) -> None:
    """Writes the scores, one line per note."""
    lines = [
        json.dumps(
            {"note": note.name}
            | {
                row: {name: round(float(values[i]), 6) for name, values in columns.items()}
                for row, columns in scores.items()
            }
        )
        for i, note in enumerate(notes)
    ]
    FILES.write_text(path, "\n".join(lines) + "\n")


def _show(
    notes: SplitNotes, codecs: Mapping[str, Codec], workdir: Path, count: int
) -> list[tuple[Note, dict[str, Path]]]:
    """Writes the originals of a few notes, and returns those notes with the file of each row."""
    shown = choose_notes(notes.notes, count)
    places = dict(zip(notes.notes, notes.indices.tolist(), strict=True))
    sounds = {note.name: notes.dataset[places[note]]["audio"] for note in shown}
    save_sounds(workdir / ORIGINAL, sounds)
    return [
        (note, {row: workdir / row / f"{note.name}.wav" for row in (ORIGINAL, *codecs)})
        for note in shown
    ]
