from typing import NamedTuple

import authors
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special

from wavenet_ae.models.spectral_autoencoder import (
    NormalizedConv,
    SpectralAutoencoder,
    SpectralDecoder,
)
from wavenet_ae.tasks.spectral_loss import frequency_weights, weighted_squared_error

MODEL = authors.SPECTRAL_MODEL
Z_BETA = "encoder/z_Layer/z/BatchNorm/beta"


@pytest.fixture(scope="module")
def oracle():
    arrays = authors.load("spectral_initial.npz")
    high, low = arrays.pop("spectrogram_bytes")
    arrays["spectrogram"] = ((256.0 * high + low) / 65535).astype(np.float32)
    arrays["z_train"], arrays["z_eval"] = arrays["z_train"][:, 0, 0], arrays["z_eval"][:, 0, 0]
    arrays["pitch"] = arrays["pitch"][:, 0].astype(np.int32)
    return arrays


@pytest.fixture(scope="module")
def variables():
    arrays = authors.spectral_variables()
    return {"params": authors.spectral_params(arrays), **authors.spectral_statistics(arrays)}


@jax.jit
def encode(variables, spectrogram):
    return MODEL.apply(variables, spectrogram, method="encode")


@jax.jit
def decode(variables, z, pitch):
    return MODEL.apply(variables, z, pitch, method="decode")


class TrainingPass(NamedTuple):
    z: jax.Array
    xhat: jax.Array
    state: dict
    loss: jax.Array
    gradient: dict


@pytest.fixture(scope="module")
def training_pass(oracle, variables):
    """Runs the model in training mode, by its own embedding or with the authors' in its place."""
    spectrogram = jnp.asarray(oracle["spectrogram"])

    def run(model, theirs):
        z = jnp.where(theirs, oracle["z_train"], model.encode(spectrogram, train=True))
        return z, model.decode(z, oracle["pitch"], train=True)

    def loss(params, theirs):
        (z, xhat), state = MODEL.apply(
            variables | {"params": params}, theirs, method=run, mutable=["batch_stats"]
        )
        error = weighted_squared_error(spectrogram, xhat, frequency_weights()).mean()
        return error, (z, xhat, state)

    gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))

    def one_pass(theirs):
        (error, kept), grads = gradient(variables["params"], theirs)
        return TrainingPass(*kept, error, grads)

    return {"own": one_pass(False), "theirs": one_pass(True)}


def part_of(oracle, prefix):
    return {
        name.removeprefix(prefix): value
        for name, value in oracle.items()
        if name.startswith(prefix)
    }


def relative_errors(gradient, oracle):
    """Relative errors of the gradients by the authors' names."""
    ours = authors.spectral_gradients(gradient)
    theirs = part_of(oracle, "grad/")
    assert ours.keys() == theirs.keys()

    def error(ours, theirs):
        kept = ours.ravel()[::7] if ours.size > 200 else ours
        return np.linalg.norm(kept - theirs) / np.linalg.norm(theirs)

    return {name: error(ours[name], theirs[name]) for name in theirs}


def count(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


def shapes(model):
    spectrogram = jnp.zeros((1, 512, 256, 1))
    return jax.eval_shape(model.init, jax.random.key(0), spectrogram, jnp.zeros(1, jnp.int32))


def test_by_moving_statistics_everything_is_the_authors(oracle, variables):
    z = encode(variables, oracle["spectrogram"])
    xhat = decode(variables, z, oracle["pitch"])
    # float32 sums of up to 3,700 products (148 x 25) in another order.
    np.testing.assert_allclose(z, oracle["z_eval"], atol=5e-7)
    np.testing.assert_allclose(xhat[:, ::7, ::5], oracle["xhat_eval"], atol=5e-7)
    error = weighted_squared_error(oracle["spectrogram"], xhat, frequency_weights())
    assert error.mean() == pytest.approx(oracle["loss_eval"], rel=1e-6)


def test_training_pass_is_the_authors(oracle, training_pass):
    own = training_pass["own"]
    # At the bottleneck three values are normalised by their own spread, which magnifies the
    # input's rounding to 16 bits to this; of the whole float32 it is 4e-4, on the authors' side.
    np.testing.assert_allclose(own.z, oracle["z_train"], atol=5e-3)
    np.testing.assert_allclose(own.xhat[:, ::7, ::5], oracle["xhat_train"], atol=5e-3)
    assert own.loss == pytest.approx(oracle["loss_train"], rel=1e-4)
    # Behind the bottleneck nothing magnifies so much.
    theirs = training_pass["theirs"]
    np.testing.assert_allclose(theirs.xhat[:, ::7, ::5], oracle["xhat_train"], atol=1e-4)
    assert theirs.loss == pytest.approx(oracle["loss_train"], rel=3e-5)


def test_moving_statistics_after_a_training_pass_are_the_authors(oracle, variables, training_pass):
    expected = authors.spectral_statistics(part_of(oracle, "moving_after/"))
    jax.tree.map(
        # A thousandth of the batch's statistics goes in, and of their errors.
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, atol=5e-6),
        training_pass["own"].state,
        expected,
    )
    before = {"batch_stats": variables["batch_stats"]}
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before, expected)
    assert min(jax.tree.leaves(moved)) > 5e-5


