"""Live voices: the decoder generates what is played, a frame at a time.

How many voices keep up depends on the machine: `seconds_a_chunk` measures it.
"""

import functools
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae.audio import mu_law
from wavenet_ae.instrument.performance import Event, NoteOn, Part, Performance, Sound
from wavenet_ae.models.decoder import DecoderState
from wavenet_ae.synthesis import sampler
from wavenet_ae.synthesis.sampler import SamplerState
from wavenet_ae.synthesis.wavenet_codec import WaveNetCodec
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.worker_pool import num_cores
from wavenet_ae.training import sharding

HEADROOM = 0.5  # of each voice: two full-scale ones fit


class Activity(NamedTuple):
    """A voice that sounds.

    Attributes:
        slot: its number.
        key: MIDI.
        has_key: whether the key is down.
        level: root mean square of its chunk, full scale 1.
    """

    slot: int
    key: int
    has_key: bool
    level: float


class Chunk(NamedTuple):
    """What is heard next.

    Attributes:
        audio: float32 `[samples]`, within -1..1.
        voices: that sound in it.
    """

    audio: np.ndarray
    voices: list[Activity]


class LiveInstrument(Protocol):
    """What plays live.

    Attributes:
        chunk_samples: of each chunk.
    """

    chunk_samples: int

    def send(self, event: Event) -> None:
        """Plays an event in the next chunk; may be called from any thread."""
        ...

    def next_chunk(self) -> Chunk:
        """Generates what is heard next."""
        ...

    def close(self) -> None:
        """Ends what runs in the background."""
        ...


class Voices(LiveInstrument):
    """Plays notes between sounds as long as keys are held.

    For the same events in the same chunks and the same seed, the audio is the same, bit for bit.

    Args:
        codec: the model, which must be conditioned on pitch.
        sounds: to play between.
        num_voices: how many notes sound at once; by default one for each core.
        seed: of the notes' randomness.

    Raises:
        UserError: the settings are wrong, or the model does not suit.
    """

    def __init__(
        self,
        codec: WaveNetCodec,
        sounds: Sequence[Sound],
        num_voices: int | None = None,
        seed: int = 0,
    ):
        num_voices = num_cores() if num_voices is None else num_voices
        check(codec, sounds, num_voices)
        self.chunk_samples = codec.hop_length
        self._performance = Performance(sounds, num_voices, codec.hop_length)
        self._events: deque[Event] = deque()
        params = jax.device_put(codec.trained.params)
        # As for sounds from files: small models' voices one by one on each core, others together.
        num_threads, rows = sampler.split_rows(params, num_voices, sharding.data_mesh())
        self._groups = [_Group(codec, params, slots.tolist(), seed) for slots in rows]
        self._pool = ThreadPoolExecutor(num_threads)
        self._late = np.zeros((num_voices, codec.hop_length), np.float32)
        for group in self._groups:  # compiles, so that the first key need not wait
            group.generate([])

    def send(self, event: Event) -> None:
        """Plays an event in the next chunk; may be called from any thread."""
        self._events.append(event)

    def next_chunk(self) -> Chunk:
        """Generates the next frame of all voices that sound, and mixes them."""
        events = [self._events.popleft() for _ in range(len(self._events))]
        parts = self._performance.step(events)
        frames = self._generate(parts)
        mix, voices = np.zeros(self.chunk_samples, np.float32), []
        for part, frame in zip(parts, frames, strict=True):
            note, slot = part.note, part.note.slot
            before = self._late[slot, self.chunk_samples - part.offset :]
            if part.is_first:
                before = np.zeros_like(before)
            heard = np.concatenate([before, frame[: self.chunk_samples - part.offset]])
            heard = heard * part.envelope
            self._late[slot] = frame
            mix += heard
            level = float(np.sqrt(np.mean(np.square(heard))))
            voices.append(Activity(slot, note.key, note.has_key, level))
        return Chunk(np.clip(HEADROOM * mix, -1, 1), voices)

    def close(self) -> None:
        """Ends the threads."""
        self._pool.shutdown()

    def _generate(self, parts: Sequence[Part]) -> list[np.ndarray]:
        """Returns the frames of parts, `[samples]` each."""
        of_groups = [[p for p in parts if p.note.slot in group.slots] for group in self._groups]
        busy = [(g, chosen) for g, chosen in zip(self._groups, of_groups, strict=True) if chosen]
        results = self._pool.map(lambda work: work[0].generate(work[1]), busy)
        by_slot = {slot: frame for frames in results for slot, frame in frames.items()}
        return [by_slot[part.note.slot] for part in parts]


