import os
import shutil
import subprocess
from pathlib import Path

import pytest

from wavenet_ae.training.metrics import read_metrics

ROOT = Path(__file__).parents[1]
SOUNDFONTS = sorted(Path("/usr/share/sounds").glob("sf[23]/*.sf[23]"))


@pytest.mark.skipif(not SOUNDFONTS, reason="no SoundFont is installed")
@pytest.mark.skipif(not (ROOT / ".venv").exists(), reason="the demo runs in .venv")
@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_the_demo_at_a_smaller_size_and_again(tmp_path):
    settings = [
        f"DEMO={tmp_path / 'the demo'}",
        "DEMO_INSTRUMENTS=0,73",
        "DEMO_PITCHES=60:69:1",
        "DEMO_VELOCITIES=100",
        "TRAIN_FLAGS=--config.num_steps=30 --config.optimizer.boundaries='(20,)' "
        "--config.eval_every_steps=15 --config.crop_samples=1024 --config.eval_batches=1",
        "REPORT_FLAGS=--num_notes=2 --seconds=0.2",
    ]
    # The Makefile's own setup may not run here: it installs what is under test.
    command = ["make", "--no-print-directory", ".demo", *settings]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}

    first = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert first.returncode == 0, first.stderr
    report = tmp_path / "the demo" / "report" / "report.html"
    page = report.read_text()
    assert page.count("<audio") >= 2 * 2 + 1
    last = read_metrics(tmp_path / "the demo" / "run")[-1]
    assert last["step"] == 30
    assert last["train/bits_per_sample"] < last["reference/uniform_bits_per_sample"] - 0.5

    second = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env=environment
    )
    assert second.returncode == 0, second.stderr
    assert "is at step 30: raise" in second.stderr
    assert report.read_text() == page
