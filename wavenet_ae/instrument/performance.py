"""What a performance asks of the decoder: which voice plays which frame, and how loud.

No model is run here. Live voices generate each chunk's frames as they come; a MIDI file's notes are
known in advance and are generated side by side. Both mix them by what is found here.

Time is counted in chunks of one frame (`hop` samples). A note may begin anywhere in a chunk: its
frames are then so many samples late, its offset.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import nsynth
from wavenet_ae.synthesis.embeddings import EncodedSound

# While a key is held, the last second before the release is gone through back and forth.
_LOOP_S = 1.0
# Where a sound is shorter than NSynth's notes, its last quarter is its release.
_LEAST_RELEASE = 0.25
_RELEASE_BOUNDS_S = (0.05, 1.0)
_RELEASED_DB = -60.0
_LINEAR_END = 0.1  # the last share of a release, in which it goes to 0
_CUT_SAMPLES = 80  # 5 ms, in which a voice that another note takes is faded out, or a chunk
_LOUDEST_VELOCITY = 127


class NoteOn(NamedTuple):
    """A key is pressed. `at` is the sample in the chunk, here and below."""

    key: int
    velocity: int
    at: int = 0


class NoteOff(NamedTuple):
    """A key is lifted."""

    key: int
    at: int = 0


class Pedal(NamedTuple):
    """The sustain pedal is pressed or lifted."""

    is_down: bool
    at: int = 0


class Pad(NamedTuple):
    """The pad is moved: the weight of each sound; they are brought to the sum 1."""

    weights: Sequence[float]
    at: int = 0


class ReleaseAll(NamedTuple):
    """All keys and the pedal are lifted."""

    at: int = 0


class Panic(NamedTuple):
    """All is silent at once."""

    at: int = 0


Event = NoteOn | NoteOff | Pedal | Pad | ReleaseAll | Panic


@dataclass(frozen=True)
class Sound:
    """A sound to play.

    Attributes:
        name: to show.
        takes: embeddings, float32 `[frames, embedding_size]`, by the MIDI pitch that they were
            encoded at; a key gets the nearest.
        release: the frame at which the sound's own release starts, at least 1.
    """

    name: str
    takes: Mapping[int, np.ndarray]
    release: int

    @classmethod
    def of(cls, name: str, encoded: Sequence[EncodedSound]) -> Self:
        """Makes a sound of encoded notes, of which the keys were held as long as NSynth's."""
        fewest = min(len(sound.embedding) for sound in encoded)
        held = nsynth.HELD_SECONDS * SAMPLE_RATE_HZ // encoded[0].hop_length
        release = max(1, min(held, round(fewest * (1 - _LEAST_RELEASE))))
        return cls(name, {sound.pitch: sound.embedding for sound in encoded}, release)

    def take(self, key: int) -> np.ndarray:
        """Returns the embedding of the pitch nearest to a key; of two, the higher, as rendered."""
        return self.takes[min(self.takes, key=lambda pitch: (abs(pitch - key), -pitch))]

    def index(self, key: int, frame: int, released: int | None, most_looped: int) -> int:
        """Returns which frame of the embedding a note has reached.

        Args:
            key: MIDI.
            frame: of the note.
            released: frames since its key was lifted, or None while it is held.
            most_looped: frames before the release that a held note goes through.
        """
        if released is not None:
            return min(self.release + released, len(self.take(key)) - 1)
        if frame < self.release:
            return frame
        looped = min(most_looped, self.release - 1)
        if not looped:
            return self.release - 1
        place = (frame - self.release) % (2 * looped)
        back = place + 1 if place < looped else 2 * looped - place - 1
        return self.release - 1 - back


@dataclass(eq=False)
class Note:
    """A note that sounds.

    Attributes:
        number: of all notes of the performance, from 0; it seeds the note's randomness.
        key: MIDI.
        gain: linear, of its velocity.
        slot: the voice.
        start: the sample of the performance at which it begins.
        has_key: whether its key is down.
        released: the sample at which it was let go, or None.
        cut: the sample from which it is faded out quickly, or None.
    """

    number: int
    key: int
    gain: float
    slot: int
    start: int
    has_key: bool = True
    released: int | None = None
    cut: int | None = None


class Part(NamedTuple):
    """What one note needs and gives in a chunk.

    Attributes:
        note: the note.
        embedding: float32 `[embedding_size]`, of the frame to generate now.
        is_first: whether it is the note's first.
        offset: by how many samples the note's frames are late.
        envelope: float32 `[hop]`, the gain of each sample of the chunk.
    """

    note: Note
    embedding: np.ndarray
    is_first: bool
    offset: int
    envelope: np.ndarray


