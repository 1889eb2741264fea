"""Runs whose folder and data are in a bucket of Google Cloud Storage."""

import signal
import time

import entry_points
import fsspec
import google_cloud
import pytest
from finished_runs import assert_identical

TINY = {
    **entry_points.TINY_MODEL,
    "model.hop_length": 64,
    "num_steps": 20,
    "batch_size": 2,
    "crop_samples": 256,
    "log_every_steps": 3,
    "eval_every_steps": 10,
    "checkpoint_every_steps": 5,
    "optimizer.boundaries": "(10,)",
}
CONFIG = f"--config={entry_points.CONFIGS / 'wavenet_ae.py'}:demo"


@pytest.fixture(scope="module")
def cloud():
    with google_cloud.serving_bucket() as environment:
        yield environment


@pytest.fixture(scope="module")
def bucket(cloud, data_dir):
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.items():
            patch.setenv(name, value)
        system = fsspec.filesystem("gs", token="anon", skip_instance_cache=True)
        system.put(str(data_dir), "bucket/datasets", recursive=True)
        yield system


@pytest.fixture(scope="module")
def uninterrupted(data_dir, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("run")
    changes = entry_points.changes(TINY | {"dataset.data_dir": data_dir})
    result = entry_points.run("train", CONFIG, *changes, f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    return workdir


@pytest.fixture
def train(cloud, tmp_path, monkeypatch):
    monkeypatch.setenv("WAVENET_AE_CACHE", str(tmp_path / "cache"))
    started = []

    def start(workdir, **settings):
        changes = {**TINY, "dataset.data_dir": "gs://bucket/datasets", **settings}
        changes = entry_points.changes({name.replace("__", "."): x for name, x in changes.items()})
        started.append(
            entry_points.start("train", CONFIG, *changes, f"--workdir={workdir}", **cloud)
        )
        return started[-1]

    yield start
    for process in started:
        process.kill()


def committed(system, folder):
    system.invalidate_cache()
    return system.glob(f"{folder}/checkpoints/*/commit_success.txt")


def wait_for(condition, process):
    until = time.monotonic() + 300
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


def fetch(system, folder, target):
    system.invalidate_cache()
    system.get(folder, str(target), recursive=True)
    return target


def test_killed_and_stopped_a_run_ends_as_if_it_had_not_been(
    bucket, train, uninterrupted, tmp_path
):
    folder = "bucket/runs/killed"
    first = train(f"gs://{folder}")
    wait_for(lambda: committed(bucket, folder), first)
    first.kill()
    first.communicate()
    second = train(f"gs://{folder}/")
    wait_for(
        lambda: f"{folder}/checkpoints/10/commit_success.txt" in committed(bucket, folder), second
    )
    second.terminate()
    _, stderr = second.communicate(timeout=300)
    assert second.returncode == 75, stderr
    assert f"another run may still be writing to gs://{folder} (process" in stderr
    last = train(f"gs://{folder}")
    _, stderr = last.communicate(timeout=300)
    assert last.returncode == 0, stderr
    assert f"resuming gs://{folder} at step" in stderr
    assert "another run may" not in stderr  # the second gave the folder back

    found = fetch(bucket, folder, tmp_path / "found")
    assert_identical(found, uninterrupted)
    assert len(list(found.glob("events.out.tfevents.*"))) == 3
    assert (found / ".lock").read_text().startswith("ended: ")
    assert not list(uninterrupted.parent.glob("gs:*"))


def test_a_newer_run_takes_the_folder_over(bucket, train):
    folder = "bucket/runs/shared"
    first = train(f"gs://{folder}", num_steps=100_000)
    wait_for(lambda: committed(bucket, folder), first)
    second = train(f"gs://{folder}", num_steps=100_000)
    _, stderr = first.communicate(timeout=300)
    assert first.returncode == 1
    assert f"error: gs://{folder} was taken over by another run" in stderr.splitlines()[-1]
    assert second.poll() is None
    second.kill()
    second.communicate()


def test_a_run_that_was_paused_leaves_what_a_newer_one_has_finished(bucket, train):
    folder = "bucket/runs/paused"
    # Without lines in metrics.jsonl, none of its uploads can have begun when it is paused.
    never = 1_000_000
    first = train(f"gs://{folder}", num_steps=never, log_every_steps=never, eval_every_steps=never)
    wait_for(lambda: committed(bucket, folder), first)
    first.send_signal(signal.SIGSTOP)
    last = 10 + max(int(path.split("/")[-2]) for path in committed(bucket, folder))
    second = train(f"gs://{folder}", num_steps=last)
    _, stderr = second.communicate(timeout=300)
    assert second.returncode == 0, stderr
    # A save that the first had begun may still end: of an earlier step, with the same values.
    kept = [
        path for path in bucket.find(folder) if "/checkpoints/" not in path or f"/{last}/" in path
    ]
    before = {path: bucket.info(path)["etag"] for path in kept}
    first.send_signal(signal.SIGCONT)
    _, stderr = first.communicate(timeout=300)
    assert first.returncode == 1
    assert "was taken over by another run (ended: process" in stderr.splitlines()[-1]
    bucket.invalidate_cache()
    assert before == {path: bucket.info(path)["etag"] for path in kept}


@pytest.mark.slow
def test_two_processes_share_a_run_in_a_bucket(bucket, data_dir, tmp_path):
    folder = "bucket/runs/two"
    changes = entry_points.changes({**TINY, "dataset.data_dir": data_dir, "num_steps": 5})
    flags = [CONFIG, *changes, f"--workdir=gs://{folder}"]
    first, _ = entry_points.run_two("train", flags, flags)
    assert "another run may" not in first.stderr
    assert committed(bucket, folder) == [f"{folder}/checkpoints/5/commit_success.txt"]
    resumed = entry_points.changes({"num_steps": 6})
    first, _ = entry_points.run_two("train", [*flags, *resumed], [*flags, *resumed])
    assert f"resuming gs://{folder} at step 5 of 6" in first.stderr


def test_a_run_that_was_copied_into_a_bucket_is_resumed(bucket, train, uninterrupted):
    folder = "bucket/runs/copied"
    bucket.put(str(uninterrupted), folder, recursive=True)
    for mark in committed(bucket, folder):  # which older versions of Orbax do not write on a disk
        bucket.rm(mark)
    bucket.pipe(f"{folder}/checkpoints/mine/notes.txt", b"mine")
    bucket.pipe(f"{folder}/checkpoints/21/_CHECKPOINT_METADATA", b"{}")  # its run was killed
    process = train(f"gs://{folder}", num_steps=22)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert f"resuming gs://{folder} at step 20 of 22" in stderr
    assert f"{folder}/checkpoints/20/commit_success.txt" in committed(bucket, folder)
    assert bucket.exists(f"{folder}/checkpoints/mine/notes.txt")
    assert not bucket.exists(f"{folder}/checkpoints/21")


@pytest.mark.slow  # the emulator lacks what moves a file, and is asked for it again and again
def test_a_damaged_checkpoint_is_put_aside(bucket, train, uninterrupted):
    folder = "bucket/runs/damaged"
    bucket.put(str(uninterrupted), folder, recursive=True)
    bucket.rm(f"{folder}/checkpoints/20/trained", recursive=True)
    process = train(f"gs://{folder}")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert "renamed 20 to" in stderr
    assert f"resuming gs://{folder} at step 15 of 20" in stderr


@pytest.mark.parametrize(
    ("workdir", "reason"),
    [
        ("gs://other/run", "gs://other/run cannot be reached"),
        ("gs://bucket/runs/b[1]", "has '[' in its path, with which checkpoints cannot be written"),
        ("gs://bucket", "must be a folder on this machine, or gs://BUCKET/FOLDER"),
        ("s3://bucket/run", "must be a folder on this machine, or gs://BUCKET/FOLDER"),
    ],
)
def test_a_folder_that_cannot_be_is_refused(bucket, train, workdir, reason):
    process = train(workdir)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1
    assert reason in stderr.splitlines()[-1]
    assert "Traceback" not in stderr


def test_a_dataset_that_is_not_in_the_bucket(bucket, train, tmp_path):
    process = train(tmp_path / "run", dataset__name="nsynth_json/other")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "there is no dataset 'nsynth_json/other' in gs://bucket/datasets" in stderr
    assert not (tmp_path / "run").exists()
