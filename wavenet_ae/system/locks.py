"""Exclusive locks, which the system releases however the process that holds them ends."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from wavenet_ae.system.errors import UserError


def lock(file: int | IO, *, wait: bool = False) -> None:
    """Locks an open file, or a folder's descriptor, until it is closed.

    Raises:
        BlockingIOError: another process holds it, and `wait` is false.
        OSError: the file system has no locks.
    """
    fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Creates the folder if needed, and locks it against other processes.

    The folder itself is locked, so that no lock file is left in it.

    Raises:
        OSError: the folder does not exist and cannot be created.
        UserError: another process is writing to it.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            lock(descriptor)
            if not os.path.samestat(os.fstat(descriptor), os.stat(folder)):
                raise BlockingIOError  # another process has deleted it, and a third made it anew
        except BlockingIOError:
            raise UserError(
                f"another process is writing to {folder}: wait until it has ended."
            ) from None
        yield
    finally:
        os.close(descriptor)
