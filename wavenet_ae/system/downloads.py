"""Files by URL, fetched into a cache on this machine."""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from wavenet_ae.system import locks
from wavenet_ae.system.errors import UserError, write_error

_CHUNK_BYTES = 2**22
_KEPT_VERSIONS = 2  # another process may still read the one before
# What file systems of fsspec say of a file that changes when it does.
_MARKS = ("etag", "ETag", "md5Hash", "Content-MD5", "mtime", "updated", "LastModified")
_MARKS += ("Last-Modified", "created", "blob_id")

# What fsspec says of each file, by its path in the folder.
Files = Mapping[str, Mapping[str, Any]]


def cache_folder() -> Path:
    """Returns where fetched files are kept: `WAVENET_AE_CACHE`, or below `~/.cache`."""
    if named := os.environ.get("WAVENET_AE_CACHE"):
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "wavenet_ae")
    except RuntimeError as error:
        raise UserError("there is no home folder for fetched files: set WAVENET_AE_CACHE.") from (
            error
        )


def fetch(
    root: str, choose: Callable[[Any, str], Files], what: str, *, is_dataset: bool = False
) -> Path:
    """Fetches files of a folder, unless this version of them is in the cache.

    An interrupted call is resumed by the next. Where the network fails, the newest version in the
    cache is used.

    Args:
        root: the folder's URL.
        choose: of fsspec's file system and the folder's path in it, returns the files to fetch.
        what: is fetched, as messages and the cache name it.
        is_dataset: it is large, and its own version tells it apart from others: sizes are enough to
            recognise it where a server does not say when files changed, and no version is deleted.

    Returns:
        A folder of the files, in which nothing changes later.

    Raises:
        UserError: it cannot be fetched; or what `choose` raises.
        MachineError: the disk is full.
    """
    folder = cache_folder() / hashlib.sha256(what.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / ".lock"):
            return _fetch_version(root, choose, what, folder, is_dataset)
    except OSError as error:
        raise write_error(folder, error) from error


def listing(system: Any, root: str) -> Files:
    """Returns all files of a folder; none where there is no such folder."""
    try:
        listed = system.find(root, detail=True)
    except FileNotFoundError:
        return {}
    start = len(system._strip_protocol(root).rstrip("/")) + 1
    return {name[start:]: info for name, info in listed.items()}


def check_new(output: Path) -> None:
    """Raises a UserError where something is that a copy would replace."""
    if output.exists() and not (output.is_dir() and not any(output.iterdir())):
        raise UserError(f"{output} is there already: name a new folder.")


def copy(fetched: Path, output: Path) -> None:
    """Copies a fetched model into a new folder, complete or not at all.

    Raises:
        UserError: the folder holds files, or cannot be written.
    """
    temporary = output.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(fetched, temporary)
        check_new(output)
        temporary.replace(output)
    except OSError as error:
        raise write_error(output, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def forget(folder: Path) -> None:
    """Deletes what was fetched: it is damaged, or not needed again."""
    if cache_folder() in folder.parents:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keeps out other processes that fetch the same, where the file system has locks."""
    with path.open("a") as file:
        with contextlib.suppress(OSError):
            locks.lock(file, wait=True)
        yield


def _fetch_version(
    root: str, choose: Callable[[Any, str], Files], what: str, folder: Path, is_dataset: bool
) -> Path:
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs stack traces of what it raises
    try:
        import fsspec

        system, path = fsspec.url_to_fs(root)
        files = choose(system, path)
        if odd := [name for name in files if {"", ".", ".."} & set(re.split(r"[/\\]", name))]:
            raise OSError(f"it lists a file {odd[0]!r}")  # which would lie outside the folder
    except ImportError as error:  # fsspec names the package
        extra = ": pip install -e '.[gcs]'" if root.startswith("gs://") else ""
        raise UserError(f"{what} cannot be read ({error}){extra}.") from error
    except UserError:
        raise
    except Exception as error:  # each file system has exceptions of its own
        return _cached(what, folder, error)
    target = folder / _version(files, is_dataset)
    if not target.exists():
        partial = folder / f".{target.name}"
        for stale in folder.glob(".*/"):
            if stale != partial:
                shutil.rmtree(stale, ignore_errors=True)
        with tqdm(unit="B", unit_scale=True, desc="fetching") as bar:
            bar.total = sum(info.get("size") or 0 for info in files.values())
            for name, info in files.items():
                try:
                    _download(system, f"{path}/{name}", partial / name, info.get("size"), bar)
                except OSError as error:
                    if str(getattr(error, "filename", None) or "").startswith(str(folder)):
                        raise  # it is this machine's disk
                    return _cached(what, folder, error)
                except Exception as error:
                    return _cached(what, folder, error)
        partial.rename(target)
    for old in _versions(folder)[_KEPT_VERSIONS:]:
        if old != target and not is_dataset:
            shutil.rmtree(old, ignore_errors=True)
    return target


def _versions(folder: Path) -> list[Path]:
    """Lists complete versions, the newest first."""
    complete = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(complete, key=lambda path: path.stat().st_mtime, reverse=True)


def _cached(what: str, folder: Path, error: Exception) -> Path:
    """Returns what was fetched before, or raises what stopped it now."""
    if isinstance(error, AttributeError | NameError | TypeError):
        raise error  # a defect
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if versions := _versions(folder):
        tqdm.write(f"{what} cannot be reached ({reason}): using the copy in {versions[0]}")
        return versions[0]
    raise UserError(
        f"{what} cannot be fetched ({reason}): check the address, the network and your permission."
    ) from error


def _version(files: Files, is_dataset: bool) -> str:
    """Returns what changes when one of the files does."""
    marks = {n: [str(info[m]) for m in _MARKS if info.get(m)] for n, info in files.items()}
    if not all(marks.values()) and not is_dataset:
        # Their size does not tell two models of one architecture apart: always a new version.
        marks["random"] = [uuid.uuid4().hex]
    sizes = {name: info.get("size") for name, info in files.items()}
    return hashlib.sha256(repr((marks, sizes)).encode()).hexdigest()[:16]


def _download(system: Any, source: str, target: Path, size: int | None, bar: tqdm) -> None:
    """Fetches a file, from where an earlier call was interrupted."""
    if target.exists():
        bar.update(size or 0)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    if part.exists() and size is not None and 0 < part.stat().st_size < size:
        try:
            _append(system.open(source, "rb"), part, bar)
        except Exception:  # a server that sends files from their beginning only
            part.unlink()
    if not part.exists() or part.stat().st_size != size:
        part.unlink(missing_ok=True)
        # Of web servers as a stream, since not all send parts of a file.
        streamed = {"block_size": 0} if "http" in system.protocol else {}
        _append(system.open(source, "rb", **streamed), part, bar)
    if size is not None and (written := part.stat().st_size) != size:
        part.unlink()
        raise OSError(f"{PurePosixPath(source).name} has {written} bytes instead of {size}")
    part.rename(target)


def _append(reader: Any, part: Path, bar: tqdm) -> None:
    with reader, part.open("ab") as writer:
        if writer.tell():
            reader.seek(writer.tell())
            bar.update(writer.tell())
        while chunk := reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            bar.update(len(chunk))
