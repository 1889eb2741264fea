from types import SimpleNamespace

import numpy as np
import pytest
from recorded_tones import record, tone

from wavenet_ae.synthesis.encode_files import encode_file, find_pitch

CODEC = SimpleNamespace(
    num_pitches=128,
    hop_length=512,
    trained=SimpleNamespace(fingerprint=""),
    encode=lambda audio: np.zeros((1, 2, 3)),
)


def test_the_name_goes_before_what_is_heard(tmp_path, capsys):
    audio = tone(57)[:, 0].astype(np.float32)
    assert find_pitch(tmp_path / "flute_acoustic_001-045-100.wav", audio) == 45
    assert capsys.readouterr().err == ""
    assert find_pitch(tmp_path / "flute.wav", audio) == 57
    assert "flute.wav: heard A3, MIDI pitch 57" in capsys.readouterr().err


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
