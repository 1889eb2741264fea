"""Runs that are killed, stopped, moved to other devices, or out of luck with their disk."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import entry_points
import numpy as np
import pytest
from finished_runs import assert_identical

from wavenet_ae.training.metrics import read_metrics

NUM_STEPS = 60
TINY = {
    **entry_points.TINY_MODEL,
    "model.hop_length": 64,
    "num_steps": NUM_STEPS,
    "batch_size": 8,
    "crop_samples": 256,
    "log_every_steps": 3,
    "eval_every_steps": 12,
    "checkpoint_every_steps": 20,
    "optimizer.boundaries": "(20,)",
}
# Where a test needs many checkpoints: saving takes most of the time of such a run.
OFTEN = "--config.checkpoint_every_steps=2"


@pytest.fixture(scope="module")
def flags(data_dir):
    config = f"--config={entry_points.CONFIGS / 'wavenet_ae.py'}:demo"
    return (config, *entry_points.changes({**TINY, "dataset.data_dir": data_dir}))


@pytest.fixture(scope="module")
def uninterrupted(flags, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("uninterrupted")
    result = entry_points.run("train", *flags, f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    return workdir


def assert_alike(workdir, expected):
    """Other devices sum in another order."""
    lines, others = (read_metrics(folder) for folder in (workdir, expected))
    assert [line.keys() for line in lines] == [line.keys() for line in others]
    values = [[[*line.values()] for line in each] for each in (lines, others)]
    for ours, theirs in zip(*values, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-4)


def steps_of(workdir):
    return {int(p.name) for p in (workdir / "checkpoints").iterdir() if p.name.isdigit()}


def newest(workdir):
    return max(steps_of(workdir), default=0) if (workdir / "checkpoints").exists() else 0


@pytest.fixture(autouse=True)
def no_survivors(monkeypatch):
    """Ends what a test that fails has left running."""
    started, start = [], entry_points.start
    monkeypatch.setattr(
        entry_points, "start", lambda *a, **k: started.append(start(*a, **k)) or started[-1]
    )
    yield
    for process in started:
        process.kill()
        process.wait()


class Reader(threading.Thread):
    """Reads what a process says, and tells when it has said something."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.text, self._process = "", process
        self.start()

    def run(self):
        with self._process.stdout, self._process.stderr as pipe:
            while piece := pipe.read(1):
                self.text += piece

    def wait_for(self, words):
        patience = time.monotonic() + 300
        while words not in self.text:
            assert self._process.poll() is None, self.text
            assert time.monotonic() < patience, self.text
            time.sleep(0.02)

    def all(self):
        self._process.wait(timeout=180)
        self.join()
        return self.text


