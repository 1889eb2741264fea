import json
import shutil
from pathlib import Path

import entry_points
import jax
import numpy as np
import pytest
import safetensors.numpy

from wavenet_ae.errors import UserError
from wavenet_ae.training.trained import export, load_trained


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


def test_a_folder_that_cannot_be_written(tiny_run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        export(load_trained(tiny_run), tmp_path / "file" / "model")
