"""Between two sounds: mixing the sounds themselves, against decoding a blend of their embeddings.

Engel et al. 2017, section 4.2: of two notes, the mean of the embeddings is decoded by both models
and held against the mean of the sounds; here it is a row of weights from one note to the other.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import input_pipeline
from wavenet_ae.evaluation import interpolation_document, interpolation_scores
from wavenet_ae.evaluation.interpolation_document import MIX, ROWS, ShownEnd, ShownPair
from wavenet_ae.evaluation.notes import Note, choose_pairs, read_audio, read_labels
from wavenet_ae.publish.document import Sound
from wavenet_ae.publish.study_files import StudyFiles
from wavenet_ae.synthesis import codec, embeddings
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.encode_files import (
    encode_sound,
    find_pitch,
    pitch_in_name,
    tell_other_pitch,
)
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


class End(NamedTuple):
    """One of the two sounds of a pair.

    Attributes:
        source: the file, or the note of a dataset.
        audio: float32 `[samples]` at 16 kHz.
        pitch: MIDI, or -1 where it is not known.
        split: of a note: the dataset and its split, like `nsynth/full:test`.
    """

    source: Path | Note
    audio: np.ndarray
    pitch: int
    split: str | None = None

    @property
    def name(self) -> str:
        """The file's name, or the note's id."""
        return self.source.id if isinstance(self.source, Note) else self.source.name


class Pair(NamedTuple):
    """The sound at weight 0 and the sound at weight 1."""

    first: End
    second: End

    @property
    def num_samples(self) -> int:
        """Length of all sounds between the two: the longer one's; the shorter ends in silence."""
        return max(len(end.audio) for end in self)


class _Row(NamedTuple):
    """A pair and what is generated of it.

    Attributes:
        name: starts the names of the pair's files; no other pair has it.
        pair: the two sounds.
        jobs: by model, one for each weight; the mixes have the same names.
    """

    name: str
    pair: Pair
    jobs: dict[str, list[Job]]


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
        UserError: no folder is given, or one holds no such model, or a setting is out of range or
            of a model that is not given.
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


def read_pairs(given: Sequence[str], listen: bool) -> list[Pair]:
    """Reads pairs of sound files.

    Args:
        given: each two paths with a comma between them, which may hold commas themselves.
        listen: for the pitch of sounds whose names do not tell it.

    Raises:
        UserError: there are not two, or it is not clear which, or a file cannot be read.
    """
    pairs = []
    find = find_pitch if listen else lambda path, _: pitch_in_name(path)
    for text in given:
        sounds = [(path, files.load(path)) for path in _two_paths(text)]
        ends = [End(path, audio, find(path, audio)) for path, audio in sounds]
        pairs.append(Pair(*ends))
    return pairs


def _two_paths(text: str) -> list[Path]:
    """Divides two paths at the comma that has files on both sides."""
    parts = text.split(",")
    sides = ((",".join(parts[:i]), ",".join(parts[i:])) for i in range(1, len(parts)))
    ways = [[Path(side.strip()).expanduser() for side in two] for two in sides if all(two)]
    there = [paths for paths in ways if all(path.is_file() for path in paths)]
    if len(there) > 1:
        raise UserError(
            f"--pair={text} could be {there[0][0]} and {there[0][1]}, or {there[1][0]} and "
            f"{there[1][1]}: rename one of them."
        )
    # Of a single way it is told which file does not exist.
    if not there and len(ways) != 1:
        raise UserError(f"--pair={text} must be two sound files, as --pair=a.wav,b.wav, and exist.")
    return (there or ways)[0]


