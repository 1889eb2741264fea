"""Files that are written completely or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from wavenet_ae.system.errors import write_error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder, which is renamed to `path` at the end.

    If the block raises, the temporary file is deleted and an older file stays. Folders are created.

    Raises:
        UserError: the file cannot be written; the message names it.
    """
    # Not derived from the name, which may have the maximum length already.
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
