"""Step-by-step generation: an embedding to sound, one sample after the other.

A compiled scan over the samples of a few frames is called again and again, so that a sound of any
length streams out in chunks.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.decoder import Conditioning, DecoderState, WaveNetDecoder
from wavenet_ae.models.distributions import Distribution
from wavenet_ae.system.worker_pool import num_cores
from wavenet_ae.training import sharding

CHUNK_FRAMES = 8
# Where float32 weights of a decoder are small enough to stay in a processor's caches.
CACHED_BYTES = 2**25
# A core generates so many sounds faster one by one than as a batch: on two cores, ten sounds of
# the demo's model took 0.55 of the time, 16 of a quarter of the paper's width 1.5 times.
FEW_SOUNDS = 6

_compilation = threading.Lock()


class SampledModel(Protocol):
    """What a Linen module needs so that its decoder's sound can be generated.

    Its parameters have that decoder's as `decoder`.

    Attributes:
        decoder: the submodule.
        hop_length: samples per frame of an embedding.
        distribution: of a sample, whose parameters the decoder gives.
        arithmetic: the types of the computation.
    """

    decoder: WaveNetDecoder
    hop_length: int

    @property
    def distribution(self) -> Distribution: ...

    @property
    def arithmetic(self) -> Arithmetic: ...

    @property
    def apply(self) -> Callable[..., Any]:
        """Of Linen."""
        ...

    def to_signal(self, samples: jax.Array) -> jax.Array:
        """Returns samples as the decoder reads them, float32."""
        ...

    def condition(self, embedding: jax.Array, pitch: jax.Array | None) -> Conditioning:
        """Projects `[batch, num_frames, embedding_size]` for the decoder's layers."""
        ...


class Weights(NamedTuple):
    """A decoder's weights as its steps read them.

    Attributes:
        params: of the model, without the encoder's; matrices are of the operands' type.
        skip_matrix: see `WaveNetDecoder.skip_matrix`.
    """

    params: Any
    skip_matrix: jax.Array


class SamplerState(NamedTuple):
    """The state of generation between two samples.

    Attributes:
        decoder: the decoder's ring buffers, and how many samples there have been.
        previous: the sample before, `[batch]`, as the model reads it.
    """

    decoder: DecoderState
    previous: jax.Array


def note_keys(seed: int, indices: np.ndarray) -> jax.Array:
    """Returns one random key per sound: `[batch]`, from a seed and the sounds' numbers."""
    return jax.vmap(jax.random.fold_in, (None, 0))(jax.random.key(seed), jnp.asarray(indices))


def prepare(model: SampledModel, params: Any) -> Weights:
    """Returns the weights as `next_logits` reads them; once for many samples.

    Call it inside the program that loops over samples: the weights may then stay in on-chip memory,
    while a TPU would read the program's inputs again for each sample.
    """

    def as_read(path: Any, leaf: jax.Array) -> jax.Array:
        is_operand = leaf.ndim > 1 and "logits" not in (entry.key for entry in path)
        return leaf.astype(model.arithmetic.operands) if is_operand else leaf

    params = {"decoder": jax.tree_util.tree_map_with_path(as_read, params["decoder"])}
    skip_matrix = model.apply({"params": params}, method=lambda m: m.decoder.skip_matrix())
    return Weights(params, skip_matrix)


def initial_state(
    model: SampledModel, params: Any, batch_size: int, mesh: Mesh | None = None
) -> SamplerState:
    """Returns the state before the first sample, as after silence.

    Args:
        model: whose decoder it is.
        params: its parameters.
        batch_size: sounds.
        mesh: that will generate them: the state gets the sharding that generation returns.
    """
    decoder = model.apply(
        {"params": params}, batch_size, method=lambda m, size: m.decoder.initial_state(size)
    )
    state = SamplerState(decoder, jnp.zeros(batch_size))
    return state if mesh is None else jax.device_put(state, state_sharding(state, mesh))


