"""The training step of a task with several updates: music translation."""

import copy
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import domain_recordings
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from conftest import no_summaries
from translation_batches import CONFIG, tones

from wavenet_ae import tasks
from wavenet_ae.system.errors import UserError
from wavenet_ae.training import setup, sharding
from wavenet_ae.training.loop import train_and_evaluate
from wavenet_ae.training.step import init_state, make_eval_step, make_train_step
from wavenet_ae.training.trained import export, load_trained, save_imported

TESTS = Path(__file__).parents[1]


@pytest.fixture
def config():
    return copy.deepcopy(CONFIG)


def trained(config, num_steps, **batch):
    """Trains on new tones in every step; returns the state and the metrics of every step."""
    mesh, task = sharding.data_mesh(), tasks.create(config)
    state, step = init_state(config, task, mesh), make_train_step(config, task, mesh)
    metrics = []
    for number in range(num_steps):
        state, values = step(state, sharding.to_global(tones(number, **batch), mesh))
        metrics.append(jax.device_get(values))
    return state, metrics


def after_first_adam_step(params, gradient, rate, config):
    """Adam's moments start at 0, so that its first step is the sign of the gradient, almost."""
    optimizer = config["optimizer"]
    eps = optimizer["eps"] / np.sqrt(1 - optimizer["b2"])

    def updated(p, g):
        g = np.clip(np.asarray(g, float), -optimizer["clip_value"], optimizer["clip_value"])
        return p - rate * g / (np.abs(g) + eps)

    return jax.tree.map(updated, params, gradient)


@pytest.mark.parametrize("clip_value", [1.0, 1e-3])
def test_a_step_trains_the_classifier_and_then_the_rest_against_it(config, clip_value):
    # With this epsilon, Adam's first step is nearly in proportion to the gradient.
    config["optimizer"] |= {"clip_value": clip_value, "eps": 1.0, "learning_rates": [30.0]}
    config["model"]["output_init"] = "authors"  # else nearly all gradients are 0
    config |= {"domain_weight": 0.5, "domain_learning_rate": 100.0}
    task = tasks.create(config)
    start = jax.device_get(init_state(config, task, sharding.data_mesh()).params)
    batch = tones(0)

    def domain_loss(params):
        return task.classifier_loss(params, {}, batch, train=True)[0]["domain_loss"].mean()

    def confused_loss(params):
        return task.autoencoder_loss(params, {}, batch, train=True)[0]["confused_loss"].mean()

    expected = dict(start)
    gradient = jax.grad(domain_loss)(expected)
    name = "domain_classifier"
    expected[name] = after_first_adam_step(expected[name], gradient[name], 100.0, config)
    gradient = jax.grad(confused_loss)(jax.tree.map(jnp.float32, expected))
    for name in ("encoder", "decoders"):
        expected[name] = after_first_adam_step(expected[name], gradient[name], 30.0, config)

    state, [metrics] = trained(config, 1)

    def close(found, wanted, before):
        change = np.abs(wanted - before).max()
        np.testing.assert_allclose(found, wanted, atol=1e-3 * change + 1e-7)

    jax.tree.map(close, jax.device_get(state.params), expected, start)
    before = task.loss(start, {}, batch, train=True)[0]["loss"].mean()
    assert metrics["loss"] == pytest.approx(float(before), rel=1e-5)
    assert metrics.keys() == {
        *("loss", "bits_per_sample", "confused_loss", "domain_loss", "domain_accuracy"),
        *("gradient_norm", "parameter_norm"),
    }


def test_training_lowers_the_loss_and_confusion_hides_the_domains(config):
    of_last = {}
    for weight in (0.0, 1.0):
        state, metrics = trained(config | {"domain_weight": weight}, 60)
        assert metrics[0]["loss"] == pytest.approx(np.log(256), rel=1e-5)
        assert metrics[-1]["loss"] < metrics[0]["loss"] - 1
        scores, _ = tasks.create(config).loss(state.ema_params, {}, tones(999), train=False)
        assert scores["loss"].mean() < metrics[0]["loss"] - 1
        of_last[weight] = {k: np.mean([m[k] for m in metrics[-20:]]) for k in metrics[0]}
    # Without it, the classifier finds in the latents what is so different in the sounds.
    assert of_last[0.0]["domain_accuracy"] > 0.9
    assert of_last[0.0]["domain_loss"] < 0.4 < 0.6 < of_last[1.0]["domain_loss"]


