"""What the first step of training makes of weights that it starts from."""

from pathlib import Path

import jax
import numpy as np
import pytest

from wavenet_ae.data import input_pipeline
from wavenet_ae.training.metrics import read_metrics
from wavenet_ae.training.trained import TrainedModel, load_trained


def assert_first_step(workdir: Path, start: TrainedModel) -> None:
    """Asserts that a run of one step began with these weights and moving statistics."""
    after = load_trained(workdir)
    config, dataset = after.config, after.config["dataset"]
    notes = input_pipeline.open_split(dataset["name"], dataset["data_dir"], "train")
    batch = next(
        input_pipeline.training_batches(
            notes, seed=config["seed"], batch_size=config["batch_size"], crop_samples=None
        )
    )
    loss = jax.jit(after.task.loss, static_argnames="train")
    metrics, state = loss(start.params, start.model_state, batch, train=True)
    [line] = read_metrics(workdir)
    assert line["step"] == 1
    assert line["train/loss"] == pytest.approx(float(metrics["loss"].mean()), rel=1e-5)
    jax.tree.map(
        lambda ours, expected: np.testing.assert_allclose(ours, expected, atol=3e-5),
        after.model_state,
        state,
    )
