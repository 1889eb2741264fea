import functools
import json
import os
import subprocess
import sys
import textwrap

import authors
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from wavenet_ae import tasks
from wavenet_ae.system.errors import UserError
from wavenet_ae.tasks.wavenet import WaveNetTask
from wavenet_ae.training import sharding
from wavenet_ae.training.state import TrainState, learning_rate_schedule, make_optimizer
from wavenet_ae.training.step import init_state, make_eval_step, make_train_step


@pytest.fixture
def config(tiny_config):
    return json.loads(tiny_config)


def random_batch(rows=8, samples=256):
    rng = np.random.default_rng(0)
    audio = rng.uniform(-0.6, 0.6, (rows, samples)).astype(np.float32)
    return {"audio": audio, "pitch": np.zeros(rows, np.int32)}


def trained(config, num_steps=3):
    """Trains on one random batch; returns the state and the metrics of every step."""
    mesh = sharding.data_mesh()
    task = tasks.create(config)
    state = init_state(config, task, mesh)
    step = make_train_step(config, task, mesh)
    batch = sharding.to_global(random_batch(), mesh)
    metrics = []
    for _ in range(num_steps):
        state, values = step(state, batch)
        metrics.append(jax.device_get(values))
    return state, metrics


def assert_close(first, second, atol):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), first, second)


def test_three_steps_are_the_authors(config):
    oracle = authors.load("wavenet_initial.npz")
    after = authors.load("wavenet_after_3_steps.npz")
    config["optimizer"] |= {"learning_rates": [2e-4], "boundaries": []}
    task = WaveNetTask(authors.MODEL, crop_samples=2048)
    mesh = sharding.data_mesh()
    params = jax.tree.map(jnp.asarray, authors.params(oracle))
    # Not by `init_state`: compiling random weights of 60 layers takes longer than the step does.
    state = TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        ema_params=params,
        model_state={},
        opt_state=make_optimizer(config["optimizer"]).init(params),
    )
    # The step donates all of it, and zeros may share a buffer.
    state = jax.tree.map(jnp.copy, state)
    state = jax.device_put(state, sharding.replicated(mesh))
    batch = sharding.to_global({"audio": oracle["wav"], "pitch": np.zeros(2, np.int32)}, mesh)
    step = make_train_step(config, task, mesh).lower(state, batch)
    step = step.compile(compiler_options=authors.ACCURATE_SUMS)
    losses = []
    for _ in range(3):
        state, metrics = step(state, batch)
        losses.append(metrics["loss"])
    final, _ = jax.jit(functools.partial(task.loss, train=False))(state.params, {}, batch)

    def errors(ours, theirs):
        pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
        return np.concatenate([np.abs(np.ravel(a.T)[::4] - np.ravel(b)) for a, b in pairs])

    theirs = authors.tree(lambda name: after[f"var/{name}"].ravel()[::4])
    averaged = authors.tree(lambda name: after[f"ema/{name}"])
    # Adam divides a gradient by its own size: where it is nothing but rounding (1e-9 beside
    # others of 20), an update of up to 2e-4 a step has a random sign, and the loss feels it.
    np.testing.assert_allclose([*losses, final["loss"].mean()], after["losses"], rtol=2e-4)
    # All others agree.
    for found in (errors(state.params, theirs), errors(state.ema_params, averaged)):
        assert np.quantile(found, 0.9) < 3e-6
        assert found.max() < 3 * 2 * 2e-4


def test_every_step_has_a_key_of_its_own(config):
    class Drawing(WaveNetTask):
        def loss(self, params, model_state, batch, *, train, key=None):
            drawn = jax.random.uniform(key, batch["pitch"].shape)
            return {"loss": drawn + 0 * optax.global_norm(params)}, model_state

    def drawn(seed):
        mesh = sharding.data_mesh()
        task = Drawing(tasks.create(config).model, config["crop_samples"])
        state = init_state({**config, "seed": seed}, task, mesh)
        step = make_train_step({**config, "seed": seed}, task, mesh)
        losses = []
        for _ in range(3):
            state, metrics = step(state, sharding.to_global(random_batch(), mesh))
            losses.append(float(metrics["loss"]))
        return losses

    first = drawn(0)
    assert len({*first, *drawn(1)}) == 6
    assert drawn(0) == first


def test_schedule_is_piecewise_constant():
    rate = learning_rate_schedule({"learning_rates": [3.0, 2.0, 1.0], "boundaries": [10, 20]})
    assert [float(rate(n)) for n in (0, 9, 10, 19, 20, 99)] == [3.0, 3.0, 2.0, 2.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("rates", "boundaries", "reason"),
    [([1.0], [10], "one rate more"), ([3.0, 2.0, 1.0], [20, 10], "must rise")],
)
def test_bad_schedules_are_refused(rates, boundaries, reason):
    with pytest.raises(UserError, match=reason):
        learning_rate_schedule({"learning_rates": rates, "boundaries": boundaries})


def test_training_lowers_the_loss(config):
    _, metrics = trained(config, num_steps=30)
    assert metrics[0]["loss"] == pytest.approx(np.log(256), rel=1e-6)
    assert metrics[-1]["loss"] < metrics[0]["loss"] - 0.2


