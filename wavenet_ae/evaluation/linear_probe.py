"""Linear probes of embeddings (Engel et al. 2017, Table 2).

If the decoder is conditioned on pitch, the encoder need not encode it. How well a linear classifier
predicts pitch and timbre from the embeddings shows how far the two are disentangled.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from wavenet_ae.evaluation import linear_classifier, linear_probe_document
from wavenet_ae.evaluation.embedded_split import SplitNotes, encode_share, encode_split, read_split
from wavenet_ae.evaluation.intervals import bootstrap_interval
from wavenet_ae.evaluation.linear_probe_document import SLOTS, draw
from wavenet_ae.publish.study_files import StudyFiles
from wavenet_ae.synthesis import codec
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.system import processes
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import (
    DATASET_NAME,
    PATH_OR_URL,
    POSITIVE,
    SEED,
    TEXT,
    Rules,
    check,
    choice,
    optional,
    or_none,
    several,
    whole,
)
from wavenet_ae.training.trained import load_trained

FILES = StudyFiles("linear_probe", numbers="linear_probe.json", text="linear_probe.md")
EMBEDDINGS_FOLDER = "embeddings"
LABELS = ("pitch", "family", "quality", "source")

_RULES: Rules = {
    "experiment": TEXT,
    "seed": SEED,
    "models": dict.fromkeys(SLOTS, optional(or_none(PATH_OR_URL))),
    "dataset": {"name": or_none(DATASET_NAME), "data_dir": or_none(PATH_OR_URL)},
    "train_split": TEXT,
    "test_split": TEXT,
    "num_train_notes": or_none(whole(2)),
    "num_test_notes": or_none(whole(2)),
    "batch_size": whole(1),
    "labels": several(choice(*LABELS), least=1),
    "l2_penalties": several(POSITIVE, least=1),
}


def run_linear_probe(config: Mapping[str, Any], workdir: Path) -> None:
    """Encodes notes by every model, classifies them, and writes the scores.

    Several processes share the encoding; the first one classifies and writes.

    Args:
        config: see `experiments/configs/linear_probe.py`.
        workdir: a folder, for `linear_probe.json`, `linear_probe.md`, `report.html` and the
            `embeddings`, which an interrupted or a second call reuses, whatever the number of
            processes; shared by all of them.

    Raises:
        UserError: a setting is wrong, a model or a split does not exist or is not what the setting
            says, there is nothing to learn, a file cannot be written, or another process failed.
    """
    folder = workdir / EMBEDDINGS_FOLDER
    with processes.barrier():
        _check(config)
        FILES.check(workdir)
        codecs = _load_models(config["models"])
        first = next(iter(codecs.values())).trained.config["dataset"]
        name = config["dataset"]["name"] or first["name"]
        data_dir = config["dataset"]["data_dir"] or first["data_dir"]
        train = read_split(name, data_dir, config["train_split"], config["num_train_notes"])
        test = read_split(name, data_dir, config["test_split"], config["num_test_notes"])
        _check_classes(train, config["labels"])
    with processes.barrier():
        if jax.process_count() > 1:
            encode_share([*codecs.values()], (train, test), folder, config["batch_size"])
    if jax.process_index() > 0:
        return
    remarks = _remarks(codecs, train, test)
    for sentence in remarks:
        print(sentence)
    results, drawings = {}, []
    for key, model in codecs.items():
        embeddings = [
            encode_split(model, notes, folder, config["batch_size"]) for notes in (train, test)
        ]
        results[key] = _describe(model, embeddings[1]) | {"scores": {}}
        for kind in _kinds(embeddings[1]):
            features = [_features(part, kind) for part in embeddings]
            results[key]["scores"][kind] = _classify(
                *features, train, test, config, f"classifying {key}, {kind}"
            )
            drawings.append(draw(features[1], test, key, kind))
    chance = {label: _chance(train.labels[label], test.labels[label]) for label in config["labels"]}
    found = {
        "dataset": {
            "name": name,
            "data_dir": str(data_dir),
            "train": _describe_split(train),
            "test": _describe_split(test),
        },
        "models": results,
        "always_the_most_frequent": chance,
        "interval": "95 %, percentile bootstrap over the instruments of the test notes",
        "remarks": remarks,
        "config": dict(config),
    }
    document = linear_probe_document.document(found, [*filter(None, drawings)])
    print(f"open {FILES.write(workdir, document, found)} in a browser")


def _check(config: Mapping[str, Any]) -> None:
    check(config, _RULES)
    if not any(config["models"].values()):
        flags = ", ".join(f"--config.models.{key}=RUN" for key in SLOTS)
        raise UserError(f"no model is given: give at least one of {flags}.")
    if config["train_split"] == config["test_split"]:
        raise UserError(
            f"config.train_split and config.test_split are both {config['test_split']!r}: "
            "name a split to test on that the classifiers did not learn from."
        )


def _load_models(folders: Mapping[str, str | None]) -> dict[str, Codec]:
    codecs = {}
    for key, slot in SLOTS.items():
        if folders.get(key) is None:
            continue
        model = codec.create(load_trained(folders[key], slot.task))
        if bool(model.num_pitches) != slot.is_conditioned:
            other = next(k for k, s in SLOTS.items() if s.task == slot.task and k != key)
            raise UserError(
                f"config.models.{key}: {folders[key]} was trained "
                f"{'with' if model.num_pitches else 'without'} pitch conditioning: give it as "
                f"--config.models.{other}."
            )
        codecs[key] = model
    return codecs


def _check_classes(train: SplitNotes, labels: Sequence[str]) -> None:
    for label in labels:
        # There may be qualities that no note has.
        if label != "quality" and (train.labels[label] == train.labels[label][0]).all():
            raise UserError(
                f"all {len(train.notes)} notes of the split {train.split!r} have the same {label}, "
                "so that there is nothing to learn: leave it out of --config.labels, or name "
                "another split or dataset."
            )


def _remarks(codecs: Mapping[str, Codec], train: SplitNotes, test: SplitNotes) -> list[str]:
    """Returns sentences on what limits the comparison."""
    sentences = []
    data = {key: model.trained.config["dataset"] for key, model in codecs.items()}
    if len({(source["name"], str(source["data_dir"])) for source in data.values()}) > 1:
        sources = (
            f"{SLOTS[key].title} from {source['name']} in {source['data_dir']}"
            for key, source in data.items()
        )
        sentences.append(f"The models were trained from different datasets: {'; '.join(sources)}.")
    shared = len(np.intersect1d(train.instruments, test.instruments))
    if shared:
        sentences.append(
            f"{shared} of the {len(np.unique(test.instruments))} instruments of the test notes are "
            "among those of the training notes, too: the scores do not apply to new instruments."
        )
    for label in ("pitch", "family", "source"):
        unseen = int((~np.isin(test.labels[label], train.labels[label])).sum())
        if unseen:
            sentences.append(
                f"{unseen:,} of the {len(test.notes):,} test notes have a {label} that no training "
                "note has, and count as wrong."
            )
    return sentences


def _kinds(embeddings: np.ndarray) -> tuple[str, ...]:
    # The mean of one frame is the frame.
    return ("full",) if embeddings.shape[1] == 1 else ("time_averaged", "full")


def _features(embeddings: np.ndarray, kind: str) -> np.ndarray:
    if kind == "time_averaged":
        return embeddings.mean(axis=1)
    return embeddings.reshape(len(embeddings), -1)


def _classify(
    train_features: np.ndarray,
    test_features: np.ndarray,
    train: SplitNotes,
    test: SplitNotes,
    config: Mapping[str, Any],
    title: str,
) -> dict[str, dict[str, Any]]:
    """Returns the scores by label.

    `accuracy` is the share of correct predictions, of notes or, for the qualities, of all (note,
    quality) pairs; `l2_penalties` has one entry for every classifier.
    """
    scaler = StandardScaler().fit(train_features)
    inputs, test_inputs = scaler.transform(train_features), scaler.transform(test_features)
    seed = config["seed"]
    # A binary classifier for each quality, one of many classes for each other label.
    tasks = {
        label: np.reshape(train.labels[label], (len(inputs), -1)).T for label in config["labels"]
    }
    scores = {}
    with tqdm(total=sum(map(len, tasks.values())), unit="classifier", desc=title) as bar:
        for label, columns in tasks.items():
            answers = []
            for column in columns:
                answer = linear_classifier.predict(
                    inputs, column, train.instruments, test_inputs, config["l2_penalties"], seed
                )
                answers.append(answer)
                bar.update()
            truth = np.reshape(test.labels[label], (len(test_inputs), -1))
            right = np.stack([answer.labels for answer in answers], axis=1) == truth
            scores[label] = {
                "accuracy": float(right.mean()),
                "interval": bootstrap_interval(right.mean(axis=1), test.instruments, seed),
                "always_the_most_frequent": _chance(train.labels[label], test.labels[label]),
                "l2_penalties": [answer.l2_penalty for answer in answers],
                "converged": all(answer.converged for answer in answers),
            }
    return scores


def _chance(train_labels: np.ndarray, test_labels: np.ndarray) -> float:
    """Returns the accuracy of the training notes' most frequent class, or of no quality."""
    if test_labels.dtype == bool:
        return float((~test_labels).mean())
    return float((test_labels == np.bincount(train_labels).argmax()).mean())


def _describe(model: Codec, embeddings: np.ndarray) -> dict[str, Any]:
    return model.trained.describe() | {
        "frames": embeddings.shape[1],
        "embedding_size": embeddings.shape[2],
    }


def _describe_split(notes: SplitNotes) -> dict[str, Any]:
    return {
        "split": notes.split,
        "notes": len(notes.notes),
        "notes_in_split": len(notes.dataset),
        "instruments": len(np.unique(notes.instruments)),
    }
