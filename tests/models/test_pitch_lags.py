import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.audio import mu_law
from wavenet_ae.models import pitch_lags


def tone(pitch, num_samples=6_000):
    """Overtones up to 5 kHz, their sum within -0.5..0.5."""
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    time = np.arange(num_samples) / 16_000
    numbers = range(1, int(5_000 / frequency) + 1)
    waves = [np.sin(2 * np.pi * n * frequency * time + n**2) / n for n in numbers]
    sound = np.sum(waves, axis=0)
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.mark.parametrize("pitch", [21, 22, 40, 69, 83, 96, 108])
def test_a_periodic_sound_is_repeated_a_sample_ahead(pitch):
    sound = tone(pitch)
    inputs = mu_law.compress(jnp.pad(sound[:-1], (1, 0)))  # as a decoder has them
    lagged = pitch_lags.of_signal(inputs[None], jnp.array([pitch]), 3)
    assert lagged.shape == (3, 1, 6_000)
    ahead = np.asarray(mu_law.expand(lagged))[:, 0, 2_000:-1]
    # The filters are 8 taps long: overtones of up to 5 kHz are off by 30 dB at most.
    error = np.sqrt(np.mean((ahead - sound[2_001:]) ** 2, axis=1))
    assert np.all(error < 0.04 * np.std(sound))


def test_another_pitch_is_not_what_it_repeats():
    inputs = mu_law.compress(jnp.asarray(tone(60)))[None]
    right, wrong = (
        np.asarray(mu_law.expand(pitch_lags.of_signal(inputs, jnp.array([p]), 1)))[0, 0, 2_000:-1]
        for p in (60, 63)
    )
    assert np.std(wrong - right) > np.std(right)


@pytest.mark.parametrize(
    ("pitch", "longest"), [(21, 3 * 16_000 / 27.5), (108, 3 * 3 * 16_000 / 4186)]
)
def test_lags_are_whole_numbers_of_periods_of_the_past(pitch, longest):
    signal = 0.1 + 0.5 * jax.random.uniform(jax.random.key(0), (1, 4_000))
    at = 3_000

    def output(signal):
        return pitch_lags.of_signal(signal, jnp.array([pitch]), 3)[:, 0, at].sum()

    places = np.flatnonzero(np.asarray(jax.grad(output)(signal))[0])
    assert places.max() <= at
    # A sample ahead of the lag, read from inputs that are one late, through filters of 8 taps.
    assert at - places.min() == pytest.approx(longest - 2, abs=4.5)
    assert at - places.min() < pitch_lags.longest(3)


def test_each_sound_has_its_own_pitch():
    signal = jax.random.uniform(jax.random.key(0), (3, 2_500), minval=-1.0)
    pitch = jnp.array([30, 60, 90])
    together = pitch_lags.of_signal(signal, pitch, 2)
    for row in range(3):
        alone = pitch_lags.of_signal(signal[row, None], pitch[row, None], 2)
        np.testing.assert_allclose(together[:, row], alone[:, 0], atol=1e-6)


def test_pitches_below_the_lowest_key_are_read_as_it():
    signal = jax.random.uniform(jax.random.key(0), (1, 2_500), minval=-1.0)
    low, lowest = (pitch_lags.of_signal(signal, jnp.array([p]), 2) for p in (0, 21))
    np.testing.assert_array_equal(low, lowest)


def test_steps_are_the_whole():
    signal = jax.random.uniform(jax.random.key(0), (3, 4_000), minval=-1.0)
    pitch = jnp.array([21, 64, 108])

    def step(history, sample):
        newest, time = sample
        return pitch_lags.step(history, newest, pitch, time, 3)

    history = pitch_lags.initial_history(3, 3)
    assert len(history) < 2_000  # the ring buffer is written over
    _, steps = jax.lax.scan(step, history, (signal.T, jnp.arange(4_000)))
    whole = pitch_lags.of_signal(signal, pitch, 3)
    np.testing.assert_allclose(jnp.moveaxis(steps[..., 0], 0, -1), whole, atol=1e-6)
