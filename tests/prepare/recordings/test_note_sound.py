import numpy as np
import pytest
import soundfile
from recorded_tones import record, tone

from wavenet_ae.audio import files
from wavenet_ae.prepare.recordings.note_sound import SoundOptions, load_note
from wavenet_ae.system.errors import UserError

AS_IT_IS = SoundOptions()


def write(tmp_path, audio, rate_hz=16_000, subtype="FLOAT"):
    path = tmp_path / "a.wav"
    soundfile.write(path, audio, rate_hz, subtype)
    return path


def test_a_note_of_4_s_stays_as_it_is(tmp_path):
    steps = np.random.default_rng(0).integers(-32768, 32768, 64_000).astype(np.int16)
    note = load_note(write(tmp_path, steps, subtype="PCM_16"), AS_IT_IS)
    assert note[1:] == (0, 0, 0, 1)
    files.save(tmp_path / "b.wav", note.audio)
    np.testing.assert_array_equal(soundfile.read(tmp_path / "b.wav", dtype="int16")[0], steps)


@pytest.mark.parametrize(("rate_hz", "channels"), [(44_100, 2), (48_000, 5), (8_000, 1)])
def test_any_rate_and_channels_become_a_note_with_zeros_after(tmp_path, rate_hz, channels):
    path = record(tmp_path / "a.wav", 60, rate_hz=rate_hz, channels=channels, seconds=1.5)
    note = load_note(path, AS_IT_IS)
    assert (note.audio.shape, note.audio.dtype) == ((64_000,), np.float32)
    assert note.padded_s == pytest.approx(2.5)
    assert not note.audio[24_000:].any()
    error = note.audio[100:23_900] - tone(60, seconds=1.5)[100:23_900, 0]
    assert np.sqrt(np.mean(error**2)) < 1e-3


def test_what_is_longer_is_cut_with_a_fade(tmp_path):
    note = load_note(write(tmp_path, np.full(80_000, 0.5)), AS_IT_IS)
    assert note.cut_s == 1
    assert note.audio.shape == (64_000,)
    np.testing.assert_array_equal(note.audio[:63_680], 0.5)
    fade = note.audio[63_680:]  # 20 ms
    assert (np.diff(fade) < 0).all()
    assert fade[160] == pytest.approx(0.25, abs=0.01)
    assert fade[-1] == 0


def test_what_is_longer_can_be_refused(tmp_path):
    options = SoundOptions(refuse_long=True)
    with pytest.raises(UserError, match=r"lasts 5\.00 s, and a note 4 s: .* --long=cut"):
        load_note(write(tmp_path, np.full(80_000, 0.5)), options)
    assert load_note(write(tmp_path, np.full(64_000, 0.5)), options).cut_s == 0


def test_silence_before_the_onset_is_cut_off(tmp_path):
    sound = np.concatenate([np.full(8000, 0.0004), np.full(16_000, 0.5)])
    path = write(tmp_path, sound)
    note = load_note(path, AS_IT_IS)
    assert note.trimmed_s == pytest.approx(0.49)
    assert np.flatnonzero(note.audio > 0.1)[0] == 160  # 10 ms
    assert load_note(path, SoundOptions(trim_db=0)).trimmed_s == 0
    assert load_note(path, SoundOptions(trim_db=70)).trimmed_s == 0  # 62 dB weaker


def test_levels(tmp_path):
    path = write(tmp_path, tone(60)[:, 0])
    assert load_note(path, AS_IT_IS).gain == 1
    note = load_note(path, SoundOptions(peak_dbfs=-6))
    assert np.abs(note.audio).max() == pytest.approx(0.501, abs=1e-3)
    note = load_note(path, SoundOptions(peak_dbfs=0))
    assert np.abs(note.audio).max() == pytest.approx(32767 / 32768)


def test_beyond_full_scale_a_note_is_scaled_not_clipped(tmp_path):
    sound = 5 * tone(60)[:, 0]
    note = load_note(write(tmp_path, sound), AS_IT_IS)
    assert np.abs(note.audio).max() == pytest.approx(32767 / 32768)
    assert note.gain == pytest.approx(32767 / 32768 / np.abs(sound).max())
    np.testing.assert_allclose(note.audio[:16_000], sound * note.gain, atol=1e-6)


@pytest.mark.parametrize(("level", "told"), [(0.0, "zero"), (1e-4, "-80 dBFS")])
def test_silence_is_refused(tmp_path, level, told):
    with pytest.raises(UserError, match=rf"a\.wav is silent: .* is {told}"):
        load_note(write(tmp_path, np.full(16_000, level)), SoundOptions(peak_dbfs=-1))


@pytest.mark.parametrize("level", [-200.0, -73.0])
def test_a_level_at_which_notes_are_silent_is_refused(level):
    with pytest.raises(UserError, match=rf"--normalize={level} would .* silent: .* above -72 dBFS"):
        SoundOptions(peak_dbfs=level).check()
    SoundOptions(peak_dbfs=-72).check()


def test_the_level_is_that_of_what_remains_after_the_fade(tmp_path):
    sound = np.full(80_000, 0.1)
    sound[63_900:] = 0.9  # within the 20 ms that fade out
    note = load_note(write(tmp_path, sound), SoundOptions(peak_dbfs=-6))
    assert np.abs(note.audio).max() == pytest.approx(0.501, abs=1e-3)


def test_a_very_short_sound_is_a_note(tmp_path):
    assert load_note(write(tmp_path, np.full(1, 0.5)), AS_IT_IS).audio[0] == 0.5
