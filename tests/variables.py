"""Random values for all variables of a task, without the minute that compiling its own takes."""

from typing import Any

import jax
import numpy as np

from wavenet_ae.tasks import Task


def random_variables(task: Task, seed: int = 0) -> tuple[Any, Any]:
    """Returns parameters and model state; statistics are such as training leaves them."""
    rng = np.random.default_rng(seed)

    def fill(path, leaf):
        if path[-1].key == "kernel":
            # Keeps values near 1 from layer to layer.
            value = rng.normal(0, np.prod(leaf.shape[:-1]) ** -0.5, leaf.shape)
        elif path[-1].key == "var":
            value = rng.uniform(0.2, 1.0, leaf.shape)
        else:
            value = rng.normal(0, 0.2, leaf.shape)
        return value.astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(fill, jax.eval_shape(task.init, jax.random.key(0)))
