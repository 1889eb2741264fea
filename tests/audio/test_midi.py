import mido
import numpy as np
import pytest
from mido import Message

from wavenet_ae.audio import midi
from wavenet_ae.audio.midi import Note
from wavenet_ae.system.errors import UserError


def write(path, *messages):
    mido.MidiFile(ticks_per_beat=480, tracks=[mido.MidiTrack(messages)]).save(path)
    return path


def on(pitch, time=0, velocity=100, channel=0):
    return Message("note_on", note=pitch, velocity=velocity, time=time, channel=channel)


def off(pitch, time=0, channel=0):
    return Message("note_off", note=pitch, time=time, channel=channel)


def pedal(value, time=0):
    return Message("control_change", control=64, value=value, time=time)


@pytest.mark.parametrize(
    ("messages", "notes"),
    [
        ([on(60), off(60, 480), on(62), off(62, 240)], [(0, 0.5, 60), (0.5, 0.75, 62)]),
        ([on(60), on(64), off(60, 480), off(64, 480)], [(0, 0.5, 60), (0, 1.0, 64)]),
        # A velocity of 0 lifts the key, too, and a key that is never lifted ends with the file.
        ([on(60), on(60, 480, velocity=0), on(62), pedal(0, 480)], [(0, 0.5, 60), (0.5, 1, 62)]),
        # The pedal holds what is lifted, until it comes up or the key is struck again.
        ([on(60), pedal(127), off(60, 480), pedal(0, 480)], [(0, 1.0, 60)]),
        ([pedal(64), on(60), off(60, 240), on(60, 240), off(60, 240)],
         [(0, 0.5, 60), (0.5, 0.75, 60)]),
        ([pedal(63), on(60), off(60, 240), pedal(0, 480)], [(0, 0.25, 60)]),
        # Channels have keys of their own; drums are none.
        ([on(60), on(60, 240, channel=1), off(60, 240), off(60, 240, channel=1)],
         [(0, 0.5, 60), (0.25, 0.75, 60)]),
        ([on(36, channel=9), on(60, 480), off(60, 480)], [(0.5, 1.0, 60)]),
    ],
)  # fmt: skip
def test_notes_of_a_file(tmp_path, messages, notes):
    path = write(tmp_path / "song.mid", *messages)
    read = [(n.start_s, n.end_s, n.pitch) for n in midi.read_notes(path)]
    np.testing.assert_allclose(read, notes, rtol=1e-9)


def test_notes_of_several_channels_share_the_keys():
    notes = [
        Note(0.0, 2.0, 60, 50),  # held while the key is struck again, and then released first
        Note(1.0, 1.5, 60, 90),
        Note(1.0, 1.25, 62, 70),  # another key
        Note(1.5, 3.0, 62, 20),
        Note(2.0, 2.5, 60, 30),
        Note(4.0, 5.0, 60, 40),  # struck twice at once
        Note(4.0, 4.5, 60, 80),
    ]
    expected = [
        Note(0.0, 1.0, 60, 50),
        Note(1.0, 1.25, 62, 70),
        Note(1.0, 2.0, 60, 90),
        Note(1.5, 3.0, 62, 20),
        Note(2.0, 2.5, 60, 30),
        Note(4.0, 5.0, 60, 80),
    ]
    assert midi.on_one_keyboard(notes[::-1]) == expected
    assert midi.on_one_keyboard(expected) == expected


def test_what_is_saved_is_read_again(tmp_path):
    notes = [Note(0.1, 0.5, 60, 90), Note(0.5, 0.7, 60, 30), Note(1.25, 3.0, 72, 127)]
    midi.save(tmp_path / "song.mid", notes, program=40)
    read = midi.read_notes(tmp_path / "song.mid")
    np.testing.assert_allclose(read, notes, atol=1 / 960)
    np.testing.assert_allclose(read, midi.rounded(notes), rtol=1e-9)
    (program,) = [m for m in mido.MidiFile(tmp_path / "song.mid") if m.type == "program_change"]
    assert program.program == 40


def test_files_that_cannot_be_used(tmp_path):
    path = tmp_path / "song.mid"
    path.write_bytes(b"no MIDI")
    with pytest.raises(UserError, match=r"song\.mid is not a MIDI file that can be read"):
        midi.read_notes(path)
    (tmp_path / "song.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"song\.wav is not a MIDI file: wavenet-ae resynthesize"):
        midi.read_notes(tmp_path / "song.wav")
    write(path, on(36, channel=9), off(36, 480, channel=9))
    with pytest.raises(UserError, match=r"song\.mid holds no notes"):
        midi.read_notes(path)
    write(path, on(60), *[off(60, 2**20) for _ in range(4)])
    with pytest.raises(UserError, match=r"song\.mid lasts longer than 60 minutes"):
        midi.read_notes(path)
    with pytest.raises(UserError, match=r"none\.mid cannot be read"):
        midi.read_notes(tmp_path / "none.mid")
