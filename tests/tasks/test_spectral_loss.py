import authors
import jax.numpy as jnp
import numpy as np

from wavenet_ae.tasks.spectral_loss import frequency_weights, weighted_squared_error


def test_frequency_weights_are_the_authors():
    expected = authors.load("spectral_initial.npz")["frequency_weights"]
    np.testing.assert_array_equal(frequency_weights(), expected[0, :, 0])


def test_frequency_weights_follow_hz_not_bins():
    # 4 kHz is the 64th of 128 bins to 8 kHz, and none of 100 bins to 2 kHz is above it.
    coarse = frequency_weights(128)
    assert (coarse[0], coarse[63], coarse[62] > 1) == (10, 1, True)
    np.testing.assert_array_equal(coarse[63:], 1)
    np.testing.assert_allclose(np.diff(coarse[:64]), -9 / 63, rtol=1e-5)
    low = frequency_weights(100, sample_rate_hz=4_000, peak=5.0)
    np.testing.assert_allclose(low, np.linspace(5, 1, 100), rtol=1e-6)


def test_the_error_is_a_mean_over_bins_and_a_sum_over_channels():
    target = jnp.zeros((2, 4, 3, 2))
    # One bin of 12 is off by 2 in the first note; the second note is off by 1 everywhere.
    prediction = target.at[0, 1, 2, 1].set(2.0).at[1].set(-1.0)
    weights = np.array([10.0, 4.0, 1.0, 1.0])
    error = weighted_squared_error(target, prediction, weights)
    np.testing.assert_allclose(error, [4 * 4 / 12, 2 * 16 / 4], rtol=1e-6)
