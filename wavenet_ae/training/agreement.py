"""What all processes of a training decide alike, step by step."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from wavenet_ae.training import sharding

# Calls after which an answer is read: by then the devices have computed it, and nobody waits.
_LAG = 2


class Agreement:
    """A yes-or-no question that all processes answer alike, asked as the devices work.

    Every process calls `any` at the same moments of its work. With several processes an answer is
    that to the question of two calls before, so that no process waits for its devices.

    Args:
        mesh: all devices of all processes.
    """

    def __init__(self, mesh: Mesh):
        self._lag = 0 if jax.process_count() == 1 else _LAG
        self._mesh = mesh
        self._asked: collections.deque[jax.Array] = collections.deque()
        self._reduce = jax.jit(jnp.any, out_shardings=sharding.replicated(mesh))

    def any(self, flag: bool) -> bool:
        """Tells whether the flag was set in any process."""
        if not self._lag:
            return flag
        rows = np.full(len(self._mesh.local_devices), flag)
        self._asked.append(self._reduce(sharding.to_global({"flag": rows}, self._mesh)["flag"]))
        if len(self._asked) <= self._lag:
            return False
        return bool(np.asarray(self._asked.popleft()))

    def restart(self) -> None:
        """Forgets the questions whose answers have not been read."""
        self._asked.clear()
