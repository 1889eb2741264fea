import errno
import json
import math
import os
import re
import shutil
import signal
from pathlib import Path

import jax
import numpy as np
import pytest
from conftest import no_summaries
from orbax.checkpoint import v1 as ocp

from wavenet_ae import tasks
from wavenet_ae.data.input_pipeline import open_split
from wavenet_ae.system.errors import MachineError, Stopped, UserError
from wavenet_ae.training import batches, loop, setup, sharding, trained
from wavenet_ae.training.checkpoint import restore
from wavenet_ae.training.loop import train_and_evaluate
from wavenet_ae.training.metrics import MediaSummaries, MetricsLog, read_metrics
from wavenet_ae.training.progress import Progress
from wavenet_ae.training.step import init_state
from wavenet_ae.training.trained import load_trained

NOWHERE = {
    "name": "x",
    "data_dir": "y",
    "num_workers": 0,
    "gain_db": 0.0,
    "degradation": 0.0,
    "detune_semitones": 0.0,
    "decoder_input_noise": 0.0,
    "decoder_input_shaped_noise": 0.0,
}


@pytest.fixture
def config(tiny_config):
    return json.loads(tiny_config)


# What the compiled programs do not depend on.
_AROUND_THE_STEP = {"num_steps", "init_from", "profile_steps"} | {
    f"{what}_every_{unit}"
    for what in ("log", "eval", "checkpoint", "summarize")
    for unit in ("steps", "minutes")
}


def _once(make):
    """Returns a maker of programs that makes each once: tracing takes most of a tiny run's time."""
    made = {}

    def make_or_find(*arguments):
        key = repr(
            [
                {k: v for k, v in x.items() if k not in _AROUND_THE_STEP}
                if isinstance(x, dict)
                else x
                for x in arguments
            ]
        )
        if key not in made:
            made[key] = make(*arguments)
        return made[key]

    return make_or_find


@pytest.fixture(autouse=True, scope="module")
def programs_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "make_train_step", _once(loop.make_train_step))
        patch.setattr(batches, "make_eval_step", _once(batches.make_eval_step))
        make_state = _once(setup.init_state)
        patch.setattr(  # a copy, since the step donates it
            setup, "init_state", lambda *given: jax.tree.map(jax.numpy.copy, make_state(*given))
        )
        yield


def train(config, workdir, **changes):
    train_and_evaluate({**config, **changes}, workdir, no_summaries)


def final_state(config, workdir):
    state = init_state(config, tasks.create(config), sharding.data_mesh())
    return jax.device_get(restore(workdir, state))


def test_workdir_holds_config_metrics_events_and_checkpoints(config, tiny_run):
    assert json.loads((tiny_run / "config.json").read_text()) == config
    lines = read_metrics(tiny_run)
    assert [line["step"] for line in lines] == [2, 4]
    for line in lines:
        assert line["train/bits_per_sample"] == pytest.approx(line["train/loss"] / math.log(2))
        assert line["reference/uniform_bits_per_sample"] == 8
        assert 0 < line["reference/histogram_bits_per_sample"] < 8
    timing = read_metrics(tiny_run, "timing.jsonl")
    assert [line["step"] for line in timing] == [2, 4]
    assert all(line["samples_per_second"] > 0 for line in timing)
    assert "valid/loss" in lines[1]
    assert "valid/loss" not in lines[0]
    assert list(tiny_run.glob("events.out.tfevents.*"))
    assert (tiny_run / "checkpoints" / "4").is_dir()


def test_trivial_baselines_are_of_one_epoch_at_most_and_not_of_all_batches(config, monkeypatch):
    def batches_seen(batch_size):
        config["batch_size"] = batch_size
        return batches.trivial_baselines(config, Counting(), notes)["reference/batches"]

    class Counting:
        reads = "notes"
        crop_samples = 256

        def trivial_baselines(self, given):
            return {"batches": len(list(given))}

    dataset = config["dataset"]
    notes = open_split(dataset["name"], dataset["data_dir"], "train")
    assert len(notes) == 4
    monkeypatch.setattr(batches, "_BASELINE_BATCHES", 3)
    assert [batches_seen(size) for size in (1, 2, 3, 4, 8)] == [3, 2, 2, 1, 1]


