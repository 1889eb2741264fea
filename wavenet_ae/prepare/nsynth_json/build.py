"""Builds the dataset `nsynth_json` atomically, and only where it is not up to date."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import tensorflow_datasets as tfds

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.nsynth_json.collection import Collection, read_collection
from wavenet_ae.prepare.nsynth_json.nsynth_json_dataset_builder import Builder
from wavenet_ae.prepare.writing import (
    INCOMPLETE,
    delete_incomplete,
    quietly,
    reporting_failures_to_write,
)
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.locks import exclusive_lock

CONFIGS = tuple(config.name for config in Builder.BUILDER_CONFIGS)

_PREVIOUS = f"{INCOMPLETE}previous"


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
    if "://" in os.fspath(data_dir):
        raise UserError(f"{data_dir} is not on this machine: build locally, then copy the folder.")
    several = [notes] if isinstance(notes, str | os.PathLike) else notes
    paths = [Path(one).expanduser() for one in several]
    path = dataset_dir(data_dir, config)
    collection = read_collection(paths, config, train_only)
    with reporting_failures_to_write(path), quietly(), exclusive_lock(path.parent):
        _clean_up_killed_builds(path)
        if path.exists() and not overwrite:
            if _metadata(path).get("fingerprint") != collection.fingerprint:
                named = " and ".join(map(str, (*paths, *train_only)))
                raise UserError(
                    f"{path} was built from other notes than {named} holds now: pass --overwrite to"
                    " build it again, or name another --data_dir."
                )
            return Dataset(path, is_new=False, splits=_split_sizes(path))
        with _moved_aside(path):
            _build(collection, data_dir, config)
        return Dataset(path, True, _split_sizes(path), collection.unnamed_sounds())


def _build(collection: Collection, data_dir: str | os.PathLike[str], config: str) -> None:
    """Lets TFDS build into a folder of its own, which it renames at the end."""
    data_dir = Path(data_dir).expanduser()
    builder = Builder(data_dir=data_dir, config=config, collection=collection)
    with tempfile.TemporaryDirectory() as downloads:  # TFDS makes unused folders there
        builder.download_and_prepare(
            download_dir=downloads,
            file_format=tfds.core.FileFormat.ARRAY_RECORD,
        )


def _metadata(path: Path) -> dict:
    """Returns the builder's metadata of a dataset; empty if it was not finished."""
    try:
        return json.loads((path / "metadata.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}


def _split_sizes(path: Path) -> dict[str, SplitSize]:
    info = tfds.builder_from_directory(path).info
    instruments = _metadata(path)["instruments"]
    return {
        split: SplitSize(info.splits[split].num_examples, instruments[split])
        for split in nsynth.SPLITS
        if split in info.splits
    }


def _clean_up_killed_builds(path: Path) -> None:
    """Moves back what was moved aside and deletes unfinished builds; TFDS does neither."""
    previous = path.with_name(_PREVIOUS)
    if previous.exists() and not path.exists():
        previous.rename(path)
    delete_incomplete(path.parent)


@contextlib.contextmanager
def _moved_aside(path: Path) -> Iterator[None]:
    """Moves an older dataset out of the way, and back if the block raises."""
    previous = path.with_name(_PREVIOUS)
    if path.exists():
        path.rename(previous)
    try:
        yield
    except BaseException:
        if previous.exists():
            previous.rename(path)
        raise
    if previous.exists():
        shutil.rmtree(previous)
