"""The training step and the sampler, lowered from shapes only and compiled for a TPU slice."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae import tasks
from wavenet_ae.compilation.chips import Chip
from wavenet_ae.compilation.hlo import Module
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.synthesis import sampler
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import sharding
from wavenet_ae.training.step import init_state, make_train_step


def lower_train_step(
    config: Mapping[str, Any], devices: Sequence[jax.Device]
) -> jax.stages.Lowered:
    """Lowers the step that `train_and_evaluate` runs.

    Args:
        config: of a training, with a batch size that the number of devices divides.
        devices: all devices of the training.

    Raises:
        UserError: a setting is wrong.
    """
    mesh = sharding.data_mesh(devices)
    task = tasks.create(config, devices[0].platform)
    state = jax.eval_shape(lambda: init_state(config, task, mesh))
    batch = batch_shapes(config, task)
    return make_train_step(config, task, mesh).lower(state, batch)


def batch_shapes(config: Mapping[str, Any], task: tasks.Task) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shapes of what `batches.training_batches` yields in a training.

    Args:
        config: of the training.
        task: that it names.
    """
    arrays = task.batch_arrays(config["batch_size"], config["dataset"])
    return {name: jax.ShapeDtypeStruct(*array) for name, array in arrays.items()}


def lower_sampler(
    config: Mapping[str, Any], devices: Sequence[jax.Device], num_sounds: int
) -> jax.stages.Lowered:
    """Lowers what `sampler.generate` runs for every chunk of samples.

    Args:
        config: of a WaveNet autoencoder.
        devices: of one process, as `wavenet-ae generate` has them.
        num_sounds: generated together.

    Raises:
        UserError: the configuration is of another model, or a setting is wrong.
    """
    task = tasks.create(config, devices[0].platform)
    model = _wavenet(task)
    mesh = sharding.data_mesh(devices)
    rows = len(sharding.padded_rows(num_sounds, mesh))
    params, _ = jax.eval_shape(task.init, jax.random.key(0))
    state = jax.eval_shape(lambda p: sampler.initial_state(model, p, rows), params)
    keys = jax.eval_shape(lambda: sampler.note_keys(0, np.arange(rows)))
    split, replicated = sharding.batch_sharded(mesh), sharding.replicated(mesh)

    def on_devices(x: jax.ShapeDtypeStruct, layout: Any = split) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=layout)

    frames = (rows, sampler.CHUNK_FRAMES, model.embedding_size)
    return sampler.generate_samples.lower(
        model,
        jax.tree.map(lambda x: on_devices(x, replicated), params),
        jax.tree.map(on_devices, state, sampler.state_sharding(state, mesh)),
        on_devices(jax.ShapeDtypeStruct(frames, jnp.float32)),
        on_devices(jax.ShapeDtypeStruct((rows,), jnp.int32)) if model.num_pitches else None,
        on_devices(keys),
        jax.ShapeDtypeStruct((), jnp.float32),
    )


def samples_per_call(config: Mapping[str, Any]) -> int:
    """Returns how many samples of each sound one call of the sampler generates."""
    return sampler.CHUNK_FRAMES * _wavenet(tasks.create(config)).hop_length


def _wavenet(task: tasks.Task) -> WaveNetAutoencoder:
    if not isinstance(task.model, WaveNetAutoencoder):
        raise UserError("the sampler is the WaveNet's; this model has none: use --program=train.")
    return task.model


def describe(compiled: jax.stages.Compiled, chip: Chip, units: int = 1) -> dict[str, Any]:
    """Returns what one device needs and does to run a program.

    Args:
        compiled: for TPUs.
        chip: that each device is.
        units: of work in a call of it: 1 step, or many samples.

    Returns:
        `memory_bytes` of a call by kind; and of one unit `flops` (of matrix products and
        convolutions), `hbm_bytes` moved from and to HBM, `collectives`, and `floors_s`: lower
        bounds of the time, by the chip's matrix units (`compute`) and by its HBM (`memory`).
        `unknown_loops` is the number of loops of unknown length, which count once.
    """
    memory = compiled.memory_analysis()
    module = Module(compiled.as_text())
    kinds = {
        "arguments": memory.argument_size_in_bytes,
        # Donated arguments become outputs in place.
        "outputs": memory.output_size_in_bytes - memory.alias_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
        "code": memory.generated_code_size_in_bytes,
    }
    flops, hbm_bytes = module.matrix_flops / units, module.hbm_bytes / units
    return {
        "memory_bytes": {**kinds, "total": sum(kinds.values())},
        "flops": flops,
        "hbm_bytes": hbm_bytes,
        "collectives": [
            {
                "kind": collective.kind,
                "dtypes": sorted({array.dtype for array in collective.arrays}),
                "arrays": len(collective.arrays),
                "bytes": collective.num_bytes,
                "times": collective.times / units,
            }
            for collective in module.collectives
        ],
        "floors_s": {
            "compute": flops / chip.flops_per_s,
            "memory": hbm_bytes / chip.hbm_bytes_per_s,
        },
        "unknown_loops": module.unknown_loops,
    }
