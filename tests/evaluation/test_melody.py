import numpy as np
import pytest

from wavenet_ae.evaluation.melody import compare

NONE = np.nan
MELODY = np.array([60.0, 60.0, NONE, 64.0, 64.0, 67.0])


def test_frames_within_half_a_semitone_are_kept():
    other = np.array([60.4, 60.6, 60.0, NONE, 64.0, 79.0])
    kept = compare(MELODY, other)
    assert kept.pitch == pytest.approx(2 / 5)  # of the frames where the melody has a pitch
    assert kept.chroma == pytest.approx(3 / 5)  # the last is an octave higher


def test_the_melody_itself_is_kept_in_another_tempo():
    assert compare(MELODY, MELODY) == (1.0, 1.0, 0.0)
    later = compare(MELODY, np.array([NONE, 60.0, 60.0, 60.0, 64.0, 67.0]))
    assert (later.pitch, later.distance) == (3 / 5, 0)
    assert compare(MELODY, MELODY + 2).distance == pytest.approx(2)
    # 60 and 60 meet 60, 64 meets 62: by hand.
    short = compare(np.array([60.0, 60.0, 64.0]), np.array([60.0, 62.0, NONE]))
    assert short.distance == pytest.approx(2 / 3)


def test_sounds_without_pitch():
    nothing = np.full(6, NONE)
    assert compare(nothing, MELODY) is None
    kept = compare(MELODY, nothing)
    assert (kept.pitch, kept.chroma) == (0, 0)
    assert np.isnan(kept.distance)
