import jax
import jax.numpy as jnp
import numpy as np
import pytest
import stepwise

from wavenet_ae.models import layers
from wavenet_ae.models.arithmetic import Arithmetic
from wavenet_ae.models.layers import Conv, Taps, add_per_frame, average_pool, convolve

BFLOAT16 = Arithmetic(jnp.bfloat16, jnp.float32)


def by_definition(x, kernel, bias, dilation, causal):
    """The convolution of [batch, time, in] as a sum over taps [width, in, out], in float64."""
    batch, time, _ = x.shape
    width = len(kernel)
    out = np.tile(bias.astype(np.float64), (batch, time, 1))
    for t in range(time):
        for tap in range(width):
            back = width - 1 - tap if causal else (width - 1) // 2 - tap
            source = t - back * dilation
            if 0 <= source < time:
                out[:, t] += x[:, source].astype(np.float64) @ kernel[tap]
    return out


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(("width", "dilation"), [(1, 1), (3, 1), (3, 4), (3, 16)])
def test_convolution_is_its_definition(width, dilation, causal):
    conv = Conv(3, 5, width=width, dilation=dilation, causal=causal)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 12, 3)).astype(np.float32)
    kernel = rng.normal(size=(width, 3, 5)).astype(np.float32)
    params = {"kernel": layers.matrix_of_kernel(kernel), "bias": jnp.arange(5.0)}
    expected = by_definition(x, kernel, np.arange(5), dilation, causal)
    found = conv.apply({"params": params}, np.moveaxis(x, -1, 0))
    np.testing.assert_allclose(np.moveaxis(found, 0, -1), expected, atol=4e-6)


@pytest.mark.parametrize("taps", [Taps(), Taps(3, 2, 4), Taps(3, 5, 5), Taps(2, 3, 0)])
@pytest.mark.parametrize(
    ("arithmetic", "tolerance"), [(Arithmetic(), 1e-6), (BFLOAT16, 0.01), ("all bfloat16", 0.02)]
)
def test_gradients_are_those_that_jax_finds(taps, arithmetic, tolerance):
    if arithmetic == "all bfloat16":
        arithmetic = Arithmetic(jnp.bfloat16, jnp.bfloat16)
    matrix = jax.random.normal(jax.random.key(0), (4, taps.width * 3))
    x = jax.random.normal(jax.random.key(1), (3, 2, 11)).astype(arithmetic.activations)
    weights = jax.random.normal(jax.random.key(2), (4, 2, 11))

    def plain(matrix, x):
        return jnp.einsum("oi,ibt->obt", matrix, taps.windows(x.astype(jnp.float32)))

    expected, pull_expected = jax.vjp(plain, matrix, x)
    found, pull = jax.vjp(lambda *a: convolve(*a, taps, arithmetic), matrix, x)
    assert found.dtype == jnp.float32
    for ours, theirs in zip(
        [found, *pull(weights)], [expected, *pull_expected(weights)], strict=True
    ):
        ours, theirs = np.asarray(ours, float), np.asarray(theirs, float)
        assert np.linalg.norm(ours - theirs) < tolerance * np.linalg.norm(theirs)
    of_matrix, of_x = pull(weights)
    assert (of_matrix.dtype, of_x.dtype) == (jnp.float32, arithmetic.activations)


@pytest.mark.parametrize(
    ("arithmetic", "atol", "rtol"), [(Arithmetic(), 1e-6, 2e-6), (BFLOAT16, 1e-5, 0.02)]
)
@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("width", "dilation"), [(1, 1), (2, 4), (3, 1), (3, 2), (3, 5), (3, 16)])
def test_steps_are_the_whole_signal(width, dilation, batch, arithmetic, atol, rtol):
    conv = Conv(3, 4, width=width, dilation=dilation, causal=True, arithmetic=arithmetic)
    signal = jax.random.normal(jax.random.key(1), (3, batch, 17))
    params = conv.init(jax.random.key(2), signal)

    def start(params):
        return conv.apply(params, batch, method="initial_buffer"), 0

    def step(params, state, sample):
        buffer, time = state
        buffer, y = conv.apply(params, buffer, sample, time, method="step")
        return (buffer, time + 1), y

    stepwise.assert_steps_are_the_whole(
        conv.apply,
        lambda params, signal: stepwise.outputs(start, step, params, signal),
        params,
        signal,
        atol=atol,
        gradient_rtol=rtol,
    )


def test_initialisation_has_the_authors_variance():
    kernel = Conv(64, 200, width=3).init(jax.random.key(0), jnp.zeros((64, 1, 4)))["params"][
        "kernel"
    ]
    fan_in = 3 * 64
    assert kernel.shape == (200, fan_in)
    assert np.var(kernel) == pytest.approx(1 / fan_in, rel=0.02)
    assert np.abs(kernel).max() <= np.sqrt(3 / fan_in)


def test_pooling_averages_and_refuses_other_lengths():
    x = jnp.arange(12.0).reshape(2, 1, 6)
    np.testing.assert_array_equal(average_pool(x, 3), [[[1.0, 4.0]], [[7.0, 10.0]]])
    with pytest.raises(ValueError, match="not a multiple of the hop of 4"):
        average_pool(x, 4)


@pytest.mark.parametrize("add", [add_per_frame, layers._add_by_reshape, layers._add_by_product])
def test_frames_are_added_to_their_samples(add):
    x = jnp.zeros((1, 1, 6))
    frames = jnp.array([[[1.0, 2.0]]])
    np.testing.assert_array_equal(add(x, frames)[0, 0], [1, 1, 1, 2, 2, 2])
    x = jax.random.normal(jax.random.key(0), (3, 2, 20))
    frames = jax.random.normal(jax.random.key(1), (3, 2, 5))
    expected = x + np.repeat(frames, 4, axis=-1)
    np.testing.assert_allclose(add(x, frames), expected, atol=1e-6)
