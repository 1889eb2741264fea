from types import SimpleNamespace

import numpy as np
import pytest
from recorded_tones import record, tone

from wavenet_ae.audio import files
from wavenet_ae.synthesis.encode_files import encode_file, encode_files, find_pitch, pitch_in_name
from wavenet_ae.system.errors import UserError

CODEC = SimpleNamespace(
    num_pitches=128,
    hop_length=512,
    trained=SimpleNamespace(fingerprint=""),
    encode=lambda audio: np.zeros((1, 2, 3)),
)


def test_the_name_goes_before_what_is_heard(tmp_path, capsys):
    audio = tone(57)[:, 0].astype(np.float32)
    assert find_pitch(tmp_path / "flute_acoustic_001-045-100.wav", audio) == 45
    said = "flute_acoustic_001-045-100.wav: its name gives A2, MIDI pitch 45\n"
    assert capsys.readouterr().err == said
    assert find_pitch(tmp_path / "flute.wav", audio) == 57
    assert "flute.wav: detected A3, MIDI pitch 57" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["REC-001-003", "REC-200-001", "take-060-000", "a-060-128"])
def test_names_of_another_scheme_tell_nothing(tmp_path, name):
    assert pitch_in_name(tmp_path / f"{name}.wav") == -1
    assert pitch_in_name(tmp_path / "bass_synthetic_033-001-003.wav") == 1
    assert pitch_in_name(tmp_path / "Piano-060-100.wav") == 60


def test_a_pitch_that_is_asked_for_counts_and_is_said(tmp_path, capsys):
    path = record(tmp_path / "Piano-057-100.wav", 57)
    assert encode_file(CODEC, path, 60).pitch == 60
    said = "Piano-057-100.wav: --pitch=60 instead of its own, A3, MIDI pitch 57\n"
    assert capsys.readouterr().err == said
    assert encode_file(CODEC, path, 57).pitch == 57
    assert capsys.readouterr().err == ""


def test_a_long_sound_is_heard_at_its_beginning(tmp_path):
    low, high = (tone(pitch, seconds=12)[:, 0] for pitch in (50, 74))
    assert find_pitch(tmp_path / "a.wav", np.concatenate([low, high, high])) == 50


def test_embeddings_are_kept_and_others_files_too(tmp_path, capsys):
    output, calls = tmp_path / "out", []

    def encode(audio):
        calls.append(len(audio))
        return np.zeros((1, 1, 3))

    def model(fingerprint):
        trained = SimpleNamespace(fingerprint=fingerprint)
        return SimpleNamespace(num_pitches=0, hop_length=512, trained=trained, encode=encode)

    sources = []
    for name in ("a", "b"):
        files.save(tmp_path / f"{name}.wav", np.full(100, 0.1))
        sources.append(files.Source(tmp_path / f"{name}.wav", name))
    assert encode_files(model("f"), sources[:1], output) == 0
    before = (output / "a.npz").stat().st_mtime_ns
    for _ in range(2):  # resumes, and does nothing twice
        assert encode_files(model("f"), sources, output) == 0
    assert (output / "a.npz").stat().st_mtime_ns == before
    assert len(calls) == 2
    assert "1 of 2 embeddings are in" in capsys.readouterr().out

    with pytest.raises(UserError, match=r"holds a\.npz, b\.npz, made from something else"):
        encode_files(model("g"), sources, output)
    other = [files.Source(sources[1].path, "a")]  # another sound of that name
    with pytest.raises(UserError, match=r"holds a\.npz, made from something else"):
        encode_files(model("f"), other, output)
    (output / "a.npz").write_text("mine")
    with pytest.raises(UserError, match=r"holds a\.npz, not written by this tool or changed"):
        encode_files(model("f"), sources, output)
    assert (output / "a.npz").read_text() == "mine"
    assert len(calls) == 2


def test_what_has_no_pitch_is_said_why(tmp_path, capsys):
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
    assert ("detected" in capsys.readouterr().err) == (expected == 57)
