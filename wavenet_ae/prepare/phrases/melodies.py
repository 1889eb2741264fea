"""Melodies by rule, drawn at random: music without an author, free of rights.

A melody has a key, a metre, a tempo and a compass of its own. Bars take a rhythm from a list and
walk along the scale, mostly by step; half of them repeat an earlier bar's figure, higher or lower.
Every fourth bar comes to rest on a note of the tonic's triad, and a pause follows.
"""

from typing import NamedTuple

import numpy as np

from wavenet_ae.audio.midi import Note

_SECONDS = (20.0, 60.0)
_BEATS_PER_MINUTE = (66.0, 144.0)
_COMPASS = 19  # semitones, an octave and a fifth
_BARS_OF_A_PHRASE = 4
_SHORTEST_S = 0.06

_SCALES = (
    (0, 2, 4, 5, 7, 9, 11),  # major
    (0, 2, 3, 5, 7, 8, 10),  # natural minor
    (0, 2, 3, 5, 7, 8, 11),  # harmonic minor
    (0, 2, 3, 5, 7, 9, 10),  # Dorian
    (0, 2, 4, 5, 7, 9, 10),  # Mixolydian
    (0, 2, 4, 7, 9),  # major pentatonic
)
_TRIADS = (0, 3, 4, 7)  # semitones above the tonic; a scale has one of the thirds
# Durations in beats, by the beats of a bar.
_RHYTHMS = {
    3: (
        (1, 1, 1),
        (2, 1),
        (1, 2),
        (0.5, 0.5, 1, 1),
        (1, 0.5, 0.5, 1),
        (1.5, 0.5, 1),
        (0.5,) * 6,
        (1, 0.25, 0.25, 0.5, 1),
    ),
    4: (
        (1, 1, 1, 1),
        (2, 1, 1),
        (1, 1, 2),
        (2, 2),
        (0.5, 0.5, 1, 1, 1),
        (1, 0.5, 0.5, 2),
        (1.5, 0.5, 1, 1),
        (1.5, 0.5, 1.5, 0.5),
        (0.5,) * 8,
        (1, 0.25, 0.25, 0.5, 1, 1),
    ),
}
_STEPS = (-1, 1, 0, -2, 2, -3, 3, -4, 4, -7, 7)  # along the scale
_STEP_WEIGHTS = (0.3, 0.3, 0.07, 0.09, 0.09, 0.04, 0.04, 0.02, 0.02, 0.015, 0.015)
_REPETITION = 0.5


class _Figure(NamedTuple):
    """A bar without its place on the scale."""

    rhythm: tuple[float, ...]
    steps: tuple[int, ...]


def compose(seed: int, number: int, lowest: int = 48, highest: int = 84) -> list[Note]:
    """Draws a melody, one note after the other.

    Args:
        seed: of all melodies.
        number: of this one; it depends on the seed, its number and the bounds alone.
        lowest: MIDI pitch that no note is below.
        highest: MIDI pitch that no note is above; an octave above the lowest, or more.

    Returns:
        The notes in order, of about 20 to 60 s together; none begins before the last has ended.
    """
    rng = np.random.default_rng((seed, number))
    scale, triad = _draw_scale(rng, lowest, highest)
    beats = int(rng.choice(sorted(_RHYTHMS)))
    beat_s = 60 / rng.uniform(*_BEATS_PER_MINUTE)
    phrase_s = (_BARS_OF_A_PHRASE * beats + 1) * beat_s
    num_phrases = max(1, int(rng.uniform(*_SECONDS) / phrase_s))
    if num_phrases * phrase_s < _SECONDS[0]:
        num_phrases += 1

    notes: list[Note] = []
    figures: list[_Figure] = []
    now, place = 0.1, int(rng.integers(len(scale)))
    loudness = rng.uniform(55, 95)
    for bar in range(num_phrases * _BARS_OF_A_PHRASE):
        in_phrase = bar % _BARS_OF_A_PHRASE
        if in_phrase == 0:
            held = rng.uniform(0.45, 1.0)  # of a note's time: staccato to legato
            swell = rng.uniform(-6, 12)
        figure = _draw_figure(rng, figures, beats)
        for i, (duration, step) in enumerate(zip(figure.rhythm, figure.steps, strict=True)):
            place = _reflect(place + step, len(scale))
            share = held
            if in_phrase == _BARS_OF_A_PHRASE - 1 and i == len(figure.rhythm) - 1:
                place = min(triad, key=lambda degree: (abs(degree - place), degree))
                share = max(held, 0.9)
            end = now + max(duration * beat_s * share, _SHORTEST_S)
            velocity = loudness + swell * in_phrase / _BARS_OF_A_PHRASE + 8 * (i == 0)
            velocity = int(np.clip(round(velocity + rng.normal(0, 4)), 30, 120))
            notes.append(Note(now, end, scale[place], velocity))
            now += duration * beat_s
        if in_phrase == _BARS_OF_A_PHRASE - 1:
            now += beat_s * rng.choice([0.5, 1.0])
    return notes


def _draw_scale(rng: np.random.Generator, lowest: int, highest: int) -> tuple[list[int], list[int]]:
    """Returns a scale's pitches within a compass, and the places of the tonic's triad in it."""
    tonic, degrees = int(rng.integers(12)), _SCALES[rng.integers(len(_SCALES))]
    bottom = int(rng.integers(lowest, max(lowest, highest - _COMPASS) + 1))
    top = min(bottom + _COMPASS, highest)
    scale = [pitch for pitch in range(bottom, top + 1) if (pitch - tonic) % 12 in degrees]
    return scale, [i for i, pitch in enumerate(scale) if (pitch - tonic) % 12 in _TRIADS]


def _draw_figure(rng: np.random.Generator, figures: list[_Figure], beats: int) -> _Figure:
    """Returns an earlier bar's figure, or a new one, which it adds to them."""
    if figures and rng.random() < _REPETITION:
        return figures[rng.integers(len(figures))]
    rhythm = _RHYTHMS[beats][rng.integers(len(_RHYTHMS[beats]))]
    steps = rng.choice(_STEPS, len(rhythm), p=_STEP_WEIGHTS)
    figures.append(_Figure(rhythm, tuple(steps.tolist())))
    return figures[-1]


def _reflect(place: int, count: int) -> int:
    """Turns a walk back at the ends of the scale."""
    place = abs(place)
    if place >= count:
        place = 2 * (count - 1) - place
    return min(max(place, 0), count - 1)