def test_stopping_and_resuming_is_bit_for_bit_the_same(config, tmp_path, capsys):
    changes = {"checkpoint_every_steps": 3, "eval_every_steps": 5, "num_steps": 8}
    train(config, tmp_path / "whole", **changes)
    # Stops at 5, with metrics of steps that are not logged yet in the checkpoint.
    train(config, tmp_path / "parts", **{**changes, "num_steps": 5, "eval_every_steps": 8})
    train(config, tmp_path / "parts", **changes)
    assert f"resuming {tmp_path / 'parts'} at step 5 of 8" in capsys.readouterr().err
    states = [final_state(config, tmp_path / name) for name in ("whole", "parts")]
    jax.tree.map(np.testing.assert_array_equal, *states)
    assert read_metrics(tmp_path / "parts")[-1] == read_metrics(tmp_path / "whole")[-1]


def test_muon_goes_on_bit_for_bit_and_with_no_other_optimizer(config, tmp_path):
    muon = {**config["optimizer"], "name": "muon"}
    train(config, tmp_path / "whole", optimizer=muon)
    train(config, tmp_path / "parts", optimizer=muon, num_steps=2)
    train(config, tmp_path / "parts", optimizer=muon)
    states = [
        final_state({**config, "optimizer": muon}, tmp_path / name) for name in ("whole", "parts")
    ]
    jax.tree.map(np.testing.assert_array_equal, *states)
    with pytest.raises(UserError, match=r"optimizer\.name=muon, not adam: use another --workdir"):
        train(config, tmp_path / "parts", num_steps=6)


def test_lines_after_the_checkpoint_are_logged_once(config, tmp_path):
    train(config, tmp_path, num_steps=2)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 4, "train/loss": -1.0}\n{"step": 6, "train/lo')
    train(config, tmp_path)
    assert [line["step"] for line in read_metrics(tmp_path)] == [2, 4]
    assert read_metrics(tmp_path)[-1]["train/loss"] > 0


def test_a_finished_run_is_left_alone(config, tiny_run, capsys):
    def files():
        found = (path for path in tiny_run.rglob("*") if path.is_file() and path.name != ".lock")
        return {path: path.stat().st_mtime_ns for path in found}

    before = files()
    train(config, tiny_run)
    assert "is at step 4: raise --config.num_steps" in capsys.readouterr().err
    assert files() == before


def test_another_model_in_the_workdir_is_refused(config, tiny_run):
    config["model"]["decoder_channels"] = 8
    before = (tiny_run / "config.json").read_bytes()
    with pytest.raises(UserError, match=r"decoder_channels=6, and this run has decoder_channels=8"):
        train(config, tiny_run)
    assert (tiny_run / "config.json").read_bytes() == before


def altering(monkeypatch, alter):
    """Puts what the function makes of each step's metrics and number in their place."""
    make, numbers = loop.make_train_step, iter(range(1, 100))

    class Step:
        def __init__(self, *arguments):
            self.inner = make(*arguments)

        def lower(self, *arguments):
            self.inner = self.inner.lower(*arguments)
            return self

        def compile(self):
            inner = self.inner.compile()

            def run(state, batch):
                state, metrics = inner(state, batch)
                return state, alter(metrics, next(numbers))

            return run

    monkeypatch.setattr(loop, "make_train_step", Step)


def test_a_loss_that_is_not_finite_stops_with_its_step(config, tmp_path, monkeypatch):
    nan = {"loss": np.float32("nan")}
    altering(monkeypatch, lambda metrics, step: metrics | (nan if step == 3 else {}))
    with pytest.raises(UserError, match="the loss is nan at step 3"):
        train(config, tmp_path, checkpoint_every_steps=2)
    # What was saved before is complete, and nothing was saved after.
    assert load_trained(tmp_path).step == 2


def test_weights_that_an_update_broke_are_not_saved(config, tmp_path):
    config["optimizer"] |= {"learning_rates": [1e-2, 1e38], "boundaries": [2]}
    with pytest.raises(UserError, match=r"the parameter_norm is (inf|nan) at step 3"):
        train(config, tmp_path, checkpoint_every_steps=1)
    assert load_trained(tmp_path).step == 2


def skipping(monkeypatch, steps):
    """Makes the training step report that it skipped these steps."""
    skipped = {"loss": np.float32("nan"), "gradient_norm": np.float32("inf"), "skipped": 1}
    altering(monkeypatch, lambda metrics, step: metrics | (skipped if step in steps else {}))


def test_skipped_steps_are_counted_and_left_out_of_the_means(config, tmp_path, monkeypatch):
    settings = {"num_steps": 8, "max_skipped_steps": 4, "checkpoint_every_steps": 5}
    train(config, tmp_path / "unskipped", **{**settings, "log_every_steps": 1})
    with monkeypatch.context() as first:
        skipping(first, {1, 5})
        train(config, tmp_path / "some", **{**settings, "num_steps": 5})
    # The count continues from the checkpoint.
    skipping(monkeypatch, {1})  # step 6
    train(config, tmp_path / "some", **settings)
    unskipped = {line["step"]: line["train/loss"] for line in read_metrics(tmp_path / "unskipped")}
    some = {line["step"]: line for line in read_metrics(tmp_path / "some")}
    assert [some[step]["train/skipped"] for step in (2, 4, 5, 6, 8)] == [1, 1, 2, 3, 3]
    assert some[2]["train/loss"] == unskipped[2]
    assert some[4]["train/loss"] == pytest.approx((unskipped[3] + unskipped[4]) / 2, rel=1e-6)
    assert "train/loss" not in some[5]
    assert "train/loss" not in some[6]


def test_too_many_skipped_steps_stop_the_run(config, tmp_path, monkeypatch):
    skipping(monkeypatch, {2, 3, 5})
    with pytest.raises(
        UserError, match=r"3 steps up to step 5 had .*--config\.max_skipped_steps=2: lower"
    ):
        train(config, tmp_path, num_steps=8, max_skipped_steps=2)


def test_a_stop_does_not_wait_for_an_evaluation(config, tmp_path, monkeypatch):
    settings = {"num_steps": 8, "eval_every_steps": 4, "log_every_steps": 4, "batch_size": 1}
    train(config, tmp_path / "whole", **settings)
    evaluation_batches, calls = batches.input_pipeline.evaluation_batches, []

    def stopping(*arguments, **keywords):
        calls.append(1)
        if len(calls) in (1, 3):
            os.kill(os.getpid(), signal.SIGTERM)
        return evaluation_batches(*arguments, **keywords)

    monkeypatch.setattr(batches.input_pipeline, "evaluation_batches", stopping)
    # During an evaluation in between; then, after it is made up for, during the last one.
    for step, logged in ((4, []), (8, [4])):
        with pytest.raises(Stopped, match=f"is saved at step {step}"):
            train(config, tmp_path / "parts", **settings)
        assert [line["step"] for line in read_metrics(tmp_path / "parts")] == logged
    train(config, tmp_path / "parts", **settings)
    assert len(calls) == 4
    timing = read_metrics(tmp_path / "parts", "timing.jsonl")
    assert all(line["samples_per_second"] > 0 for line in timing)
    metrics = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("whole", "parts")]
    assert metrics[0] == metrics[1]


