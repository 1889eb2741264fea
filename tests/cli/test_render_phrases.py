import entry_points
import pytest
from entry_points import assert_refused
from tiny_font import write_tiny_font


@pytest.fixture
def font(tmp_path):
    return write_tiny_font(tmp_path / "tiny.sf2", [(0, 0, 127)])


def test_renders_and_then_has_nothing_to_do(font, tmp_path):
    flags = (f"{font}", "--instruments=0", "--num_phrases=2", f"--output={tmp_path / 'phrases'}")
    result = entry_points.run("render-phrases", *flags)
    assert result.returncode == 0, result.stderr
    assert "2 phrases each of acoustic_grand_piano; 2 of them new." in result.stdout
    assert "rendering" in result.stderr  # the progress
    again = entry_points.run("render-phrases", *flags)
    assert again.stdout.endswith("all there already.\n")
    assert again.stderr == ""
    folder = tmp_path / "phrases" / "acoustic_grand_piano"
    flags = (f"{font}", "--instruments=0", f"--midi={folder}", f"--output={tmp_path / 'more'}")
    result = entry_points.run("render-phrases", *flags)
    assert result.returncode == 0, result.stderr
    for name in ("phrase_0000.wav", "phrase_0001.mid"):
        same = (tmp_path / "more" / "acoustic_grand_piano" / name).read_bytes()
        assert same == (folder / name).read_bytes()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--instruments=40"], "has no program 40 (Violin)"),
        (["--instruments=kazoo"], "--instruments: 'kazoo' is neither"),
        (["--soundfont=none.sf2"], "there is no SoundFont file none.sf2"),
        (["--lowest=60", "--highest=71"], "--lowest=60 and --highest=71 must be MIDI pitches"),
        (["--highest=128"], "--lowest=48 and --highest=128 must be MIDI pitches"),
        (["--midi=.", "--seed=1"], "--seed is for melodies by rule"),
        (["--midi=none"], "none does not exist"),
    ],
)
def test_a_mistake_is_one_line(font, tmp_path, flags, message):
    defaults = [f"--soundfont={font}", "--instruments=0", f"--output={tmp_path / 'phrases'}"]
    result = entry_points.run(
        "render-phrases", *(d for d in defaults if d.split("=")[0] not in flags[0]), *flags
    )
    assert_refused(result, message)
    assert not (tmp_path / "phrases").exists()
