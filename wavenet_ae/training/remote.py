"""Models by URL, fetched into a cache on this machine.

`hf://OWNER/NAME[@REVISION]` is a repository of the Hugging Face hub; `https://...` the folder of an
export; `gs://...`, and what else fsspec has a file system for, the folder of an export or a run.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from wavenet_ae.system import locks
from wavenet_ae.system.errors import UserError, write_error

EXPORT = ("config.json", "model.safetensors", "README.md")
_RUN = ("config.json", "metrics.jsonl")
_CHECKPOINT = re.compile(r"checkpoints/(\d+)/")
_HUB = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?")
_CHUNK_BYTES = 2**22
_KEPT_VERSIONS = 2  # another process may still read the one before
# What file systems of fsspec say of a file that changes when it does.
_MARKS = ("etag", "ETag", "md5Hash", "Content-MD5", "mtime", "updated", "LastModified")
_MARKS += ("Last-Modified", "created")


def cache_folder() -> Path:
    """Returns where fetched models are kept: `WAVENET_AE_CACHE`, or below `~/.cache`."""
    if named := os.environ.get("WAVENET_AE_CACHE"):
        return Path(named)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "wavenet_ae")
    except RuntimeError as error:
        raise UserError("there is no home folder for fetched models: set WAVENET_AE_CACHE.") from (
            error
        )


def fetch(url: str) -> Path:
    """Fetches a model, unless this version of it is in the cache.

    Of a run it takes the newest complete checkpoint's averaged weights, or those of the checkpoint
    that the URL names. An interrupted call is resumed by the next. Where the network fails, the
    newest version in the cache is used.

    Args:
        url: of the model's folder.

    Returns:
        The folder, which `trained.load_trained` reads. Nothing changes in it later.

    Raises:
        UserError: there is no such model, or it cannot be fetched.
        MachineError: the disk is full.
    """
    url = url.rstrip("/")
    if url.startswith("hf://"):
        return _fetch_from_hub(url)
    folder = cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _lock(folder / ".lock"):
            return _fetch_version(url, folder)
    except OSError as error:
        raise write_error(folder, error) from error


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
    """Deletes a fetched model that cannot be read, so that it is fetched again."""
    if cache_folder() in folder.parents:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keeps out other processes that fetch the same, where the file system has locks."""
    with path.open("a") as file:
        with contextlib.suppress(OSError):
            locks.lock(file, wait=True)
        yield


def _fetch_version(url: str, folder: Path) -> Path:
    named = re.fullmatch(r"(?P<root>.+)/checkpoints/(?P<step>\d+)", url)
    root, step = (named["root"], int(named["step"])) if named else (url, None)
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs stack traces of what it raises
    try:
        import fsspec

        system, path = fsspec.url_to_fs(root)
        files = _list(system, path, step)
    except ImportError as error:  # fsspec names the package
        extra = ": pip install -e '.[gcs]'" if url.startswith("gs://") else ""
        raise UserError(f"{url} cannot be read ({error}){extra}.") from error
    except Exception as error:  # each file system has exceptions of its own
        return _cached(url, folder, error)
    if files is None:
        raise UserError(
            f"{url} holds no model: name the folder of an export (with {EXPORT[1]}), or of a run "
            "that has a complete checkpoint."
        )
    target = folder / _version(files)
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
                    return _cached(url, folder, error)
                except Exception as error:
                    return _cached(url, folder, error)
        partial.rename(target)
    for old in _versions(folder)[_KEPT_VERSIONS:]:
        if old != target:
            shutil.rmtree(old, ignore_errors=True)
    return target


def _versions(folder: Path) -> list[Path]:
    """Lists complete versions, the newest first."""
    complete = [path for path in folder.iterdir() if not path.name.startswith(".")]
    return sorted(complete, key=lambda path: path.stat().st_mtime, reverse=True)


def _cached(url: str, folder: Path, error: Exception) -> Path:
    """Returns what was fetched before, or raises what stopped it now."""
    if isinstance(error, AttributeError | NameError | TypeError):
        raise error  # a defect
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if versions := _versions(folder):
        tqdm.write(f"{url} cannot be reached ({reason}): using the copy in {versions[0]}")
        return versions[0]
    raise UserError(
        f"{url} cannot be fetched ({reason}): check the address, the network and your permission."
    ) from error


def _fetch_from_hub(url: str) -> Path:
    match = _HUB.fullmatch(url)
    if match is None:
        raise UserError(f"{url} is not of the form hf://OWNER/NAME or hf://OWNER/NAME@REVISION.")
    import huggingface_hub
    from huggingface_hub import errors

    try:
        path = huggingface_hub.snapshot_download(
            match["repository"], revision=match["revision"], allow_patterns=list(EXPORT)
        )
    except errors.RepositoryNotFoundError as error:
        raise UserError(
            f"{url} is not there, or is private: check the name, and for a private repository set "
            "HF_TOKEN or run `hf auth login`."
        ) from error
    except errors.RevisionNotFoundError as error:
        raise UserError(f"{url}: the repository has no revision {match['revision']}.") from error
    except errors.LocalEntryNotFoundError as error:
        raise UserError(
            f"{url} cannot be fetched, and is not in the cache: check the network."
        ) from error
    except Exception as error:  # of its HTTP library, too
        if isinstance(error, OSError) and error.errno is not None and error.filename:
            raise write_error(error.filename, error) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UserError(f"{url} cannot be fetched ({reason}).") from error
    if not Path(path, EXPORT[1]).exists():
        raise UserError(f"{url} holds no {EXPORT[1]}: name a repository that wavenet-ae exported.")
    return Path(path)


def _list(system: Any, root: str, step: int | None) -> dict[str, Mapping[str, Any]] | None:
    """Returns what fsspec says of each file to fetch, by its path in the folder, or None."""
    if step is None:
        found = {name: _info(system, f"{root}/{name}") for name in EXPORT}
        files = {name: info for name, info in found.items() if info is not None}
        if {*EXPORT[:2]} <= set(files):
            return files
    if "http" in system.protocol:  # which has no listings
        return None
    try:
        listed = system.find(root, detail=True)
    except FileNotFoundError:
        return None
    start = len(system._strip_protocol(root).rstrip("/")) + 1
    files = {name[start:]: info for name, info in listed.items()}
    complete = {
        int(match[1])
        for name in files
        if (match := _CHECKPOINT.match(name)) and name.endswith("/_CHECKPOINT_METADATA")
    }
    wanted = max(complete, default=None) if step is None else step
    if wanted not in complete or "config.json" not in files:
        return None
    newest = f"checkpoints/{wanted}/"
    files = {
        name: info
        for name, info in files.items()
        if name in _RUN or (name.startswith(newest) and not name.startswith(f"{newest}training/"))
    }
    if odd := [name for name in files if {"", ".", ".."} & set(re.split(r"[/\\]", name))]:
        raise OSError(f"it lists a file {odd[0]!r}")  # which would lie outside the folder
    return files


def _info(system: Any, path: str) -> Mapping[str, Any] | None:
    """Returns what fsspec says of a file, or None where there is none."""
    try:
        return system.info(path)
    except FileNotFoundError as error:
        # A server that cannot be reached is a missing file to fsspec, too.
        cause = error.__cause__
        if cause is not None and getattr(cause, "status", None) not in (404, 410):
            raise cause from error
        return None


def _version(files: Mapping[str, Mapping[str, Any]]) -> str:
    """Returns what changes when one of the files does."""
    marks = {n: [str(info[m]) for m in _MARKS if info.get(m)] for n, info in files.items()}
    if not all(marks.values()):
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
