"""The weights that come with the package."""

from pathlib import Path

import numpy as np
import pytest

from wavenet_ae import pretrained
from wavenet_ae.audio import files, pitch_tracker
from wavenet_ae.errors import UserError
from wavenet_ae.evaluation.notes import named_note
from wavenet_ae.synthesis import codec, sampler
from wavenet_ae.training.trained import load_trained

FOLDER = Path(pretrained.__file__).parent


def test_a_name_stands_for_the_model_that_is_wanted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    find = pretrained.find
    assert find(Path("pretrained")) == FOLDER / "wavenet"
    assert find(Path("pretrained/wavenet")) == FOLDER / "wavenet"
    # To be refused for its task.
    assert find(Path("pretrained/wavenet"), "spectral") == FOLDER / "wavenet"
    assert find(Path("runs/pretrained")) == Path("runs/pretrained")
    for unknown in ("pretrained/gan", "pretrained/wavenet/checkpoints"):
        with pytest.raises(
            UserError, match=f"no model {unknown}: the package holds pretrained/wave"
        ):
            find(Path(unknown))
    with pytest.raises(UserError, match="there is no model pretrained/classifier: the package"):
        find(Path("pretrained"), "classifier")


def test_a_folder_of_that_name_goes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pretrained").mkdir()
    assert pretrained.find(Path("pretrained"), "wavenet") == Path("pretrained")
    assert not pretrained.contains(Path("pretrained"))
    assert pretrained.contains(FOLDER / "wavenet")


# Bits a sample, as they were when the weights were put in.
BITS = {
    "bass_electronic_002-040-080": 1.0275,
    "brass_acoustic_000-060-080": 2.7333,
    "flute_acoustic_001-067-080": 1.7932,
    "guitar_acoustic_000-052-080": 1.3118,
    "organ_electronic_000-055-080": 2.3153,
    "string_acoustic_000-064-080": 3.3460,
}
HEARD = "flute_acoustic_001-067-080"


def test_the_notes_in_the_box_score_as_they_did():
    trained = load_trained(Path("pretrained"))
    assert trained.task.model.num_pitches == 128
    notes = {path.stem: files.load(path) for path in sorted(pretrained.NOTES.glob("*.flac"))}
    batch = {
        "audio": np.stack(list(notes.values())),
        "pitch": np.array([named_note(stem).pitch for stem in notes]),
    }
    scores, _ = trained.task.loss(trained.params, trained.model_state, batch, train=False)
    found = dict(zip(notes, scores["bits_per_sample"].tolist(), strict=True))
    assert found == pytest.approx(BITS, abs=0.01)


def test_a_reconstruction_has_the_pitch_that_it_was_told():
    model = codec.create(load_trained(Path("pretrained")))
    audio = files.load(pretrained.NOTES / f"{HEARD}.flac")
    keys = sampler.note_keys(seed=0, indices=np.arange(1))
    pitch = named_note(HEARD).pitch
    embedding = model.encode(audio[None])[:, :31]
    again = np.concatenate(list(model.generate(embedding, keys, np.array([pitch]))), axis=1)[0]
    assert pitch_tracker.track(again).midi == pitch
