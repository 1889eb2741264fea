import functools

import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.models.distributions import sample_categorical


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
