import json
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from entry_points import load_config
from variables import random_variables

from wavenet_ae import tasks
from wavenet_ae.data import input_pipeline
from wavenet_ae.training import sharding
from wavenet_ae.training.state import TrainState, make_optimizer
from wavenet_ae.training.step import make_train_step


def make_forward_step(config, task, mesh):
    """A step that moves the statistics alone: compiling the gradient takes long."""

    def step(state, batch):
        metrics, model_state = task.loss(state.params, state.model_state, batch, train=True)
        return state.replace(model_state=model_state), {"loss": metrics["loss"].mean()}

    replicated, split = sharding.replicated(mesh), sharding.batch_sharded(mesh)
    return jax.jit(step, in_shardings=(replicated, split), out_shardings=replicated)


STEPS = {"spectral": make_forward_step, "classifier": make_train_step}


def two_steps(task_name, config_name, settings):
    """Trains on the first batches; returns their losses and the moving statistics."""
    config = load_config(config_name, **settings)
    task, mesh = tasks.create(config), sharding.data_mesh()
    params, model_state = random_variables(task)
    opt_state = make_optimizer(config["optimizer"]).init(params)
    state = TrainState(jnp.zeros((), jnp.int32), params, params, model_state, opt_state)
    # Copies: the step donates its state, and no buffer can be given twice.
    state = jax.tree.map(np.array, state)
    state = jax.device_put(state, sharding.replicated(mesh), may_alias=False)
    dataset = config["dataset"]
    notes = input_pipeline.open_split(dataset["name"], dataset["data_dir"], "train")
    batches = input_pipeline.training_batches(
        notes, seed=config["seed"], batch_size=config["batch_size"], crop_samples=None
    )
    step, losses = STEPS[task_name](config, task, mesh), []
    for _ in range(2):
        batch = sharding.to_global(next(batches), mesh)
        assert len(batch["audio"].sharding.device_set) == jax.device_count()
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
    return {
        "losses": losses,
        **{str(i): x for i, x in enumerate(jax.tree.leaves(state.model_state))},
    }


def test_eight_devices_normalise_by_the_whole_batch_as_one_does(note_settings, tmp_path):
    script = f"""
        import json, sys
        import jax
        jax.config.update("jax_num_cpu_devices", 8)
        import numpy as np
        sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[1])!r}]
        sys.path.append({str(Path(__file__).parents[2] / "experiments")!r})
        from test_several_devices import two_steps
        assert jax.device_count() == 8
        for task, (name, settings) in json.loads(sys.argv[1]).items():
            np.savez(f"{{sys.argv[2]}}/{{task}}.npz", **two_steps(task, name, settings))
    """
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), json.dumps(note_settings), tmp_path],
        check=True,
    )
    for task, (name, settings) in note_settings.items():
        one = two_steps(task, name, settings)
        with np.load(tmp_path / f"{task}.npz") as eight:
            assert set(eight.files) == one.keys()
            # float32 sums in another order, which a normalisation by eight values magnifies.
            for field, expected in one.items():
                np.testing.assert_allclose(eight[field], expected, rtol=1e-5, atol=5e-5)
