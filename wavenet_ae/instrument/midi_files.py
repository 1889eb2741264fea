"""MIDI files, played by the decoder into WAV files.

All notes are known in advance: they are generated side by side, several times as fast as one after
the other.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import mido
import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files, midi
from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.instrument import performance, voices
from wavenet_ae.instrument.packs import sfz
from wavenet_ae.instrument.performance import (
    Event,
    NoteOff,
    NoteOn,
    Pad,
    Panic,
    Pedal,
    Performance,
    ReleaseAll,
    Sound,
)
from wavenet_ae.synthesis import sampler
from wavenet_ae.synthesis.wavenet_codec import WaveNetCodec
from wavenet_ae.system import atomic_file
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.worker_pool import num_cores

# Controllers, as in the packs and in the MIDI standard.
_X, _Y = sfz.X_CONTROLLER, sfz.Y_CONTROLLER
_SOUND_OFF, _NOTES_OFF = 120, 123
_HIGHEST = 127
_CORNERS = (1, 2, 4)

# Notes that a core generates together: more are hardly faster, and wait for the longest of them.
_BATCH_OF_CORE = 32
_FULL_SCALE = 0.99  # the peak of what would be louder


class Rendered(NamedTuple):
    """What was rendered."""

    seconds: float
    notes: int


def render_midi(
    path: Path,
    output: Path,
    codec: WaveNetCodec,
    sounds: Sequence[Sound],
    *,
    num_voices: int = 32,
    seed: int = 0,
    pad: tuple[float, float] = (0.0, 0.0),
) -> Rendered:
    """Plays a MIDI file into a 16-bit WAV file at 16 kHz; the same again gives the same bytes.

    CC1 moves the pad to the right and CC74 up, as on the page, CC64 is the pedal. Channels are
    played together, but for General MIDI's drums; programs and pitch bend are not followed. Where
    the mix would be louder than full scale, all of it is made quieter.

    Args:
        path: of the MIDI file.
        output: of the WAV file.
        codec: the model, which must be conditioned on pitch.
        sounds: one; two, left and right; or four, top left, top right, bottom left, bottom right.
        num_voices: how many notes sound at once.
        seed: of the notes' randomness.
        pad: where the pad is until the file moves it: x and y, from 0 to 1.

    Raises:
        UserError: the file cannot be read or holds no notes, the settings are wrong, the model does
            not suit, or the output cannot be written.
    """
    voices.check(codec, sounds, num_voices)
    if len(sounds) not in _CORNERS:
        raise UserError(f"A pad has 1, 2 or 4 sounds, not {len(sounds)}: name so many.")
    events = read_events(path, len(sounds), pad)
    takes = _perform(events, Performance(sounds, num_voices, codec.hop_length), codec.hop_length)
    takes.sort(key=lambda take: (len(take.frames), take.number))
    chunks = max(take.first_chunk + len(take.frames) for take in takes)
    mix = np.zeros(chunks * codec.hop_length, np.float32)
    frames = sum(len(take.frames) for take in takes)
    with tqdm(total=frames, desc="notes", unit=" frames", disable=None, leave=False) as bar:
        for batch, rows in _batches(takes):
            _add(mix, batch, rows, codec, seed, bar)
    mix *= voices.HEADROOM
    files.save(output, mix * min(1.0, _FULL_SCALE / max(np.abs(mix).max(), 1e-9)))
    return Rendered(len(mix) / SAMPLE_RATE_HZ, len(takes))


def check_output(output: Path) -> None:
    """Checks in advance whether a WAV file can be written without replacing another.

    Raises:
        UserError: it cannot.
    """
    if os.path.lexists(output):
        raise UserError(f"--output={output} exists: name another file, or delete it.")
    with atomic_file.replacing(output) as temporary:
        temporary.touch()
    output.unlink()


def read_events(
    path: Path, num_sounds: int, pad: tuple[float, float] = (0.0, 0.0)
) -> list[tuple[int, Event]]:
    """Reads a MIDI file.

    Args:
        path: of the file.
        num_sounds: on the pad.
        pad: where it is at first.

    Returns:
        The sample at which each event comes, and the event, in order; at the end all keys are
        lifted.

    Raises:
        UserError: the file cannot be read, is too long, or holds no notes.
    """
    place = dict(zip((_X, _Y), pad, strict=True))
    events: list[tuple[int, Event]] = [(0, _pad(place, num_sounds))]
    seconds = 0.0
    for message in midi.read_messages(path):
        seconds += message.time
        if message.is_meta or getattr(message, "channel", 0) == midi.DRUMS:
            continue
        if (event := _event(message, place, num_sounds)) is not None:
            events.append((round(seconds * SAMPLE_RATE_HZ), event))
    if not any(isinstance(event, NoteOn) for _, event in events):
        raise UserError(f"{path} holds no notes (drums apart): choose another MIDI file.")
    return [*events, (round(seconds * SAMPLE_RATE_HZ), ReleaseAll())]


def _event(message: mido.Message, place: dict[int, float], num_sounds: int) -> Event | None:
    """Returns what a message does, and keeps the pad's place; None where it does nothing."""
    match message.type:
        case "note_on" if message.velocity:
            return NoteOn(message.note, message.velocity)
        case "note_on" | "note_off":
            return NoteOff(message.note)
        case "control_change":
            match message.control:
                case control if control in place:
                    share = message.value / _HIGHEST
                    place[control] = 1 - share if control == _Y else share
                    return _pad(place, num_sounds)
                case control if control == midi.PEDAL:
                    return Pedal(message.value >= midi.PEDAL_DOWN)
                case control if control == _SOUND_OFF:
                    return Panic()
                case control if control == _NOTES_OFF:
                    return ReleaseAll()
    return None


