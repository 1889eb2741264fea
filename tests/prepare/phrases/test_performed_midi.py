import json

import mido
import numpy as np
import pytest
import soundfile
from mido import Message, MetaMessage
from tiny_font import write_tiny_font

from wavenet_ae.audio import midi
from wavenet_ae.audio.midi import Note
from wavenet_ae.prepare.phrases.playing import read_midi
from wavenet_ae.prepare.phrases.render_midi import compose_pieces, render_midi
from wavenet_ae.system.errors import UserError


@pytest.fixture
def font(tmp_path):
    return write_tiny_font(tmp_path / "tiny.sf2", [(0, 0, 127)])


def render(font, output, gain=0.5, **pieces):
    return render_midi(font, output, pieces, 0, gain=gain, processes=1)


def read(path):
    audio, rate = soundfile.read(path, dtype="float64")
    assert rate == 16_000
    return audio


def level(audio, hz, start_s, end_s):
    """The amplitude of a sine in a part of a sound."""
    part = audio[round(start_s * 16_000) : round(end_s * 16_000)]
    times = np.arange(len(part)) / 16_000
    window = np.hanning(len(part))
    return 2 * abs(np.sum(part * window * np.exp(-2j * np.pi * hz * times))) / window.sum()


def hz(pitch):
    return 441 * 2 ** ((pitch - 69) / 12)


def test_all_notes_sound_at_their_pitches_times_and_velocities(font, tmp_path):
    notes = [Note(0.1, 1.0, 57, 120), Note(0.3, 1.5, 64, 60), Note(0.5, 0.9, 72, 90)]
    said = render(font, tmp_path / "out", chord=notes)
    assert said == f"{tmp_path / 'out'}: 1 performance; 1 of them new."
    audio = read(tmp_path / "out" / "chord.wav")
    between = {57: (0.12, 0.98), 64: (0.32, 1.48), 72: (0.52, 0.88)}
    levels = {pitch: level(audio, hz(pitch), *span) for pitch, span in between.items()}
    assert levels[57] > levels[72] > levels[64] > 0.01
    for pitch, (start, _) in between.items():
        assert level(audio, hz(pitch), start - 0.12, start - 0.02) < 0.1 * levels[pitch]
    assert level(audio, hz(64), 1.0, 1.5) > 0.5 * levels[64]
    assert np.abs(audio[round(1.6 * 16_000) :]).max() < 0.02
    # A frame of the roll is 4 ms: onsets are exact to less.
    assert np.argmax(np.abs(audio) > 1e-3) / 16_000 == pytest.approx(0.1, abs=0.003)
    np.testing.assert_allclose(midi.read_notes(tmp_path / "out" / "chord.mid"), notes, atol=1 / 960)


def test_one_level_for_all(font, tmp_path):
    loud, soft = [Note(0, 1, 60, 127)], [Note(0, 1, 60, 40)]
    render(font, tmp_path / "out", loud=loud, soft=soft)
    peaks = [np.abs(read(tmp_path / "out" / f"{it}.wav")).max() for it in ("loud", "soft")]
    assert peaks[0] > 2 * peaks[1]
    assert peaks[0] < 0.7
    said = render(font, tmp_path / "louder", gain=8.0, loud=loud, soft=soft)
    assert "\n1 of them went beyond full scale and became quieter: with a lower --gain" in said
    peak = np.abs(read(tmp_path / "louder" / "loud.wav")).max()
    assert peak == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(UserError, match="not rendered with this font by this tool in this way"):
        render(font, tmp_path / "louder", loud=loud)


def test_midi_files_are_played_as_they_are(font, tmp_path):
    """Tempo changes, the pedal, keys that channels share, drums and keys that no piano has."""
    track = [
        MetaMessage("set_tempo", tempo=500_000),
        Message("control_change", control=64, value=127),
        Message("note_on", note=60, velocity=100),
        Message("note_off", note=60, time=240),
        MetaMessage("set_tempo", tempo=1_000_000, time=240),
        Message("control_change", control=64, value=0, time=240),
        Message("note_on", note=64, velocity=80, channel=1),
        Message("note_on", note=36, velocity=80, channel=9),
        Message("note_on", note=64, velocity=50, channel=2, time=240),
        Message("note_off", note=64, channel=2, time=120),
        Message("note_off", note=64, channel=1, time=120),
        Message("note_on", note=110, velocity=80),
        Message("note_off", note=110, time=240),
    ]
    (tmp_path / "in" / "more").mkdir(parents=True)
    mido.MidiFile(tracks=[mido.MidiTrack(track)], ticks_per_beat=480).save(
        tmp_path / "in" / "more" / "song.mid"
    )
    pieces = read_midi([tmp_path / "in"])
    said = render_midi(font, tmp_path / "out", pieces, 0, gain=0.5, processes=1)
    assert said.splitlines()[1:] == [
        "1 note beyond a piano's keys (MIDI pitches 21 to 108) can be heard, but no piano roll "
        "shows them."
    ]
    expected = [
        Note(0.0, 1.0, 60, 100), Note(1.0, 1.5, 64, 80), Note(1.5, 2.0, 64, 50),
        Note(2.0, 2.5, 110, 80),
    ]  # fmt: skip
    np.testing.assert_allclose(
        midi.read_notes(tmp_path / "out" / "more" / "song.mid"), expected, atol=1 / 960
    )
    audio = read(tmp_path / "out" / "more" / "song.wav")
    assert len(audio) / 16_000 == pytest.approx(3.5, abs=0.01)
    for note in expected[:3]:
        inside = level(audio, hz(note.pitch), note.start_s + 0.02, note.end_s - 0.02)
        assert inside > 0.01
        assert level(audio, hz(note.pitch), 2.1, 2.5) < 0.05 * inside
    assert level(audio, hz(36), 1.0, 1.5) < 1e-3


def test_many_notes_sound_at_once(font, tmp_path):
    """FluidSynth would else cut off voices beyond 64."""
    notes = [Note(0.0, 1.0, pitch, 40) for pitch in range(21, 101)]
    render(font, tmp_path / "out", cluster=notes)
    audio = read(tmp_path / "out" / "cluster.wav")
    assert min(level(audio, hz(pitch), 0.02, 0.98) for pitch in range(45, 101)) > 1e-3


def test_it_resumes_and_says_what_is_there(font, tmp_path):
    pieces = {name: list(notes)[:20] for name, notes in compose_pieces(3, seed=0).items()}
    render(font, tmp_path / "out", **pieces)
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    assert json.loads(before["performances.json"])["gain"] == 0.5
    (tmp_path / "out" / "piece_0001.wav").unlink()  # as a killed call leaves it
    assert render(font, tmp_path / "out", **pieces).endswith("3 performances; 1 of them new.")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    assert render(font, tmp_path / "out", **pieces).endswith("all there already.")


def test_a_sound_that_is_not_ours_is_left(font, tmp_path):
    notes = [Note(0.0, 0.2, 60, 80)]
    render(font, tmp_path / "out", first=notes)
    mine = tmp_path / "out" / "song.wav"
    mine.write_bytes(b"mine")
    with pytest.raises(UserError, match=r"song\.wav is no sound of this tool"):
        render(font, tmp_path / "out", song=notes)
    assert mine.read_bytes() == b"mine"
    assert not mine.with_suffix(".mid").exists()
