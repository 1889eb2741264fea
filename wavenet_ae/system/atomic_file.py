"""Files that are written completely or not at all."""

import contextlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from wavenet_ae.system import buckets
from wavenet_ae.system.errors import write_error
from wavenet_ae.system.settings import is_url


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path in the same folder, which is renamed to `path` at the end.

    If the block raises, the temporary file is deleted and an older file stays. Folders are created.
    For a file in a bucket the temporary one is on this machine.

    Raises:
        UserError: the file cannot be written; the message names it.
    """
    if is_url(path):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, path.name)
            with buckets.errors_explained(path):
                path.write_bytes(Path(folder, path.name).read_bytes())
        return
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