def test_all_gradients_are_the_authors(oracle, training_pass):
    errors = relative_errors(training_pass["own"].gradient, oracle)
    # The shift of z reaches nothing: the next normalisation takes it away.
    del errors[Z_BETA]
    z_beta = training_pass["own"].gradient["encoder"]["layers_10"]["norm"]["bias"]
    np.testing.assert_allclose(z_beta, 0, atol=1e-7)
    # The bottleneck magnifies the input's rounding, as above; of the whole float32 the largest is
    # 0.015, on the authors' side: computing in float64 leaves as much.
    assert len(errors) == 44
    assert max(errors.values()) < 0.08
    errors = relative_errors(training_pass["theirs"].gradient, oracle)
    assert max(e for name, e in errors.items() if name.startswith("decoder")) < 2e-3


@pytest.mark.parametrize(
    ("kernel_size", "strides", "transposed"),
    [
        ((5, 5), (2, 2), False),
        ((4, 4), (2, 2), False),
        ((4, 4), (2, 1), False),
        ((1, 1), (1, 1), False),
        ((1, 1), (1, 1), True),
        ((4, 4), (2, 2), True),
        ((5, 5), (2, 2), True),
        ((5, 5), (2, 1), True),
    ],
)
def test_every_kind_of_layer_is_tensorflows(kernel_size, strides, transposed):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 6, 3)).astype(np.float32)
    layer = NormalizedConv(5, kernel_size, strides, transposed=transposed)
    variables = layer.init(jax.random.key(0), x, train=True)
    kernel = np.asarray(variables["params"]["conv"]["kernel"])
    bias = rng.normal(size=5).astype(np.float32)

    def ours(x, kernel, bias):
        params = {"conv": {"kernel": kernel}, "norm": {"bias": bias}}
        return layer.apply(variables | {"params": params}, x, True, mutable=["batch_stats"])

    y, backward, state = jax.vjp(ours, x, kernel, bias, has_aux=True)
    direction = rng.normal(size=y.shape).astype(np.float32)

    with tf.GradientTape() as tape:
        inputs = [tf.constant(array) for array in (x, kernel, bias)]
        tape.watch(inputs)
        x, kernel, bias = inputs
        if transposed:
            turned = tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2))
            z = tf.nn.conv2d_transpose(x, turned, y.shape, strides, "SAME")
        else:
            z = tf.nn.conv2d(x, kernel, strides, "SAME")
        mean, variance = tf.nn.moments(z, (0, 1, 2))
        z = tf.nn.batch_normalization(z, mean, variance, bias, None, 1e-3)
        expected = tf.nn.leaky_relu(z, 0.1)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    gradients = tape.gradient(expected, inputs, direction)
    for a, b in zip(backward(direction), gradients, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)

    statistics = state["batch_stats"]["norm"]
    values = y.size // 5
    unbiased = variance * values / (values - 1)
    np.testing.assert_allclose(statistics["mean"], 0.001 * mean, atol=1e-7)
    np.testing.assert_allclose(statistics["var"], 0.999 + 0.001 * unbiased, atol=1e-6)


def test_the_papers_parameter_counts():
    variables = shapes(SpectralAutoencoder())
    params = variables["params"]
    # Kernels of the encoder's layers, then the shifts of their normalisation.
    squares = 128 * 128 * 2 + 128 * 256 + 256 * 256 * 2 + 256 * 512 + 512 * 512 * 2
    kernels = 25 * 128 + 16 * squares + 512 * 1024 + 1024 * 1984
    shifts = 3 * 128 + 3 * 256 + 3 * 512 + 1024 + 1984
    assert count(params["encoder"]) == kernels + shifts == 16_196_288
    # The decoder's, and the output with its bias.
    squares = 1024 * 512 + 512 * 512 + 512 * 256 + 256 * 256 * 2 + 256 * 128 + 128 * 128
    kernels = (1984 + 128) * 1024 + 16 * squares + 25 * 2 * 128 * 128
    shifts_too = 1024 + 2 * 512 + 3 * 256 + 4 * 128
    assert count(params["decoder"]) == kernels + shifts_too + 128 + 1 == 20_548_993
    assert count(params["pitch_embedding"]) == 128 * 128
    assert count(params) == 36_761_665
    assert count(variables["batch_stats"]) == 2 * (shifts + shifts_too) == 18_048


