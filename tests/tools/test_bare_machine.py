"""What tools/ has for machines without a network."""

import json
import os
import runpy
import subprocess
import sys
import zipfile

import pytest
from entry_points import CONFIGS, ROOT

TOOLS = ROOT / "tools"


def has_python_312():
    try:
        return (
            subprocess.run(["python3.12", "-V"], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


def run(tool, *arguments, **environment):
    return subprocess.run(
        [TOOLS / tool, *map(str, arguments)],
        env=os.environ | {"JAX_PLATFORMS": "cpu"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


# -- The schedule


@pytest.fixture(scope="module")
def short():
    sys.path.insert(0, str(ROOT / "experiments"))
    yield runpy.run_path(str(TOOLS / "short_schedule.py"))["flags"]
    sys.path.remove(str(ROOT / "experiments"))


def test_a_schedule_fits_the_time(short):
    flags = short(f"{CONFIGS / 'wavenet_ae.py'}:small", step_ms=100, compile_s=30, seconds=400)
    # 0.9 of 400 s less 30 s are 3,300 steps; boundaries were at 0.4, 0.7 and 0.9 of 50,000.
    assert flags[:2] == [
        "--config.num_steps=3300",
        "--config.optimizer.boundaries=(1320,2310,2970,)",
    ]
    assert "--config.ema_decay=0.993939" in flags


def test_a_schedule_is_no_longer_than_the_configurations(short):
    few = short(f"{CONFIGS / 'classifier.py'}:small", step_ms=100, compile_s=0, seconds=100)
    assert "--config.model.batch_norm_decay=0.98888" in " ".join(few)
    flags = short(f"{CONFIGS / 'classifier.py'}:small", step_ms=1, compile_s=0, seconds=1e6)
    config = runpy.run_path(str(CONFIGS / "classifier.py"))["get_config"]("small")
    assert flags[0] == f"--config.num_steps={config.num_steps}"
    assert flags[1].split("=")[1] == str(config.optimizer.boundaries).replace(" ", "").replace(
        ")", ",)"
    )
    assert not any("ema_decay" in flag for flag in flags)  # it has none


def test_too_little_time_is_said(tmp_path):
    step = tmp_path / "step.json"
    step.write_text(json.dumps({"step_ms": {"median": 1000}, "compile_s": 30}))
    arguments = [f"{CONFIGS / 'wavenet_ae.py'}:small", step, "40"]
    result = subprocess.run(
        [sys.executable, TOOLS / "short_schedule.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert result.stderr.startswith("error: 40 seconds are too few for a training of ")


# -- The shell scripts


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("collect_wheels.sh", [TOOLS], "exists and was not made by this tool"),
        ("accelerator_check.sh", ["--wheels=nowhere"], "nowhere holds no packages"),
        ("train_on_gpu.sh", [], "tools/train_on_gpu.sh MINUTES"),
        ("train_on_gpu.sh", ["soon"], "tools/train_on_gpu.sh MINUTES"),
        ("train_on_gpu.sh", ["5", "--minute=3"], "tools/train_on_gpu.sh MINUTES"),
        ("train_on_gpu.sh", ["5", "--wheels=nowhere"], "nowhere holds no packages"),
        ("train_on_gpu.sh", ["5", f"--output={TOOLS}"], "exists: move it away"),
        ("train_on_gpu.sh", ["5", "--soundfont=nowhere"], "there is no SoundFont"),
    ],
)
def test_mistakes_are_refused(tool, arguments, reason):
    result = run(tool, *arguments)
    assert result.returncode == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_packages_of_a_folder_are_used(tmp_path):
    """A wheel that hides one of the environment's own tells whether it was found."""
    wheels = tmp_path / "wheels"
    (wheels / "lib").mkdir(parents=True)
    with zipfile.ZipFile(wheels / "tqdm-99-py3-none-any.whl", "w") as wheel:
        for name, text in {
            "tqdm.py": "raise SystemExit('the one of the folder')\n",
            "tqdm-99.dist-info/METADATA": "Metadata-Version: 2.1\nName: tqdm\nVersion: 99\n",
            "tqdm-99.dist-info/WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
            "tqdm-99.dist-info/RECORD": "",
        }.items():
            wheel.writestr(name, text)
    result = run(
        "accelerator_check.sh",
        f"--wheels={wheels}",
        f"--output={tmp_path / 'out'}",
        PYTHON=sys.executable,
        TMPDIR=str(tmp_path),
    )
    assert result.returncode == 1
    assert result.stderr.endswith("the one of the folder\n")
    assert list(tmp_path.glob("*/tqdm.py"))


STUB = """#!/bin/sh
printf '%s\\n' "$@" . >> "$CALLS"
for argument; do
    case $argument in
        --output=*) output=${argument#*=} ;;
        --workdir=*) workdir=${argument#*=} ;;
    esac
done
case "$1 ${3-}" in
    */benchmark.py\\ *) mkdir -p "${output%/*}"; echo '{}' > "$output" ;;
    */short_schedule.py\\ *) echo --config.num_steps=7 ;;
    */train.py\\ *)
        mkdir -p "$workdir/checkpoints"
        touch "$workdir/config.json" "$workdir/metrics.jsonl" ;;
    -m\\ export) case $output in *wavenet) exit 1 ;; esac; mkdir -p "$output" ;;
esac
"""


def test_trainings_follow_each_other_and_flags_of_the_caller_come_last(tmp_path):
    """With a stand-in for Python, of which one export fails."""
    stub, calls = tmp_path / "python", tmp_path / "calls"
    stub.write_text(STUB)
    stub.chmod(0o755)
    (tmp_path / "wheels" / "lib").mkdir(parents=True)
    font, output = tmp_path / "font.sf2", tmp_path / "the output"
    font.touch()
    result = run(
        "train_on_gpu.sh",
        *("15", f"--wheels={tmp_path / 'wheels'}", f"--soundfont={font}", f"--output={output}"),
        "--config.num_steps=9",
        PYTHON=str(stub),
        CALLS=str(calls),
    )
    assert result.returncode == 0, result.stderr
    assert "wavenet: not exported" in result.stdout
    assert result.stdout.endswith("exported:\nclassifier\nspectral\n")
    commands = [call.split("\n") for call in calls.read_text().strip().split("\n.\n")]
    trainings = [call[1:] for call in commands if call[0] == "experiments/train.py"]
    assert [flags[-1] for flags in trainings] == [
        f"--workdir={output}/{name}" for name in ("wavenet", "classifier", "spectral")
    ]
    # ml_collections takes no setting before the file of the configuration.
    assert all(flags[0].startswith("--config=") for flags in trainings)
    assert trainings[0].index("--config.num_steps=7") < trainings[0].index("--config.num_steps=9")
    assert "--config.num_steps=9" not in trainings[1]


# -- The whole way


@pytest.mark.slow
def test_the_check_rehearsed(tmp_path):
    result = run("accelerator_check.sh", "--tiny", "--minutes=40", f"--output={tmp_path}")
    assert result.returncode == 0, result.stdout + result.stderr
    entries = json.loads((tmp_path / "results.json").read_text())
    assert {entry["outcome"] for entry in entries} == {"ok"}
    assert (tmp_path / "results.md").read_text() in result.stdout
    agreement = next(entry["found"] for entry in entries if entry["name"] == "agreement")
    assert agreement["tests"] > 10
    assert not agreement["failed"]
    assert agreement["errors"]


@pytest.mark.slow
def test_training_rehearsed(tmp_path):
    output = tmp_path / "out"
    result = run("train_on_gpu.sh", 12, "--tiny", f"--output={output}")
    assert result.returncode == 0, result.stdout + result.stderr
    exported = output / "exported" / "wavenet"
    assert (output / "exported" / "classifier" / "model.safetensors").exists()
    assert {path.name for path in exported.iterdir()} > {"model.safetensors", "metrics.jsonl"}
    lines = [json.loads(line) for line in (exported / "metrics.jsonl").read_text().splitlines()]
    assert any("train/loss" in line for line in lines)


@pytest.mark.slow
@pytest.mark.skipif(not has_python_312(), reason="there is no Python 3.12")
def test_a_bare_machine_rehearsed(tmp_path):
    """In an environment with the packages of such a machine and no others."""
    wheels, bare = tmp_path / "wheels", tmp_path / "bare"
    gathered = run("collect_wheels.sh", wheels)
    assert gathered.returncode == 0, gathered.stderr
    size = sum(path.stat().st_size for path in wheels.rglob("*") if path.is_file())
    assert size < 60 * 2**20
    there = next(
        line.split('"')[1]
        for line in (TOOLS / "collect_wheels.sh").read_text().splitlines()
        if line.startswith("there=")
    )
    subprocess.run(["python3.12", "-m", "venv", bare], check=True)
    pip = [bare / "bin" / "python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*pip, *there.split()], check=True)
    own = {"PYTHON": str(bare / "bin" / "python")}
    flags = ("--tiny", f"--wheels={wheels}")
    result = run(
        "accelerator_check.sh", *flags, "--minutes=40", f"--output={tmp_path / 'a'}", **own
    )
    assert result.returncode == 0, result.stdout + result.stderr
    result = run("train_on_gpu.sh", 12, *flags, f"--output={tmp_path / 'b'}", **own)
    assert result.returncode == 0, result.stdout + result.stderr
