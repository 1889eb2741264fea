"""From files to a MIDI file played by them, and what a start refuses."""

import mido
import numpy as np
import pytest
import soundfile
from live_sounds import tiny_codec
from mido import Message
from recorded_tones import record

from wavenet_ae.instrument.live import start
from wavenet_ae.system.errors import UserError
from wavenet_ae.training.trained import load_trained


@pytest.fixture
def inputs(tmp_path):
    named = {"left": 0.2, "right": 1.0}
    return [record(tmp_path / f"{name}-060-100.wav", scale=scale) for name, scale in named.items()]


@pytest.fixture
def song(tmp_path):
    file = mido.MidiFile(ticks_per_beat=480)
    file.tracks.append(
        mido.MidiTrack([Message("note_on", note=64), Message("note_off", note=64, time=480)])
    )
    file.save(tmp_path / "song.mid")
    return tmp_path / "song.mid"


def rendered(inputs, song, output, **settings):
    said = start.render(tiny_codec().trained, inputs, song, output, **settings)
    audio, rate_hz = soundfile.read(output)
    assert rate_hz == 16_000
    return said, audio


def test_a_song_is_rendered_to_the_same_bytes_again(inputs, song, tmp_path):
    said, audio = rendered(inputs, song, tmp_path / "a.wav", seed=3)
    assert f"a.wav: {len(audio) / 16_000:.1f} s, 1 note, in " in said
    assert "times as fast as real time" in said
    assert np.abs(audio[:8000]).max() > 0.01
    rendered(inputs, song, tmp_path / "b.wav", seed=3)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    _, other = rendered(inputs, song, tmp_path / "c.wav", seed=3, pad=(1, 0.5))
    assert (audio != other).any()


def test_mistakes_are_told_before_anything_is_written(inputs, song, tmp_path):
    damaged = tmp_path / "damaged.mid"
    damaged.write_bytes(b"MThd")
    for files, midi, message in (
        (inputs, damaged, "damaged.mid is not a MIDI file"),
        ([*inputs, record(tmp_path / "third.wav")], song, "and 3 are given"),
    ):
        with pytest.raises(UserError, match=message):
            rendered(files, midi, tmp_path / "a.wav")
    assert not (tmp_path / "a.wav").exists()


def test_a_model_without_pitches_is_refused_before_sounds_are_read(song, tmp_path):
    trained = tiny_codec(has_weights=False, num_pitches=0).trained
    with pytest.raises(UserError, match="not conditioned on pitch"):
        start.render(trained, [tmp_path / "none.wav"], song, tmp_path / "a.wav")


def test_the_baseline_is_refused(song, tmp_path):
    with pytest.raises(UserError, match="cannot be played live: name a WaveNet"):
        start.render(load_trained("pretrained", "spectral"), [tmp_path], song, tmp_path / "a.wav")
