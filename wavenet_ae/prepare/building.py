"""Builds a TFDS dataset atomically, and only where it is not up to date."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import tensorflow_datasets as tfds

from wavenet_ae.prepare.writing import (
    INCOMPLETE,
    delete_incomplete,
    quietly,
    reporting_failures_to_write,
)
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.locks import exclusive_lock

_Size = TypeVar("_Size")

_PREVIOUS = f"{INCOMPLETE}previous"


def local_folder(data_dir: str | os.PathLike[str]) -> Path:
    """Returns TFDS's folder of datasets, with `~` for the home folder.

    Raises:
        UserError: it is a URL.
    """
    if "://" in os.fspath(data_dir):
        raise UserError(f"{data_dir} is not on this machine: build locally, then copy the folder.")
    return Path(data_dir).expanduser()


def build_once(
    path: Path,
    fingerprint: str,
    build: Callable[[], None],
    *,
    made_from: str,
    overwrite: bool = False,
) -> bool:
    """Builds a dataset, unless it has been built from the same.

    A failed or interrupted build leaves nothing that looks finished; what a killed build leaves is
    deleted by the next one.

    Args:
        path: of the dataset, as TFDS has it.
        fingerprint: of what it is built from; the builder keeps it in its metadata.
        build: makes the dataset.
        made_from: what it is built from, for an error: `notes than FOLDER holds`.
        overwrite: build again, whatever exists. The older dataset is moved aside meanwhile, and
            moved back if the build fails.

    Returns:
        Whether it was built now.

    Raises:
        UserError: a dataset of something else exists, another process is building it, or the disk
            is full.
    """
    with (
        reporting_failures_to_write(path),
        quietly(),
        exclusive_lock(path.parent),
        _leaving_no_empty_folders(path),
    ):
        _clean_up_killed_builds(path)
        if path.exists() and not overwrite:
            if metadata(path).get("fingerprint") != fingerprint:
                raise UserError(
                    f"{path} was built from other {made_from} now: pass --overwrite to"
                    " build it again, or name another --data_dir."
                )
            return False
        with _moved_aside(path):
            build()
        return True


def prepare(builder: tfds.core.DatasetBuilder) -> None:
    """Lets TFDS build into a folder of its own, which it renames at the end."""
    with tempfile.TemporaryDirectory() as downloads:  # TFDS makes unused folders there
        builder.download_and_prepare(
            download_dir=downloads,
            file_format=tfds.core.FileFormat.ARRAY_RECORD,
        )


def metadata(path: Path) -> dict[str, Any]:
    """Returns the builder's metadata of a dataset; empty if it was not finished."""
    try:
        return json.loads((path / "metadata.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}


def sizes(
    path: Path, measure: Callable[[dict[str, Any], dict[str, list[int]]], _Size]
) -> dict[str, _Size]:
    """Measures the splits of a dataset of long sounds.

    Args:
        path: of the dataset.
        measure: gets the dataset's metadata, and the columns of a split's pieces.

    Returns:
        What it returns, by split.

    Raises:
        UserError: the metadata is damaged.
    """
    found = metadata(path)
    try:
        return {split: measure(found, columns) for split, columns in found["pieces"].items()}
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"{path}/metadata.json is damaged: build the dataset again with --overwrite."
        ) from error


def _clean_up_killed_builds(path: Path) -> None:
    """Moves back what was moved aside and deletes unfinished builds; TFDS does neither."""
    previous = path.with_name(_PREVIOUS)
    if previous.exists() and not path.exists():
        previous.rename(path)
    delete_incomplete(path.parent)


@contextlib.contextmanager
def _leaving_no_empty_folders(path: Path) -> Iterator[None]:
    """Deletes the dataset's folders again if the block raises and has left nothing there."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # they hold something
            path.parent.rmdir()
            path.parent.parent.rmdir()
        raise


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
