"""Which notes an instrument needs, and what each is made from."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from wavenet_ae.instrument import finishing
from wavenet_ae.instrument.grid import Grid
from wavenet_ae.instrument.sources import Recording, Sound
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.results import digest


class Part(NamedTuple):
    """What a sound adds to a note: its recording and its weight."""

    recording: Recording
    weight: float


@dataclasses.dataclass(frozen=True)
class PlannedNote:
    """A note to render.

    Attributes:
        name: a digest of all that it depends on.
        cell: index.
        pitch: MIDI.
        parts: of sounds that have a weight.
        num_samples: its length at 16 kHz, before silence is cut off.
        has_pitch: whether sounds with a pitch have at least half of the weight.
        most_attempts: how often to generate it at most.
    """

    name: str
    cell: int
    pitch: int
    parts: tuple[Part, ...]
    num_samples: int
    has_pitch: bool
    most_attempts: int


@dataclasses.dataclass(frozen=True)
class Plan:
    """An instrument to render.

    Attributes:
        sounds: in the order of the cells' weights.
        grid: of their squares and cells.
        resolution: cells along a side.
        pitches: MIDI, ascending.
        seed: of the notes' random keys.
        notes: by cell, then by pitch.
    """

    sounds: tuple[Sound, ...]
    grid: Grid
    resolution: int
    pitches: tuple[int, ...]
    seed: int
    notes: tuple[PlannedNote, ...]


def make(
    codec: Codec,
    sounds: Sequence[Sound],
    grid: Grid,
    *,
    resolution: int,
    pitches: Sequence[int],
    seed: int,
    attempts: int,
) -> Plan:
    """Returns the notes of every cell at every pitch.

    Raises:
        UserError: the model cannot play one of the pitches.
    """
    _check_pitches(codec, sounds, pitches)
    notes = tuple(
        _note(codec, sounds, cell, weights, pitch, seed, attempts)
        for cell, weights in enumerate(grid.cells)
        for pitch in pitches
    )
    return Plan(tuple(sounds), grid, resolution, tuple(pitches), seed, notes)


def _check_pitches(codec: Codec, sounds: Iterable[Sound], pitches: Sequence[int]) -> None:
    if codec.num_pitches:
        if pitches[-1] >= codec.num_pitches:
            raise UserError(
                f"--pitches: {codec.trained.name} knows the pitches 0 to {codec.num_pitches - 1}, "
                f"not {pitches[-1]}: leave out what is above."
            )
        return
    for sound in sounds:
        if missing := [pitch for pitch in pitches if pitch not in sound.pitches]:
            raise UserError(
                f"{codec.trained.name} is not conditioned on pitch, and {sound.name} has no file "
                f"at MIDI pitch {missing[0]}: give one file for each of --pitches, or take a model "
                "that is."
            )


def _note(
    codec: Codec,
    sounds: Sequence[Sound],
    cell: int,
    weights: Sequence[float],
    pitch: int,
    seed: int,
    attempts: int,
) -> PlannedNote:
    heard = [(sound, weight) for sound, weight in zip(sounds, weights, strict=True) if weight]
    parts = tuple(Part(sound.nearest(pitch), weight) for sound, weight in heard)
    has_pitch = sum(weight for sound, weight in heard if sound.has_pitch) >= 0.5
    num_samples = max(part.recording.num_samples for part in parts)
    # In the order of the contents, which the order of the inputs does not change.
    made_from = sorted((part.recording.content, part.weight) for part in parts)
    settings = [finishing.VERSION, codec.trained.fingerprint, dict(codec.settings)]
    name = digest(json.dumps([*settings, seed, pitch, num_samples, made_from]))
    # Without a pitch another attempt would be no better.
    most = attempts if has_pitch else 1
    return PlannedNote(name, cell, pitch, parts, num_samples, has_pitch, most)
