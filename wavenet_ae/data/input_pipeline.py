"""Notes from a TFDS dataset as batches of arrays on the host.

A batch of training is a pure function of the seed and the step: it does not depend on where a run
was interrupted, on the number of processes, or on how many workers read.
"""

import contextlib
import dataclasses
import functools
import itertools
import math
import signal
import sys
from collections.abc import Iterator, Mapping
from typing import Any, SupportsIndex

import grain.python as grain
import numpy as np

from wavenet_ae.data import nsynth
from wavenet_ae.data.degradation import degrade
from wavenet_ae.data.input_noise import InputNoise
from wavenet_ae.data.stored_notes import Notes, find
from wavenet_ae.system import worker_pool
from wavenet_ae.system.errors import MachineError, UserError

Batch = dict[str, np.ndarray]

# Settings of `config.dataset` that `training_batches` takes.
AUGMENTATIONS = (
    "gain_db",
    "degradation",
    "decoder_input_noise",
    "decoder_input_shaped_noise",
)

_GOLDEN_RATIO = (math.sqrt(5) - 1) / 2


@dataclasses.dataclass(frozen=True)
class ProcessShare:
    """Which rows of a global batch this process reads.

    Attributes:
        index: of this process.
        count: of all processes.
    """

    index: int = 0
    count: int = 1

    def rows(self, batch_size: int) -> range:
        """Returns this process's rows of a global batch.

        Raises:
            UserError: the processes cannot share the batch evenly.
        """
        if batch_size % self.count:
            raise UserError(
                f"batch_size={batch_size} cannot be shared by {self.count} processes: "
                f"use a multiple of {self.count}."
            )
        local = batch_size // self.count
        return range(self.index * local, (self.index + 1) * local)


def open_split(name: str, data_dir: str, split: str) -> grain.MapDataset:
    """Opens a split of a dataset that TFDS has built.

    Args:
        name: TFDS's name, with the config: `nsynth_json/by_note` or `nsynth/full`.
        data_dir: where TFDS keeps its datasets.
        split: `train`, `valid` or `test`.

    Returns:
        The notes in the order of the hashes that TFDS gives their names, whatever they were built
        from, each a dict: `audio` (float32 `[samples]`, full scale -1..1), `pitch`, `velocity`,
        `family`, `source` (int32 scalars), `qualities` (bool `[10]`), `id`.

    Raises:
        UserError: there is no such dataset or split; when a note is read: its record is damaged,
            or its sound is not finite.
    """
    return grain.MapDataset.source(Notes(find(name, data_dir), split))


def split_names(name: str, data_dir: str) -> list[str]:
    """Returns the names of a dataset's splits, as `open_split` takes them: train before others.

    Raises:
        UserError: there is no such dataset.
    """
    found = find(name, data_dir).splits
    known = [split for split in nsynth.SPLITS if split in found]
    return known + sorted(set(found) - set(known))


def training_batches(
    notes: grain.MapDataset,
    *,
    seed: int,
    batch_size: int,
    crop_samples: int | None,
    gain_db: float = 0.0,
    degradation: float = 0.0,
    decoder_input_noise: float = 0.0,
    decoder_input_shaped_noise: float = 0.0,
    first_step: int = 0,
    share: ProcessShare = ProcessShare(),
    num_workers: int = 0,
) -> Iterator[Batch]:
    """Yields this process's part of the batches of steps `first_step`, `first_step` + 1, ...

    Every epoch is a new shuffle of all notes; a batch may span two. Closing the generator ends
    the workers.

    Args:
        notes: from `open_split`.
        seed: of the shuffles and crops.
        batch_size: of the global batch.
        crop_samples: a random crop of this length from every note, or None for whole notes.
        gain_db: each is amplified by a random gain up to this one, but not beyond full scale.
        degradation: the probability with which each is degraded, as `degradation.degrade` does it.
        decoder_input_noise: above 0, each gets normal noise, in mu-law codes, of a standard
            deviation drawn up to this one, for teacher forcing with noise.
        decoder_input_shaped_noise: and noise with the sound's own spectrum, of an amplitude drawn
            up to this share of the sound's.
        first_step: the step to begin with.
        share: this process's part.
        num_workers: processes that prefetch; 0 prefetches in threads of this one.

    Yields:
        Batches as `nsynth.batch_arrays` describes them, of batch_size / share.count notes.

    Raises:
        UserError: a note is damaged or shorter than the crop.
        MachineError: a worker has died.
    """
    examples = notes.seed(seed).shuffle().repeat()
    if crop_samples is not None:
        examples = examples.random_map(_RandomCrop(crop_samples))
    if gain_db:
        examples = examples.random_map(RandomGain(gain_db))
    if degradation:
        examples = examples.random_map(_Degradation(degradation))
    if decoder_input_noise:
        examples = examples.random_map(InputNoise(decoder_input_noise, decoder_input_shaped_noise))
    rows = share.rows(batch_size)
    local = grain.MapDataset.source(_GlobalRows(examples, batch_size, rows, first_step))
    yield from read_ahead(local.map(_without_id).batch(len(rows), drop_remainder=True), num_workers)


