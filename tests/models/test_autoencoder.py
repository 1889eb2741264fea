import functools

import authors
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.audio import mu_law
from wavenet_ae.models.autoencoder import WaveNetAutoencoder
from wavenet_ae.models.decoder import WaveNetDecoder
from wavenet_ae.models.encoder import TemporalEncoder
from wavenet_ae.tasks.wavenet import WaveNetTask

SMALL = WaveNetAutoencoder(
    encoder_channels=4,
    encoder_layers=4,
    decoder_channels=6,
    skip_channels=5,
    decoder_layers=4,
    dilation_cycle=3,
    embedding_size=3,
    hop_length=16,
)


@pytest.fixture(scope="module")
def oracle():
    return authors.load("wavenet_initial.npz")


def count(tree):
    return sum(x.size for x in jax.tree.leaves(tree))


def test_quantised_input_is_the_authors(oracle):
    np.testing.assert_array_equal(mu_law.encode(oracle["wav"]), oracle["quantized"])


@pytest.mark.parametrize("moment", ["wavenet_initial.npz", "wavenet_after_3_steps.npz"])
def test_embedding_and_logits_are_the_authors(moment):
    signal = mu_law.to_unit_range(authors.load("wavenet_initial.npz")["quantized"])
    oracle = authors.load(moment)
    params = {"params": authors.params(oracle)}
    encoding = authors.MODEL.apply(params, signal, method="encode")
    logits = authors.MODEL.apply(params, signal)
    # Values up to 45 and 70; sums of 30 layers in float32 in another order.
    np.testing.assert_allclose(encoding, oracle["encoding"], atol=1e-4)
    np.testing.assert_allclose(logits[:, ::32], oracle["logits"], atol=2e-4)


@pytest.mark.parametrize("moment", ["wavenet_initial.npz", "wavenet_after_3_steps.npz"])
def test_bfloat16_is_near_the_authors(moment, record_property):
    signal = mu_law.to_unit_range(authors.load("wavenet_initial.npz")["quantized"])
    oracle = authors.load(moment)
    params, model = {"params": authors.params(oracle)}, authors.MODEL.clone(dtype=jnp.bfloat16)
    found = {
        "encoding": model.apply(params, signal, method="encode"),
        "logits": model.apply(params, signal)[:, ::32],
    }
    for name, ours in found.items():
        error = np.linalg.norm(ours - oracle[name]) / np.linalg.norm(oracle[name])
        # A CPU's is 0.0025 to 0.0048.
        record_property(f"bfloat16: relative error of the {name}, {moment}", f"{error:.2g}")
        assert 1e-4 < error < 0.01


def test_loss_and_all_gradients_are_the_authors(oracle):
    task = WaveNetTask(authors.MODEL, crop_samples=2048)
    batch = {"audio": jnp.asarray(oracle["wav"]), "pitch": jnp.zeros(2, jnp.int32)}

    @functools.partial(jax.jit, compiler_options=authors.ACCURATE_SUMS)
    @jax.value_and_grad
    def loss_and_gradient(params):
        return task.loss(params, {}, batch, train=True)[0]["loss"].mean()

    loss, gradient = loss_and_gradient(authors.params(oracle))
    assert loss == pytest.approx(oracle["loss"], rel=1e-6)
    expected = authors.tree(lambda name: oracle[f"grad/{name}"])

    def relative_error(ours, theirs):
        ours = np.ravel(ours.T)  # as [width, in, out]
        return np.linalg.norm(ours[::4] - theirs) / np.linalg.norm(theirs)

    # float32 sums over 4,096 samples in another order.
    errors = jax.tree.map(relative_error, gradient, expected)
    assert max(jax.tree.leaves(errors)) < 5e-5


def test_the_papers_parameter_counts():
    model = WaveNetAutoencoder()
    shapes = jax.eval_shape(model.init, jax.random.key(0), jnp.zeros((1, 512)))["params"]
    assert count(shapes["encoder"]) == 1_976_336
    # The authors' graph also has a residual projection that reaches no output.
    unused = 512 * 512 + 512
    assert count(shapes["decoder"]) == 59_827_712 - unused
    assert count(shapes) == 61_804_048 - unused


def test_first_loss_with_zero_output_init_knows_nothing():
    model = SMALL.clone(output_init="zeros")
    task = WaveNetTask(model, crop_samples=64)
    params, _ = task.init(jax.random.key(0))
    audio = jax.random.uniform(jax.random.key(1), (2, 64), minval=-1.0)
    metrics, _ = task.loss(params, {}, {"audio": audio, "pitch": jnp.zeros(2, int)}, train=True)
    np.testing.assert_allclose(metrics["loss"], np.log(256), rtol=1e-6)
    np.testing.assert_allclose(metrics["bits_per_sample"], 8, rtol=1e-6)


