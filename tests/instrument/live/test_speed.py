"""How many voices are chosen, by how fast they are generated."""

import pytest
from live_sounds import HOP, sounds, tiny_codec

from wavenet_ae.instrument import voices
from wavenet_ae.instrument.live import speed
from wavenet_ae.system.errors import UserError

CHUNK_S = HOP / 16_000


@pytest.fixture
def machine(monkeypatch):
    """A machine of two cores, on which a voice takes so much of a chunk's time on one core."""

    def make(share):
        monkeypatch.setattr(speed, "num_cores", lambda: 2)
        monkeypatch.setattr(
            voices, "seconds_a_chunk", lambda _, __, count: share * CHUNK_S * -(-count // 2)
        )

    return make


@pytest.mark.parametrize(
    ("share", "num_voices", "factor"),
    [
        (0.24, 6, 1 / 0.72),  # 0.75 of the time are used
        (0.3, 4, 1 / 0.6),
        (0.6, 2, 1 / 0.6),
        (2, 2, 1 / 2),  # too slow
        (0.01, 12, 1 / 0.06),  # more would be another program
    ],
)
def test_voices_take_three_quarters_of_the_time(machine, share, num_voices, factor):
    machine(share)
    measured = speed.measure(tiny_codec(), sounds(1))
    assert measured.num_voices == num_voices
    assert measured.factor == pytest.approx(factor)
    assert measured.is_enough == (share < 1)


@pytest.mark.parametrize(("asked", "factor"), [(1, 1 / 0.6), (5, 1 / 1.8)])
def test_as_many_as_are_asked_for(machine, asked, factor):
    machine(0.6)
    measured = speed.measure(tiny_codec(), sounds(1), asked)
    assert measured.num_voices == asked
    assert measured.factor == pytest.approx(factor)
    assert measured.is_enough == (asked == 1)


def test_real_time_is_measured():
    assert speed.real_time_factor(tiny_codec(), sounds(1), 1) > 0


def test_a_model_that_plays_all_keys_alike_is_refused():
    with pytest.raises(UserError, match="not conditioned on pitch"):
        speed.measure(tiny_codec(has_weights=False, num_pitches=0), sounds(1), 1)
