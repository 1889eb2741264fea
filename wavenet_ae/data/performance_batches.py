"""Crops of performances and the piano rolls of their notes, for the MIDI-conditioned WaveNet.

As in `input_pipeline`, a batch of training is a pure function of the seed and the step.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, SupportsIndex

import grain.python as grain
import numpy as np

from wavenet_ae.data import crops, input_pipeline, nsynth, piano_roll
from wavenet_ae.data.input_noise import InputNoise
from wavenet_ae.data.input_pipeline import Batch, ProcessShare
from wavenet_ae.data.stored_notes import PERFORMANCES, find
from wavenet_ae.data.stored_recordings import Performances
from wavenet_ae.system.errors import UserError

_ALONE = ProcessShare()


class PerformanceSplit(Sequence):
    """The performances of a split; as a sequence, their first seconds.

    An item is a dict: `id`; `audio`, float32 `[samples]`; `notes`, int32 `[notes, 4]`, those that
    sound in it and perhaps more, as `piano_roll.draw` takes them.

    Attributes:
        sounds: the performances.
    """

    def __init__(self, sounds: Performances):
        self.sounds = sounds
        self._all = np.arange(len(sounds))

    def __len__(self) -> int:
        return len(self.sounds)

    def check_crop(self, crop_samples: int) -> None:
        """Raises a UserError, which names the performance, if one is shorter than a crop."""
        crops.check(self.sounds, self._all, crop_samples)

    def num_windows(self, crop_samples: int) -> int:
        """Returns how many crops without overlap there are."""
        return self.places(crop_samples).num_windows

    def places(self, crop_samples: int) -> crops.Places:
        """Returns the places where crops may begin."""
        return crops.Places(self.sounds, self._all, crop_samples)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        sound = int(self._all[index])
        samples = min(int(self.sounds.lengths[sound]), nsynth.NOTE_SAMPLES)
        audio, notes = self.sounds.read_with_notes(sound, 0, samples)
        return {"id": self.sounds.name(sound), "audio": audio, "notes": notes}


def open_split(name: str, data_dir: str, split: str) -> PerformanceSplit:
    """Opens a split of a dataset of `build-dataset --performances`.

    Args:
        name: TFDS's name, `performances/NAME`.
        data_dir: where TFDS keeps its datasets.
        split: `train`, `valid` or `test`.

    Raises:
        UserError: there is no such dataset or split, or it holds something else; when a performance
            is read: its record is damaged.
    """
    dataset = find(name, data_dir)
    if dataset.builder != PERFORMANCES:
        raise UserError(
            f"{dataset.path} holds no performances with their notes: choose a dataset of "
            "wavenet-ae build-dataset --performances=FOLDER."
        )
    return PerformanceSplit(Performances(dataset, split))


def training_batches(
    split: PerformanceSplit,
    *,
    seed: int,
    batch_size: int,
    crop_samples: int,
    margin: int,
    roll: str,
    gain_db: float = 0.0,
    decoder_input_noise: float = 0.0,
    decoder_input_shaped_noise: float = 0.0,
    first_step: int = 0,
    share: ProcessShare = _ALONE,
    num_workers: int = 0,
) -> Iterator[Batch]:
    """Yields this process's part of the batches of steps `first_step`, `first_step` + 1, ...

    Crops are drawn evenly over the time of all performances: see `crops.random_crops`.

    Args:
        split: from `open_split`.
        seed: of the orders and crops.
        batch_size: of the global batch.
        crop_samples: of each crop, a multiple of `piano_roll.HOP_LENGTH`.
        margin: frames before and after the crop that the roll shows, too.
        roll: a kind of `piano_roll.draw`.
        gain_db: each is amplified by a random gain up to this one, but not beyond full scale; the
            velocities stay.
        decoder_input_noise: see `input_pipeline.training_batches`.
        decoder_input_shaped_noise: see there.
        first_step: the step to begin with.
        share: this process's part.
        num_workers: processes that prefetch; 0 prefetches in threads of this one.

    Yields:
        `audio`, float32 `[batch, crop_samples]`, full scale -1..1; `roll`, float32
        `[batch, crop_samples / HOP_LENGTH + 2 * margin, NUM_KEYS]`, of which the frame `margin`
        begins with the crop's first sample; and with noise `decoder_input_noise`, int8 like
        `audio`.

    Raises:
        UserError: the batch cannot be divided, the crop has no whole number of frames, or a
            performance is damaged or shorter than the crop.
        MachineError: a worker has died.
    """
    places, read = _group(split, crop_samples, margin, roll)
    examples = crops.random_crops(places, read, seed, gain_db=gain_db)
    if decoder_input_noise:
        noise = InputNoise(decoder_input_noise, decoder_input_shaped_noise)
        examples = examples.random_map(noise)
    rows = share.rows(batch_size)
    local = grain.MapDataset.source(crops.TrainingRows([examples], batch_size, rows, first_step))
    yield from input_pipeline.read_ahead(local.batch(len(rows), drop_remainder=True), num_workers)


def evaluation_batches(
    split: PerformanceSplit,
    *,
    batch_size: int,
    crop_samples: int,
    margin: int,
    roll: str,
    num_batches: int | None = None,
    share: ProcessShare = _ALONE,
    num_workers: int = 0,
) -> Iterator[Batch]:
    """Yields this process's part of one pass over the performances.

    The crops are spread evenly over the time of all performances: see `crops.evaluation_rows`.

    Args:
        split: from `open_split`.
        batch_size: of the global batch.
        crop_samples: as in `training_batches`.
        margin: likewise.
        roll: likewise.
        num_batches: so many at most; None for all.
        share: this process's part.
        num_workers: as in `training_batches`.

    Yields:
        `audio` and `roll` as `training_batches`, with a bool `mask` [batch]: False for the copies
        of the first crops that fill up the last batch.

    Raises:
        UserError: as `training_batches`.
    """
    rows = share.rows(batch_size)
    group = _group(split, crop_samples, margin, roll)
    examples = crops.evaluation_rows([group], batch_size, rows, num_batches)
    return input_pipeline.read_ahead(examples.batch(len(rows), drop_remainder=True), num_workers)


def _group(
    split: PerformanceSplit, crop_samples: int, margin: int, roll: str
) -> tuple[crops.Places, crops.Read]:
    """Returns what `crops` takes of the performances, all of which are one group."""
    if crop_samples % piano_roll.HOP_LENGTH:
        raise UserError(
            f"config.crop_samples={crop_samples} must be a multiple of {piano_roll.HOP_LENGTH}, "
            "the samples of a frame of the piano roll."
        )
    split.check_crop(crop_samples)
    read = functools.partial(_read, split.sounds, crop_samples, margin, roll)
    return split.places(crop_samples), read


def _read(
    sounds: Performances, crop_samples: int, margin: int, roll: str, sound: int, start: int
) -> dict[str, Any]:
    around = margin * piano_roll.HOP_LENGTH
    # The frame after the last one can change it: `piano_roll.draw`.
    audio, notes = sounds.read_with_notes(
        sound, start, crop_samples, around + piano_roll.HOP_LENGTH
    )
    frames = crop_samples // piano_roll.HOP_LENGTH + 2 * margin
    return {"audio": audio, "roll": piano_roll.draw(notes, start - around, frames, roll)}
