"""What a training leaves behind."""

import json
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wavenet_ae import tasks
from wavenet_ae.training import sharding
from wavenet_ae.training.checkpoint import restore
from wavenet_ae.training.step import init_state


def final_state(workdir: Path) -> Any:
    """Returns the last state of a run, and its progress."""
    config = json.loads((workdir / "config.json").read_text())
    state = init_state(config, tasks.create(config), sharding.data_mesh())
    return jax.device_get(restore(workdir, state))


def assert_identical(workdir: Path, expected: Path) -> None:
    """Asserts that two runs have the same metrics and the same last state, bit for bit."""
    metrics = [(folder / "metrics.jsonl").read_bytes() for folder in (workdir, expected)]
    assert metrics[0] == metrics[1]
    jax.tree.map(np.testing.assert_array_equal, final_state(workdir), final_state(expected))