def state_sharding(state: SamplerState, mesh: Mesh) -> SamplerState:
    """Returns the shardings of a state: each device holds its own sounds."""
    # Ring buffers have time and channels first.
    buffers = NamedSharding(mesh, PartitionSpec(None, None, sharding.DATA_AXIS))
    decoder = DecoderState([buffers] * len(state.decoder.buffers), sharding.replicated(mesh))
    return SamplerState(decoder, sharding.batch_sharded(mesh))


def next_logits(
    model: SampledModel, weights: Weights, state: SamplerState, conditioning: Conditioning
) -> tuple[DecoderState, jax.Array]:
    """Returns the decoder's new state, and what it says of the next sample.

    Args:
        model: whose decoder it is.
        weights: from `prepare`.
        state: of the sample before.
        conditioning: of the next sample's frame, see `WaveNetDecoder.step`.

    Returns:
        The state, and the parameters of `model.distribution`, float32 `[batch, num_outputs]`.
    """
    return model.apply(
        {"params": weights.params},
        state.decoder,
        state.previous,
        conditioning,
        weights.skip_matrix,
        method=lambda m, *args: m.decoder.step(*args),
    )


@functools.partial(jax.jit, static_argnums=0, static_argnames="per_frame", donate_argnums=2)
def generate_samples(
    model: SampledModel,
    params: Any,
    state: SamplerState,
    embedding: jax.Array,
    pitch: jax.Array | None,
    keys: jax.Array,
    temperature: jax.Array,
    per_frame: int | None = None,
) -> tuple[SamplerState, jax.Array]:
    """Generates the samples of some frames, or the next samples of a frame.

    Args:
        model: whose decoder it is.
        params: its parameters.
        state: from `initial_state` or the call before; donated.
        embedding: `[batch, num_frames, embedding_size]`, the frames that come next.
        pitch: int32 `[batch]` for a model that is conditioned on it.
        keys: `[batch]`, one a sound.
        temperature: float32 scalar, see `Distribution.draw`.
        per_frame: samples of each frame, a divisor of the hop: fewer than the hop for one frame,
            which is then given again. By default all.

    Returns:
        The new state and int32 samples `[batch, num_frames * per_frame]`, values of the model's
        distribution.
    """
    hop = model.hop_length
    per_frame = per_frame or hop
    weights = prepare(model, params)
    conditioning = model.apply(
        {"params": weights.params},
        embedding,
        pitch,
        method="condition",
    )

    def one_sample(state, uniform, frame):
        decoder, logits = next_logits(model, weights, state, frame)
        samples = model.distribution.draw(logits, uniform, temperature)
        return SamplerState(decoder, model.to_signal(samples)), samples

    def one_frame(state, frame):
        # A sound's randomness depends only on its own key and its place in time.
        time = state.decoder.time
        frame_keys = jax.vmap(jax.random.fold_in, (0, None))(keys, time // hop)
        uniform = jax.vmap(lambda key: jax.random.uniform(key, (hop,)), out_axes=1)(frame_keys)
        uniform = jax.lax.dynamic_slice_in_dim(uniform, time % hop, per_frame)
        return jax.lax.scan(functools.partial(one_sample, frame=frame), state, uniform)

    frames = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0)[..., None], conditioning)
    state, samples = jax.lax.scan(one_frame, state, frames)
    return state, samples.reshape(-1, samples.shape[-1]).T


