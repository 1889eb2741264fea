import json

import pytest
from conftest import DUMMY_NOTES
from entry_points import CONFIGS, assert_refused, run

CONFIG = f"--config={CONFIGS / 'wavenet_ae.py'}:demo"
SMALL = (
    *("--config.batch_size=2", "--config.crop_samples=512", "--config.model.encoder_layers=2"),
    *("--config.model.decoder_layers=2", "--config.model.hop_length=64"),
)
BRIEF = ("--seconds=0.2", "--repetitions=1")


def test_reading_is_measured_beside_the_step(data_dir, tmp_path):
    output = tmp_path / "data.json"
    result = run(
        "benchmark",
        *("--task=data", CONFIG, *SMALL, f"--config.dataset.data_dir={data_dir}", *BRIEF),
        *(f"--notes={DUMMY_NOTES}", "--num_workers=0", "--num_workers=1"),
        *("--measure_step", "--step_ms=40", f"--output={output}"),
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(output.read_text())
    ways = {(m["source"], m["crop_samples"], m["num_workers"]) for m in found["measurements"]}
    assert ways == {
        (source, crop, workers)
        for source in ("nsynth_json/by_note", "WAV files")
        for crop in (512, None)
        for workers in (0, 1)
    }
    assert len(found["measurements"]) == len(ways)
    assert found["batch_size"] == 2
    assert found["demands"]["steps of 40 ms"] == 25
    assert found["demands"]["steps here"] > 0
    lines = [line for line in result.stdout.splitlines() if line.startswith("| nsynth_json")]
    assert len(lines) == 4
    fields = [field.strip() for field in lines[0].split("|")]
    rate = found["measurements"][0]["batches_per_s"]
    assert rate > 0
    assert fields[4].startswith(f"{rate:.4g} (")
    assert fields[5:7] == [f"{2 * rate:.4g}", f"{rate / 25:.3g}"]


def test_the_training_step_is_measured(data_dir, tmp_path):
    output = tmp_path / "train.json"
    result = run(
        "benchmark",
        *("--task=train", CONFIG, *SMALL, f"--config.dataset.data_dir={data_dir}", "--data"),
        *(*BRIEF, f"--output={output}"),
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(output.read_text())
    assert (found["task"], found["data"]) == ("train", "nsynth_json/by_note")
    assert found["config"].endswith("wavenet_ae.py:demo")
    assert found["overrides"]["crop_samples"] == 512
    assert found["machine"]["platform"] == "cpu"
    assert found["machine"]["has_compilation_cache"]  # of the tests
    assert found["share_of_matrix_ceiling"] == pytest.approx(
        found["model_flop_per_s"]["median"] / found["matrix_flop_per_s"]["median"]
    )
    assert f"| training step, ms | {found['step_ms']['median']:.4g} |" in result.stdout
    # The arrays of the ceilings came later.
    peaks = found["peak_memory_bytes"]
    assert peaks["program"] < peaks["resident"]


def test_the_sampler_is_measured_of_the_paper_by_default(tmp_path):
    output = tmp_path / "sample.json"
    narrow = {"encoder_channels": 4, "decoder_channels": 8, "skip_channels": 8, "num_pitches": 128}
    result = run(
        "benchmark",
        *("--task=sample", *(f"--config.model.{k}={v}" for k, v in narrow.items())),
        *("--config.model.hop_length=64", "--config.model.decoder_layers=2"),
        "--config.model.encoder_layers=2",
        *("--num_sounds=2", *BRIEF, f"--output={output}"),
    )
    assert result.returncode == 0, result.stderr
    found = json.loads(output.read_text())
    assert found["config"].endswith("configs/wavenet_ae.py")
    assert found["overrides"]["model.decoder_channels"] == 8
    assert (found["dtype"], found["hop_length"], found["chunk_frames"]) == ("bfloat16", 64, 1)
    (batch,) = found["batches"]
    limits = batch["ceilings_samples_per_s"]
    share = batch["samples_per_s"]["median"] / limits[batch["binding_ceiling"]]
    assert batch["share_of_ceiling"] == pytest.approx(share)
    assert limits["arithmetic"] == pytest.approx(
        found["matrix_flop_per_s"]["median"] / found["model_flop_per_sample"]
    )
    assert limits["memory"] == pytest.approx(
        2 * found["memory_bytes_per_s"]["median"] / found["decoder_bytes"]
    )
    assert f"| 2 | {batch['steps_per_s']['median']:.4g} (" in result.stdout


def test_griffin_lim_is_measured_beside_librosa(tmp_path):
    output = tmp_path / "griffin_lim.json"
    sizes = ("--batch_size=3", "--iterations=20")
    result = run("benchmark", "--task=griffin_lim", *sizes, *BRIEF, f"--output={output}")
    assert result.returncode == 0, result.stderr
    found = json.loads(output.read_text())
    assert (found["batch_size"], found["iterations"]) == (3, 20)
    assert "config" not in found
    rates = found["notes_per_s"]
    assert found["ratio"] == pytest.approx(rates["ours"]["median"] / rates["librosa"]["median"])
    assert f"| ratio | {found['ratio']:.3g} |" in result.stdout
    # They do the same, from different phases; a single iteration ends at 0.38.
    convergence = found["spectral_convergence"]
    assert 0 < convergence["ours"] < 0.25
    assert 0.75 < convergence["ours"] / convergence["librosa"] < 1.33


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--config.dataset.data_dir=nowhere"], "there is no dataset 'nsynth_json/by_note'"),
        (["--notes=nowhere"], "nowhere/examples.json cannot be read"),
        (["--config.batch_size=0"], "batch_size"),
    ],
)
def test_mistakes(data_dir, flags, reason):
    settings = [CONFIG, f"--config.dataset.data_dir={data_dir}", *flags]
    assert_refused(run("benchmark", "--task=data", *settings), reason)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--task=data"], "--task=data reads a training's dataset: name its --config."),
        (["--task=train", "--config.nonsense=1"], "no setting"),
        (["--task=train", "--num_sounds=1"], "--num_sounds is for --task=sample: leave it out."),
        (["--task=griffin_lim", "--config.batch_size=4"], "leave --config and its settings out"),
        (["--task=sample", "--config.seed=-1"], "config.seed=-1"),
        (["--task=data", CONFIG, "--step_ms=inf"], "--step_ms=inf must be a finite number."),
    ],
)
def test_flags_that_do_not_fit(flags, reason):
    assert_refused(run("benchmark", *flags), reason)
