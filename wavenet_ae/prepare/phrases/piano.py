"""Piano pieces by rule, drawn at random: music without an author, free of rights.

A piece has a key, a metre and a tempo of its own, and sections of four bars. Each section has a
progression of chords, a melody of one or more voices above, an accompaniment below, a swell, and
perhaps the pedal, which changes with the chords.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from wavenet_ae.audio.midi import Note, on_one_keyboard

LOWEST_PITCH, HIGHEST_PITCH = 33, 96

_SECONDS = (30.0, 57.0)
_BEATS_PER_MINUTE = (60.0, 132.0)
_BARS_OF_A_SECTION = 4
_SCALES = (
    (0, 2, 4, 5, 7, 9, 11),  # major
    (0, 2, 3, 5, 7, 8, 10),  # natural minor
    (0, 2, 3, 5, 7, 8, 11),  # harmonic minor
    (0, 2, 3, 5, 7, 9, 10),  # Dorian
)
# Degrees of the scale that a section's chords are built on, a bar each; 0 is the tonic.
_PROGRESSIONS = (
    (0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (5, 3, 0, 4), (0, 1, 4, 0), (0, 2, 3, 4),
    (3, 0, 4, 0), (0, 3, 1, 4),
)  # fmt: skip
# Shares of a bar at which a melody's notes begin.
_RHYTHMS = {
    3: ((0, 1, 2), (0, 2), (0, 1.5, 2), (0, 0.5, 1, 2), (0, 0.5, 1, 1.5, 2, 2.5)),
    4: (
        (0, 1, 2, 3), (0, 2), (0, 2, 3), (0, 1.5, 2, 3.5), (0, 0.5, 1, 2, 3),
        (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5), (0, 1, 1.25, 1.5, 1.75, 2, 3),
    ),
}  # fmt: skip
_STEPS = (-4, -3, -2, -1, 1, 2, 3, 4)  # along the scale
_STEP_WEIGHTS = (0.03, 0.05, 0.12, 0.3, 0.3, 0.12, 0.05, 0.03)
# Of a melody: what sounds below it, in steps of the scale.
_DOUBLINGS = ((), (), (), (-2,), (-5,), (-7,), (-2, -4))
_TIMING_S = 0.006  # a player's standard deviation
_LATEST_S = 0.03


class _Key(NamedTuple):
    """A scale: `pitch` counts its degrees over all octaves."""

    tonic: int  # of the lowest octave, 0 to 11
    degrees: tuple[int, ...]

    def pitch(self, degree: int) -> int:
        octave, in_octave = divmod(degree, len(self.degrees))
        return self.tonic + 12 * octave + self.degrees[in_octave]

    def nearest(self, pitch: int) -> int:
        """Returns the degree that is nearest to a pitch."""
        around = range(len(self.degrees) * 11)
        return min(around, key=lambda degree: (abs(self.pitch(degree) - pitch), degree))


class _Event(NamedTuple):
    """A key as a player thinks of it."""

    beat: float  # within the bar
    beats: float  # until it is released
    pitch: int  # at first a degree of the scale
    loudness: float  # a velocity; at first above the section's


def compose(seed: int, number: int) -> list[Note]:
    """Draws a piece, bar by bar.

    Args:
        seed: of all pieces.
        number: of this one; it depends on the seed and its number alone.

    Returns:
        The notes in the order of their beginnings, with the pedal applied: of 30 to 60 s together,
        MIDI pitches 33 to 96.
    """
    rng = np.random.default_rng((seed, number))
    key = _Key(int(rng.integers(12)), _SCALES[rng.integers(len(_SCALES))])
    beats = int(rng.choice(sorted(_RHYTHMS)))
    beat_s = 60 / rng.uniform(*_BEATS_PER_MINUTE)
    section_s = _BARS_OF_A_SECTION * beats * beat_s
    sections = max(1, round(rng.uniform(*_SECONDS) / section_s))
    sections += sections * section_s < _SECONDS[0]

    notes: list[Note] = []
    for section in range(sections):
        start_s = 0.1 + section * section_s
        for bar, (events, pedal) in enumerate(_section(rng, key, beats)):
            bar_s = start_s + bar * beats * beat_s
            played = [_played(rng, event, bar_s, beat_s) for event in events]
            if pedal:  # lifted as the next bar's first keys are struck
                up_s = bar_s + (beats - rng.uniform(0.02, 0.1)) * beat_s
                played = [note._replace(end_s=max(note.end_s, up_s)) for note in played]
            notes += played
    return on_one_keyboard(notes)


def _played(rng: np.random.Generator, event: _Event, bar_s: float, beat_s: float) -> Note:
    """Plays a key nearly in time."""
    late = float(np.clip(rng.normal(0, _TIMING_S), -_LATEST_S, _LATEST_S))
    start = bar_s + event.beat * beat_s + late
    velocity = int(np.clip(round(event.loudness + rng.normal(0, 4)), 8, 127))
    return Note(start, start + max(event.beats * beat_s, 0.06), event.pitch, velocity)


def _section(rng: np.random.Generator, key: _Key, beats: int) -> list[tuple[list[_Event], bool]]:
    """Returns the events of four bars, each with whether the pedal is down."""
    progression = _PROGRESSIONS[rng.integers(len(_PROGRESSIONS))]
    accompany = _ACCOMPANIMENTS[rng.integers(len(_ACCOMPANIMENTS))]
    doubling = _DOUBLINGS[rng.integers(len(_DOUBLINGS))]
    rhythms = [_RHYTHMS[beats][i] for i in rng.integers(len(_RHYTHMS[beats]), size=2)]
    pedal = bool(rng.random() < 0.6)
    held = rng.uniform(0.4, 1.0)  # of a note's time: staccato to legato
    loudness, swell = rng.uniform(35, 95), rng.uniform(-25, 25)
    bass = key.nearest(int(rng.integers(36, 53)))
    place = key.nearest(int(rng.integers(62, 88)))
    bars = []
    for bar, root in enumerate(progression):
        level = loudness + swell * bar / _BARS_OF_A_SECTION
        # The chord's root within an octave of the section's bass.
        low = bass + (root - bass) % len(key.degrees)
        events = [
            event._replace(loudness=level - 10 + event.loudness)
            for event in accompany(beats, [low, low + 2, low + 4, low + 7])
        ]
        starts = rhythms[bar % 2]
        for beat, after in zip(starts, (*starts[1:], beats), strict=True):
            place += int(rng.choice(_STEPS, p=_STEP_WEIGHTS))
            if beat == 0:  # a strong beat has a note of the chord
                place = min(range(place - 2, place + 3), key=lambda it: _apart(it, low, place))
            strong = 8.0 * (beat == 0)
            for step in (0, *doubling):
                events.append(
                    _Event(beat, (after - beat) * held, place + step, level + strong + step)
                )
            place += 7 * (key.pitch(place) < 62) - 7 * (key.pitch(place) > 90)
        # A key that melody and accompaniment strike together is struck once.
        keys = {(it.beat, pitch): it._replace(pitch=pitch) for it, pitch in _sounding(key, events)}
        bars.append((list(keys.values()), pedal))
    return bars


def _sounding(key: _Key, events: list[_Event]) -> Iterator[tuple[_Event, int]]:
    """Yields events and their MIDI pitches, moved by octaves into the compass."""
    for event in events:
        pitch = key.pitch(event.pitch)
        octaves = (pitch < LOWEST_PITCH) * -(-(LOWEST_PITCH - pitch) // 12)
        octaves -= (pitch > HIGHEST_PITCH) * -(-(pitch - HIGHEST_PITCH) // 12)
        yield event, pitch + 12 * octaves


def _apart(degree: int, root: int, place: int) -> tuple[bool, int]:
    """Orders degrees: a chord's before others, then the nearest."""
    return (degree - root) % 7 not in (0, 2, 4), abs(degree - place)


