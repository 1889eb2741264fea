import functools
import json
from pathlib import Path

import entry_points
import jax
import numpy as np
import pytest
from html_page import Page, wav

from wavenet_ae import tasks
from wavenet_ae.audio import files
from wavenet_ae.data import input_pipeline
from wavenet_ae.data.input_pipeline import ProcessShare
from wavenet_ae.evaluation import table1
from wavenet_ae.evaluation.embedded_split import read_split
from wavenet_ae.evaluation.scores import log_spectral_distance
from wavenet_ae.evaluation.table1 import evaluate_table1
from wavenet_ae.synthesis import codec, generate_files, sampler
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import load_trained, save_imported

CHANNELS = {
    "narrow_channels": 2,
    "middle_channels": 3,
    "wide_channels": 4,
    "bottleneck_channels": 5,
}


def untrained(folder, config):
    """Writes a run of a model that has learned nothing."""
    task = tasks.create(config)
    save_imported(folder, config, *jax.jit(task.init)(jax.random.key(3)), step=7)
    return folder


@pytest.fixture(scope="module")
def runs(tiny_run, tiny_config, tmp_path_factory):
    folder, base = tmp_path_factory.mktemp("runs"), json.loads(tiny_config)
    spectral = CHANNELS | {"embedding_size": 6, "num_pitches": 128, "pitch_embedding_size": 2}
    return {
        "wavenet": tiny_run,
        "spectral": untrained(folder / "spectral", base | {"task": "spectral", "model": spectral}),
        "classifier": untrained(
            folder / "classifier", base | {"task": "classifier", "model": CHANNELS}
        ),
    }


@pytest.fixture
def config(runs):
    return {
        "experiment": "table1",
        **{kind: str(folder) for kind, folder in runs.items()},
        "dataset": {"name": None, "data_dir": None},
        "split": "train",  # the four notes of the placeholder data
        "num_notes": None,
        "temperature": 1.0,
        "griffin_lim_iterations": 2,
        "griffin_lim_momentum": 0.0,
        "seed": 0,
        "batch_size": 3,
        "num_shown": 2,
    }


@pytest.fixture(scope="module")
def notes(tiny_config):
    dataset = json.loads(tiny_config)["dataset"]
    split = input_pipeline.open_split(dataset["name"], dataset["data_dir"], "train")
    return [split[i] for i in range(len(split))]


