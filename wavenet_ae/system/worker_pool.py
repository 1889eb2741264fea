"""Runs many jobs in worker processes of this machine."""

import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import TypeVar

from wavenet_ae.system.errors import MachineError

Job = TypeVar("Job")
Result = TypeVar("Result")


def num_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    function: Callable[[Job], Result],
    jobs: Sequence[Job],
    processes: int,
    done: Callable[[Job, Result], object],
) -> None:
    """Calls a function for each job in worker processes.

    On an error or an interruption, running jobs are finished and the others are dropped.

    Args:
        function: of a module's top level; an exception ends all work.
        jobs: its arguments.
        processes: how many at most.
        done: called in this process for each finished job, in the order of completion.

    Raises:
        MachineError: a process was killed.
    """
    # Spawned, since a fork would inherit the caller's threads.
    executor = ProcessPoolExecutor(
        min(processes, len(jobs)), get_context("spawn"), initializer=_start_worker
    )
    try:
        futures = {executor.submit(function, job): job for job in jobs}
        for future in as_completed(futures):
            done(futures.pop(future), future.result())
    except BrokenProcessPool as error:
        raise MachineError(
            "a worker process was killed, perhaps for lack of memory: run the same command "
            "again, which resumes, or try fewer --processes."
        ) from error
    finally:
        executor.shutdown(cancel_futures=True)


def _start_worker() -> None:
    # Ctrl-C reaches all processes; only the parent handles it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


def end_with_parent() -> None:
    """Ends this worker as soon as the process that started it is gone."""

    def watch() -> None:
        parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
