"""The baseline and the classifier from the command line, from training to sound."""

import shutil
from pathlib import Path

import entry_points
import jax
import numpy as np
import pytest
import soundfile
from conftest import no_summaries
from entry_points import assert_refused, load_config
from finished_runs import final_state
from first_step import assert_first_step

from wavenet_ae.training.loop import train_and_evaluate
from wavenet_ae.training.metrics import read_metrics
from wavenet_ae.training.trained import load_trained

NUM_SAMPLES = {"short": 1_000, "flute_acoustic_001-045-100": 64_000, "long": 80_000}


@pytest.fixture(scope="module")
def sounds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for name, num_samples in NUM_SAMPLES.items():
        soundfile.write(folder / f"{name}.wav", rng.uniform(-0.5, 0.5, num_samples), 16_000)
    return folder


@pytest.fixture(scope="module")
def exported(note_runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export") / "model"
    flags = (f"--checkpoint={note_runs['spectral']}", f"--output={folder}")
    result = entry_points.run("export", *flags)
    assert result.returncode == 0, result.stderr
    return folder


def encode(checkpoint, sounds, output):
    flags = (f"--checkpoint={checkpoint}", f"--input={sounds}", f"--output={output}")
    result = entry_points.run("encode", *flags)
    assert result.returncode == 0, result.stderr
    arrays = {}
    for path in output.glob("*.npz"):
        with np.load(path) as fields:
            arrays[path.stem] = dict(fields)
    return arrays


@pytest.fixture(scope="module")
def encoded(note_runs, sounds, tmp_path_factory):
    return encode(note_runs["spectral"], sounds, tmp_path_factory.mktemp("encoded"))


def test_runs_are_those_of_the_configurations(note_runs, note_settings):
    for task, (name, settings) in note_settings.items():
        assert load_trained(note_runs[task]).config == load_config(name, **settings)


def test_the_log_has_trivial_baselines_and_validation(note_runs):
    first, last = read_metrics(note_runs["spectral"])
    assert (first["step"], last["step"]) == (2, 4)
    assert 0 < last["reference/mean_spectrogram_loss"] < 1
    assert 0 < last["valid/loss"] < 10
    assert "valid/loss" not in first

    *_, last = read_metrics(note_runs["classifier"])
    # The placeholder's four notes, twice in a batch: three instruments, two pitches, one quality
    # a note.
    assert last["train/no_quality_accuracy"] == pytest.approx(0.9)
    assert last["reference/most_frequent_pitch_accuracy"] == 0.5
    for name in ("pitch", "family", "source"):
        assert 0 < last[f"reference/most_frequent_{name}_accuracy"] <= 1
        assert last[f"valid/{name}_accuracy"] in (0, 1)  # of one note
    assert round(10 * last["valid/quality_accuracy"], 5) in range(11)
    assert last["valid/loss"] > 0


@pytest.mark.parametrize("task", ["spectral", "classifier"])
def test_an_interrupted_run_goes_on_bit_for_bit(task, note_runs, note_settings, tmp_path):
    workdir = Path(shutil.copytree(note_runs[task], tmp_path / "run"))
    shutil.rmtree(workdir / "checkpoints" / "4")
    name, settings = note_settings[task]
    result = entry_points.train(name, f"--workdir={workdir}", **settings)
    assert result.returncode == 0, result.stderr
    resumed, whole = final_state(workdir), final_state(note_runs[task])
    assert whole[0].step == 4
    assert jax.tree.leaves(whole[0].model_state)
    jax.tree.map(np.testing.assert_array_equal, resumed, whole)
    assert read_metrics(workdir) == read_metrics(note_runs[task])
    # Statistics moved in the steps that were done again.
    before = load_trained(workdir / "checkpoints" / "2").model_state
    moved = jax.tree.map(lambda a, b: np.abs(a - b).max(), before, whole[0].model_state)
    assert min(jax.tree.leaves(moved)) > 0


def test_sounds_have_a_vector_for_every_four_seconds(encoded):
    frames = {"short": 1, "flute_acoustic_001-045-100": 1, "long": 2}
    assert encoded.keys() == frames.keys()
    for name, fields in encoded.items():
        assert fields["embedding"].shape == (frames[name], 20)
        assert (fields["hop_length"], fields["num_samples"]) == (64_000, NUM_SAMPLES[name])
        assert fields["pitch"] == (45 if name.startswith("flute") else -1)


def test_generate_needs_pitches_and_goes_on_where_it_stopped(note_runs, sounds, tmp_path):
    flags = (
        f"--checkpoint={note_runs['spectral']}",
        f"--input={sounds}",
        f"--output={tmp_path}",
        "--griffin_lim_iterations=2",
    )
    first = entry_points.run("generate", *flags)
    assert first.returncode == 1
    for name in ("short.wav", "long.wav"):
        reason = f"refused: the pitch of {name} is not known, and the model is conditioned on it"
        assert reason in first.stderr
    made = tmp_path / "flute_acoustic_001-045-100.wav"
    assert list(tmp_path.glob("*.wav")) == [made]
    before = made.stat().st_mtime_ns

    second = entry_points.run("generate", *flags, "--pitch=45")
    assert second.returncode == 0, second.stderr
    assert "1 of 3 sounds are in" in second.stdout
    assert made.stat().st_mtime_ns == before
    found = {path.stem: soundfile.info(path).frames for path in tmp_path.glob("*.wav")}
    assert found == NUM_SAMPLES
    for name in NUM_SAMPLES:
        audio, _ = soundfile.read(tmp_path / f"{name}.wav")
        assert audio.std() > 0


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("--stretch=2", "--stretch: "),
        ("--temperature=0.5", "temperature is not a setting of"),
    ],
)
def test_what_the_baseline_cannot_do_is_one_sentence(note_runs, sounds, tmp_path, flag, reason):
    output = tmp_path / "out"
    flags = (f"--checkpoint={note_runs['spectral']}", f"--input={sounds}", f"--output={output}")
    assert_refused(entry_points.run("generate", *flags, "--pitch=60", flag), reason)
    assert not output.exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("encode", "is a classifier, which has no embeddings"),
        ("generate", "is a classifier, which has no embeddings"),
        ("report", "holds a classifier: name a run of a WaveNet autoencoder"),
    ],
)
def test_a_classifier_has_no_sounds(note_runs, sounds, tmp_path, name, reason):
    flags = [f"--checkpoint={note_runs['classifier']}", f"--output={tmp_path / 'out'}"]
    if name != "report":
        flags.append(f"--input={sounds}")
    assert_refused(entry_points.run(name, *flags), reason)
    assert not (tmp_path / "out").exists()


def test_an_export_encodes_as_the_run(exported, encoded, sounds, tmp_path):
    again = encode(exported, sounds, tmp_path / "encoded")
    for name, fields in encoded.items():
        np.testing.assert_array_equal(again[name]["embedding"], fields["embedding"])


def test_training_starts_from_an_export(exported, note_runs, tmp_path):
    config = load_trained(note_runs["spectral"]).config
    changes = {"num_steps": 1, "log_every_steps": 1, "init_from": str(exported)}
    train_and_evaluate({**config, **changes}, tmp_path, no_summaries)
    assert_first_step(tmp_path, load_trained(exported))
