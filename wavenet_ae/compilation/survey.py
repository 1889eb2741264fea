"""Compiles programs for several slices and sizes, and saves the results row by row."""

import functools
import hashlib
import importlib.metadata
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from wavenet_ae import tasks
from wavenet_ae.compilation import chips, programs, survey_document
from wavenet_ae.compilation.survey_document import SAMPLER, TRAINING_STEP, Row
from wavenet_ae.data import nsynth
from wavenet_ae.publish import growing_files, markdown
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.settings import check_training

RESULTS = "compiled"

_Program = tuple[Row, Callable[[], jax.stages.Lowered], int]


def compile_all(
    config: Mapping[str, Any],
    topologies: Sequence[str],
    batch_sizes: Sequence[int],
    nums_sounds: Sequence[int],
    folder: Path | None,
) -> list[Row]:
    """Compiles training steps and samplers for slices of TPUs, and prints what they need.

    Args:
        config: of a training.
        topologies: like `v5e:2x4`.
        batch_sizes: global batches of training steps.
        nums_sounds: sounds that a sampler generates together, on the chips of one host.
        folder: for `compiled.json` and `compiled.md`; programs in an earlier result are not
            compiled again. None: nothing is written.

    Returns:
        A row for each topology and size: see `programs.describe`. Where a program does not fit, or
        the devices cannot share a batch, it has a `reason` instead.

    Raises:
        UserError: there is no libtpu or no such topology, the configuration is wrong, or the
            folder holds other results.
    """
    check_training(config)
    for topology in topologies:
        chips.devices_of(topology)  # all are checked before the first is compiled
    saved = {} if folder is None else _read(folder, config)
    rows = []
    for row, lower, units in _programs(config, topologies, batch_sizes, nums_sounds):
        rows.append(_compile(row, lower, units, saved.get(_identity(row))))
        shown = markdown.render_blocks([survey_document.card(rows[-1])])
        print(f"{shown}\n", flush=True)
        saved[_identity(row)] = rows[-1]
        if folder is not None:
            _write(folder, config, list(saved.values()))
    return rows


def _programs(
    config: Mapping[str, Any],
    topologies: Sequence[str],
    batch_sizes: Sequence[int],
    nums_sounds: Sequence[int],
) -> Iterator[_Program]:
    """Yields each row's first entries, the function that lowers its program, and its units."""
    for topology in topologies:
        devices = chips.devices_of(topology)
        for size in batch_sizes:
            row = {"program": TRAINING_STEP, "topology": topology, "batch_size": size}
            row |= {"num_devices": len(devices), "num_steps": config["num_steps"]}
            task = tasks.create(config)
            row["samples"] = size * (task.crop_samples or nsynth.NOTE_SAMPLES)
            changed = {**config, "batch_size": size}
            try:
                mesh = sharding.data_mesh(devices)
                accumulation_steps = config["accumulation_steps"]
                sharding.check_batch_size(size, mesh, accumulation_steps, task.batch_multiple)
            except UserError as error:
                row["reason"] = str(error)
            yield row, functools.partial(programs.lower_train_step, changed, devices), 1
        host = [d for d in devices if d.process_index == devices[0].process_index]
        for number in nums_sounds:
            row = {"program": SAMPLER, "topology": topology, "num_sounds": number}
            row |= {"num_devices": len(host)}
            lower = functools.partial(programs.lower_sampler, config, host, number)
            yield row, lower, programs.samples_per_call(config)


def _identity(row: Row) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("program", "topology", "batch_size", "num_sounds"))


def _compile(
    row: Row, lower: Callable[[], jax.stages.Lowered], units: int, saved: Row | None
) -> Row:
    """Returns the complete row: the saved one, if it is of the same program."""
    chip = chips.chip_of(row["topology"])
    row = row | {"hbm_bytes_per_device": chip.hbm_bytes}
    if "reason" in row:
        return row
    lowered = lower()
    row["program_sha256"] = _fingerprint(lowered)
    if saved is not None and saved.get("program_sha256") == row["program_sha256"]:
        return saved | row
    print(f"compiling {survey_document.title(row)} ...", file=sys.stderr, flush=True)
    started = time.monotonic()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return row | {"reason": _shortage(str(error))}
    row["compile_seconds"] = round(time.monotonic() - started)
    try:
        return row | programs.describe(compiled, chip, units)
    except jax.errors.JaxRuntimeError as error:
        installed = " and ".join(f"{name} {version}" for name, version in _versions().items())
        raise UserError(
            f"the compiled program cannot be read ({str(error).splitlines()[0]}): {installed} may "
            "be incompatible; make libtpu installs the matching version."
        ) from error


def _fingerprint(lowered: jax.stages.Lowered) -> str:
    return hashlib.sha256(f"{_versions()}\n{lowered.as_text()}".encode()).hexdigest()


def _versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name) for name in ("jax", "libtpu")}


def _shortage(message: str) -> str:
    """Returns the compiler's message on too little memory, in one sentence."""
    found = re.search(r"(the total memory required .*? exceeds available HBM \([^)]*\))", message)
    return f"does not fit: {found[1] if found else message.splitlines()[0]}"


def _read(folder: Path, config: Mapping[str, Any]) -> dict[tuple[Any, ...], Row]:
    """Returns the rows of an earlier call by their identity."""
    path = folder / f"{RESULTS}.json"
    try:
        saved = json.loads(path.read_text())
        rows = {_identity(row): row for row in saved["rows"]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} cannot be read as results of this tool ({error}): move it away."
        ) from error
    if saved.get("config") != _settings(config):
        raise UserError(f"{path} is of other settings: use another --output.")
    return rows


def _settings(config: Mapping[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps({k: v for k, v in config.items() if k != "batch_size"}))


def _write(folder: Path, config: Mapping[str, Any], rows: Sequence[Row]) -> None:
    results = {"config": _settings(config), "versions": _versions(), "rows": rows}
    growing_files.write(folder, RESULTS, results, survey_document.document(rows))
