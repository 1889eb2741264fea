"""Shared by the writers of TFDS datasets: quiet output, and errors in one sentence."""

import contextlib
import dataclasses
import io
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import tensorflow_datasets as tfds
from absl import logging

from wavenet_ae.system.errors import UserError, write_error

INCOMPLETE = "incomplete."  # TFDS's prefix of what it is still writing

_WRITE_FAILED = re.compile(r"write\(\) failed|No space left on device|Permission denied")


@dataclasses.dataclass(frozen=True)
class Prepared:
    """A dataset that is ready to be read.

    Attributes:
        path: for `tfds.builder_from_directory`.
        is_new: built by this call.
        num_notes: of each split.
    """

    path: str
    is_new: bool
    num_notes: dict[str, int]

    @classmethod
    def of(cls, builder: tfds.core.DatasetBuilder, *, is_new: bool) -> Self:
        """Returns the description of a builder's prepared dataset."""
        sizes = {split: info.num_examples for split, info in builder.info.splits.items()}
        return cls(os.fspath(builder.data_path), is_new, sizes)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Silences what TFDS prints and logs about downloads; progress goes to standard error."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


def delete_incomplete(folder: Path) -> None:
    """Deletes what killed builds have left in the folder; TFDS does not."""
    for leftover in folder.glob(f"{INCOMPLETE}*"):
        shutil.rmtree(leftover)


@contextlib.contextmanager
def reporting_failures_to_write(path: Path) -> Iterator[None]:
    """Turns failures to write the dataset into a UserError that names it."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error) from error
    except RuntimeError as error:
        # array_record's message, or the stack trace that Beam makes of an OSError.
        found = [line for line in str(error).splitlines() if _WRITE_FAILED.search(line)]
        if not found:
            raise
        raise UserError(f"{path} cannot be written: {found[0].strip()}.") from error


def bar_interval_s() -> float:
    """Returns the seconds between updates of a progress bar: in a log, one line per minute."""
    return 0.5 if sys.stderr.isatty() else 60.0
