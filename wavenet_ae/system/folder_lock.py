"""A lock for folders that one process at a time may write."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from wavenet_ae.system.errors import UserError


@contextlib.contextmanager
def exclusive_lock(folder: Path) -> Iterator[None]:
    """Makes the folder and keeps others out, whose work would look like leftovers.

    Raises:
        OSError: there is no such folder, and none can be made.
        UserError: another process is writing there.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another process is writing {folder}: wait for its end.") from None
        yield
    finally:
        os.close(descriptor)
