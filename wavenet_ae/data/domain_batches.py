"""Crops from several domains as batches of arrays on the host, for translation.

The rows of a batch are sorted by domain, equally many of each. As in `input_pipeline`, a batch of
training is a pure function of the seed and the step.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, SupportsIndex

import grain.python as grain
import numpy as np

from wavenet_ae.data import crops, input_pipeline, nsynth
from wavenet_ae.data.input_noise import InputNoise
from wavenet_ae.data.input_pipeline import Batch, ProcessShare
from wavenet_ae.data.note_families import NotesOfFamilies
from wavenet_ae.data.pitch_shift import shift_a_part
from wavenet_ae.data.stored_notes import RECORDINGS, find
from wavenet_ae.data.stored_recordings import Recordings
from wavenet_ae.system.errors import UserError

_ALONE = ProcessShare()


class Sounds(crops.Sounds, Protocol):
    """Sounds of any length, each of one domain, that can be read in part.

    Attributes:
        domains: the domain of each, by name.
    """

    domains: Sequence[str]


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
        crops.check(self.sounds, self._all, crop_samples)

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
    decoder_input_shaped_noise: float = 0.0,
    first_step: int = 0,
    share: ProcessShare = _ALONE,
    num_workers: int = 0,
) -> Iterator[Batch]:
    """Yields this process's part of the batches of steps `first_step`, `first_step` + 1, ...

    Crops are drawn evenly over the time of a domain, as `crops.random_crops` does it. Each domain
    has its own order and its own epochs.

    Args:
        split: from `open_split`.
        seed: of the orders, crops and shifts.
        batch_size: of the global batch, a multiple of the number of domains.
        crop_samples: of each crop.
        gain_db: each is amplified by a random gain up to this one, but not beyond full scale.
        detune_semitones: a part of each crop in `augmented` is out of tune, by up to this much; see
            `pitch_shift.shift_a_part`.
        decoder_input_noise: see `input_pipeline.training_batches`.
        decoder_input_shaped_noise: see there.
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
    groups = []
    for domain, (places, read) in enumerate(_groups(split, crop_samples)):
        order = np.random.SeedSequence((seed, domain)).generate_state(1)[0]
        examples = crops.random_crops(places, read, int(order), gain_db=gain_db)
        examples = examples.random_map(_Detuning(detune_semitones))
        if decoder_input_noise:
            noise = InputNoise(decoder_input_noise, decoder_input_shaped_noise)
            examples = examples.random_map(noise)
        groups.append(examples)
    rows = share.rows(batch_size)
    examples = grain.MapDataset.source(crops.TrainingRows(groups, per_domain, rows, first_step))
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

    All domains have equally many crops, spread evenly over their time: see `crops.evaluation_rows`.

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
        of the first crops of each domain that fill up the last batch.
    """
    per_domain = _per_domain(batch_size, len(split.domains))
    split.check_crop(crop_samples)
    rows = share.rows(batch_size)
    examples = crops.evaluation_rows(_groups(split, crop_samples), per_domain, rows, num_batches)
    return input_pipeline.read_ahead(examples.batch(len(rows), drop_remainder=True), num_workers)


def _per_domain(batch_size: int, num_domains: int) -> int:
    if batch_size % num_domains:
        raise UserError(
            f"config.batch_size={batch_size} must be a multiple of the {num_domains} domains, each "
            "of which has as many rows."
        )
    return batch_size // num_domains


def _groups(split: DomainSplit, crop_samples: int) -> list[tuple[crops.Places, crops.Read]]:
    """Returns what `crops` takes of each domain."""
    return [
        (
            crops.Places(split.sounds, members, crop_samples),
            functools.partial(_read, split.sounds, domain, crop_samples),
        )
        for domain, members in enumerate(split.members)
    ]


def _read(sounds: Sounds, domain: int, crop_samples: int, sound: int, start: int) -> dict[str, Any]:
    return {"audio": sounds.read(sound, start, crop_samples), "domain": np.int32(domain)}


class _Detuning(grain.RandomMapTransform):
    def __init__(self, most_semitones: float):
        self._most_semitones = most_semitones

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        audio = element["audio"]
        if self._most_semitones:
            audio = shift_a_part(audio, rng, self._most_semitones)
        return {**element, "augmented": audio}
