import flax.linen as nn
import jax
import numpy as np
import pytest

from wavenet_ae.models.initializers import scaled_uniform


@pytest.mark.parametrize("mode", ["fan_in", "fan_avg"])
@pytest.mark.parametrize("shape", [(3, 5, 7), (4, 4, 2, 6)])
def test_values_are_those_of_flax(mode, shape):
    key = jax.random.key(1)
    expected = nn.initializers.variance_scaling(1.0, mode, "uniform")(key, shape)
    np.testing.assert_array_equal(scaled_uniform(mode)(key, shape), expected)
    assert expected.std() > 0
