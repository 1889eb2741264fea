"""Models by URL, fetched into a cache on this machine.

`hf://OWNER/NAME[@REVISION]` is a repository of the Hugging Face hub; `https://...` the folder of an
export; `gs://...`, and what else fsspec has a file system for, the folder of an export or a run.
"""

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wavenet_ae.system import downloads
from wavenet_ae.system.errors import UserError, write_error
from wavenet_ae.training import checkpoint

EXPORT = ("config.json", "model.safetensors", "README.md")
_RUN = ("config.json", "metrics.jsonl")
_CHECKPOINT = re.compile(r"checkpoints/(\d+)/")
_HUB = re.compile(r"hf://(?P<repository>[\w.-]+/[\w.-]+?)(?:@(?P<revision>[\w./-]+))?")


def fetch(url: str) -> Path:
    """Fetches a model, unless this version of it is in the cache.

    Of a run it takes the newest complete checkpoint's averaged weights, or those of the checkpoint
    that the URL names.

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
    named = re.fullmatch(r"(?P<root>.+)/checkpoints/(?P<step>\d+)", url)
    root, step = (named["root"], int(named["step"])) if named else (url, None)
    return downloads.fetch(root, functools.partial(_choose, url, step), url)


def _choose(url: str, step: int | None, system: Any, root: str) -> downloads.Files:
    """Returns the files of a model."""
    if step is None:
        found = {name: _info(system, f"{root}/{name}") for name in EXPORT}
        export = {name: info for name, info in found.items() if info is not None}
        if {*EXPORT[:2]} <= set(export):
            return export
    listed = {} if "http" in system.protocol else downloads.listing(system, root)
    steps = {int(match[1]) for name in listed if (match := _CHECKPOINT.match(name))}
    steps &= steps if step is None else {step}
    complete = (s for s in sorted(steps, reverse=True) if _is_complete(system, root, s, listed))
    if "config.json" not in listed or (newest := next(complete, None)) is None:
        raise UserError(
            f"{url} holds no model: name the folder of an export (with {EXPORT[1]}), or of a run "
            "that has a complete checkpoint."
        )
    folder = f"checkpoints/{newest}/"
    return {
        name: info
        for name, info in listed.items()
        if name in _RUN or (name.startswith(folder) and not name.startswith(f"{folder}training/"))
    }


def _is_complete(system: Any, root: str, step: int, listed: downloads.Files) -> bool:
    """Tells whether Orbax has finished a checkpoint: in a bucket it appears while it is written."""
    name = f"checkpoints/{step}/{checkpoint.METADATA_FILE}"
    if name not in listed:
        return False
    return checkpoint.is_finished(system.cat_file(f"{root}/{name}"))


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