def test_metrics_before_a_made_up_evaluation_are_counted_once(config, tmp_path, monkeypatch):
    settings = {"num_steps": 6, "eval_every_steps": 4, "checkpoint_every_steps": 8}
    train(config, tmp_path / "whole", **settings)
    evaluation_batches, begun = batches.input_pipeline.evaluation_batches, []

    def stopping(*arguments, **keywords):
        if not begun:
            os.kill(os.getpid(), signal.SIGTERM)
        begun.append(1)
        return evaluation_batches(*arguments, **keywords)

    monkeypatch.setattr(batches.input_pipeline, "evaluation_batches", stopping)
    with pytest.raises(Stopped, match="is saved at step 4"):
        train(config, tmp_path / "parts", **settings)
    # Killed after the evaluation, before the next checkpoint.
    killed = Path(shutil.copytree(tmp_path / "parts", tmp_path / "killed"))
    train(config, tmp_path / "parts", **settings)
    shutil.copy(tmp_path / "parts" / "metrics.jsonl", killed)
    train(config, killed, **settings)
    whole = (tmp_path / "whole" / "metrics.jsonl").read_bytes()
    assert (tmp_path / "parts" / "metrics.jsonl").read_bytes() == whole
    assert (killed / "metrics.jsonl").read_bytes() == whole


