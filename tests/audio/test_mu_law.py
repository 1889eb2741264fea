import authors
import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.audio import mu_law


def test_codes_are_the_authors_but_for_full_scale():
    oracle = authors.load("mu_law.npz")
    codes = np.asarray(mu_law.encode(oracle["x"]))
    np.testing.assert_array_equal(codes, np.minimum(oracle["mu_law"], 127))
    # The authors' own class of +1.0 does not exist.
    assert oracle["mu_law"].max() == 128
    assert oracle["x"][oracle["mu_law"] == 128].min() == 1.0


def test_inverse_is_the_authors():
    oracle = authors.load("mu_law.npz")
    # 256 ** |y| in float32: a relative error of a few units in the last place.
    np.testing.assert_allclose(mu_law.decode(oracle["codes"]), oracle["inverse"], atol=3e-7)


def test_every_code_survives_a_round_trip():
    codes = np.arange(-128, 128)
    np.testing.assert_array_equal(mu_law.encode(mu_law.decode(codes)), codes)
    assert mu_law.decode(jnp.zeros(1, jnp.int32))[0] == 0.0


@pytest.mark.parametrize(("audio", "code"), [(-1.0, -128), (1.0, 127), (-7.0, -128), (7.0, 127)])
def test_full_scale_and_beyond_is_clipped(audio, code):
    assert mu_law.encode(jnp.float32(audio)) == code


def test_labels_and_signal():
    codes = jnp.array([-128, 0, 127])
    np.testing.assert_array_equal(mu_law.to_labels(codes), [0, 128, 255])
    np.testing.assert_array_equal(mu_law.from_labels(mu_law.to_labels(codes)), codes)
    np.testing.assert_array_equal(mu_law.to_unit_range(codes), [-1.0, 0.0, 127 / 128])