def test_a_decoder_alone_leaves_the_encoder_as_it_is(config):
    config |= {"train": "decoder", "domains": ["pulse"], "batch_size": 2}
    start = jax.device_get(init_state(config, tasks.create(config), sharding.data_mesh()).params)
    state, metrics = trained(config, 30, rows=2, domains=1)
    jax.tree.map(np.testing.assert_array_equal, state.params["encoder"], start["encoder"])
    jax.tree.map(np.testing.assert_array_equal, state.ema_params["encoder"], start["encoder"])
    assert metrics[-1]["loss"] < metrics[0]["loss"] - 0.1
    # No moments of what does not change.
    moments = [x for x in jax.tree.leaves(state.opt_state) if jnp.ndim(x)]
    sizes = sum(x.size for x in jax.tree.leaves(start["decoders"]))
    assert sum(x.size for x in moments) == 2 * sizes


def test_an_unfit_gradient_of_one_update_undoes_all(config):
    config |= {"max_skipped_steps": 5}
    mesh, task = sharding.data_mesh(), tasks.create(config)
    state = init_state(config, task, mesh)
    broken = jax.tree.map(lambda x: x * jnp.nan, state.params["encoder"])
    state = state.replace(params={**state.params, "encoder": broken})
    before = jax.device_get(state)
    batch = sharding.to_global(tones(0), mesh)
    state, metrics = make_train_step(config, task, mesh)(state, batch)
    assert metrics["skipped"] == 1
    jax.tree.map(np.testing.assert_array_equal, state.replace(step=before.step), before)


def test_devices_share_the_work_and_train_as_one(config, tmp_path):
    # Four devices, three domains: neither number divides the other.
    config |= {"domains": ["sine", "saw", "pulse"]}
    script = f"""
        import json, sys
        import jax
        jax.config.update("jax_num_cpu_devices", 4)
        import numpy as np
        sys.path.insert(0, {str(TESTS / "training")!r})
        from test_several_updates import evaluation_flops, trained
        config = json.loads(sys.argv[1])
        result = trained(config, 3, rows=12, domains=3)
        assert len(result[0].step.sharding.device_set) == 4
        alone, together = (evaluation_flops(config, jax.devices()[:n]) for n in (1, 4))
        assert together < 0.3 * alone, together / alone
        np.savez(sys.argv[2], *jax.tree.leaves(jax.device_get(result)))
    """
    output = tmp_path / "four.npz"
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), json.dumps(config), output],
        check=True,
        env=os.environ | {"PYTHONPATH": f"{TESTS}{os.pathsep}{TESTS.parent}"},
    )
    with np.load(output) as arrays:
        four = [arrays[name] for name in arrays.files]
    one = jax.tree.leaves(jax.device_get(trained(config, 3, rows=12, domains=3)))
    for a, b in zip(four, one, strict=True):
        np.testing.assert_allclose(a, b, atol=3e-4)


def evaluation_flops(config, devices):
    """The operations of one device in scoring a batch of 12 rows."""
    mesh, task = sharding.data_mesh(devices), tasks.create(config)
    state = jax.eval_shape(lambda: init_state(config, task, mesh))
    batch = {**tones(0, rows=12, domains=3), "mask": np.ones(12, bool)}
    return make_eval_step(task, mesh).lower(state, batch).compile().cost_analysis()["flops"]


# -- In the loop, on recordings


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return domain_recordings.build_dataset(tmp_path_factory.mktemp("three"))


@pytest.fixture
def run_config(config, tiny_config, recordings):
    whole = json.loads(tiny_config)
    for name in ("model", "optimizer", "crop_samples"):
        del whole[name]
    whole["dataset"] |= {
        "name": "recordings/three",
        "data_dir": recordings,
        "detune_semitones": 0.5,
    }
    return whole | config | {"domains": ["noise", "ramp"], "init_from": None}


