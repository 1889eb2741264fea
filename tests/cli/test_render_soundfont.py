import json

import entry_points
import pytest
from entry_points import assert_refused


def test_renders_and_then_has_nothing_to_do(font_path, tmp_path):
    flags = (
        f"--soundfont={font_path}",
        f"--output={tmp_path / 'notes'}",
        "--instruments=keyboard_acoustic_000,73",
        "--pitches=60:72:12",
        "--velocities=100",
    )
    result = entry_points.run("render-soundfont", *flags)
    assert result.returncode == 0, result.stderr
    assert "4 notes of 2 instruments" in result.stdout
    assert "rendering" in result.stderr  # the progress
    assert "fluidsynth:" not in result.stderr
    examples = json.loads((tmp_path / "notes/examples.json").read_text())
    assert list(examples) == [
        "keyboard_acoustic_000-060-100",
        "keyboard_acoustic_000-072-100",
        "flute_acoustic_001-060-100",
        "flute_acoustic_001-072-100",
    ]
    again = entry_points.run("render-soundfont", *flags)
    assert again.returncode == 0
    assert "holds this rendering already" in again.stdout
    assert again.stderr == ""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--soundfont=none.sf2"], "there is no SoundFont file none.sf2"),
        (["--soundfont=pyproject.toml"], "pyproject.toml is not a SoundFont"),
        (["--instruments=kazoo"], "--instruments: 'kazoo'"),
        (["--instruments=55"], "Orchestra Hit"),
        (["--pitches=60:x"], "--pitches: '60:x'"),
        (["--velocities=0"], "--velocities: '0'"),
        (["--gain=11"], "--gain: 11.0"),
        (["--output=pyproject.toml"], "pyproject.toml cannot be written (Not a directory)"),
    ],
)
def test_a_mistake_is_one_line(font_path, tmp_path, flags, message):
    defaults = [f"--soundfont={font_path}", f"--output={tmp_path / 'notes'}"]
    result = entry_points.run("render-soundfont", *defaults, *flags)
    assert_refused(result, message)
    assert not (tmp_path / "notes").exists()
