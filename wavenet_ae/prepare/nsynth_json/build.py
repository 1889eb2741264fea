"""Builds the dataset `nsynth_json` atomically, and only where it is not up to date."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow_datasets as tfds

from wavenet_ae.data import nsynth
from wavenet_ae.prepare import building
from wavenet_ae.prepare.nsynth_json.collection import read_collection
from wavenet_ae.prepare.nsynth_json.nsynth_json_dataset_builder import Builder

CONFIGS = tuple(config.name for config in Builder.BUILDER_CONFIGS)


class SplitSize(NamedTuple):
    """What a split holds."""

    notes: int
    instruments: int


class Dataset(NamedTuple):
    """A dataset that is ready to be read."""

    path: Path  # for tfds.builder_from_directory
    is_new: bool  # built by this call
    splits: dict[str, SplitSize]
    # How many sounds were passed over since they have no labels, by folder or archive.
    unnamed_sounds: Mapping[Path, int] = {}


def dataset_dir(data_dir: str | os.PathLike[str], config: str) -> Path:
    """Returns the folder of one config: data_dir/nsynth_json/config/version."""
    return Path(data_dir).expanduser() / Builder.name / config / str(Builder.VERSION)


def build(
    notes: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    data_dir: str | os.PathLike[str],
    config: str,
    *,
    train_only: Sequence[Path] = (),
    overwrite: bool = False,
) -> Dataset:
    """Builds the dataset, unless it has been built from the same notes.

    A failed or interrupted build leaves nothing that looks finished; what a killed build leaves is
    deleted by the next one.

    Args:
        notes: one or several folders or archives that `collection.read_collection` reads.
        data_dir: TFDS's folder of datasets, on a local disk.
        config: one of CONFIGS.
        train_only: more folders or archives, whose notes all go to train.
        overwrite: build again, whatever exists. The older dataset is moved aside meanwhile, and
            moved back if the build fails.

    Raises:
        UserError: the notes cannot be read or split, a dataset of other notes exists, another
            process is building it, or the disk is full.
    """
    several = [notes] if isinstance(notes, str | os.PathLike) else notes
    paths = [Path(one).expanduser() for one in several]
    folder = building.local_folder(data_dir)
    path = dataset_dir(folder, config)
    collection = read_collection(paths, config, train_only)
    is_new = building.build_once(
        path,
        collection.fingerprint,
        lambda: building.prepare(Builder(data_dir=folder, config=config, collection=collection)),
        made_from=f"notes than {' and '.join(map(str, (*paths, *train_only)))} holds",
        overwrite=overwrite,
    )
    unnamed_sounds = collection.unnamed_sounds() if is_new else {}
    return Dataset(path, is_new, _split_sizes(path), unnamed_sounds)


def _split_sizes(path: Path) -> dict[str, SplitSize]:
    info = tfds.builder_from_directory(path).info
    instruments = building.metadata(path)["instruments"]
    return {
        split: SplitSize(info.splits[split].num_examples, instruments[split])
        for split in nsynth.SPLITS
        if split in info.splits
    }
