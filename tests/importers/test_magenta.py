import json
import re
import shutil
import sys
from pathlib import Path

import authors
import entry_points
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile

from wavenet_ae.audio import mu_law
from wavenet_ae.importers import magenta
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import load_trained

CHECKPOINT = authors.FOLDER / "wavenet_checkpoint"
PREFIX = CHECKPOINT / "model.ckpt-3"


@pytest.fixture(scope="module")
def variables():
    return magenta._read(PREFIX)


@pytest.fixture
def edited(variables, monkeypatch):
    """The checkpoint's variables, to be changed before they are read."""
    changed = dict(variables)
    monkeypatch.setattr(magenta, "_read", lambda prefix: changed)
    return changed


@pytest.fixture(scope="module")
def raw_workdir(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("imported") / "raw"
    result = entry_points.run(
        "import-magenta", f"--checkpoint={PREFIX}", f"--workdir={workdir}", "--weights=raw"
    )
    assert result.returncode == 0, result.stderr
    assert "raw weights of step 3" in result.stdout
    return workdir


def test_sizes_and_step_are_read_off_the_checkpoint():
    imported = magenta.import_checkpoint(PREFIX, dilation_cycle=7, hop_length=256)
    assert imported.model == {
        "encoder_channels": 16,
        "encoder_layers": 30,
        "embedding_size": 16,
        "decoder_channels": 32,
        "decoder_layers": 30,
        "skip_channels": 16,
        "num_classes": 256,
        "dilation_cycle": 7,
        "hop_length": 256,
    }
    assert (imported.step, imported.weights) == (3, "averaged")


def test_raw_and_averaged_weights_are_the_authors():
    after = authors.load("wavenet_after_3_steps.npz")
    raw = magenta.import_checkpoint(PREFIX, weights="raw").params
    jax.tree.map(np.testing.assert_array_equal, raw, authors.params(after))
    averaged = magenta.import_checkpoint(PREFIX).params
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_array_equal(ours.T.ravel()[::4], theirs),
        averaged,
        authors.tree(lambda name: after[f"ema/{name}"]),
    )


def test_prefix_index_and_folder_are_the_same_checkpoint(tmp_path):
    assert magenta.find_prefix(PREFIX) == PREFIX
    assert magenta.find_prefix(CHECKPOINT / "model.ckpt-3.index") == PREFIX
    assert magenta.find_prefix(CHECKPOINT) == PREFIX
    for number in (9, 10):
        (tmp_path / f"model.ckpt-{number}.index").touch()
    assert magenta.find_prefix(tmp_path).name == "model.ckpt-10"


def test_encode_and_generate_work_with_the_import_as_the_authors_code_does(raw_workdir, tmp_path):
    oracle, after = authors.load("wavenet_initial.npz"), authors.load("wavenet_after_3_steps.npz")
    for i, audio in enumerate(oracle["wav"]):
        soundfile.write(tmp_path / f"{i}.wav", audio, 16_000, subtype="FLOAT")
    flags = (f"--checkpoint={raw_workdir}", f"--input={tmp_path}", f"--output={tmp_path / 'out'}")
    assert entry_points.run("encode", *flags).returncode == 0
    for i in range(2):
        with np.load(tmp_path / "out" / f"{i}.npz") as arrays:
            # Values up to 45, through 30 layers in float32.
            np.testing.assert_allclose(arrays["embedding"], after["encoding"][i], atol=1e-4)
    assert entry_points.run("generate", *flags).returncode == 0
    assert soundfile.info(tmp_path / "out" / "0.wav").frames == 2048

    trained = load_trained(raw_workdir)
    signal = mu_law.to_unit_range(jnp.asarray(oracle["quantized"]))
    logits = trained.task.model.apply({"params": trained.params}, signal)
    np.testing.assert_allclose(logits[:, ::32], after["logits"], atol=2e-4)


@pytest.fixture(scope="module")
def shallow_workdir(variables, tmp_path_factory):
    """Made from the authors' checkpoint without all but the first two layers: quick to compile."""
    import tensorflow as tf

    def kept(name):
        layer = re.match(r"(ae_dilatedconv|ae_res|dilatedconv|cond_map|res|skip)_(\d+)/", name)
        return layer is None or int(layer[2]) <= 2

    arrays = {name: array for name, array in variables.items() if kept(name)}
    folder = tmp_path_factory.mktemp("shallow")
    tf.raw_ops.SaveV2(
        prefix=str(folder / "model.ckpt-3"),
        tensor_names=list(arrays),
        shape_and_slices=[""] * len(arrays),
        tensors=list(arrays.values()),
    )
    result = entry_points.run(
        "import-magenta", f"--checkpoint={folder}", f"--workdir={folder / 'run'}"
    )
    assert result.returncode == 0, result.stderr
    return folder / "run"


