"""The settings that all trainings share, checked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wavenet_ae.errors import UserError

# Settings that must be whole numbers, with the smallest value of each.
_WHOLE_NUMBERS = {
    "seed": 0,
    "num_steps": 1,
    "batch_size": 1,
    "accumulation_steps": 1,
    "skip_nonfinite": 0,
    "log_every_steps": 1,
    "eval_every_steps": 1,
    "checkpoint_every_steps": 1,
    "summarize_every_steps": 0,
    "profile_steps": 0,
    "dataset.num_workers": 0,
}
_LARGEST_SEED = 2**32 - 1
_LARGEST_GAIN_DB = 96  # of 16 bits
_LARGEST_NOISE = 32  # an eighth of the codes


def check_numbers(config: Mapping[str, Any]) -> None:
    """Raises a UserError where a number of the configuration cannot be."""
    numbers = {**config, **{f"dataset.{k}": v for k, v in config["dataset"].items()}}
    for name, smallest in _WHOLE_NUMBERS.items():
        value = numbers[name]
        if not isinstance(value, int) or isinstance(value, bool) or value < smallest:
            raise UserError(
                f"config.{name}={value!r} must be a whole number, {smallest} or larger."
            )
    if config["seed"] > _LARGEST_SEED:
        raise UserError(f"config.seed={config['seed']} must be at most {_LARGEST_SEED}.")
    for name, smallest in (("eval_batches", 1), ("checkpoint_every_minutes", 0)):
        if config[name] is not None and config[name] < smallest:
            raise UserError(f"config.{name}={config[name]} must be {smallest} or more, or None.")
    gain_db = config["dataset"].get("gain_db", 0.0)
    if not 0 <= gain_db <= _LARGEST_GAIN_DB:
        raise UserError(
            f"config.dataset.gain_db={gain_db} must be between 0 and {_LARGEST_GAIN_DB} dB."
        )
    input_noise = config["dataset"].get("input_noise", 0.0)
    if not 0 <= input_noise <= (_LARGEST_NOISE if config["task"] == "wavenet" else 0):
        raise UserError(
            f"config.dataset.input_noise={input_noise} must be between 0 and {_LARGEST_NOISE} "
            "mu-law codes, and 0 for other models than the WaveNet."
        )
    spike_norm = config["optimizer"]["spike_norm"]
    if spike_norm is not None and not (spike_norm > 0 and config["skip_nonfinite"]):
        raise UserError(
            f"config.optimizer.spike_norm={spike_norm} must be above 0, and say with "
            "--config.skip_nonfinite=10 how many steps may be skipped."
        )


def with_absolute_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration with a folder of data that does not depend on the current one."""
    data_dir = config["dataset"]["data_dir"]
    if "://" not in data_dir:
        data_dir = str(Path(data_dir).expanduser().absolute())
    return {**config, "dataset": {**config["dataset"], "data_dir": data_dir}}
