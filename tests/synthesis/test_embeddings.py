import types

import numpy as np
import pytest

from wavenet_ae.errors import UserError
from wavenet_ae.synthesis import embeddings
from wavenet_ae.synthesis.embeddings import EncodedSound


class Decoder:
    """What `load` asks of a codec."""

    hop_length = 8
    embedding_size = 3
    trained = types.SimpleNamespace(fingerprint="f")


def sound(values, num_samples=None, **fields):
    embedding = np.array(values, np.float32)
    defaults = {"hop_length": 8, "source": "a.wav", "fingerprint": "f", "pitch": 60}
    num_samples = 8 * len(embedding) if num_samples is None else num_samples
    return EncodedSound(embedding, num_samples=num_samples, **{**defaults, **fields})


def test_files_hold_what_was_saved(tmp_path):
    saved = sound(np.random.default_rng(0).normal(size=(4, 3)), num_samples=30)
    embeddings.save(tmp_path / "deep" / "a.npz", saved)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.npz"]
    with np.load(tmp_path / "deep" / "a.npz") as arrays:
        assert arrays["sample_rate"] == 16_000
        assert arrays["num_samples"] == 30
        assert arrays["hop_length"] == 8
    loaded = embeddings.load(tmp_path / "deep" / "a.npz", Decoder)
    np.testing.assert_array_equal(loaded.embedding, saved.embedding)
    # A sound from an embedding is as long as its frames.
    assert (loaded.num_samples, loaded.pitch, loaded.source) == (32, 60, "a.wav")


def test_a_bare_embedding_is_enough(tmp_path):
    np.savez(tmp_path / "bare.npz", embedding=np.ones((2, 3)))
    loaded = embeddings.load(tmp_path / "bare.npz", Decoder)
    assert loaded.embedding.dtype == np.float32
    assert (loaded.num_samples, loaded.pitch, loaded.source) == (16, -1, "bare.npz")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, "holds no `embedding`"),
        ({"embedding": np.ones(3)}, "holds no `embedding`"),
        ({"embedding": np.full((2, 3), "x")}, "holds no `embedding`"),
        ({"embedding": np.ones((2, 3)), "pitch": np.ones(2)}, "is not an embedding"),
        ({"embedding": np.ones((0, 3))}, "holds no `embedding`"),
        ({"embedding": np.ones((2, 4))}, "has 4 channels and the checkpoint's model 3"),
        ({"embedding": np.full((2, 3), np.nan)}, "NaN or infinity"),
        ({"embedding": np.ones((2, 3)), "fingerprint": "g"}, "another model"),
    ],
)
def test_unsuitable_embeddings_are_refused(tmp_path, fields, reason):
    np.savez(tmp_path / "x.npz", **fields)
    with pytest.raises(UserError, match=reason) as caught:
        embeddings.load(tmp_path / "x.npz", Decoder)
    assert "x.npz" in str(caught.value)


def test_the_authors_own_format_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((2, 3), np.float32))
    np.testing.assert_array_equal(
        embeddings.load(tmp_path / "a.npy", Decoder).embedding, np.ones((2, 3))
    )


@pytest.mark.parametrize(
    "content",
    [b"", b"not a zip", b"PK\x03\x04 cut short", b"\x93NUMPY\x01\x00\x10\x00{'descr': (((\n"],
)
def test_files_that_are_no_embedding_are_refused(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"x\.npz is not an embedding"):
        embeddings.load(tmp_path / "x.npz", Decoder)
    with pytest.raises(UserError, match="does not exist"):
        embeddings.load(tmp_path / "missing.npz", Decoder)


def test_blend_weighs_and_cuts_to_the_shortest():
    first = sound([[0, 0, 4], [2, 2, 2], [9, 9, 9]])
    second = sound([[4, 0, 0], [2, 6, 2]], num_samples=13, source="b.wav", pitch=62)
    mixed = embeddings.blend([first, second], [0.25, 0.75])
    np.testing.assert_allclose(mixed.embedding, [[3, 0, 1], [2, 5, 2]])
    assert (mixed.num_samples, mixed.source, mixed.pitch) == (13, "a.wav + b.wav", -1)
    with pytest.raises(UserError, match="1 weights for 2 inputs"):
        embeddings.blend([first, second], [1.0])
    with pytest.raises(UserError, match="no finite number"):
        embeddings.blend([first, second], [1.0, float("nan")])


def test_stretch_interpolates_between_the_frames():
    ramp = sound([[0.0], [1.0], [2.0], [3.0]], num_samples=30)
    longer = embeddings.stretch(ramp, 2.0)
    assert longer.num_samples == 60
    np.testing.assert_allclose(longer.embedding[:, 0], [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0])
    shorter = embeddings.stretch(ramp, 0.5)
    assert shorter.num_samples == 15
    np.testing.assert_allclose(shorter.embedding[:, 0], [0.5, 2.5])
    assert embeddings.stretch(ramp, 1.0) == ramp
    for factor in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(UserError, match=r"from 0\.01 to 100"):
            embeddings.stretch(ramp, factor)
