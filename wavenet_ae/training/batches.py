"""The training batches of a run, and its scores on the validation split."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from wavenet_ae import tasks
from wavenet_ae.data import domain_batches, input_pipeline
from wavenet_ae.data.domain_batches import DomainSplit
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.interruption import StopRequest
from wavenet_ae.training.state import TrainState
from wavenet_ae.training.step import make_eval_step

# Settings of `config.dataset` that change the sounds of domains.
_OF_DOMAINS = ("gain_db", "detune_semitones", "decoder_input_noise")
# Batches of training data from which the trivial baselines are computed.
_BASELINE_BATCHES = 64


def _share() -> input_pipeline.ProcessShare:
    return input_pipeline.ProcessShare(jax.process_index(), jax.process_count())


def open_split(config: Mapping[str, Any], task: tasks.Task, split: str) -> Sequence[Any]:
    """Opens a split of the dataset: its notes, or the sounds of the task's domains, if it has any.

    Raises:
        UserError: as `input_pipeline.open_split` or `domain_batches.open_split`; or a domain's
            sound is shorter than a crop.
    """
    where = config["dataset"]["name"], config["dataset"]["data_dir"], split
    if domains := task.domains:
        found = domain_batches.open_split(*where, domains)
        found.check_crop(task.crop_samples)
        return found
    return input_pipeline.open_split(*where)


def training_batches(
    config: Mapping[str, Any], task: tasks.Task, sounds: Sequence[Any], first_step: int
) -> Iterator[input_pipeline.Batch]:
    """Yields this process's share of the batches from a step on, of what `open_split` returns."""
    dataset = config["dataset"]
    reading = {
        "first_step": first_step,
        "share": _share(),
        "num_workers": dataset["num_workers"],
    }
    if isinstance(sounds, DomainSplit):
        reading |= {name: dataset[name] for name in _OF_DOMAINS}
    else:
        reading |= input_pipeline.augmentations(dataset)
    return _batches(config, task, sounds, **reading)


def _batches(
    config: Mapping[str, Any], task: tasks.Task, sounds: Sequence[Any], **settings: Any
) -> Iterator[input_pipeline.Batch]:
    pipeline = domain_batches if isinstance(sounds, DomainSplit) else input_pipeline
    return pipeline.training_batches(
        sounds,
        seed=config["seed"],
        batch_size=config["batch_size"],
        crop_samples=task.crop_samples,
        **settings,
    )


def trivial_baselines(
    config: Mapping[str, Any], task: tasks.Task, sounds: Sequence[Any]
) -> dict[str, float]:
    """Returns trivial baselines on training sounds without augmentation: the same everywhere."""
    batches = _batches(config, task, sounds)
    # A small split is read only once.
    is_split = isinstance(sounds, DomainSplit)
    examples = sounds.num_windows(task.crop_samples) if is_split else len(sounds)
    epoch = math.ceil(examples / config["batch_size"])
    with contextlib.closing(batches):
        scores = task.trivial_baselines(itertools.islice(batches, min(epoch, _BASELINE_BATCHES)))
    return {f"reference/{name}": value for name, value in scores.items()}


def make_evaluate(
    config: Mapping[str, Any],
    task: tasks.Task,
    mesh: Mesh,
    sounds: Sequence[Any],
    stop: StopRequest,
) -> Callable[[TrainState], dict[str, float] | None]:
    """Returns a function that scores the averaged weights, or returns None if a stop is requested.

    The function raises a UserError if the loss is not finite.
    """
    eval_step = make_eval_step(task, mesh)
    pipeline = domain_batches if isinstance(sounds, DomainSplit) else input_pipeline

    def evaluate(state: TrainState) -> dict[str, float] | None:
        batches = pipeline.evaluation_batches(
            sounds,
            batch_size=config["batch_size"],
            crop_samples=task.crop_samples,
            num_batches=config["eval_batches"],
            share=_share(),
            num_workers=config["dataset"]["num_workers"],
        )
        sums = []
        with contextlib.closing(batches):
            for batch in batches:
                if stop.is_made():
                    return None
                sums.append(eval_step(state, sharding.to_global(batch, mesh)))
        totals, counts = zip(*jax.device_get(sums), strict=True)
        scores = {f"valid/{k}": float(sum(t[k] for t in totals) / sum(counts)) for k in totals[0]}
        if not math.isfinite(scores["valid/loss"]):
            raise UserError(
                f"the valid/loss is {scores['valid/loss']} at step {int(state.step)}: look for "
                "broken sounds in the valid split; the same command resumes from the last "
                "checkpoint."
            )
        return scores

    return evaluate
