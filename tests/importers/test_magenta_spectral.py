import authors
import entry_points
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import soundfile
from first_step import assert_first_step

from wavenet_ae.audio import files, representations
from wavenet_ae.importers import magenta
from wavenet_ae.models.spectral_autoencoder import SpectralAutoencoder
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import load_trained

PREFIX = authors.FOLDER / "spectral_checkpoint" / "model.ckpt-0"
PITCH = "decoder/PitchEmbedding/embedding_weights"
SIZES = {
    "narrow_channels": 8,
    "middle_channels": 12,
    "wide_channels": 16,
    "bottleneck_channels": 24,
    "embedding_size": 20,
    "num_pitches": 128,
    "pitch_embedding_size": 128,
    "representation": "log_magnitude",
}


@pytest.fixture(scope="module")
def variables():
    return authors.spectral_variables()


@pytest.fixture
def edited(variables, monkeypatch):
    """The checkpoint's variables, to be changed before they are read."""
    changed = dict(variables)
    monkeypatch.setattr(magenta, "_read", lambda prefix: changed)
    return changed


def fits(imported):
    """Compares parameters and state with those of a new model of the imported sizes."""
    model = SpectralAutoencoder(**imported.model)
    spectrogram = jnp.zeros((1, 512, 256, 1))
    new = jax.eval_shape(model.init, jax.random.key(0), spectrogram, jnp.zeros(1, jnp.int32))
    found = {"params": imported.params, **imported.model_state}
    same = jax.tree.map(lambda a, b: a.shape == b.shape and a.dtype == b.dtype, new, found)
    return all(jax.tree.leaves(same))


@pytest.mark.parametrize("path", [PREFIX, PREFIX.parent])
def test_model_sizes_and_values_are_read_off_the_checkpoint(path, variables):
    imported = magenta.import_checkpoint(path)
    assert imported.task == "spectral"
    assert imported.model == SIZES
    # Training of the baseline keeps no averages.
    assert (imported.step, imported.weights) == (0, "raw")
    same = np.testing.assert_array_equal
    jax.tree.map(same, imported.params, authors.spectral_params(variables))
    jax.tree.map(same, imported.model_state, authors.spectral_statistics(variables))
    assert fits(imported)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("imported") / "baseline"
    flags = (f"--checkpoint={PREFIX.parent}", f"--workdir={workdir}")
    result = entry_points.run("import-magenta", *flags)
    assert result.returncode == 0, result.stderr
    assert f"{workdir}: raw weights of step 0, " in result.stdout
    return workdir


def test_the_import_encodes_and_decodes_as_the_authors_code_does(workdir):
    oracle, trained = authors.load("spectral_initial.npz"), load_trained(workdir)
    model, variables = trained.task.model, {"params": trained.params, **trained.model_state}
    high, low = oracle["spectrogram_bytes"]
    spectrogram = jnp.asarray((256.0 * high + low) / 65535, jnp.float32)
    pitch = oracle["pitch"][:, 0].astype(np.int32)
    z = jax.jit(lambda x: model.apply(variables, x, method="encode"))(spectrogram)
    xhat = jax.jit(lambda z: model.apply(variables, z, pitch, method="decode"))(z)
    np.testing.assert_allclose(z, oracle["z_eval"][:, 0, 0], atol=5e-7)
    np.testing.assert_allclose(xhat[:, ::7, ::5], oracle["xhat_eval"], atol=5e-7)


def test_encode_and_generate_work_with_the_import(workdir, variables, tmp_path):
    audio = authors.load("spectrograms.npz")["audio"]
    soundfile.write(tmp_path / "note.wav", audio[0], 16_000, subtype="FLOAT")
    flags = (f"--checkpoint={workdir}", f"--output={tmp_path / 'out'}")
    result = entry_points.run("encode", *flags, f"--input={tmp_path / 'note.wav'}")
    assert result.returncode == 0, result.stderr
    with np.load(tmp_path / "out" / "note.npz") as arrays:
        embedding = arrays["embedding"]
    given = {
        "params": authors.spectral_params(variables),
        **authors.spectral_statistics(variables),
    }
    seen = representations.from_audio(audio, "log_magnitude")
    model = authors.SPECTRAL_MODEL
    expected = jax.jit(lambda x: model.apply(given, x, method="encode"))(seen)
    np.testing.assert_allclose(embedding, expected, atol=5e-7)
    assert embedding.std() > 0.01

    flags += ("--pitch=60", "--griffin_lim_iterations=2")
    result = entry_points.run("generate", *flags, f"--input={tmp_path / 'out' / 'note.npz'}")
    assert result.returncode == 0, result.stderr
    generated = files.load(tmp_path / "out" / "note.wav")
    assert generated.shape == (64_000,)
    assert np.abs(generated).max() == pytest.approx(1, abs=1e-3)