def check(codec: WaveNetCodec, sounds: Sequence[Sound], num_voices: int) -> None:
    """Checks that a model can play these sounds.

    Raises:
        UserError: it cannot.
    """
    check_model(codec)
    if num_voices < 1:
        raise UserError(f"num_voices={num_voices} must be 1 or more.")
    if not sounds:
        raise UserError("There is no sound to play: name at least one.")


def check_model(codec: WaveNetCodec) -> None:
    """Raises a UserError if a model plays all keys alike."""
    if not codec.num_pitches:
        raise UserError(
            f"{codec.trained.name} is not conditioned on pitch, so that all keys would sound the "
            "same: choose a model that is."
        )


def seconds_a_chunk(codec: WaveNetCodec, sounds: Sequence[Sound], num_voices: int) -> float:
    """Measures how long a chunk of so many voices takes; in real time, less than it lasts.

    Returns:
        The median of ten chunks, in seconds.
    """
    voices = Voices(codec, sounds, num_voices)
    seconds = time_chunks(voices, [(36 + key) % 128 for key in range(num_voices)])
    voices.close()
    return seconds


def time_chunks(instrument: LiveInstrument, keys: Sequence[int]) -> float:
    """Returns the median of the seconds that ten chunks take, with these keys pressed."""
    times = []
    for key in keys:
        instrument.send(NoteOn(key, 100))
    for _ in range(10):
        start = time.perf_counter()
        instrument.next_chunk()
        times.append(time.perf_counter() - start)
    return float(np.median(times))


class _Group:
    """Voices that one program generates.

    Args:
        codec: the model.
        params: on the device.
        slots: the voices' numbers.
        seed: of the notes.
    """

    def __init__(self, codec: WaveNetCodec, params: object, slots: list[int], seed: int):
        self.slots = slots
        self._codec, self._params, self._seed = codec, params, seed
        self._state = sampler.initial_state(codec.model, params, len(slots))
        self._numbers = np.zeros(len(slots), np.int32)
        self._pitches = np.zeros(len(slots), np.int32)
        self._is_active = np.zeros(len(slots), bool)
        # Made when notes begin: that takes a tenth of the time of a chunk.
        self._keys = sampler.note_keys(seed, self._numbers)

    def generate(self, parts: Sequence[Part]) -> dict[int, np.ndarray]:
        """Generates the next frame of some of its voices; the others are silent.

        Returns:
            float32 `[hop]` by slot.
        """
        embedding = np.zeros((len(self.slots), 1, self._codec.embedding_size), np.float32)
        is_new = np.zeros(len(self.slots), bool)
        self._is_active[:] = False
        for part in parts:
            row = self.slots.index(part.note.slot)
            embedding[row, 0] = part.embedding
            self._numbers[row], self._pitches[row] = part.note.number, part.note.key
            is_new[row], self._is_active[row] = part.is_first, True
        if is_new.any():
            # Where no other voice goes on, time starts anew: a note alone is always the same.
            restarts = not (self._is_active & ~is_new).any()
            self._state = _begin(self._state, is_new, restarts)
            self._keys = sampler.note_keys(self._seed, self._numbers)
        self._state, codes = sampler.generate_samples(
            self._codec.model,
            self._params,
            self._state,
            embedding,
            self._pitches,
            self._keys,
            jnp.float32(self._codec.temperature),
        )
        audio = np.asarray(mu_law.decode(codes))
        return {p.note.slot: audio[self.slots.index(p.note.slot)] for p in parts}


@functools.partial(jax.jit, donate_argnums=0)
def _begin(state: SamplerState, is_new: jax.Array, restarts: jax.Array) -> SamplerState:
    """Returns a state in which some sounds have silence before them.

    Args:
        state: of a batch.
        is_new: bool `[batch]`.
        restarts: whether the time, which all sounds share, begins at 0.
    """
    buffers = [jnp.where(is_new, 0, buffer) for buffer in state.decoder.buffers]
    decoder = DecoderState(buffers, jnp.where(restarts, 0, state.decoder.time))
    return SamplerState(decoder, jnp.where(is_new, 0.0, state.previous))
