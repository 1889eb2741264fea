import itertools

import numpy as np
import pytest

from wavenet_ae.audio import midi
from wavenet_ae.prepare.phrases import piano


@pytest.fixture(scope="module")
def composed():
    return [piano.compose(0, number) for number in range(60)]


def sounding(notes, step_s=0.01):
    """How many keys sound at each of many times."""
    times = np.arange(0, notes[-1].end_s, step_s)
    return sum(((times >= it.start_s) & (times < it.end_s)).astype(int) for it in notes)


def test_pieces_are_polyphonic_and_of_30_to_60_seconds(composed):
    for notes in composed:
        assert 30 <= max(note.end_s for note in notes) <= 60
        assert np.mean(sounding(notes) >= 2) > 0.5
        assert [note.start_s for note in notes] == sorted(note.start_s for note in notes)
    assert np.mean(np.concatenate([sounding(notes) for notes in composed])) > 3


def test_keys_and_velocities_are_well_spread(composed):
    pitches = np.array([note.pitch for notes in composed for note in notes])
    velocities = np.array([note.velocity for notes in composed for note in notes])
    assert np.all((pitches >= 33) & (pitches <= 96))
    assert len(set(pitches.tolist())) > 55
    assert np.all((velocities >= 1) & (velocities <= 127))
    assert np.percentile(velocities, 90) - np.percentile(velocities, 10) > 40
    for notes in composed:  # one scale a piece
        assert len({note.pitch % 12 for note in notes}) <= 7


def test_a_key_sounds_once_at_a_time_and_long_enough_to_be_struck(composed):
    for notes in composed:
        assert midi.on_one_keyboard(notes) == notes
        assert min(note.end_s - note.start_s for note in notes) > 0.04


def test_the_pedal_holds_notes_to_the_end_of_a_bar(composed):
    """Then many notes that began apart end together."""
    shares = []
    for notes in composed:
        ends = sorted(note.end_s for note in notes)
        shares.append(np.mean([b - a < 1e-9 for a, b in itertools.pairwise(ends)]))
    assert np.mean(np.array(shares) > 0.3) > 0.3
    assert np.std(shares) > 0.1


def test_a_piece_depends_on_its_seed_and_number_alone(composed):
    assert piano.compose(0, 7) == composed[7]
    assert piano.compose(1, 7) != composed[7]
    assert len({tuple(notes) for notes in composed}) == 60
