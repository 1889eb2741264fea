"""Crops of long sounds: where they begin, in which order, and which of them a process reads.

Crops come from one or more groups of sounds, such as domains. A batch has as many rows of each
group, sorted by group.
"""

import functools
import sys
from collections.abc import Callable, Sequence
from typing import Any, Protocol, SupportsIndex

import grain.python as grain
import numpy as np

from wavenet_ae.data import input_pipeline
from wavenet_ae.system.errors import UserError


class Sounds(Protocol):
    """Sounds of any length, that can be read in part.

    Attributes:
        lengths: of each, in samples, int64 `[sounds]`.
    """

    lengths: np.ndarray

    def name(self, sound: int) -> str:
        """Returns a sound's name, for messages."""
        ...

    def read(self, sound: int, start: int, samples: int) -> np.ndarray:
        """Returns samples of a sound, float32 `[samples]`, full scale -1..1."""
        ...


# From a sound's position and a crop's first sample to an example.
Read = Callable[[int, int], dict[str, Any]]


def check(sounds: Sounds, members: np.ndarray, crop_samples: int) -> None:
    """Raises a UserError, which names the sound, if one of the members is shorter than a crop."""
    lengths = sounds.lengths[members]
    shortest = int(np.argmin(lengths))
    if lengths[shortest] < crop_samples:
        raise UserError(
            f"{sounds.name(int(members[shortest]))} has {lengths[shortest]} samples, "
            f"fewer than the crop of {crop_samples}: use a smaller --config.crop_samples, or "
            "build the dataset without it."
        )


class Places:
    """All places where a crop of a group may begin, in one line.

    Attributes:
        num_windows: crops without overlap in the group's time.
    """

    def __init__(self, sounds: Sounds, members: np.ndarray, crop_samples: int):
        lengths = sounds.lengths[members]
        self._members = members
        self._ends = np.cumsum(lengths - crop_samples + 1)
        self.num_windows = int((lengths // crop_samples).sum())

    def at(self, share: float) -> tuple[int, int]:
        """Returns a sound's position and a crop's first sample, at a share of the way, below 1."""
        place = int(share * self._ends[-1])
        member = int(np.searchsorted(self._ends, place, side="right"))
        before = self._ends[member - 1] if member else 0
        return int(self._members[member]), int(place - before)


def random_crops(
    places: Places, read: Read, seed: int, *, gain_db: float = 0.0
) -> grain.MapDataset:
    """Returns the crops of a group of all epochs.

    Crops are drawn evenly over the group's time: it is divided into windows of a crop's length,
    every epoch visits each window once in a new order, and a crop begins anywhere in its window.
    Longer sounds thus give more crops.

    Args:
        places: of the group.
        read: makes an example.
        seed: of the orders, and of all that is random in a crop.
        gain_db: see `input_pipeline.RandomGain`; 0 for none.
    """
    windows = grain.MapDataset.source(range(places.num_windows)).seed(seed).shuffle()
    examples = windows.repeat().random_map(_RandomCrop(places, read))
    return examples.random_map(input_pipeline.RandomGain(gain_db)) if gain_db else examples


class _RandomCrop(grain.RandomMapTransform):
    """From the number of a window to a crop that begins in it."""

    def __init__(self, places: Places, read: Read):
        self._places = places
        self._read = read

    def random_map(self, element: int, rng: np.random.Generator) -> dict[str, Any]:
        share = (element + rng.random()) / self._places.num_windows
        return self._read(*self._places.at(share))


class TrainingRows:
    """The crops that one process needs of the batches from a step on, in the global order.

    Args:
        groups: the crops of each, from `random_crops`.
        per_group: rows of a global batch.
        rows: this process's.
        first_step: the step to begin with.
    """

    def __init__(
        self, groups: Sequence[grain.MapDataset], per_group: int, rows: range, first_step: int
    ):
        self._groups = groups
        self._per_group = per_group
        self._rows = rows
        self._first_step = first_step

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        step, row = divmod(int(index), len(self._rows))
        group, in_group = divmod(self._rows[row], self._per_group)
        return self._groups[group][(self._first_step + step) * self._per_group + in_group]


def evaluation_rows(
    groups: Sequence[tuple[Places, Read]], per_group: int, rows: range, num_batches: int | None
) -> grain.MapDataset:
    """Returns the crops that one process needs of a pass over all groups.

    All groups have equally many crops, spread evenly over their time: as many as windows of a
    crop's length in the shortest one, or as the batches hold.

    Args:
        groups: of each, its places, and what makes an example.
        per_group: rows of a global batch.
        rows: this process's.
        num_batches: so many at most; None for all.

    Returns:
        Examples with a bool `mask`: False for the copies of the first crops of each group that fill
        up the last batch.
    """
    each = min(places.num_windows for places, _ in groups)
    if num_batches is not None:
        each = min(each, num_batches * per_group)
    count = -(-each // per_group) * len(rows)
    spread = functools.partial(_spread, groups, each, per_group, rows)
    return grain.MapDataset.source(range(count)).map(spread)


def _spread(
    groups: Sequence[tuple[Places, Read]], each: int, per_group: int, rows: range, index: int
) -> dict[str, Any]:
    """Returns a crop of evaluation, by its number among those of this process."""
    batch, row = divmod(index, len(rows))
    group, in_group = divmod(rows[row], per_group)
    number = batch * per_group + in_group
    places, read = groups[group]
    # What fills up the last batch differs from its neighbours: tasks may compare rows.
    example = read(*places.at((number % each + 0.5) / each))
    return {**example, "mask": np.bool_(number < each)}