def test_without_pitch_the_decoder_sees_the_embedding_alone():
    model = MODEL.clone(num_pitches=0)
    params = shapes(model)["params"]
    assert "pitch_embedding" not in params
    assert params["decoder"]["layers_0"]["conv"]["kernel"].shape == (1, 1, 20, 24)
    # 128 x 24 weights beside the table.
    assert count(shapes(MODEL)["params"]) - count(params) == 128 * 128 + 128 * 24
    z = jnp.zeros((2, 20))
    xhat = jax.eval_shape(lambda v: model.apply(v, z, method="decode"), shapes(model))
    assert xhat.shape == (2, 512, 256, 1)


@pytest.mark.parametrize("embedding_size", [16, 1984])
def test_embeddings_have_the_size_that_was_asked_for(embedding_size):
    model = MODEL.clone(embedding_size=embedding_size)
    variables, spectrogram = shapes(model), jnp.zeros((3, 512, 256, 1))
    z = jax.eval_shape(lambda v: model.apply(v, spectrogram, method="encode"), variables)
    assert (z.shape, z.dtype) == ((3, embedding_size), jnp.float32)
    pitch = jnp.full(3, 60)
    xhat = jax.eval_shape(lambda v, z: model.apply(v, z, pitch, method="decode"), variables, z)
    assert (xhat.shape, xhat.dtype) == (spectrogram.shape, jnp.float32)


@pytest.mark.parametrize(
    ("representation", "activations"),
    [
        ("log_magnitude", [scipy.special.expit]),
        ("log_magnitude_and_frequency", [scipy.special.expit, np.tanh]),
        ("real_and_imaginary", [lambda x: x, lambda x: x]),
    ],
)
def test_every_representation_ends_in_its_range(representation, activations):
    model = SpectralDecoder(8, 8, 8, 8, representation=representation)
    z = np.random.default_rng(0).normal(size=(2, 20)).astype(np.float32)
    variables = jax.jit(model.init)(jax.random.key(0), z)
    output = np.asarray(jax.jit(model.apply)(variables, z))
    # The last layer's product, taken from inside.
    run = jax.jit(lambda v, z: model.apply(v, z, capture_intermediates=True, mutable=True))
    captured = run(variables, z)[1]["intermediates"]
    before = np.asarray(captured["output"]["__call__"][0])
    assert output.shape == (2, 512, 256, len(activations))
    assert before.std() > 0
    for channel, activation in enumerate(activations):
        expected = activation(before[..., channel])
        np.testing.assert_allclose(output[..., channel], expected, rtol=1e-5, atol=1e-7)


def test_pitch_changes_its_own_note_alone(oracle, variables):
    decoded = [
        decode(variables, oracle["z_eval"], np.array(pitch, np.int32))
        for pitch in ([60, 60, 60], [60, 61, 60])
    ]
    differs = np.any(np.asarray(decoded[0] != decoded[1]), axis=(1, 2, 3))
    np.testing.assert_array_equal(differs, [False, True, False])


def test_bfloat16_is_close_and_keeps_float32_outside(oracle, variables):
    model = MODEL.clone(dtype=jnp.bfloat16)
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(shapes(model)))

    @jax.jit
    def run(spectrogram, pitch):
        z = model.apply(variables, spectrogram, method="encode")
        return z, model.apply(variables, z, pitch, method="decode")

    z, xhat = run(oracle["spectrogram"], oracle["pitch"])
    assert (z.dtype, xhat.dtype) == (jnp.float32, jnp.float32)
    # Eleven layers of 8-bit mantissas; the embedding's values reach 0.34.
    np.testing.assert_allclose(z, oracle["z_eval"], atol=0.02)
    np.testing.assert_allclose(xhat[:, ::7, ::5], oracle["xhat_eval"], atol=0.01)


def test_wrong_inputs_are_refused(variables):
    with pytest.raises(ValueError, match=r"spectrograms are \(512, 256\), these are \(513, 251\)"):
        MODEL.apply(variables, jnp.zeros((1, 513, 251, 1)), method="encode")
    with pytest.raises(ValueError, match="conditioned on pitch"):
        MODEL.apply(variables, jnp.zeros((1, 20)), method="decode")
