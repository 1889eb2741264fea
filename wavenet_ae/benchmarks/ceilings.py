"""A machine's ceilings, measured with programs that do one thing only."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec
from jax.typing import DTypeLike

from wavenet_ae.benchmarks.interleaved import calls_per_s
from wavenet_ae.training.sharding import DATA_AXIS, batch_sharded

# Of each measurement: repeated calls for some tenths of a second.
_SECONDS = 0.5
_ROWS = 1024


def matrix_flop_per_s(
    mesh: Mesh, dtype: DTypeLike, size: int | None = None, seconds: float = _SECONDS
) -> Callable[[], float]:
    """Prepares a measurement of how fast the devices multiply large square matrices.

    Args:
        mesh: all its devices multiply at the same time, each its own matrices.
        dtype: of the matrices; their product is float32, as in the models, with JAX's default
            precision.
        size: rows and columns; by default 2048 on CPUs and 8192 on others.
        seconds: of a measurement.

    Returns:
        A function that measures once: floating-point operations a second of all devices together.
    """
    size = size or (2048 if _is_cpu(mesh) else 8192)

    # Not ones or zeros, which take less power, and on some devices less time.
    def make() -> tuple[jax.Array, jax.Array]:
        keys = jax.random.split(jax.random.key(0))
        left, right = (jax.random.normal(key, (mesh.size * size, size)) for key in keys)
        return left.astype(dtype), right.astype(dtype)

    left, right = jax.jit(make, out_shardings=batch_sharded(mesh))()
    matmul = functools.partial(jnp.matmul, preferred_element_type=jnp.float32)
    multiply = _on_each_device(matmul, mesh, 2)
    jax.block_until_ready(multiply(left, right))
    flop = 2 * size**3 * mesh.size
    return lambda: flop * calls_per_s(lambda: multiply(left, right), seconds)


def memory_bytes_per_s(
    mesh: Mesh, num_bytes: int | None = None, seconds: float = _SECONDS
) -> Callable[[], float]:
    """Prepares a measurement of how fast the devices read their memory: they sum up an array.

    Args:
        mesh: all its devices read at the same time, each its own array.
        num_bytes: of the array on a device, a multiple of 4096; by default 256 MiB on CPUs and
            2 GiB on others, far more than caches hold.
        seconds: of a measurement.

    Returns:
        A function that measures once: bytes a second of all devices together.
    """
    num_bytes = num_bytes or (2**28 if _is_cpu(mesh) else 2**31)
    columns = math.ceil(num_bytes / 4 / _ROWS)
    shape = (mesh.size * _ROWS, columns)
    make = jax.jit(
        lambda: jax.lax.broadcasted_iota(jnp.float32, shape, 1), out_shardings=batch_sharded(mesh)
    )
    array = make()
    # A sum for each row: XLA spreads rows over a processor's cores, but not a single sum.
    read = _on_each_device(lambda x: x.sum(axis=1), mesh, 1)
    jax.block_until_ready(read(array))
    return lambda: array.nbytes * calls_per_s(lambda: read(array), seconds)


def _is_cpu(mesh: Mesh) -> bool:
    return mesh.devices.flat[0].platform == "cpu"


def _on_each_device(function: Callable, mesh: Mesh, num_arguments: int) -> Callable:
    spec = PartitionSpec(DATA_AXIS)
    return jax.jit(
        jax.shard_map(function, mesh=mesh, in_specs=(spec,) * num_arguments, out_specs=spec)
    )
