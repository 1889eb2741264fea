"""Speed of generation, compared with the machine's memory and matrix units."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from wavenet_ae import tasks
from wavenet_ae.benchmarks import ceilings, interleaved
from wavenet_ae.benchmarks.training import model_of
from wavenet_ae.data import nsynth
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.publish import document as doc
from wavenet_ae.synthesis import sampler
from wavenet_ae.training import sharding

_HEADS = [
    *("sounds", "steps/s", "samples/s", "ceiling: memory", "ceiling: arithmetic"),
    *("binding", "share of it", "compiled in, s"),
]
_VOICE_HEADS = ["one voice: samples a chunk", "ms a chunk", "times real time"]
_NOTE = "If the weights fit in a cache, memory is not a ceiling: a share can then be above 1."
# The chunks of a sound; then another one begins.
_CHUNKS = 256


def measure(
    config: Mapping[str, Any],
    *,
    nums_sounds: Sequence[int] = (1, 8, 64),
    chunk_frames: int | None = None,
    voice: bool = True,
    seconds: float = 5.0,
    repetitions: int = 3,
) -> dict[str, Any]:
    """Measures generation, matrix products and memory reads in turns.

    Args:
        config: of a training of a WaveNet autoencoder; its parameters are newly initialised.
        nums_sounds: numbers of sounds that are generated together.
        chunk_frames: frames that are generated at a time, the smallest unit measured; by default
            1 on CPUs, else as in `sampler.generate`.
        voice: also measure chunks of one sound.
        seconds: of each measurement; the last chunk is finished.
        repetitions: of the whole round.

    Returns:
        What was measured, for JSON; the names have the units. A spread has the repetitions'
        `median`, `lowest` and `highest`. `batches` has an entry for each number of sounds, with
        the rates of steps (a sample of all sounds) and of samples (of all sounds together), and
        two ceilings of the samples: `memory`, where each step reads all weights of the decoder
        once, and `arithmetic`. `share_of_ceiling` is the quotient of the median and the lower of
        the two, `binding_ceiling`. `voice` has an entry for each size of chunk in which one sound
        may be played: its `samples`, and `ms` from frame to codes.

    Raises:
        UserError: a setting is wrong, or the configuration is of another model.
    """
    interleaved.check_seconds(seconds)
    model = model_of(
        config, WaveNetAutoencoder, "--task=sample is for the WaveNet", "wavenet_ae.py"
    )
    mesh = sharding.data_mesh()
    if chunk_frames is None:
        is_cpu = mesh.devices.flat[0].platform == "cpu"
        chunk_frames = 1 if is_cpu else sampler.CHUNK_FRAMES
    params, _ = jax.jit(tasks.create(config).init, out_shardings=sharding.replicated(mesh))(
        jax.random.key(config["seed"])
    )
    chunks, first_s = {}, {}
    for number in dict.fromkeys(nums_sounds):
        start = time.perf_counter()
        chunks[number] = _chunks(model, params, number, chunk_frames, config["seed"], mesh)
        next(chunks[number])
        first_s[number] = time.perf_counter() - start
    operands = jnp.dtype(model.arithmetic.operands).name
    contestants = {
        "matrix": ceilings.matrix_flop_per_s(mesh, operands),
        "memory": ceilings.memory_bytes_per_s(mesh),
    }
    for number, sound in chunks.items():
        contestants[number] = lambda sound=sound: interleaved.calls_per_s(
            lambda: next(sound), seconds
        )
    parts = (4, 2, 1) if voice else ()
    voices = [model.hop_length // part for part in parts if model.hop_length % part == 0]
    for samples in voices:
        chunk = _voice(model, params, samples, config["seed"])
        contestants["voice", samples] = lambda chunk=chunk: interleaved.calls_per_s(chunk, seconds)
    measured = interleaved.measure(contestants, repetitions)
    flop, weight_bytes = flop_per_sample(params), decoder_bytes(params, operands)
    batches = []
    for number in chunks:
        limits = {
            # Every device reads all weights, for its own sounds.
            "memory": measured["memory"].median / mesh.size / weight_bytes * number,
            "arithmetic": measured["matrix"].median / flop,
        }
        steps = measured[number].times(chunk_frames * model.hop_length)
        # 0 where an earlier number had the same program (of one sound).
        compile_s = max(0.0, first_s[number] - 1 / measured[number].median)
        batches.append(_batch(number, steps, limits) | {"compile_s": compile_s})
    return {
        "dtype": str(model.dtype),
        "computation": model.arithmetic.describe(model.dtype),
        "chunk_frames": chunk_frames,
        "hop_length": model.hop_length,
        "matrix_flop_per_s": measured["matrix"]._asdict(),
        "memory_bytes_per_s": measured["memory"]._asdict(),
        "model_flop_per_sample": flop,
        "decoder_bytes": weight_bytes,
        "batches": batches,
        "voice": [
            {
                "samples": samples,
                "ms": measured["voice", samples].inverse().times(1000)._asdict(),
            }
            for samples in voices
        ],
    }


def _batch(
    num_sounds: int, steps_per_s: interleaved.Spread, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Returns an entry of `batches`, without the compilation time."""
    samples_per_s = steps_per_s.times(num_sounds)
    binding = min(limits, key=limits.get)
    return {
        "num_sounds": num_sounds,
        "steps_per_s": steps_per_s._asdict(),
        "samples_per_s": samples_per_s._asdict(),
        "ceilings_samples_per_s": limits,
        "binding_ceiling": binding,
        "share_of_ceiling": samples_per_s.median / limits[binding],
    }


