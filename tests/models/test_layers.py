import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.models.layers import Conv, add_per_frame, average_pool


def by_definition(x, kernel, bias, dilation, causal):
    """The convolution as a sum over taps, in float64."""
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
    x = np.random.default_rng(0).normal(size=(2, 12, 3)).astype(np.float32)
    params = conv.init(jax.random.key(0), x)["params"]
    params["bias"] = jnp.arange(5.0)
    expected = by_definition(x, np.asarray(params["kernel"]), np.arange(5), dilation, causal)
    np.testing.assert_allclose(conv.apply({"params": params}, x), expected, atol=2e-6)


@pytest.mark.parametrize("dilation", [1, 2, 5])
def test_steps_agree_with_the_whole_signal_in_values_and_gradients(dilation):
    conv = Conv(3, 4, width=3, dilation=dilation, causal=True)
    x = np.random.default_rng(1).normal(size=(2, 17, 3)).astype(np.float32)
    params = conv.init(jax.random.key(1), x)["params"]

    def whole(params):
        return conv.apply({"params": params}, x)

    def stepwise(params):
        buffer = conv.apply({"params": params}, 2, method="initial_buffer")

        def step(buffer, xs):
            time, sample = xs
            return conv.apply({"params": params}, buffer, sample, time, method="step")

        _, out = jax.lax.scan(step, buffer, (jnp.arange(17), x.swapaxes(0, 1)))
        return out.swapaxes(0, 1)

    np.testing.assert_allclose(stepwise(params), whole(params), atol=1e-6)
    weight = np.random.default_rng(2).normal(size=(2, 17, 4)).astype(np.float32)
    gradients = [jax.grad(lambda p, f=f: (f(p) * weight).sum())(params) for f in (whole, stepwise)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), *gradients)


def test_initialisation_has_the_authors_variance():
    kernel = Conv(64, 200, width=3).init(jax.random.key(0), jnp.zeros((1, 4, 64)))["params"][
        "kernel"
    ]
    fan_in = 3 * 64
    assert np.var(kernel) == pytest.approx(1 / fan_in, rel=0.02)
    assert np.abs(kernel).max() <= np.sqrt(3 / fan_in)


def test_pooling_averages_and_refuses_other_lengths():
    x = jnp.arange(12.0).reshape(1, 6, 2)
    np.testing.assert_array_equal(average_pool(x, 3), [[[2.0, 3.0], [8.0, 9.0]]])
    with pytest.raises(ValueError, match="no multiple of the hop of 4"):
        average_pool(x, 4)


def test_frames_are_added_to_their_samples():
    x = jnp.zeros((1, 6, 1))
    frames = jnp.array([[[1.0], [2.0]]])
    np.testing.assert_array_equal(add_per_frame(x, frames)[0, :, 0], [1, 1, 1, 2, 2, 2])
