"""Builds a dataset `recordings/NAME` atomically, and only where it is not up to date."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from wavenet_ae.audio import files
from wavenet_ae.prepare import building
from wavenet_ae.prepare.long_recordings.collection import read_collection
from wavenet_ae.prepare.long_recordings.recordings_dataset_builder import Builder


class DomainSize(NamedTuple):
    """What a split holds of a domain."""

    recordings: int
    seconds: float


class Dataset(NamedTuple):
    """A dataset that is ready to be read."""

    path: Path  # for tfds.builder_from_directory
    is_new: bool  # built by this call
    splits: dict[str, dict[str, DomainSize]]  # by split and domain


def build(
    recordings: Mapping[str, Path],
    data_dir: str | os.PathLike[str],
    name: str,
    *,
    overwrite: bool = False,
) -> Dataset:
    """Builds the dataset, unless it has been built from the same recordings.

    A failed or interrupted build leaves nothing that looks finished; what a killed build leaves is
    deleted by the next one.

    Args:
        recordings: a folder of each domain, by the domains' names, as `read_collection` takes them.
        data_dir: TFDS's folder of datasets, on a local disk.
        name: of the dataset, which training reads as `recordings/NAME`.
        overwrite: build again, whatever exists. The older dataset is moved aside meanwhile, and
            moved back if the build fails.

    Raises:
        UserError: the recordings cannot be read or split, a dataset of others exists, another
            process is building it, or the disk is full.
    """
    folder = building.local_folder(data_dir)
    collection = read_collection(recordings)
    path = folder / Builder.name / name / str(Builder.VERSION)
    is_new = building.build_once(
        path,
        collection.fingerprint,
        lambda: building.prepare(Builder(data_dir=folder, name=name, collection=collection)),
        made_from=f"recordings than {' and '.join(map(str, recordings.values()))} hold",
        overwrite=overwrite,
    )
    return Dataset(path, is_new, building.sizes(path, _sizes))


def _sizes(metadata: Mapping[str, Any], columns: Mapping[str, list[int]]) -> dict[str, DomainSize]:
    return {
        domain: _domain_size(columns, position)
        for position, domain in enumerate(metadata["domains"])
    }


def _domain_size(columns: Mapping[str, list[int]], domain: int) -> DomainSize:
    rows = zip(columns["domain"], columns["recording"], columns["samples"], strict=True)
    of_domain = [
        (recording, samples) for position, recording, samples in rows if position == domain
    ]
    seconds = sum(samples for _, samples in of_domain) / files.SAMPLE_RATE_HZ
    return DomainSize(len({recording for recording, _ in of_domain}), seconds)
