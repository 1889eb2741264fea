"""Models by URL: fetched to this machine, into a cache or a folder that the user names.

`hf://OWNER/NAME[@REVISION]` is a repository of the Hugging Face hub; `https://...` the folder of an
export; `gs://...`, and what else fsspec has a file system for, the folder of an export or a run.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from tqdm import tqdm

from wavenet_ae.system import atomic_file, locks
from wavenet_ae.system.errors import SHORTAGES, UserError, write_error

EXPORT = ("config.json", "model.safetensors", "README.md")
_RUN = ("config.json", "metrics.jsonl")
_CHECKPOINT = re.compile(r"checkpoints/(\d+)/")
_RECORD = ".fetched.json"
_CHUNK_BYTES = 2**22
_HUB = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?/?")


def cache_folder() -> Path:
    """Returns where fetched models are kept: `WAVENET_AE_CACHE`, or below `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("WAVENET_AE_CACHE") or Path(home, "wavenet_ae"))


def fetch(url: str, folder: Path | None = None) -> Path:
    """Fetches a model, unless it is here already and has not changed.

    Of a run it takes the newest complete checkpoint's averaged weights, or those of the checkpoint
    that the URL names. An interrupted call is resumed by the next. Where the network fails, what
    the cache holds is used.

    Args:
        url: of the model's folder.
        folder: to write; None for one in the cache.

    Returns:
        The folder, which `trained.load_trained` reads.

    Raises:
        UserError: there is no such model, or it cannot be fetched.
        MachineError: the disk is full.
    """
    url = url.rstrip("/")
    if url.startswith("hf://"):
        return _fetch_from_hub(url, folder)
    if folder is not None:
        return _fetch_by_fsspec(url, folder, may_be_old=False)
    target = cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:16]
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with target.with_suffix(".lock").open("a") as lock:
            locks.lock(lock, wait=True)  # for another process that fetches the same
            return _fetch_by_fsspec(url, target, may_be_old=True)
    except OSError as error:
        raise write_error(target, error) from error


def _fetch_by_fsspec(url: str, target: Path, *, may_be_old: bool) -> Path:
    root, _, step = url.partition("/checkpoints/")
    try:
        import fsspec

        system, path = fsspec.url_to_fs(root)
        files = _list(system, path, step or None)
        if files is None:
            raise UserError(
                f"{url} holds no model: name the folder of an export (with {EXPORT[1]}), or of a "
                "run that has a complete checkpoint."
            )
        _download_all(system, path, files, target)
    except UserError:
        raise
    except ImportError as error:  # fsspec names the package
        extra = ": pip install 'wavenet_ae[gcs]'" if root.startswith("gs://") else ""
        raise UserError(f"{url} cannot be read ({error}){extra}.") from error
    except OSError as error:
        if error.errno in SHORTAGES:
            raise write_error(target, error) from error
        return _cached(url, target, error, may_be_old)
    except Exception as error:  # each file system has exceptions of its own
        return _cached(url, target, error, may_be_old)
    return target


def _cached(url: str, target: Path, error: Exception, may_be_old: bool) -> Path:
    """Returns what was fetched before, or raises what stopped it now."""
    reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
    if may_be_old and (target / EXPORT[0]).exists():
        tqdm.write(f"{url} cannot be reached ({reason}): using the copy in {target}")
        return target
    raise UserError(
        f"{url} cannot be fetched ({reason}): check the address, the network and your permission."
    ) from error


def _fetch_from_hub(url: str, folder: Path | None) -> Path:
    match = _HUB.fullmatch(url)
    if match is None:
        raise UserError(f"{url} is not of the form hf://OWNER/NAME or hf://OWNER/NAME@REVISION.")
    import huggingface_hub
    from huggingface_hub import errors

    try:
        path = huggingface_hub.snapshot_download(
            match["repository"],
            revision=match["revision"],
            allow_patterns=list(EXPORT),
            local_dir=folder,
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
    except OSError as error:
        if error.errno in SHORTAGES:
            raise write_error(folder or "the cache of the Hugging Face hub", error) from error
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
        raise UserError(f"{url} cannot be fetched ({reason}).") from error
    if not Path(path, EXPORT[1]).exists():
        raise UserError(f"{url} holds no {EXPORT[1]}: name a repository that wavenet-ae exported.")
    return Path(path)


def _list(system: Any, root: str, step: str | None) -> dict[str, Mapping[str, Any]] | None:
    """Returns what fsspec says of each file to fetch, by its path in the folder, or None."""
    if step is None:
        files = {}
        for name in EXPORT:
            try:
                files[name] = system.info(f"{root}/{name}")
            except FileNotFoundError as error:
                # A server that cannot be reached is a missing file to fsspec, too.
                cause = error.__cause__
                if cause is not None and getattr(cause, "status", None) != 404:
                    raise cause from error
        if EXPORT[1] in files:
            return files
    try:
        found = system.find(root, detail=True)
    except (NotImplementedError, FileNotFoundError):
        return None
    start = len(system._strip_protocol(root).rstrip("/")) + 1
    files = {name[start:]: info for name, info in found.items()}
    complete = {
        int(match[1])
        for name in files
        if (match := _CHECKPOINT.match(name)) and name.endswith("/_CHECKPOINT_METADATA")
    }
    if step is not None:
        complete &= {int(step)} if step.isdecimal() else set()
    if not complete or "config.json" not in files:
        return None
    newest = f"checkpoints/{max(complete)}/"
    return {
        name: info
        for name, info in files.items()
        if name in _RUN or (name.startswith(newest) and not name.startswith(f"{newest}training/"))
    }


def _download_all(
    system: Any, root: str, files: Mapping[str, Mapping[str, Any]], target: Path
) -> None:
    """Brings the folder up to date, and removes what an earlier call fetched and is gone."""
    record = target / _RECORD
    if not record.exists():
        if target.exists() and any(target.iterdir()):
            raise UserError(f"{target} holds other files: name a new folder.")
        _write_record(record, {})
    known = json.loads(record.read_text())
    versions = {name: _version(info) for name, info in files.items()}
    wanted = {n for n, v in versions.items() if known.get(n) != v or not (target / n).exists()}
    sizes = {name: files[name]["size"] for name in wanted}
    with tqdm(
        total=sum(sizes.values()), unit="B", unit_scale=True, desc="fetching", disable=not wanted
    ) as bar:
        for name in sorted(wanted):
            _download(system, f"{root}/{name}", target / name, versions[name], sizes[name], bar)
            known[name] = versions[name]
            _write_record(record, known)
    for name in set(known) - set(files):
        (target / name).unlink(missing_ok=True)
    for folder in sorted((path for path in target.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    _write_record(record, versions)


def _write_record(record: Path, versions: Mapping[str, str]) -> None:
    with atomic_file.replacing(record) as temporary:
        temporary.write_text(json.dumps(versions))


def _version(info: Mapping[str, Any]) -> str:
    """Returns what changes when the file does."""
    marks = ("size", "etag", "ETag", "md5Hash", "mtime", "updated", "LastModified", "created")
    return hashlib.sha256(repr([str(info.get(mark)) for mark in marks]).encode()).hexdigest()[:16]


def _download(system: Any, source: str, target: Path, version: str, size: int, bar: tqdm) -> None:
    """Fetches a file, from where an earlier call was interrupted."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.{version}.part")
    with system.open(source, "rb") as reader, part.open("ab") as writer:
        try:
            reader.seek(writer.tell())
        except (OSError, ValueError):  # a server that sends files from their beginning only
            writer.truncate(0)
        bar.update(writer.tell())
        while chunk := reader.read(_CHUNK_BYTES):
            writer.write(chunk)
            bar.update(len(chunk))
        written = writer.tell()
    if written != size:
        part.unlink()
        raise OSError(f"{PurePosixPath(source).name} has {written} bytes instead of {size}")
    part.rename(target)
