import jax
import numpy as np
import pytest

from wavenet_ae.models.strided import TransposedConv, direct, polyphase, strided

# Kernel sizes and strides, the baseline's first.
SHAPES = [
    ((4, 4), (2, 2)),
    ((5, 5), (2, 2)),
    ((5, 5), (2, 1)),
    ((1, 1), (1, 1)),
    ((3, 3), (2, 3)),
    ((4, 7), (3, 2)),
]


@pytest.mark.parametrize(("kernel_size", "strides"), SHAPES)
def test_phases_are_the_transposed_convolution_and_so_are_their_gradients(kernel_size, strides):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6, 5, 3)).astype(np.float32)
    kernel = rng.normal(size=(*kernel_size, 3, 4)).astype(np.float32)
    expected, pull_expected = jax.vjp(lambda *a: direct(*a, strides), x, kernel)
    found, pull_found = jax.vjp(lambda *a: polyphase(*a, strides), x, kernel)
    assert found.shape == (2, 6 * strides[0], 5 * strides[1], 4)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    weights = rng.normal(size=found.shape).astype(np.float32)
    for ours, theirs in zip(pull_found(weights), pull_expected(weights), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize(("kernel_size", "strides"), SHAPES)
def test_gradients_of_strided_convolutions_are_jaxs_own(kernel_size, strides):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 6 * strides[0], 5 * strides[1], 3)).astype(np.float32)
    kernel = rng.normal(size=(*kernel_size, 3, 4)).astype(np.float32)

    def plain(x, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        return jax.lax.conv_general_dilated(x, kernel, strides, "SAME", dimension_numbers=numbers)

    expected, pull_expected = jax.vjp(plain, x, kernel)
    found, pull_found = jax.vjp(lambda *a: strided(*a, strides), x, kernel)
    np.testing.assert_array_equal(found, expected)
    weights = rng.normal(size=found.shape).astype(np.float32)
    for ours, theirs in zip(pull_found(weights), pull_expected(weights), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


def test_accelerators_get_xlas_own():
    model = TransposedConv(4, (4, 4), (2, 2))
    x = np.zeros((1, 2, 2, 3), np.float32)
    variables = model.init(jax.random.key(0), x)
    lower = jax.jit(model.apply).trace(variables, x).lower
    dilated = "lhs_dilate = [2, 2]"
    assert dilated in lower(lowering_platforms=("tpu",)).as_text()
    assert dilated not in lower(lowering_platforms=("cpu",)).as_text()
