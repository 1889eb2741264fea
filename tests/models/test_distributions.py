import functools

import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
from scipy.stats import logistic

from wavenet_ae.models.distributions import LogisticMixture, MuLawClasses, sample_categorical


def test_draws_follow_the_softmax():
    logits = jnp.log(jnp.array([0.5, 0.25, 0.0, 0.2, 0.05]))
    draws = 200_000
    uniform = (jnp.arange(draws) + 0.5) / draws
    draw = functools.partial(sample_categorical, jnp.broadcast_to(logits, (draws, 5)), uniform)
    counts = np.bincount(draw(jnp.float32(1.0)), minlength=5) / draws
    np.testing.assert_allclose(counts, [0.5, 0.25, 0.0, 0.2, 0.05], atol=1e-4)
    sharper = np.array([0.5, 0.25, 0.0, 0.2, 0.05]) ** 2
    counts = np.bincount(draw(jnp.float32(0.5)), minlength=5) / draws
    np.testing.assert_allclose(counts, sharper / sharper.sum(), atol=1e-4)
    assert np.all(draw(jnp.float32(0.0)) == 0)


def test_extreme_random_numbers_pick_possible_classes():
    logits = jnp.log(jnp.array([[0.0, 0.6, 0.4, 0.0]]))
    largest = jnp.nextafter(jnp.float32(1), jnp.float32(0))
    for uniform, expected in ((0.0, 1), (largest, 2)):
        drawn = sample_categorical(logits, jnp.array([uniform]), jnp.float32(1))
        assert drawn[0] == expected


