"""Checks of the settings that several tasks share."""

from collections.abc import Sequence

import flax.linen as nn
import jax.numpy as jnp

from wavenet_ae.data import nsynth
from wavenet_ae.errors import UserError


def check_positive(model: nn.Module, names: Sequence[str]) -> None:
    """Raises a UserError where one of these fields is not a whole number above 0."""
    for name in names:
        value = getattr(model, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise UserError(f"config.model.{name}={value!r} must be a whole number above 0.")


def check_num_pitches(model: nn.Module) -> None:
    """Raises a UserError where `num_pitches` is neither 0 nor has room for all of MIDI's."""
    if not isinstance(model.num_pitches, int) or 0 != model.num_pitches < nsynth.NUM_PITCHES:
        raise UserError(
            f"config.model.num_pitches={model.num_pitches!r} must be a whole number: "
            "0, or 128 for MIDI."
        )


def check_dtype(model: nn.Module) -> None:
    """Raises a UserError where the model's numbers are not of a type or precision that there is."""
    if model.dtype not in (jnp.float32, "float32", jnp.bfloat16, "bfloat16"):
        raise UserError(f"config.model.dtype={model.dtype!r} must be float32 or bfloat16.")
    if model.matmul_precision not in (None, "high", "highest"):
        raise UserError(
            f"config.model.matmul_precision={model.matmul_precision!r} must be high, highest, or "
            "None for the device's own."
        )


def check_spectral_layers(model: nn.Module) -> None:
    """Raises a UserError where the layers of a spectral model cannot be made."""
    check_positive(
        model, [f"{size}_channels" for size in ("narrow", "middle", "wide", "bottleneck")]
    )
    check_dtype(model)
    if not 0 <= model.batch_norm_decay < 1:
        raise UserError(
            f"config.model.batch_norm_decay={model.batch_norm_decay} must be 0 or more and below 1."
        )
