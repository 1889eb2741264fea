"""Traces of a few steps, for TensorBoard's profiler and XProf."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax

from wavenet_ae.system import processes

_FIRST_STEPS = 2  # left out: caches are cold


class Profiler(contextlib.AbstractContextManager):
    """Writes a trace of some steps of this process to `workdir/plugins/profile`.

    Args:
        folder: to write to.
        workdir: the run's folder, where it will be found.
        num_steps: how many to trace, from the third step after this start; 0 for none.
    """

    def __init__(self, folder: Path, workdir: Path, num_steps: int):
        self._folder, self._workdir = folder, workdir
        self._traced = range(_FIRST_STEPS, _FIRST_STEPS + num_steps)
        self._done = 0
        self._running = False

    def __exit__(self, *exception) -> None:
        self._stop()

    def run(self, number: int, step: Callable[..., Any], *arguments: Any) -> Any:
        """Runs one step, which the trace shows by its number, and returns its results."""
        if self._traced and self._done == self._traced.start:
            jax.profiler.start_trace(self._folder)
            self._running = True
        with jax.profiler.StepTraceAnnotation("train", step_num=number):
            results = step(*arguments)
        self._done += 1
        if self._running and self._done == self._traced.stop:
            jax.block_until_ready(results)
            self._stop()
        return results

    def _stop(self) -> None:
        if self._running:
            self._running = False
            jax.profiler.stop_trace()
            processes.print_once(f"wrote a profile to {self._workdir / 'plugins' / 'profile'}")
