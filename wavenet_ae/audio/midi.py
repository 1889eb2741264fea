"""Notes of MIDI files."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import mido

from wavenet_ae.audio import files
from wavenet_ae.system import atomic_file
from wavenet_ae.system.errors import UserError

SUFFIXES = (".mid", ".midi", ".smf")
PEDAL, PEDAL_DOWN = 64, 64  # the controller, and its least value when pressed
DRUMS = 9  # General MIDI's channel 10, of which the keys are drums, not pitches

_LONGEST_S = 3600
_TICKS_PER_S = 960  # at mido's defaults: 480 a beat of half a second


class Note(NamedTuple):
    """A key that is held."""

    start_s: float
    end_s: float
    pitch: int  # MIDI
    velocity: int  # 1 to 127


def read_messages(path: Path) -> list[mido.Message]:
    """Returns the messages of all tracks in order, with the seconds since the one before.

    Raises:
        UserError: the file cannot be read, is damaged, or lasts longer than an hour.
    """
    try:
        file = mido.MidiFile(path, clip=True)
        # mido takes the frames of time code for negative ticks.
        messages = list(file) if file.ticks_per_beat > 0 else None
    except OSError as error:
        if error.errno is not None:
            raise UserError(f"{path} cannot be read: {error.strerror}.") from error
        raise _damaged(path) from error
    except Exception as error:  # damaged files make mido raise almost anything
        raise _damaged(path) from error
    if messages is None:
        raise UserError(
            f"{path} counts time in frames (SMPTE), not in beats: export it again with ticks a "
            "beat."
        )
    if sum(message.time for message in messages) > _LONGEST_S:
        raise UserError(f"{path} lasts longer than {_LONGEST_S // 60} minutes: cut it.")
    return messages


def _damaged(path: Path) -> UserError:
    if path.suffix.lower() in files.SUFFIXES:
        return UserError(
            f"{path} is not a MIDI file: wavenet-ae resynthesize plays the notes of sounds."
        )
    return UserError(
        f"{path} is not a MIDI file that can be read, or is damaged: export it again, as a "
        "standard MIDI file of type 0 or 1."
    )


def read_notes(path: Path) -> list[Note]:
    """Reads the notes of all channels but General MIDI's drums.

    Notes are held while the pedal (CC64) is down, or until their key is struck again. Programs,
    pitch bend and other controllers are not followed.

    Returns:
        The notes in the order of their beginnings, then pitches.

    Raises:
        UserError: as `read_messages`; or there are no notes.
    """
    notes: list[Note] = []
    held: dict[tuple[int, int], tuple[float, int]] = {}  # by channel and key
    released: set[tuple[int, int]] = set()  # of those, which the pedal alone holds
    pedals: set[int] = set()
    now = 0.0

    def end(key: tuple[int, int]) -> None:
        released.discard(key)
        if key in held:
            start, velocity = held.pop(key)
            notes.append(Note(start, now, key[1], velocity))

    for message in read_messages(path):
        now += message.time
        if message.is_meta or getattr(message, "channel", DRUMS) == DRUMS:
            continue
        channel = message.channel
        if message.type == "note_on" and message.velocity:
            end((channel, message.note))
            held[channel, message.note] = now, message.velocity
        elif message.type in ("note_on", "note_off"):
            key = channel, message.note
            if channel in pedals:
                released.add(key)
            else:
                end(key)
        elif message.is_cc(PEDAL):
            if message.value >= PEDAL_DOWN:
                pedals.add(channel)
                continue
            pedals.discard(channel)
            for key in [key for key in released if key[0] == channel]:
                end(key)
    for key in list(held):
        end(key)
    found = sorted(note for note in notes if note.end_s > note.start_s)
    if not found:
        raise UserError(f"{path} holds no notes (drums apart): choose another MIDI file.")
    return found


def on_one_keyboard(notes: Iterable[Note]) -> list[Note]:
    """Joins notes that sound at once on one key, as those of several channels may.

    A note ends where its key is struck again; that one is held until both have been released. Of
    those that are struck at the same time, the loudest is left.

    Returns:
        The notes in the order of their beginnings.
    """
    found: list[Note] = []
    latest: dict[int, int] = {}  # by pitch, a position in `found`
    for note in sorted(notes):
        position = latest.get(note.pitch)
        if position is not None and found[position].end_s > note.start_s:
            before = found[position]
            note = note._replace(end_s=max(before.end_s, note.end_s))
            if before.start_s == note.start_s:
                found[position] = note._replace(velocity=max(before.velocity, note.velocity))
                continue
            found[position] = before._replace(end_s=note.start_s)
        latest[note.pitch] = len(found)
        found.append(note)
    return found


def rounded(notes: Iterable[Note]) -> list[Note]:
    """Returns the notes with the times that `encode` gives them."""

    def to_ticks(seconds: float) -> int:
        return round(seconds * _TICKS_PER_S)

    return [
        note._replace(
            start_s=to_ticks(note.start_s) / _TICKS_PER_S,
            end_s=max(to_ticks(note.start_s) + 1, to_ticks(note.end_s)) / _TICKS_PER_S,
        )
        for note in notes
    ]


def encode(notes: Iterable[Note], program: int) -> mido.MidiFile:
    """Returns a MIDI file of one track and channel that a General MIDI program plays.

    Times are rounded to 1/960 s.
    """
    events = []
    for note in rounded(notes):
        start, end = (round(seconds * _TICKS_PER_S) for seconds in note[:2])
        events += [(start, 1, note.pitch, note.velocity), (end, 0, note.pitch, 0)]
    track = mido.MidiTrack([mido.Message("program_change", program=program)])
    before = 0
    for tick, is_on, pitch, velocity in sorted(events):  # keys are lifted before others are struck
        kind = "note_on" if is_on else "note_off"
        track.append(mido.Message(kind, note=pitch, velocity=velocity, time=tick - before))
        before = tick
    return mido.MidiFile(type=0, tracks=[track])


def save(path: Path, notes: Iterable[Note], program: int) -> None:
    """Writes a MIDI file completely or not at all; see `encode`.

    Raises:
        UserError: it cannot be written.
    """
    with atomic_file.replacing(path) as temporary:
        encode(notes, program).save(temporary)
