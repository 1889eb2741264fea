import mido
import numpy as np
import pytest
import soundfile
from live_sounds import HOP, sounds, tiny_codec
from mido import Message, MetaMessage

from wavenet_ae.instrument import midi_files
from wavenet_ae.instrument.midi_files import read_events, render_midi
from wavenet_ae.instrument.performance import NoteOff, NoteOn, Pad, Panic, Pedal, ReleaseAll
from wavenet_ae.instrument.voices import Voices
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.worker_pool import num_cores

TICKS = 480  # to a beat; half a second without a tempo


@pytest.fixture(scope="module")
def codec():
    return tiny_codec()


def write(path, *tracks):
    file = mido.MidiFile(ticks_per_beat=TICKS)
    file.tracks.extend(mido.MidiTrack(track) for track in tracks)
    file.save(path)
    return path


@pytest.fixture
def song(tmp_path):
    """Two tracks, the pad and the pedal; a note that is never lifted."""
    return write(
        tmp_path / "song.mid",
        [
            MetaMessage("set_tempo", tempo=250_000),  # two beats take half a second
            Message("note_on", note=60, velocity=100, time=48),
            Message("control_change", control=1, value=127, time=48),
            Message("control_change", control=64, value=127, time=0),
            Message("note_on", note=60, velocity=0, time=96),
            Message("control_change", control=64, value=0, time=96),
        ],
        [
            Message("note_on", note=36, velocity=100, channel=9, time=0),  # a drum
            Message("note_on", note=67, velocity=90, channel=3, time=101),
        ],
    )


def test_events_have_the_files_times(song):
    a_tick = 0.25 / TICKS * 16000
    assert read_events(song, 2, pad=(0.25, 0)) == [
        (0, Pad((0.75, 0.25))),
        (round(48 * a_tick), NoteOn(60, 100)),
        (round(96 * a_tick), Pad((0.0, 1.0))),
        (round(96 * a_tick), Pedal(True)),
        (round(101 * a_tick), NoteOn(67, 90)),
        (round(192 * a_tick), NoteOff(60)),
        (round(288 * a_tick), Pedal(False)),
        (round(288 * a_tick), ReleaseAll()),
    ]


def test_controllers_that_silence(tmp_path):
    controls = [Message("control_change", control=c, value=v) for c, v in ((120, 0), (123, 0))]
    others = [Message("pitchwheel", pitch=9), Message("program_change", program=3)]
    path = write(tmp_path / "a.mid", [Message("note_on", note=60), *controls, *others])
    pad = [Message("control_change", control=74, value=0)]
    events = [event for _, event in read_events(path, 4)]
    assert events == [
        *(Pad((1.0, 0.0, 0.0, 0.0)), NoteOn(60, 64), Panic(), ReleaseAll()),
        ReleaseAll(),
    ]
    path = write(tmp_path / "b.mid", [*pad, Message("note_on", note=60)])
    assert read_events(path, 4)[1] == (0, Pad((0.0, 0.0, 1.0, 0.0)))


def test_a_file_is_what_live_voices_play(song, codec, tmp_path):
    rendered = render_midi(song, tmp_path / "a.wav", codec, sounds(2), num_voices=3, seed=5)
    audio, rate = soundfile.read(tmp_path / "a.wav", dtype="float32")
    voices, live = Voices(codec, sounds(2), 3, seed=5), []
    events = read_events(song, 2)
    for chunk in range(len(audio) // HOP):
        while events and events[0][0] < (chunk + 1) * HOP:
            sample, event = events.pop(0)
            voices.send(event._replace(at=sample - chunk * HOP))
        live.append(voices.next_chunk().audio)
    assert (rate, rendered.notes, rendered.seconds) == (16000, 2, len(audio) / 16000)
    live = np.concatenate(live)
    assert np.abs(live).max() < 0.99  # so that both have the same level
    np.testing.assert_allclose(audio, live, atol=1 / 32768)
    assert not audio[: 48 * 8].any()


def test_many_notes_are_rendered_in_batches_and_again_the_same(codec, tmp_path, monkeypatch):
    monkeypatch.setattr(midi_files, "_BATCH_OF_CORE", 8)
    keys = range(40, 40 + 8 * num_cores() + 7)
    notes = [Message("note_on", note=key, velocity=127) for key in keys]
    notes += [Message("note_off", note=key, time=key % 7) for key in keys]
    path = write(tmp_path / "many.mid", notes)
    for name in "ab":
        rendered = render_midi(path, tmp_path / name, codec, sounds(4), num_voices=len(keys))
        assert rendered.notes == len(keys)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    audio, _ = soundfile.read(tmp_path / "a", dtype="int16")
    # All of it is made quieter, nothing clipped.
    assert np.abs(audio).max() == pytest.approx(0.99 * 32768, abs=1)
    # No one is left out, nor twice there: without the last key it is another sound.
    fewer = write(tmp_path / "fewer.mid", notes[: len(keys) - 1] + notes[len(keys) : -1])
    render_midi(fewer, tmp_path / "c", codec, sounds(4), num_voices=len(keys))
    assert (tmp_path / "c").read_bytes() != (tmp_path / "a").read_bytes()


def damaged(song, tmp_path, kind):
    path = tmp_path / f"{kind}.mid"
    content = song.read_bytes()
    match kind:
        case "text":
            path.write_text("no music")
        case "empty":
            path.write_bytes(b"")
        case "broken off":
            path.write_bytes(content[:60])
        case "folder":
            path.mkdir()
        case "silent":
            write(path, [Message("control_change", control=1, value=3)])
        case "drums":
            write(path, [Message("note_on", note=40, channel=9)])
        case "time code":  # 25 frames a second, of 40 parts
            path.write_bytes(content[:12] + bytes([0xE7, 40]) + content[14:])
        case "long":
            write(path, [Message("note_on", note=40), Message("note_off", note=40, time=2**24)])
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "cannot be read: No such file"),
        ("folder", "cannot be read: Is a directory"),
        ("text", "is not a MIDI file"),
        ("empty", "is not a MIDI file"),
        ("broken off", "is not a MIDI file"),
        ("silent", "holds no notes"),
        ("drums", "holds no notes"),
        ("time code", "counts time in frames"),
        ("long", "lasts longer than 60 minutes"),
    ],
)
def test_a_bad_file_is_named(song, codec, tmp_path, kind, message):
    path = damaged(song, tmp_path, kind)
    with pytest.raises(UserError, match=f"{kind}.mid {message}"):
        render_midi(path, tmp_path / "out.wav", codec, sounds(1))
    assert not (tmp_path / "out.wav").exists()


def test_a_pad_of_three_is_refused(song, codec, tmp_path):
    with pytest.raises(UserError, match="1, 2 or 4 sounds, not 3"):
        render_midi(song, tmp_path / "out.wav", codec, sounds(3))