def read_ahead(batches: grain.MapDataset, num_workers: int) -> Iterator[Batch]:
    """Yields batches that threads or processes prefetch; see `training_batches`."""
    dataset = batches.to_iter_dataset(grain.ReadOptions(num_threads=4, prefetch_buffer_size=8))
    if num_workers:
        options = grain.MultiprocessingOptions(num_workers=num_workers)
        dataset = dataset.mp_prefetch(options, worker_init_fn=_follow_parent)
    iterator = iter(dataset)
    try:
        with _interrupts_held():
            first = list(itertools.islice(iterator, 1))
        yield from first
        yield from iterator
    except RuntimeError as error:
        if "Worker process was terminated" not in str(error):
            raise
        raise MachineError(
            "a process that reads the data has died (out of memory?): lower "
            f"--config.dataset.num_workers={num_workers}; the same command resumes from the last "
            "checkpoint."
        ) from error
    finally:
        iterator.close()


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Delays Ctrl-C in this process until the block has ended.

    Threads and processes that start in the block never get it.
    """
    previous = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, previous)


def _follow_parent(worker_index: int, worker_count: int) -> None:
    """Starts a worker: it ignores signals to stop, and ends with its parent."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    worker_pool.end_with_parent()


def evaluation_batches(
    notes: grain.MapDataset,
    *,
    batch_size: int,
    crop_samples: int | None,
    num_batches: int | None = None,
    share: ProcessShare = ProcessShare(),
    num_workers: int = 0,
) -> Iterator[Batch]:
    """Yields this process's part of one pass over the notes, in order.

    Args:
        notes: from `open_split`.
        batch_size: of the global batch.
        crop_samples: a crop of this length, or None for whole notes. Where it begins depends on
            the note's number alone; over the notes, beginnings are spread as evenly as in training.
        num_batches: stop after so many; None for all.
        share: this process's part.
        num_workers: as in `training_batches`.

    Yields:
        Batches as `training_batches`, with a bool `mask` [batch]: False for the copies of the last
        note that fill up the last batch.
    """
    rows = share.rows(batch_size)
    total = -(-len(notes) // batch_size)
    if num_batches is not None:
        total = min(total, num_batches)
    examples = grain.MapDataset.source(_EvaluationRows(notes, batch_size, rows, total))
    if crop_samples is not None:
        examples = examples.map(functools.partial(_crop_by_number, crop_samples))
    return read_ahead(examples.map(_without_id).batch(len(rows), drop_remainder=True), num_workers)


def _without_id(example: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in example.items() if key not in ("id", "number")}


def _crop(example: dict[str, Any], start: int, crop_samples: int) -> dict[str, Any]:
    return {**example, "audio": example["audio"][start : start + crop_samples]}


def _room_to_crop(example: dict[str, Any], crop_samples: int) -> int:
    room = len(example["audio"]) - crop_samples
    if room < 0:
        raise UserError(
            f"the note {example['id']} has {len(example['audio'])} samples, fewer than the crop of "
            f"{crop_samples}: use a smaller --config.crop_samples."
        )
    return room


def _crop_by_number(crop_samples: int, example: dict[str, Any]) -> dict[str, Any]:
    places = _room_to_crop(example, crop_samples) + 1
    # Multiples of the golden ratio spread evenly over [0, 1), however many there are.
    return _crop(example, int((example["number"] + 1) * _GOLDEN_RATIO % 1 * places), crop_samples)


class _RandomCrop(grain.RandomMapTransform):
    def __init__(self, crop_samples: int):
        self._crop_samples = crop_samples

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        room = _room_to_crop(element, self._crop_samples)
        return _crop(element, int(rng.integers(room + 1)), self._crop_samples)


class RandomGain(grain.RandomMapTransform):
    """Amplifies a sound by a random gain of up to some dB, but not beyond full scale."""

    def __init__(self, most_db: float):
        self._most_db = most_db

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        audio = element["audio"]
        gain = 10 ** (rng.uniform(0, self._most_db) / 20)
        room = 1 / max(float(np.abs(audio).max()), 1e-9)
        return {**element, "audio": audio * np.float32(max(1.0, min(gain, room)))}


class _Degradation(grain.RandomMapTransform):
    def __init__(self, probability: float):
        self._probability = probability

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        if rng.uniform() >= self._probability:
            return element
        return {**element, "audio": degrade(element["audio"], rng)}


class _GlobalRows:
    """The examples that one process needs, in the global order."""

    def __init__(
        self, examples: grain.MapDataset, batch_size: int, rows: range, first_step: int
    ) -> None:
        self._examples = examples
        self._batch_size = batch_size
        self._rows = rows
        self._first_step = first_step

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        step, row = divmod(int(index), len(self._rows))
        return self._examples[(self._first_step + step) * self._batch_size + self._rows[row]]


class _EvaluationRows:
    """The notes of one pass that one process needs, the last one repeated to fill a batch."""

    def __init__(
        self, notes: grain.MapDataset, batch_size: int, rows: range, num_batches: int
    ) -> None:
        self._notes = notes
        self._batch_size = batch_size
        self._rows = rows
        self._num_batches = num_batches

    def __len__(self) -> int:
        return self._num_batches * len(self._rows)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        batch, row = divmod(int(index), len(self._rows))
        number = batch * self._batch_size + self._rows[row]
        note = self._notes[min(number, len(self._notes) - 1)]
        return {**note, "number": number, "mask": np.bool_(number < len(self._notes))}
