import numpy as np
import pytest
from tiny_font import write_tiny_font

from wavenet_ae.audio.midi import Note
from wavenet_ae.prepare.soundfonts.synthesizer import SoundFont


@pytest.fixture
def font(tmp_path):
    with SoundFont(write_tiny_font(tmp_path / "tiny.sf2", [(0, 0, 127)]), gain=0.5) as font:
        yield font


def frequency_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 2**18))
    return spectrum.argmax() * 16_000 / 2**18


def test_notes_sound_at_their_pitches_and_times(font):
    notes = [Note(2.0, 2.5, 81, 100), Note(0.5, 1.5, 69, 100)]
    audio = font.perform(0, notes, release_s=0.5)
    assert len(audio) == pytest.approx(3.0 * 16_000, abs=32)
    at = {seconds: round(seconds * 16_000) for seconds in (0.5, 0.6, 1.4, 1.6, 2.0, 2.1, 2.4, 2.6)}
    assert frequency_hz(audio[at[0.6] : at[1.4]]) == pytest.approx(441, rel=1e-3)
    assert frequency_hz(audio[at[2.1] : at[2.4]]) == pytest.approx(882, rel=1e-3)
    peak = np.abs(audio).max()
    for quiet in (audio[: at[0.5]], audio[at[1.6] : at[2.0]], audio[at[2.6] :]):
        assert np.abs(quiet).max() < 0.01 * peak
    onset = np.argmax(np.abs(audio) > 0.1 * peak) / 16_000
    assert 0.5 <= onset < 0.51


def test_a_note_is_as_a_note_alone(font):
    alone = font.render(0, 69, 100)
    performed = font.perform(0, [Note(0.0, 3.0, 69, 100)], release_s=1.0)
    np.testing.assert_array_equal(performed, alone)


def test_a_repeated_key_is_struck_again(font):
    once = font.perform(0, [Note(0.0, 2.0, 69, 100)])
    twice = font.perform(0, [Note(0.0, 1.0, 69, 100), Note(1.0, 2.0, 69, 100)])
    np.testing.assert_allclose(once[:15_900], twice[:15_900], atol=1e-6)
    assert np.abs(once[16_000:] - twice[16_000:]).max() > 0.1 * np.abs(once).max()
