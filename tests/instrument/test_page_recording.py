"""What the page records, and the files that it makes of it."""

import io
import struct

import numpy as np
import pytest
import soundfile
from instrument_page import frequency, until

from wavenet_ae.instrument.midi_files import read_events
from wavenet_ae.instrument.performance import Pad


def recorded(tab, button, tmp_path):
    with tab.expect_download() as download:
        tab.click(button)
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    return path


def test_a_recording_becomes_a_wav_file_and_a_midi_file(tab, tmp_path):
    tab.click("#record")
    until(tab, "() => parseFloat(document.getElementById('recorded').textContent) > 0")
    tab.keyboard.down("KeyD")
    tab.focus("#pad")
    tab.keyboard.press("End")
    until(tab, "() => parseFloat(document.getElementById('recorded').textContent) > 0.9")
    tab.keyboard.up("KeyD")
    tab.click("#record")
    seconds = float(tab.inner_text("#recorded").split()[0])
    wav = recorded(tab, "#save-wav", tmp_path)
    assert wav.name == "tones recording.wav"
    samples, rate_hz = soundfile.read(wav)
    assert rate_hz == 48_000
    assert seconds < len(samples) / rate_hz < seconds + 1.5  # with the release
    held = samples[np.abs(samples) > 0.01]
    assert len(held) > 0.3 * rate_hz
    middle = int(np.argmax(np.abs(samples) > 0.01)) + rate_hz // 5
    assert frequency(samples[middle : middle + rate_hz // 4]) == pytest.approx(329.63, rel=2e-3)
    again = recorded(tab, "#save-wav", tmp_path)
    assert np.array_equal(soundfile.read(again)[0], samples)
    messages = midi_messages(recorded(tab, "#save-midi", tmp_path).read_bytes())
    notes = [(m[0], m[1]) for _, m in messages if m[0] in (0x90, 0x80)]
    assert notes == [(0x90, 64), (0x80, 64)]
    assert [m for _, m in messages if m[0] == 0xB0] == [
        *((0xB0, 1, 64), (0xB0, 74, 64)),  # where the pad was at the start
        *((0xB0, 1, 127), (0xB0, 74, 64)),
    ]
    assert messages[-1][0] <= seconds + 0.05  # which is shown to a tenth


def midi_messages(file):
    """Reads a MIDI file of one track: `(seconds, message)`."""
    kind, length, form, tracks, division = struct.unpack(">4sIHHH", file[:14])
    assert (kind, length, form, tracks) == (b"MThd", 6, 0, 1)
    kind, length = struct.unpack(">4sI", file[14:22])
    assert kind == b"MTrk"
    assert len(file) == 22 + length
    stream = io.BytesIO(file[22:])
    tick, quarter_s, found = 0, None, []
    while True:
        delta = 0
        while (byte := stream.read(1)[0]) & 128:
            delta = delta << 7 | byte & 127
        tick += delta << 7 | byte
        status = stream.read(1)[0]
        if status == 0xFF:
            meta, length = stream.read(2)
            data = stream.read(length)
            if meta == 0x2F:
                assert stream.read() == b""
                return found
            assert meta == 0x51
            quarter_s = int.from_bytes(data, "big") / 1e6
        else:
            found.append((tick / division * quarter_s, (status, *stream.read(2))))


def midi_file(tab, events, octave=0):
    """Returns the bytes of the MIDI file that the page makes of events."""
    made = """async ({ events, octave }) => {
      const { midiFile } = await import("page/midi_file.js");
      return Array.from(midiFile(events, octave));
    }"""
    return bytes(tab.evaluate(made, {"events": events, "octave": octave}))


def test_long_pauses_and_all_events_in_a_midi_file(tab):
    events = [
        {"time": 0, "type": "on", "key": 60, "velocity": 100},
        {"time": 0.5, "type": "bend", "cents": -200},
        {"time": 0.5, "type": "bend", "cents": 200},
        {"time": 1, "type": "set", "settings": {"octave": 1}},
        {"time": 400, "type": "pedal", "down": True},
        {"time": 400, "type": "on", "key": 60, "velocity": 5},
        {"time": 400.25, "type": "panic"},
    ]
    assert midi_messages(midi_file(tab, events, octave=-1)) == [
        (0, (0x90, 48, 100)),
        (0.5, (0xE0, 0, 0)),
        (0.5, (0xE0, 127, 127)),
        (400, (0xB0, 64, 127)),
        (400, (0x80, 48, 64)),  # pressed again, it ends where it began
        (400, (0x90, 72, 5)),
        *((400.25, (0x80, 72, 64)), (400.25, (0xB0, 64, 0)), (400.25, (0xE0, 0, 64))),
    ]


def test_a_midi_file_ends_as_a_synth_at_rest(tab):
    """Else the pedal would hold the last notes, and the bend detune what is played next."""
    events = [
        {"time": 0, "type": "pedal", "down": True},
        {"time": 0, "type": "bend", "cents": 50},
        {"time": 0, "type": "on", "key": 60, "velocity": 100},
        {"time": 0.5, "type": "allOff"},
        {"time": 0.75, "type": "on", "key": 62, "velocity": 100},
        {"time": 1, "type": "allOff"},
    ]
    messages = midi_messages(midi_file(tab, events))
    assert messages[3:] == [
        *((0.5, (0x80, 60, 64)), (0.5, (0xB0, 64, 0))),  # all keys up does not end a bend
        (0.75, (0x90, 62, 100)),
        *((1, (0x80, 62, 64)), (1, (0xE0, 0, 64))),
    ]


def test_a_recording_begins_with_what_is_held(tab, tmp_path):
    tab.click("#midi")
    until(tab, "() => document.getElementById('midi-inputs').textContent === 'MIDI: Keys'")
    for message in ([0xB0, 1, 127], [0xB0, 74, 127], [0xB0, 64, 127], [0xE0, 0, 96], [0x90, 60, 9]):
        tab.evaluate("message => window.send(...message)", message)
    tab.click("#record")
    until(tab, "() => parseFloat(document.getElementById('recorded').textContent) > 0.2")
    tab.evaluate("() => window.send(0x80, 60, 0)")
    until(tab, "() => parseFloat(document.getElementById('recorded').textContent) > 1.6")
    tab.click("#record")
    file = recorded(tab, "#save-midi", tmp_path)
    begin = [message for seconds, message in midi_messages(file.read_bytes()) if seconds == 0]
    assert begin == [
        *((0xB0, 1, 127), (0xB0, 74, 127), (0xB0, 64, 127), (0xE0, 0, 96), (0x90, 60, 9)),
    ]
    # The decoder, which plays the same file, starts in the upper right corner, too.
    pads = [event for _, event in read_events(file, 4) if isinstance(event, Pad)]
    assert pads[-1].weights == (0, 1, 0, 0)
    # In the recording the pedal holds the note, and it is bent by a semitone.
    samples, rate_hz = soundfile.read(recorded(tab, "#save-wav", tmp_path))
    late = samples[rate_hz : 3 * rate_hz // 2]
    assert frequency(late) == pytest.approx(261.63 * 2 ** (1 / 12), rel=2e-3)
    assert np.abs(late).max() > 0.3 * np.abs(samples).max()
