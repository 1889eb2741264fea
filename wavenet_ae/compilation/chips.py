"""TPU chips and slices of them, for compiling without a TPU."""

import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
from jax.experimental import topologies

from wavenet_ae.system.errors import UserError

# Where `make libtpu` puts it: among the packages, JAX would look for a TPU at every start.
LIBTPU_FOLDER = Path(sys.prefix) / "libtpu"


class Chip(NamedTuple):
    """The maker's limits of a chip.

    Attributes:
        hbm_bytes: of its memory, what the compiler gives to programs.
        flops_per_s: of matrix products in bfloat16.
        hbm_bytes_per_s: between the memory and the chip.
        options: of libtpu, for one device per chip.
    """

    hbm_bytes: int
    flops_per_s: float
    hbm_bytes_per_s: float
    options: dict[str, str]


# Speeds: docs.cloud.google.com/tpu/docs/v4, /v5e, /v5p and /v6e. Memories: libtpu 0.0.42's message
# when a program needs more ("available HBM"); the documents say 32, 16, 95 and 32 GB.
CHIPS = {
    # As JAX runs on them, the two cores of a v4 chip are one device.
    "v4": Chip(int(30.75 * 2**30), 275e12, 1200e9, {"chip_config_name": "megacore"}),
    "v5e": Chip(int(15.75 * 2**30), 197e12, 819e9, {}),
    "v5p": Chip(int(95.74 * 2**30), 459e12, 2765e9, {}),
    "v6e": Chip(int(31.25 * 2**30), 918e12, 1640e9, {}),
}

_FORMS = "v5e:2x4 and v6e:4x4 (chips along two axes) or v4:2x2x2 and v5p:2x2x1 (along three)"


def chip_of(topology: str) -> Chip:
    """Returns the chip of a topology like `v5e:2x4`.

    Raises:
        UserError: it has another form, or the chip is unknown.
    """
    name, _, shape = topology.partition(":")
    axes = 3 if name in ("v4", "v5p") else 2
    if name not in CHIPS or not re.fullmatch(r"\d+" + r"x\d+" * (axes - 1), shape):
        raise UserError(f"--topology={topology} is not a known topology: give {_FORMS}.")
    return CHIPS[name]


def devices_of(topology: str) -> Sequence[jax.Device]:
    """Returns the devices of a topology, one per chip: programs are compiled for them, never run.

    Raises:
        UserError: there is no libtpu, or it does not have the topology.
    """
    chip = chip_of(topology)
    _find_libtpu()
    try:
        return topologies.get_topology_desc(topology, "tpu", **chip.options).devices
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0].removeprefix("INVALID_ARGUMENT: ").rstrip(".")
        raise UserError(
            f"--topology={topology} is not an available slice ({reason}): give {_FORMS}."
        ) from error


def _find_libtpu() -> None:
    if importlib.util.find_spec("libtpu") is None:
        if not (LIBTPU_FOLDER / "libtpu").is_dir():
            raise UserError(
                "libtpu, which holds the TPU's compiler, is not installed: run make libtpu, or "
                "pip install -e '.[tpu]'."
            )
        sys.path.append(str(LIBTPU_FOLDER))
    # It must not look for a TPU, nor block other processes' compilations.
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    os.environ.setdefault("TPU_ACCELERATOR_TYPE", "v5litepod-8")
    os.environ.setdefault("TPU_WORKER_HOSTNAMES", "localhost")
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