def test_training_starts_from_the_import(shallow_workdir, variables, data_dir, tmp_path):
    imported = load_trained(shallow_workdir)
    np.testing.assert_array_equal(
        imported.params["decoder"]["layers_1"]["skip"]["kernel"],
        variables["skip_2/W/ExponentialMovingAverage"][0, 0].T,
    )
    settings = {
        "dataset.data_dir": data_dir,
        "num_steps": 1,
        "crop_samples": 512,
        "optimizer.boundaries": (),
        "optimizer.learning_rates": (0.0,),
        "init_from": shallow_workdir,
    }
    settings |= {
        f"model.{name}": value
        for name, value in imported.config["model"].items()
        if name.endswith(("channels", "layers"))
    }
    assert settings["model.encoder_layers"] == settings["model.decoder_layers"] == 2

    def train(workdir, **changes):
        flag = f"--workdir={workdir}"
        return entry_points.train("wavenet_ae.py:demo", flag, **{**settings, **changes})

    result = train(tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert "starting from the weights of" in result.stderr
    after = load_trained(tmp_path / "run").params
    jax.tree.map(np.testing.assert_array_equal, imported.params, after)

    result = train(tmp_path / "other", **{"model.encoder_channels": 32})
    assert result.returncode == 1
    assert "has encoder_channels=16, and this run has encoder_channels=32" in result.stderr

    result = train(shallow_workdir, num_steps=9)
    assert result.returncode == 1
    assert "without a training state to resume" in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_variables_are_listed(edited):
    names = ("dilatedconv_7/biases", "ae_res_30/W")
    for name in names:
        del edited[f"{name}/ExponentialMovingAverage"], edited[name]
    with pytest.raises(UserError, match=r"lacks .*ae_res_30/W.*dilatedconv_7/biases"):
        magenta.import_checkpoint(PREFIX)


def test_left_over_variables_are_listed(edited):
    edited["res_31/W"] = np.zeros(1, np.float32)
    edited["mystery"] = np.zeros(1, np.float32)
    with pytest.raises(UserError, match=r"has more than the model: mystery, res_31/W"):
        magenta.import_checkpoint(PREFIX, weights="raw")


def test_wrong_shapes_are_listed(edited):
    edited["skip_4/W"] = np.zeros((1, 1, 32, 99), np.float32)
    with pytest.raises(
        UserError, match=r"wrongly shaped skip_4/W \[1, 1, 32, 99\] instead of \[1, 1, 32, 16\]"
    ):
        magenta.import_checkpoint(PREFIX, weights="raw")


def test_averages_that_are_incomplete_or_not_there(edited):
    del edited["logits/W/ExponentialMovingAverage"]
    with pytest.raises(UserError, match=r"has no average of logits/W. Use --weights=raw"):
        magenta.import_checkpoint(PREFIX)
    for name in [name for name in edited if name.endswith("ExponentialMovingAverage")]:
        del edited[name]
    assert magenta.import_checkpoint(PREFIX).weights == "raw"


def test_without_tensorflow_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(UserError, match=r"need TensorFlow: pip install -e '.\[nsynth\]'"):
        magenta.import_checkpoint(PREFIX)


def cut_short(folder):
    path = folder / "model.ckpt-3.data-00000-of-00001"
    path.write_bytes(path.read_bytes()[:100_000])


def without_data(folder):
    (folder / "model.ckpt-3.data-00000-of-00001").unlink()


def no_index(folder):
    (folder / "model.ckpt-3.index").write_bytes(b"no table")


def empty(folder):
    for path in folder.iterdir():
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (cut_short, "cannot be read"),
        (without_data, "cannot be read"),
        (no_index, "cannot be read"),
        (empty, "holds no TensorFlow checkpoint"),
    ],
)
def test_damaged_checkpoints_get_one_sentence_and_leave_nothing(tmp_path, damage, reason):
    folder = Path(shutil.copytree(CHECKPOINT, tmp_path / "checkpoint"))
    damage(folder)
    result = entry_points.run(
        "import-magenta", f"--checkpoint={folder}", f"--workdir={tmp_path / 'run'}"
    )
    assert result.returncode == 1
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_foreign_checkpoints_are_refused(edited):
    edited.clear()
    edited |= {"dense/kernel": np.zeros(1), "global_step": np.array(5)}
    with pytest.raises(UserError, match=r"is not one of the WaveNet autoencoder: it has dense"):
        magenta.import_checkpoint(PREFIX)


def test_a_workdir_that_is_there_is_left_alone(raw_workdir):
    before = (raw_workdir / "config.json").read_bytes()
    result = entry_points.run(
        "import-magenta", f"--checkpoint={PREFIX}", f"--workdir={raw_workdir}"
    )
    assert result.returncode == 1
    assert "exists already: name a new --workdir" in result.stderr
    assert (raw_workdir / "config.json").read_bytes() == before
    assert json.loads(before)["model"]["encoder_layers"] == 30
