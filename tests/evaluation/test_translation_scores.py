"""The evaluation of translations, by networks of random weights."""

import json

import domain_recordings
import jax
import numpy as np
import pytest
from html_page import Page, wav
from translation_batches import CONFIG

from wavenet_ae import tasks
from wavenet_ae.audio import files
from wavenet_ae.data import domain_batches
from wavenet_ae.evaluation import translation_scores
from wavenet_ae.evaluation.domain_probes import TimbreProbe
from wavenet_ae.evaluation.translation import evaluate_translation
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import save_imported

DOMAINS = ["noise", "tone"]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return domain_recordings.build_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory):
    """Returns a function that saves a network of some domains."""

    def save(name, domains=DOMAINS, train="all"):
        data = {"name": "recordings/three", "data_dir": data_dir}
        config = CONFIG | {"domains": domains, "dataset": data, "train": train}
        weights = tasks.create(config).init(jax.random.key(len(name)))
        folder = tmp_path_factory.mktemp("runs") / name
        return str(save_imported(folder, config, *weights, step=3).folder)

    return save


@pytest.fixture
def config(run):
    return {
        "experiment": "translation",
        "translation": run("first"),
        "without_confusion": None,
        "dataset": {"name": None, "data_dir": None},
        "train_split": "train",
        "test_split": "test",
        "crop_samples": 8_010,
        "num_excerpts": 2,
        "num_train_windows": 10,
        "temperature": 1.0,
        "seed": 0,
        "batch_size": 4,
        "num_shown": 1,
    }


def test_scores_are_those_of_the_sounds_beside_them(config, run, data_dir, tmp_path, capsys):
    both = config | {"without_confusion": run("second")}
    evaluate_translation(both, tmp_path)
    found = json.loads((tmp_path / "translation.json").read_text())
    assert found["data"]["num_excerpts"] == 4
    assert found["data"]["seconds"] == 8_000 / 16_000  # whole frames
    rows = found["rows"]
    assert [*rows] == [
        "source",
        "another_excerpt",
        "translation_reconstructed",
        "translation_translated",
        "without_confusion_reconstructed",
        "without_confusion_translated",
    ]
    assert rows["source"]["source_named"]["mean"] > 0.7  # noise and tones are easily told apart
    assert {*found["latent"]} == {"translation", "without_confusion"}
    assert found["chance"] == 0.5

    # The classifier again, from the files.
    split = domain_batches.open_split("recordings/three", data_dir, "train", DOMAINS)
    train = [
        *domain_batches.evaluation_batches(split, batch_size=2, crop_samples=8_000, num_batches=10)
    ]
    audio = np.concatenate([b["audio"][d : d + 1] for d in (0, 1) for b in train])
    probe = TimbreProbe(audio, np.repeat([0, 1], len(train)), seed=0)
    named = [
        probe.name(files.load(tmp_path / f"translation/{name}.wav")[None])[0] == target
        for target, name in (
            (0, "tone_002_to_noise"),
            (0, "tone_003_to_noise"),
            (1, "noise_000_to_tone"),
            (1, "noise_001_to_tone"),
        )
    ]
    assert rows["translation_translated"]["target_named"]["mean"] == np.mean(named)

    page = (tmp_path / "report.html").read_text()
    assert "translated without confusion" in page
    sounds = [wav(attributes["src"]) for attributes in Page(page).all("audio")]
    assert len(sounds) == 2 * (1 + 2 * 2)  # sources, and of two models to two domains
    assert (tmp_path / "translation/noise_000_to_tone.wav").read_bytes() in sounds

    # A second call generates nothing again, and finds the same.
    capsys.readouterr()
    evaluate_translation(both, tmp_path)
    assert capsys.readouterr().out.count("4 of 4 sounds are in") == 0
    assert json.loads((tmp_path / "translation.json").read_text()) == found


def test_translations_of_one_excerpt_are_not_independent():
    pitch = np.repeat([0.1, 0.5, 0.9, np.nan], 2)
    excerpts = {"pitch": pitch, "excerpt": np.repeat(np.arange(4), 2)}
    together = translation_scores.summarise(excerpts, seed=0)
    alone = translation_scores.summarise({"pitch": pitch}, seed=0)
    assert {*together} == {"pitch"}
    assert together["pitch"]["mean"] == pytest.approx(0.5)
    assert together["pitch"]["high"] > alone["pitch"]["high"]


def test_rows_and_tables_of_scores():
    sources = np.array([0, 0, 1, 1])
    to_first = {"pitch": np.array([1.0, 0.8, 0.2, np.nan]), "target_named": np.ones(4)}
    to_second = {"pitch": np.array([0.4, 0.6, 0.9, 0.7]), "target_named": np.zeros(4)}
    scores = [to_first, to_second]
    kinds = translation_scores.reconstructed_and_translated(scores, sources)
    assert sorted(kinds["reconstructed"]["pitch"]) == [0.7, 0.8, 0.9, 1.0]
    translated = translation_scores.summarise(kinds["translated"], seed=0)["pitch"]
    assert translated["mean"] == pytest.approx(0.4)
    assert 0.2 <= translated["low"] < 0.4 < translated["high"] <= 0.6
    tables = translation_scores.by_pair(scores, sources)
    np.testing.assert_allclose(tables["pitch"], [[0.9, 0.5], [0.2, 0.8]])
    assert tables["target_named"] == [[1, 0], [1, 0]]


def test_mistakes_are_named(config, run, tmp_path):
    def refused(match, **changes):
        with pytest.raises(UserError, match=match):
            evaluate_translation(config | changes, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    refused(r"there is no --config\.translation", translation=None)
    refused("must be the same", without_confusion=run("other", ["tone", "noise"]))
    refused("holds no sounds of 'horn'", translation=run("horn", ["noise", "horn"]))
    refused("crop_samples, or name another split", crop_samples=32_000 * 16)
    refused("nothing to translate to", translation=run("one", ["noise"], train="decoder"))
    refused("no split 'exam'|'exam'", test_split="exam")
