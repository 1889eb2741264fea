"""Speed of a training step, compared with the machine's matrix units."""

import contextlib
import itertools
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae import tasks
from wavenet_ae.benchmarks import ceilings, interleaved, machine, model_flops
from wavenet_ae.compilation.programs import batch_shapes
from wavenet_ae.data import nsynth
from wavenet_ae.publish import document as doc
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import batches, sharding
from wavenet_ae.training.settings import check_memory, check_training
from wavenet_ae.training.step import init_state, make_train_step

_NUM_BATCHES = 4

_Model = TypeVar("_Model")


class TrainingStep:
    """The compiled training step of a configuration, with a state and batches on the devices.

    A call does one update and returns its metrics, which JAX may still be computing.

    Attributes:
        task: of the configuration.
        mesh: all devices.
        compiled: the program.
        lower_s: seconds that tracing and lowering took.
        compile_s: seconds that the compilation took.
    """

    def __init__(
        self, config: Mapping[str, Any], data: Iterable[Mapping[str, np.ndarray]] | None = None
    ):
        """Compiles the step.

        Args:
            config: of a training.
            data: batches to train on in turns; by default noise.

        Raises:
            UserError: a setting is wrong.
        """
        check_training(config)
        self.task = tasks.create(config)
        check_memory(config, self.task)
        self.mesh = sharding.data_mesh()
        sharding.check_batch_size(
            config["batch_size"], self.mesh, config["accumulation_steps"], self.task.batch_multiple
        )
        if data is None:
            data = [noise(batch_shapes(config, self.task), config["seed"])]
        on_devices = [sharding.to_global(batch, self.mesh) for batch in data]
        self._batches = itertools.cycle(on_devices)
        self._state = init_state(config, self.task, self.mesh)
        step = make_train_step(config, self.task, self.mesh)
        start = time.perf_counter()
        lowered = step.lower(self._state, on_devices[0])
        self.lower_s = time.perf_counter() - start
        self.compiled = lowered.compile()
        self.compile_s = time.perf_counter() - start - self.lower_s

    def __call__(self) -> dict[str, jax.Array]:
        self._state, metrics = self.compiled(self._state, next(self._batches))
        return metrics


def noise(shapes: Mapping[str, jax.ShapeDtypeStruct], seed: int) -> dict[str, np.ndarray]:
    """Returns a batch of these shapes, drawn at random."""
    rng = np.random.default_rng(seed)
    largest = {
        "domain": 1,  # no translation network has fewer
        "pitch": nsynth.NUM_PITCHES,
        "velocity": 128,
        "family": len(nsynth.FAMILIES),
        "source": len(nsynth.SOURCES),
        "qualities": 2,
        "decoder_input_noise": 8,
    }
    return {
        name: (
            rng.uniform(0 if name == "roll" else -1, 1, array.shape)
            if np.issubdtype(array.dtype, np.floating)
            else rng.integers(0, largest[name], array.shape)
        ).astype(array.dtype)
        for name, array in shapes.items()
    }


def first_batches(config: Mapping[str, Any]) -> list[dict[str, np.ndarray]]:
    """Reads the batches that a training sees first.

    Raises:
        UserError: there is no such dataset.
    """
    task = tasks.create(config)
    sounds = batches.open_split(config, task, "train")
    with contextlib.closing(batches.training_batches(config, task, sounds, 0)) as first:
        return list(itertools.islice(first, _NUM_BATCHES))


def model_of(config: Mapping[str, Any], kind: type[_Model], rule: str, file: str) -> _Model:
    """Returns the model of a training.

    Args:
        config: of the training.
        kind: its required class.
        rule: which model the benchmark is for; the beginning of the error message.
        file: of a configuration with that model.

    Raises:
        UserError: a setting is wrong, or the model is of another class.
    """
    check_training(config)
    model = tasks.create(config).model
    if not isinstance(model, kind):
        raise UserError(
            f"{rule}, and config.task={config['task']!r} is another model: use "
            f"--config=experiments/configs/{file}."
        )
    return model


