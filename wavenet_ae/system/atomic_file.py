"""Files that are written whole or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from wavenet_ae.system.errors import write_error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Gives a temporary path in the same folder, which takes the name of `path` at the end.

    If the block raises, the temporary file goes away and an older file stays. The folders are made.

    Raises:
        UserError: the system refuses; the message names the file.
    """
    # Its length does not depend on the name's, which may be as long as a name can be.
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