@pytest.fixture(scope="module")
def finished(runs, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("table1")
    evaluate_table1(config.__wrapped__(runs), workdir)
    return workdir


def read(workdir):
    return json.loads((workdir / "table1.json").read_text())


def read_lines(workdir):
    return [json.loads(line) for line in (workdir / "notes.jsonl").read_text().splitlines()]


def judged(runs, audio, notes):
    """The classifier's answers, found without the package's own scoring."""
    trained = load_trained(runs["classifier"])
    batch = {"audio": audio} | {
        name: np.stack([note[name] for note in notes])
        for name in ("pitch", "family", "source", "qualities")
    }
    loss = jax.jit(functools.partial(trained.task.loss, train=False))
    return loss(trained.params, trained.model_state, batch)[0]


def test_rows_are_the_classifiers_answers_on_notes_and_reconstructions(finished, runs, notes):
    results = read(finished)
    rows = {
        "original": np.stack([note["audio"] for note in notes]),
        **{
            kind: np.stack([files.load(finished / kind / f"{note['id']}.wav") for note in notes])
            for kind in ("wavenet", "spectral")
        },
    }
    assert list(results["rows"]) == list(rows)
    for row, audio in rows.items():
        expected = judged(runs, audio, notes)
        for column in ("pitch_accuracy", "quality_accuracy", "family_accuracy", "source_accuracy"):
            found = results["rows"][row][column]
            assert found["mean"] == pytest.approx(float(expected[column].mean()), abs=1e-6)
            assert found["low"] <= found["mean"] <= found["high"]
    lines = read_lines(finished)
    assert [line["note"] for line in lines] == [note["id"] for note in notes]
    for column, score in results["rows"]["spectral"].items():
        mean = np.mean([line["spectral"][column] for line in lines])
        assert mean == pytest.approx(score["mean"], abs=1e-5)


def test_reconstructions_are_what_the_models_make_of_the_notes(finished, runs, notes):
    model = codec.create(load_trained(runs["spectral"]), griffin_lim_iterations=2)
    note = notes[1]
    embedding = model.encode(note["audio"][None])
    number = generate_files._key_number(generate_files.Job(note["id"], None))
    keys = sampler.note_keys(0, np.array([number], np.uint32))
    expected = np.concatenate(
        list(model.generate(embedding, keys, np.array([note["pitch"]]))), axis=1
    )[0]
    found = files.load(finished / "spectral" / f"{note['id']}.wav")
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_further_columns(finished, notes, runs):
    rows = read(finished)["rows"]
    audio = np.stack([note["audio"] for note in notes])
    again = np.stack([files.load(finished / "wavenet" / f"{n['id']}.wav") for n in notes])
    assert rows["wavenet"]["log_spectral_distance_db"]["mean"] == pytest.approx(
        float(log_spectral_distance(audio, again).mean()), rel=1e-5
    )
    trained = load_trained(runs["wavenet"])
    labels = {"pitch": np.array([note["pitch"] for note in notes])}
    score, _ = trained.task.loss(trained.params, {}, {"audio": audio, **labels}, train=False)
    bits = rows["wavenet"]["bits_per_sample"]["mean"]
    assert bits == pytest.approx(float(score["bits_per_sample"].mean()), rel=1e-5)
    assert "bits_per_sample" not in rows["spectral"]
    assert "log_spectral_distance_db" not in rows["original"]


def test_results_say_what_they_are_of(finished, notes):
    results = read(finished)
    none = 1 - np.mean([note["qualities"] for note in notes])
    assert results["no_quality_accuracy"] == pytest.approx(none)
    assert results["data"]["num_notes"] == 4
    assert results["data"]["split"] == "train"
    assert sum(family["num_notes"] for family in results["families"].values()) == 4
    assert sum(register["num_notes"] for register in results["registers"].values()) == 4
    right = sum(
        register["num_notes"] * register["rows"]["wavenet"]["pitch_accuracy"]
        for register in results["registers"].values()
    )
    assert right / 4 == pytest.approx(results["rows"]["wavenet"]["pitch_accuracy"]["mean"])
    assert results["checkpoints"]["classifier"]["step"] == 7
    assert results["settings"]["griffin_lim_iterations"] == 2
    table = (finished / "table1.md").read_text()
    assert "[79.6]" in table
    assert "This is not NSynth" in table
    assert f"{100 * none:.1f}" in table
    assert "| spectral | 7 |" in table
    page = Page((finished / "report.html").read_text())
    players = page.all("audio")
    assert [player["aria-label"] for player in players] == 2 * [
        "original notes",
        "WaveNet",
        "spectral baseline",
    ]
    sounds = [wav(player["src"]) for player in players]
    for row, sound in zip(("original", "wavenet", "spectral"), sounds, strict=False):
        assert sound in [path.read_bytes() for path in (finished / row).glob("*.wav")]


def test_a_second_call_goes_on_where_the_first_stopped(finished, config, monkeypatch, capsys):
    before = read(finished)
    gone = next((finished / "wavenet").glob("*.wav"))
    kept = {path: path.stat().st_mtime_ns for path in finished.rglob("*.wav") if path != gone}
    content = gone.read_bytes()
    gone.unlink()
    evaluate_table1(config, finished)
    assert gone.read_bytes() == content
    changed = [p for p, t in kept.items() if p.stat().st_mtime_ns != t and "original" not in str(p)]
    assert changed == []
    assert read(finished) == before
    assert "3 of 4 sounds are in" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["notes.jsonl", "table1.md", "wavenet/{}.wav", "original/{}.wav"])
def test_files_of_others_are_not_replaced(config, notes, tmp_path, monkeypatch, name):
    path = tmp_path / name.format(notes[0]["id"])
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    monkeypatch.setattr(table1, "encode_split", None)  # refused before any work
    with pytest.raises(UserError, match=rf"holds {path.name}, not written by this tool"):
        evaluate_table1(config, tmp_path)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_three_processes_share_the_notes(monkeypatch, tiny_config):
    """Their shares, put together, are the whole split in its order."""
    dataset = json.loads(tiny_config)["dataset"]
    where = (dataset["name"], dataset["data_dir"], "train", None)
    shares = [read_split(*where, ProcessShare(index, 3)) for index in range(3)]
    assert [share.indices.tolist() for share in shares] == [[0, 3], [1], [2]]
    gathered = {
        # What each process brings to the two meetings: how many notes, and a padded column.
        (): [2, 1, 1],
        (2,): [[0.0, 3.0], [1.0, 0.0], [2.0, 0.0]],
    }
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    monkeypatch.setattr(
        table1.multihost_utils, "process_allgather", lambda v: np.array(gathered[np.shape(v)])
    )
    mine = {"original": {"loss": shares[0].indices.astype(np.float32)}}
    np.testing.assert_array_equal(table1._gather(mine)["original"]["loss"], [0, 1, 2, 3])


