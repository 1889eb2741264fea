import json
import re
import shutil
from pathlib import Path

import entry_points
import jax
import numpy as np
import pytest
import safetensors.numpy
from damaged_files import load_damaged

from wavenet_ae.system.errors import UserError
from wavenet_ae.training import trained
from wavenet_ae.training.trained import export, load_trained
from wavenet_ae.training.workdir import check_config_compatible


@pytest.fixture(scope="module")
def exported(tiny_run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "model"
    result = entry_points.run("export", f"--checkpoint={tiny_run}", f"--output={folder}")
    assert result.returncode == 0, result.stderr
    return folder


def test_the_round_trip_is_exact(tiny_run, exported):
    original, copy = load_trained(tiny_run), load_trained(exported)
    jax.tree.map(np.testing.assert_array_equal, original.params, copy.params)
    # All but where the data was on this machine.
    assert copy.config["dataset"].pop("data_dir") == "~/tensorflow_datasets"
    assert original.config["dataset"].pop("data_dir") != "~/tensorflow_datasets"
    assert copy.config == original.config
    assert (copy.step, copy.fingerprint) == (original.step, original.fingerprint)


def test_the_folder_has_the_layout_of_the_hub(exported, tmp_path):
    names = {"model.safetensors", "config.json", "README.md"}
    assert {path.name for path in exported.iterdir()} == names
    tensors = safetensors.numpy.load_file(exported / "model.safetensors")
    assert tensors["params.decoder.layers_0.dilated.kernel"].shape == (12, 3 * 6)
    card = (exported / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: wavenet_ae\n")
    parameters = sum(tensor.size for tensor in tensors.values())
    assert f"{parameters:,} parameters" in card
    # An export of an export is the same, byte for byte.
    export(load_trained(exported), tmp_path / "again")
    for name in names:
        assert (tmp_path / "again" / name).read_bytes() == (exported / name).read_bytes()


def test_bfloat16_takes_half_the_space(tiny_run, exported, tmp_path):
    folder = tmp_path / "half"
    result = entry_points.run(
        "export", f"--checkpoint={tiny_run}", f"--output={folder}", "--dtype=bfloat16"
    )
    assert result.returncode == 0, result.stderr
    original, copy = load_trained(tiny_run), load_trained(folder)
    assert result.stdout == f"{folder}: step {copy.step}, {copy.fingerprint}\n"
    assert copy.fingerprint != original.fingerprint
    card = (folder / "README.md").read_text()
    assert "(averaged weights, bfloat16)" in card
    assert f"Fingerprint: {copy.fingerprint}." in card

    def check(exact, rounded):
        assert rounded.dtype == np.float32
        if rounded.ndim > 1:
            assert np.any(exact != rounded)
            np.testing.assert_allclose(rounded, exact, rtol=2**-8)
        else:
            np.testing.assert_array_equal(rounded, exact)

    # Zeros and halves are the same in both.
    kernels = ("encoder", "decoder")
    for name in kernels:
        jax.tree.map(check, original.params[name], copy.params[name])
    sizes = [(f / "model.safetensors").stat().st_size for f in (exported, folder)]
    assert sizes[1] < 0.75 * sizes[0]  # names and biases are most of so small a model


def test_the_tools_take_an_export(exported, tmp_path):
    np.savez(tmp_path / "a.npz", embedding=np.ones((2, 3)))
    result = entry_points.run(
        "generate",
        f"--checkpoint={exported}",
        f"--input={tmp_path / 'a.npz'}",
        f"--output={tmp_path}",
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "a.wav").exists()


def test_damaged_exports_get_one_sentence(exported, tmp_path):
    folder = Path(shutil.copytree(exported, tmp_path / "copy"))
    weights = folder / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-10])
    with pytest.raises(UserError, match=r"model\.safetensors cannot be read"):
        load_trained(folder)
    tensors = safetensors.numpy.load(content)
    tensors["params.decoder.head.bias"] = np.zeros(99, np.float32)
    safetensors.numpy.save_file(tensors, weights)
    with pytest.raises(
        UserError, match=r"does not fit .*config\.json: params\.decoder\.head\.bias"
    ):
        load_trained(folder)
    weights.write_bytes(content)
    config = json.loads((folder / "config.json").read_text())
    config["model"]["hop_length"] = 128  # leaves no trace in the weights
    config["crop_samples"] = 256
    (folder / "config.json").write_text(json.dumps(config))
    assert load_trained(folder).fingerprint != load_trained(exported).fingerprint


