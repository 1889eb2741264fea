import numpy as np
import pytest
from tone_codec import tone

from wavenet_ae.instrument.finishing import finish


@pytest.mark.parametrize("peak", [0.01, 0.4, 1.0])
def test_the_gain_brings_back_the_models_level(peak):
    generated = tone(262, seconds=3.0, peak=peak)
    note = finish(generated, 60)
    assert np.abs(note.audio).max() == pytest.approx(0.99, abs=0.011)
    assert note.gain <= 1
    first, last = 5000, note.release - 4000
    restored = note.audio[first:last] * note.gain
    assert np.sqrt(np.mean(restored**2)) == pytest.approx(peak / 2**0.5, rel=0.02)
    assert note.audio[0] == 0
    assert note.audio[-1] == 0
    assert abs(note.cents) <= 15
    start, end = note.loop
    assert 0 < start < end < note.release < len(note.audio)
    assert abs(note.release / 16_000 - 2.5) < 0.15


def test_silence_stays_silence():
    note = finish(np.full(16_000, 1e-4, np.float32), 60)
    assert (note.gain, note.loop, note.cents) == (1.0, None, None)
    assert np.abs(note.audio).max() <= 1e-4


def test_what_sounds_to_its_end_is_faded_and_released_there():
    note = finish(tone(262, seconds=3.0)[:32_000], 60)
    assert note.release == 32_000 - 800
    assert note.audio[-1] == 0
    assert np.abs(np.diff(note.audio, 2)).max() < 0.05


def test_a_note_that_was_made_at_the_semitone_below_is_brought_up():
    below = finish(tone(440 * 2 ** (-10 / 12)), 60, transposed=1)
    assert abs(below.cents) <= 15
    assert abs(finish(tone(440 * 2 ** (-10 / 12)), 60).cents + 100) <= 15


@pytest.mark.parametrize("samples", [1, 100, 3000])
def test_the_shortest_sounds(samples):
    note = finish(tone(262)[:samples], 60)
    assert note.loop is None
    assert 0 <= note.release <= len(note.audio) <= samples
    assert np.isfinite(note.audio).all()