def _blocks(beats: int, chord: list[int]) -> list[_Event]:
    """The chord on every beat."""
    return [_Event(beat, 0.8, it, 0.0) for beat in range(beats) for it in chord[:3]]


def _broken(beats: int, chord: list[int]) -> list[_Event]:
    """Root, fifth, third, fifth in half beats."""
    order = (0, 2, 1, 2)
    return [_Event(i / 2, 0.5, chord[order[i % 4]], 4.0 * (i == 0)) for i in range(2 * beats)]


def _wide(beats: int, chord: list[int]) -> list[_Event]:
    """Arpeggios over more than an octave, up and down."""
    tones = [chord[0], chord[2], chord[3], chord[3] + 2, chord[3], chord[2]]
    return [_Event(i / 2, 0.9, tones[i % 6], 4.0 * (i == 0)) for i in range(2 * beats)]


def _bass_and_chords(beats: int, chord: list[int]) -> list[_Event]:
    """The root on the first beat, the chord an octave higher on the others."""
    upper = [it + 7 for it in chord[:3]]
    rest = [_Event(beat, 0.5, it, -4.0) for beat in range(1, beats) for it in upper]
    return [_Event(0, 0.9, chord[0], 6.0), *rest]


def _octaves(beats: int, chord: list[int]) -> list[_Event]:
    """Long octaves of the root, and the fifth between."""
    bass = [_Event(0, beats * 0.95, it, 2.0) for it in (chord[0], chord[3])]
    return [*bass, _Event(beats / 2, beats * 0.45, chord[2], -4.0)]


_Accompaniment = Callable[[int, list[int]], list[_Event]]
_ACCOMPANIMENTS: tuple[_Accompaniment, ...] = (_blocks, _broken, _wide, _bass_and_chords, _octaves)