def choose_notes(
    model: Codec, *, dataset: str | None, data_dir: str | None, split: str, num_pairs: int
) -> list[Pair]:
    """Chooses pairs of notes from a dataset.

    Args:
        model: whose run names the dataset where none is given.
        dataset: its name, or None.
        data_dir: TFDS's folder of datasets; None for the one that the run names.
        split: of the dataset.
        num_pairs: how many; fewer if the split has fewer.

    Raises:
        UserError: there is no such dataset or split, or it has fewer than two notes.
    """
    of_run = model.trained.config["dataset"]
    name = dataset or of_run["name"]
    notes = input_pipeline.open_split(name, data_dir or of_run["data_dir"], split)
    if len(notes) < 2:
        raise UserError(
            f"a pair needs two notes, and the split {split} has {len(notes)}: take another "
            "--split, or files by --pair."
        )
    chosen = choose_pairs(read_labels(notes), num_pairs)
    if len(chosen) < num_pairs:
        print(f"pairs in the split {split}: {len(chosen)}, fewer than --num_pairs={num_pairs}")
    origin = f"{name}:{split}"
    return [
        Pair(*(End(note, read_audio(notes, note), note.pitch, origin) for note in pair))
        for pair in chosen
    ]


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
    """Mixes pairs of sounds, decodes what lies between their embeddings, and writes a page.

    Sounds that an earlier call generated from the same weights and settings are taken as they are.

    Args:
        models: by task, from `load_models`.
        pairs: from `read_pairs` or `choose_notes`.
        output: a folder, for `report.html`, `interpolation.json` (settings, checkpoints, files) and
            the WAV files in `original`, `mix` and a folder for each model.
        num_weights: points from one sound to the other, evenly spaced, both ends included.
        interpolation: of the embeddings, see `embeddings.interpolate`; mixes are always linear.
        pitch: MIDI, for models that are conditioned on it; None takes the sounds' own, and where
            those differ the nearer one's, from weight 0.5 on the second's.
        seed: of the generation.
        batch_size: sounds generated together.
        classifier: to name pitch and family of all sounds, of at least two pairs of notes of a
            dataset.

    Returns:
        The page's path.

    Raises:
        UserError: there are too few or too many weights, or too few pairs of notes for a
            classifier, a pitch is not known or no pitch of the model, or the output cannot be
            written.
    """
    weights = _weights(num_weights)
    if classifier is not None:
        _check_can_be_classified(pairs)
    for end in (end for pair in pairs for end in pair if pitch is not None):
        tell_other_pitch(end.name, pitch, end.pitch)
    rows = [_Row(_name(number, pair), pair, {}) for number, pair in enumerate(pairs, start=1)]
    _check_folder(output, rows, models, weights)
    for row in tqdm(rows, unit="pair", desc="encoding"):
        for task, model in models.items():
            row.jobs[task] = _between(model, row.pair, row.name, weights, interpolation, pitch)
    # All that can be refused has been refused: only now is anything written.
    for row in rows:
        save_sounds(output / ORIGINAL_FOLDER, _originals(row))
        save_sounds(output / MIX, _mixes(row, weights))
    for task, model in models.items():
        jobs = [job for row in rows for job in row.jobs[task]]
        generate_files(model, jobs, output / task, seed=seed, batch_size=batch_size)
    settings = {"interpolation": interpolation, "pitch": pitch, "seed": seed, "weights": weights}
    heard = None
    if classifier is not None:
        ways = [_way(output, row, weights) for row in rows]
        heard = interpolation_scores.hear(classifier, ways, seed)
    record = {
        "models": {task: _describe(model) for task, model in models.items()},
        "pairs": [_list_files(row, weights) for row in rows],
        "settings": settings,
    }
    if classifier is not None:
        record |= {"classifier": classifier.describe(), "heard": heard}
    shown = [_show(output, row, weights) for row in rows]
    document = interpolation_document.document(models, shown, settings, heard)
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


def _check_folder(
    output: Path, rows: Sequence[_Row], models: Iterable[str], weights: Sequence[float]
) -> None:
    """Raises a UserError where the folder holds files that would be replaced and are others'."""
    FILES.check(output)
    check_names(output / ORIGINAL_FOLDER, [name for row in rows for name in _originals(row)])
    for folder in (MIX, *models):
        check_names(output / folder, [_numbered(row.name, w) for row in rows for w in weights])


