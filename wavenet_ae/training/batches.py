"""The training batches of a run, and its scores on the validation split."""

import contextlib
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
from jax.sharding import Mesh

from wavenet_ae import tasks
from wavenet_ae.data import domain_batches, input_pipeline, performance_batches
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.interruption import StopRequest
from wavenet_ae.training.state import TrainState
from wavenet_ae.training.step import make_eval_step

# The modules that make batches, and the settings of `config.dataset` that change the sounds in
# them, by what a task reads.
_PIPELINES = {
    "notes": input_pipeline,
    "domains": domain_batches,
    "performances": performance_batches,
}
_AUGMENTATIONS = {
    "notes": input_pipeline.AUGMENTATIONS,
    "domains": (
        "gain_db",
        "detune_semitones",
        "decoder_input_noise",
        "decoder_input_shaped_noise",
    ),
    "performances": ("gain_db", "decoder_input_noise", "decoder_input_shaped_noise"),
}
# Batches of training data from which the trivial baselines are computed.
_BASELINE_BATCHES = 64


def _share() -> input_pipeline.ProcessShare:
    return input_pipeline.ProcessShare(jax.process_index(), jax.process_count())


def open_split(config: Mapping[str, Any], task: tasks.Task, split: str) -> Sequence[Any]:
    """Opens a split of the dataset: its notes, its performances, or sounds of the task's domains.

    Raises:
        UserError: as `open_split` of the module in `data`; or a sound that crops are cut from is
            shorter than a crop.
    """
    where = config["dataset"]["name"], config["dataset"]["data_dir"], split
    if task.reads == "domains":
        where += (task.domains,)
    found = _PIPELINES[task.reads].open_split(*where)
    if task.reads != "notes":
        found.check_crop(task.crop_samples)
    return found


def training_batches(
    config: Mapping[str, Any], task: tasks.Task, sounds: Sequence[Any], first_step: int
) -> Iterator[input_pipeline.Batch]:
    """Yields this process's share of the batches from a step on, of what `open_split` returns."""
    dataset = config["dataset"]
    return _PIPELINES[task.reads].training_batches(
        sounds,
        seed=config["seed"],
        first_step=first_step,
        share=_share(),
        num_workers=dataset["num_workers"],
        **_shape(config, task),
        **{name: dataset[name] for name in _AUGMENTATIONS[task.reads]},
    )


def _shape(config: Mapping[str, Any], task: tasks.Task) -> dict[str, Any]:
    """Returns the settings of what a batch holds, in training and in evaluation."""
    shape = {"batch_size": config["batch_size"], "crop_samples": task.crop_samples}
    if task.reads == "performances":
        shape |= {"margin": task.roll_margin, "roll": config["dataset"]["roll"]}
    return shape


def trivial_baselines(
    config: Mapping[str, Any], task: tasks.Task, sounds: Sequence[Any]
) -> dict[str, float]:
    """Returns trivial baselines on training sounds without augmentation: the same everywhere."""
    batches = _PIPELINES[task.reads].training_batches(
        sounds, seed=config["seed"], **_shape(config, task)
    )
    # A small split is read only once.
    has_windows = task.reads != "notes"
    examples = sounds.num_windows(task.crop_samples) if has_windows else len(sounds)
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

    def evaluate(state: TrainState) -> dict[str, float] | None:
        batches = _PIPELINES[task.reads].evaluation_batches(
            sounds,
            **_shape(config, task),
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