def test_the_best_checkpoint_is_kept_though_its_evaluation_was_interrupted(
    config, tmp_path, monkeypatch
):
    """As in an uninterrupted run: by steps of 4, and the best is step 4."""
    settings = {"num_steps": 20, "eval_every_steps": 4, "checkpoint_every_steps": 4}
    losses = {4: 1.0, 8: 3.0, 12: 4.0, 16: 5.0, 20: 6.0}
    real, begun = batches.make_eval_step, []

    def fake(task, mesh):
        step = real(task, mesh)

        def evaluate(state, batch):
            begun.append(1)
            if len(begun) == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            sums, count = step(state, batch)
            return {**sums, "loss": losses[int(state.step)] * count}, count

        return evaluate

    monkeypatch.setattr(batches, "make_eval_step", fake)
    with pytest.raises(Stopped, match="is saved at step 4"):
        train(config, tmp_path, batch_size=1, **settings)
    train(config, tmp_path, batch_size=1, **settings)
    kept = sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    assert kept == [4, 12, 16, 20]
    lines = read_metrics(tmp_path)
    assert [line["step"] for line in lines if "valid/loss" in line] == [4, 8, 12, 16, 20]


def test_a_line_of_the_log_waits_until_the_next_step_has_been_dispatched(
    config, tmp_path, monkeypatch
):
    events = []
    altering(monkeypatch, lambda metrics, step: events.append(f"step {step}") or metrics)
    write = MetricsLog.write

    def noting(log, step, scalars):
        events.append(f"line {step}")
        write(log, step, scalars)

    monkeypatch.setattr(MetricsLog, "write", noting)
    train(config, tmp_path, num_steps=4, log_every_steps=1, checkpoint_every_steps=3)
    # A checkpoint holds no metrics of steps whose line is due.
    expected = ["step 1", "step 2", "line 1", "step 3", "line 2", "line 3", "step 4", "line 4"]
    assert events == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_first_batch_is_read_is_heard(config, tmp_path, monkeypatch, number):
    notes_class = batches.input_pipeline.Notes
    read, reads = notes_class.__getitem__, []

    def interrupted(notes, index):
        reads.append(index)
        if len(reads) == 1:
            os.kill(os.getpid(), number)
        return read(notes, index)

    monkeypatch.setattr(batches, "trivial_baselines", lambda *_: {})
    monkeypatch.setattr(notes_class, "__getitem__", interrupted)
    with pytest.raises(Stopped, match=number.name):
        train(config, tmp_path, num_steps=50)


def test_a_profile_of_some_steps(config, tmp_path, capsys):
    train(config, tmp_path, num_steps=6, profile_steps=2)
    assert f"wrote a profile to {tmp_path / 'plugins' / 'profile'}" in capsys.readouterr().err
    (trace,) = tmp_path.glob("plugins/profile/*/*.xplane.pb")
    profile = jax.profiler.ProfileData.from_file(str(trace))
    steps = {
        dict(event.stats).get("step_num")
        for plane in profile.planes
        for line in plane.lines
        for event in line.events
        if event.name == "train"
    }
    assert steps == {3, 4}


def test_a_run_may_begin_to_clip(config, tmp_path):
    train(config, tmp_path, num_steps=2)
    config["optimizer"]["clip_norm"] = 0.1
    train(config, tmp_path, num_steps=3)
    assert load_trained(tmp_path).step == 3


def test_a_stop_does_not_wait_for_summaries(config, tmp_path):
    begun = []

    def summarize(config, task, state):
        begun.append(int(state.step))
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("went on after the signal")

    with pytest.raises(Stopped, match="is saved at step 2"):
        train_and_evaluate({**config, "summarize_every_steps": 2}, tmp_path, summarize)
    assert begun == [2]
    train(config, tmp_path)


@pytest.mark.parametrize(
    ("owner", "moment"),
    [
        (setup, "init_state"),
        (Progress, "fetch"),
        (Progress, "take_line"),
        (Progress, "metadata"),
        (MetricsLog, "__init__"),
    ],
)
def test_a_signal_at_any_moment_loses_nothing(config, tmp_path, monkeypatch, owner, moment):
    real, calls = getattr(owner, moment), []

    def interrupted(*arguments):
        calls.append(moment)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*arguments)

    monkeypatch.setattr(owner, moment, interrupted)
    with pytest.raises(Stopped) as stopped:
        train(config, tmp_path, num_steps=9, checkpoint_every_steps=3)
    said = int(re.search(r"SIGTERM: .* is saved at step (\d+)", str(stopped.value))[1])
    assert calls
    assert said < 9
    steps = [int(p.name) for p in (tmp_path / "checkpoints").iterdir()]
    assert max(steps, default=0) == said


def test_a_stop_whose_checkpoint_cannot_be_written_does_not_say_that_it_is(
    config, tmp_path, monkeypatch
):
    def close(self):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(ocp.training.Checkpointer, "close", close)

    def summarize(config, task, state):
        os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(MachineError, match="No space left on device"):
        train_and_evaluate({**config, "summarize_every_steps": 2}, tmp_path, summarize)


