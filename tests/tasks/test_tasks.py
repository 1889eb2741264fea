import inspect

import jax
import numpy as np
import pytest
from entry_points import load_config

from wavenet_ae import tasks

CONFIGS = {
    "wavenet": "wavenet_ae.py:demo",
    "spectral": "spectral_ae.py:demo",
    "classifier": "classifier.py:demo",
    "translation": "translation.py:demo",
    "midi": "midi_wavenet.py:demo",
}


def members(protocol):
    return {*protocol.__annotations__} | {
        name for name in vars(protocol) if not name.startswith("_")
    }


@pytest.mark.parametrize("name", tasks.TASKS)
def test_a_task_is_what_the_protocol_says(name):
    config = load_config(CONFIGS[name])
    task = tasks.create(config)
    for member in members(tasks.Task):
        assert hasattr(task, member), member
    wanted, found = (inspect.signature(kind.loss).parameters for kind in (tasks.Task, type(task)))
    assert [(p.name, p.kind) for p in found.values()] == [(p.name, p.kind) for p in wanted.values()]
    rows = 2 * task.batch_multiple
    arrays = task.batch_arrays(rows, config["dataset"])
    batch = {k: jax.ShapeDtypeStruct(*array) for k, array in arrays.items()}
    params, state = jax.eval_shape(task.init, jax.random.key(0))

    def loss(params, state, batch, key):
        return task.loss(params, state, batch, train=True, key=key)

    metrics, new_state = jax.eval_shape(loss, params, state, batch, jax.random.key(0))
    assert sorted(metrics) == sorted(task.metrics)
    assert task.metrics[0] == "loss"
    assert all(m.shape == (rows,) and m.dtype == np.float32 for m in metrics.values())
    assert jax.tree.structure(new_state) == jax.tree.structure(state)
