"""Between two sounds: mixing the sounds themselves, against decoding a blend of their embeddings.

Engel et al. 2017, section 4.2: of two notes, the mean of the embeddings is decoded by both models
and compared with the mean of the sounds; here there are several weights from one to the other.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae.data.nsynth import Note
from wavenet_ae.evaluation import interpolation_document, interpolation_scores
from wavenet_ae.evaluation.interpolation_document import MIX, ROWS, ShownPair
from wavenet_ae.evaluation.interpolation_pairs import End, Pair
from wavenet_ae.publish.document import Sound
from wavenet_ae.publish.study_files import StudyFiles
from wavenet_ae.synthesis import codec, embeddings
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.encode_files import encode_sound, report_other_pitch
from wavenet_ae.synthesis.generate_files import (
    Job,
    check_names,
    check_pitch,
    generate_files,
    save_sounds,
)
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import TrainedModel, load_trained

FILES = StudyFiles("interpolate", numbers="interpolation.json")
ORIGINAL_FOLDER = "original"

# A page holds all sounds, and names of files have three digits for a weight.
_MOST_WEIGHTS = 101


class _Row(NamedTuple):
    """A pair and what is generated from it.

    Attributes:
        name: the prefix of the pair's files; unique.
        pair: the two sounds.
        names: of the files, by weight, without suffix; the same for mixes and models.
        jobs: by model, one for each weight.
    """

    name: str
    pair: Pair
    names: list[str]
    jobs: dict[str, list[Job]]

    @property
    def originals(self) -> dict[str, np.ndarray]:
        """The two sounds by the names of their files."""
        return {f"{self.name}_{place}": end.audio for place, end in self.pair._asdict().items()}

    @property
    def sounds(self) -> dict[str, list[str]]:
        """The files of all weights by folder, relative to the output."""
        return {f: [f"{f}/{name}.wav" for name in self.names] for f in (MIX, *self.jobs)}

    @property
    def pitches(self) -> list[int]:
        """MIDI, by weight: given to models that are conditioned on it; -1 if unknown."""
        return [job.sound.pitch for job in next(iter(self.jobs.values()))]


def load_models(
    folders: Mapping[str, Path | None], settings: Mapping[str, Mapping[str, float | None]]
) -> dict[str, Codec]:
    """Reads the models to compare.

    Args:
        folders: by task, `wavenet` or `spectral`: a run or an export, or None for no such model.
        settings: by task, of `codec.create`; None takes the default.

    Returns:
        The models by task, in the order of `folders`; at least one.

    Raises:
        UserError: no folder is given, one holds no such model, or a setting is out of range or for
            a model that is not given.
    """
    if not any(folders.values()):
        raise UserError(f"there is no model: name a run by --{' or by --'.join(folders)}.")
    models = {}
    for task, folder in folders.items():
        given = settings.get(task, {})
        if folder is None:
            if idle := [name for name, value in given.items() if value is not None]:
                raise UserError(f"--{idle[0]} needs --{task}: name a run, or leave it out.")
            continue
        models[task] = codec.create(load_trained(folder, task), **given)
    return models


def write_interpolation(
    models: Mapping[str, Codec],
    pairs: Sequence[Pair],
    output: Path,
    *,
    num_weights: int = 5,
    interpolation: str = "linear",
    pitch: int | None = None,
    seed: int = 0,
    batch_size: int = 16,
    classifier: TrainedModel | None = None,
) -> Path:
    """Mixes pairs of sounds, decodes blends of their embeddings, and writes a page.

    Sounds that an earlier call generated from the same weights and settings are reused.

    Args:
        models: by task, from `load_models`.
        pairs: from `interpolation_pairs`.
        output: a folder, for `report.html`, `interpolation.json` (settings, checkpoints, files) and
            the WAV files in `original`, `mix` and a folder for each model.
        num_weights: points from one sound to the other, evenly spaced, both ends included.
        interpolation: of the embeddings, see `embeddings.interpolate`; mixes are always linear.
        pitch: MIDI, for models that are conditioned on it; None takes the sounds' own, and where
            they differ the nearer one's (from weight 0.5 on, the second's).
        seed: of the generation.
        batch_size: sounds generated together.
        classifier: to name pitch and family of all sounds; needs at least two pairs of notes of a
            dataset.

    Returns:
        The page's path.

    Raises:
        UserError: there are too few or too many weights, or too few pairs of notes for a
            classifier, a pitch is unknown or not one of the model's, or the output cannot be
            written.
    """
    weights = _weights(num_weights)
    if classifier is not None:
        _check_can_be_classified(pairs)
    for end in (end for pair in pairs for end in pair if pitch is not None):
        report_other_pitch(end.name, pitch, end.pitch)
    rows = [_row(number, pair, weights) for number, pair in enumerate(pairs, start=1)]
    _check_folder(output, rows, models)
    for row in tqdm(rows, unit="pair", desc="encoding"):
        for task, model in models.items():
            row.jobs[task] = _between(model, row, weights, interpolation, pitch)
    # Nothing is written before all inputs have been checked.
    for row in rows:
        save_sounds(output / ORIGINAL_FOLDER, row.originals)
        save_sounds(output / MIX, _mixes(row, weights))
    for task, model in models.items():
        jobs = [job for row in rows for job in row.jobs[task]]
        generate_files(model, jobs, output / task, seed=seed, batch_size=batch_size)
    settings = {"interpolation": interpolation, "pitch": pitch, "seed": seed, "weights": weights}
    record = {
        "models": {
            task: model.trained.describe() | {"settings": dict(model.settings)}
            for task, model in models.items()
        },
        "pairs": [_list_files(row) for row in rows],
        "settings": settings,
    }
    if classifier is not None:
        to_classify = [_interpolated_pair(output, row) for row in rows]
        shares = interpolation_scores.classify(classifier, to_classify, seed)
        record |= {"classifier": classifier.describe(), "heard": shares}
    shown = [_show(output, row, weights) for row in rows]
    document = interpolation_document.document(models, shown, settings, record.get("heard"))
    return FILES.write(output, document, record)


def _weights(number: int) -> list[float]:
    if not 2 <= number <= _MOST_WEIGHTS:
        raise UserError(f"--num_weights={number} must be from 2, both ends, to {_MOST_WEIGHTS}.")
    return [i / (number - 1) for i in range(number)]


def _check_can_be_classified(pairs: Sequence[Pair]) -> None:
    are_notes = all(isinstance(end.source, Note) for pair in pairs for end in pair)
    if len(pairs) < 2 or not are_notes:
        raise UserError(
            "--classifier needs two pairs or more, of a dataset: leave out --pair, and give "
            "--num_pairs=2 or more."
        )


def _check_folder(output: Path, rows: Sequence[_Row], models: Iterable[str]) -> None:
    """Raises a UserError if files that are not ours would be replaced."""
    FILES.check(output)
    check_names(output / ORIGINAL_FOLDER, [name for row in rows for name in row.originals])
    for folder in (MIX, *models):
        check_names(output / folder, [name for row in rows for name in row.names])


def _row(number: int, pair: Pair, weights: Sequence[float]) -> _Row:
    name = f"{number:02d}_{_safe(pair.first.name)}_{_safe(pair.second.name)}"
    return _Row(name, pair, [f"{name}_{weight:.3f}" for weight in weights], {})


def _safe(name: str) -> str:
    """Returns a file's name without its suffix, short, and safe in names of files and in HTML."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", Path(name).stem)[:40]