def test_decoder_is_causal_and_sees_its_whole_receptive_field():
    decoder = WaveNetDecoder(
        channels=6, skip_channels=5, num_layers=4, dilation_cycle=3, conditioning_size=3
    )
    assert WaveNetDecoder().context_samples == 6141
    signal = jax.random.normal(jax.random.key(0), (1, 64))
    embedding = jax.random.normal(jax.random.key(1), (1, 4, 3))
    params = decoder.init(jax.random.key(2), signal, embedding)
    at = 50

    def output(signal):
        return decoder.apply(params, signal, embedding)[0, at].sum()

    sensitivity = np.abs(np.asarray(jax.grad(output)(signal)))[0]
    assert np.all(sensitivity[at:] == 0)
    reach = decoder.context_samples
    assert np.all(sensitivity[at - reach : at] > 0)
    assert np.all(sensitivity[: at - reach] == 0)


def test_lags_lengthen_the_receptive_field():
    decoder = WaveNetDecoder(
        channels=6,
        skip_channels=5,
        num_layers=4,
        dilation_cycle=3,
        conditioning_size=3,
        pitch_lags=1,
        kernel_init=jax.nn.initializers.normal(0.3),
    )
    signal = jax.random.uniform(jax.random.key(0), (1, 1_024), minval=0.1)
    embedding = jax.random.normal(jax.random.key(1), (1, 4, 3))
    at = 1_000

    def sensitivity(pitch):
        pitch = jnp.array([pitch])
        params = decoder.init(jax.random.key(2), signal, embedding, pitch)
        kernel = params["params"]["lagged"]["kernel"]
        params["params"]["lagged"]["kernel"] = jnp.ones_like(kernel)

        def output(signal):
            return decoder.apply(params, signal, embedding, pitch)[0, at].sum()

        return np.abs(np.asarray(jax.grad(output)(signal)))[0]

    lowest, high = sensitivity(21), sensitivity(60)
    reach = decoder.context_samples
    assert np.all(lowest[at:] == 0)
    assert lowest[at - reach] > 0
    assert np.all(lowest[: at - reach] == 0)
    # A period of middle C is 61 samples, not 582.
    assert np.all(high[at:] == 0)
    assert high[at - reach + 521 :].any()
    assert np.all(high[: at - reach + 518] == 0)
    # Between what the layers reach and the lag nothing is read.
    assert np.all(lowest[at - 500 : at - 100] == 0)


def test_each_frame_conditions_its_own_samples_alone_or_later_ones():
    signal = jax.random.normal(jax.random.key(0), (1, 64))
    embedding = jax.random.normal(jax.random.key(1), (1, 4, 3))
    decoder = WaveNetDecoder(
        channels=6, skip_channels=5, num_layers=2, dilation_cycle=2, conditioning_size=3
    )
    params = decoder.init(jax.random.key(2), signal, embedding)

    def output(embedding):
        return decoder.apply(params, signal, embedding)[0, 20].sum()

    sensitivity = np.abs(np.asarray(jax.grad(output)(embedding)))[0].max(axis=-1)
    assert sensitivity[1] > 0
    assert np.all(sensitivity[2:] == 0)


def test_encoder_sees_its_receptive_field_on_both_sides():
    encoder = TemporalEncoder(
        channels=4, num_layers=4, dilation_cycle=3, embedding_size=3, hop_length=8
    )
    assert TemporalEncoder().context_samples == 3 * 1023 + 1
    signal = jax.random.normal(jax.random.key(0), (1, 80))
    params = encoder.init(jax.random.key(1), signal)

    def output(signal):
        return encoder.apply(params, signal)[0, 4].sum()

    seen = np.flatnonzero(jax.grad(output)(signal)[0])
    reach = encoder.context_samples
    # ReLUs can hide a sample, so the ends are bounds that are all but met.
    assert 32 - reach <= seen.min() <= 32 - reach + 2
    assert 39 + reach - 2 <= seen.max() <= 39 + reach


def test_pitch_changes_a_conditioned_model_alone():
    signal = jax.random.normal(jax.random.key(0), (2, 32))
    low, high = jnp.array([40, 40]), jnp.array([40, 60])
    plain = SMALL.init(jax.random.key(1), signal)
    np.testing.assert_array_equal(SMALL.apply(plain, signal, low), SMALL.apply(plain, signal, high))
    model = SMALL.clone(num_pitches=128)
    params = model.init(jax.random.key(1), signal, low)
    assert params["params"]["decoder"]["layers_0"]["conditioning"]["kernel"].shape == (12, 131)
    first, second = model.apply(params, signal, low), model.apply(params, signal, high)
    np.testing.assert_array_equal(first[0], second[0])
    assert np.abs(first[1] - second[1]).max() > 1e-3
    with pytest.raises(ValueError, match="conditioned on pitch"):
        model.apply(params, signal)


def test_bfloat16_computes_the_same_model_coarsely():
    signal = jax.random.normal(jax.random.key(0), (2, 64))
    params = SMALL.init(jax.random.key(1), signal)
    exact = SMALL.apply(params, signal)
    coarse = SMALL.clone(dtype=jnp.bfloat16).apply(params, signal)
    assert coarse.dtype == jnp.float32
    assert 0 < np.linalg.norm(coarse - exact) / np.linalg.norm(exact) < 0.03
