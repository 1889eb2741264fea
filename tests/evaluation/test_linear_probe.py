import json

import entry_points
import jax
import numpy as np
import pytest
from entry_points import assert_refused
from html_page import Page
from sine_notes import build_splits

from wavenet_ae import tasks
from wavenet_ae.evaluation import embedded_split, linear_probe
from wavenet_ae.evaluation.embedded_split import SplitNotes, encode_share, encode_split, read_split
from wavenet_ae.evaluation.linear_probe import run_linear_probe
from wavenet_ae.evaluation.linear_probe_document import choose_instrument
from wavenet_ae.synthesis import codec
from wavenet_ae.synthesis.wavenet_codec import WaveNetCodec
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import load_trained, save_imported

CHANNELS = {
    "narrow_channels": 2,
    "middle_channels": 3,
    "wide_channels": 4,
    "bottleneck_channels": 5,
}
SPLITS = {
    "train": [
        f"{instrument}-{pitch:03d}-100"
        for instrument in ("bass_synthetic_000", "flute_acoustic_001", "organ_electronic_002")
        for pitch in (40, 52, 64)
    ],
    "valid": ["reed_acoustic_005-060-100", "reed_acoustic_005-062-100"],
    "test": [
        "bass_synthetic_003-052-100",
        "bass_synthetic_003-040-100",
        "bass_synthetic_003-064-050",
        "flute_acoustic_004-040-100",
        "flute_acoustic_004-090-075",
    ],
}


@pytest.fixture(scope="module")
def notes_dir(tmp_path_factory):
    return build_splits(tmp_path_factory.mktemp("data"), SPLITS)


@pytest.fixture(scope="module")
def runs(tiny_run, tiny_config, notes_dir, tmp_path_factory):
    """Runs of every kind, most of them of models that have learned nothing."""
    folder, base = tmp_path_factory.mktemp("runs"), json.loads(tiny_config)
    rng = np.random.default_rng(0)

    def untrained(name, task, model, spoilt=False):
        config = base | {"task": task, "model": model}
        shapes, state = jax.eval_shape(tasks.create(config).init, jax.random.key(0))
        size = np.nan if spoilt else 0.2
        params = jax.tree.map(lambda x: np.float32(size * rng.normal(size=x.shape)), shapes)
        model_state = jax.tree.map(lambda x: np.ones(x.shape, x.dtype), state)
        return save_imported(folder / name, config, params, model_state, step=7).folder

    spectral = CHANNELS | {"embedding_size": 6, "num_pitches": 128, "pitch_embedding_size": 2}
    return {
        "wavenet": tiny_run,
        "wavenet_pitch": untrained("pitch", "wavenet", base["model"] | {"num_pitches": 128}),
        "spectral_pitch": untrained("spectral", "spectral", spectral),
        "classifier": untrained("classifier", "classifier", CHANNELS),
        "spoilt": untrained("spoilt", "wavenet", base["model"], spoilt=True),
        "missing": folder / "missing",
    }


@pytest.fixture
def config(runs, notes_dir):
    return {
        "experiment": "linear_probe",
        "seed": 0,
        "models": {"wavenet": str(runs["wavenet"])},
        "dataset": {"name": "nsynth_json/published", "data_dir": str(notes_dir)},
        "train_split": "train",
        "test_split": "test",
        "num_train_notes": None,
        "num_test_notes": None,
        "batch_size": 4,
        "labels": ["pitch", "family", "quality", "source"],
        "l2_penalties": [1.0, 0.01],
    }


@pytest.fixture
def encoded(monkeypatch):
    """The numbers of notes that a WaveNet was asked to encode."""
    sizes, encode = [], WaveNetCodec.encode

    def counted(self, audio):
        sizes.append(len(audio))
        return encode(self, audio)

    monkeypatch.setattr(WaveNetCodec, "encode", counted)
    return sizes


def read(workdir):
    return json.loads((workdir / "linear_probe.json").read_text())


def made_up(num_instruments, first, rng):
    """Returns labels of notes, five an instrument, and features that hold them or do not."""
    count = 5 * num_instruments
    labels = {
        "pitch": rng.integers(60, 64, count),
        "family": np.repeat(np.arange(num_instruments) % 3, 5),
        "source": np.repeat(np.arange(num_instruments) % 2, 5),
        "quality": rng.random((count, 10)) < 0.2,
    }
    labels["quality"][:, 4] = False
    names = [f"vocal_acoustic_{first + i:03d}" for i in range(num_instruments)]
    nothing = [np.zeros(count, int)] * 2
    notes = SplitNotes("made up", [], *nothing, np.repeat(names, 5), nothing[0], labels, [])
    one_hot = [np.eye(4)[labels["pitch"] - 60], np.eye(3)[labels["family"]]]
    holding = np.concatenate([*one_hot, np.eye(2)[labels["source"]], labels["quality"]], axis=1)
    return notes, holding, rng.normal(size=holding.shape)


