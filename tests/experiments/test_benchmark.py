import json

import pytest
from conftest import DUMMY_NOTES
from entry_points import CONFIGS, assert_refused, run

from wavenet_ae.benchmarks import data, interleaved

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


def test_the_table_has_the_median_of_the_repetitions(monkeypatch, data_dir, tiny_config):
    rates = iter([3.0, 10.0, 1.0, 30.0, 2.0, 20.0])
    monkeypatch.setattr(interleaved, "calls_per_s", lambda *_: next(rates))
    config = json.loads(tiny_config)
    crops, whole = data.measure(config, num_workers=[0], seconds=1, repetitions=3)
    assert (crops.crop_samples, crops.batches_per_s, crops.lowest, crops.highest) == (256, 2, 1, 3)
    assert (whole.crop_samples, whole.batches_per_s, whole.lowest, whole.highest) == (
        None,
        20,
        10,
        30,
    )


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
