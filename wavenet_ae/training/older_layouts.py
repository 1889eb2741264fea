"""Converts what older versions of this package saved to today's layout.

The convolutions of the WaveNet autoencoder had kernels `[width, in, out]`; they are matrices now.
Configurations lacked newer settings, and had other names for some.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax

from wavenet_ae.models.layers import matrix_of_kernel

# The values that correspond to runs from before these settings.
_WITHOUT_SETTING = MappingProxyType(
    {
        "max_skipped_steps": 0,
        "profile_steps": 0,
        "dataset": {
            "gain_db": 0.0,
            "degradation": 0.0,
            "detune_semitones": 0.0,
            "decoder_input_noise": 0.0,
            "decoder_input_shaped_noise": 0.0,
        },
        "optimizer": {
            "name": "adam",
            "clip_norm": None,
            "clip_value": None,
            "skip_above_grad_norm": None,
        },
    }
)

_RENAMED = MappingProxyType(
    {
        "averaging_decay": "ema_decay",
        "input_noise": "decoder_input_noise",
        "skip_nonfinite": "max_skipped_steps",
        "spike_norm": "skip_above_grad_norm",
    }
)


def config_as_today(saved: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a saved configuration with today's names, and the settings added since."""

    def renamed(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {_RENAMED.get(name, name): value for name, value in settings.items()}

    config = {**_WITHOUT_SETTING, **renamed(saved)}
    for group in ("dataset", "optimizer"):
        if isinstance(config[group], Mapping):
            config[group] = {**_WITHOUT_SETTING[group], **renamed(config[group])}
    return config


def named_leaves(tree: Any) -> list[tuple[str, Any]]:
    """Lists the leaves of a tree with their paths, as exports name them."""
    return [
        (jax.tree_util.keystr(path, simple=True, separator="."), leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    ]


def as_saved(today: Any, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """Returns the layout in which to read a tree.

    Args:
        today: a tree of `jax.ShapeDtypeStruct`.
        shapes: of what was saved, by path.

    Returns:
        The same tree, with the saved shape of each older kernel.
    """

    def leaf(name: str, wanted: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
        saved = shapes.get(name, wanted.shape)
        return wanted.update(shape=saved) if _is_older(saved, wanted.shape) else wanted

    leaves = [leaf(*named) for named in named_leaves(today)]
    return jax.tree.unflatten(jax.tree.structure(today), leaves)


def as_today(saved: Any, today: Any) -> Any:
    """Returns a tree with the kernels of older versions as matrices.

    Args:
        saved: arrays.
        today: the same tree, of arrays or shapes in today's layout.
    """
    return jax.tree.map(
        lambda x, wanted: matrix_of_kernel(x) if _is_older(x.shape, wanted.shape) else x,
        saved,
        today,
    )


def _is_older(saved: tuple[int, ...], today: tuple[int, ...]) -> bool:
    return len(saved) == 3 and today == (saved[2], saved[0] * saved[1])