def leaves(workdir):
    found = load_trained(workdir)
    return found, jax.tree.leaves(found.params)


def test_a_resumed_run_is_an_uninterrupted_one(run_config, tmp_path):
    train_and_evaluate(run_config, tmp_path / "whole", no_summaries)
    train_and_evaluate(run_config | {"num_steps": 2}, tmp_path / "parts", no_summaries)
    train_and_evaluate(run_config, tmp_path / "parts", no_summaries)
    whole, found = leaves(tmp_path / "whole")
    assert whole.task.domains == ("noise", "ramp")
    for a, b in zip(found, leaves(tmp_path / "parts")[1], strict=True):
        np.testing.assert_array_equal(a, b)

    changed = run_config | {"train": "decoder", "init_from": str(tmp_path / "whole")}
    with pytest.raises(UserError, match=r"a run with config\.train=all, not decoder: use another"):
        train_and_evaluate(changed | {"num_steps": 6}, tmp_path / "parts", no_summaries)
    changed = run_config | {"domains": ["ramp", "noise"], "num_steps": 6}
    with pytest.raises(
        UserError, match=r"a run with domains=\('noise', 'ramp'\), and this run has"
    ):
        train_and_evaluate(changed, tmp_path / "parts", no_summaries)


def test_a_run_can_begin_with_the_encoder_of_another(run_config, tmp_path):
    task = tasks.create(run_config)
    params = jax.device_get(task.init(jax.random.key(5))[0])
    save_imported(tmp_path / "old", run_config, params, {}, step=7)
    config = run_config | {
        "train": "decoder",
        "init_from": str(tmp_path / "old"),
        "domains": ["tone"],
        "batch_size": 2,
    }
    train_and_evaluate(config, tmp_path / "new", no_summaries)
    new = load_trained(tmp_path / "new")
    jax.tree.map(np.testing.assert_array_equal, new.params["encoder"], params["encoder"])
    assert new.params.keys() == {"encoder", "decoders"}
    export(new, tmp_path / "exported", jnp.bfloat16)
    exported = load_trained(tmp_path / "exported")
    for a, b in zip(jax.tree.leaves(exported.params), jax.tree.leaves(new.params), strict=True):
        np.testing.assert_allclose(a, b, rtol=0.01)
    of_new, of_exported = (x.params["decoders"]["head"]["bias"] for x in (new, exported))
    np.testing.assert_array_equal(of_exported, of_new)
    assert "1805.07848" in (tmp_path / "exported" / "README.md").read_text()
    # Where it began: the first decoder.
    mesh, task = sharding.data_mesh(), tasks.create(config)
    state, _ = setup.restore_or_init(config, task, mesh, tmp_path / "empty")
    jax.tree.map(
        lambda a, b: np.testing.assert_array_equal(a, b[:1]),
        jax.device_get(state.params["decoders"]),
        params["decoders"],
    )

    with pytest.raises(UserError, match=r"train=decoder trains decoders for the encoder of anoth"):
        train_and_evaluate(config | {"init_from": None}, tmp_path / "none", no_summaries)
    other = config | {"model": {**config["model"], "decoder_channels": 4}}
    with pytest.raises(UserError, match=r"has decoder_channels=8, and this run has .*=4: choose"):
        train_and_evaluate(other, tmp_path / "none", no_summaries)


def test_batches_that_hold_no_row_of_each_domain_are_refused(run_config, tmp_path):
    with pytest.raises(UserError, match=r"batch_size=3 .* x 2 domains: use a multiple of 2"):
        train_and_evaluate(run_config | {"batch_size": 3}, tmp_path / "none", no_summaries)


def test_numbers_and_norms_are_not_both_clipped(run_config, tmp_path):
    run_config["optimizer"]["clip_norm"] = 1.0
    with pytest.raises(UserError, match=r"clip_norm=1\.0 and clip_value=1\.0: only one"):
        train_and_evaluate(run_config, tmp_path / "none", no_summaries)
