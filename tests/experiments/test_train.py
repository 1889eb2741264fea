import functools
import json
import subprocess

import entry_points
import jax
import numpy as np
import pytest

from wavenet_ae.training.metrics import read_metrics
from wavenet_ae.training.trained import load_trained

TINY = {
    **entry_points.TINY_MODEL,
    "num_steps": 2,
    "crop_samples": 512,
    "log_every_steps": 1,
    "optimizer.boundaries": "(1,)",
}


def test_trains_then_resumes_then_has_nothing_to_do(data_dir, tmp_path):
    flags = {**TINY, "dataset.data_dir": data_dir}
    workdir = f"--workdir={tmp_path / 'run'}"

    def train(**settings):
        return entry_points.train("wavenet_ae.py:demo", workdir, **settings)

    # In a new Python, whose end counts, too.
    config = f"--config={entry_points.CONFIGS / 'wavenet_ae.py'}:demo"
    changes = entry_points.changes(flags | {"summarize_every_steps": 2})
    process = entry_points.start_anew("train", config, workdir, *changes)
    streams = process.communicate()
    first = subprocess.CompletedProcess(process.args, process.returncode, *streams)
    assert first.returncode == 0, first.stderr
    assert "compiled the training step" in first.stderr
    assert "Traceback" not in first.stderr
    lines = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    events = next((tmp_path / "run").glob("events*")).read_bytes()
    assert b"reconstruction" in events

    second = train(**{**flags, "num_steps": 3})
    assert second.returncode == 0
    assert "at step 2 of 3" in second.stderr

    third = train(**{**flags, "num_steps": 3})
    assert third.returncode == 0
    assert "is at step 3: raise --config.num_steps" in third.stderr

    other = train(**{**flags, "model.skip_channels": 5})
    assert other.returncode == 1
    assert (
        other.stderr.strip()
        .splitlines()[-1]
        .endswith("skip_channels=4, and this run has skip_channels=5: use another --workdir.")
    )


def test_two_processes_train_as_one_does(data_dir, tmp_path):
    settings = {**TINY, "dataset.data_dir": data_dir}
    config = f"--config={entry_points.CONFIGS / 'wavenet_ae.py'}:demo"
    flags = (config, *entry_points.changes(settings), f"--workdir={tmp_path / 'two'}")
    entry_points.run_two("train", flags, flags)
    one = entry_points.train("wavenet_ae.py:demo", f"--workdir={tmp_path / 'one'}", **settings)
    assert one.returncode == 0, one.stderr
    alone, together = (load_trained(tmp_path / name) for name in ("one", "two"))
    # The gradient is summed in another order.
    same = functools.partial(np.testing.assert_allclose, atol=1e-5)
    jax.tree.map(same, together.params, alone.params)
    losses = [[line["train/loss"] for line in read_metrics(tmp_path / n)] for n in ("one", "two")]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    assert len(losses[0]) == 2


@pytest.mark.parametrize(
    ("config", "settings", "reason"),
    [
        ("wavenet_ae.py:huge", {}, "no variant 'huge'"),
        ("missing.py", {}, "missing.py"),
        ("wavenet_ae.py:demo", {"dataset.data_dir": "/nowhere"}, "there is no dataset"),
        ("wavenet_ae.py:demo", {"batch_size": 0}, "config.batch_size=0"),
        ("wavenet_ae.py:demo", {"no_such_setting": 1}, "no_such_setting"),
    ],
)
def test_mistakes_get_one_sentence(tmp_path, config, settings, reason):
    result = entry_points.train(config, f"--workdir={tmp_path / 'run'}", **settings)
    assert result.returncode != 0
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()
