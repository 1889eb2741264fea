import numpy as np
import pytest
import soundfile
from tone_codec import tone

from wavenet_ae.instrument import sources
from wavenet_ae.system.errors import UserError


def write(folder, *names, audio=None):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, tone(262, 0.5) if audio is None else audio, 16_000)
    return folder


def found(folder, *, pitches_in_names=True):
    sounds = sources.find([folder], folder / "out", pitches_in_names=pitches_in_names)
    return {name: [one.pitch for one in members] for name, members in sounds.items()}


def test_files_of_several_pitches_are_one_sound(tmp_path):
    write(
        tmp_path, "flute_60.wav", "flute_64.wav", "Äolsharfe C4.wav", "kick_808.wav", "take_2.wav"
    )
    write(tmp_path, "bass_synthetic_033-036-100.wav", "bass_synthetic_033-048-100.wav")
    write(tmp_path, "plain.wav", "out/old.wav")
    assert found(tmp_path) == {
        "bass_synthetic_033": [36, 48],
        "flute": [60, 64],
        "kick_808": [None],
        "plain": [None],
        "take_2": [None],
        "Äolsharfe": [60],
    }
    assert set(found(tmp_path, pitches_in_names=False)) >= {"flute_60", "flute_64", "plain"}


def test_velocities_are_sounds(tmp_path):
    write(tmp_path, *(f"a_synthetic_000-{p:03d}-{v:03d}.wav" for p in (60, 64) for v in (50, 100)))
    assert found(tmp_path) == {
        "a_synthetic_000-050": [60, 64],
        "a_synthetic_000-100": [60, 64],
    }


def test_sounds_of_one_name_are_told_apart(tmp_path):
    write(tmp_path, "a/flute_60.wav", "b/flute_60.wav")
    assert found(tmp_path) == {"a/flute": [60], "b/flute": [60]}
    given = [tmp_path / "a", tmp_path / "b"]
    assert [*sources.find(given, tmp_path, pitches_in_names=True)] == ["flute", "flute_2"]


def test_sounds_of_one_name_in_two_inputs_are_not_mixed(tmp_path):
    write(tmp_path, "steel/guitar_40.wav", "steel/guitar_52.wav")
    write(tmp_path, "nylon/guitar_40.wav", "nylon/guitar_64.wav")
    given = [tmp_path / "steel", tmp_path / "nylon"]
    sounds = sources.find(given, None, pitches_in_names=True)
    assert {name: [one.path.parent.name for one in of] for name, of in sounds.items()} == {
        "guitar": ["steel", "steel"],
        "guitar_2": ["nylon", "nylon"],
    }
    assert [one.pitch for one in sounds["guitar_2"]] == [40, 64]


def test_two_files_of_one_pitch_are_refused(tmp_path):
    write(tmp_path, "flute_60.wav", "flute-60.wav")
    with pytest.raises(
        UserError, match=r"flute-60\.wav and .*flute_60\.wav are both flute at MIDI"
    ):
        found(tmp_path)
    assert len(found(tmp_path, pitches_in_names=False)) == 2


def read(folder):
    return sources.read(sources.find([folder], folder / "out", pitches_in_names=True))


def test_what_is_left_out_is_said(tmp_path, capsys):
    rng = np.random.default_rng(0)
    write(tmp_path, "long.wav", audio=np.tile(tone(262, 5.0), 6))
    write(
        tmp_path,
        "drum.wav",
        audio=rng.normal(scale=0.2, size=8000) * np.exp(-np.arange(8000) / 800),
    )
    (tmp_path / "bad.wav").write_text("no sound")
    write(tmp_path, "silent.wav", audio=np.zeros(1000))
    write(tmp_path, "late_57.wav", audio=np.concatenate([np.zeros(4000), tone(220, 1.0)]))
    sounds, refused = read(tmp_path)
    by_name = {sound.name: sound for sound in sounds}
    assert refused == 2
    assert list(by_name) == ["drum", "late", "long"]
    assert [sound.has_pitch for sound in sounds] == [False, True, True]
    assert by_name["long"].pitches == (60,)
    assert by_name["long"].recordings[0].num_samples == 64_000
    # Silence before the onset is cut off, and that at the end does not count.
    assert np.argmax(np.abs(by_name["late"].recordings[0].audio) > 0.1) < 400
    assert 14_000 < by_name["late"].recordings[0].num_samples < 16_500
    said = capsys.readouterr().err
    for words in (
        "long.wav: the first 4 s of 30.0 s are used",
        "drum: used for its timbre",
        "refused: ",
        "bad.wav is not a sound file",
        "silent.wav is silent",
    ):
        assert words in said


def test_the_nearest_pitch_is_played(tmp_path):
    write(tmp_path, "flute_48.wav", "flute_60.wav")
    (sound,), _ = read(tmp_path)
    assert [sound.nearest(p).pitch for p in (36, 53, 54, 55, 84)] == [48, 48, 60, 60, 60]


def test_a_file_without_a_pitch_among_those_of_its_name_is_refused(tmp_path, capsys):
    write(tmp_path, "a_60.wav", "a.wav")
    (sound,), refused = read(tmp_path)
    assert (sound.pitches, refused) == ((60,), 1)
    assert "has the MIDI pitch 60 of a" in capsys.readouterr().err
