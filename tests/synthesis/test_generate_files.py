from types import SimpleNamespace

import jax
import numpy as np
import pytest
import soundfile

from wavenet_ae.audio import files
from wavenet_ae.errors import UserError
from wavenet_ae.synthesis import embeddings
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.generate_files import (
    Job,
    _Manifest,
    check_pitch,
    generate_files,
    read_sounds,
)


@pytest.fixture
def process(monkeypatch):
    return lambda index: monkeypatch.setattr(jax, "process_index", lambda: index)


def test_processes_of_one_folder_keep_each_others_sounds(tmp_path, process):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(4), 16_000)
    manifests = []
    for index in (0, 1):
        process(index)
        manifests.append(_Manifest(tmp_path))
    manifests[0].add({"a": "1"})
    manifests[1].add({"b": "2"})
    for index in (0, 1, 2):  # whichever goes on
        process(index)
        again = _Manifest(tmp_path)
        assert again.holds("a", "1")
        assert again.holds("b", "2")
        assert not again.holds("b", "1")
    # One of them makes another sound of that name: what the other one wrote of it is out of date.
    process(1)
    soundfile.write(tmp_path / "a.wav", np.ones(4) / 2, 16_000)
    _Manifest(tmp_path).add({"a": "3"})
    process(0)
    assert _Manifest(tmp_path).holds("a", "3")
    assert not _Manifest(tmp_path).holds("a", "1")


@pytest.mark.parametrize("damage", ["missing", "empty", "short"])
def test_damaged_sounds_are_not_held(tmp_path, damage):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.zeros(4), 16_000)
    manifest = _Manifest(tmp_path)
    manifest.add({"a": "1"})
    assert manifest.holds("a", "1")
    if damage == "missing":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        soundfile.write(path, np.zeros(3), 16_000)
    assert not manifest.holds("a", "1")


def test_a_pitch_that_is_asked_for_goes_before_an_embeddings_and_is_told(tmp_path, capsys):
    trained = SimpleNamespace(fingerprint="")
    codec = SimpleNamespace(num_pitches=128, hop_length=2, embedding_size=1, trained=trained)
    sound = EncodedSound(np.zeros((3, 1), np.float32), 2, 6, "a.wav", "", 60)
    embeddings.save(tmp_path / "a.npz", sound)
    sources = files.find([tmp_path / "a.npz"])
    for wished, expected, told in (
        (None, 60, []),
        (60, 60, []),
        (62, 62, ["a.npz: --pitch=62 instead of its own, C4, MIDI pitch 60"]),
    ):
        capsys.readouterr()
        [job], refused = read_sounds(codec, sources, wished)
        assert (job.sound.pitch, refused) == (expected, 0)
        lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
        assert [line for line in lines if "pitch" in line] == told


@pytest.mark.parametrize(
    ("pitch", "reason"),
    [
        (128, r"^x\.wav: the model knows the pitches 0\.\.127, not 128: give --pitch=0\.\.127\.$"),
        (-1, r"^the pitch of x\.wav is not known.*give --pitch=0\.\.127, or name"),
    ],
)
def test_a_pitch_that_the_model_does_not_know(pitch, reason):
    sound = EncodedSound(np.zeros((3, 1), np.float32), 2, 6, "x.wav", "", pitch)
    with pytest.raises(UserError, match=reason):
        check_pitch(SimpleNamespace(num_pitches=128), sound)
    check_pitch(SimpleNamespace(num_pitches=0), sound)


def test_batches_have_the_same_rows_for_every_share_and_after_an_interruption(tmp_path):
    rows = []

    def generate(embedding, keys, pitch):
        rows.append(len(embedding))
        yield np.zeros((len(embedding), 2 * embedding.shape[1]), np.float32)

    trained = SimpleNamespace(fingerprint="", folder=tmp_path)
    codec = SimpleNamespace(num_pitches=0, settings={}, trained=trained, generate=generate)
    jobs = [Job(name, EncodedSound(np.zeros((3, 1), np.float32), 2, 5, name, "")) for name in "abc"]
    generate_files(codec, jobs, tmp_path / "whole", batch_size=4)
    generate_files(codec, jobs[:1], tmp_path / "share", batch_size=4, num_sounds=3)
    generate_files(codec, jobs, tmp_path / "share", batch_size=4)
    generate_files(codec, jobs[:1], tmp_path / "large", batch_size=4, num_sounds=9)
    assert rows == [3, 3, 3, 4]
    assert len(list(tmp_path.glob("share/*.wav"))) == 3
