import json
import os
import time
from pathlib import Path

import pytest
from entry_points import ROOT, assert_refused, run

from wavenet_ae.benchmarks import accelerator
from wavenet_ae.benchmarks.accelerator import Finding, Part
from wavenet_ae.system.errors import UserError


def script(text, share=1.0, name="part"):
    """Returns a part that runs a Python program."""

    def find(prefix, limit_s):
        accelerator._run(["-c", text], prefix, limit_s)
        return Finding({"limit_s": limit_s}, [("what", "value")])

    return Part(name, share, find)


def test_a_part_that_fails_costs_the_others_nothing(tmp_path, capsys):
    parts = [
        script("print('no luck'); raise SystemExit(3)", name="failing"),
        script("pass", name="good"),
    ]
    entries = accelerator.check(parts, tmp_path, minutes=1)
    assert [entry["outcome"] for entry in entries] == ["failed", "ok"]
    assert entries[0]["reason"] == "exit code 3, see failing.log: no luck"
    assert json.loads((tmp_path / "results.json").read_text()) == json.loads(json.dumps(entries))
    assert (tmp_path / "results.md").read_text() == (
        "# This machine's accelerator\n\n"
        "| part | what | found | s |\n"
        "| --- | --- | --- | ---: |\n"
        "| failing | failed | exit code 3, see failing.log: no luck | 0 |\n"
        "| good | what | value | 0 |\n"
    )
    assert "failing: failed" in capsys.readouterr().out


def test_a_part_ends_in_its_time_with_all_that_it_started(tmp_path):
    pid = tmp_path / "pid"
    child = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    text = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); "
        "time.sleep(60)"
    )
    slow = script(text, share=0.5)
    start = time.monotonic()
    (entry,) = accelerator.check([slow], tmp_path, minutes=0.1)
    assert time.monotonic() - start < 30
    assert (entry["outcome"], entry["reason"]) == ("failed", "not done in 3 s, see part.log")
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            os.kill(int(pid.read_text()), 0)
        except ProcessLookupError:
            break
        # A killed process whose parent is gone may wait to be reaped.
        if Path(f"/proc/{pid.read_text()}/stat").read_text().split()[2] == "Z":
            break
        time.sleep(0.05)
    else:
        pytest.fail("the child still runs")


def test_where_no_time_is_left_a_part_does_not_begin(tmp_path):
    parts = [script("pass", name="first"), script("pass", name="second")]
    entries = accelerator.check(parts, tmp_path, minutes=0.001)
    assert [entry["outcome"] for entry in entries] == ["no time left"] * 2
    assert not list(tmp_path.glob("*.log"))


def test_results_are_there_as_soon_as_a_part_is_done_and_stay(tmp_path):
    def look(prefix, limit_s):
        return Finding([e["name"] for e in json.loads((tmp_path / "results.json").read_text())], [])

    accelerator.check([script("pass", name="first")], tmp_path, minutes=1)
    entries = accelerator.check([Part("second", 1.0, look)], tmp_path, minutes=1)
    assert [entry["name"] for entry in entries] == ["first", "second"]
    assert entries[1]["found"] == ["first"]
    again = accelerator.check([script("1 / 0", name="first")], tmp_path, minutes=1)
    assert [(e["name"], e["outcome"]) for e in again] == [("first", "failed"), ("second", "ok")]


def test_results_of_another_tool_are_not_replaced(tmp_path):
    (tmp_path / "results.json").write_text("{}x")
    with pytest.raises(UserError, match="move it away"):
        accelerator.check([script("pass")], tmp_path, minutes=1)
    assert (tmp_path / "results.json").read_text() == "{}x"


def test_what_the_tests_against_the_authors_say(tmp_path, monkeypatch):
    tests = tmp_path / "tests" / "models"
    tests.mkdir(parents=True)
    for name in ("audio", "synthesis", "training"):
        (tests.parent / name).mkdir()
    (tests / "test_it.py").write_text(
        "import os, pytest\n"
        "@pytest.mark.slow\n"
        "def test_as_the_authors():\n"
        "    assert os.environ['JAX_DEFAULT_MATMUL_PRECISION'] == 'highest'\n"
        "    assert os.environ['XLA_FLAGS'] == '--xla_cpu_enable_fast_math=false'\n"
        "def test_not_as_the_authors(record_property):\n"
        "    record_property('bfloat16: relative error', '0.25')\n"
        "    assert False\n"
        "def test_of_something_else():\n"
        "    assert False\n"
    )
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = -m 'not slow'\nmarkers = slow: as the project's\n"
    )
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=false")
    finding = accelerator._agreement(tmp_path, tmp_path / "agreement", 60)
    assert finding.rows == [
        ("as close as on a CPU, float32 at highest precision", "1 of 2 tests"),
        ("bfloat16: relative error", "0.25"),
    ]
    assert finding.found["failed"] == ["test_not_as_the_authors"]
    assert finding.problem == "test_not_as_the_authors"