@pytest.mark.parametrize("times", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_killed_at_random_moments_a_run_ends_as_if_it_had_not_been(
    flags, uninterrupted, tmp_path, times
):
    workdir, seed = tmp_path / "run", random.SystemRandom().randrange(10**6)
    moments, kills, while_saving = random.Random(seed), 0, 0
    while True:
        process = entry_points.start("train", *flags, OFTEN, f"--workdir={workdir}")
        said = Reader(process)
        if kills < min(times, 8):
            said.wait_for("compiled the training step")
            if kills % 3 == 2 or times - kills == 1:  # in the middle of saving
                while not list(workdir.glob("checkpoints/*-tmp*")) and process.poll() is None:
                    pass
            else:  # at random, but so early that all kills find a run to kill
                until = time.monotonic() + moments.uniform(0, 0.8)
                while time.monotonic() < until and newest(workdir) < 5 * (kills + 1):
                    time.sleep(0.01)
        elif kills < times:  # before there is anything to train
            time.sleep(moments.uniform(0, 5))
        else:
            break
        process.kill()
        if process.wait() == 0:
            break
        kills += 1
        while_saving += bool(list(workdir.glob("checkpoints/*-tmp*")))
    assert "Traceback" not in said.all()
    assert process.returncode == 0, said.text
    print(f"seed {seed}: {kills} kills, {while_saving} of them while saving")
    assert kills >= times, f"seed {seed}: the run was over after {kills} kills"
    assert while_saving >= 1
    assert_identical(workdir, uninterrupted)


def test_asked_to_stop_a_run_saves_and_says_so_by_its_exit_code(flags, uninterrupted, tmp_path):
    for number in (signal.SIGTERM, signal.SIGINT):
        workdir = tmp_path / number.name
        process = entry_points.start("train", *flags, f"--workdir={workdir}")
        said = Reader(process)
        said.wait_for("compiled the training step")
        process.send_signal(number)
        assert f"{number.name}: {workdir} is saved at step " in said.all()
        assert process.returncode == 75
        assert "Traceback" not in said.text
    result = entry_points.run("train", *flags, f"--workdir={workdir}")
    assert result.returncode == 0, result.stderr
    assert_identical(workdir, uninterrupted)


def test_a_workdir_in_use_is_refused(flags, tmp_path):
    slow = (*flags, "--config.num_steps=100000", f"--workdir={tmp_path}")
    first = entry_points.start("train", *slow)
    said = Reader(first)
    said.wait_for("compiled the training step")
    second = entry_points.run("train", *slow)
    entry_points.assert_refused(second, f"{tmp_path} is in use by another run (process {first.pid}")
    assert first.poll() is None
    first.kill()
    said.all()


@pytest.mark.slow
def test_a_full_disk_is_one_sentence_and_loses_nothing(flags, tmp_path):
    flags = (*flags, OFTEN, f"--workdir={tmp_path}", "--config.num_steps=8")
    half = entry_points.run("train", *flags, "--config.num_steps=4")
    assert half.returncode == 0, half.stderr
    before = {step: (tmp_path / "checkpoints" / str(step)).stat().st_mtime for step in (2, 4)}
    # No file may grow beyond 20 kB, which the metrics do not need and the weights do.
    script = entry_points.ROOT / "experiments" / "train.py"
    full = subprocess.run(
        # In blocks of 512 bytes.
        ["sh", "-c", 'ulimit -f 40 && exec "$@"', "sh", sys.executable, script, *flags],
        cwd=entry_points.ROOT,
        # The cache of compiled programs needs large files, too.
        env={**os.environ, "JAX_COMPILATION_CACHE_DIR": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode == 74, full.stderr
    assert "error: a checkpoint cannot be written to" in full.stderr
    assert "Traceback" not in full.stderr
    after = {step: (tmp_path / "checkpoints" / str(step)).stat().st_mtime for step in (2, 4)}
    assert after == before
    again = entry_points.run("train", *flags)
    assert again.returncode == 0, again.stderr
    assert "at step 4 of" in again.stderr


def run_on(devices, flags, workdir, num_steps):
    process = entry_points.start(
        "train",
        *flags,
        f"--workdir={workdir}",
        f"--config.num_steps={num_steps}",
        JAX_NUM_CPU_DEVICES=str(devices),
    )
    said = Reader(process).all()
    assert process.returncode == 0, said


def run_in_two(flags, workdir, num_steps):
    flags = (*flags, f"--workdir={workdir}", f"--config.num_steps={num_steps}")
    entry_points.run_two("train", flags, flags)


@pytest.mark.slow
def test_a_run_moves_between_devices_and_processes(flags, uninterrupted, tmp_path):
    # The ends of the parts are evaluated in any case.
    run_on(8, flags, tmp_path, 12)
    run_on(1, flags, tmp_path, 24)
    run_in_two(flags, tmp_path, 36)
    run_on(4, flags, tmp_path, NUM_STEPS)
    assert_alike(tmp_path, uninterrupted)


def start_two(flags, workdir, second=(), num_steps=100_000):
    flags = (*flags, OFTEN, f"--workdir={workdir}", f"--config.num_steps={num_steps}")
    processes = entry_points.start_two("train", flags, (*flags, *second))
    return processes, [Reader(process) for process in processes]


# Without process 1, process 0 waits until JAX has missed it for a minute and a half.
@pytest.mark.parametrize("victim", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_when_one_of_two_processes_dies_the_other_ends_with_a_reason(flags, tmp_path, victim):
    processes, said = start_two(flags, tmp_path)
    said[0].wait_for("compiled the training step")
    while not newest(tmp_path):
        assert processes[0].poll() is None
        time.sleep(0.1)
    processes[victim].kill()
    processes[victim].wait()
    errors = said[1 - victim].all()
    assert processes[1 - victim].returncode not in (0, 1, 75), errors
    assert "another process has ended" in errors or "another task died" in errors
    if victim == 0:
        return
    last = max(steps_of(tmp_path))
    again = entry_points.run(
        "train", *flags, f"--workdir={tmp_path}", f"--config.num_steps={last + 1}"
    )
    assert again.returncode == 0, again.stderr
    assert f"at step {last} of" in again.stderr


def test_two_processes_stop_at_the_same_step(flags, uninterrupted, tmp_path):
    processes, said = start_two((*flags, f"--config.init_from={uninterrupted}"), tmp_path)
    said[0].wait_for("starting from the weights of")
    said[0].wait_for("compiled the training step")
    processes[1].terminate()
    errors = [each.all() for each in said]
    assert [process.returncode for process in processes] == [75, 75], errors
    step = max(steps_of(tmp_path))
    assert f"SIGTERM: {tmp_path} is saved at step {step};" in errors[1]
    assert f"a process was asked to stop: {tmp_path} is saved at step {step};" in errors[0]
    assert not any("Traceback" in each for each in errors)


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        (
            ("--config.batch_size=4",),
            "process 0 has config.batch_size=8, process 1 has config.batch_size=4: start all with",
        ),
        (("--config.dataset.data_dir=/nowhere",), "there is no dataset"),
    ],
)
def test_processes_that_do_not_fit_are_named(flags, tmp_path, second, reason):
    processes, said = start_two(flags, tmp_path / "run", second)
    for process, each in zip(processes, said, strict=True):
        assert reason in each.all()
        assert process.returncode == 1
        assert "Traceback" not in each.text
    assert not (tmp_path / "run").exists()
