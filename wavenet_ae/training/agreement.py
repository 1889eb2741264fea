"""Decisions that all processes of a training share, step by step."""

import collections

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from wavenet_ae.training import sharding

# After so many calls a result is read: the devices have computed it by then.
_LAG = 2


class Agreement:
    """An asynchronous logical "or" over all processes.

    Every process calls `any_process` equally often. With several processes the result lags two
    calls, so that no process waits for its devices.

    Args:
        mesh: all devices of all processes.
    """

    def __init__(self, mesh: Mesh):
        self._lag = 0 if jax.process_count() == 1 else _LAG
        self._mesh = mesh
        self._pending: collections.deque[jax.Array] = collections.deque()
        self._reduce = jax.jit(jnp.any, out_shardings=sharding.replicated(mesh))

    def any_process(self, flag: bool) -> bool:
        """Returns whether the flag was set in any process."""
        if not self._lag:
            return flag
        rows = np.full(len(self._mesh.local_devices), flag)
        self._pending.append(self._reduce(sharding.to_global({"flag": rows}, self._mesh)["flag"]))
        if len(self._pending) <= self._lag:
            return False
        return bool(np.asarray(self._pending.popleft()))

    def restart(self) -> None:
        """Discards the results that have not been read."""
        self._pending.clear()