@pytest.fixture(scope="module")
def learnable():
    rng = np.random.default_rng(0)
    return made_up(60, 0, rng), made_up(20, 60, rng)


def classify(train, test, features=1, **changes):
    settings = {"labels": linear_probe.LABELS, "l2_penalties": [1.0, 0.01], "seed": 0} | changes
    return linear_probe._classify(train[features], test[features], train[0], test[0], settings, "")


def test_scores_are_near_100_percent_where_features_hold_the_labels(learnable):
    scores = classify(*learnable)
    assert all(score["accuracy"] > 0.99 for score in scores.values())
    assert all(score["interval"][1] == 1 for score in scores.values())
    assert len(scores["quality"]["l2_penalties"]) == 10
    assert scores["quality"]["l2_penalties"][4] is None  # no training note has it


def test_scores_are_near_chance_where_they_do_not(learnable):
    scores = classify(*learnable, features=2)
    chance = {"pitch": 1 / 4, "family": 1 / 3, "quality": 0.82, "source": 1 / 2}
    for label, expected in chance.items():
        assert scores[label]["accuracy"] == pytest.approx(expected, abs=0.15)
        low, high = scores[label]["interval"]
        assert low < scores[label]["accuracy"] < high
    truth = learnable[1][0].labels
    assert scores["quality"]["always_the_most_frequent"] == pytest.approx(
        (~truth["quality"]).mean()
    )
    most = np.bincount(learnable[0][0].labels["pitch"]).argmax()
    assert scores["pitch"]["always_the_most_frequent"] == (truth["pitch"] == most).mean()


def test_scale_and_penalty_come_from_the_training_notes_alone(learnable):
    train, test = learnable
    wild, strange = test[1].copy(), {k: v[::-1].copy() for k, v in test[0].labels.items()}
    wild[50:] = 1e6
    before, after = classify(train, test), classify(train, (test[0], wild))
    relabelled = classify(train, (test[0]._replace(labels=strange), test[1]))
    for label in linear_probe.LABELS:
        penalties = before[label]["l2_penalties"]
        assert after[label]["l2_penalties"] == relabelled[label]["l2_penalties"] == penalties
        assert relabelled[label]["accuracy"] < before[label]["accuracy"]
    # The first half of the notes is answered as before.
    assert after["pitch"]["accuracy"] >= 0.5


def test_unseen_classes_count_as_wrong(learnable):
    train, (notes, holding, _) = learnable
    labels = dict(notes.labels)
    labels["pitch"] = np.where(np.arange(100) < 30, 90, labels["pitch"])
    scores = classify(train, (notes._replace(labels=labels), holding))
    assert scores["pitch"]["accuracy"] == pytest.approx(0.7, abs=0.01)


