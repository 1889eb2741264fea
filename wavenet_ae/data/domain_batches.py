"""Crops from several domains as batches of arrays on the host, for translation.

The rows of a batch are sorted by domain, equally many of each. As in `input_pipeline`, a batch of
training is a pure function of the seed and the step.
"""

import functools
import sys
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, SupportsIndex

import grain.python as grain
import numpy as np

from wavenet_ae.data import input_pipeline, nsynth
from wavenet_ae.data.input_pipeline import Batch, ProcessShare
from wavenet_ae.data.note_families import NotesOfFamilies
from wavenet_ae.data.pitch_shift import shift_a_part
from wavenet_ae.data.stored_notes import RECORDINGS, find
from wavenet_ae.data.stored_recordings import Recordings
from wavenet_ae.system.errors import UserError

_ALONE = ProcessShare()


class Sounds(Protocol):
    """Sounds of any length, each of one domain, that can be read in part.

    Attributes:
        domains: the domain of each, by name.
        lengths: of each, in samples, int64 `[sounds]`.
    """

    domains: Sequence[str]
    lengths: np.ndarray

    def name(self, sound: int) -> str:
        """Returns a sound's name, for messages."""
        ...

    def read(self, sound: int, start: int, samples: int) -> np.ndarray:
        """Returns samples of a sound, float32 `[samples]`, full scale -1..1."""
        ...


