"""Several processes that do one work; `command_line.define_distributed` connects them.

A process is known by `jax.process_index()` and computes on its own devices.
"""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from tqdm import tqdm

from wavenet_ae.errors import UserError


def share(items: Sequence[Any]) -> Sequence[Any]:
    """Returns what this process does of a list: process p of n the items p, p + n, ..."""
    return items[jax.process_index() :: jax.process_count()]


def say(sentence: str) -> None:
    """Prints a sentence, with the process's number where there are several."""
    print(sentence if jax.process_count() == 1 else f"process {jax.process_index()}: {sentence}")


def progress(*args: Any, **settings: Any) -> tqdm:
    """Returns a bar of tqdm, which the first process alone shows."""
    return tqdm(*args, disable=jax.process_index() > 0, **settings)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """At the block's end the processes wait for each other; where one fails, all do.

    What can go wrong early belongs in a block of its own, so that nobody works on in vain.

    Raises:
        UserError: another process raised an exception in its block, or did not come.
    """
    try:
        yield
    except BaseException:  # an interruption, too: the others would wait in vain
        with contextlib.suppress(UserError):  # its own mistake is the one to tell
            _meet(failed=True)
        raise
    if failed := _meet(failed=False):
        raise UserError(
            f"process {failed[0]} gave up, and says why itself: mend that, and start all "
            "processes again."
        )


def _meet(failed: bool) -> list[int]:
    """Waits for all processes; returns the numbers of those that failed."""
    if jax.process_count() == 1:
        return []
    try:
        everyone = multihost_utils.process_allgather(np.array(failed, np.int32))
    except jax.errors.JaxRuntimeError as error:  # on CPUs, Gloo waits for half an hour
        raise UserError(
            f"process {jax.process_index()} has waited in vain for the others "
            f"({str(error).splitlines()[0]}): start all again, they go on where they stopped."
        ) from error
    return np.flatnonzero(everyone).tolist()