def test_a_validation_loss_that_is_not_finite_is_named(config, tmp_path, monkeypatch):
    real = batches.make_eval_step

    def broken(task, mesh):
        step = real(task, mesh)

        def evaluate(state, batch):
            sums, count = step(state, batch)
            return {**sums, "loss": sums["loss"] * float("nan")}, count

        return evaluate

    monkeypatch.setattr(batches, "make_eval_step", broken)
    with pytest.raises(UserError, match=r"the valid/loss is nan at step 4"):
        train(config, tmp_path)


def test_few_last_and_the_best_checkpoint_are_kept(config, tmp_path, monkeypatch):
    losses = iter([5.0, 3.0, 4.0, 4.5, 4.6, 4.7, 4.8])
    real = batches.make_eval_step

    def fake(task, mesh):
        step = real(task, mesh)

        def evaluate(state, batch):
            sums, count = step(state, batch)
            return {**sums, "loss": next(losses) * count}, count

        return evaluate

    monkeypatch.setattr(batches, "make_eval_step", fake)
    train(config, tmp_path, num_steps=7, eval_every_steps=1, checkpoint_every_steps=1)
    kept = sorted(int(p.name) for p in (tmp_path / "checkpoints").iterdir())
    assert kept == [2, 5, 6, 7]


def test_checkpoints_by_minutes(config, tmp_path):
    rarely = {"checkpoint_every_steps": 1000, "eval_every_steps": 1000, "num_steps": 3}
    for minutes, kept in ((1e6, {3}), (0.0, {1, 2, 3})):
        train(config, tmp_path / str(minutes), checkpoint_every_minutes=minutes, **rarely)
        steps = {int(p.name) for p in (tmp_path / str(minutes) / "checkpoints").iterdir()}
        assert steps == kept


def test_summaries_are_written_when_asked(config, tmp_path):
    steps = []

    def summarize(config, task, state):
        steps.append(int(state.step))
        picture = np.zeros((4, 5, 3), np.uint8)
        return MediaSummaries({"a": np.zeros(9, np.float32)}, {"a": picture}, 16_000)

    train_and_evaluate({**config, "summarize_every_steps": 3}, tmp_path, summarize)
    assert steps == [3, 4]
    events = next(tmp_path.glob("events.out.tfevents.*")).read_bytes()
    assert b"RIFF" in events
    assert b"PNG" in events


@pytest.mark.parametrize(
    ("setting", "value"), [("gain_db", 6.0), ("degradation", 1.0), ("decoder_input_noise", 6.0)]
)
def test_what_is_done_to_the_notes_reaches_the_training_alone(config, tmp_path, setting, value):
    def metrics(name, **changes):
        dataset = {**config["dataset"], **changes}
        train(config, tmp_path / name, num_steps=1, dataset=dataset)
        return read_metrics(tmp_path / name)[-1]

    unaugmented, changed = metrics("unaugmented"), metrics("changed", **{setting: value})
    assert changed["train/gradient_norm"] != unaugmented["train/gradient_norm"]
    name = "reference/histogram_bits_per_sample"
    assert changed[name] == unaugmented[name]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_steps": 0}, r"config.num_steps=0 must be a whole number, 1 or larger"),
        ({"batch_size": 2.5}, r"config.batch_size=2.5 must be a whole number"),
        ({"seed": -1}, r"config.seed=-1"),
        ({"seed": 2**32}, r"config.seed=4294967296 must be a whole number from 0 to"),
        (
            {"dataset": {**NOWHERE, "gain_db": -1.0}},
            r"config.dataset.gain_db=-1.0 must be between 0 and 96 dB",
        ),
        (
            {"dataset": {**NOWHERE, "decoder_input_noise": 33}},
            r"config.dataset.decoder_input_noise=33 must be between 0 and 32 mu-law codes",
        ),
        (
            {"dataset": {**NOWHERE, "decoder_input_shaped_noise": 2}},
            r"config.dataset.decoder_input_shaped_noise=2 must be a number from 0 to 1",
        ),
        (
            {"dataset": {**NOWHERE, "decoder_input_shaped_noise": 0.2}},
            r"shaped_noise=0.2 is added to other noise: give --config.dataset.decoder_input_noise",
        ),
        ({"eval_batches": 0}, r"config.eval_batches=0 must be a whole number, 1 or larger"),
        (
            {"checkpoint_every_minutes": -1.0},
            r"config.checkpoint_every_minutes=-1.0 must be a number, 0",
        ),
        (
            {"task": "talk"},
            r"config.task='talk' must be wavenet, spectral, classifier, translation or midi",
        ),
        ({"crop_samples": 100}, r"config.crop_samples=100 must be a multiple of the hop of 64"),
        ({"accumulation_steps": 3}, r"config.batch_size=4 cannot be split evenly"),
        ({"dataset": NOWHERE}, r"there is no dataset"),
    ],
)
def test_bad_settings_leave_nothing_behind(config, tmp_path, changes, reason):
    with pytest.raises(UserError, match=reason):
        train(config, tmp_path / "run", **changes)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("chanels", 4, "config.model.chanels is not a setting of .*: it has decoder_channels"),
        ("decoder_channels", 0, "config.model.decoder_channels=0 must be a whole number"),
        ("output_init", "ones", "must be authors or zeros"),
        ("num_pitches", -1, "config.model.num_pitches=-1 must be a whole number"),
        ("dtype", "float8", "must be float32 or bfloat16"),
    ],
)
def test_bad_model_settings(config, tmp_path, field, value, reason):
    config["model"][field] = value
    with pytest.raises(UserError, match=reason):
        train(config, tmp_path)


