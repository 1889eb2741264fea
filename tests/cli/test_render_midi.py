import entry_points
import mido
import pytest
from entry_points import assert_refused
from mido import Message
from tiny_font import write_tiny_font

from wavenet_ae.audio import midi
from wavenet_ae.audio.midi import Note


@pytest.fixture
def font(tmp_path):
    return write_tiny_font(tmp_path / "tiny.sf2", [(0, 0, 127)])


def test_renders_files_and_a_dataset_is_built_of_them(font, tmp_path):
    (tmp_path / "in").mkdir()
    for number in range(3):
        midi.save(tmp_path / "in" / f"{number}.mid", [Note(0, 1, 60 + number, 100)], 0)
    flags = (f"{tmp_path / 'in'}", f"--soundfont={font}", f"--output={tmp_path / 'out'}")
    result = entry_points.run("render-midi", *flags)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{tmp_path / 'out'}: 3 performances; 3 of them new.\n"
    assert "rendering" in result.stderr  # the progress
    again = entry_points.run("render-midi", *flags)
    assert again.stdout.endswith("all there already.\n")
    flags = (f"--performances={tmp_path / 'out'}", f"--data_dir={tmp_path / 'data'}")
    result = entry_points.run("build-dataset", *flags)
    assert result.stdout.startswith("train: 1 performance (0.0 min), 1 note\n"), result.stderr


def test_pieces_by_rule(font, tmp_path):
    flags = ("--num_pieces=1", f"--soundfont={font}", f"--output={tmp_path / 'out'}")
    result = entry_points.run("render-midi", *flags)
    assert result.returncode == 0, result.stderr
    names = {p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".")}
    assert names == {"piece_0000.wav", "piece_0000.mid", "performances.json"}


def drums(path):
    mido.MidiFile(tracks=[mido.MidiTrack([Message("note_on", note=36, channel=9, time=9)])]).save(
        path
    )


def pedal(path):
    track = [Message("control_change", control=64, value=127, time=480)]
    mido.MidiFile(tracks=[mido.MidiTrack(track)]).save(path)


def ten_hours(path):
    track = [Message("note_on", note=60), Message("note_off", note=60, time=10 * 3600 * 960)]
    mido.MidiFile(tracks=[mido.MidiTrack(track)]).save(path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (drums, "holds no notes (drums apart): choose another"),
        (pedal, "holds no notes (drums apart): choose another"),
        (ten_hours, "lasts longer than 60 minutes: cut it"),
        (lambda path: path.write_bytes(b""), "is not a MIDI file that can be read"),
        (lambda path: path.write_bytes(b"MThd\0\0\0\6\0\1\0\1\1\340MTrk\0"), "is not a MIDI file"),
    ],
)
def test_a_file_that_cannot_be_played_is_named(font, tmp_path, write, message):
    write(tmp_path / "song.mid")
    result = entry_points.run(
        "render-midi", f"{tmp_path}", f"--soundfont={font}", f"--output={tmp_path / 'out'}"
    )
    assert_refused(result, f"song.mid {message}")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "name either MIDI files, or --num_pieces of pieces by rule"),
        (["x.mid", "--num_pieces=2"], "name either MIDI files, or --num_pieces"),
        (["x.mid", "--seed=2"], "--seed is for pieces by rule"),
        (["x.mid"], "x.mid does not exist"),
        (["--num_pieces=1", "--instrument=40"], "has no program 40 (Violin)"),
        (["--num_pieces=1", "--soundfont=none.sf2"], "there is no SoundFont file none.sf2"),
    ],
)
def test_a_mistake_is_one_line(font, tmp_path, flags, message):
    defaults = [f"--soundfont={font}", f"--output={tmp_path / 'out'}"]
    result = entry_points.run("render-midi", *defaults, *flags)
    assert_refused(result, message)
    assert not (tmp_path / "out").exists()