def test_command_line_from_notes_to_table(config, runs, notes_dir, tmp_path):
    models = ("wavenet", "wavenet_pitch", "spectral_pitch")
    settings = {
        **{f"models.{key}": runs[key] for key in models},
        "dataset.name": "nsynth_json/published",
        "dataset.data_dir": notes_dir,
        "batch_size": 4,
        "l2_penalties": "(1.0, 0.01)",
    }
    result = entry_points.evaluate("linear_probe.py", f"--workdir={tmp_path}", **settings)
    assert result.returncode == 0, result.stderr
    assert "1 of the 5 test notes have a pitch that no training note has" in result.stdout
    assert "different datasets" not in result.stdout
    found = read(tmp_path)
    assert list(found["models"]) == list(models)
    assert found["dataset"]["train"] == {
        "split": "train",
        "notes": 9,
        "notes_in_split": 9,
        "instruments": 3,
    }
    assert found["models"]["wavenet"]["step"] == 4
    assert found["models"]["wavenet"]["fingerprint"] == load_trained(runs["wavenet"]).fingerprint
    assert (found["models"]["wavenet"]["frames"], found["models"]["spectral_pitch"]["frames"]) == (
        1000,
        1,
    )
    kinds = [list(model["scores"]) for model in found["models"].values()]
    assert kinds == [["time_averaged", "full"], ["time_averaged", "full"], ["full"]]
    # Of the qualities every note has one and the same.
    quality = found["models"]["wavenet"]["scores"]["full"]["quality"]
    assert quality["accuracy"] == 1
    assert quality["always_the_most_frequent"] == pytest.approx(0.9)
    # Training has as many notes of each pitch and family: the first is as frequent as any.
    assert found["always_the_most_frequent"]["pitch"] == 2 / 5
    assert found["always_the_most_frequent"]["family"] == 3 / 5

    table = (tmp_path / "linear_probe.md").read_text()
    assert "| Embeddings of | pitch | family | quality | source |" in table
    rows = [line for line in table.splitlines() if "100.0 % (100.0 to 100.0)" in line]
    assert [row.split(" | ")[0] for row in rows] == [
        "| WaveNet, time-averaged",
        "| WaveNet, full",
        "| WaveNet with pitch conditioning, time-averaged",
        "| WaveNet with pitch conditioning, full",
        "| Spectral autoencoder with pitch conditioning",
    ]
    shown = Page((tmp_path / "report.html").read_text())
    pictures = [svg["aria-label"] for svg in shown.all("svg")]
    assert len(pictures) == len(rows)
    assert all("between the pitches of bass_synthetic_003" in label for label in pictures)
    ids = [attributes["id"] for _, attributes in shown.elements if "id" in attributes]
    assert len(ids) == len(set(ids))

    # In this process, and with no model asked again, it comes out the same.
    whole = {"models": {key: str(runs[key]) for key in models}}
    again = {name: (tmp_path / name).read_bytes() for name in ("linear_probe.md", "report.html")}
    run_linear_probe(config | whole, tmp_path)
    assert {name: (tmp_path / name).read_bytes() for name in again} == again
    assert read(tmp_path)["models"] == found["models"]