@pytest.mark.slow
def test_two_processes_give_what_one_gives(finished, config, tmp_path):
    settings = {**config, **{f"dataset.{k}": v for k, v in config["dataset"].items()}}
    given = entry_points.changes(
        {
            name: value
            for name, value in settings.items()
            if value is not None and name not in ("experiment", "dataset")
        }
    )
    flags = (f"--config={entry_points.CONFIGS / 'table1.py'}", *given)
    workdirs = [tmp_path / "first", tmp_path / "second"]  # no need to share a disk
    entry_points.run_two("evaluate", *((*flags, f"--workdir={folder}") for folder in workdirs))
    assert list(read(workdirs[0])["rows"]) == ["original", "wavenet", "spectral"]
    # Batches of other sizes round differently.
    ours, theirs = (read_lines(folder) for folder in (workdirs[0], finished))
    assert [line["note"] for line in ours] == [line["note"] for line in theirs]
    for mine, other in zip(ours, theirs, strict=True):
        for row in ("original", "wavenet", "spectral"):
            assert mine[row] == pytest.approx(other[row], rel=1e-3)
    # Each made its own half, and one of them wrote.
    assert [len(list(w.glob("spectral/*.wav"))) for w in workdirs] == [2, 2]
    assert not (workdirs[1] / "table1.json").exists()


def test_distance_of_spectra():
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.1, (2, 16_000)).astype(np.float32)
    np.testing.assert_allclose(log_spectral_distance(noise, 0.3 * noise), 0, atol=1e-3)
    # A filter that halves every frame's level above half the band: 20 log10(2) dB in half the
    # bins, the peak being in the lower half.
    time_s = np.arange(16_000) / 16_000
    low = np.sin(2 * np.pi * 1000 * time_s)
    spectrum = np.fft.rfft(noise)
    spectrum[:, 4000:] /= 2
    halved = np.fft.irfft(spectrum)
    distance = log_spectral_distance(
        (noise + low).astype(np.float32), (halved + low).astype(np.float32)
    )
    np.testing.assert_allclose(distance, 20 * np.log10(2) * np.sqrt(0.5), rtol=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier": None}, "there is no --config.classifier"),
        ({"wavenet": None, "spectral": None}, "there is nothing to evaluate"),
        ({"wavenet": "spectral"}, "spectral holds a spectral autoencoder: name a run of a WaveNet"),
        ({"classifier": "wavenet"}, "holds a WaveNet autoencoder: name a run of a classifier"),
        ({"split": "holdout"}, "has no split 'holdout'"),
        ({"split": "test"}, "split 'test' of .* gives 1 notes, and a score needs at least 2"),
        ({"dataset": {"name": "mnist2", "data_dir": None}}, "there is no dataset 'mnist2'"),
        ({"batch_size": 0}, "config.batch_size=0 must be a whole number, 1 or larger"),
        ({"temperature": -1.0}, "temperature=-1.0 must be"),
        ({"temperature": float("nan")}, "config.temperature=nan must be a number, 0 or larger"),
        ({"num_notes": 2.5}, "config.num_notes=2.5 must be a whole number, 1 or larger, or None"),
        ({"spectral": ""}, "must be a path or a URL, or None"),
        ({"spectral": "missing"}, "missing is not a training run"),
    ],
)
def test_mistakes_get_one_sentence(config, runs, tmp_path, changes, message):
    named = {
        key: str(runs.get(value, value)) if key in runs and value else value
        for key, value in changes.items()
    }
    with pytest.raises(UserError, match=message):
        evaluate_table1(config | named, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_classifier_of_other_labels_is_named(config, runs, tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    other = json.loads((runs["classifier"] / "config.json").read_text())
    other["model"]["num_families"] = 5
    (folder / "config.json").write_text(json.dumps(other))
    with pytest.raises(UserError, match="num_families=5 must be 11, as many as") as caught:
        evaluate_table1(config | {"classifier": str(folder)}, tmp_path / "out")
    assert str(Path(folder) / "config.json") in str(caught.value)
