"""The WaveNet that is conditioned on notes, played live: all keys are one stream of sound."""

import dataclasses
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import piano_roll
from wavenet_ae.instrument.performance import Event, NoteOff, NoteOn, Panic, Pedal, ReleaseAll
from wavenet_ae.instrument.voices import HEADROOM, Activity, Chunk, LiveInstrument
from wavenet_ae.synthesis import perform_files, sampler

_NEVER = 2**62
_FADE = np.linspace(1, 0, 80, dtype=np.float32)  # 5 ms, where sound is cut off


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
            case NoteOn(key, velocity) if key in piano_roll.KEYS:
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

    def forget(self, place: int) -> list[_Note]:
        """Forgets the notes that have ended before a sample, and returns the others."""
        self._notes = self.since(place)
        return self._notes

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


class RollPlayer(LiveInstrument):
    """Plays what is pressed, as `Voices` does, but all keys as one.

    The network knows the notes before and after a sample. Of those after it, which nobody knows
    yet, a held key is taken to stay down, and none to be pressed. 2 s after the last note all is
    silent, and nothing is generated.

    Args:
        player: the model.
        seed: of the random draws: with the same events in the same chunks, the audio is the same.
    """

    def __init__(self, player: perform_files.Player, seed: int = 0):
        self.chunk_samples = sampler.CHUNK_FRAMES * player.hop_length
        self._player, self._seed = player, seed
        self._margin = player.model.roll_margin
        self._params = jax.device_put(player.trained.params)
        self._events: deque[Event] = deque()
        self._keyboard = Keyboard()
        self._place = 0  # the first sample of the next chunk
        self._silent_from = 0
        self._last_keys: list[int] = []  # that have sounded; they ring on
        self._begin(0)
        self._generate()  # compiles, so that the first key need not wait
        self._begin(0)

    def send(self, event: Event) -> None:
        """Plays an event in the next chunk; may be called from any thread."""
        self._events.append(event)

    def next_chunk(self) -> Chunk:
        """Generates what is heard next."""
        audio = np.zeros(self.chunk_samples, np.float32)
        events = [self._events.popleft() for _ in range(len(self._events))]
        for event in sorted(events, key=lambda event: event.at):
            if isinstance(event, Panic):
                if self._rings:
                    audio[: len(_FADE)] += self._generate()[: len(_FADE)] * _FADE
                self._keyboard, self._silent_from = Keyboard(), self._place
                self._begin(self._number + 1)
            else:
                self._keyboard.take(event, self._place + event.at)
        end = self._place + self.chunk_samples
        voices = [(n.key, n.has_key) for n in self._keyboard.since(self._place)]
        if voices:
            self._last_keys = [key for key, _ in voices]
            self._silent_from = end + round(perform_files.RINGING_S * SAMPLE_RATE_HZ)
        if self._rings:
            voices = voices or [(key, False) for key in self._last_keys]
            audio += self._generate()
            if end >= self._silent_from:
                audio[-len(_FADE) :] *= _FADE
                self._begin(self._number + 1)
        self._place = end
        level = float(np.sqrt(np.mean(np.square(audio))))
        active = [Activity(i, *voice, level) for i, voice in enumerate(voices)]
        return Chunk(np.clip(HEADROOM * audio, -1, 1), active)

    def close(self) -> None:
        """There is nothing to end."""

    @property
    def _rings(self) -> bool:
        return self._place < self._silent_from

    def _begin(self, number: int) -> None:
        """Begins anew, as after silence, with randomness of its own."""
        self._number = number
        self._state = sampler.initial_state(self._player.model, self._params, 1)
        self._keys = sampler.note_keys(self._seed, np.array([number]))

    def _generate(self) -> np.ndarray:
        """Returns the next chunk, float32 `[chunk_samples]`."""
        margin = self._margin
        first = self._place - margin * self._player.hop_length
        rows = [(n.start, n.end, n.key, n.velocity) for n in self._keyboard.forget(first)]
        notes = np.array(rows, np.int64).reshape(-1, 4)
        num_frames = margin + sampler.CHUNK_FRAMES + margin
        roll = piano_roll.draw(notes, first, num_frames, self._player.roll)
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
