"""The WaveNet that is conditioned on notes, played live: all keys are one stream of sound."""

import dataclasses
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import piano_roll
from wavenet_ae.instrument.performance import Event, NoteOff, NoteOn, Panic, Pedal, ReleaseAll
from wavenet_ae.instrument.voices import HEADROOM, Activity, Chunk, Player
from wavenet_ae.synthesis import perform_files, sampler

_CHUNK_FRAMES = 8  # 32 ms: as much as a frame of the WaveNet autoencoder
_NEVER = 2**62
_KEYS = range(piano_roll.LOWEST_PITCH, piano_roll.LOWEST_PITCH + piano_roll.NUM_KEYS)


@dataclasses.dataclass(eq=False)
class _Note:
    start: int  # samples
    key: int
    velocity: int
    has_key: bool = True
    end: int = _NEVER


class Keyboard:
    """The notes of a keyboard with a pedal, while they are played."""

    def __init__(self):
        self._notes: list[_Note] = []
        self._is_pedal_down = False

    def take(self, event: Event, place: int) -> None:
        """Plays an event at a sample; what a piano has no key for is left out."""
        match event:
            case NoteOn(key, velocity) if key in _KEYS:
                self._end(place, [n for n in self._sounding if n.key == key])
                self._notes.append(_Note(place, key, velocity))
            case NoteOff(key):
                self._lift([n for n in self._sounding if n.key == key], place)
            case Pedal(is_down):
                self._is_pedal_down = is_down
                if not is_down:
                    self._end(place, [n for n in self._sounding if not n.has_key])
            case ReleaseAll():
                self._is_pedal_down = False
                self._lift(self._sounding, place)

    def since(self, place: int) -> list[_Note]:
        """Returns the notes that sound at a sample or later."""
        return [n for n in self._notes if n.end > place]

    def forget(self, place: int) -> None:
        """Forgets what has ended before a sample."""
        self._notes = self.since(place)

    @property
    def _sounding(self) -> list[_Note]:
        return [n for n in self._notes if n.end == _NEVER]

    def _lift(self, notes: list[_Note], place: int) -> None:
        for note in notes:
            note.has_key = False
        if not self._is_pedal_down:
            self._end(place, notes)

    @staticmethod
    def _end(place: int, notes: list[_Note]) -> None:
        for note in notes:
            note.has_key, note.end = False, max(note.start + 1, place)


class RollPlayer(Player):
    """Plays what is pressed, as `Voices` does, but all keys as one.

    The network knows the notes before and after a sample. Of those after it, which nobody knows
    yet, a held key is taken to stay down, and none to be pressed. 2 s after the last note all is
    silent, and nothing is generated.

    Args:
        player: the model.
        seed: of the random draws: with the same events in the same chunks, the audio is the same.
    """

    def __init__(self, player: perform_files.Player, seed: int = 0):
        self.chunk_samples = _CHUNK_FRAMES * player.hop_length
        self._player, self._seed = player, seed
        self._margin = player.model.roll_margin
        self._params = jax.device_put(player.trained.params)
        self._events: deque[Event] = deque()
        self._keyboard = Keyboard()
        self._place = 0  # the first sample of the next chunk
        self._silent_from = 0
        self._begin(0)
        self._generate()  # compiles, so that the first key need not wait
        self._begin(0)

    def send(self, event: Event) -> None:
        """Plays an event in the next chunk; may be called from any thread."""
        self._events.append(event)

    def next_chunk(self) -> Chunk:
        """Generates what is heard next."""
        while self._events:
            event = self._events.popleft()
            if isinstance(event, Panic):
                self._keyboard, self._silent_from = Keyboard(), self._place
                self._begin(self._number + 1)
            else:
                self._keyboard.take(event, self._place + event.at)
        notes = self._keyboard.since(self._place)
        if notes:
            ends = self._place + self.chunk_samples
            self._silent_from = ends + round(perform_files.RINGING_S * SAMPLE_RATE_HZ)
        audio = np.zeros(self.chunk_samples, np.float32)
        if self._place < self._silent_from:
            audio = np.clip(HEADROOM * self._generate(), -1, 1)
            self._is_new = False
        elif not self._is_new:
            self._begin(self._number + 1)
        self._place += self.chunk_samples
        level = float(np.sqrt(np.mean(np.square(audio))))
        return Chunk(audio, [Activity(i, n.key, n.has_key, level) for i, n in enumerate(notes)])

    def close(self) -> None:
        """There is nothing to end."""

    def _begin(self, number: int) -> None:
        """Begins anew, as after silence, with randomness of its own."""
        self._number, self._is_new = number, True
        self._state = sampler.initial_state(self._player.model, self._params, 1)
        self._keys = sampler.note_keys(self._seed, np.array([number]))

    def _generate(self) -> np.ndarray:
        """Returns the next chunk, float32 `[chunk_samples]`."""
        hop, margin = self._player.hop_length, self._margin
        first = self._place - margin * hop
        self._keyboard.forget(first)
        rows = [(n.start, n.end, n.key, n.velocity) for n in self._keyboard.since(first)]
        notes = np.array(rows, np.int64).reshape(-1, 4)
        roll = piano_roll.draw(notes, first, margin + _CHUNK_FRAMES + margin, self._player.roll)
        self._state, samples = sampler.generate_samples(
            self._player.model,
            self._params,
            self._state,
            self._player.embed(piano_roll.to_velocities(roll)[None]),
            None,
            self._keys,
            jnp.float32(self._player.temperature),
        )
        return np.asarray(self._player.model.distribution.to_audio(samples))[0]