def _pad(place: dict[int, float], num_sounds: int) -> Pad:
    return Pad(performance.pad_weights(place[_X], place[_Y], num_sounds))


@dataclass
class _Take:
    """A note as it will be generated: its frames' embeddings, and its gain in each chunk."""

    number: int
    key: int
    first_chunk: int
    offset: int
    frames: list[np.ndarray] = field(default_factory=list)
    envelopes: list[np.ndarray] = field(default_factory=list)


def _perform(events: Sequence[tuple[int, Event]], played: Performance, hop: int) -> list[_Take]:
    """Plays events without sound, and returns the notes that they make."""
    takes: dict[int, _Take] = {}
    waiting, chunk = list(events)[::-1], 0
    while waiting or not played.is_silent:
        now = []
        while waiting and waiting[-1][0] < (chunk + 1) * hop:
            sample, event = waiting.pop()
            now.append(event._replace(at=sample - chunk * hop))
        for part in played.step(now):
            note = part.note
            if part.is_first:
                takes[note.number] = _Take(note.number, note.key, chunk, part.offset)
            takes[note.number].frames.append(part.embedding)
            takes[note.number].envelopes.append(part.envelope)
        chunk += 1
    return list(takes.values())


def _batches(takes: Sequence[_Take]) -> Iterator[tuple[Sequence[_Take], np.ndarray]]:
    """Yields notes of similar lengths, and which of them to generate together.

    One compiled program serves all batches: the last is filled up with notes that it holds, unless
    it is so small that its notes are generated one by one.
    """
    size = _BATCH_OF_CORE * num_cores()
    for start in range(0, len(takes), size):
        batch = takes[start : start + size]
        is_filled = start and len(batch) > sampler.FEW_SOUNDS * num_cores()
        yield batch, np.resize(np.arange(len(batch)), size if is_filled else len(batch))


def _add(
    mix: np.ndarray,
    batch: Sequence[_Take],
    rows: np.ndarray,
    codec: WaveNetCodec,
    seed: int,
    bar: tqdm,
) -> None:
    """Generates notes and adds them to the mix."""
    lengths = [len(take.frames) for take in batch]
    longest = max(lengths)
    embedding = np.stack(
        [
            np.pad(np.stack(take.frames), ((0, longest - length), (0, 0)), mode="edge")
            for take, length in zip(batch, lengths, strict=True)
        ]
    )
    keys = sampler.note_keys(seed, np.array([take.number for take in batch]))
    pitches = np.array([take.key for take in batch], np.int32)
    chunks, done = [], 0
    for chunk in codec.generate(embedding[rows], keys[rows], pitches[rows]):
        chunks.append(chunk)
        after = done + chunk.shape[1] // codec.hop_length
        bar.update(sum(min(length, after) - min(length, done) for length in lengths))
        done = after
    for take, sound in zip(batch, np.concatenate(chunks, axis=1), strict=False):
        envelope = np.concatenate(take.envelopes)
        heard = np.pad(sound, (take.offset, 0))[: len(envelope)] * envelope
        start = take.first_chunk * codec.hop_length
        mix[start : start + len(heard)] += heard
