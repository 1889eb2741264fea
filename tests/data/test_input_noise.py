import numpy as np
import pytest

from wavenet_ae.data.input_noise import InputNoise, shaped_noise


@pytest.fixture(scope="module")
def sound():
    """Half a second at 500 Hz, then as long and half as loud at 3 kHz."""
    time = np.arange(8_000) / 16_000
    parts = [0.4 * np.sin(2 * np.pi * 500 * time), 0.2 * np.sin(2 * np.pi * 3_000 * time)]
    return np.concatenate(parts).astype(np.float32)


def share_near(audio, hz):
    """The share of the power within 150 Hz of a frequency."""
    power = np.abs(np.fft.rfft(audio)) ** 2
    near = np.abs(np.fft.rfftfreq(len(audio), 1 / 16_000) - hz) < 150
    return power[near].sum() / power.sum()


def test_shaped_noise_has_the_spectrum_of_each_moment(sound):
    noise = shaped_noise(sound, np.random.default_rng(0))
    assert noise.dtype == np.float32
    assert noise.shape == sound.shape
    assert np.std(noise) == pytest.approx(np.std(sound), rel=0.01)
    early, late = noise[:7_500], noise[8_500:]
    assert share_near(early, 500) > 0.95
    assert share_near(late, 3_000) > 0.95
    assert 1.5 < np.std(early) / np.std(late) < 2.7


def test_shaped_noise_is_not_the_sound(sound):
    noises = [shaped_noise(sound, np.random.default_rng(seed)) for seed in range(16)]
    correlations = [np.corrcoef(noise, sound)[0, 1] for noise in noises]
    assert np.abs(np.mean(correlations)) < 0.15
    # A tone repeats itself, its noise does not.
    period = 16_000 // 500
    repeats = [np.corrcoef(n[: -9 * period], n[9 * period :])[0, 1] for n in noises]
    assert np.mean(repeats) < 0.7
    again = shaped_noise(sound, np.random.default_rng(3))
    np.testing.assert_array_equal(noises[3], again)


@pytest.mark.parametrize("length", [1, 2, 3, 100, 511, 513])
def test_short_crops_have_noise_too(sound, length):
    noise = shaped_noise(sound[1 : length + 1], np.random.default_rng(0))
    assert noise.shape == (length,)
    assert np.all(np.isfinite(noise))
    assert noise.any()


def test_silence_stays_silent():
    silence = np.zeros(1_024, np.float32)
    assert not shaped_noise(silence, np.random.default_rng(0)).any()
    codes = InputNoise(0.0, 1.0).random_map({"audio": silence}, np.random.default_rng(0))
    assert not codes["decoder_input_noise"].any()


def test_noise_in_codes_is_what_is_added_to_the_sound(sound):
    element = {"audio": sound}
    codes = InputNoise(0.0, 0.3).random_map(element, np.random.default_rng(0))
    noise = codes["decoder_input_noise"]
    assert noise.dtype == np.int8
    assert codes["audio"] is sound
    rng = np.random.default_rng(0)
    rng.normal(0, rng.uniform(0, 0.0), len(sound))
    noisy = sound + rng.uniform(0, 0.3) * shaped_noise(sound, rng)

    def compressed(x):
        return 128 * np.sign(x) * np.log1p(255 * np.abs(x)) / np.log(256)

    np.testing.assert_array_equal(noise, np.round(compressed(noisy) - compressed(sound)))


def test_more_than_int8_holds_is_cut_off():
    loud = np.random.default_rng(0).uniform(-1, 1, 8_000).astype(np.float32)
    noise = InputNoise(0.0, 1.0).random_map({"audio": loud}, np.random.default_rng(1))
    assert noise["decoder_input_noise"].min() == -128
    assert noise["decoder_input_noise"].max() == 127
