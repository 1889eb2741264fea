"""What all processes of a training decide alike, step by step."""

import collections
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from wavenet_ae.training import sharding

# Calls after which an answer is read: by then the devices have computed it, and nobody waits.
_LAG = 2


class Agreement:
    """Yes-or-no questions that all processes answer alike, asked as the devices work.

    Every process calls `any` at the same moments of its work. With several processes an answer is
    that to the question of two calls before, so that no process waits for its devices.

    Args:
        mesh: all devices of all processes.

    Attributes:
        lag: calls between a question and its answer.
    """

    def __init__(self, mesh: Mesh):
        self.lag = 0 if jax.process_count() == 1 else _LAG
        self._mesh = mesh
        self._asked: collections.deque[jax.Array] = collections.deque()
        self._reduce = jax.jit(
            lambda flags: jnp.any(flags, axis=0), out_shardings=sharding.replicated(mesh)
        )

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Returns for each flag whether it was set in any process."""
        if not self.lag:
            return list(flags)
        rows = np.tile(np.array(flags), (len(self._mesh.local_devices), 1))
        self._asked.append(self._reduce(sharding.to_global({"flags": rows}, self._mesh)["flags"]))
        if len(self._asked) <= self.lag:
            return [False] * len(flags)
        return [bool(flag) for flag in np.asarray(self._asked.popleft())]
