"""One mesh over all devices: parameters replicated, batches split."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from wavenet_ae.system.errors import UserError

DATA_AXIS = "data"


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Returns a mesh along one axis of these devices, or of all of all processes."""
    devices = jax.devices() if devices is None else devices
    return jax.make_mesh(
        (len(devices),), (DATA_AXIS,), axis_types=(AxisType.Auto,), devices=devices
    )


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of what every device holds completely."""
    return NamedSharding(mesh, PartitionSpec())


def batch_sharded(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of arrays whose leading axis is split over the devices."""
    return NamedSharding(mesh, PartitionSpec(DATA_AXIS))


def padded_rows(num_rows: int, mesh: Mesh) -> np.ndarray:
    """Returns row numbers that fill all devices evenly: all rows, then the first ones again.

    Args:
        num_rows: how many rows there are.
        mesh: the devices.
    """
    per_device = -(-num_rows // mesh.size)
    return np.arange(per_device * mesh.size) % num_rows


def check_batch_size(
    batch_size: int, mesh: Mesh, accumulation_steps: int = 1, multiple: int = 1
) -> None:
    """Raises a UserError where the devices cannot share the batch evenly.

    Args:
        batch_size: of all devices.
        mesh: the devices.
        accumulation_steps: parts in which it is computed.
        multiple: `Task.batch_multiple`.
    """
    parts = mesh.size * accumulation_steps * multiple
    if batch_size < 1 or batch_size % parts:
        domains = f" x {multiple} domains" if multiple > 1 else ""
        raise UserError(
            f"config.batch_size={batch_size} cannot be split evenly over {mesh.size} device(s) x "
            f"{accumulation_steps} accumulation step(s){domains}: use a multiple of {parts}."
        )


def to_global(batch: Mapping[str, np.ndarray], mesh: Mesh) -> dict[str, jax.Array]:
    """Assembles the global batch from the rows `[local, ...]` of each process."""
    sharding = batch_sharded(mesh)
    # This transfer is intended; with several processes JAX takes it for an implicit one.
    with jax.transfer_guard("allow"):
        return {
            key: jax.make_array_from_process_local_data(sharding, value)
            for key, value in batch.items()
        }