def _chunks(
    model: WaveNetAutoencoder,
    params: Any,
    num_sounds: int,
    chunk_frames: int,
    seed: int,
    mesh: Mesh,
) -> Iterator[np.ndarray]:
    """Yields chunks of random sounds endlessly, generated as by `wavenet-ae generate`."""
    shape = (num_sounds, _CHUNKS * chunk_frames, model.embedding_size)
    embedding = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    pitch = np.full(num_sounds, 60) if model.num_pitches else None
    keys = sampler.note_keys(seed, np.arange(num_sounds))
    while True:
        yield from sampler.generate(
            model, params, embedding, keys, pitch=pitch, chunk_frames=chunk_frames, mesh=mesh
        )


def _voice(
    model: WaveNetAutoencoder, params: Any, samples: int, seed: int
) -> Callable[[], np.ndarray]:
    """Returns a call that generates one sound's next samples, after a first one."""
    mesh = sharding.data_mesh(jax.local_devices()[:1])
    params = jax.device_put(params, sharding.replicated(mesh))
    state = sampler.initial_state(model, params, 1, mesh)
    frame = np.random.default_rng(seed).normal(size=(1, 1, model.embedding_size))
    frame, keys = jnp.asarray(frame, jnp.float32), sampler.note_keys(seed, np.arange(1))
    pitch, temperature = jnp.full(1, 60) if model.num_pitches else None, jnp.float32(1)

    def chunk() -> np.ndarray:
        nonlocal state
        state, codes = sampler.generate_samples(
            model, params, state, frame, pitch, keys, temperature, per_frame=samples
        )
        return np.asarray(codes)

    chunk()
    return chunk


def _decoder_weights(params: Any) -> Iterator[tuple[str, str, int]]:
    """Yields layer, kind and size of the weights that each sample needs, without conditioning."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(params["decoder"]):
        *layers, kind = (entry.key for entry in path)
        if not layers[-1].endswith("conditioning"):
            yield layers[-1], kind, math.prod(leaf.shape)


def flop_per_sample(params: Any) -> int:
    """Counts the operations that a sample of one sound takes: two for each of the kernels' numbers.

    Args:
        params: of a WaveNet autoencoder; shapes are enough.
    """
    return 2 * sum(size for _, kind, size in _decoder_weights(params) if kind == "kernel")


def decoder_bytes(params: Any, dtype: Any) -> int:
    """Counts the bytes of the weights that each sample needs, in the type of the computation.

    Args:
        params: of a WaveNet autoencoder; shapes are enough.
        dtype: of the computation; the logits' are float32.
    """
    width = jnp.dtype(dtype).itemsize
    return sum(
        size * (4 if layer == "logits" else width) for layer, _, size in _decoder_weights(params)
    )


def document(result: Mapping[str, Any]) -> doc.Document:
    """Returns what `measure` found, with the ceilings."""
    rows = []
    for batch in result["batches"]:
        limits = batch["ceilings_samples_per_s"]
        rows.append(
            [
                str(batch["num_sounds"]),
                interleaved.Spread(**batch["steps_per_s"]).in_one_cell(),
                interleaved.Spread(**batch["samples_per_s"]).in_one_cell(),
                f"{limits['memory']:.4g}",
                f"{limits['arithmetic']:.4g}",
                batch["binding_ceiling"],
                f"{batch['share_of_ceiling']:.3f}",
                f"{batch['compile_s']:.1f}",
            ]
        )
    voice = []
    for chunk in result["voice"]:
        ms = interleaved.Spread(**chunk["ms"])
        real_time = 1000 * chunk["samples"] / nsynth.SAMPLE_RATE_HZ / ms.median
        voice.append([str(chunk["samples"]), ms.in_one_cell(), f"{real_time:.3g}"])
    matrix, memory = (
        interleaved.Spread(**result[name]).times(1e-9).in_one_cell()
        for name in ("matrix_flop_per_s", "memory_bytes_per_s")
    )
    facts = [
        ("matrix products", f"{matrix} GFLOP/s"),
        ("memory reads", f"{memory} GB/s"),
        ("a sample of a sound", f"{result['model_flop_per_sample'] / 1e6:.4g} MFLOP"),
        ("a step reads", f"{result['decoder_bytes'] / 1e6:.4g} MB of weights"),
    ]
    title = (
        f"Generation, {result['chunk_frames']} frame(s) of {result['hop_length']} samples at a "
        f"time, {result['computation']}"
    )
    tables = [doc.Table(_HEADS, rows), *([doc.Table(_VOICE_HEADS, voice)] if voice else [])]
    return doc.Document(title, (doc.Facts(facts), *tables, doc.Aside(_NOTE)))
