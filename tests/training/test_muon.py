import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.system.errors import UserError
from wavenet_ae.training.state import make_optimizer

SETTINGS = {
    "name": "muon",
    "learning_rates": [0.5],
    "boundaries": [],
    "b1": 0.9,
    "b2": 0.99,
    "eps": 1e-8,
    "clip_norm": None,
    "clip_value": None,
}
SHAPES = {"conv": (3, 8, 16), "image": (2, 3, 4, 12), "bias": (16,), "scale": ()}


@pytest.fixture(scope="module")
def updates():
    """Two updates of random gradients."""
    optimizer = make_optimizer(SETTINGS)
    params = {name: jnp.ones(shape) for name, shape in SHAPES.items()}
    state, found = optimizer.init(params), []
    for key in jax.random.split(jax.random.key(0), 2):
        gradient = jax.tree.map(lambda p, key=key: 1e-3 * jax.random.normal(key, p.shape), params)
        update, state = optimizer.update(gradient, state, params)
        found.append((gradient, update))
    return found


@pytest.mark.parametrize("name", ["conv", "image"])
def test_the_updates_of_kernels_are_nearly_orthogonal_and_of_adams_size(updates, name):
    columns = SHAPES[name][-1]
    for gradient, update in updates:
        matrix = np.asarray(update[name]).reshape(-1, columns)
        before = np.linalg.svd(np.asarray(gradient[name]).reshape(-1, columns), compute_uv=False)
        after = np.linalg.svd(matrix, compute_uv=False)
        assert after.max() / after.min() < 2 < before.max() / before.min()
        # Orthogonal columns of n rows have a root mean square of 1 / sqrt(max(rows, columns)).
        assert np.sqrt(np.mean(matrix**2)) == pytest.approx(0.5 * 0.2, rel=0.25)
    first_gradient, first_update = updates[0]
    assert np.sum(np.asarray(first_gradient[name]) * np.asarray(first_update[name])) < 0


@pytest.mark.parametrize("name", ["bias", "scale"])
def test_the_first_update_of_other_parameters_is_nadams(updates, name):
    gradient, update = updates[0]
    # With Nesterov's momentum the first step is 1.47 times the learning rate.
    nesterov = 0.9 * 0.1 / (1 - 0.9**2) + 0.1 / (1 - 0.9)
    np.testing.assert_allclose(update[name], -0.5 * nesterov * np.sign(gradient[name]), rtol=1e-3)


def test_there_is_no_other_optimizer():
    with pytest.raises(UserError, match=r"config\.optimizer\.name='sgd' must be adam or muon"):
        make_optimizer({**SETTINGS, "name": "sgd"})


def test_each_of_the_stacked_kernels_is_a_matrix_of_its_own():
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(3, 8, 6)), rng.normal(size=(3, 8))
    optimizer = make_optimizer(SETTINGS, stacked=("decoders",))

    def updated(params):
        params = jax.tree.map(jnp.float32, params)
        return optimizer.update(params, optimizer.init(params), params)[0]

    stacked = updated({"decoders": {"kernel": kernel, "bias": bias}})["decoders"]
    for i in range(3):
        alone = updated({"decoder": {"kernel": kernel[i], "bias": bias[i]}})["decoder"]
        for name in ("kernel", "bias"):
            np.testing.assert_allclose(stacked[name][i], alone[name], rtol=1e-4, atol=1e-9)