@pytest.mark.slow
def test_a_killed_training_is_resumed(tmp_path):
    prefix = tmp_path / "resuming"
    found, rows, _ = accelerator._resuming(ROOT, True, prefix, 600)
    assert 60 <= found["killed_after"] < 200
    assert rows[1] == ("resumed to step", "200")
    assert found["losses"][200] < found["losses"][min(found["losses"])]
    log = prefix.with_suffix(".log").read_text()
    assert f"at step {found['killed_after']} of 200" in log


def measured(monkeypatch, tmp_path, name, found):
    """Finds a part with a result in the place of a measurement; returns its command and rows."""
    commands = []

    def pretend(arguments, prefix, limit_s, environment=None):
        commands.append(arguments)
        output = next(a.split("=")[1] for a in arguments if a.startswith("--output="))
        Path(output).write_text(json.dumps(found))

    monkeypatch.setattr(accelerator, "_run", pretend)
    (part,) = (p for p in accelerator.parts(ROOT) if p.name == name)
    finding = part.find(tmp_path / name, 1)
    assert finding.found == found
    return commands[0], dict(finding.rows)


def test_a_training_is_measured_at_the_papers_sizes(monkeypatch, tmp_path):
    found = {
        "batch_size": 32,
        "samples_per_example": 6144,
        "computation": "bfloat16",
        "samples_per_s": {"median": 1234567.0},
        "step_ms": {"median": 159.25},
        "share_of_matrix_ceiling": 0.5,
        "matrix_flop_per_s": {"median": 7.5e14},
        "peak_memory_bytes": {"device": 2**33, "program": 1, "resident": 2},
        "compile_s": 60.2,
    }
    command, rows = measured(monkeypatch, tmp_path, "training-paper", found)
    assert f"--config={ROOT / 'experiments' / 'configs' / 'wavenet_ae.py'}" in command
    assert not any(argument.startswith("--config.") for argument in command)
    assert rows == {
        "samples/s (32 x 6144, bfloat16)": "1,234,567",
        "ms a step": "159.2",
        "share of the matrix rate": "0.500",
        "matrix rate, TFLOP/s": "750",
        "peak memory, GiB": "8.00",
        "compiled in, s": "60",
    }


def test_generation_is_measured_beside_its_floor(monkeypatch, tmp_path):
    batch = {
        "num_sounds": 64,
        "steps_per_s": {"median": 1000.0},
        "samples_per_s": {"median": 64000.0},
        "ceilings_samples_per_s": {"memory": 128000.0, "arithmetic": 1e9},
    }
    command, rows = measured(monkeypatch, tmp_path, "sampling-small-64", {"batches": [batch]})
    assert "--num_sounds=64" in command
    assert any(argument.endswith("wavenet_ae.py:small") for argument in command)
    assert rows == {
        "steps/s": "1,000",
        "share of the floor (weights read once a step)": "0.500",
        "samples/s in total": "64,000",
    }


def test_the_baselines_kernels_are_measured(monkeypatch, tmp_path):
    ms = {"by_phases": {"median": 12.25}, "directly": {"median": 3.0}}
    command, rows = measured(monkeypatch, tmp_path, "transposed-convolutions", {"ms": ms})
    assert f"--config={ROOT / 'experiments' / 'configs' / 'spectral_ae.py'}" in command
    assert rows == {"by phases, ms forth and back": "12.25", "directly, ms forth and back": "3"}
    found = {"batch_size": 32, "iterations": 30, "ratio": 4.5}
    found["notes_per_s"] = {"ours": {"median": 9.0}, "librosa": {"median": 2.0}}
    command, rows = measured(monkeypatch, tmp_path, "griffin-lim", found)
    assert "--batch_size=32" in command
    assert not any(argument.startswith("--config") for argument in command)
    assert rows == {"notes/s (32 notes, 30 iterations)": "9", "times librosa's": "4.5"}


def test_a_machine_without_an_accelerator_says_so(tmp_path):
    finding = accelerator._device(False, tmp_path / "device", 60)
    assert finding.problem == "JAX has found no accelerator"
    assert "x cpu (cpu)" in finding.rows[0][1]
    assert not accelerator._device(True, tmp_path / "device", 60).problem


def test_every_part_has_its_name_and_its_share():
    parts = accelerator.parts(ROOT)
    assert len({part.name for part in parts}) == len(parts)
    assert all(0 < part.share <= 0.25 for part in parts)


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--minutes=nan"], "--minutes=nan must be a finite number"),
        (["--minutes=1"], "results.json cannot be read"),
    ],
)
def test_mistakes_are_refused(tmp_path, flags, reason):
    (tmp_path / "results.json").write_text("[1]")
    assert_refused(run("check_accelerator", f"--output={tmp_path}", *flags), reason)


def test_an_unknown_part_is_refused(tmp_path):
    result = run("check_accelerator", f"--output={tmp_path}", "--part=nothing")
    assert result.returncode == 1
    assert "agreement" in result.stderr
