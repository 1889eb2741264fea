"""Builds the dataset `nsynth_json`: whole or not at all, and only when there is need."""

import contextlib
import fcntl
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import tensorflow_datasets as tfds
from absl import logging

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth_json import notes as nsynth_notes
from wavenet_ae.data.nsynth_json.nsynth_json_dataset_builder import Builder
from wavenet_ae.errors import UserError

CONFIGS = tuple(config.name for config in Builder.BUILDER_CONFIGS)

_INCOMPLETE = "incomplete."  # TFDS's prefix of what it is still writing
_PREVIOUS = f"{_INCOMPLETE}previous"


class SplitSize(NamedTuple):
    """What a split holds."""

    notes: int
    instruments: int


class Dataset(NamedTuple):
    """A dataset that is ready to be read."""

    path: Path  # for tfds.builder_from_directory
    is_new: bool  # built by this call
    splits: dict[str, SplitSize]


def dataset_dir(data_dir: str | os.PathLike[str], config: str) -> Path:
    """Returns the folder of one config: data_dir/nsynth_json/config/version."""
    return Path(data_dir).expanduser() / Builder.name / config / str(Builder.VERSION)


def build(
    notes: str | os.PathLike[str],
    data_dir: str | os.PathLike[str],
    config: str,
    *,
    overwrite: bool = False,
) -> Dataset:
    """Builds the dataset, unless it has been built from the same notes.

    A failed or interrupted build leaves nothing that looks finished; what a killed one leaves is
    deleted by the next.

    Args:
        notes: a folder in the layout that `notes.read_splits` reads.
        data_dir: TFDS's folder of datasets, on a local disk.
        config: one of CONFIGS.
        overwrite: build anew, whatever is there. An older dataset is set aside meanwhile, and comes
            back if the build fails.

    Raises:
        UserError: the notes cannot be read or split, a dataset of other notes is there, another
            process is building it, or the disk is full.
    """
    if "://" in os.fspath(data_dir):
        raise UserError(f"{data_dir} is not on this machine: build locally, then copy the folder.")
    notes = Path(notes).expanduser()
    path = dataset_dir(data_dir, config)
    fingerprint = nsynth_notes.fingerprint(notes, config)
    with _reporting_failures_to_write(path), _quietly(), _alone_in(path.parent):
        _clear_up_after_killed_builds(path)
        if path.exists() and not overwrite:
            if _metadata(path).get("fingerprint") != fingerprint:
                raise UserError(
                    f"{path} was built from other notes than {notes} holds now: pass --overwrite"
                    " to build it anew, or name another --data_dir."
                )
            return Dataset(path, is_new=False, splits=_split_sizes(path))
        with _set_aside(path):
            _build(notes, data_dir, config)
        return Dataset(path, is_new=True, splits=_split_sizes(path))


def _build(notes: Path, data_dir: str | os.PathLike[str], config: str) -> None:
    """Lets TFDS build into a folder of its own, which it renames at the end."""
    builder = Builder(data_dir=Path(data_dir).expanduser(), config=config)
    with tempfile.TemporaryDirectory() as downloads:  # TFDS makes folders there, for nothing
        builder.download_and_prepare(
            download_dir=downloads,
            download_config=tfds.download.DownloadConfig(manual_dir=notes),
            file_format=tfds.core.FileFormat.ARRAY_RECORD,
        )


def _metadata(path: Path) -> dict:
    """Returns what the builder noted about a dataset; nothing of one that it did not finish."""
    try:
        return json.loads((path / "metadata.json").read_bytes())
    except (FileNotFoundError, ValueError):
        return {}


def _split_sizes(path: Path) -> dict[str, SplitSize]:
    info = tfds.builder_from_directory(path).info
    instruments = _metadata(path)["instruments"]
    return {s: SplitSize(info.splits[s].num_examples, instruments[s]) for s in nsynth.SPLITS}


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silences what TFDS prints and logs about downloads; progress goes to standard error."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Makes the folder and keeps other builds out, whose work would look like leftovers."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is building {folder}: wait for its end.") from None
        yield
    finally:
        os.close(descriptor)


def _clear_up_after_killed_builds(path: Path) -> None:
    """Puts back what was set aside and deletes what is half done; TFDS does neither."""
    previous = path.with_name(_PREVIOUS)
    if previous.exists() and not path.exists():
        previous.rename(path)
    for leftover in path.parent.glob(f"{_INCOMPLETE}*"):
        shutil.rmtree(leftover)


@contextlib.contextmanager
def _set_aside(path: Path) -> Iterator[None]:
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


@contextlib.contextmanager
def _reporting_failures_to_write(path: Path) -> Iterator[None]:
    """Turns failures to write into the user's error."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error}.") from error
    except RuntimeError as error:
        if "write() failed" not in str(error):  # how array_record says it
            raise
        raise UserError(f"{path} cannot be written: {error}.") from error