def test_trained_models_come_back(config, tiny_run):
    model = load_trained(tiny_run)
    state, _ = final_state(config, tiny_run)
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(model.params), state.ema_params)
    assert model.config == config
    assert model.step == 4
    assert re.fullmatch("[0-9a-f]{16}", model.fingerprint)
    assert load_trained(tiny_run).fingerprint == model.fingerprint


def test_settings_that_changed_are_told(config, tiny_run, tmp_path, capsys):
    shutil.copytree(tiny_run, tmp_path / "copy")
    train(config, tmp_path / "copy", num_steps=5, batch_size=2)
    errors = capsys.readouterr().err
    assert "changed since the last start: batch_size=2, was 4" in errors
    assert json.loads((tmp_path / "copy" / "config.json").read_text())["batch_size"] == 2


def test_a_single_checkpoint_can_be_named(config, tmp_path):
    train(config, tmp_path, checkpoint_every_steps=2)
    assert load_trained(tmp_path / "checkpoints" / "2").step == 2
    assert load_trained(tmp_path).step == 4
    with pytest.raises(UserError, match=r"there is no checkpoint .*3: there are \[2, 4\]"):
        load_trained(tmp_path / "checkpoints" / "3")


def test_damaged_checkpoints_are_named(tiny_run, tmp_path):
    workdir = Path(shutil.copytree(tiny_run, tmp_path / "copy"))
    (workdir / "checkpoints" / "99").mkdir()
    with pytest.raises(UserError, match=r"checkpoints/99 is damaged or not of this model .*: move"):
        load_trained(workdir)


def test_damaged_metrics_are_named(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(UserError, match=r"line 2 of .*metrics\.jsonl is damaged"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "is of another form"),
        ("null", "is of another form"),
        ("{}", "lacks task"),
        ('{"task": "wavenet"}', "lacks "),
        ("{", "cannot be read"),
    ],
)
def test_damaged_configurations_are_named(tmp_path, content, reason):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=rf"config\.json {reason}"):
        trained.read_config(tmp_path)


def test_processes_that_train_together_run_the_same_code(config, tmp_path, monkeypatch):
    def code():
        return setup._identity(config, {})["wavenet_ae's code"]

    identity = setup._identity(config, {})
    assert {"jax", "grain", "numpy", "wavenet_ae", "config.batch_size"} <= identity.keys()
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "module.py").write_text("x = 1")
    here = code()
    monkeypatch.setattr(setup.wavenet_ae, "__file__", str(tmp_path / "__init__.py"))
    other = code()
    (tmp_path / "inner" / "module.py").write_text("x = 2")
    assert len({here, other, code()}) == 3


def test_a_workdir_that_cannot_be_made(config, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be created"):
        train(config, tmp_path / "file" / "run")


def test_folders_that_hold_no_trained_model(tmp_path, tiny_run):
    with pytest.raises(UserError, match=r"is not a training run \(there is no config.json"):
        load_trained(tmp_path)
    (tmp_path / "config.json").write_text((tiny_run / "config.json").read_text())
    with pytest.raises(UserError, match="has no checkpoint yet"):
        load_trained(tmp_path)
    assert not (tmp_path / "checkpoints").exists()