def _padded(end: End, num_samples: int) -> np.ndarray:
    return np.pad(end.audio, (0, num_samples - len(end.audio)))


def _between(
    model: Codec, row: _Row, weights: Sequence[float], interpolation: str, pitch: int | None
) -> list[Job]:
    """Returns the jobs of a model for a pair, one for each weight."""
    ends = []
    for end in row.pair:
        audio = _padded(end, row.pair.num_samples)
        own_or_given = end.pitch if pitch is None else pitch
        ends.append(encode_sound(model, audio, source=end.name, pitch=own_or_given))
        check_pitch(model, ends[-1])
    return [
        Job(
            name,
            # A decoder plays one pitch at a time.
            embeddings.interpolate(*ends, weight, interpolation)._replace(
                pitch=ends[0 if weight < 0.5 else 1].pitch
            ),
        )
        for name, weight in zip(row.names, weights, strict=True)
    ]


def _mixes(row: _Row, weights: Sequence[float]) -> dict[str, np.ndarray]:
    """Returns a pair's mixes by the names of their files."""
    first, second = (_padded(end, row.pair.num_samples) for end in row.pair)
    return {name: (1 - w) * first + w * second for name, w in zip(row.names, weights, strict=True)}


def _list_files(row: _Row) -> dict[str, Any]:
    """Returns a pair's files, relative to the output, and the pitches for models that need one."""
    return {
        place: {
            "source": end.name if isinstance(end.source, Note) else str(end.source),
            "split": end.split,
            "original": f"{ORIGINAL_FOLDER}/{row.name}_{place}.wav",
            "num_samples": len(end.audio),
        }
        for place, end in row.pair._asdict().items()
    } | {
        "num_samples": row.pair.num_samples,
        "pitches": [pitch if pitch >= 0 else None for pitch in row.pitches],
        "sounds": row.sounds,
    }


def _interpolated_pair(output: Path, row: _Row) -> interpolation_scores.InterpolatedPair:
    """Returns the sounds of a pair for a classifier."""
    first, second = (end.source.family for end in row.pair)
    sounds = {folder: [output / path for path in paths] for folder, paths in row.sounds.items()}
    return interpolation_scores.InterpolatedPair((first, second), row.pitches, sounds)


def _show(output: Path, row: _Row, weights: Sequence[float]) -> ShownPair:
    """Returns the part of the page on a pair."""
    first, second = (output / ORIGINAL_FOLDER / f"{name}.wav" for name in row.originals)
    grid = [
        [
            Sound(output / path, f"{ROWS[folder]}, {100 * weight:.3g} %")
            for path, weight in zip(paths, weights, strict=True)
        ]
        for folder, paths in row.sounds.items()
    ]
    return ShownPair(row.pair, (first, second), grid, (row.pitches[0], row.pitches[-1]))