class DomainSplit(Sequence):
    """The sounds of the chosen domains in a split; as a sequence, their first seconds.

    Attributes:
        domains: their names, in the order of the rows of a batch.
        sounds: of these and perhaps other domains.
        members: by domain, the positions of its sounds, int64.

    Raises:
        UserError: the split has no sounds of a domain.
    """

    def __init__(self, sounds: Sounds, domains: Sequence[str], where: str):
        there = np.array(sounds.domains)
        self.sounds, self.domains = sounds, tuple(domains)
        self.members = [np.flatnonzero(there == domain) for domain in domains]
        self._all = np.concatenate(self.members)
        for domain, members in zip(domains, self.members, strict=True):
            if not len(members):
                raise UserError(
                    f"config.domains: {where} holds no sounds of {domain!r}, only of "
                    f"{', '.join(sorted(set(sounds.domains)))}: choose among these."
                )

    def __len__(self) -> int:
        return len(self._all)

    def check_crop(self, crop_samples: int) -> None:
        """Raises a UserError, which names the sound, if one is shorter than a crop."""
        lengths = self.sounds.lengths[self._all]
        shortest = int(np.argmin(lengths))
        if lengths[shortest] < crop_samples:
            raise UserError(
                f"{self.sounds.name(int(self._all[shortest]))} has {lengths[shortest]} samples, "
                f"fewer than the crop of {crop_samples}: use a smaller --config.crop_samples, or "
                "build the dataset without it."
            )

    def num_windows(self, crop_samples: int) -> int:
        """Returns how many crops without overlap all domains have together."""
        return int((self.sounds.lengths[self._all] // crop_samples).sum())

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        sound = int(self._all[index])
        samples = min(int(self.sounds.lengths[sound]), nsynth.NOTE_SAMPLES)
        return {"id": self.sounds.name(sound), "audio": self.sounds.read(sound, 0, samples)}


def open_split(name: str, data_dir: str, split: str, domains: Sequence[str]) -> DomainSplit:
    """Opens a split of a dataset that TFDS has built.

    Args:
        name: TFDS's name: `recordings/NAME` of `build-dataset --recordings`, whose domains are its
            own, or a dataset of notes, whose domains are their families.
        data_dir: where TFDS keeps its datasets.
        split: `train`, `valid` or `test`.
        domains: which to read, by name.

    Raises:
        UserError: there is no such dataset or split, or it holds no sounds of a domain; when a
            sound is read: its record is damaged.
    """
    dataset = find(name, data_dir)
    kind = Recordings if dataset.builder == RECORDINGS else NotesOfFamilies
    return DomainSplit(kind(dataset, split), domains, f"the split {split!r} of {dataset.path}")


def training_batches(
    split: DomainSplit,
    *,
    seed: int,
    batch_size: int,
    crop_samples: int,
    gain_db: float = 0.0,
    detune_semitones: float = 0.0,
    decoder_input_noise: float = 0.0,
    first_step: int = 0,
    share: ProcessShare = _ALONE,
    num_workers: int = 0,
) -> Iterator[Batch]:
    """Yields this process's part of the batches of steps `first_step`, `first_step` + 1, ...

    Crops are drawn evenly over the time of a domain: it is divided into windows of a crop's length,
    every epoch visits each window once in a new order, and a crop begins anywhere in its window.
    Longer recordings thus give more crops. Each domain has its own order and its own epochs.

    Args:
        split: from `open_split`.
        seed: of the orders, crops and shifts.
        batch_size: of the global batch, a multiple of the number of domains.
        crop_samples: of each crop.
        gain_db: each is amplified by a random gain up to this one, but not beyond full scale.
        detune_semitones: a part of each crop in `augmented` is out of tune, by up to this much; see
            `pitch_shift.shift_a_part`.
        decoder_input_noise: see `input_pipeline.training_batches`.
        first_step: the step to begin with.
        share: this process's part.
        num_workers: processes that prefetch; 0 prefetches in threads of this one.

    Yields:
        `audio`, float32 `[batch, crop_samples]`, full scale -1..1; `augmented`, like it; `domain`,
        int32 `[batch]`, positions in `split.domains`; and with noise `decoder_input_noise`, int8
        like `audio`. Row i of a global batch is of the domain i // (batch_size / num_domains).

    Raises:
        UserError: the batch cannot be divided, or a sound is damaged or shorter than the crop.
        MachineError: a worker has died.
    """
    per_domain = _per_domain(batch_size, len(split.domains))
    split.check_crop(crop_samples)
    crops = []
    for domain in range(len(split.domains)):
        places = _Places(split, domain, crop_samples)
        order = np.random.SeedSequence((seed, domain)).generate_state(1)[0]
        windows = grain.MapDataset.source(range(places.num_windows)).seed(int(order)).shuffle()
        read = windows.repeat().random_map(_RandomCrop(split, places))
        if gain_db:
            read = read.random_map(input_pipeline.RandomGain(gain_db))
        read = read.random_map(_Detuning(detune_semitones))
        if decoder_input_noise:
            read = read.random_map(input_pipeline.InputNoise(decoder_input_noise))
        crops.append(read)
    rows = share.rows(batch_size)
    examples = grain.MapDataset.source(_DomainRows(crops, per_domain, rows, first_step))
    yield from input_pipeline.read_ahead(
        examples.batch(len(rows), drop_remainder=True), num_workers
    )


def evaluation_batches(
    split: DomainSplit,
    *,
    batch_size: int,
    crop_samples: int,
    num_batches: int | None = None,
    share: ProcessShare = _ALONE,
    num_workers: int = 0,
) -> Iterator[Batch]:
    """Yields this process's part of one pass over the domains.

    All domains have equally many crops, spread evenly over their time: as many as windows of a
    crop's length in the shortest one, or as the batches hold.

    Args:
        split: from `open_split`.
        batch_size: of the global batch, a multiple of the number of domains.
        crop_samples: of each crop.
        num_batches: so many at most; None for all.
        share: this process's part.
        num_workers: as in `training_batches`.

    Raises:
        UserError: as `training_batches`.

    Yields:
        `audio` and `domain` as `training_batches`, with a bool `mask` [batch]: False for the copies
        of the last crop of each domain that fill up the last batch.
    """
    per_domain = _per_domain(batch_size, len(split.domains))
    split.check_crop(crop_samples)
    places = [_Places(split, domain, crop_samples) for domain in range(len(split.domains))]
    each = min(it.num_windows for it in places)
    if num_batches is not None:
        each = min(each, num_batches * per_domain)
    total = -(-each // per_domain)
    rows = share.rows(batch_size)
    examples = grain.MapDataset.source(range(total * len(rows)))
    read = functools.partial(_evenly_spread, split, places, each, per_domain, rows)
    return input_pipeline.read_ahead(
        examples.map(read).batch(len(rows), drop_remainder=True), num_workers
    )


def _per_domain(batch_size: int, num_domains: int) -> int:
    if batch_size % num_domains:
        raise UserError(
            f"config.batch_size={batch_size} must be a multiple of the {num_domains} domains, each "
            "of which has as many rows."
        )
    return batch_size // num_domains


class _Places:
    """All places where a crop of a domain may begin, in one line.

    Attributes:
        domain: the domain's position.
        crop_samples: of a crop.
        num_windows: crops without overlap in the domain's time.
    """

    def __init__(self, split: DomainSplit, domain: int, crop_samples: int):
        self.domain, self.crop_samples = domain, crop_samples
        self._members = split.members[domain]
        lengths = split.sounds.lengths[self._members]
        self._ends = np.cumsum(lengths - crop_samples + 1)
        self.num_windows = int((lengths // crop_samples).sum())

    def at(self, share: float) -> tuple[int, int]:
        """Returns a sound's position and a crop's first sample, at a share of the way, below 1."""
        place = int(share * self._ends[-1])
        member = int(np.searchsorted(self._ends, place, side="right"))
        before = self._ends[member - 1] if member else 0
        return int(self._members[member]), int(place - before)


def _read(split: DomainSplit, places: _Places, share: float) -> dict[str, Any]:
    sound, start = places.at(share)
    audio = split.sounds.read(sound, start, places.crop_samples)
    return {"audio": audio, "domain": np.int32(places.domain)}


class _RandomCrop(grain.RandomMapTransform):
    """From the number of a window to a crop that begins in it."""

    def __init__(self, split: DomainSplit, places: _Places):
        self._split = split
        self._places = places

    def random_map(self, element: int, rng: np.random.Generator) -> dict[str, Any]:
        share = (element + rng.random()) / self._places.num_windows
        return _read(self._split, self._places, share)


class _Detuning(grain.RandomMapTransform):
    def __init__(self, most_semitones: float):
        self._most_semitones = most_semitones

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        audio = element["audio"]
        if self._most_semitones:
            audio = shift_a_part(audio, rng, self._most_semitones)
        return {**element, "augmented": audio}


def _evenly_spread(
    split: DomainSplit,
    places: Sequence[_Places],
    each: int,
    per_domain: int,
    rows: range,
    index: int,
) -> dict[str, Any]:
    """Returns a crop of evaluation, by its number among those of this process."""
    batch, row = divmod(index, len(rows))
    domain, in_domain = divmod(rows[row], per_domain)
    number = batch * per_domain + in_domain
    example = _read(split, places[domain], (min(number, each - 1) + 0.5) / each)
    return {**example, "mask": np.bool_(number < each)}


class _DomainRows:
    """The examples that one process needs, in the global order."""

    def __init__(
        self,
        crops: Sequence[grain.MapDataset],
        per_domain: int,
        rows: range,
        first_step: int,
    ):
        self._crops = crops
        self._per_domain = per_domain
        self._rows = rows
        self._first_step = first_step

    def __len__(self) -> int:
        return sys.maxsize

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        step, row = divmod(int(index), len(self._rows))
        domain, in_domain = divmod(self._rows[row], self._per_domain)
        return self._crops[domain][(self._first_step + step) * self._per_domain + in_domain]
