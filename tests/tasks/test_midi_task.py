import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import logistic

from wavenet_ae import tasks
from wavenet_ae.system.errors import UserError

CONFIG = {
    "task": "midi",
    "model": {
        "decoder_channels": 6,
        "skip_channels": 5,
        "decoder_layers": 3,
        "dilation_cycle": 3,
        "context_channels": 4,
        "context_layers": 2,
        "context_dilation_cycle": 2,
        "num_logistics": 2,
    },
    "crop_samples": 128,
}
MARGIN = 3


def task(output="mu_law", **changes):
    return tasks.create(CONFIG | {"model": CONFIG["model"] | {"output": output}} | changes)


def batch(rows=3):
    rng = np.random.default_rng(0)
    return {
        "audio": rng.uniform(-0.5, 0.5, (rows, 128)).astype(np.float32),
        "roll": rng.uniform(0, 1, (rows, 2 + 2 * MARGIN, 88)).astype(np.float32),
    }


def params_of(a_task):
    return a_task.init(jax.random.key(0))[0]


def expected_nats(a_task, params, past, samples, roll):
    """In double precision, from the model's outputs."""
    outputs = a_task.model.apply({"params": params}, a_task.model.to_signal(past), roll)
    outputs, samples = np.asarray(outputs, float), np.asarray(samples)
    if a_task.model.output == "mu_law":
        logits = outputs - outputs.max(axis=-1, keepdims=True)
        logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return -np.take_along_axis(logits, samples[..., None] + 128, -1)[..., 0].mean(axis=1)
    logits, means, log_scales = np.split(outputs, 3, axis=-1)
    weights = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    means = means + np.array([-0.5, 0.5])
    scales = np.exp(log_scales) * np.sqrt(1 / 3) / (1.8 * 2)
    edges = (samples[..., None, None] + [-0.5, 0.5]) / 2**15
    below, above = np.moveaxis(logistic.cdf((edges - means[..., None]) / scales[..., None]), -1, 0)
    return -np.log((weights * (above - below)).sum(axis=-1)).mean(axis=1)


@pytest.mark.parametrize("output", ["mu_law", "logistics"])
@pytest.mark.parametrize("noisy", [False, True])
def test_the_loss_is_of_clean_samples_after_a_noisy_past(output, noisy):
    a_task, rows = task(output), batch()
    params = params_of(a_task)
    distribution = a_task.model.distribution
    past = samples = distribution.quantize(rows["audio"])
    if noisy:
        steps = np.random.default_rng(1).integers(-9, 10, (3, 128)).astype(np.int8)
        rows["decoder_input_noise"] = steps
        past = distribution.add_noise(samples, steps)
        assert np.any(past != samples)
    metrics, _ = a_task.loss(params, {}, rows, train=True)
    expected = expected_nats(a_task, params, past, samples, rows["roll"])
    tolerance = 1e-5 if output == "mu_law" else 1e-4  # logarithms of small differences
    np.testing.assert_allclose(metrics["loss"], expected, rtol=tolerance)
    np.testing.assert_allclose(metrics["bits_per_sample"], expected / np.log(2), rtol=tolerance)


@pytest.mark.parametrize("output", ["mu_law", "logistics"])
def test_evaluation_shows_what_other_notes_cost(output):
    a_task, rows = task(output), batch()
    params = params_of(a_task)
    metrics, _ = a_task.loss(params, {}, rows, train=False)
    samples = a_task.model.distribution.quantize(rows["audio"])
    losses = [
        expected_nats(a_task, params, samples, samples, roll)
        for roll in (rows["roll"], rows["roll"][[1, 2, 0]])
    ]
    expected = (losses[1] - losses[0]) / np.log(2)
    assert np.abs(expected).min() > 1e-4
    np.testing.assert_allclose(metrics["roll_gap_bits"], expected, atol=2e-4)
    np.testing.assert_allclose(metrics["loss"], losses[0], rtol=1e-4)


def test_deaf_models_have_no_gap():
    a_task = task()
    params = params_of(a_task)
    params["context"] = jax.tree.map(jnp.zeros_like, params["context"])
    metrics, _ = a_task.loss(params, {}, batch(), train=False)
    assert not np.any(metrics["roll_gap_bits"])


@pytest.mark.parametrize(("output", "bits"), [("mu_law", 8), ("logistics", 16)])
def test_a_new_model_knows_little(output, bits):
    a_task = tasks.create(
        CONFIG | {"model": CONFIG["model"] | {"output": output, "output_init": "zeros"}}
    )
    params, _ = a_task.init(jax.random.key(0))
    metrics, _ = a_task.loss(params, {}, batch(), train=True)
    np.testing.assert_allclose(metrics["bits_per_sample"], bits, atol=0.6)


def test_baselines_are_of_the_samples_that_are_predicted():
    audio = np.array([[0.0, 0.0, 0.5, -0.5]], np.float32)
    for output, uniform in (("mu_law", 8), ("logistics", 16)):
        scores = task(output).trivial_baselines([{"audio": audio}])
        assert scores == {
            "uniform_bits_per_sample": uniform,
            "histogram_bits_per_sample": pytest.approx(1.5),
        }


def test_a_batch_has_the_roll_with_its_margins():
    a_task = task()
    assert a_task.roll_margin == MARGIN
    arrays = a_task.batch_arrays(3, {"decoder_input_noise": 0.0})
    assert arrays == {name: (x.shape, x.dtype) for name, x in batch().items()}
    noisy = a_task.batch_arrays(3, {"decoder_input_noise": 1.0})
    assert noisy["decoder_input_noise"] == ((3, 128), np.int8)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"crop_samples": 100}, r"crop_samples=100 must be a multiple of the hop of 64 samples"),
        ({"model": {"context_width": 2}}, r"context_width=2 must be 1, 3 or 5"),
        ({"model": {"num_keys": 128}}, r"num_keys=128 must be 88, a piano's keys"),
        ({"model": {"hop_length": 128}}, r"hop_length=128 must be 64, the samples of a frame"),
        ({"model": {"output": "softmax"}}, r"output='softmax' must be mu_law or logistics"),
        ({"model": {"num_logistics": 0}}, r"num_logistics=0 must be a whole number from 1 to"),
    ],
)
def test_settings_that_cannot_be(changes, reason):
    with pytest.raises(UserError, match=reason):
        tasks.create(CONFIG | changes)
