"""What older versions saved: convolutions with kernels [width, in, out], not matrices."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from wavenet_ae import tasks
from wavenet_ae.models.layers import matrix_of_kernel
from wavenet_ae.training import checkpoint, sharding
from wavenet_ae.training.checkpoint import Checkpoints
from wavenet_ae.training.progress import Progress
from wavenet_ae.training.state import TrainState, make_optimizer
from wavenet_ae.training.trained import export, load_trained, read_config


def older_kernel(matrix, in_features):
    out = len(matrix)
    return np.asarray(matrix).T.reshape(-1, in_features, out)


def as_older(params, config):
    """Returns a WaveNet's parameters as older versions had them."""
    model = config["model"]
    decoder, conditioning = model["decoder_channels"], model["embedding_size"]
    inputs = {
        "decoder.start": 1,
        "decoder.head": model["skip_channels"],
        "decoder.logits": model["skip_channels"],
        "decoder.head_conditioning": conditioning,
        "encoder.start": 1,
    }

    def leaf(path, x):
        *names, kind = (entry.key for entry in path)
        if kind != "kernel":
            return x
        default = model["encoder_channels"] if names[0] == "encoder" else decoder
        default = conditioning if names[-1] == "conditioning" else default
        return older_kernel(x, inputs.get(".".join(names), default))

    return jax.tree_util.tree_map_with_path(leaf, params)


def state_of(params, optimizer):
    """A state in which every array has values of its own."""
    opt_state = make_optimizer(optimizer).init(params)
    leaves, structure = jax.tree.flatten(opt_state)
    rng = np.random.default_rng(1)
    numbered = [jnp.asarray(10 * rng.random(x.shape), x.dtype) for x in leaves]
    state = TrainState(
        step=jnp.int32(7),
        params=params,
        ema_params=jax.tree.map(lambda x: 2 * x, params),
        model_state={},
        opt_state=jax.tree.unflatten(structure, numbered),
    )
    return jax.device_put(state, sharding.replicated(sharding.data_mesh()))


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_run_of_an_older_version_goes_on(tiny_config, tmp_path, optimizer):
    config = json.loads(tiny_config)
    settings = {**config["optimizer"], "name": optimizer}
    kernel = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    older = state_of({"conv": {"kernel": jnp.asarray(kernel), "bias": jnp.ones(5)}}, settings)
    with Checkpoints(tmp_path, sharding.data_mesh()) as checkpoints:
        checkpoints.save(older, Progress(7))
    today = jax.tree.map(lambda x: matrix_of_kernel(x) if x.ndim == 3 else x, older)
    state, progress = checkpoint.restore(tmp_path, today)
    assert progress.step == 7
    assert state.params["conv"]["kernel"].shape == (5, 12)
    jax.tree.map(np.testing.assert_array_equal, state, today)
    params, _, step = checkpoint.load_weights(tmp_path, today.ema_params, {})
    assert step == 7
    jax.tree.map(np.testing.assert_array_equal, params, today.ema_params)


def test_an_export_of_an_older_version_is_the_same_model(tiny_run, tmp_path):
    today = load_trained(tiny_run)
    folder = tmp_path / "today"
    export(today, folder)
    older = shutil.copytree(folder, tmp_path / "older")
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    kernels = as_older(today.params, today.config)
    names = {
        "params." + jax.tree_util.keystr(path, simple=True, separator="."): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(kernels)
    }
    assert names.keys() == tensors.keys()
    changed = {n for n in names if names[n].shape != tensors[n].shape}
    assert "params.decoder.layers_0.dilated.kernel" in changed
    safetensors.numpy.save_file(
        {n: np.ascontiguousarray(x) for n, x in names.items()},
        older / "model.safetensors",
        {"step": str(today.step)},
    )
    loaded = load_trained(older)
    jax.tree.map(np.testing.assert_array_equal, loaded.params, today.params)
    assert (loaded.step, loaded.fingerprint) == (today.step, today.fingerprint)
    task = tasks.create(loaded.config)
    signal = jnp.zeros((1, today.config["model"]["hop_length"]))
    task.model.apply({"params": loaded.params}, signal, jnp.zeros(1, jnp.int32))


def test_a_configuration_of_an_older_version_has_todays_settings(tiny_config, tmp_path):
    config, older = json.loads(tiny_config), json.loads(tiny_config)
    for settings in (config, older):
        settings["optimizer"]["skip_above_grad_norm"] = 7.0
        settings["dataset"]["decoder_input_noise"] = 4.0
    for settings, name in (
        (older, "profile_steps"),
        (older["dataset"], "gain_db"),
        (older["optimizer"], "name"),
    ):
        del settings[name]
    older["dataset"]["input_noise"] = older["dataset"].pop("decoder_input_noise")
    older["averaging_decay"] = older.pop("ema_decay")
    older["skip_nonfinite"] = older.pop("max_skipped_steps")
    older["optimizer"]["spike_norm"] = older["optimizer"].pop("skip_above_grad_norm")
    (tmp_path / "config.json").write_text(json.dumps(older))
    assert read_config(tmp_path) == config
    del older["dataset"]["input_noise"]
    (tmp_path / "config.json").write_text(json.dumps(older))
    assert read_config(tmp_path)["dataset"]["decoder_input_noise"] == 0
