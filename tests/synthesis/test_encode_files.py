from types import SimpleNamespace

import numpy as np
import pytest
from recorded_tones import record, tone

from wavenet_ae.synthesis.encode_files import encode_file, find_pitch, pitch_in_name

CODEC = SimpleNamespace(
    num_pitches=128,
    hop_length=512,
    trained=SimpleNamespace(fingerprint=""),
    encode=lambda audio: np.zeros((1, 2, 3)),
)


def test_the_name_goes_before_what_is_heard(tmp_path, capsys):
    audio = tone(57)[:, 0].astype(np.float32)
    assert find_pitch(tmp_path / "flute_acoustic_001-045-100.wav", audio) == 45
    told = "flute_acoustic_001-045-100.wav: its name tells A2, MIDI pitch 45\n"
    assert capsys.readouterr().err == told
    assert find_pitch(tmp_path / "flute.wav", audio) == 57
    assert "flute.wav: heard A3, MIDI pitch 57" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["REC-001-003", "REC-200-001", "take-060-000", "a-060-128"])
def test_names_of_another_scheme_tell_nothing(tmp_path, name):
    assert pitch_in_name(tmp_path / f"{name}.wav") == -1
    assert pitch_in_name(tmp_path / "bass_synthetic_033-001-003.wav") == 1
    assert pitch_in_name(tmp_path / "Piano-060-100.wav") == 60


def test_a_pitch_that_is_asked_for_counts_and_is_told(tmp_path, capsys):
    path = record(tmp_path / "Piano-057-100.wav", 57)
    assert encode_file(CODEC, path, 60).pitch == 60
    told = "Piano-057-100.wav: --pitch=60 instead of its own, A3, MIDI pitch 57\n"
    assert capsys.readouterr().err == told
    assert encode_file(CODEC, path, 57).pitch == 57
    assert capsys.readouterr().err == ""


def test_a_long_sound_is_heard_at_its_beginning(tmp_path):
    low, high = (tone(pitch, seconds=12)[:, 0] for pitch in (50, 74))
    assert find_pitch(tmp_path / "a.wav", np.concatenate([low, high, high])) == 50


def test_what_has_no_pitch_is_told_why(tmp_path, capsys):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16_000).astype(np.float32)
    assert find_pitch(tmp_path / "noise.wav", noise) == -1
    assert "noise.wav has a pitch in " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("num_pitches", "given", "expected"), [(128, None, 57), (128, 40, 40), (0, None, -1)]
)
def test_a_sound_is_listened_to_where_its_pitch_is_wanted(
    tmp_path, capsys, num_pitches, given, expected
):
    path = record(tmp_path / "flute.wav", 57)
    codec = SimpleNamespace(**vars(CODEC) | {"num_pitches": num_pitches})
    assert encode_file(codec, path, given).pitch == expected
    assert ("heard" in capsys.readouterr().err) == (expected == 57)
