import jax
import numpy as np
import optax
import pytest

from wavenet_ae import tasks
from wavenet_ae.audio import mu_law
from wavenet_ae.models import translation
from wavenet_ae.system.errors import UserError

MODEL = {
    "encoder_channels": 4,
    "encoder_layers": 3,
    "decoder_channels": 6,
    "skip_channels": 5,
    "decoder_layers": 3,
    "dilation_cycle": 3,
    "embedding_size": 3,
    "hop_length": 32,
    "classifier_channels": 7,
}
CONFIG = {
    "task": "translation",
    "model": MODEL,
    "domains": ["low", "high"],
    "crop_samples": 128,
    "domain_weight": 0.5,
    "domain_learning_rate": 1e-2,
    "train": "all",
}


def batch(rows=4, samples=128, domains=2):
    rng = np.random.default_rng(0)
    audio = rng.uniform(-0.5, 0.5, (2, rows, samples)).astype(np.float32)
    domain = np.arange(rows, dtype=np.int32) // (rows // domains)
    return {"audio": audio[0], "augmented": audio[1], "domain": domain}


@pytest.fixture(scope="module")
def task():
    return tasks.create(CONFIG)


@pytest.fixture(scope="module")
def params(task):
    return task.init(jax.random.key(0))[0]


def log_probabilities(logits):
    logits = np.asarray(logits, float)
    logits = logits - logits.max(axis=-1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def expected_losses(task, params, codes_of_latent, codes, domain):
    """Row by row: nats a sample, and nats of the domain."""
    reconstruction, of_domain = [], []
    for row in range(len(codes)):
        decoder = translation.with_decoder(params, int(domain[row]))
        latent = task.model.apply(
            {"params": params}, task.model.to_signal(codes_of_latent[row][None]), method="encode"
        )
        logits = task.model.apply(
            {"params": decoder},
            task.model.to_signal(codes[row][None]),
            latent,
            method="decode",
        )
        labels = np.asarray(codes[row]) + 128
        right = log_probabilities(logits[0])[np.arange(len(labels)), labels]
        reconstruction.append(-right.mean())
        logits = task.model.apply({"params": params}, latent, method="classify")
        of_domain.append(-log_probabilities(logits[0])[domain[row]])
    return np.array(reconstruction), np.array(of_domain)


def test_the_autoencoder_reads_detuned_sounds_and_predicts_clean_ones(task, params):
    rows = batch()
    clean, detuned = mu_law.encode(rows["audio"]), mu_law.encode(rows["augmented"])
    nats, of_domain = expected_losses(task, params, detuned, clean, rows["domain"])
    found, _ = task.autoencoder_loss(params, {}, rows, train=True)
    np.testing.assert_allclose(found["loss"], nats, rtol=1e-5)
    np.testing.assert_allclose(found["bits_per_sample"], nats / np.log(2), rtol=1e-5)
    np.testing.assert_allclose(found["confused_loss"], nats - 0.5 * of_domain, rtol=1e-5)


def test_classifier_and_evaluation_read_clean_sounds(task, params):
    rows = batch()
    clean = mu_law.encode(rows["audio"])
    nats, of_domain = expected_losses(task, params, clean, clean, rows["domain"])
    found, _ = task.classifier_loss(params, {}, rows, train=True)
    np.testing.assert_allclose(found["domain_loss"], of_domain, rtol=1e-5)
    scores, _ = task.loss(params, {}, rows, train=False)
    np.testing.assert_allclose(scores["loss"], nats, rtol=1e-5)
    np.testing.assert_allclose(scores["domain_loss"], of_domain, rtol=1e-5)
    right = of_domain < np.log(2)  # of two
    np.testing.assert_array_equal(scores["domain_accuracy"], right)


def test_updates_follow_each_other_on_their_own_weights(task):
    classifier, autoencoder = task.updates
    assert (classifier.groups, autoencoder.groups) == (
        ("domain_classifier",),
        ("encoder", "decoders"),
    )
    assert (classifier.objective, autoencoder.objective) == ("domain_loss", "confused_loss")
    assert classifier.settings({"learning_rates": (1.0, 2.0), "boundaries": (3,), "b1": 0.9}) == {
        "learning_rates": (1e-2,),
        "boundaries": (),
        "b1": 0.9,
    }


def test_a_decoder_alone_needs_no_second_domain_and_no_classifier():
    task = tasks.create({**CONFIG, "domains": ["harp"], "train": "decoder"})
    params, _ = task.init(jax.random.key(0))
    assert params.keys() == {"encoder", "decoders"}
    assert task.metrics == ("loss", "bits_per_sample")
    [update] = task.updates
    trained, others = update.split(params)
    assert (trained.keys(), others.keys()) == ({"decoders"}, {"encoder"})
    scores, _ = task.loss(params, {}, batch(domains=1), train=True)
    assert scores.keys() == {*task.metrics}


def test_new_domains_begin_with_the_first_decoder_of_another_run(task, params):
    other = tasks.create({**CONFIG, "domains": ["x", "y", "z"], "train": "decoder"})
    new, _ = other.init(jax.random.key(1))
    start = other.start_params(new, params)
    assert jax.tree.structure(start) == jax.tree.structure(new)
    jax.tree.map(np.testing.assert_array_equal, start["encoder"], params["encoder"])
    for domain in range(3):
        jax.tree.map(
            np.testing.assert_array_equal,
            translation.with_decoder(start, domain)["decoder"],
            translation.with_decoder(params, 0)["decoder"],
        )
    assert other.may_differ == ("domains",)


def test_all_of_another_run_is_taken_and_a_classifier_that_it_lacks_is_new(task, params):
    new, _ = task.init(jax.random.key(1))
    without = {name: branch for name, branch in params.items() if name != "domain_classifier"}
    start = task.start_params(new, without)
    assert start["decoders"] is params["decoders"]
    assert start["domain_classifier"] is new["domain_classifier"]
    assert task.start_params(new, params) == params


def test_baselines_are_those_of_codes_and_of_guessing(task):
    found = task.trivial_baselines([batch()])
    assert found["uniform_bits_per_sample"] == 8
    assert 0 < found["histogram_bits_per_sample"] < 8
    assert found["chance_domain_accuracy"] == 0.5


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"domains": ["one"]}, r"domains=\['one'\] must be two or more.*train=decoder"),
        ({"domains": ["one", "one"]}, r"domains=.* must be a list of different names"),
        ({"domains": "one"}, r"domains='one' must be a list of different names"),
        ({"crop_samples": 100}, r"crop_samples=100 must be a multiple of the hop of 32"),
        ({"train": "encoder"}, r"train='encoder' must be all or decoder"),
        ({"domain_weight": -1.0}, r"domain_weight=-1\.0 must be a number, 0 or larger"),
    ],
)
def test_settings_that_cannot_be(changes, reason):
    with pytest.raises(UserError, match=reason):
        tasks.create(CONFIG | changes)


