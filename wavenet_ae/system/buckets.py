"""Folders in buckets of Google Cloud Storage: their paths, errors and uploads."""

import concurrent.futures
import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from wavenet_ae.system.errors import SHORTAGES, MachineError, UserError
from wavenet_ae.system.settings import is_url

# With TensorFlow installed epath would use its file system, which TensorFlow is giving up. It is
# read once, when epath is first used.
os.environ.setdefault("EPATH_USE_TF", "false")


def path(name: str, url: str) -> Path:
    """Returns the path of a folder in a bucket, which is used as a `Path` is.

    Args:
        name: of the flag, for messages.
        url: `gs://BUCKET/FOLDER`.

    Raises:
        UserError: it is another kind of URL, names no folder, or gcsfs is not installed.
    """
    scheme, _, rest = url.partition("://")
    bucket, _, folder = rest.strip("/").partition("/")
    if scheme != "gs" or not bucket or not folder:
        raise UserError(f"{name}={url} must be a folder on this machine, or gs://BUCKET/FOLDER.")
    try:
        import fsspec
        import gcsfs  # noqa: F401 - epath imports it later
        from etils import epath
    except ImportError as error:
        raise UserError(f"{name}={url} needs gcsfs: pip install -e '.[gcs]'.") from error
    # Other processes write to the folder, and Orbax, too, without this file system.
    fsspec.config.conf.setdefault("gs", {})["use_listings_cache"] = False
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs stack traces of what it raises
    return epath.Path(url.rstrip("/"))


@contextlib.contextmanager
def errors_explained(path: Path) -> Iterator[None]:
    """Raises one sentence for what a bucket's file system raises in the block.

    Other exceptions, and all where the path is on this machine, are raised as they are.

    Raises:
        UserError: there is no such bucket, or no permission.
        MachineError: of other errors, after which the same command may succeed later.
    """
    try:
        yield
    except Exception as error:
        if not is_url(path) or not is_network_error(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        refused = isinstance(error, FileNotFoundError | PermissionError)
        refused |= reason.startswith("Forbidden") or getattr(error, "code", 0) in (401, 403, 404)
        raise (UserError if refused else MachineError)(
            f"{path} cannot be reached ({reason}): check the bucket's name, the network and your "
            "permission (`gcloud auth application-default login`)."
        ) from error


def is_network_error(error: Exception) -> bool:
    """Tells whether a bucket's file system, or what it is built on, raised an error."""
    if isinstance(error, OSError):
        return error.errno not in SHORTAGES  # of this machine
    return type(error).__module__.partition(".")[0] in ("aiohttp", "gcsfs", "google")


class Uploads(contextlib.AbstractContextManager):
    """Uploads the files of a local folder to a bucket in the background, when they have changed.

    Attributes:
        folder: the local folder to write to. Where the target is on this machine, it is the target,
            and nothing is uploaded. Else it is temporary, and empty at first.

    Args:
        target: a folder, on this machine or in a bucket.
        check: called before each file is uploaded and at the end, in the background; raises an
            error to prevent more.

    Raises:
        UserError: when uploading, or at the end of the block: the bucket cannot be written.
    """

    def __init__(self, target: Path, check: Callable[[], None] = lambda: None):
        self.folder = target
        self._target = target if is_url(target) else None
        self._check = check
        self._uploaded: dict[Path, tuple[int, int]] = {}
        self._running: concurrent.futures.Future | None = None
        if self._target is not None:
            self._temporary = tempfile.TemporaryDirectory(prefix="wavenet_ae_")
            self.folder = Path(self._temporary.name)
            self._thread = concurrent.futures.ThreadPoolExecutor(1)

    def __exit__(self, kind: type[BaseException] | None, *exception) -> None:
        if self._target is None:
            return
        try:
            with contextlib.suppress(Exception) if kind else contextlib.nullcontext():
                self.flush()  # the first error is the one to report
        finally:
            self._thread.shutdown(cancel_futures=True)
            self._temporary.cleanup()

    def start(self) -> None:
        """Starts to upload what has changed, unless an upload is running."""
        if self._target is None or (self._running and not self._running.done()):
            return
        if self._running:
            self._running.result()
        self._running = self._thread.submit(self._upload)

    def flush(self) -> None:
        """Uploads what has changed, and waits until all is there."""
        if self._target is None:
            return
        if self._running:
            running, self._running = self._running, None
            running.result()
        self._thread.submit(self._upload).result()

    def _upload(self) -> None:
        with errors_explained(self._target):
            self._check()
            for file in sorted(p for p in self.folder.rglob("*") if p.is_file()):
                name, status = file.relative_to(self.folder), file.stat()
                mark = status.st_mtime_ns, status.st_size
                if self._uploaded.get(name) != mark:
                    (self._target / name).write_bytes(file.read_bytes())
                    self._check()  # the process may have been paused meanwhile
                    self._uploaded[name] = mark
