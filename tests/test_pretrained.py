"""The weights that come with the package."""

from pathlib import Path

import numpy as np
import pytest

from wavenet_ae import pretrained
from wavenet_ae.audio import files, pitch_tracker
from wavenet_ae.data import nsynth
from wavenet_ae.evaluation.notes import named_note
from wavenet_ae.evaluation.scores import Scorer
from wavenet_ae.synthesis import codec, sampler
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import load_trained

FOLDER = Path(pretrained.__file__).parent


def test_a_name_stands_for_the_model_that_is_wanted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    find = pretrained.find
    assert find(Path("pretrained")) == FOLDER / "wavenet"
    for task in ("wavenet", "spectral", "classifier"):
        assert find(Path("pretrained"), task) == find(Path("pretrained", task)) == FOLDER / task
    # To be refused for its task.
    assert find(Path("pretrained/wavenet"), "spectral") == FOLDER / "wavenet"
    assert find(Path("runs/pretrained")) == Path("runs/pretrained")
    for unknown in ("pretrained/gan", "pretrained/wavenet/checkpoints"):
        with pytest.raises(
            UserError,
            match=f"no model {unknown}: the package holds pretrained/classifier, pretrained/spec",
        ):
            find(Path(unknown))
    with pytest.raises(
        UserError, match=r"pretrained stands for no model of this kind, .*: train one"
    ):
        find(Path("pretrained"), "midi")


def test_a_folder_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pretrained").mkdir()
    assert pretrained.find(Path("pretrained"), "wavenet") == Path("pretrained")
    assert not pretrained.contains(Path("pretrained"))
    assert pretrained.contains(FOLDER / "wavenet")


# As they were when the weights were put in, by model.
SCORES = {
    "wavenet": (
        "bits_per_sample",
        {
            "bass_electronic_002-040-080": 1.4622,
            "brass_acoustic_000-060-080": 2.5212,
            "flute_acoustic_001-067-080": 2.1196,
            "guitar_acoustic_000-052-080": 1.5994,
            "organ_electronic_000-055-080": 2.9780,
            "string_acoustic_000-064-080": 3.1072,
        },
    ),
    "spectral": (
        "loss",
        {
            "bass_electronic_002-040-080": 0.0176,
            "brass_acoustic_000-060-080": 0.0550,
            "flute_acoustic_001-067-080": 0.0299,
            "guitar_acoustic_000-052-080": 0.0375,
            "organ_electronic_000-055-080": 0.0496,
            "string_acoustic_000-064-080": 0.0261,
        },
    ),
    "classifier": (
        "loss",
        {
            "bass_electronic_002-040-080": 2.2954,
            "brass_acoustic_000-060-080": 1.1474,
            "flute_acoustic_001-067-080": 4.0863,
            "guitar_acoustic_000-052-080": 2.8936,
            "organ_electronic_000-055-080": 8.3835,
            "string_acoustic_000-064-080": 0.9536,
        },
    ),
}


def notes_of_the_package():
    notes = {path.stem: files.load(path) for path in sorted(pretrained.NOTES.glob("*.flac"))}
    labels = [named_note(stem) for stem in notes]
    return list(notes), {
        "audio": np.stack(list(notes.values())),
        "pitch": np.array([note.pitch for note in labels]),
        "family": np.array([nsynth.FAMILIES.index(note.family) for note in labels]),
        "source": np.array([nsynth.SOURCES.index(note.source) for note in labels]),
        "qualities": np.zeros((len(notes), len(nsynth.QUALITIES)), bool),
    }


@pytest.mark.parametrize("task", SCORES)
def test_the_notes_of_the_package_score_as_they_did(task):
    trained = load_trained(Path("pretrained"), task)
    names, batch = notes_of_the_package()
    metric, expected = SCORES[task]
    found = Scorer(trained)(batch.pop("audio"), batch)[metric].tolist()
    assert dict(zip(names, found, strict=True)) == pytest.approx(expected, rel=0.02)


def test_a_reconstruction_has_the_pitch_that_the_model_is_given():
    model = codec.create(load_trained(Path("pretrained")))
    audio = files.load(pretrained.NOTES / "string_acoustic_000-064-080.flac")
    pitches = np.array([59, 64, 68])
    embedding = np.repeat(model.encode(audio[None])[:, :62], len(pitches), axis=0)
    keys = sampler.note_keys(seed=0, indices=np.arange(len(pitches)))
    again = np.concatenate(list(model.generate(embedding, keys, pitches)), axis=1)
    assert [pitch_tracker.track(sound).midi for sound in again] == pitches.tolist()
