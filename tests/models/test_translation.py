import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.audio import mu_law
from wavenet_ae.models import translation
from wavenet_ae.models.translation import TranslationNetwork

SMALL = TranslationNetwork(
    domains=("a", "b", "c"),
    encoder_channels=4,
    encoder_layers=4,
    encoder_dilation_cycle=3,
    decoder_channels=6,
    skip_channels=5,
    decoder_layers=5,
    dilation_cycle=3,
    embedding_size=3,
    hop_length=8,
    classifier_channels=7,
)


def count(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


def randomized(params):
    """Gives biases random values, too."""
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(jax.random.key(9), len(leaves))
    noise = [0.3 * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, [a + b for a, b in zip(leaves, noise, strict=True)])


@pytest.fixture(scope="module")
def params():
    return randomized(translation.init_params(SMALL, jax.random.key(0)))


@pytest.fixture(scope="module")
def signal():
    return jax.random.uniform(jax.random.key(1), (6, 32), minval=-0.5, maxval=0.5)


@pytest.fixture(scope="module")
def latent():
    return jax.random.normal(jax.random.key(2), (6, 4, 3))


# -- The released code's layers, written once more in NumPy, for one sound: [time, channels]


def conv(params, x, dilation=1, *, before=None):
    kernel, bias = np.asarray(params["kernel"]), np.asarray(params["bias"])
    width = kernel.shape[1] // x.shape[1]
    reach = (width - 1) * dilation
    before = reach // 2 if before is None else before
    padded = np.pad(x, ((before, reach - before), (0, 0)))
    taps = np.split(kernel, width, axis=1)
    shifted = [padded[i * dilation :][: len(x)] @ tap.T for i, tap in enumerate(taps)]
    return sum(shifted) + bias


def relu(x):
    return np.maximum(x, 0)


def encode(params, signal, dilations, hop):
    x = conv(params["start"], signal[:, None])
    for i, dilation in enumerate(dilations):
        hidden = relu(conv(params[f"dilated_{i}"], x, dilation))
        x = x + conv(params[f"pointwise_{i}"], hidden)
    x = conv(params["bottleneck"], x)
    return x.reshape(-1, hop, x.shape[1]).mean(axis=1)


def decode(params, signal, latent, dilations):
    frames = np.repeat(latent, len(signal) // len(latent), axis=0)
    x = conv(params["start"], np.r_[0, signal[:-1]][:, None], before=1)
    skips = conv(params["skip_start"], x)
    for i, dilation in enumerate(dilations):
        layer = params[f"layers_{i}"]
        both = conv(layer["dilated"], x, dilation, before=dilation)
        both = both + conv(layer["conditioning"], frames)
        gate, filtered = np.split(both, 2, axis=1)
        hidden = np.tanh(filtered) / (1 + np.exp(-gate))
        skips = skips + conv(layer["skip"], hidden)
        x = x + conv(layer["residual"], hidden)
    hidden = conv(params["head"], relu(skips)) + conv(params["head_conditioning"], frames)
    return conv(params["logits"], relu(hidden))


def classify(params, latent):
    x = latent
    for i in range(3):
        x = conv(params[f"hidden_{i}"], x)
        x = np.where(x > 0, x, np.expm1(x))
    return conv(params["logits"], x).mean(axis=0)


# --


@pytest.mark.parametrize(
    ("cycle", "decoder", "context"), [(14, 6_540_288, 65_534), (10, 4_692_992, 4_094)]
)
def test_sizes_are_the_released_ones(cycle, decoder, context):
    model = TranslationNetwork(decoder_layers=4 * cycle, dilation_cycle=cycle)
    params = jax.eval_shape(lambda key: translation.init_params(model, key), jax.random.key(0))
    assert count(params["encoder"]) == 1_982_528
    assert count(params["decoders"]) == 6 * decoder
    assert count(params["domain_classifier"]) == 27_306
    assert model.context_samples == context


def test_the_default_has_the_released_number_of_parameters():
    shapes = jax.eval_shape(
        lambda key: translation.init_params(TranslationNetwork(), key), jax.random.key(0)
    )
    assert count(shapes) == 41_251_562
    assert shapes["decoders"]["start"]["kernel"].shape == (6, 128, 2)


def test_codes_are_scaled_as_one_number():
    codes = jnp.array([-128, 0, 127])
    labels = np.asarray(mu_law.to_labels(codes))
    np.testing.assert_allclose(SMALL.to_signal(codes), labels / 255 - 0.5, atol=1e-7)


def test_the_encoder_is_the_released_ones(params, signal):
    found = SMALL.apply({"params": params}, signal, method="encode")
    expected = [encode(params["encoder"], np.asarray(x), (1, 2, 4, 1), 8) for x in signal]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_every_decoder_is_the_released_ones(params, signal, latent, platform):
    def logits(decoder, signal, latent):
        return SMALL.apply({"params": decoder}, signal, latent, method="decode")

    found = translation.map_decoders(logits, params["decoders"], signal, latent, platform=platform)
    for row, own in enumerate(found):
        decoder = translation.with_decoder(params, row // 2)["decoder"]
        expected = decode(
            decoder, np.asarray(signal[row]), np.asarray(latent[row]), (1, 2, 4, 1, 2)
        )
        np.testing.assert_allclose(own, expected, atol=2e-5)


def test_the_classifier_is_the_released_one(params, latent):
    found = SMALL.apply({"params": params}, latent, method="classify")
    expected = [classify(params["domain_classifier"], np.asarray(x)) for x in latent]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_new_weights_are_pytorchs():
    params = translation.init_params(SMALL.clone(decoder_channels=256), jax.random.key(0))
    for kernel in params["decoders"]["layers_0"]["dilated"]["kernel"]:  # of 512 inputs
        assert float(jnp.std(kernel)) == pytest.approx(1 / np.sqrt(3 * 512), rel=0.01)
        assert float(jnp.abs(kernel).max()) <= 1 / np.sqrt(512)
    kernels = params["decoders"]["layers_0"]["dilated"]["kernel"]
    assert np.abs(kernels[0] - kernels[1]).max() > 0.01


def test_predictions_depend_on_the_past_alone(params, signal, latent):
    decoder = translation.with_decoder(params, 1)

    def output(signal):
        return SMALL.apply({"params": decoder}, signal, latent, method="decode")[:, 20].sum()

    seen = np.abs(np.asarray(jax.grad(output)(signal))).max(axis=0)
    reach = 2 + 1 + 2 + 4 + 1 + 2
    assert SMALL.context_samples == reach
    np.testing.assert_array_equal(np.flatnonzero(seen), np.arange(20 - reach, 20))


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_a_decoder_learns_from_its_own_rows_alone(params, signal, latent, platform):
    def output(decoders, weights):
        def logits(decoder, signal, latent):
            return SMALL.apply({"params": decoder}, signal, latent, method="decode")

        found = translation.map_decoders(logits, decoders, signal, latent, platform=platform)
        return jnp.tensordot(weights, found.sum(axis=(1, 2)), 1)

    gradient = jax.grad(output)(params["decoders"], jnp.array([0, 0, 1, 1, 0, 0.0]))
    sizes = np.array([[np.abs(x[d]).max() for d in range(3)] for x in jax.tree.leaves(gradient)])
    assert np.all(sizes[:, [0, 2]] == 0)
    assert np.all(sizes.max(axis=0)[1] > 0)
