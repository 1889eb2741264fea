import itertools

import numpy as np
import pytest

from wavenet_ae.audio.midi import Note
from wavenet_ae.prepare.phrases import compass, melodies
from wavenet_ae.prepare.soundfonts.general_midi import PROGRAM_NAMES


@pytest.fixture(scope="module")
def composed():
    return [melodies.compose(0, number) for number in range(100)]


def test_melodies_are_monophonic_and_of_20_to_60_seconds(composed):
    for notes in composed:
        assert notes[0].start_s == pytest.approx(0.1)
        assert 18 < notes[-1].end_s < 62
        for before, after in itertools.pairwise(notes):
            assert before.start_s < before.end_s <= after.start_s + 1e-9
        assert all(1 <= note.velocity <= 127 for note in notes)
        assert all(48 <= note.pitch <= 84 for note in notes)
        assert max(n.pitch for n in notes) - min(n.pitch for n in notes) <= 19
    assert np.std([notes[-1].end_s for notes in composed]) > 5
    assert len({n.pitch for notes in composed for n in notes}) > 30


def test_each_keeps_to_one_scale_and_moves_mostly_by_step(composed):
    steps = []
    for notes in composed:
        assert 2 <= len({note.pitch % 12 for note in notes}) <= 7
        steps += np.abs(np.diff([note.pitch for note in notes])).tolist()
    assert np.mean(np.array(steps) <= 4) > 0.7
    assert max(steps) <= 19
    assert len(set(steps)) > 8


def test_phrases_end_in_rests(composed):
    for notes in composed:
        pauses = [b.start_s - a.end_s for a, b in itertools.pairwise(notes)]
        assert sum(pause > 0.15 for pause in pauses) >= 1


def test_a_melody_depends_on_its_seed_and_number_alone(composed):
    assert melodies.compose(0, 7) == composed[7]
    assert melodies.compose(1, 7) != composed[7]
    assert len({tuple(notes) for notes in composed}) == 100


def test_narrow_bounds_are_kept():
    for number in range(30):
        notes = melodies.compose(0, number, 60, 72)
        assert all(60 <= note.pitch <= 72 for note in notes)


def pitches(*numbers):
    return [Note(i, i + 1, pitch, 100) for i, pitch in enumerate(numbers)]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((60, 64, 67), (60, 64, 67)),  # inside: nothing moves
        ((48, 52, 55), (60, 64, 67)),
        ((90, 92, 95), (66, 68, 71)),
        ((62, 70, 90), (62, 70, 78)),  # one is outside, and alone is moved
        ((58, 61, 84), (70, 73, 72)),  # an octave higher, one is outside instead of two
    ],
)
def test_music_moves_by_octaves_into_a_compass(given, expected):
    moved = compass.transpose(pitches(*given), 60, 79)
    assert [note.pitch for note in moved] == list(expected)
    assert [note.start_s for note in moved] == [0, 1, 2]


def test_every_compass_holds_an_octave_and_any_music_fits():
    rng = np.random.default_rng(0)
    for program in range(len(PROGRAM_NAMES)):
        lowest, highest = compass.of_program(program)
        assert 0 <= lowest <= highest - 12 <= 115
        notes = pitches(*rng.integers(0, 128, 50).tolist())
        moved = compass.transpose(notes, lowest, highest)
        assert all(lowest <= note.pitch <= highest for note in moved)
        assert all((a.pitch - b.pitch) % 12 == 0 for a, b in zip(notes, moved, strict=True))
