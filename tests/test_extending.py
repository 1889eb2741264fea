"""The example of docs/extending.md, as a reader would build it."""

import re
import sys
import types
from pathlib import Path

import jax
import numpy as np
import pytest
from entry_points import load_config

from wavenet_ae import tasks
from wavenet_ae.data.input_pipeline import open_split
from wavenet_ae.evaluation.scores import Scorer
from wavenet_ae.synthesis.summaries import reconstruct_notes
from wavenet_ae.training.loop import train_and_evaluate
from wavenet_ae.training.metrics import read_metrics
from wavenet_ae.training.trained import load_trained

PAGE = Path(__file__).parents[1] / "docs" / "extending.md"
# A file's name, and what is to be written there.
FILES = dict(re.findall(r"^`(\S+\.py)`:\n\n```python\n(.*?)```", PAGE.read_text(), re.M | re.S))
TASK, REGISTRY, CONFIG = (
    "wavenet_ae/tasks/envelope.py",
    "wavenet_ae/tasks/__init__.py",
    "experiments/configs/envelope.py",
)


@pytest.fixture
def task_class(monkeypatch):
    module = types.ModuleType("wavenet_ae.tasks.envelope")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(FILES[TASK], TASK, "exec"), module.__dict__)
    monkeypatch.setattr(tasks, "TASKS", dict(tasks.TASKS))
    exec(FILES[REGISTRY], {"TASKS": tasks.TASKS, "EnvelopeTask": module.EnvelopeTask})
    return module.EnvelopeTask


@pytest.fixture
def config(task_class, data_dir, tmp_path):
    path = tmp_path / "envelope.py"
    path.write_text(FILES[CONFIG])
    return load_config(f"{path}:demo", **{"dataset.data_dir": str(data_dir), "num_steps": 160})


def test_the_example_trains_and_is_scored(config, task_class, tmp_path):
    workdir = tmp_path / "run"
    train_and_evaluate(config, workdir, reconstruct_notes)
    lines = read_metrics(workdir)
    for name in task_class.metrics:
        assert 0 <= lines[-1][f"valid/{name}"] < lines[0][f"train/{name}"]
    assert lines[-1]["train/loss"] < lines[0]["reference/mean_envelope_loss"] / 10

    trained = load_trained(workdir)
    assert isinstance(trained.task, task_class)
    [note] = open_split(config["dataset"]["name"], config["dataset"]["data_dir"], "valid")
    scores = Scorer(trained)(note["audio"][None], {})
    np.testing.assert_allclose(scores["loss"], lines[-1]["valid/loss"], rtol=1e-3)


def test_the_task_has_all_members_and_the_parameters_that_the_page_counts(config, task_class):
    task = tasks.create(config)
    named = (name for name in vars(tasks.Task) if not name.startswith("_"))
    for member in {*tasks.Task.__annotations__, *named}:
        assert hasattr(task, member), member
    params, _ = jax.eval_shape(task.init, jax.random.key(0))
    count = f"{sum(leaf.size for leaf in jax.tree.leaves(params)):,}"
    assert FILES[CONFIG].count(count) == 2
    assert f"({count} here)" in PAGE.read_text()


def test_the_tool_of_the_page_has_an_entry_point():
    [tool] = (name for name in FILES if name.startswith("wavenet_ae/cli/"))
    compile(FILES[tool], tool, "exec")
    assert "def main() -> int:" in FILES[tool]
