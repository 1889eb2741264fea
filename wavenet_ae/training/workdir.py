"""The folder of a run: its lock, and whether the run is compatible with its content."""

import contextlib
import functools
import json
import os
import secrets
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from wavenet_ae.system import atomic_file, buckets, locks, processes
from wavenet_ae.system.errors import UserError, write_error
from wavenet_ae.system.settings import is_url
from wavenet_ae.training import checkpoint, trained
from wavenet_ae.training.metrics import METRICS_FILE, TIMING_FILE

_LOCK_FILE, _ENDED = ".lock", "ended:"


@contextlib.contextmanager
def locked(workdir: Path) -> Iterator[Callable[[], None]]:
    """Creates and locks the folder until the block ends or the process dies.

    A bucket has no locks: there the newest run owns the folder.

    Yields:
        A function that raises a UserError if another run has taken the folder over.

    Raises:
        UserError: the folder cannot be created or hold checkpoints, another run uses it, or it is
            not the same folder for all processes of this one.
    """
    with contextlib.ExitStack() as stack:
        with processes.barrier():
            checkpoint.check_path(workdir, writing=True)
            hold = _ownership if is_url(workdir) else _held_lock
            token = stack.enter_context(hold(workdir)) if jax.process_index() == 0 else ""
        token = processes.gather_texts(token)[0]
        with processes.barrier():
            _check_shared(workdir, token)
        yield functools.partial(_check_owned, workdir, token)


@contextlib.contextmanager
def _ownership(workdir: Path) -> Iterator[str]:
    """Takes a folder in a bucket over from any other run."""
    path, token = workdir / _LOCK_FILE, _token()
    with buckets.errors_explained(workdir):
        before = path.read_text().strip() if path.exists() else _ENDED
        if not before.startswith(_ENDED):
            processes.print_once(
                f"another run may still be writing to {workdir} ({before}); it will end before "
                "its next save"
            )
        path.write_text(f"{token}\n")
    try:
        yield token
    finally:
        with contextlib.suppress(Exception):  # it only saves the next run that sentence
            if path.read_text().strip() == token:
                path.write_text(f"{_ENDED} {token}\n")


def _check_owned(workdir: Path, token: str) -> None:
    if not is_url(workdir):
        return
    with buckets.errors_explained(workdir):
        path = workdir / _LOCK_FILE
        owner = path.read_text().strip() if path.exists() else f"{path} is gone"
        if owner != token:
            raise UserError(f"{workdir} was taken over by another run ({owner}): this one ends.")


def _token() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}, {secrets.token_hex(8)}"


@contextlib.contextmanager
def _held_lock(workdir: Path) -> Iterator[str]:
    path = workdir / _LOCK_FILE
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        file = path.open("ab+", buffering=0)
    except OSError as error:
        raise UserError(f"the workdir {workdir} cannot be created: {error.strerror}.") from error
    with file:
        try:
            locks.lock(file)
        except BlockingIOError as error:
            file.seek(0)
            owner = file.read().decode().strip()
            raise UserError(
                f"{workdir} is in use by another run ({owner}): stop that one, or use another "
                "--workdir."
            ) from error
        except OSError:
            processes.print_once(
                f"{workdir} cannot be locked: make sure that no second run uses it"
            )
        token = _token()
        try:
            file.truncate(0)
            file.write(f"{token}\n".encode())
        except OSError as error:
            raise write_error(path, error) from error
        yield token


def _check_shared(workdir: Path, token: str) -> None:
    if jax.process_index() == 0 and is_url(workdir):
        return  # another run may have taken it over already, which the next save finds

    def is_visible() -> bool:
        with contextlib.suppress(OSError):
            return (workdir / _LOCK_FILE).read_text().strip() == token
        return False

    if not processes.wait_until(is_visible):
        raise UserError(
            f"{workdir} is not the folder that process 0 uses: all processes need a --workdir on "
            "shared storage."
        )


def check_same_model(
    theirs: Mapping[str, Any],
    ours: Mapping[str, Any],
    who: str,
    remedy: str,
    may_differ: Collection[str] = (),
) -> None:
    """Raises a UserError where two configurations are not of one model.

    Args:
        theirs: the one configuration.
        ours: this run's.
        who: the beginning of the sentence, up to the setting.
        remedy: its end.
        may_differ: fields of the model that are not compared.
    """
    theirs, ours = ({"task": c["task"], **trained.architecture(c)} for c in (theirs, ours))
    for name in theirs | ours:
        if name not in may_differ and theirs.get(name) != ours.get(name):
            raise UserError(
                f"{who} {name}={theirs.get(name)}, and this run has {name}={ours.get(name)}: "
                f"{remedy}"
            )


def check_config_compatible(config: Mapping[str, Any], workdir: Path) -> None:
    """Refuses another model's run in the folder, and reports other changes of settings.

    Raises:
        UserError: the folder holds a run of another model or with another optimizer, an export, or
            files that a run would replace and no run wrote.
    """
    if (workdir / trained.WEIGHTS_FILE).exists():
        raise UserError(
            f"{workdir} holds {trained.WEIGHTS_FILE}, an export, which a run would not change: use "
            f"another --workdir, and --config.init_from={workdir} to start from its weights."
        )
    if not (workdir / trained.CONFIG_FILE).exists():
        foreign = [name for name in (METRICS_FILE, TIMING_FILE) if (workdir / name).exists()]
        if foreign:
            raise UserError(
                f"{workdir} holds {foreign[0]} and no {trained.CONFIG_FILE} of a run: use another "
                "--workdir."
            )
        return
    saved = trained.read_config(workdir)
    trained.create_task(workdir, saved)  # which raises a UserError
    check_same_model(saved, config, f"{workdir} holds a run with", "use another --workdir.")
    before, now = (flatten(c) for c in (saved, config))
    for name in ("optimizer.name", "train"):
        if before.get(name) != now.get(name):
            raise UserError(
                f"{workdir} holds a run with config.{name}={before.get(name)}, not "
                f"{now.get(name)}: use another --workdir, and --config.init_from to start from its "
                "weights."
            )
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            processes.print_once(
                f"changed since the last start: {name}={now.get(name)}, was {before.get(name)}"
            )


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns a configuration's settings by their full names, as `optimizer.b1`."""
    flat = {}
    for name, value in config.items():
        inner = isinstance(value, Mapping)
        flat |= flatten(value, f"{prefix}{name}.") if inner else {f"{prefix}{name}": value}
    return flat


def save_config(config: Mapping[str, Any], workdir: Path, *, is_resumed: bool) -> None:
    """Writes the resolved configuration; a resumed run keeps the weights that it started from."""
    if jax.process_index() == 0:
        if is_resumed and (workdir / trained.CONFIG_FILE).exists():
            config = {**config, "init_from": trained.read_config(workdir).get("init_from")}
        with atomic_file.replacing(workdir / trained.CONFIG_FILE) as temporary:
            temporary.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