def test_a_model_knows_its_domains_in_order(task):
    assert task.model.domains == task.domains == ("low", "high")
    assert hash(task.model) == hash(tasks.create(CONFIG).model)
    assert task.model != tasks.create(CONFIG | {"domains": ["high", "low"]}).model


def test_clean_sounds_give_the_classifier_no_gradient_to_the_encoder(task, params):
    [trained, _] = task.updates[0].split(params)
    assert trained.keys() == {"domain_classifier"}
    rows = batch()

    def gradient(params):
        return task.autoencoder_loss(params, {}, rows, train=True)[0]["confused_loss"].mean()

    grads = jax.grad(gradient)(params)
    assert optax.global_norm(grads["encoder"]) > 0
    assert optax.global_norm(grads["decoders"]) > 0


def test_noise_reaches_the_decoders_past_alone(task, params):
    clean = batch()

    def losses(place):
        noise = np.where(np.arange(128) == place, 9, 0).astype(np.int8)
        noisy = clean | {"decoder_input_noise": np.stack([noise, 0 * noise, 0 * noise, noise])}
        return np.asarray(task.loss(params, {}, noisy, train=True)[0]["loss"])

    expected = np.asarray(task.loss(params, {}, clean, train=True)[0]["loss"])
    # No sample follows the last one, and neither the encoder nor the targets get the noise.
    np.testing.assert_array_equal(losses(127), expected)
    assert np.flatnonzero(losses(60) != expected).tolist() == [0, 3]
    assert "decoder_input_noise" in task.batch_arrays(4, {"decoder_input_noise": 4.0})
