import json

import entry_points
import pytest
import soundfile
from tone_codec import tone

from wavenet_ae import pretrained
from wavenet_ae.instrument import rendered


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number, name in enumerate("abc", start=2):
        audio = tone(262, seconds=0.6, peak=number / 10)
        soundfile.write(folder / f"{name}_60.wav", audio, 16_000)
    return folder


def run(*flags):
    return entry_points.run("instrument", *flags)


def test_an_instrument_of_sounds_and_again(tiny_run, sounds, tmp_path):
    output = tmp_path / "my instrument"
    flags = (
        f"--checkpoint={tiny_run}",
        f"--output={output}",
        "--resolution=2",
        "--pitches=60",
        "--attempts=1",
    )
    files = (sounds / "a_60.wav", sounds / "b_60.wav")
    result = run(*files, *flags)
    assert result.returncode == 0, result.stderr
    assert "2 notes: 2 cells of 1 line between 2 sounds, at 1 pitch" in result.stderr
    assert "2 notes, " in result.stdout
    instrument = rendered.read(output)
    assert (instrument.name, instrument.sounds) == ("my instrument", ("a", "b"))
    assert f"open {output / 'index.html'} in a browser" in result.stdout
    assert "my instrument" in (output / "index.html").read_text()
    packs = {path.name for path in (output / "packs").iterdir() if path.suffix}
    assert {"a.sfz", "b.dspreset", "a.multisample", "my_instrument.sf2"} <= packs

    (sounds / "bad.wav").write_text("no sound")
    again = run(f"--input={sounds}", *flags, "--pairs", "--name=triangle")
    assert again.returncode == 1
    assert "bad.wav is not a sound file" in again.stderr
    assert "3 notes: 3 cells of 3 lines between 3 sounds, at 1 pitch, 2 of which" in again.stderr
    assert rendered.read(output).name == "triangle"
    assert json.loads((output / "report.json").read_text())["rendered_by_this_call"] == 1


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--corners=a,x"], "--corners=a,x: 'x' is none of the sounds: there are a, b, c."),
        (["--corners=a,b,c"], "names 3 sounds: name four, of a square, or two, of a line."),
        (["--pitches=20:40:5"], "'20:40:5' is not within 21 to 108."),
        (["--pitches=high"], "'high' is neither a number nor a range"),
        (["--resolution=1"], "--resolution=1 is not a"),
        (["--attempts=0"], "--attempts=0 is not a"),
        (["--checkpoint=nothing"], "nothing is not a training run"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(sounds, tmp_path, flags, reason):
    result = run(f"--input={sounds}", f"--output={tmp_path / 'out'}", *flags)
    assert result.returncode == 1
    assert reason in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written(tiny_run, sounds, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = run(
        f"--input={sounds}",
        f"--output={tmp_path / 'file'}",
        f"--checkpoint={tiny_run}",
        "--pitches=60",
    )
    assert result.returncode == 1
    assert "cannot be written" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.slow
def test_the_pretrained_notes_are_in_tune_and_loop(tmp_path):
    result = run(
        f"--input={pretrained.NOTES}",
        f"--output={tmp_path}",
        "--corners=flute,brass,string,organ",
        "--resolution=2",
        "--pitches=48,60,72",
    )
    assert result.returncode == 0, result.stderr
    instrument = rendered.read(tmp_path)
    assert sum(note.is_in_tune for note in instrument.notes) >= 11
    assert any(note.attempts > 1 for note in instrument.notes)
    assert sum(note.loop is not None for note in instrument.notes) >= 3