def test_averages_follow_the_parameters(config):
    before = init_state(config, tasks.create(config), sharding.data_mesh())
    start = jax.device_get(before.params)
    state, _ = trained(config, num_steps=1)
    rate = 1 - 2 / 11  # one update done
    expected = jax.tree.map(lambda a, b: a + rate * (b - a), start, jax.device_get(state.params))
    assert_close(state.ema_params, expected, 1e-6)


@pytest.mark.parametrize("parts", [2, 4])
def test_accumulation_changes_nothing(config, parts):
    whole, metrics = trained(config)
    split, split_metrics = trained({**config, "accumulation_steps": parts})
    assert_close(split.params, whole.params, 2e-5)
    assert_close(split_metrics, metrics, 2e-5)


def test_rematerialisation_keeps_less_and_changes_nothing(config):
    config["model"]["decoder_channels"] = 32

    def kept_bytes_and_params(rematerialize):
        config["model"]["rematerialize"] = rematerialize
        task = tasks.create(config)
        batch = jax.tree.map(jnp.asarray, random_batch())
        params = jax.eval_shape(task.init, jax.random.key(0))[0]

        def loss(params):
            return task.loss(params, {}, batch, train=True)[0]["loss"].mean()

        # What the backward pass holds on to.
        kept = jax.eval_shape(lambda params: jax.vjp(loss, params)[1], params)
        size = sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(kept))
        return size, trained(config)[0].params

    (less, again), (more, whole) = kept_bytes_and_params(True), kept_bytes_and_params(False)
    assert less < 0.6 * more
    assert_close(again, whole, 2e-5)


def test_clipping_bounds_the_update(config):
    config["optimizer"] |= {"clip_norm": 1e-12, "eps": 1.0, "learning_rates": [1.0, 1.0]}
    before = init_state(config, tasks.create(config), sharding.data_mesh())
    start = jax.device_get(before.params)
    state, metrics = trained(config, num_steps=1)
    assert metrics[0]["gradient_norm"] > 1e-3  # measured before clipping
    assert_close(state.params, start, 1e-9)


@pytest.mark.parametrize(
    ("skip_above_grad_norm", "scale"), [(None, float("nan")), (None, 1e30), (1e-6, 1.0)]
)
def test_an_unfit_gradient_changes_nothing_but_the_step(config, skip_above_grad_norm, scale):
    config |= {
        "max_skipped_steps": 5,
        "optimizer": {**config["optimizer"], "skip_above_grad_norm": skip_above_grad_norm},
    }
    mesh, task = sharding.data_mesh(), tasks.create(config)
    state = init_state(config, task, mesh)
    state = state.replace(params=jax.tree.map(lambda x: x * scale, state.params))
    before = jax.device_get(state)
    batch = sharding.to_global(random_batch(), mesh)
    state, metrics = make_train_step(config, task, mesh)(state, batch)
    after = jax.device_get(state)
    assert metrics["skipped"] == 1
    assert after.step == 1
    jax.tree.map(np.testing.assert_array_equal, after.replace(step=before.step), before)


def test_where_skipping_is_allowed_fit_steps_are_as_ever(config):
    plain, _ = trained(config)
    config |= {
        "max_skipped_steps": 5,
        "optimizer": {**config["optimizer"], "skip_above_grad_norm": 1e3},
    }
    state, metrics = trained(config)
    assert [m["skipped"] for m in metrics] == [0, 0, 0]
    assert_close(state.params, plain.params, 1e-6)


def test_evaluation_scores_the_averages_and_skips_masked_rows(config):
    state, _ = trained(config, num_steps=2)
    mesh, task = sharding.data_mesh(), tasks.create(config)
    batch = random_batch(4)
    mask = np.array([True, True, True, False])
    sums, count = make_eval_step(task, mesh)(
        state, sharding.to_global({**batch, "mask": mask}, mesh)
    )
    losses = task.loss(state.ema_params, {}, batch, train=False)[0]["loss"]
    assert count == 3
    assert float(sums["loss"]) == pytest.approx(float(losses[:3].sum()), rel=1e-5)
    raw = task.loss(state.params, {}, batch, train=False)[0]["loss"]
    assert np.abs(losses - raw).max() > 1e-4


def test_eight_devices_train_as_one(config, tmp_path):
    config["model"]["decoder_layers"] = 2
    script = f"""
        import json, sys
        import jax
        jax.config.update("jax_num_cpu_devices", 8)
        import numpy as np
        sys.path.insert(0, {str(authors.FOLDER.parent / "training")!r})
        from test_step import trained
        state, metrics = trained(json.loads(sys.argv[1]))
        assert len(state.step.sharding.device_set) == 8
        leaves = jax.tree.leaves(jax.device_get((state, metrics)))
        np.savez(sys.argv[2], *leaves)
    """
    output = tmp_path / "eight.npz"
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), json.dumps(config), output],
        check=True,
        env=os.environ | {"PYTHONPATH": str(authors.FOLDER.parent)},
    )
    with np.load(output) as arrays:
        eight = [arrays[name] for name in arrays.files]
    one = jax.tree.leaves(jax.device_get(trained(config)))
    for a, b in zip(eight, one, strict=True):
        np.testing.assert_allclose(a, b, atol=3e-5)


def test_batches_that_devices_cannot_share_are_refused():
    mesh = sharding.data_mesh()
    with pytest.raises(UserError, match="use a multiple of 3"):
        sharding.check_batch_size(4, mesh, accumulation_steps=3)
    with pytest.raises(UserError, match="use a multiple of 1"):
        sharding.check_batch_size(0, mesh)