@pytest.mark.parametrize("num_classes", [1, 5, 16, 200, 256])
@pytest.mark.parametrize("scale", [0.1, 3.0, 1000.0])
def test_draws_invert_the_cumulative_distribution(num_classes, scale):
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=scale, size=(4000, num_classes)).astype(np.float32)
    uniform = rng.random(4000, np.float32)
    uniform[:100], uniform[100:200] = 0.0, np.nextafter(np.float32(1), np.float32(0))
    drawn = np.asarray(sample_categorical(logits, uniform, jnp.float32(1)))

    probabilities = np.exp(logits.astype(float) - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    above = np.take_along_axis(probabilities.cumsum(axis=1), drawn[:, None], axis=1)[:, 0]
    own = np.take_along_axis(probabilities, drawn[:, None], axis=1)[:, 0]
    assert np.all(own > 0)
    assert np.all(above >= uniform - 1e-6)
    assert np.all(above - own <= uniform + 1e-6)


def test_the_first_of_the_most_probable_classes_is_taken():
    logits = np.zeros((3, 256), np.float32)
    logits[0, [70, 71, 200]] = 1.0
    logits[1, 255] = 1.0
    uniform = jnp.full(3, 0.9)
    drawn = sample_categorical(logits, uniform, jnp.float32(0))
    np.testing.assert_array_equal(drawn, [70, 255, 0])


def mixture_outputs(logits, means, scales):
    """The outputs of which a mixture has these components; means and scales of full scale 1."""
    count = len(logits)
    centres = (2 * np.arange(count) + 1) / count - 1
    zero_scale = np.sqrt(1 / 3) / (1.8 * count)
    return np.concatenate([logits, means - centres, np.log(np.array(scales) / zero_scale)])


def integrated(logits, means, scales):
    """Probabilities of all 65,536 values: the density's integral over each step, and the tails'."""
    weights = np.exp(logits) / np.exp(logits).sum()
    # Gauss and Legendre's rule in each of 16 parts of every step.
    nodes, areas = np.polynomial.legendre.leggauss(4)
    parts = np.concatenate([(part + 0.5 + nodes / 2) / 16 for part in range(16)]) - 0.5
    areas = np.tile(areas / 32, 16)
    found = np.zeros(2**16)
    steps = np.arange(-(2**15), 2**15)
    for weight, mean, scale in zip(weights, means, scales, strict=True):
        mean, scale = mean * 2**15, scale * 2**15
        for first in range(0, 2**16, 2**12):
            own = slice(first, first + 2**12)
            distance = (steps[own, None] + parts - mean) / scale
            found[own] += weight * logistic.pdf(distance) @ areas / scale
        # All that is below the first step and above the last.
        found[0] += weight * logistic.cdf((-(2**15) - 0.5 - mean) / scale)
        found[-1] += weight * logistic.sf((2**15 - 0.5 - mean) / scale)
    return found


MIXTURES = {
    "ordinary": ([0.0, 1.0, -1.0], [-0.3, 0.01, 0.5], [0.02, 0.001, 0.1]),
    "beyond both ends": ([0.0, 0.5], [-1.002, 1.01], [0.003, 0.02]),
    "wider than the range": ([0.3], [0.2], [1.9]),
    "as narrow as can be": ([0.0, 0.0], [0.0, 0.25], [0.5 / 2**15, 0.7 / 2**15]),
}


def probabilities(mixture, outputs):
    samples = jnp.arange(-(2**15), 2**15)[None]
    outputs = jnp.broadcast_to(jnp.asarray(outputs, jnp.float32), (1, 2**16, len(outputs)))
    return np.exp(-np.asarray(mixture.nats(outputs, samples), float))[0]


@pytest.mark.parametrize("name", MIXTURES)
def test_a_mixtures_probabilities_are_the_integrals_of_its_density(name):
    components = MIXTURES[name]
    mixture = LogisticMixture(len(components[0]))
    found = probabilities(mixture, mixture_outputs(*components))
    expected = integrated(*components)
    assert found.sum() == pytest.approx(1, abs=2e-5)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("name", MIXTURES)
@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_samples_of_a_mixture_have_its_probabilities(name, temperature):
    logits, means, scales = (np.array(x) for x in MIXTURES[name])
    mixture = LogisticMixture(len(logits))
    outputs = mixture_outputs(logits, means, scales)
    draws = 200_000
    uniform = (np.arange(draws, dtype=np.float32) + 0.5) / draws
    drawn = mixture.draw(
        jnp.broadcast_to(jnp.asarray(outputs, jnp.float32), (draws, len(outputs))),
        jnp.asarray(uniform),
        jnp.float32(temperature),
    )
    counts = np.bincount(np.asarray(drawn) + 2**15, minlength=2**16) / draws
    expected = integrated(logits / temperature, means, scales * temperature)
    np.testing.assert_allclose(counts.cumsum(), expected.cumsum(), atol=2e-4)
    values = np.arange(-(2**15), 2**15)
    spread = np.sqrt(expected @ values**2 - (expected @ values) ** 2)
    assert counts @ values == pytest.approx(expected @ values, abs=0.002 * spread)


def test_no_temperature_takes_the_mean_of_the_likeliest_component():
    mixture = LogisticMixture(3)
    outputs = [
        mixture_outputs([0.0, 2.0, 1.0], [0.5, -0.25, 0.9], [0.1, 0.9, 1e-4]),
        mixture_outputs([5.0, 2.0, 1.0], [1.7, -0.25, 0.9], [0.1, 0.9, 1e-4]),
    ]
    drawn = mixture.draw(jnp.asarray(outputs, jnp.float32), jnp.array([0.9, 0.1]), jnp.float32(0))
    np.testing.assert_array_equal(drawn, [-8192, 32767])


@pytest.mark.parametrize("uniform", [0.0, np.nextafter(np.float32(1), np.float32(0))])
def test_extreme_random_numbers_give_samples_of_16_bits(uniform):
    mixture = LogisticMixture(2)
    outputs = jnp.asarray([mixture_outputs([0.0, -80.0], [0.0, 0.5], [0.5, 1e-5])], jnp.float32)
    drawn = mixture.draw(outputs, jnp.array([uniform]), jnp.float32(1))
    assert drawn[0] == (-(2**15) if uniform == 0 else 2**15 - 1)


def test_losses_and_gradients_stay_finite():
    mixture = LogisticMixture(2)
    extremes = jnp.array([-1e4, -30.0, 0.0, 30.0, 1e4])
    outputs = jnp.stack(jnp.meshgrid(*[extremes] * 3), axis=-1).reshape(1, -1, 3)
    outputs = jnp.repeat(outputs, 2, axis=-1)
    for sample in (-(2**15), 0, 2**15 - 1):
        samples = jnp.full(outputs.shape[:2], sample)
        loss, gradient = jax.value_and_grad(lambda x, s=samples: mixture.nats(x, s).sum())(outputs)
        assert np.isfinite(loss)
        assert np.all(np.isfinite(gradient))


def test_outputs_of_zero_know_little_and_have_different_gradients():
    mixture = LogisticMixture()
    samples = jnp.linspace(-(2**15), 2**15 - 1, 1001).astype(jnp.int32)[None]
    outputs = jnp.zeros((1, 1001, mixture.num_outputs))
    bits = np.asarray(mixture.nats(outputs, samples)) / np.log(2)
    assert abs(bits.mean() - 16) < 0.2  # the ends alone have more than their share
    gradient = jax.grad(lambda x: mixture.nats(x, samples).mean())(outputs).sum(axis=(0, 1))
    assert len(np.unique(np.round(np.asarray(gradient[20:]), 6))) > 1


def test_16_bit_samples_of_audio_and_back():
    mixture = LogisticMixture()
    audio = jnp.array([0.0, 1.0, -1.0, 2.0, 1 / 32768, 0.4 / 32768, -0.6 / 32768])
    samples = mixture.quantize(audio)
    np.testing.assert_array_equal(samples, [0, 32767, -32768, 32767, 1, 0, -1])
    np.testing.assert_array_equal(mixture.quantize(mixture.to_audio(samples)), samples)


def test_noise_on_16_bit_samples_is_of_mu_law_codes():
    mixture = LogisticMixture()
    samples = jnp.array([0, 3000, -3000, 32767])
    noisy = mixture.to_audio(mixture.add_noise(samples, jnp.array([2, -3, 1, 5], jnp.int8)))
    before, after = (
        128 * librosa.mu_compress(np.asarray(x), quantize=False)
        for x in (mixture.to_audio(samples), noisy)
    )
    np.testing.assert_allclose(after - before, [2, -3, 1, 0], atol=0.3)
    np.testing.assert_array_equal(mixture.add_noise(samples, jnp.zeros(4, jnp.int8)), samples)
    codes = MuLawClasses().add_noise(jnp.array([0, -127]), jnp.array([3, -9], jnp.int8))
    np.testing.assert_array_equal(codes, [3, -128])