def test_embeddings_are_the_codecs_and_are_kept(config, runs, tmp_path, encoded, monkeypatch):
    monkeypatch.setattr(embedded_split, "_PART_NOTES", 4)
    model = codec.create(load_trained(runs["wavenet"]))
    where = config["dataset"]["name"], config["dataset"]["data_dir"]
    notes = read_split(*where, "train", None)
    assert sorted(note.name for note in notes.notes) == SPLITS["train"]
    expected = [model.encode(n["audio"][None])[0] for n in notes.dataset]
    encoded.clear()
    embeddings = encode_split(model, notes, tmp_path, batch_size=3)
    np.testing.assert_allclose(embeddings, np.stack(expected), atol=1e-5)
    assert encoded == [3] * 5  # parts of 4, 4 and 1 notes, filled up
    assert len(list(tmp_path.rglob("*.npz"))) == 3

    encoded.clear()
    np.testing.assert_array_equal(encode_split(model, notes, tmp_path, batch_size=2), embeddings)
    assert encoded == []

    # Fewer notes, another model and other sounds are no mistaken for these.
    some = read_split(*where, "train", 3)
    np.testing.assert_allclose(
        encode_split(model, some, tmp_path, 4), embeddings[[0, 4, 8]], atol=1e-5
    )
    louder = [{**note, "audio": note["audio"] // 2} for note in notes.dataset]
    monkeypatch.setattr(embedded_split.input_pipeline, "open_split", lambda *_: louder)
    changed = encode_split(model, read_split(*where, "train", None), tmp_path, 4)
    assert not np.allclose(changed, embeddings, atol=1e-5)
    other = codec.create(load_trained(runs["wavenet_pitch"]))
    assert not np.allclose(encode_split(other, notes, tmp_path, 4), embeddings, atol=1e-5)


def test_interrupted_run_goes_on(config, tmp_path, encoded, monkeypatch, capfd):
    monkeypatch.setattr(embedded_split, "_PART_NOTES", 4)
    run_linear_probe(config, tmp_path / "whole")
    whole, encode = read(tmp_path / "whole"), WaveNetCodec.encode

    def stopping(self, audio):
        if len(encoded) == 2:
            raise KeyboardInterrupt
        return encode(self, audio)

    encoded.clear()
    monkeypatch.setattr(WaveNetCodec, "encode", stopping)
    with pytest.raises(KeyboardInterrupt):
        run_linear_probe(config, tmp_path / "parts")
    monkeypatch.setattr(WaveNetCodec, "encode", encode)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["embeddings"]
    assert len(list(tmp_path.joinpath("parts").rglob("*.npz"))) == 2
    encoded.clear()
    run_linear_probe(config, tmp_path / "parts")
    assert len(encoded) == 3  # one of the parts to learn from, two to test on
    assert read(tmp_path / "parts") == whole

    # A damaged file is named and made again.
    damaged = sorted(tmp_path.joinpath("parts").rglob("*.npz"))[0]
    damaged.write_bytes(damaged.read_bytes()[:1000])
    encoded.clear()
    run_linear_probe(config, tmp_path / "parts")
    assert len(encoded) == 1
    assert f"{damaged} cannot be read" in capfd.readouterr().err
    assert read(tmp_path / "parts") == whole
    assert not list(tmp_path.rglob("*.tmp"))


def test_processes_share_the_files(config, runs, tmp_path, encoded, monkeypatch):
    monkeypatch.setattr(embedded_split, "_PART_NOTES", 4)
    model = codec.create(load_trained(runs["wavenet"]))
    where = config["dataset"]["name"], config["dataset"]["data_dir"]
    splits = [read_split(*where, split, None) for split in ("train", "test")]
    expected = [encode_split(model, notes, tmp_path / "whole", 3) for notes in splits]
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    batches, files = [], []
    for index in (0, 1):
        monkeypatch.setattr(jax, "process_index", lambda index=index: index)
        encoded.clear()
        for _ in range(2):  # the second time there is nothing left to do
            encode_share([model], splits, tmp_path / "shared", batch_size=3)
        batches.append(len(encoded))
        files.append(len(list(tmp_path.glob("shared/*/*.npz"))))
    assert batches == [2 + 1 + 1, 2 + 2]
    assert files == [3, 5]
    encoded.clear()
    found = [encode_split(model, notes, tmp_path / "shared", 3) for notes in splits]
    assert encoded == []
    for ours, whole in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, whole)


@pytest.mark.slow
def test_two_processes_give_what_one_gives(config, notes_dir, runs, tmp_path, encoded):
    flags = (
        f"--config={entry_points.CONFIGS / 'linear_probe.py'}",
        *entry_points.changes(
            {
                "models.wavenet": runs["wavenet"],
                "dataset.name": "nsynth_json/published",
                "dataset.data_dir": notes_dir,
                "batch_size": 4,
                "l2_penalties": "(1.0, 0.01)",
            }
        ),
    )
    one, two = tmp_path / "one", tmp_path / "two"
    run_linear_probe(config, one)
    results = entry_points.run_two("evaluate", *[(*flags, f"--workdir={two}")] * 2)
    assert [path.relative_to(one) for path in sorted(one.rglob("*"))] == [
        path.relative_to(two) for path in sorted(two.rglob("*"))
    ]
    for path in one.rglob("*.*"):
        # It says from which configuration it came, and the record what it holds.
        if path.name not in ("linear_probe.json", "written.json"):
            assert (two / path.relative_to(one)).read_bytes() == path.read_bytes()
    assert read(two)["models"] == read(one)["models"]
    assert "test notes have a pitch" in results[0].stdout
    assert "test notes have a pitch" not in results[1].stdout

    # A mistake in one of them ends both.
    wrong = (*flags, f"--workdir={tmp_path / 'out'}", f"--config.models.wavenet={runs['missing']}")
    results = entry_points.run_two(
        "evaluate", (*flags, f"--workdir={tmp_path / 'out'}"), wrong, code=1
    )
    assert "error: process 1: " in results[0].stderr
    assert "missing is not a training run" in results[1].stderr
    assert not (tmp_path / "out").exists()


def test_files_of_others_are_not_replaced(config, tmp_path):
    (tmp_path / "linear_probe.json").write_text("mine")
    with pytest.raises(UserError, match=r"holds linear_probe\.json, not written by this tool"):
        run_linear_probe(config, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["linear_probe.json"]


def test_instrument_with_the_most_pitches_is_drawn():
    names = ["b", "a", "a", "a", "b", "b", "b", "c"]
    velocities = [100, 50, 100, 100, 100, 100, 50, 100]
    pitches = np.array([70, 60, 61, 62, 64, 64, 65, 60])
    nothing = np.zeros(8, int)
    notes = SplitNotes(
        "", [], nothing, nothing, np.array(names), np.array(velocities), {"pitch": pitches}, []
    )
    assert choose_instrument(notes).tolist() == [2, 3]
    pitches[5] = 63
    assert choose_instrument(notes).tolist() == [5, 4, 0]
    pitches[:] = 60
    assert choose_instrument(notes).tolist() == []


def test_models_of_different_data_and_known_instruments_are_told(runs, data_dir, tmp_path):
    model = load_trained(runs["wavenet_pitch"])
    elsewhere = model.config | {"dataset": {"name": "nsynth/full", "data_dir": "/elsewhere"}}
    other = save_imported(tmp_path / "run", elsewhere, model.params, model.model_state, step=1)
    one = load_trained(runs["wavenet"])
    train = read_split("nsynth_json/by_note", str(data_dir), "train", None)

    def remarks(*models):
        codecs = dict(zip(("wavenet", "wavenet_pitch"), map(codec.create, models), strict=True))
        return linear_probe._remarks(codecs, train, train)

    known = (
        "3 of the 3 instruments of the test notes are among those of the training notes, too: "
        "the scores do not apply to new instruments."
    )
    assert remarks(one, model) == [known]
    assert remarks(one, other) == [
        "The models were trained from different datasets: WaveNet from nsynth_json/by_note in "
        f"{data_dir}; WaveNet with pitch conditioning from nsynth/full in /elsewhere.",
        known,
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": {}}, "no model is given: give at least one of --config.models.wavenet=RUN, "),
        ({"models": {"wavenet": "missing"}}, "missing is not a training run"),
        (
            {"models": {"wavenet": "classifier"}},
            "holds a classifier: name a run of a WaveNet autoencoder",
        ),
        (
            {"models": {"spectral": "wavenet"}},
            "holds a WaveNet autoencoder: name a run of a spectral autoencoder",
        ),
        (
            {"models": {"wavenet": "wavenet_pitch"}},
            "with pitch conditioning: give it as --config.models.wavenet_pitch",
        ),
        (
            {"models": {"wavenet_pitch": "wavenet"}},
            "without pitch conditioning: give it as --config.models.wavenet",
        ),
        ({"models": {"wavenet": "spoilt"}}, "spoilt encodes notes .* as NaN or infinity"),
        ({"train_split": "holdout"}, "has no split 'holdout'"),
        ({"train_split": "test"}, "are both 'test'"),
        ({"train_split": "valid"}, "all 2 notes of the split 'valid' have the same family"),
        ({"dataset": {"name": None, "data_dir": None}}, "split 'test' of .* gives 1 notes"),
        ({"dataset": {"name": "mnist2", "data_dir": None}}, "there is no dataset 'mnist2'"),
        ({"num_train_notes": 1}, "config.num_train_notes=1 must be a whole number, 2 or larger"),
        ({"num_test_notes": 0}, "config.num_test_notes=0 must be"),
        ({"batch_size": 0}, "config.batch_size=0 must be a whole number, 1 or larger"),
        ({"batch_size": None}, "config.batch_size=None must be a whole number, 1 or larger"),
        ({"seed": -1}, "config.seed=-1 must be"),
        ({"l2_penalties": []}, "config.l2_penalties=.* each of which is a number above 0"),
        ({"l2_penalties": [0.1, 0.0]}, "config.l2_penalties=.* must be"),
        ({"l2_penalties": [float("nan")]}, "config.l2_penalties=.* must be"),
        ({"num_test_note": 2}, "config.num_test_note is not a .*: did you mean num_test_notes?"),
        ({"l2_penalties": ["strong"]}, "config.l2_penalties=.* must be"),
        (
            {"labels": ["pitch", "colour"]},
            "config.labels=.* each of which is pitch, family, quality or source",
        ),
    ],
)
def test_mistakes_get_one_sentence(config, runs, tmp_path, changes, message):
    if "models" in changes:
        folders = {key: str(runs[value]) for key, value in changes["models"].items()}
        changes = {"models": folders}
    with pytest.raises(UserError, match=message):
        run_linear_probe(config | changes, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("config", "settings", "reason"),
    [
        ("linear_probe.py", {"models.wavenet": "classifier"}, "holds a classifier"),
        ("missing.py", {}, "the --config cannot be read"),
        ("classifier.py:demo", {}, "the --config is not an evaluation"),
    ],
)
def test_mistakes_end_the_command_with_code_1(runs, tmp_path, config, settings, reason):
    named = {name: runs[value] for name, value in settings.items()}
    result = entry_points.evaluate(config, f"--workdir={tmp_path / 'out'}", **named)
    assert_refused(result, reason)
    assert not (tmp_path / "out").exists()