def _name(number: int, pair: Pair) -> str:
    return f"{number:02d}_{_safe(pair.first.name)}_{_safe(pair.second.name)}"


def _safe(name: str) -> str:
    """Returns a file's name without its suffix, short, and good in names of files and in HTML."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", Path(name).stem)[:40]


def _padded(end: End, num_samples: int) -> np.ndarray:
    return np.pad(end.audio, (0, num_samples - len(end.audio)))


def _between(
    model: Codec,
    pair: Pair,
    name: str,
    weights: Sequence[float],
    interpolation: str,
    pitch: int | None,
) -> list[Job]:
    """Returns what a model generates of a pair, one sound for each weight."""
    ends = []
    for end in pair:
        audio, told = _padded(end, pair.num_samples), end.pitch if pitch is None else pitch
        ends.append(encode_sound(model, audio, source=end.name, pitch=told))
        check_pitch(model, ends[-1])
    return [
        Job(
            _numbered(name, weight),
            # A decoder can play but one pitch.
            embeddings.interpolate(*ends, weight, interpolation)._replace(
                pitch=ends[0 if weight < 0.5 else 1].pitch
            ),
        )
        for weight in weights
    ]


def _numbered(name: str, weight: float) -> str:
    return f"{name}_{weight:.3f}"


def _originals(row: _Row) -> dict[str, np.ndarray]:
    """Returns a pair's sounds by the names of their files."""
    return {f"{row.name}_{place}": end.audio for place, end in row.pair._asdict().items()}


def _mixes(row: _Row, weights: Sequence[float]) -> dict[str, np.ndarray]:
    """Returns a pair's mixes by the names of their files."""
    first, second = (_padded(end, row.pair.num_samples) for end in row.pair)
    return {_numbered(row.name, w): (1 - w) * first + w * second for w in weights}


def _describe(model: Codec) -> dict[str, Any]:
    return model.trained.describe() | {
        "settings": dict(model.settings),
    }


def _list_files(row: _Row, weights: Sequence[float]) -> dict[str, Any]:
    """Returns a pair's files, relative to the output, and the pitches for models that need one."""
    names = [_numbered(row.name, weight) for weight in weights]
    told = next(iter(row.jobs.values()))
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
        "pitches": [job.sound.pitch if job.sound.pitch >= 0 else None for job in told],
        "sounds": {f: [f"{f}/{name}.wav" for name in names] for f in (MIX, *row.jobs)},
    }


def _way(output: Path, row: _Row, weights: Sequence[float]) -> interpolation_scores.Way:
    """Returns what a classifier is to judge of a pair."""
    names = [_numbered(row.name, weight) for weight in weights]
    first, second = (end.source.family for end in row.pair)
    return interpolation_scores.Way(
        families=(first, second),
        pitches=[job.sound.pitch for job in next(iter(row.jobs.values()))],
        sounds={f: [output / f / f"{name}.wav" for name in names] for f in (MIX, *row.jobs)},
    )


def _show(output: Path, row: _Row, weights: Sequence[float]) -> ShownPair:
    """Returns what is shown of a pair."""
    ends = (
        ShownEnd(
            note=end.source if isinstance(end.source, Note) else None,
            name=end.name,
            split=end.split,
            silence_s=(row.pair.num_samples - len(end.audio)) / SAMPLE_RATE_HZ,
            path=output / ORIGINAL_FOLDER / f"{row.name}_{place}.wav",
        )
        for place, end in row.pair._asdict().items()
    )
    grid = [
        [
            Sound(
                output / folder / f"{_numbered(row.name, weight)}.wav",
                f"{row_name}, {100 * weight:.3g} %",
            )
            for weight in weights
        ]
        for folder, row_name in ROWS.items()
        if folder in (MIX, *row.jobs)
    ]
    told = next(iter(row.jobs.values()))
    return ShownPair(tuple(ends), grid, (told[0].sound.pitch, told[-1].sound.pitch))
