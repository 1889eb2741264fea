import numpy as np
import pytest

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.qualities import measure_qualities

TIME_S = np.arange(nsynth.NOTE_SAMPLES) / nsynth.SAMPLE_RATE_HZ
PITCH = 57  # 220 Hz
HELD = np.where(TIME_S < nsynth.HELD_SECONDS, 1.0, 0.0)


def _tone(amplitudes):
    """Harmonics of 220 Hz."""
    return 0.1 * sum(
        amplitude * np.sin(2 * np.pi * 220 * n * TIME_S)
        for n, amplitude in enumerate(amplitudes, start=1)
    )


def _names(samples, **program):
    flags = {"distortion": False, "multiphonic": False} | program
    bits = measure_qualities(samples, PITCH, **flags)
    assert len(bits) == len(nsynth.QUALITIES)
    assert set(bits) <= {0, 1}
    return {name for name, held in zip(nsynth.QUALITIES, bits, strict=True) if held}


SAWTOOTH = [1 / n for n in range(1, 37)]


def test_a_steady_tone_with_some_harmonics_has_no_quality():
    assert _names(_tone([1, 0.5, 0.3, 0.2, 0.1, 0.1, 0.05, 0.03, 0.02, 0.02]) * HELD) == set()


def test_a_sine_is_dark_and_a_tone_of_many_harmonics_bright():
    assert _names(_tone([1]) * HELD) == {"dark"}
    assert _names(_tone([1] * 30) * HELD) == {"bright"}


@pytest.mark.parametrize(("pitch", "expected"), [(57, True), (33, False)])
def test_a_sawtooth_is_bright_unless_it_is_low(pitch, expected):
    # Both have the same wave, but most of the low one lies under 2 kHz.
    f0_hz = 440 * 2 ** ((pitch - 69) / 12)
    tone = 0.1 * sum(
        np.sin(2 * np.pi * f0_hz * n * TIME_S) / n for n in range(1, int(8000 / f0_hz) + 1)
    )
    bits = measure_qualities(tone * HELD, pitch, distortion=False, multiphonic=False)
    assert bits[nsynth.QUALITIES.index("bright")] == expected


@pytest.mark.parametrize(("half_life_s", "expected"), [(0.1, True), (0.3, True), (1.0, False)])
def test_fast_decay(half_life_s, expected):
    tone = _tone([1, 0.5, 0.3, 0.2]) * 2.0 ** (-TIME_S / half_life_s) * HELD
    assert ("fast_decay" in _names(tone)) == expected


@pytest.mark.parametrize(("fall_db_per_s", "expected"), [(10, True), (30, True), (60, False)])
def test_long_release(fall_db_per_s, expected):
    fall_db = fall_db_per_s * np.maximum(TIME_S - nsynth.HELD_SECONDS, 0)
    assert ("long_release" in _names(_tone([1, 0.5]) * 10 ** (-fall_db / 20))) == expected


def test_a_note_that_is_over_before_the_release_has_no_long_release():
    assert "long_release" not in _names(_tone([1, 0.5]) * 2.0 ** (-TIME_S / 0.1))


@pytest.mark.parametrize(
    ("envelope", "expected"),
    [
        (np.ones_like(TIME_S), False),
        (2.0 ** (-TIME_S / 0.5), False),
        (np.minimum(TIME_S / 0.15, 1), False),  # a soft attack
        (np.minimum(TIME_S / 2, 1), True),  # a swell
        (1 + 0.6 * np.sin(2 * np.pi * 2 * TIME_S), True),  # a tremolo
        (1 + 0.1 * np.sin(2 * np.pi * 5 * TIME_S), False),  # a gentle one
    ],
)
def test_nonlinear_envelope(envelope, expected):
    assert ("nonlinear_env" in _names(_tone([1, 0.5]) * envelope * HELD)) == expected


def test_percussive():
    tone = _tone([1, 0.5, 0.2]) * 2.0 ** (-TIME_S / 0.5) * HELD
    noise = np.random.default_rng(0).normal(size=TIME_S.size) * 2.0 ** (-TIME_S / 0.02)
    assert "percussive" in _names(tone + 0.05 * noise)
    assert "percussive" not in _names(tone)
    slow = np.minimum(TIME_S / 0.2, 1)
    assert "percussive" not in _names((tone + 0.05 * noise) * slow)
    # The noise of a breath goes on.
    steady = np.random.default_rng(0).normal(size=TIME_S.size) * HELD
    assert "percussive" not in _names(tone + 0.05 * steady)


def test_the_program_alone_says_distortion_and_multiphonic():
    tone = _tone([1] * 30) * HELD
    assert _names(tone, distortion=True, multiphonic=True) == {
        "bright",
        "distortion",
        "multiphonic",
    }


def test_qualities_do_not_depend_on_the_gain():
    tone = _tone(SAWTOOTH) * 2.0 ** (-TIME_S / 0.2) * HELD
    assert _names(tone) == _names(0.01 * tone)


def test_silence_and_a_key_that_speaks_at_its_release_can_be_measured():
    _names(np.zeros(nsynth.NOTE_SAMPLES))
    _names(_tone([1, 0.5]) * (1 - HELD))
