import numpy as np
import pytest

from wavenet_ae.data.pitch_shift import shift, shift_a_part

SAMPLE_RATE_HZ = 16_000
SAMPLES = 12_000
TIME_S = np.arange(SAMPLES) / SAMPLE_RATE_HZ
START, LENGTH = 3_000, 6_000
INNER = slice(START + 400, START + LENGTH - 400)  # without the fades


def tone(frequency_hz):
    return (0.5 * np.sin(2 * np.pi * frequency_hz * TIME_S)).astype(np.float32)


def frequency_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 2**20))
    return spectrum.argmax() * SAMPLE_RATE_HZ / 2**20


@pytest.mark.parametrize("semitones", [-0.5, -0.2, 0.3, 0.5])
@pytest.mark.parametrize("frequency", [220.0, 1234.0, 5000.0])
def test_the_pitch_moves_by_what_was_asked(semitones, frequency):
    changed = shift(tone(frequency), START, LENGTH, semitones)
    found = 12 * np.log2(frequency_hz(changed[INNER]) / frequency)
    assert found == pytest.approx(semitones, abs=0.01)
    level = np.std(changed[INNER]) / np.std(tone(frequency)[INNER])
    assert level == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("semitones", [-0.5, 0.5])
@pytest.mark.parametrize("start", [0, 3_000, SAMPLES - LENGTH])
def test_what_is_outside_the_part_stays(semitones, start):
    rng = np.random.default_rng(0)
    audio = rng.uniform(-1, 1, SAMPLES).astype(np.float32)
    before = audio.copy()
    changed = shift(audio, start, LENGTH, semitones)
    np.testing.assert_array_equal(audio, before)
    outside = np.ones(SAMPLES, bool)
    outside[start : start + LENGTH] = False
    np.testing.assert_array_equal(changed[outside], audio[outside])
    assert (changed.shape, changed.dtype) == (audio.shape, audio.dtype)
    assert np.abs(changed).max() <= 1
    assert np.mean(changed[~outside] != audio[~outside]) > 0.99


@pytest.mark.parametrize("semitones", [-0.5, 0.5])
@pytest.mark.parametrize("start", [0, 2_917, SAMPLES - LENGTH])
def test_there_is_no_click_at_the_edges(semitones, start):
    frequency = 440.0
    changed = shift(tone(frequency), start, LENGTH, semitones)
    # What a sine of the highest of the two frequencies cannot do within a sample.
    steepest = 0.5 * 2 * np.pi * frequency * 2 ** (0.5 / 12) / SAMPLE_RATE_HZ
    assert np.abs(np.diff(changed)).max() < 1.05 * steepest
    bent = np.abs(np.diff(changed, 2)).max()
    assert bent < 1.2 * steepest * 2 * np.pi * frequency * 2 ** (0.5 / 12) / SAMPLE_RATE_HZ


@pytest.mark.parametrize("semitones", [-0.5, 0.5])
def test_events_stay_within_6_milliseconds(semitones):
    clicks = np.zeros(SAMPLES, np.float32)
    places = START + np.array([600, 3_000, 5_400])
    clicks[places] = 0.9
    changed = np.abs(shift(clicks, START, LENGTH, semitones))
    for place in places:
        nearby = slice(place - 400, place + 400)
        assert abs(changed[nearby].argmax() - 400) <= 0.006 * SAMPLE_RATE_HZ


def test_parts_are_drawn_as_published():
    audio = np.random.default_rng(0).uniform(-0.9, 0.9, SAMPLES).astype(np.float32)
    spans, cents = [], []
    for seed in range(200):
        changed = shift_a_part(audio, np.random.default_rng(seed))
        touched = np.flatnonzero(changed != audio)
        spans.append((touched[0], touched[-1] + 1 - touched[0]))
        moved = shift_a_part(tone(1000.0), np.random.default_rng(seed))
        inner = slice(touched[0] + 300, touched[-1] - 300)
        cents.append(1200 * np.log2(frequency_hz(moved[inner]) / 1000))
    starts, lengths = np.array(spans).T
    assert starts.min() < 300
    assert 5_700 < starts.max() <= SAMPLES // 2
    assert SAMPLES // 4 - 5 <= lengths.min() < 3_100
    assert 5_900 < lengths.max() <= SAMPLES // 2
    assert -51 < min(cents) < -45
    assert 45 < max(cents) < 51
    assert abs(np.mean(cents)) < 6
    assert np.std(cents) == pytest.approx(100 / 12**0.5, rel=0.1)  # uniform


def test_the_result_depends_on_the_generator_alone():
    audio = tone(440.0)
    first, again, other = (shift_a_part(audio, np.random.default_rng(s)) for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 0.01


def test_parts_too_short_for_two_fades_stay():
    audio = tone(440.0)[:600]
    np.testing.assert_array_equal(shift_a_part(audio, np.random.default_rng(0)), audio)
