"""Processes that cooperate on one job; `command_line.define_distributed` connects them.

A process is identified by `jax.process_index()`. A single process never waits here.
"""

import contextlib
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from tqdm import tqdm

from wavenet_ae.system.errors import UserError

# Network file systems show a new file to other machines after a while.
_VISIBLE_TIMEOUT_S = 60.0
# After these a process reports that it waits for the others to connect, and gives up.
_REPORT_WAITING_S, _CONNECT_TIMEOUT_S = 2.0, 300


def connect(
    coordinator_address: str | None,
    num_processes: int | None,
    process_id: int | None,
    shutdown_timeout_s: int,
) -> None:
    """Connects this process to the others; reports what it waits for.

    Args:
        coordinator_address: HOST:PORT of the first process; None, here and below, to detect it.
        num_processes: how many there are.
        process_id: which one this is.
        shutdown_timeout_s: how long a finished process waits for the others.

    Raises:
        UserError: an argument is wrong, or the others cannot be reached.
        TimeoutError: they did not connect in time.
    """
    if coordinator_address is not None:
        match = re.fullmatch(r".+:(\d{1,5})", coordinator_address)
        if match is None or not 0 < int(match[1]) < 2**16:
            raise UserError(
                f"--coordinator_address={coordinator_address} must be HOST:PORT of the first "
                "process, such as localhost:9876."
            )
    failures: list[Exception] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                coordinator_address,
                num_processes,
                process_id,
                # Longer than the wait below, since JAX would abort the process.
                initialization_timeout=2 * _CONNECT_TIMEOUT_S,
                shutdown_timeout_seconds=shutdown_timeout_s,
            )
            # The first barrier times out after half a minute: pass it now, while all are here.
            multihost_utils.sync_global_devices("connected")
        except Exception as error:
            failures.append(error)

    # Its SIGTERM handler would replace ours; `training.interruption` agrees on a stop.
    jax.config.update("jax_enable_preemption_service", False)
    # JAX ignores signals while it waits; the main thread receives them.
    thread = threading.Thread(target=initialize, daemon=True)
    thread.start()
    thread.join(_REPORT_WAITING_S)
    if thread.is_alive():
        who = "this process" if process_id is None else f"process {process_id}"
        others = "the others" if num_processes is None else f"{num_processes - 1} other(s)"
        where = f" at {coordinator_address}" if coordinator_address else ""
        print(f"{who} waits for {others}{where}", file=sys.stderr, flush=True)
        thread.join(_CONNECT_TIMEOUT_S)
        if thread.is_alive():
            raise TimeoutError(
                f"{who} has waited {_CONNECT_TIMEOUT_S} s for {others}{where}: start all of them "
                "within that time, with the same --coordinator_address and --num_processes."
            )
    if failures:
        if not isinstance(failures[0], RuntimeError | TypeError | ValueError):
            raise failures[0]
        raise UserError(
            f"the processes cannot be connected ({str(failures[0]).splitlines()[0].rstrip('.')}): "
            "give --coordinator_address, --num_processes, --process_id to each."
        ) from failures[0]


def own_share(items: Sequence[Any]) -> Sequence[Any]:
    """Returns this process's items of a list: items p, p + n, ... for process p of n."""
    return items[jax.process_index() :: jax.process_count()]


def say(sentence: str) -> None:
    """Prints a sentence, with the process's number if there are several."""
    print(sentence if jax.process_count() == 1 else f"process {jax.process_index()}: {sentence}")


def print_once(sentence: str) -> None:
    """Prints a sentence on standard error, in process 0 only."""
    if jax.process_index() == 0:
        print(sentence, file=sys.stderr, flush=True)


def progress(*args: Any, **settings: Any) -> tqdm:
    """Returns a progress bar (tqdm), which only process 0 shows."""
    return tqdm(*args, disable=jax.process_index() > 0, **settings)


def gather_texts(text: str) -> list[str]:
    """Returns the texts of all processes, in their order; all must call it."""
    if jax.process_count() == 1:
        return [text]
    encoded = np.frombuffer(text.encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.array(len(encoded)))
    padded = np.pad(encoded, (0, int(sizes.max()) - len(encoded)))
    rows = multihost_utils.process_allgather(padded)
    return [row[:size].tobytes().decode() for row, size in zip(rows, sizes, strict=True)]


def wait_until(is_visible: Callable[[], bool]) -> bool:
    """Waits until something that another process wrote is visible here; returns whether it is."""
    until = time.monotonic() + _VISIBLE_TIMEOUT_S
    while not is_visible():
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


@contextlib.contextmanager
def barrier() -> Iterator[None]:
    """Waits for all processes at the end of the block; if one fails in it, all do.

    Put early checks in a block of their own, so that no process continues in vain.

    Raises:
        UserError: another process raised an exception in its block.
        jax.errors.JaxRuntimeError: another process has died.
    """
    try:
        yield
    except BaseException as error:  # an interruption, too: the others would wait in vain
        with contextlib.suppress(jax.errors.JaxRuntimeError):  # report our own error instead
            gather_texts(str(error) if isinstance(error, UserError) else f"{type(error).__name__}.")
        raise
    for index, message in enumerate(gather_texts("")):
        if message:
            raise UserError(f"process {index}: {message}")


def require_same(what: Mapping[str, Any], remedy: str) -> None:
    """Raises a UserError that names the first value that differs between processes.

    Args:
        what: names and values, compared by their `repr`.
        remedy: the end of the sentence.
    """
    lines = [f"{name}={value!r}" for name, value in sorted(what.items())]
    gathered = [text.split("\n") for text in gather_texts("\n".join(lines))]
    for index, theirs in enumerate(gathered):
        differing = [pair for pair in zip(gathered[0], theirs, strict=False) if pair[0] != pair[1]]
        if not differing and len(theirs) == len(gathered[0]):
            continue
        first, other = differing[0] if differing else (f"{len(gathered[0])} settings", len(theirs))
        raise UserError(f"process 0 has {first}, process {index} has {other}: {remedy}")