def measure(
    config: Mapping[str, Any],
    *,
    real_data: bool = False,
    seconds: float = 5.0,
    repetitions: int = 3,
) -> dict[str, Any]:
    """Measures the step, matrix products and memory reads in turns.

    Args:
        config: of a training.
        real_data: train on the first batches of the configuration's dataset, not on noise.
        seconds: of each measurement of the step.
        repetitions: of the whole round.

    Returns:
        What was measured, for JSON; the names have the units. A spread has the repetitions'
        `median`, `lowest` and `highest`; `share_of_matrix_ceiling`, the model FLOPs utilisation,
        is the quotient of the medians of `model_flop_per_s` and `matrix_flop_per_s`.
        `peak_memory_bytes` is of one device: as the device counted it (`device`; None where it
        does not) and as the compiler planned it (`program`); and of the process (`resident`).

    Raises:
        UserError: a setting is wrong, or there is no such dataset.
    """
    interleaved.check_seconds(seconds)
    check_training(config)
    step = TrainingStep(config, first_batches(config) if real_data else None)
    jax.block_until_ready(step())
    # Before the ceilings' arrays exist.
    peaks = {"device": machine.peak_device_bytes(), "resident": machine.peak_resident_bytes()}
    model = step.task.model
    operands = jnp.dtype(model.arithmetic.operands).name
    measured = interleaved.measure(
        {
            "matrix": ceilings.matrix_flop_per_s(step.mesh, operands),
            "memory": ceilings.memory_bytes_per_s(step.mesh),
            "step": lambda: interleaved.calls_per_s(step, seconds),
        },
        repetitions,
    )
    batch_size, crop_samples = config["batch_size"], step.task.crop_samples
    samples = crop_samples or nsynth.NOTE_SAMPLES
    flop = model_flops.of_training_step(step.task, batch_shapes(config, step.task))
    rate = measured["step"]
    spreads = {
        "step_ms": rate.inverse().times(1000),
        "samples_per_s": rate.times(batch_size * samples),
        **({} if crop_samples else {"notes_per_s": rate.times(batch_size)}),
        "model_flop_per_s": rate.times(flop),
        "matrix_flop_per_s": measured["matrix"],
        "memory_bytes_per_s": measured["memory"],
    }
    return {
        "dtype": str(model.dtype),
        "computation": model.arithmetic.describe(model.dtype),
        "batch_size": batch_size,
        "samples_per_example": samples,
        "data": config["dataset"]["name"] if real_data else "noise",
        **{name: spread._asdict() for name, spread in spreads.items()},
        "model_flop_per_step": flop,
        "share_of_matrix_ceiling": (
            spreads["model_flop_per_s"].median / spreads["matrix_flop_per_s"].median
        ),
        "lower_s": step.lower_s,
        "compile_s": step.compile_s,
        "peak_memory_bytes": {**peaks, "program": program_bytes(step.compiled)},
    }


def program_bytes(compiled: jax.stages.Compiled) -> int | None:
    """Returns the device memory that a program needs by its compiler, including arguments."""
    memory = compiled.memory_analysis()
    if memory is None:
        return None
    return (
        memory.argument_size_in_bytes
        + memory.output_size_in_bytes
        - memory.alias_size_in_bytes  # donated arguments become outputs in place
        + memory.temp_size_in_bytes
    )


def document(result: Mapping[str, Any]) -> doc.Document:
    """Returns what `measure` found, with the ceilings."""
    lines = [
        ("training step, ms", "step_ms", 1),
        ("samples/s", "samples_per_s", 1),
        ("notes/s", "notes_per_s", 1),
        ("model, GFLOP/s", "model_flop_per_s", 1e-9),
        ("ceiling: matrix products, GFLOP/s", "matrix_flop_per_s", 1e-9),
        ("ceiling: memory reads, GB/s", "memory_bytes_per_s", 1e-9),
    ]
    rows = [
        [title, *interleaved.Spread(**result[name]).times(unit).cells()]
        for title, name, unit in lines
        if name in result
    ]
    share = result["share_of_matrix_ceiling"]
    rows.append(["model / matrix products (utilisation)", f"{share:.3f}"])
    sizes = ", ".join(
        f"{title} {result['peak_memory_bytes'][name] / 2**30:.2f} GiB"
        for title, name in (
            ("on a device", "device"),
            ("planned for a device by the compiler", "program"),
            ("of the process", "resident"),
        )
        if result["peak_memory_bytes"][name] is not None
    )
    facts = [
        ("model", f"{result['model_flop_per_step'] / 1e9:.4g} GFLOP a step"),
        ("peak memory", sizes),
        ("compiled in", f"{result['compile_s']:.1f} s, after {result['lower_s']:.1f} s of tracing"),
    ]
    title = (
        f"Training step, batches of {result['batch_size']} x {result['samples_per_example']} "
        f"samples ({result['data']}), {result['computation']}"
    )
    return doc.Document(title, (doc.Table(["", *interleaved.HEADER], rows), doc.Facts(facts)))
