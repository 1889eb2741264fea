import pytest

from wavenet_ae.audio.midi import Note
from wavenet_ae.evaluation.note_scores import Wrong, compare, excerpt, within, wrong

PIECE = [Note(0.0, 1.0, 60, 80), Note(1.0, 1.5, 64, 80), Note(1.0, 2.0, 67, 80)]


def test_notes_are_found_by_pitch_and_beginning_alone():
    found = [
        Note(0.04, 0.2, 60, 10),  # its end does not count
        Note(1.06, 1.5, 64, 80),  # too late
        Note(1.0, 2.0, 68, 80),  # a semitone too high
        Note(1.01, 1.2, 67, 80),
    ]
    assert compare(PIECE, found) == pytest.approx((2 / 4, 2 / 3, 4 / 7))
    assert compare(PIECE, PIECE) == (1, 1, 1)


def test_one_note_is_not_found_twice():
    assert compare(PIECE[:1], [PIECE[0], PIECE[0]]) == pytest.approx((1 / 2, 1, 2 / 3))


def test_nothing_to_find_and_nothing_found():
    assert compare([], PIECE) is None
    assert compare(PIECE, []) == (0, 0, 0)


def test_wrong_notes_by_what_sounds_when_they_begin():
    found = [
        *PIECE,
        Note(1.3, 1.4, 64, 80),  # again
        Note(0.8, 0.9, 64, 80),  # nothing of it sounds yet
        Note(0.5, 0.9, 72, 80),  # an octave above 60
        Note(0.5, 0.9, 41, 80),  # a twelfth below it
        Note(0.5, 0.9, 79, 80),  # a twelfth above it
        Note(2.5, 2.9, 67, 80),  # in silence
        Note(1.2, 1.4, 65, 80),
    ]
    assert wrong(PIECE, found) == Wrong(repeated=1 / 10, overtone=3 / 10, other=3 / 10)
    assert wrong(PIECE, PIECE) == (0, 0, 0)
    assert wrong(PIECE, []) is None


def test_parts_of_a_piece():
    assert excerpt(PIECE, 1.0, 1.8) == [
        Note(0.0, 0.5, 64, 80),
        Note(0.0, pytest.approx(0.8), 67, 80),
    ]
    assert within(PIECE, 61, 66) == PIECE[1:2]
