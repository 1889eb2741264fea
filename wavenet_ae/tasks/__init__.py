"""Tasks: a model with its input transform, its loss and its metrics."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, Protocol

import flax.linen as nn
import jax
import numpy as np

from wavenet_ae.errors import UserError
from wavenet_ae.tasks.classifier import ClassifierTask
from wavenet_ae.tasks.spectral import SpectralTask
from wavenet_ae.tasks.wavenet import WaveNetTask

Variables = Any  # a pytree of arrays


class Task(Protocol):
    """What the training loop needs to know of a model.

    Attributes:
        model: a Linen module.
        crop_samples: length of the training crops, or None for whole notes.
    """

    model: nn.Module
    crop_samples: int | None

    def init(self, key: jax.Array) -> tuple[Variables, Variables]:
        """Returns new parameters and model state (moving statistics, or an empty dict)."""
        ...

    def loss(
        self, params: Variables, model_state: Variables, batch: Mapping[str, jax.Array], train: bool
    ) -> tuple[dict[str, jax.Array], Variables]:
        """Returns the metrics of every example, `loss` among them, and the new model state."""
        ...

    def references(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Returns scores of knowing nothing, from training batches, to print beside the loss."""
        ...


_TASKS = {"wavenet": WaveNetTask, "spectral": SpectralTask, "classifier": ClassifierTask}


def create(config: Mapping[str, Any], platform: str | None = None) -> Task:
    """Builds the task that a configuration names.

    Args:
        config: `task`, `model` (the model's fields by name), and the task's own settings.
        platform: of the devices that will compute it; by default JAX's own.

    Raises:
        UserError: an unknown task or field, or a value that the model cannot have.
    """
    if config["task"] not in _TASKS:
        raise UserError(
            f"config.task={config['task']!r} is unknown: use one of {', '.join(_TASKS)}."
        )
    task = _TASKS[config["task"]]
    known = {field.name for field in dataclasses.fields(task.model_class)} - {
        "name",
        "parent",
        "platform",
    }
    unknown = sorted(set(config["model"]) - known)
    if unknown:
        raise UserError(
            f"config.model.{unknown[0]} is no setting of this model: "
            f"it has {', '.join(sorted(known))}."
        )
    own = [field.name for field in dataclasses.fields(task) if field.name != "model"]
    model = task.model_class(**config["model"], platform=platform or jax.default_backend())
    return task(model, **{name: config[name] for name in own})
