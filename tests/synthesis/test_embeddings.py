import itertools
import types

import numpy as np
import pytest
from damaged_files import load_damaged

from wavenet_ae.synthesis import embeddings
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.system.errors import UserError


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
    assert (loaded.num_samples, loaded.pitch, loaded.source) == (30, 60, "a.wav")


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
        ({"embedding": np.full((2, 3), 1e300)}, "NaN or infinity"),
        ({"embedding": np.ones((2, 3)), "fingerprint": "g"}, "another model"),
        ({"embedding": np.ones((2, 3), object)}, "is not an embedding"),
        ({"embedding": np.ones((2, 3), complex)}, "holds no `embedding`"),
        ({"embedding": np.ones((2, 3)), "hop_length": 16}, r"has 16 samples to a frame .* model 8"),
        ({"embedding": np.ones((2, 3)), "hop_length": 8.5}, "its hop_length must be a whole"),
        ({"embedding": np.ones((2, 3)), "sample_rate": 22_050}, r"has 22050 samples a second"),
        ({"embedding": np.ones((2, 3)), "sample_rate": "fast"}, "its sample_rate must be a whole"),
        ({"embedding": np.ones((2, 3)), "num_samples": 17}, "2 frames of 8 samples and num_sampl"),
        ({"embedding": np.ones((2, 3)), "num_samples": 8}, "num_samples=8, which does not fit"),
        ({"embedding": np.ones((2, 3)), "num_samples": np.nan}, "its num_samples must be a whole"),
    ],
)
def test_unsuitable_embeddings_are_refused(tmp_path, fields, reason):
    np.savez(tmp_path / "x.npz", **fields)
    with pytest.raises(UserError, match=reason) as caught:
        embeddings.load(tmp_path / "x.npz", Decoder)
    assert "x.npz" in str(caught.value)


@pytest.mark.parametrize("num_samples", [9, 16])
def test_a_sound_is_as_long_as_its_file_tells(tmp_path, num_samples):
    np.savez(tmp_path / "x.npz", embedding=np.ones((2, 3)), num_samples=num_samples)
    assert embeddings.load(tmp_path / "x.npz", Decoder).num_samples == num_samples


def test_a_folder_is_no_embedding(tmp_path):
    (tmp_path / "x.npz").mkdir()
    with pytest.raises(UserError, match=r"x\.npz is not an embedding .*directory"):
        embeddings.load(tmp_path / "x.npz", Decoder)


def test_damage_is_noticed_or_harmless(tmp_path):
    path, embedding = tmp_path / "x.npz", np.random.default_rng(0).normal(size=(4, 3))
    embeddings.save(path, sound(embedding, num_samples=30))
    expected = embeddings.load(path, Decoder)
    loaded, refused = load_damaged(path, lambda: embeddings.load(path, Decoder), 400)
    for found in loaded:
        np.testing.assert_array_equal(found.embedding, expected.embedding)
        assert found[1:] == expected[1:]
    assert len(refused) > 300
    assert all(str(path) in message and "\n" not in message for message in refused)


def test_an_embedding_that_lost_frames_is_noticed(tmp_path):
    np.savez(tmp_path / "x.npz", embedding=np.ones((4000, 3)))
    content = (tmp_path / "x.npz").read_bytes()
    assert b"(4000, 3)" in content
    (tmp_path / "x.npz").write_bytes(content.replace(b"(4000, 3)", b"(2000, 3)"))
    with pytest.raises(UserError, match=r"x\.npz is not an embedding"):
        embeddings.load(tmp_path / "x.npz", Decoder)


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
    with pytest.raises(UserError, match="1 weight for 2 inputs"):
        embeddings.blend([first, second], [1.0])
    with pytest.raises(UserError, match="not a finite number"):
        embeddings.blend([first, second], [1.0, float("nan")])


def on_circle(first, second, weight):
    """Rotates one vector towards another in the plane of both; the norm goes linearly."""
    along = first / np.linalg.norm(first)
    across = second - (second @ along) * along
    across /= np.linalg.norm(across)
    angle = weight * np.arctan2(second @ across, second @ along)
    norm = (1 - weight) * np.linalg.norm(first) + weight * np.linalg.norm(second)
    return norm * (np.cos(angle) * along + np.sin(angle) * across)


