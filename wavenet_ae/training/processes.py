"""The processes of a run: what one of them tells, and what all of them agree on.

With a single process everything here is local, and nothing waits.
"""

import collections
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh

from wavenet_ae.errors import UserError
from wavenet_ae.training import sharding

# Calls after which an answer is read: by then the devices have computed it, and nobody waits.
_LAG = 2

_Result = TypeVar("_Result")


def say(message: str) -> None:
    """Prints a line on standard error, once for all processes."""
    if jax.process_index() == 0:
        print(message, file=sys.stderr, flush=True)


def gather_texts(text: str) -> list[str]:
    """Returns the texts of all processes, in their order; all must call it."""
    if jax.process_count() == 1:
        return [text]
    encoded = np.frombuffer(text.encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.array(len(encoded)))
    padded = np.pad(encoded, (0, int(sizes.max()) - len(encoded)))
    rows = multihost_utils.process_allgather(padded)
    return [row[:size].tobytes().decode() for row, size in zip(rows, sizes, strict=True)]


def together(work: Callable[[], _Result]) -> _Result:
    """Does the same work in every process, and fails in all where it fails in one.

    Without this, the others would wait for the one that gave up.

    Raises:
        UserError: the first process's that has one, under its number.
    """
    result, error = None, None
    try:
        result = work()
    except UserError as raised:
        error = raised
    messages = gather_texts("" if error is None else str(error))
    for index, message in enumerate(messages):
        if message and len(set(messages)) == 1:
            raise UserError(message) from error
        if message:
            raise UserError(f"process {index}: {message}") from error
    return result


def require_same(what: Mapping[str, Any], way_out: str) -> None:
    """Raises a UserError that names the first thing that is not the same in all processes.

    Args:
        what: names and values, which are compared as they print.
        way_out: the end of the sentence.
    """
    lines = [f"{name}={value!r}" for name, value in sorted(what.items())]
    gathered = [text.split("\n") for text in gather_texts("\n".join(lines))]
    for index, theirs in enumerate(gathered):
        differing = [pair for pair in zip(gathered[0], theirs, strict=False) if pair[0] != pair[1]]
        if not differing and len(theirs) == len(gathered[0]):
            continue
        first, other = differing[0] if differing else (f"{len(gathered[0])} settings", len(theirs))
        raise UserError(f"process 0 has {first}, process {index} has {other}: {way_out}")


class Agreement:
    """Yes-or-no questions that all processes answer alike, asked as the devices work.

    Every process calls `any` at the same moments of its work. With several processes an answer is
    that to the question of two calls before, so that no process waits for its devices.

    Args:
        mesh: all devices of all processes.
    """

    def __init__(self, mesh: Mesh):
        self._mesh = mesh
        self._asked: collections.deque[jax.Array] = collections.deque()
        self._reduce = jax.jit(
            lambda flags: jnp.any(flags, axis=0), out_shardings=sharding.replicated(mesh)
        )

    def any(self, flags: Sequence[bool]) -> list[bool]:
        """Returns for each flag whether it was set in any process."""
        if jax.process_count() == 1:
            return list(flags)
        rows = np.tile(np.array(flags), (len(self._mesh.local_devices), 1))
        self._asked.append(self._reduce(sharding.to_global({"flags": rows}, self._mesh)["flags"]))
        if len(self._asked) <= _LAG:
            return [False] * len(flags)
        return [bool(flag) for flag in np.asarray(self._asked.popleft())]
