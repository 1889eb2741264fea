import numpy as np
import pytest
from tone_codec import tone

from wavenet_ae.instrument import rendered, tuning


@pytest.mark.parametrize(
    ("midi", "pitch", "cents"), [(60, 60, 0), (60.5, 60, 50), (71.75, 60, 1175), (48, 60, -1200)]
)
def test_cents_from_the_pitch_that_was_asked_for(midi, pitch, cents):
    audio = tone(440 * 2 ** ((midi - 69) / 12))
    assert abs(tuning.cents(audio, pitch, 24_000) - cents) <= 15


def test_only_what_is_held_counts():
    held, tail = tone(220), tone(330)
    audio = np.concatenate([held[:16_000], tail, tail])
    assert abs(tuning.cents(audio, 57, 16_000)) <= 15


def test_no_pitch_is_none():
    noise = np.random.default_rng(0).normal(scale=0.1, size=32_000).astype(np.float32)
    for audio in (noise, np.zeros(16_000, np.float32), tone(220)[:300], noise[:1]):
        assert tuning.cents(audio, 57, len(audio)) is None


def test_transposed_by_a_semitone():
    audio = tone(220)
    for semitones in (-1, 1):
        moved = tuning.transpose(audio, semitones)
        assert abs(tuning.cents(moved, 57 + semitones, 20_000)) <= 15
        assert len(moved) == pytest.approx(len(audio) / 2 ** (semitones / 12), abs=1)
    assert tuning.transpose(audio, 0) is audio


def test_further_attempts_take_the_neighbours_and_a_nearer_one_is_better():
    assert [tuning.semitones(attempt) for attempt in range(1, 6)] == [0, -1, 1, 0, -1]
    assert tuning.is_better(-30, 40)
    assert tuning.is_better(300, None)
    assert not tuning.is_better(None, None)
    assert not tuning.is_better(40, -40)
    assert [rendered.is_in_tune(cents) for cents in (None, -50, 51)] == [False, True, False]
