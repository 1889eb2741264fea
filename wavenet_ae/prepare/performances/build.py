"""Builds a dataset `performances/NAME` atomically, and only where it is not up to date."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wavenet_ae.audio import files
from wavenet_ae.prepare import building
from wavenet_ae.prepare.performances.collection import read_collection
from wavenet_ae.prepare.performances.performances_dataset_builder import Builder


class SplitSize(NamedTuple):
    """What a split holds."""

    performances: int
    seconds: float
    notes: int


class Dataset(NamedTuple):
    """A dataset that is ready to be read."""

    path: Path  # for tfds.builder_from_directory
    is_new: bool  # built by this call
    splits: dict[str, SplitSize]


def build(
    folders: Sequence[Path],
    data_dir: str | os.PathLike[str],
    name: str,
    *,
    overwrite: bool = False,
) -> Dataset:
    """Builds the dataset, unless it has been built from the same performances.

    A failed or interrupted build leaves nothing that looks finished; what a killed build leaves is
    deleted by the next one.

    Args:
        folders: as `read_collection` takes them.
        data_dir: TFDS's folder of datasets, on a local disk.
        name: of the dataset, which training reads as `performances/NAME`.
        overwrite: build again, whatever exists. The older dataset is moved aside meanwhile, and
            moved back if the build fails.

    Raises:
        UserError: the performances cannot be read or split, a dataset of others exists, another
            process is building it, or the disk is full.
    """
    folder = building.local_folder(data_dir)
    collection = read_collection(folders)
    path = folder / Builder.name / name / str(Builder.VERSION)
    is_new = building.build_once(
        path,
        collection.fingerprint,
        lambda: building.prepare(Builder(data_dir=folder, name=name, collection=collection)),
        made_from=f"performances than {' and '.join(map(str, folders))} hold",
        overwrite=overwrite,
    )
    return Dataset(path, is_new, building.sizes(path, _size))


def _size(_: Mapping[str, Any], columns: Mapping[str, list[int]]) -> SplitSize:
    seconds = sum(columns["samples"]) / files.SAMPLE_RATE_HZ
    return SplitSize(len(set(columns["recording"])), seconds, sum(columns["notes"]))
