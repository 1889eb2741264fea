import re
import subprocess
import sys
from pathlib import Path

import entry_points
import pytest

from wavenet_ae.cli import command_line, main

CLI = Path(main.__file__).parent
SHARED = {"__init__", "command_line", "main"}
HEAVY = ("jax", "tensorflow_datasets", "matplotlib", "sklearn", "numba", "scipy", "tensorflow")


def wavenet_ae(*arguments):
    return entry_points.run(*arguments)


def test_every_tool_is_listed_and_every_listed_tool_is_there():
    assert {p.stem for p in CLI.glob("*.py")} - SHARED == {
        name.replace("-", "_") for name in main.TOOLS
    }
    overview = wavenet_ae("--help")
    assert (overview.returncode, overview.stderr) == (0, "")
    for name in main.TOOLS:
        assert f"wavenet-ae {name} " in overview.stdout


@pytest.mark.parametrize("tool", sorted(main.TOOLS))
def test_help_shows_an_example_and_all_flags_and_imports_nothing_that_computes(tool):
    code = f"""
import sys
sys.argv = ["wavenet-ae", {tool!r}, "--help"]
from wavenet_ae.cli.main import main
main()
print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == ""
    assert f"\n    wavenet-ae {tool} " in result.stdout
    source = (CLI / f"{tool.replace('-', '_')}.py").read_text()
    flags = re.findall(r"(?:flags\.DEFINE_\w+|define_path)\(\s*\"(\w+)\"", source)
    assert len(flags) >= 2
    assert [f for f in flags if not re.search(rf"--(\[no\])?{f}:", result.stdout)] == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["generat"], "wavenet-ae has no tool 'generat': did you mean generate?"),
        (["build_dataset"], "did you mean build-dataset?"),
        (["xyz"], "wavenet-ae has no tool 'xyz': wavenet-ae --help lists the tools."),
        (["encode", "--output=x"], "no input is given: name one, or give --input=..."),
        (["encode", "no_such.wav", "--output=x"], "no_such.wav"),
        (["export", "one", "two", "--output=x"], "unexpected argument 'two': --checkpoint is one"),
        (["prepare-nsynth", "here", "--data_dir=x"], "unexpected argument 'here'"),
        (["interpolate", "a.wav", "--output=x"], "interpolation takes two sounds, and 1 are given"),
        (["encode", "a.wav"], "--output is missing"),
    ],
)
def test_a_mistake_is_one_line(arguments, reason):
    entry_points.assert_refused(wavenet_ae(*arguments), reason)


@pytest.mark.parametrize("arguments", [("help", "encode"), ("encode", "-h"), ("encode", "-help")])
def test_other_ways_to_ask_for_help(arguments):
    result = wavenet_ae(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    assert "wavenet-ae encode flute.wav" in result.stdout


def test_help_into_a_pipe_that_closes_is_silent():
    command = f"{sys.executable} -m wavenet_ae generate --help | head -n 1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=entry_points.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_version():
    assert re.fullmatch(r"wavenet_ae \d+\.\d+.*\n", wavenet_ae("--version").stdout)


def test_arguments_may_stand_before_and_after_flags(tmp_path):
    (tmp_path / "a.wav").touch()
    result = wavenet_ae("encode", tmp_path / "a.wav", f"--output={tmp_path / 'out'}", "no_b.wav")
    entry_points.assert_refused(result, "no_b.wav")


def test_help_text_is_of_the_tool_alone():
    text = command_line.help_text(command_line)
    assert text.startswith("What all tools share")
    assert "--" not in text.partition("Flags:")[2]