def test_training_starts_from_the_import(workdir, note_settings, tmp_path):
    config, settings = note_settings["spectral"]
    settings = {**settings, "num_steps": 1, "log_every_steps": 1, "init_from": workdir}
    result = entry_points.train(config, f"--workdir={tmp_path / 'run'}", **settings)
    assert result.returncode == 0, result.stderr
    assert f"starting from the weights of {workdir}, step 0" in result.stderr
    assert_first_step(tmp_path / "run", load_trained(workdir))


def test_a_wavenet_checkpoint_says_so():
    imported = magenta.import_checkpoint(authors.FOLDER / "wavenet_checkpoint")
    assert (imported.task, imported.model_state) == ("wavenet", {})


def test_what_training_leaves_behind_is_left_out(edited):
    for name in [name for name in edited if "moving" not in name]:
        edited[f"{name}/Adam"] = edited[f"{name}/Adam_1"] = np.zeros_like(edited[name])
    edited |= {
        "beta1_power": np.float32(0.5),
        "beta2_power": np.float32(0.999),
        "Optimizer/beta1_power": np.float32(0.5),
        "Optimizer/beta2_power": np.float32(0.999),
        "global_step": np.int64(120_000),
    }
    imported = magenta.import_checkpoint(PREFIX)
    assert imported.step == 120_000
    assert fits(imported)


def test_averages_are_taken_and_moving_statistics_need_none(edited):
    averaged = {
        f"{name}/ExponentialMovingAverage": value + 1
        for name, value in edited.items()
        if "moving" not in name
    }
    edited |= averaged
    imported = magenta.import_checkpoint(PREFIX)
    assert imported.weights == "averaged"
    bias = "decoder/mag_Layer/mag/biases"
    np.testing.assert_array_equal(imported.params["decoder"]["output"]["bias"], edited[bias] + 1)
    raw = magenta.import_checkpoint(PREFIX, weights="raw").params
    np.testing.assert_array_equal(raw["decoder"]["output"]["bias"], edited[bias])
    del edited[f"{bias}/ExponentialMovingAverage"]
    with pytest.raises(UserError, match=rf"has no average of {bias}. Use --weights=raw"):
        magenta.import_checkpoint(PREFIX)


def test_a_model_without_pitch_has_none(edited):
    del edited[PITCH]
    kernel = "decoder/0_Layer/0/weights"
    edited[kernel] = edited[kernel][..., :20]
    imported = magenta.import_checkpoint(PREFIX)
    assert imported.model["num_pitches"] == 0
    assert "pitch_embedding" not in imported.params
    assert fits(imported)


def test_other_sizes_of_pitch_are_read(edited):
    edited[PITCH] = np.zeros((88, 5), np.float32)
    edited["decoder/0_Layer/0/weights"] = np.zeros((1, 1, 24, 25), np.float32)
    imported = magenta.import_checkpoint(PREFIX)
    expected = {"num_pitches": 88, "pitch_embedding_size": 5}
    assert imported.model == SIZES | expected
    assert fits(imported)


@pytest.mark.parametrize(
    "name",
    [
        PITCH,
        "encoder/3_Layer/3/weights",
        "encoder/4_Layer/4/BatchNorm/moving_variance",
        "decoder/8_1_Layer/8_1/BatchNorm/beta",
        "decoder/mag_Layer/mag/biases",
    ],
)
def test_missing_variables_are_named(edited, name):
    del edited[name]
    with pytest.raises(UserError, match=rf"lacks {name}\.$"):
        magenta.import_checkpoint(PREFIX)


def test_left_over_variables_are_named(edited):
    edited["encoder/9_Layer/9/weights"] = np.zeros(1, np.float32)
    edited["mystery"] = np.zeros(1, np.float32)
    with pytest.raises(
        UserError, match=r"has more than the model: encoder/9_Layer/9/weights, mystery\.$"
    ):
        magenta.import_checkpoint(PREFIX)


def test_both_models_in_one_checkpoint_are_refused(edited):
    edited["startconv/W"] = np.zeros((1, 3, 1, 32), np.float32)
    with pytest.raises(UserError, match=r"lacks ae_startconv/W"):
        magenta.import_checkpoint(PREFIX)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("decoder/8_Layer/8/weights", (4, 4, 8, 8), r"\[4, 4, 8, 8\] instead of \[5, 5, 8, 8\]"),
        ("encoder/z_Layer/z/BatchNorm/beta", (9,), r"\[9\] instead of \[20\]"),
        ("decoder/0_Layer/0/weights", (1, 1, 24, 20), r"\[1, 1, 24, 20\] instead of .*148\]"),
        (PITCH, (128,), r"\[128\] instead of \[128, 128\]"),
        ("encoder/0_Layer/0/weights", (), r"\[\] instead of \[5, 5, 1, 0\]"),
        ("encoder/0_Layer/0/weights", (5, 5, 2, 8), r"\[5, 5, 2, 8\] instead of \[5, 5, 1, 8\]"),
    ],
)
def test_wrong_shapes_are_named(edited, name, shape, message):
    edited[name] = np.zeros(shape, np.float32)
    with pytest.raises(UserError, match=rf"wrongly shaped .*{name} {message}"):
        magenta.import_checkpoint(PREFIX)
