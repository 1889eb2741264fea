"""Settings that every training has, whatever the model."""

from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict, config_dict

from wavenet_ae.system.errors import UserError


def training(task: str) -> ConfigDict:
    """Returns the settings that the configurations of trainings share; each adds its own."""
    config = ConfigDict()
    config.task = task
    config.seed = 0
    config.model = ConfigDict()
    # Of float32 products on accelerators: none for their own, or high, or highest.
    config.model.matmul_precision = config_dict.placeholder(str)

    config.dataset = ConfigDict()
    config.dataset.name = "nsynth/full"
    config.dataset.data_dir = "~/tensorflow_datasets"
    config.dataset.num_workers = 4
    config.dataset.gain_db = 0.0  # training notes are made louder at random, up to this
    config.dataset.degradation = 0.0  # share of training notes with noise, detuned, filtered
    # Translation: a part of what the encoder reads in training is out of tune, by up to this much.
    config.dataset.detune_semitones = 0.0
    # Noise in the decoder's inputs while training: its largest standard deviation, in mu-law codes.
    config.dataset.decoder_input_noise = 0.0
    # And noise with the sound's own spectrum: its largest amplitude, as a share of the sound's.
    config.dataset.decoder_input_shaped_noise = 0.0

    config.accumulation_steps = 1  # parts into which a batch is split
    config.optimizer = ConfigDict()
    config.optimizer.name = "adam"  # the paper's; or muon, which learns faster (docs/results.md)
    config.optimizer.boundaries = ()  # steps at which the next of the learning rates begins
    config.optimizer.b2 = 0.999
    config.optimizer.eps = 1e-8
    config.optimizer.clip_norm = config_dict.placeholder(float)  # of the gradient; none: no limit
    config.optimizer.clip_value = config_dict.placeholder(float)  # of each number in it
    config.max_skipped_steps = 0  # steps that a run may skip for a gradient that is not finite
    config.optimizer.skip_above_grad_norm = config_dict.placeholder(float)  # also skip above it

    config.log_every_steps = 100
    config.eval_every_steps = 5_000
    config.eval_batches = config_dict.placeholder(int)  # none: all
    config.checkpoint_every_steps = 5_000
    config.checkpoint_every_minutes = 30.0
    config.init_from = config_dict.placeholder(str)  # a run or export to start from
    config.summarize_every_steps = 0  # sounds for TensorBoard; 0: none
    config.profile_steps = 0  # traced for TensorBoard's profiler after each start; 0: none
    return config


# Settings of all variants for one GPU, and for two CPU cores.
ON_ONE_GPU = {
    "dataset": {"name": "nsynth_json/by_instrument"},
    "eval_every_steps": 2_500,
    "checkpoint_every_steps": 2_500,
}
ON_TWO_CORES = {
    "model": {"dtype": "float32"},
    "dataset": {"num_workers": 0},
    "log_every_steps": 10,
    "eval_every_steps": 100,
    "eval_batches": 8,
    "checkpoint_every_steps": 100,
    "checkpoint_every_minutes": 2.0,
    "summarize_every_steps": 0,
}
# Of a longer training there: the rates are those of four boundaries.
LONGER_ON_A_CORE = {
    "optimizer": {"name": "muon", "b1": 0.95, "learning_rates": (4e-3, 2e-3, 1e-3, 5e-4, 2e-4)},
    "ema_decay": 0.999,
    "log_every_steps": 100,
    "eval_batches": 32,
    "eval_every_steps": 1_000,
    "checkpoint_every_steps": 500,
    "checkpoint_every_minutes": 5.0,
}


def changed(config: ConfigDict, *changes: Mapping[str, Any]) -> ConfigDict:
    """Returns the configuration with some settings changed."""
    for change in changes:
        config.update(change)
    return config


def choose(variant: str, variants: Mapping[str, Callable[[], ConfigDict]]) -> ConfigDict:
    """Returns the configuration of a variant, locked.

    Args:
        variant: the part after the colon of `--config=FILE:variant`; may be empty.
        variants: functions by name; that of "" is the default.

    Raises:
        UserError: there is no such variant.
    """
    if variant not in variants:
        raise unknown_variant(variant, *filter(None, variants))
    return variants[variant]().lock()


def unknown_variant(variant: str, *known: str) -> UserError:
    """Returns the error for a variant that a configuration does not have."""
    choice = f"use {', '.join(known[:-1])} or {known[-1]}" if known else "leave it out"
    return UserError(f"the configuration has no variant {variant!r}: {choice}.")
