import subprocess
import sys

import matplotlib
import numpy as np
import pytest

from wavenet_ae.audio import rainbowgram as rainbowgrams

BIN_OF_A4 = 40 * 2 + 30  # C2 + 2 octaves + 9 of 12 semitones


def sine(frequency_hz, samples=64_000, amplitude=0.5):
    return amplitude * np.sin(2 * np.pi * frequency_hz * np.arange(samples) / 16_000)


def test_shape_of_a_note():
    rgb = rainbowgrams.rainbowgram(sine(440))
    assert rgb.shape == (240, 251, 3)
    assert rgb.dtype == np.uint8


@pytest.mark.parametrize("midi", [40, 57, 69, 81, 93, 105])
def test_a_sine_lights_its_row(midi):
    rgb = rainbowgrams.rainbowgram(sine(440 * 2 ** ((midi - 69) / 12)))
    middle = rgb[:, 125].max(axis=1)
    row = round((midi - 36) * 40 / 12)
    assert abs(int(middle.argmax()) - row) <= 1
    assert middle[row] > 200
    far = np.abs(np.arange(240) - row) > 60
    assert middle[far].max() < 60


@pytest.mark.parametrize("frequency_hz", [440.0, 450.0, 890.0])
def test_the_hue_is_the_phase_between_frames(frequency_hz):
    rgb = rainbowgrams.rainbowgram(sine(frequency_hz))
    row = rgb[:, 125].max(axis=1).argmax()
    turns = frequency_hz * 256 / 16_000
    half_turns = 2 * (turns - round(turns))
    expected = 255 * np.array(matplotlib.colormaps["rainbow"]((half_turns + 1) / 2)[:3])
    np.testing.assert_allclose(rgb[row, 50:200], np.tile(expected, (150, 1)), atol=6)


def test_two_notes_have_two_hues():
    first, second = (rainbowgrams.rainbowgram(sine(f))[:, 125] for f in (440.0, 460.0))
    first, second = (column[column.max(axis=1).argmax()].astype(int) for column in (first, second))
    assert np.abs(first - second).max() > 100


def test_brightness_falls_by_the_dynamic_range():
    audio = sine(440) * np.repeat([1, 10 ** (-35 / 20), 1e-5], [24_000, 24_000, 16_000])
    brightest = rainbowgrams.rainbowgram(audio)[BIN_OF_A4].max(axis=1).astype(float)
    loud, quiet, silent = brightest[20:70].mean(), brightest[120:160].mean(), brightest[230:]
    assert quiet / loud == pytest.approx(0.5, abs=0.02)
    assert silent.max() == 0


def test_level_makes_no_difference():
    loud, quiet = (rainbowgrams.rainbowgram(sine(440, amplitude=a)) for a in (1, 0.01))
    np.testing.assert_allclose(loud[:, 10:-10], quiet[:, 10:-10], atol=3)


@pytest.mark.parametrize("samples", [1, 2, 255, 256, 5000, 16_383, 16_384])
@pytest.mark.parametrize("make", [np.zeros, np.ones])
def test_short_sounds(samples, make):
    rgb = rainbowgrams.rainbowgram(make(samples))
    assert rgb.shape == (240, 1 + samples // 256, 3)
    assert (rgb.max() == 0) == (make is np.zeros)


def test_silence_and_what_is_next_to_it_are_black():
    assert rainbowgrams.rainbowgram(np.zeros(64_000)).max() == 0
    assert rainbowgrams.rainbowgram(sine(440, amplitude=1e-9)).max() == 0


@pytest.mark.parametrize("audio", [np.zeros(0), np.zeros((2, 100)), np.array([np.nan])])
def test_what_is_not_sound_is_refused(audio):
    with pytest.raises(ValueError, match=r"\[samples\]"):
        rainbowgrams.rainbowgram(audio)


def test_pyplot_is_not_imported():
    program = (
        "import sys, numpy as np\n"
        "from wavenet_ae.publish import pictures\n"
        "pictures.draw_rainbowgram(np.ones(1000), 'a tone')\n"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
