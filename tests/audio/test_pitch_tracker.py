import numpy as np
import pytest
from recorded_tones import tone

from wavenet_ae.audio import pitch_tracker
from wavenet_ae.audio.pitch_tracker import PitchError

TIME_S = np.arange(48_000) / 16_000


def track(audio):
    return pitch_tracker.track(np.asarray(audio, np.float32).ravel())


def sweep(semitones):
    """A tone whose distance from A4 is given over time."""
    return 0.3 * np.sin(2 * np.pi * np.cumsum(440 * 2 ** (semitones / 12)) / 16_000)


# At 106 a tracker at 16 kHz detects the twelfth below.
@pytest.mark.parametrize("pitch", [21, 28, 45, 60, 84, 100, 106, 108])
def test_tones_low_and_high(pitch):
    assert track(tone(pitch, harmonics=2)).midi == pitch


def test_a_melody_is_followed_and_silence_has_no_pitch():
    notes = [np.ravel(tone(pitch, harmonics=2))[:16_000] for pitch in (60, 67)]
    melody = pitch_tracker.contour(np.concatenate([*notes, np.zeros(16_000)]).astype(np.float32))
    first, second, silence = np.array_split(melody[: len(melody) // 3 * 3], 3)
    assert np.nanmedian(first) == pytest.approx(60, abs=0.25)
    assert np.nanmedian(second) == pytest.approx(67, abs=0.25)
    assert np.mean(np.isnan([first, second])) < 0.1
    assert np.isnan(silence[4:]).all()


def test_detuned_notes_are_rounded_and_said_to_be():
    pitch = track(tone(60.3))
    assert (pitch.midi, pitch.cents) == (60, 25)  # in quarters of a semitone
    assert track(tone(59.7)).cents == -25
    assert pitch.voiced == 1


def test_vibrato_and_a_breathy_start_are_no_matter():
    audio = sweep(0.6 * np.sin(2 * np.pi * 5.5 * TIME_S))
    audio[:8000] = 0.1 * np.random.default_rng(0).normal(size=8000)
    assert track(audio).midi == 69
    assert 0.8 < track(audio).voiced < 0.9


def test_silence_after_a_note_does_not_count():
    pitch = track(np.pad(tone(50, seconds=0.3).ravel(), (0, 48_000)))
    assert pitch.midi == 50
    assert pitch.voiced > 0.9


def test_a_hum_far_below_the_note_does_not_count():
    hum = 0.001 * np.sin(2 * np.pi * 100 * TIME_S)
    hum[:8000] += tone(62, seconds=0.5)[:, 0]
    assert track(hum).midi == 62


def test_noise_is_refused():
    with pytest.raises(PitchError, match=r"has a pitch in \d+% of the time .* needs 50%"):
        track(0.1 * np.random.default_rng(0).normal(size=48_000))


@pytest.mark.parametrize("semitones", [3, 12])
def test_a_glissando_is_refused(semitones):
    with pytest.raises(PitchError, match=r"wanders: \d+% of it lies within a semitone of [A-G]"):
        track(sweep(semitones * TIME_S))


def test_two_notes_after_each_other_are_refused():
    with pytest.raises(PitchError, match="wanders"):
        track(np.concatenate([tone(60), tone(67)]))


def test_what_hardly_sounds_is_refused():
    with pytest.raises(PitchError, match="is silent"):
        track(np.zeros(16_000))
    with pytest.raises(PitchError, match=r"sounds for 0\.\d\d s, too short"):
        track(tone(60, seconds=0.02))