@pytest.mark.parametrize("weight", [0.1, 0.25, 0.5, 0.9])
def test_spherical_interpolation_is_a_rotation(weight):
    rng = np.random.default_rng(0)
    first, second = sound(rng.normal(size=(6, 3))), sound(7 * rng.normal(size=(6, 3)))
    point = embeddings.interpolate(first, second, weight, "spherical")
    assert point.embedding.dtype == np.float32
    ends = zip(first.embedding.astype(float), second.embedding.astype(float), strict=True)
    expected = [on_circle(*end, weight) for end in ends]
    np.testing.assert_allclose(point.embedding, expected, rtol=1e-5, atol=1e-6)


def test_spherical_interpolation_has_constant_speed_and_keeps_the_norm():
    first, second = sound([[0, 2, 0]]), sound([[0, -1, 3**0.5]])  # 120 degrees
    points = [
        embeddings.interpolate(first, second, weight, "spherical").embedding[0]
        for weight in np.linspace(0, 1, 7)
    ]
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 2, rtol=1e-6)
    turns = [one @ other / 4 for one, other in itertools.pairwise(points)]
    np.testing.assert_allclose(turns, np.cos(np.pi / 9), rtol=1e-6)
    np.testing.assert_allclose(points[3], [0, 1, 3**0.5], atol=1e-6)
    mean = embeddings.interpolate(first, second, 0.5).embedding[0]
    assert np.linalg.norm(mean) == pytest.approx(1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([0, 0, 0], [1, 2, 3]),
        ([1, 2, 3], [0, 0, 0]),
        ([0, 0, 0], [0, 0, 0]),
        ([1, 2, 3], [1, 2, 3]),
        ([1, 2, 3], [2, 4, 6]),
        ([1, 2, 3], [-2, -4, -6]),
        ([1e-30, 0, 0], [1e-30, 1e-38, 0]),
        ([1, 2, 3], [1, 2, 3 + 1e-6]),
    ],
)
def test_frames_without_an_arc_go_linearly_and_the_others_do_not(one, other):
    first, second = sound([one, [1, 0, 0]]), sound([other, [0, 1, 0]])
    point = embeddings.interpolate(first, second, 0.25, "spherical").embedding
    line = embeddings.blend([first, second], [0.75, 0.25]).embedding
    np.testing.assert_array_equal(point[0], line[0])
    np.testing.assert_allclose(point[1], [np.cos(np.pi / 8), np.sin(np.pi / 8), 0], atol=1e-6)


@pytest.mark.parametrize("kind", embeddings.INTERPOLATIONS)
def test_interpolation_is_exact_at_its_ends(kind):
    rng = np.random.default_rng(0)
    first = sound(rng.normal(size=(5, 3)), num_samples=37)
    second = sound(rng.normal(size=(4, 3)), source="b.wav", pitch=62)
    for weight, end in ((0, first), (1, second)):
        point = embeddings.interpolate(first, second, weight, kind)
        np.testing.assert_array_equal(point.embedding, end.embedding[:4])
        assert (point.num_samples, point.source, point.pitch) == (32, "a.wav + b.wav", -1)


def test_interpolation_is_linear_unless_told():
    first, second = sound([[0, 0, 4], [2, 2, 2]]), sound([[4, 0, 0], [2, 6, 2]])
    point = embeddings.interpolate(first, second, 0.75)
    np.testing.assert_allclose(point.embedding, [[3, 0, 1], [2, 5, 2]])


@pytest.mark.parametrize(
    ("weight", "kind"), [(-0.1, "linear"), (1.1, "spherical"), (np.nan, "linear"), (0.5, "cubic")]
)
def test_interpolation_between_the_ends_alone(weight, kind):
    with pytest.raises(ValueError, match=r"is not from 0 to 1|is not one of linear, spherical"):
        embeddings.interpolate(sound([[1.0]]), sound([[2.0]]), weight, kind)


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
