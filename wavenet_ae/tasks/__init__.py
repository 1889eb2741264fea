"""Tasks: a model with its input transform, its loss and its metrics."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import flax.linen as nn
import jax
import numpy as np

from wavenet_ae.system.settings import Rules, check, choice, optional
from wavenet_ae.tasks.classifier import ClassifierTask
from wavenet_ae.tasks.spectral import SpectralTask
from wavenet_ae.tasks.wavenet import WaveNetTask

Variables = Any  # a pytree of arrays


class Task(Protocol):
    """All that the training loop, the tools and evaluation need of a task.

    A dataclass whose fields are `model` and the task's own settings of the configuration. Its
    batches are as `nsynth.batch_arrays` describes them.

    Attributes:
        model_class: of `model`; its fields are the settings `config.model`.
        rules: of `config.model` and of the task's own settings, by name.
        metrics: the names of what `loss` returns, `loss` first.
        model: a Linen module with the fields `dtype`, `matmul_precision` and `platform`, and
            `arithmetic`, which follows from them.
        crop_samples: length of the training crops, or None for whole notes.
    """

    model_class: ClassVar[type[nn.Module]]
    rules: ClassVar[Rules]
    metrics: ClassVar[tuple[str, ...]]
    model: nn.Module
    crop_samples: int | None

    @property
    def num_pitches(self) -> int:
        """0, or how many pitches the model is conditioned on."""
        ...

    def init(self, key: jax.Array) -> tuple[Variables, Variables]:
        """Returns new parameters and model state (moving statistics, or an empty dict)."""
        ...

    def loss(
        self,
        params: Variables,
        model_state: Variables,
        batch: Mapping[str, jax.Array],
        *,
        train: bool,
        key: jax.Array | None = None,
    ) -> tuple[dict[str, jax.Array], Variables]:
        """Scores a batch.

        Args:
            params: of the model.
            model_state: of the model.
            batch: global.
            train: whether the model learns from it.
            key: random key of this training step; None in evaluation.

        Returns:
            `metrics` by name, float32 `[batch]`, and the new model state.
        """
        ...

    def trivial_baselines(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Returns scores of trivial baselines on training batches, to log beside the loss."""
        ...


# A new task is a file, a line here and a configuration in `experiments/configs/`.
TASKS = {"wavenet": WaveNetTask, "spectral": SpectralTask, "classifier": ClassifierTask}


def rules_of(config: Mapping[str, Any]) -> Rules:
    """Returns the rules of what `create` reads of a configuration.

    Raises:
        UserError: there is no such task.
    """
    task_rule = {"task": choice(*TASKS)}
    check({name: config[name] for name in task_rule if name in config}, task_rule)
    rules = TASKS[config["task"]].rules
    model = {name: optional(rule) for name, rule in rules["model"].items()}  # they have defaults
    return {**task_rule, **rules, "model": model}


def create(config: Mapping[str, Any], platform: str | None = None) -> Task:
    """Builds the task that a configuration names.

    Args:
        config: `task`, `model` (the model's fields by name), and the task's own settings.
        platform: of the devices that will compute it; by default JAX's.

    Raises:
        UserError: an unknown task or field, or a value that the model cannot have.
    """
    rules = rules_of(config)
    settings = {name: config[name] for name in rules if name in config}
    check(settings, rules)
    task = TASKS[settings.pop("task")]
    fields = settings.pop("model")
    model = task.model_class(**fields, platform=platform or jax.default_backend())
    return task(model, **settings)