def generate(
    model: SampledModel,
    params: Any,
    embedding: np.ndarray,
    keys: jax.Array,
    *,
    pitch: np.ndarray | None = None,
    temperature: float = 1.0,
    chunk_frames: int = CHUNK_FRAMES,
    mesh: Mesh | None = None,
) -> Iterator[np.ndarray]:
    """Streams sounds from embeddings; the batch is split over the devices, or the cores of a CPU.

    Args:
        model: whose decoder it is.
        params: its parameters.
        embedding: float32 `[batch, num_frames, embedding_size]`.
        keys: `[batch]`, from `note_keys`. A sound's randomness depends only on its key and place
            in time, its probabilities on its own past and embedding; the number of sounds (and
            of cores, which share them) can change them by rounding only, since products with
            another number of columns may sum in another order, and a draw can then fall on the
            other side of a value's edge.
        pitch: int32 `[batch]` for a model that is conditioned on it.
        temperature: 1 draws from the model's distribution, less is closer to the most probable
            sample, 0 takes it.
        chunk_frames: frames between two results.
        mesh: the devices; all by default.

    Yields:
        float32 audio `[batch, samples]` of the next `chunk_frames` frames, fewer at the end.
    """
    mesh = mesh or sharding.data_mesh()
    params = jax.device_put(params, sharding.replicated(mesh))
    num_threads, parts = split_rows(params, len(embedding), mesh)
    chunks = [
        _generate_batch(
            model,
            params,
            embedding[rows],
            keys[rows],
            pitch=None if pitch is None else np.asarray(pitch)[rows],
            temperature=temperature,
            chunk_frames=chunk_frames,
            mesh=mesh,
        )
        for rows in parts
    ]
    if len(chunks) == 1:
        yield from chunks[0]
        return
    pool = ThreadPoolExecutor(num_threads)
    try:
        # Each part starts its next chunk at once: no core waits for the others' last.
        futures = [pool.submit(next, part, None) for part in chunks]
        while (first := futures[0].result()) is not None:
            audio = [first]
            for number, part in enumerate(chunks):
                if number:
                    audio.append(futures[number].result())
                futures[number] = pool.submit(next, part, None)
            yield np.concatenate(audio)
    finally:
        pool.shutdown(cancel_futures=True)


def split_rows(params: Any, batch_size: int, mesh: Mesh) -> tuple[int, list[np.ndarray]]:
    """Returns in how many threads to generate, and which rows as one batch.

    On a CPU, a small model's products are too short to be shared by cores: each core is faster
    with its own sounds, and with a few one by one, since a single one needs no products of
    matrices. With a large model, all cores share one batch, which reads the weights once.
    """
    rows = np.arange(batch_size)
    size = 4 * sum(leaf.size for leaf in jax.tree.leaves(params["decoder"]))
    if mesh.size > 1 or mesh.devices.flat[0].platform != "cpu" or size > CACHED_BYTES:
        return 1, [rows]
    is_few = batch_size <= FEW_SOUNDS * num_cores()
    return num_cores(), np.array_split(rows, batch_size if is_few else num_cores())


def _generate_batch(
    model: SampledModel,
    params: Any,
    embedding: np.ndarray,
    keys: jax.Array,
    *,
    pitch: np.ndarray | None,
    temperature: float,
    chunk_frames: int,
    mesh: Mesh,
) -> Iterator[np.ndarray]:
    """Generates sounds as `generate` does, as one program on the devices."""
    batch, num_frames, _ = embedding.shape
    rows = sharding.padded_rows(batch, mesh)
    split = sharding.batch_sharded(mesh)
    keys = jax.device_put(keys[rows], split)
    pitch = None if pitch is None else jax.device_put(np.asarray(pitch, np.int32)[rows], split)
    state = initial_state(model, params, len(rows), mesh)
    temperature = jnp.float32(temperature)
    for start in range(0, num_frames, chunk_frames):
        frames = embedding[rows, start : start + chunk_frames]
        # The last chunk is filled up, so that one compiled program serves all.
        missing = chunk_frames - frames.shape[1]
        frames = np.pad(frames, ((0, 0), (0, missing), (0, 0)), mode="edge")
        frames = jax.device_put(frames.astype(np.float32), split)
        # One thread compiles for all.
        with _compilation if start == 0 else contextlib.nullcontext():
            state, samples = generate_samples(
                model, params, state, frames, pitch, keys, temperature
            )
        audio = np.asarray(model.distribution.to_audio(samples))[:batch]
        yield audio[:, : (chunk_frames - missing) * model.hop_length]