def test_damaged_weights_are_noticed_or_as_they_were(exported, tmp_path):
    folder, expected = Path(shutil.copytree(exported, tmp_path / "copy")), load_trained(exported)
    shapes = jax.eval_shape(expected.task.init, jax.random.key(0))
    path = folder / "model.safetensors"
    loaded, refused = load_damaged(path, lambda: trained._read_safetensors(folder, *shapes), 400)
    for params, _, _ in loaded:
        jax.tree.map(np.testing.assert_array_equal, params, expected.params)
    assert len(refused) > 350
    assert all(str(path) in message and "\n" not in message for message in refused)


def test_a_damaged_configuration_is_named_or_of_a_model(exported, tmp_path):
    folder = Path(shutil.copytree(exported, tmp_path / "copy"))
    loaded, refused = load_damaged(folder / "config.json", lambda: load_trained(folder), 150)
    for model in loaded:
        assert model.params.keys() == {"encoder", "decoder"}
    assert len(refused) > 100
    assert all(str(folder) in message and "\n" not in message for message in refused)


@pytest.mark.parametrize(
    ("path", "value", "reason"),
    [
        (["crop_samples"], None, "does not describe a model .*crop_samples is missing"),
        (["task"], None, "lacks task"),
        (["dataset", "name"], None, r"lacks dataset\.name"),
        (["dataset"], "here", "is of another form"),
        (["model"], [1], "is of another form"),
        (["task"], "diffusion", "does not describe a model of this version: .*'diffusion' must be"),
        (["model", "encoder_channels"], "4", "does not describe .*encoder_channels='4' must be"),
        (["model", "num_pitches"], [0], "does not describe a model .*num_pitches"),
        (["crop_samples"], "256", "does not describe a model"),
    ],
)
def test_a_configuration_of_another_form_names_setting_and_file(
    exported, tmp_path, path, value, reason
):
    folder = Path(shutil.copytree(exported, tmp_path / "copy"))
    config = json.loads((folder / "config.json").read_text())
    inner = config
    for name in path[:-1]:
        inner = inner[name]
    if value is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=rf"copy/config\.json {reason}") as caught:
        load_trained(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "README.md"])
def test_a_file_is_no_model_and_the_folder_is_named(exported, name):
    folder = re.escape(str(exported)) if name != "README.md" else "its folder"
    with pytest.raises(UserError, match=rf"{re.escape(name)} is a file: name {folder}, which"):
        load_trained(exported / name)


@pytest.mark.parametrize("name", ["README.md", "config.json", "model.safetensors"])
def test_an_export_replaces_nothing(tiny_run, exported, tmp_path, name):
    folder, model = Path(shutil.copytree(exported, tmp_path / "copy")), load_trained(tiny_run)
    export(model, folder)  # the same
    (folder / name).write_text("mine")
    with pytest.raises(UserError, match=rf"{re.escape(name)} exists, and is not what this export"):
        export(model, folder)
    assert (folder / name).read_text() == "mine"
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(UserError, match=rf"{re.escape(name)} exists"):
        export(model, folder)


def test_no_export_in_a_run_and_no_run_in_an_export(tiny_run, tiny_config, exported):
    before = {path.name for path in tiny_run.iterdir()}
    with pytest.raises(UserError, match="is a training run: use another --output"):
        export(load_trained(tiny_run), tiny_run)
    assert {path.name for path in tiny_run.iterdir()} == before
    with pytest.raises(UserError, match=r"holds model\.safetensors, an export, .*init_from="):
        check_config_compatible(json.loads(tiny_config), exported)


def test_an_export_of_an_older_version_has_no_checksum(exported, tmp_path):
    folder = Path(shutil.copytree(exported, tmp_path / "copy"))
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    safetensors.numpy.save_file(tensors, folder / "model.safetensors", {"step": "4"})
    model = load_trained(folder)
    assert (model.step, model.fingerprint) == (4, load_trained(exported).fingerprint)


def test_a_folder_that_cannot_be_written(tiny_run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        export(load_trained(tiny_run), tmp_path / "file" / "model")
