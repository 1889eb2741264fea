import jax
import jax.numpy as jnp
import numpy as np
from variables import random_variables

from wavenet_ae.models.classifier import Classifier
from wavenet_ae.tasks.classifier import ClassifierTask


def test_logits_are_the_trunks_output_cut_in_order():
    model = Classifier(2, 3, 4, 5)
    params, state = random_variables(ClassifierTask(model))
    variables = {"params": params, **state}
    spectrogram = np.random.default_rng(1).random((2, 512, 256, 1), np.float32)

    @jax.jit
    def run(x):
        whole = model.apply(variables, x, method=lambda model, x: model.trunk(x))
        return model.apply(variables, x), whole

    logits, whole = run(spectrogram)
    assert whole.shape == (2, 152)
    assert len(np.unique(whole)) == whole.size
    np.testing.assert_array_equal(logits.pitch, whole[:, :128])
    np.testing.assert_array_equal(logits.qualities, whole[:, 128:138])
    np.testing.assert_array_equal(logits.family, whole[:, 138:149])
    np.testing.assert_array_equal(logits.source, whole[:, 149:])


def test_the_papers_parameter_count():
    variables = jax.eval_shape(Classifier().init, jax.random.key(0), jnp.zeros((1, 512, 256, 1)))
    # Kernels, then shifts of the normalisation; the last layer has both, too.
    squares = 128 * 128 * 2 + 128 * 256 + 256 * 256 * 2 + 256 * 512 + 512 * 512 * 2
    kernels = 25 * 128 + 16 * squares + 512 * 1024 + 1024 * 152
    shifts = 3 * 128 + 3 * 256 + 3 * 512 + 1024 + 152
    counts = {
        name: sum(leaf.size for leaf in jax.tree.leaves(tree)) for name, tree in variables.items()
    }
    assert counts == {"params": kernels + shifts, "batch_stats": 2 * shifts}
    assert counts["params"] == 14_318_488
