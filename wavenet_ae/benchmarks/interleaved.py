"""Interleaved measurements: each is measured in turn, for several rounds.

A machine's speed varies over time; measurements in turns see the same machine.
"""

import math
import statistics
import time
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, TypeVar

import jax
from tqdm import tqdm

from wavenet_ae.system.errors import UserError

Name = TypeVar("Name", bound=Hashable)

HEADER = ["median", "lowest", "highest"]  # of `Spread.cells`


class Spread(NamedTuple):
    """The results of repeated measurements."""

    median: float
    lowest: float
    highest: float

    def times(self, factor: float) -> "Spread":
        """Returns the spread in another unit."""
        return Spread(*(factor * value for value in self))

    def inverse(self) -> "Spread":
        """Returns the spread of the inverses, such as times from rates."""
        return Spread(1 / self.median, 1 / self.highest, 1 / self.lowest)

    def cells(self) -> list[str]:
        """Returns what belongs under `HEADER` in a table."""
        return [f"{value:.4g}" for value in self]

    def in_one_cell(self) -> str:
        """Returns the median, and the others in parentheses."""
        return f"{self.median:.4g} ({self.lowest:.4g} to {self.highest:.4g})"


def measure(
    contestants: Mapping[Name, Callable[[], float]], repetitions: int
) -> dict[Name, Spread]:
    """Measures each in turn, for some rounds; shows the progress.

    Args:
        contestants: by name; each does its measurement and returns the result.
        repetitions: rounds.

    Returns:
        The median, lowest and highest result by name.
    """
    results: dict[Name, list[float]] = {name: [] for name in contestants}
    with tqdm(total=repetitions * len(contestants), unit=" measurements", leave=False) as bar:
        for _ in range(repetitions):
            for name, measurement in contestants.items():
                results[name].append(measurement())
                bar.update()
    return {n: Spread(statistics.median(r), min(r), max(r)) for n, r in results.items()}


def calls_per_s(call: Callable[[], Any], seconds: float, warm_up_s: float = 0.0) -> float:
    """Calls a function repeatedly for some time, at least once, and returns the rate.

    Args:
        call: JAX may still be computing what it returns: one further call is made meanwhile, and
            the rate is of finished results.
        seconds: after which no new call is made.
        warm_up_s: seconds of uncounted calls before; 0: none.
    """
    if warm_up_s:
        _calls(call, warm_up_s)
    count, elapsed = _calls(call, seconds)
    return count / elapsed


def _calls(call: Callable[[], Any], seconds: float) -> tuple[int, float]:
    count, pending = 0, None
    start = time.perf_counter()
    while not count or time.perf_counter() - start < seconds:
        # One call ahead, so that a device does not wait for the next one.
        pending, last = call(), pending
        jax.block_until_ready(last)
        count += 1
    jax.block_until_ready(pending)
    return count, time.perf_counter() - start


def check_seconds(seconds: float) -> None:
    """Raises a UserError where measurements would never end."""
    if not math.isfinite(seconds):
        raise UserError(f"--seconds={seconds} must be a finite number.")
