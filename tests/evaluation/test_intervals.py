import numpy as np
import pytest
from scipy import stats

from wavenet_ae.evaluation.intervals import bootstrap_interval


def test_interval_of_independent_notes_is_that_of_the_binomial():
    values = np.arange(400) % 4 == 0
    low, high = bootstrap_interval(values, None, seed=0)
    expected = stats.binom(400, 0.25).ppf([0.025, 0.975]) / 400
    np.testing.assert_allclose((low, high), expected, atol=0.01)
    assert bootstrap_interval(values, None, seed=0) == (low, high)
    assert bootstrap_interval(values, None, seed=1) != (low, high)


def test_notes_of_one_instrument_stand_and_fall_together():
    # Twenty instruments, half of them right throughout: as uncertain as twenty notes.
    clusters = np.repeat([f"instrument_{i:02d}" for i in range(20)], 50)
    values = np.repeat(np.arange(20) % 2, 50).astype(float)
    low, high = bootstrap_interval(values, clusters, seed=0)
    expected = stats.binom(20, 0.5).ppf([0.025, 0.975]) / 20
    np.testing.assert_allclose((low, high), expected, atol=0.051)
    narrow = bootstrap_interval(values, None, seed=0)
    assert high - low > 5 * (narrow[1] - narrow[0])
    shuffled = np.random.default_rng(0).permutation(len(values))
    assert bootstrap_interval(values[shuffled], clusters[shuffled], seed=0) == (low, high)


def test_large_instruments_weigh_more():
    values = np.repeat([0.0, 1.0], [900, 100])
    low, high = bootstrap_interval(values, np.repeat([0, 1], [900, 100]), seed=0)
    assert (low, high) == (0, 1)
    values = np.array([1.0] * 10 + [0.0, 1.0] * 45)
    clusters = np.repeat(np.arange(10), 10)
    low, high = bootstrap_interval(values, clusters, seed=0)
    assert low == pytest.approx(0.5)
    assert values.mean() < high < 0.75


def test_one_instrument_alone_is_resampled_by_its_notes():
    values = np.arange(100) % 2
    one = bootstrap_interval(values, np.full(100, "flute_acoustic_000"), seed=0)
    assert one == bootstrap_interval(values, None, seed=0)
    assert one[0] < 0.5 < one[1]


def test_equal_values_have_no_width():
    assert bootstrap_interval(np.ones(5), None, seed=0) == (1, 1)


def test_too_few_values_are_refused():
    with pytest.raises(ValueError, match="1 values have no interval"):
        bootstrap_interval(np.ones(1), None, seed=0)
    with pytest.raises(ValueError, match="2 clusters for 3 values"):
        bootstrap_interval(np.ones(3), np.arange(2), seed=0)
