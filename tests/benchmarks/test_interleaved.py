import math

import pytest

from wavenet_ae.benchmarks import interleaved
from wavenet_ae.benchmarks.interleaved import Spread
from wavenet_ae.system.errors import UserError


class Clock:
    """A clock that goes on by so many seconds with every call of `work`."""

    def __init__(self, monkeypatch, seconds):
        self.now = 100.0
        self.seconds = seconds
        self.calls = 0
        monkeypatch.setattr(interleaved.time, "perf_counter", lambda: self.now)

    def work(self):
        self.calls += 1
        self.now += self.seconds


def test_contestants_take_turns():
    order = []
    results = {"a": iter([3.0, 1.0, 2.0]), "b": iter([30.0, 10.0, 80.0])}

    def contestant(name):
        def measure():
            order.append(name)
            return next(results[name])

        return measure

    measured = interleaved.measure({name: contestant(name) for name in results}, 3)
    assert order == ["a", "b", "a", "b", "a", "b"]
    assert measured == {"a": Spread(2.0, 1.0, 3.0), "b": Spread(30.0, 10.0, 80.0)}


def test_spreads_change_their_unit():
    assert Spread(4.0, 2.0, 5.0).times(10) == Spread(40.0, 20.0, 50.0)
    assert Spread(4.0, 2.0, 5.0).inverse() == Spread(0.25, 0.2, 0.5)


def test_calls_are_made_until_the_time_is_over(monkeypatch):
    clock = Clock(monkeypatch, 0.25)
    assert interleaved.calls_per_s(clock.work, 0.9) == 4.0
    assert clock.calls == 4


def test_a_call_that_takes_longer_is_made_once(monkeypatch):
    clock = Clock(monkeypatch, 20.0)
    assert interleaved.calls_per_s(clock.work, 5.0) == 0.05
    assert clock.calls == 1


def test_warming_up_does_not_count(monkeypatch):
    clock = Clock(monkeypatch, 0.25)
    slow = iter([10.0])

    def work():
        clock.work()
        clock.now += next(slow, 0.0)

    assert interleaved.calls_per_s(work, 1.0, warm_up_s=0.5) == 4.0
    assert clock.calls == 5


def test_the_rate_is_of_computed_results(monkeypatch):
    clock = Clock(monkeypatch, 0.0)
    computed = []

    def block_until_ready(result):
        if result is not None:
            clock.now += 0.5
            computed.append(result)

    monkeypatch.setattr(interleaved.jax, "block_until_ready", block_until_ready)
    numbers = iter(range(10))
    assert interleaved.calls_per_s(lambda: next(numbers), 1.0) == 2.0
    # All have been waited for, the last one, too.
    assert computed == [0, 1, 2]


@pytest.mark.parametrize("seconds", [math.inf, math.nan])
def test_measurements_end(seconds):
    with pytest.raises(UserError, match="--seconds="):
        interleaved.check_seconds(seconds)
