import numpy as np
import pytest

from wavenet_ae.instrument import envelope

SECONDS = np.arange(64_000) / 16_000


def note(held_db_per_s, released_s, released_db_per_s, noise_db=-80.0):
    """A tone that begins after 0.1 s and falls by so much while it is held, and afterwards."""
    since = np.maximum(SECONDS - 0.1, 0)
    db = -held_db_per_s * since - released_db_per_s * np.maximum(SECONDS - released_s, 0)
    tone = np.sin(2 * np.pi * 220 * SECONDS) * 10 ** (db / 20) * (SECONDS >= 0.1)
    noise = np.random.default_rng(0).normal(size=len(tone)) * 10 ** (noise_db / 20)
    return (0.5 * tone + noise).astype(np.float32)


@pytest.mark.parametrize("held", [0, 6, 12])
@pytest.mark.parametrize("released_s", [1.5, 3.0])
@pytest.mark.parametrize("fall", [60, 300])
def test_the_release_is_where_the_level_breaks(held, released_s, fall):
    found = envelope.release(note(held, released_s, fall))
    assert abs(found / 16_000 - released_s) <= 0.06


@pytest.mark.parametrize("held", [0, 12, 60])
def test_a_note_that_only_decays_or_sounds_to_its_end_has_none(held):
    assert envelope.release(note(held, 9.0, 0)) is None


def test_silence_and_the_shortest_sounds_have_none():
    for audio in (np.zeros(16_000, np.float32), np.ones(1, np.float32), note(0, 9, 0)[:2000]):
        assert envelope.release(audio) is None


def test_the_onset_is_kept_and_the_silence_before_it_is_not():
    assert 1600 - 128 <= envelope.onset(note(0, 3, 60)) <= 1600
    slow = (np.sin(2 * np.pi * 220 * SECONDS) * np.clip(SECONDS / 2 - 0.3, 0, 1)).astype(np.float32)
    assert envelope.onset(slow) == 0
    assert envelope.onset(np.zeros(100, np.float32)) == 0


def test_the_end_is_where_nothing_more_is_heard():
    assert abs(envelope.end(note(0, 3, 100)) / 16_000 - 3.6) < 0.1
    assert envelope.end(np.ones(5, np.float32)) == 5


def test_a_fade_begins_and_ends_at_zero_and_leaves_the_rest():
    faded = envelope.fade(np.ones(100, np.float32), 10, 20)
    assert faded[0] == 0
    assert faded[-1] == 0
    assert np.all(faded[10:80] == 1)
    assert np.abs(np.diff(faded)).max() < 0.2
    assert envelope.fade(np.ones(3, np.float32), 10, 20).shape == (3,)
