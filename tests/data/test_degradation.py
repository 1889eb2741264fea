import numpy as np
import pytest

from wavenet_ae.data.degradation import degrade

SAMPLE_RATE_HZ = 16_000
TIME = np.arange(4 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ


def tone(frequency_hz, level=0.5):
    return (level * np.sin(2 * np.pi * frequency_hz * TIME)).astype(np.float32)


@pytest.mark.parametrize("frequency_hz", [55.0, 440.0, 3000.0])
def test_a_tone_keeps_its_pitch_and_is_detuned_by_up_to_10_cents(frequency_hz):
    cents = []
    for seed in range(8):
        varied = degrade(tone(frequency_hz), np.random.default_rng(seed))
        assert varied.shape == TIME.shape
        assert varied.dtype == np.float32
        assert np.abs(varied).max() <= 1
        spectrum = np.abs(np.fft.rfft(varied * np.hanning(len(varied)), 2**20))
        found = spectrum.argmax() * SAMPLE_RATE_HZ / 2**20
        cents.append(1200 * np.log2(found / frequency_hz))
    assert np.abs(cents).max() < 11
    assert np.ptp(cents) > 5


def test_the_noise_is_below_the_sound_and_follows_it():
    quiet, loud = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        halves = tone(440.0) * (TIME < 2)
        varied = degrade(halves, rng)
        spectrum = np.abs(np.fft.rfft(varied[: 2 * SAMPLE_RATE_HZ])) ** 2
        peak = spectrum.argmax()
        signal = spectrum[peak - 50 : peak + 50].sum()
        loud.append((spectrum.sum() - signal) / signal)
        quiet.append(np.mean(varied[-SAMPLE_RATE_HZ:] ** 2) / np.mean(halves**2))
    assert 1e-4 < max(loud) < 0.1
    assert np.median(quiet) < np.median(loud)


def test_bands_are_changed_by_up_to_4_decibels():
    levels = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        both = degrade(tone(120.0, 0.3) + tone(2000.0, 0.3), rng)
        spectrum = np.abs(np.fft.rfft(both * np.hanning(len(both))))
        low, high = (spectrum[: 2 * SAMPLE_RATE_HZ // 16], spectrum[2 * SAMPLE_RATE_HZ // 16 :])
        levels.append(20 * np.log10(low.max() / high.max()))
    assert np.abs(levels).max() < 9
    assert np.std(levels) > 1


def test_the_changes_depend_on_the_generator_alone():
    first, again, other = (degrade(tone(440.0), np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3
    assert np.isfinite(degrade(np.zeros(64_000, np.float32), np.random.default_rng(0))).all()
