import jax.numpy as jnp
import numpy as np
import pytest

from wavenet_ae.benchmarks import ceilings
from wavenet_ae.training import sharding


@pytest.fixture
def results(monkeypatch):
    """What measured calls returned, each of which is made 5 times a second."""
    found = []

    def calls_per_s(call, seconds):
        found.append(np.asarray(call()))
        return 5.0

    monkeypatch.setattr(ceilings, "calls_per_s", calls_per_s)
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_matrix_products(results, monkeypatch, dtype):
    mesh = sharding.data_mesh()
    multiplied, matmul = [], jnp.matmul

    def spy(left, right, **settings):
        multiplied.append((left.dtype, right.dtype))
        return matmul(left, right, **settings)

    monkeypatch.setattr(jnp, "matmul", spy)
    measure = ceilings.matrix_flop_per_s(mesh, dtype, size=48)
    assert measure() == 5 * mesh.size * 2 * 48**3
    assert multiplied == [(dtype, dtype)]
    assert results[0].dtype == np.float32
    assert results[0].shape == (mesh.size * 48, 48)
    # Sums of 48 products of normal numbers: no constants, of which some devices make less work.
    assert 0.8 * 48 < results[0].astype(np.float32).var() < 1.2 * 48


def test_memory_reads(results):
    mesh = sharding.data_mesh()
    measure = ceilings.memory_bytes_per_s(mesh, num_bytes=2**20)
    assert measure() == 5 * mesh.size * 2**20
    # All of the array is read: 1024 rows of 0, 1, ..., 255.
    np.testing.assert_array_equal(results[0], np.full(mesh.size * 1024, 255 * 256 / 2))
