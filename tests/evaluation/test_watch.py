import json
import shutil
import threading
import time

import entry_points
import fsspec
import google_cloud
import pytest

from wavenet_ae.evaluation import watch
from wavenet_ae.evaluation.watch import watch_table1
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.metrics import read_metrics


@pytest.fixture
def run(tiny_run, tmp_path):
    """A run that has ended, without its checkpoint."""
    shutil.copytree(tiny_run, tmp_path / "run")
    (tmp_path / "run/checkpoints/4").rename(tmp_path / "later")
    return tmp_path / "run"


@pytest.fixture
def config(tiny_config, run):
    config = entry_points.load_config("table1.py", num_notes=2, split="train", num_shown=1)
    dataset = json.loads(tiny_config)["dataset"]
    return config | {
        "wavenet": str(run),
        "classifier": "pretrained",
        "dataset": {name: dataset[name] for name in ("name", "data_dir")},
    }


def save(run, step):
    """Puts the run's checkpoint where one of this step would be."""
    shutil.copytree(run.parent / "later", run / f"checkpoints/.{step}")
    (run / f"checkpoints/.{step}").rename(run / f"checkpoints/{step}")


@pytest.fixture
def evaluated(monkeypatch):
    """The steps that were evaluated, by a stand-in that takes no time."""
    steps = []

    def evaluate(config, workdir, loaded):
        steps.append(int(workdir.name))
        assert loaded["wavenet"].step == steps[-1]
        assert loaded["classifier"].config["task"] == "classifier"
        return {"wavenet": {"pitch_accuracy": {"mean": 1 / steps[-1]}}}

    monkeypatch.setattr(watch, "evaluate_table1", evaluate)
    return steps


def test_each_new_checkpoint_is_evaluated_once_until_the_run_ends(
    config, run, tmp_path, capsys, evaluated
):
    save(run, 2)
    watcher = threading.Thread(target=watch_table1, args=(config, tmp_path / "watched", 0.1))
    watcher.start()
    until = time.monotonic() + 300
    while f"waiting for {run} after step 2" not in capsys.readouterr().err:
        assert watcher.is_alive()
        assert time.monotonic() < until
        time.sleep(0.05)
    assert evaluated == [2]
    save(run, 4)
    watcher.join(timeout=300)
    assert not watcher.is_alive()
    assert read_metrics(tmp_path / "watched") == [
        {"step": 2, "wavenet/pitch_accuracy": 0.5},
        {"step": 4, "wavenet/pitch_accuracy": 0.25},
    ]
    assert list((tmp_path / "watched").glob("events.out.tfevents.*"))


def test_an_interrupted_watch_is_resumed(config, run, tmp_path, monkeypatch, evaluated):
    plain = watch.evaluate_table1

    def evaluate(config, workdir, loaded):
        if len(evaluated) == 1 and not workdir.exists():
            workdir.mkdir()
            raise KeyboardInterrupt
        return plain(config, workdir, loaded)

    monkeypatch.setattr(watch, "evaluate_table1", evaluate)
    for step in (1, 3, 4):
        save(run, step)
    with pytest.raises(KeyboardInterrupt):
        watch_table1(config, tmp_path / "watched", 0.1)
    watch_table1(config, tmp_path / "watched", 0.1)
    assert evaluated == [1, 3, 4]
    assert [line["step"] for line in read_metrics(tmp_path / "watched")] == [1, 3, 4]
    with pytest.raises(UserError, match=r"config\.num_notes=2, not 3: use another --workdir"):
        watch_table1(config | {"num_notes": 3}, tmp_path / "watched", 0.1)


def test_a_checkpoint_that_is_deleted_meanwhile_is_left_out(
    config, run, tmp_path, monkeypatch, capsys, evaluated
):
    load = watch.load_trained

    def load_or_lose(source, task):
        if source.endswith("/3"):
            shutil.rmtree(run / "checkpoints/3")
        return load(source, task)

    monkeypatch.setattr(watch, "load_trained", load_or_lose)
    save(run, 3)
    save(run, 4)
    watch_table1(config, tmp_path / "watched", 0.1)
    assert [line["step"] for line in read_metrics(tmp_path / "watched")] == [4]
    assert "step 3 of" in capsys.readouterr().err


def test_a_run_below_the_cache_keeps_its_checkpoints(config, run, tmp_path, monkeypatch, evaluated):
    monkeypatch.setenv("WAVENET_AE_CACHE", str(tmp_path))
    save(run, 4)
    watch_table1(config, tmp_path / "watched", 0.1)
    assert (run / "checkpoints/4/trained").exists()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wavenet": None}, "--watch judges a single run"),
        ({"spectral": "pretrained"}, "--watch judges a single run"),
        ({"classifier": None}, "--watch judges a single run"),
        ({"wavenet": "pretrained"}, "does not train: name the folder of a run"),
        ({"num_note": 3}, "did you mean num_notes"),
        ({"split": "tests"}, "has no split 'tests'"),
    ],
)
def test_mistakes_are_found_before_there_is_a_checkpoint(config, tmp_path, changes, reason):
    with pytest.raises(UserError, match=reason):
        watch_table1(config | changes, tmp_path / "watched", 0.1)
    assert not (tmp_path / "watched").exists()


def test_a_run_in_a_bucket(config, run, tmp_path, monkeypatch):
    save(run, 2)
    monkeypatch.setenv("WAVENET_AE_CACHE", str(tmp_path / "cache"))
    with google_cloud.serving_bucket() as cloud:
        for name, value in cloud.items():
            monkeypatch.setenv(name, value)
        system = fsspec.filesystem("gs", token="anon", skip_instance_cache=True)
        system.put(str(run), "bucket/runs/one", recursive=True)
        changes = {**config, "wavenet": "gs://bucket/runs/one"}
        flags = entry_points.changes(
            {n: x for n, x in changes.items() if type(x) in (int, str) and n != "experiment"}
            | {f"dataset.{name}": value for name, value in config["dataset"].items()}
        )
        process = entry_points.start(
            "evaluate",
            f"--config={entry_points.CONFIGS / 'table1.py'}",
            "--watch",
            "--poll_seconds=0.2",
            f"--workdir={tmp_path / 'watched'}",
            *flags,
            **cloud,
        )
        until = time.monotonic() + 300
        while not read_metrics(tmp_path / "watched"):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.2)
        # The newer one appears, and the older one goes.
        newer, last = "bucket/runs/one/checkpoints/4", run.parent / "last"
        for name in ("_CHECKPOINT_METADATA", "commit_success.txt"):  # as Orbax writes them
            last.mkdir(exist_ok=True)
            (run.parent / "later" / name).rename(last / name)
        for folder in (run.parent / "later", last):
            system.put(f"{folder}/", newer, recursive=True)
        system.rm("bucket/runs/one/checkpoints/2", recursive=True)
        _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    lines = read_metrics(tmp_path / "watched")
    assert [line.pop("step") for line in lines] == [2, 4]
    found = json.loads((tmp_path / "watched/4/table1.json").read_text())
    assert found["checkpoints"]["wavenet"]["folder"] == "gs://bucket/runs/one/checkpoints/4"
    assert lines[1] == {
        f"{row}/{name}": column["mean"]
        for row in ("original", "wavenet")
        for name, column in found["rows"][row].items()
    }
    assert not list((tmp_path / "cache").rglob("_CHECKPOINT_METADATA"))
