"""Checks the settings that all trainings share."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
import psutil

from wavenet_ae import tasks
from wavenet_ae.data import nsynth, piano_roll
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import (
    BELOW_ONE,
    DATASET_NAME,
    NOT_NEGATIVE,
    PATH_OR_URL,
    POSITIVE,
    SEED,
    SHARE,
    Rules,
    check,
    choice,
    is_url,
    local_path,
    number,
    optional,
    or_none,
    several,
    whole,
)
from wavenet_ae.training.state import make_optimizer

_LARGEST_GAIN_DB = 96  # of 16 bits
_LARGEST_NOISE = 32  # an eighth of the codes
_MOST_SEMITONES = 12
_MOST_WORKERS = 1024

_RULES: Rules = {
    "seed": SEED,
    "num_steps": whole(1),
    "batch_size": whole(1),
    "accumulation_steps": whole(1),
    "ema_decay": SHARE,
    "max_skipped_steps": whole(0),
    "log_every_steps": whole(1),
    "eval_every_steps": whole(1),
    "eval_batches": or_none(whole(1)),
    "checkpoint_every_steps": whole(1),
    "checkpoint_every_minutes": or_none(NOT_NEGATIVE),
    "summarize_every_steps": whole(0),
    "profile_steps": whole(0),
    "init_from": or_none(PATH_OR_URL),
    "dataset": {
        "name": DATASET_NAME,
        "data_dir": PATH_OR_URL,
        "num_workers": whole(0, _MOST_WORKERS),
        "gain_db": number(
            f"between 0 and {_LARGEST_GAIN_DB} dB", lambda x: 0 <= x <= _LARGEST_GAIN_DB
        ),
        "degradation": SHARE,
        "detune_semitones": number(
            f"between 0 and {_MOST_SEMITONES} semitones", lambda x: 0 <= x <= _MOST_SEMITONES
        ),
        "decoder_input_noise": number(
            f"between 0 and {_LARGEST_NOISE} mu-law codes", lambda x: 0 <= x <= _LARGEST_NOISE
        ),
        "decoder_input_shaped_noise": SHARE,
        "roll": optional(choice(*piano_roll.KINDS)),  # what performances are read with
    },
    "optimizer": {
        "name": choice("adam", "muon"),
        "learning_rates": several(NOT_NEGATIVE, least=1),
        "boundaries": several(whole(1)),
        "b1": BELOW_ONE,
        "b2": BELOW_ONE,
        "eps": POSITIVE,
        "clip_norm": or_none(POSITIVE),
        "clip_value": or_none(POSITIVE),
        "skip_above_grad_norm": or_none(POSITIVE),
    },
}


def check_training(config: Mapping[str, Any]) -> None:
    """Checks every setting of a training, and their combinations, before anything is done.

    Raises:
        UserError: a setting is unknown, missing or wrong, or two contradict each other.
    """
    if "task" not in config:
        raise UserError(
            "the --config does not configure a training: take one of experiments/configs."
        )
    check(config, {**tasks.rules_of(config), **_RULES})
    make_optimizer(config["optimizer"])
    noise = config["dataset"]["decoder_input_noise"]
    if noise and config["task"] not in ("wavenet", "translation", "midi"):
        raise UserError(
            f"config.dataset.decoder_input_noise={noise} must be 0 for models without a "
            "WaveNet decoder."
        )
    shaped = config["dataset"]["decoder_input_shaped_noise"]
    if shaped and not noise:
        raise UserError(
            f"config.dataset.decoder_input_shaped_noise={shaped} is added to other noise: give "
            "--config.dataset.decoder_input_noise, too, for example 4."
        )
    if config.get("train") == "decoder" and config["init_from"] is None:
        raise UserError(
            "config.train=decoder trains decoders for the encoder of another run: name that with "
            "--config.init_from."
        )
    _check_of_readers(config["dataset"], tasks.TASKS[config["task"]].reads)
    skip_above_grad_norm = config["optimizer"]["skip_above_grad_norm"]
    if skip_above_grad_norm is not None and not config["max_skipped_steps"]:
        raise UserError(
            f"config.optimizer.skip_above_grad_norm={skip_above_grad_norm} skips steps: say with "
            "--config.max_skipped_steps=10 how many may be skipped."
        )


def _check_of_readers(dataset: Mapping[str, Any], reads: str) -> None:
    """Checks the settings of a dataset that not all tasks have, by what theirs reads."""
    # Of domains, the clean sounds are the targets; only they have a second sound.
    for name, reader in (("degradation", "notes"), ("detune_semitones", "domains")):
        if (value := dataset[name]) and reads != reader:
            raise UserError(
                f"config.dataset.{name}={value} must be 0 for models that learn from {reads}: only "
                f"those of {reader} have it."
            )
    if "roll" in dataset and reads != "performances":
        raise UserError(
            f"config.dataset.roll={dataset['roll']} is for models that learn from performances: "
            "leave it out."
        )
    if "roll" not in dataset and reads == "performances":
        raise UserError(
            f"config.dataset.roll is missing: it must be {' or '.join(piano_roll.KINDS)}."
        )


def check_memory(config: Mapping[str, Any], task: tasks.Task) -> None:
    """Raises a UserError where this process's share of a batch is more than the machine holds."""
    samples = task.crop_samples or nsynth.NOTE_SAMPLES
    needed = config["batch_size"] // jax.process_count() * samples * np.float32().nbytes
    memory = psutil.virtual_memory().total
    if needed > memory:
        raise UserError(
            f"config.batch_size={config['batch_size']}: its sounds alone take "
            f"{needed / 2**30:,.0f} GiB, and this machine has {memory / 2**30:,.0f}: lower it."
        )


def describe_short_crop(task: tasks.Task) -> str | None:
    """Says what a WaveNet cannot learn from its crops, or returns None where they are long enough.

    A crop begins without a past: what looks further back than its length sees only zeros.
    """
    context = getattr(task.model, "context_samples", 0)
    if not task.crop_samples or task.crop_samples >= context:
        return None
    return (
        f"config.crop_samples={task.crop_samples} is shorter than the {context} past samples that "
        "a prediction depends on: the weights that look further back than a crop are not trained "
        f"there, and disturb longer sounds; {context} or more trains all."
    )


def with_absolute_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration with a folder of data that does not depend on the current one."""
    data_dir = config["dataset"]["data_dir"]
    if not is_url(data_dir):
        data_dir = str(local_path("config.dataset.data_dir", data_dir).absolute())
    return {**config, "dataset": {**config["dataset"], "data_dir": data_dir}}
