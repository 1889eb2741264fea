"""The machine and the libraries that numbers were measured with."""

import resource
import sys
from typing import Any

import jax
import jaxlib

from wavenet_ae.system.worker_pool import num_cores


def describe() -> dict[str, Any]:
    """Returns what the devices are and how many, the cores, and the versions of JAX.

    `has_compilation_cache` says whether compilations may come from a cache on disk, which is
    quicker than compiling.
    """
    device = jax.devices()[0]
    return {
        "platform": device.platform,
        "device_kind": device.device_kind,
        "num_devices": jax.device_count(),
        "num_cores": num_cores(),
        "jax_version": jax.__version__,
        "jaxlib_version": jaxlib.__version__,
        "has_compilation_cache": bool(
            jax.config.jax_enable_compilation_cache and jax.config.jax_compilation_cache_dir
        ),
    }


def sentence(machine: dict[str, Any]) -> str:
    """Returns what `describe` found, as text."""
    m = machine
    cache = "; compilations may come from a cache" if m["has_compilation_cache"] else ""
    return (
        f"{m['num_devices']} x {m['device_kind']} ({m['platform']}), {m['num_cores']} cores, "
        f"JAX {m['jax_version']}, jaxlib {m['jaxlib_version']}{cache}"
    )


def peak_resident_bytes() -> int:
    """Returns the peak main memory of this process."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def peak_device_bytes() -> int | None:
    """Returns the peak memory of this process on a device; None where devices do not count it."""
    peaks = [(d.memory_stats() or {}).get("peak_bytes_in_use") for d in jax.local_devices()]
    return max((peak for peak in peaks if peak is not None), default=None)
