"""Tasks: a model with its input transform, its loss and its metrics."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Protocol

import flax.linen as nn
import jax
import numpy as np

from wavenet_ae.system.settings import Rules, check, choice, optional
from wavenet_ae.tasks.classifier import ClassifierTask
from wavenet_ae.tasks.midi import MidiTask
from wavenet_ae.tasks.spectral import SpectralTask
from wavenet_ae.tasks.translation import TranslationTask
from wavenet_ae.tasks.updates import Reads, Update
from wavenet_ae.tasks.wavenet import WaveNetTask

Variables = Any  # a pytree of arrays


class Task(Protocol):
    """All that the training loop, the tools and evaluation need of a task.

    A dataclass whose fields are `model` and the task's own settings of the configuration; of those,
    the ones that are named as a field of the model go to the model. Tasks on notes inherit from
    `NoteTask` what they have in common.

    Attributes:
        model_class: of `model`; its fields are the settings `config.model`.
        rules: of `config.model` and of the task's own settings, by name.
        reads: what a batch is made of: `notes`; sounds of `domains`, with the task's own `domains`
            in order; or `performances`, with their piano rolls and the task's own `roll_margin`.
        metrics: the names of what `loss` returns in training, `loss` first; in evaluation there
            may be more.
        model: a Linen module with the fields `dtype`, `matmul_precision` and `platform`, and
            `arithmetic`, which follows from them.
        crop_samples: length of the training crops, or None for whole notes.
        batch_multiple: the number of rows of which every batch, and every part of one that is
            computed at once, is a multiple.
        may_differ: fields of the model in which the run of `config.init_from` may differ.
    """

    model_class: ClassVar[type[nn.Module]]
    rules: ClassVar[Rules]
    reads: ClassVar[Reads]
    metrics: ClassVar[tuple[str, ...]]
    model: nn.Module
    crop_samples: int | None
    batch_multiple: int
    may_differ: tuple[str, ...]

    @property
    def num_pitches(self) -> int:
        """0, or how many pitches the model is conditioned on."""
        ...

    @property
    def updates(self) -> tuple[Update, ...]:
        """The updates of a training step, in order."""
        ...

    def batch_arrays(
        self, batch_size: int, dataset: Mapping[str, Any]
    ) -> dict[str, tuple[tuple[int, ...], type]]:
        """Describes a batch of training: the shape and the type of each of its arrays.

        Args:
            batch_size: rows.
            dataset: the settings `config.dataset`.
        """
        ...

    def init(self, key: jax.Array) -> tuple[Variables, Variables]:
        """Returns new parameters and model state (moving statistics, or an empty dict)."""
        ...

    def start_params(self, params: Variables, theirs: Variables) -> Variables:
        """Returns the parameters to begin with, where `config.init_from` names another run.

        Args:
            params: new ones.
            theirs: of the other run.
        """
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
            Metrics by name, float32 `[batch]`, and the new model state.
        """
        ...

    def trivial_baselines(self, batches: Iterable[Mapping[str, np.ndarray]]) -> dict[str, float]:
        """Returns scores of trivial baselines on training batches, to log beside the loss."""
        ...


# A new task is a file, a line here and a configuration in `experiments/configs/`.
TASKS = {
    "wavenet": WaveNetTask,
    "spectral": SpectralTask,
    "classifier": ClassifierTask,
    "translation": TranslationTask,
    "midi": MidiTask,
}


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
    fields = dict(settings.pop("model"))
    for field in dataclasses.fields(task.model_class):
        if field.name in settings:
            # As a tuple, also from JSON: compiled programs are stored by their models' hashes.
            value = settings.pop(field.name)
            fields[field.name] = tuple(value) if isinstance(value, list) else value
    model = task.model_class(**fields, platform=platform or jax.default_backend())
    return task(model, **settings)
