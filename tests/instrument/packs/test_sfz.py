import numpy as np
import pytest
from sampler_players import cut, held, level, play_sfz, rms, roughness, strongest_hz

from wavenet_ae.instrument import rendered
from wavenet_ae.instrument.packs import sfz

FUNDAMENTAL_HZ = 262  # of `instruments.tone` at 60
MORPH = "morph_flute_bass_organ_brass.sfz"


def cents_off(hz, key):
    return 1200 * np.log2(hz / (440 * 2 ** ((key - 69) / 12)))


@pytest.mark.parametrize("sound", ["flute", "bass"])
def test_every_key_has_its_pitch(packs, instrument_folder, sound):
    keys = rendered.read(instrument_folder).keys()
    assert (keys[48][0], keys[72][1]) == (0, 127)
    for key in (24, *range(36, 85), 96):  # an octave beyond the outer pitches
        audio, _ = play_sfz(packs / f"{sound}.sfz", held(key), 1.2)
        assert abs(cents_off(strongest_hz(cut(audio, 0.2, 1.2)), key)) < 10, key


def test_a_held_note_loops_without_a_click_and_ends_after_its_key(packs):
    audio, _ = play_sfz(packs / "flute.sfz", held(60, seconds=8.0), 14.0)
    elsewhere = roughness(cut(audio, 0.5, 1.9)).max()
    assert roughness(cut(audio, 1.9, 7.9)).max() <= 1.01 * elsewhere  # five seams
    assert rms(cut(audio, 7.0, 7.9)) == pytest.approx(rms(cut(audio, 0.5, 1.4)), rel=0.01)
    # The tone falls by 30 dB in its last second.
    fallen = 20 * np.log10(rms(cut(audio, 9.0, 9.05)) / rms(cut(audio, 8.0, 8.05)))
    assert fallen == pytest.approx(-30, abs=3)
    assert rms(cut(audio, 12.0, 14.0)) < 1e-4


def test_a_note_without_a_loop_ends(packs):
    audio, _ = play_sfz(packs / "organ.sfz", held(72, seconds=8.0), 8.0)
    assert rms(cut(audio, 2.5, 2.9)) > 0.01
    assert rms(cut(audio, 4.1, 8.0)) == 0


def test_the_gain_is_applied(packs):
    of_60, of_72 = (
        rms(cut(play_sfz(packs / "flute.sfz", held(key), 1.0)[0], 0.2, 0.9)) for key in (60, 72)
    )
    assert of_72 / of_60 == pytest.approx(0.125 / 0.5, rel=0.01)


@pytest.fixture(scope="module")
def cell_levels(packs):
    """Measures nine cells by their overtones, as shares of what one alone has.

    sfizz's fades are tables, within two percent of straight lines.
    """
    audio, _ = play_sfz(packs / "flute.sfz", held(60), 1.0)
    alone = level(cut(audio, 0.3, 0.9), 2 * FUNDAMENTAL_HZ)

    def measure(audio):
        levels = [level(audio, FUNDAMENTAL_HZ * (cell + 2)) for cell in range(9)]
        return np.array(levels).reshape(3, 3) / alone

    return measure


def bilinear(x, y):
    """The weights of 3 x 3 cells, from the top, at two controllers' values; Y goes upwards."""
    of_columns, of_rows = (
        [np.interp(value, (0, 64, 127), np.eye(3)[index]) for index in range(3)] for value in (x, y)
    )
    return np.outer(of_rows[::-1], of_columns)


@pytest.mark.parametrize("place", [(0, 0), (127, 127), (64, 64), (32, 96), (100, 20), (127, 5)])
def test_the_morph_is_bilinear(packs, cell_levels, place):
    x, y = place
    events = [(0.0, "cc", 1, x), (0.0, "cc", 74, y), *held(60)]
    audio, voices = play_sfz(packs / MORPH, events, 1.0, voices=64)
    assert voices == 9
    np.testing.assert_allclose(cell_levels(cut(audio, 0.3, 0.9)), bilinear(x, y), atol=0.02)


def test_held_notes_morph(packs, cell_levels):
    moves = [(1.0, "cc", 1, 100), (1.0, "cc", 74, 20), (5.0, "cc", 1, 10), (5.0, "cc", 74, 127)]
    audio, _ = play_sfz(packs / MORPH, [held(60)[0], *moves], 7.0)
    for start, place in ((0.2, (0, 0)), (1.3, (100, 20)), (4.2, (100, 20)), (5.3, (10, 127))):
        levels = cell_levels(cut(audio, start, start + 0.6))
        np.testing.assert_allclose(levels, bilinear(*place), atol=0.02)


def test_the_files_say_where_the_loop_ends(packs):
    text = (packs / "flute.sfz").read_text()
    assert text.count("loop_start=16000 loop_end=31999") == 3
    assert (packs / "organ.sfz").read_text().count("loop_mode=no_loop") == 1


def test_places_are_spread_over_the_controller():
    assert sfz.places(1) == [0]
    assert sfz.places(2) == [0, 127]
    assert sfz.places(5) == [0, 32, 64, 95, 127]
