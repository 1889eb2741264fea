"""The evaluation of performances, by a network of random weights and a transcriber that knows."""

import json

import jax
import numpy as np
import performance_files
import pytest
from html_page import Page
from midi_config import CONFIG

from wavenet_ae import tasks
from wavenet_ae.audio import files, transcriber
from wavenet_ae.evaluation import performance
from wavenet_ae.evaluation.performance import evaluate_performance
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import save_imported


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    data_dir = performance_files.build_dataset(tmp_path_factory.mktemp("data"))
    data = {"name": "performances/five", "data_dir": data_dir, "roll": "held"}
    weights = tasks.create(CONFIG).init(jax.random.key(0))
    folder = tmp_path_factory.mktemp("runs") / "run"
    run = save_imported(folder, CONFIG | {"dataset": data}, *weights, step=3).folder
    return {
        "experiment": "performance",
        "midi": str(run),
        "dataset": {"name": None, "data_dir": None},
        "split": "train",
        "num_excerpts": 3,
        "seconds": 1,
        "num_crops": 10,
        "temperature": 1.0,
        "seed": 0,
        "batch_size": 4,
        "num_shown": 2,
    }


def true_notes(path):
    """The notes that begin in an excerpt, found by its sound."""
    audio = files.load(path.parents[1] / "original" / path.name)
    codes = np.rint(audio * 32_768).astype(np.int16)
    for name in performance_files.SECONDS:
        whole = performance_files.samples(name)
        for start in np.flatnonzero(whole[: len(whole) - len(codes) + 1] == codes[0]):
            if np.array_equal(whole[start : start + len(codes)], codes):
                begin = start / 16_000
                return [
                    note._replace(start_s=note.start_s - begin, end_s=note.end_s - begin)
                    for note in performance_files.notes(name)
                    if begin <= note.start_s < begin + len(codes) / 16_000
                ]
    raise AssertionError(f"{path} is no part of a performance")


@pytest.fixture
def transcribed(monkeypatch):
    """Of the original all notes are heard, of performances every second one."""

    def transcribe(path):
        return true_notes(path)[:: 1 if path.parent.name == "original" else 2]

    monkeypatch.setattr(transcriber, "check", lambda: None)
    monkeypatch.setattr(transcriber, "transcribe", transcribe)


def test_notes_are_looked_for_in_what_is_played(config, transcribed, tmp_path):
    evaluate_performance(config, tmp_path)
    found = json.loads((tmp_path / "performance.json").read_text())
    counts = [len(true_notes(path)) for path in sorted((tmp_path / "original").glob("*.wav"))]
    assert found["data"]["num_notes"] == sum(counts)
    assert found["rows"]["original"]["f1"]["mean"] == 1
    heard = [-(-count // 2) / count for count in counts]
    performed = found["rows"]["performed"]
    assert performed["recall"]["mean"] == pytest.approx(np.mean(heard))
    assert performed["precision"]["mean"] == 1
    assert performed["f1"]["mean"] == pytest.approx(np.mean([2 * r / (1 + r) for r in heard]))
    assert [share["mean"] for share in performed["wrong"].values()] == [0, 0, 0]
    other = found["rows"]["another_excerpt"]
    assert other["f1"]["mean"] < 0.2
    wrong = sum(share["mean"] for share in other["wrong"].values())
    assert other["precision"]["mean"] + wrong == pytest.approx(1)
    assert {*performed["registers"]} == {*performance.REGISTERS}
    assert found["loss"]["bits_per_sample"]["mean"] > 8
    assert {"mean", "low", "high"} == {*found["loss"]["roll_gap_bits"]}
    page = Page((tmp_path / "report.html").read_text())
    assert len(page.all("audio")) == 2 * 2
    # They were played, not copied.
    for path in (tmp_path / "performed").glob("*.wav"):
        audio = files.load(path)
        assert len(audio) == 16_000
        assert np.any(audio != files.load(tmp_path / "original" / path.name))


def test_mistakes_are_named(config, transcribed, tmp_path):
    def refused(match, **changes):
        with pytest.raises(UserError, match=match):
            evaluate_performance(config | changes, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    refused(r"there is no --config\.midi", midi=None)
    refused(r"config\.seconds=30: .* lasts .* s: lower it", seconds=30)
    refused("'exam'", split="exam")


def test_a_missing_transcriber_is_said_before_the_work(config, monkeypatch, tmp_path):
    def absent():
        raise UserError("transcribing needs basic-pitch")

    monkeypatch.setattr(transcriber, "check", absent)
    with pytest.raises(UserError, match="needs basic-pitch"):
        evaluate_performance(config, tmp_path)
    assert not list(tmp_path.iterdir())