class Performance:
    """Gives notes to voices, and follows the pad, the pedal and the keys.

    A note that finds no free voice takes the one with the oldest note, which is faded out first:
    the new note then begins with the next chunk.

    Args:
        sounds: to play between; the pad starts at the first.
        num_voices: how many notes sound at once.
        hop: samples of a frame, and of a chunk.
    """

    def __init__(self, sounds: Sequence[Sound], num_voices: int, hop: int):
        self._sounds, self._hop, self._num_voices = sounds, hop, num_voices
        self._weights = np.eye(len(sounds), dtype=np.float32)[0]
        self._notes: list[Note] = []  # the oldest first
        self._cut_samples = min(_CUT_SAMPLES, hop)
        self._has_pedal = False
        self._count = self._chunk = 0
        self._most_looped = round(_LOOP_S * SAMPLE_RATE_HZ / hop)
        longest = max(len(take) - s.release for s in sounds for take in s.takes.values())
        bounds = (round(bound * SAMPLE_RATE_HZ) for bound in _RELEASE_BOUNDS_S)
        self._release_samples = int(np.clip(longest * hop, *bounds))

    @property
    def is_silent(self) -> bool:
        """Whether no note sounds."""
        return not self._notes

    def step(self, events: Iterable[Event]) -> list[Part]:
        """Plays the next chunk.

        Args:
            events: in this chunk.

        Returns:
            A part for each note that sounds in it.
        """
        for event in sorted(events, key=lambda event: event.at):
            self._play(event)
        end = (self._chunk + 1) * self._hop
        parts = [self._part(note) for note in self._notes if note.start < end]
        self._notes = [note for note in self._notes if not self._is_over(note, end)]
        self._chunk += 1
        return parts

    def _play(self, event: Event) -> None:
        now = self._chunk * self._hop + event.at
        match event:
            case NoteOn(key, velocity, _):
                self._let_go([note for note in self._notes if note.key == key], now)
                self._start(key, velocity, now)
            case NoteOff(key, _):
                self._lift([note for note in self._notes if note.key == key], now)
            case Pedal(is_down, _):
                self._has_pedal = is_down
                if not is_down:
                    self._let_go([note for note in self._notes if not note.has_key], now)
            case Pad(weights, _):
                weights = np.maximum(np.asarray(weights, np.float32), 0)
                if weights.sum() > 0:
                    self._weights = weights / weights.sum()
            case ReleaseAll():
                self._has_pedal = False
                self._lift(self._notes, now)
            case Panic():
                self._has_pedal = False
                self._cut(list(self._notes), now)

    def _start(self, key: int, velocity: int, now: int) -> None:
        taken = {note.slot for note in self._notes if note.cut is None}
        free = [slot for slot in range(self._num_voices) if slot not in taken]
        if free:
            slot = free[0]
        else:
            oldest = next(note for note in self._notes if note.cut is None)
            slot = oldest.slot
            self._cut([oldest], now)
        if any(note.slot == slot for note in self._notes):  # it is faded out in this chunk
            now = (self._chunk + 1) * self._hop
        gain = (velocity / _LOUDEST_VELOCITY) ** 2  # as samplers do by default
        self._notes.append(Note(self._count, key, gain, slot, now))
        self._count += 1

    def _lift(self, notes: Iterable[Note], now: int) -> None:
        for note in notes:
            note.has_key = False
            if not self._has_pedal:
                self._let_go([note], now)

    def _let_go(self, notes: Iterable[Note], now: int) -> None:
        for note in notes:
            note.has_key = False
            if note.released is None:
                note.released = max(now, note.start)

    def _cut(self, notes: Iterable[Note], now: int) -> None:
        """Fades notes out within this chunk, and drops those that have not begun."""
        end = (self._chunk + 1) * self._hop
        for note in notes:
            if note.start >= end:
                self._notes.remove(note)
            elif note.cut is None:
                note.cut = min(now, end - self._cut_samples)

    def _part(self, note: Note) -> Part:
        first, offset = divmod(note.start, self._hop)
        frame = self._chunk - first
        released = None
        if note.released is not None:
            released = max(0, self._chunk - note.released // self._hop)
        embedding = sum(
            weight * sound.take(note.key)[sound.index(note.key, frame, released, self._most_looped)]
            for sound, weight in zip(self._sounds, self._weights, strict=True)
            if weight
        )
        return Part(note, embedding, frame == 0, offset, self._envelope(note))

    def _envelope(self, note: Note) -> np.ndarray:
        samples = self._chunk * self._hop + np.arange(self._hop)
        gain = np.full(self._hop, note.gain)
        if note.released is not None:
            since = np.maximum(samples - note.released, 0) / self._release_samples
            gain *= 10 ** (_RELEASED_DB / 20 * since) * np.clip((1 - since) / _LINEAR_END, 0, 1)
        if note.cut is not None:
            gain *= np.clip((note.cut + self._cut_samples - 1 - samples) / self._cut_samples, 0, 1)
        return gain.astype(np.float32)

    def _is_over(self, note: Note, end: int) -> bool:
        ended = note.released is not None and note.released + self._release_samples <= end
        return note.cut is not None or ended


def bilinear(x: float, y: float) -> tuple[float, float, float, float]:
    """Returns the weights of the corners top left, top right, bottom left and bottom right.

    Args:
        x: 0 at the left, 1 at the right.
        y: 0 at the top, 1 at the bottom.
    """
    return (1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y


def pad_weights(x: float, y: float, num_sounds: int) -> tuple[float, ...]:
    """Returns the weight of each sound of a pad: of one, of a line (by x alone) or of a square.

    Args:
        x: 0 at the left, 1 at the right.
        y: 0 at the top, 1 at the bottom.
        num_sounds: 1, 2 or 4.
    """
    return {1: (1.0,), 2: (1 - x, x), 4: bilinear(x, y)}[num_sounds]
