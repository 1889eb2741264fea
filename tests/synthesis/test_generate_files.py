import hashlib
import json
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from wavenet_ae.audio import files
from wavenet_ae.synthesis import embeddings
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.synthesis.generate_files import (
    Job,
    blend_jobs,
    check_names,
    check_pitch,
    generate_files,
    read_sounds,
    save_sounds,
)
from wavenet_ae.system.errors import UserError


def noise_of(calls):
    """A model whose sounds depend on the key alone, and which notes how many it makes together."""

    def generate(embedding, keys, pitch):
        calls.append(len(embedding))
        values = jax.vmap(lambda key: jax.random.uniform(key, (2 * embedding.shape[1],)))(keys)
        yield np.asarray(values)

    trained = SimpleNamespace(fingerprint="", folder=None)
    return SimpleNamespace(num_pitches=0, settings={}, trained=trained, generate=generate)


def jobs(names="ab", **fields):
    sound = EncodedSound(np.zeros((3, 1), np.float32), 2, 5, "", "")
    return [Job(name, sound._replace(**fields)) for name in names]


def test_folders_of_older_versions_go_on(tmp_path):
    calls = []
    generate_files(noise_of(calls), jobs("a"), tmp_path)
    content = (tmp_path / "a.wav").read_bytes()
    manifest = {"a": f"8a51da0730ab9ea0 {hashlib.sha256(content).hexdigest()[:16]}"}
    (tmp_path / "generated.json").write_text(json.dumps(manifest))
    generate_files(noise_of(calls), jobs("ab"), tmp_path, replace=False)
    assert calls == [1, 2]
    assert (tmp_path / "a.wav").read_bytes() == content


def test_sounds_of_other_settings_are_replaced_where_that_is_wanted(tmp_path):
    calls = []
    generate_files(noise_of(calls), jobs(), tmp_path)
    before = (tmp_path / "a.wav").read_bytes()
    with pytest.raises(UserError, match=r"holds a\.wav, b\.wav, made from something else or with"):
        generate_files(noise_of(calls), jobs(), tmp_path, seed=1, replace=False)
    assert (tmp_path / "a.wav").read_bytes() == before
    generate_files(noise_of(calls), jobs(), tmp_path, seed=1)
    assert (tmp_path / "a.wav").read_bytes() != before
    assert calls == [2, 2]


def test_a_file_that_was_not_generated_stays(tmp_path):
    (tmp_path / "b.wav").write_text("mine")
    calls = []
    for refused in (
        lambda: generate_files(noise_of(calls), jobs(), tmp_path),
        lambda: check_names(tmp_path, ["a", "b"]),
        lambda: save_sounds(tmp_path, {"b": np.zeros(3)}),
    ):
        with pytest.raises(UserError, match=r"holds b\.wav, not written by this tool"):
            refused()
    assert calls == []
    assert [path.name for path in tmp_path.iterdir()] == ["b.wav"]
    assert (tmp_path / "b.wav").read_text() == "mine"


def test_a_pitch_that_is_asked_for_goes_before_an_embeddings_and_is_said(tmp_path, capsys):
    trained = SimpleNamespace(fingerprint="")
    codec = SimpleNamespace(num_pitches=128, hop_length=2, embedding_size=1, trained=trained)
    sound = EncodedSound(np.zeros((3, 1), np.float32), 2, 6, "a.wav", "", 60)
    embeddings.save(tmp_path / "a.npz", sound)
    sources = files.find([tmp_path / "a.npz"])
    for wished, expected, said in (
        (None, 60, []),
        (60, 60, []),
        (62, 62, ["a.npz: --pitch=62 instead of its own, C4, MIDI pitch 60"]),
    ):
        capsys.readouterr()
        [job], refused = read_sounds(codec, sources, wished)
        assert (job.sound.pitch, refused) == (expected, 0)
        lines = capsys.readouterr().err.replace("\r", "\n").splitlines()
        assert [line for line in lines if "pitch" in line] == said


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
    codec, three = noise_of(rows), jobs("abc")
    generate_files(codec, three, tmp_path / "whole", batch_size=4)
    generate_files(codec, three[:1], tmp_path / "share", batch_size=4, num_sounds=3)
    generate_files(codec, three, tmp_path / "share", batch_size=4)
    generate_files(codec, three[:1], tmp_path / "large", batch_size=4, num_sounds=9)
    assert rows == [3, 3, 3, 4]
    assert len(list(tmp_path.glob("share/*.wav"))) == 3


@pytest.mark.parametrize(
    ("pitches", "weights", "expected"),
    [
        ((60, 60), [0.5, 0.5], 60),
        ((60, 48), [0.5, 0.5], 60),
        ((60, 48), [0.4, 0.6], 48),
        ((60, 48, 72), [0.3, 0.3, 0.4], 72),
    ],
)
def test_a_blend_has_the_pitch_of_its_largest_part(pitches, weights, expected, capsys):
    jobs = [
        Job(f"s{p}", EncodedSound(np.zeros((2, 3), np.float32), 4, 8, f"s{p}.wav", "", pitch=p))
        for p in pitches
    ]
    blend = blend_jobs(SimpleNamespace(num_pitches=128), jobs, weights, "linear")
    assert blend.sound.pitch == expected
    said = capsys.readouterr().err
    assert (f"s{expected}.wav, MIDI {expected}" in said) == (len(set(pitches)) > 1)
    assert blend_jobs(SimpleNamespace(num_pitches=0), jobs, weights, "linear").name == blend.name
    assert capsys.readouterr().err == ""
