import json

import numpy as np
import pytest
import soundfile
from tone_codec import ToneCodec, tone

from wavenet_ae.audio import files
from wavenet_ae.instrument import loops, render, rendered, sources
from wavenet_ae.system.errors import UserError


@pytest.fixture
def sounds(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    for number, name in enumerate(("organ", "flute", "brass", "bass")):
        audio = tone(262, seconds=1.6, peak=0.2 + 0.2 * number)
        soundfile.write(folder / f"{name}_60.wav", audio, 16_000)
    return folder


def make(codec, folder, output, corners=("organ,flute",), **settings):
    sounds, places, _ = render.choose_sounds([folder], output, corners)
    settings = {"name": "x", "resolution": 2, "pitches": (57, 64), **settings}
    return render.render_instrument(codec, sounds, places, output, **settings).summary


def played(codec):
    return sorted(pitch for batch in codec.batches for pitch in batch)


def test_the_folder_holds_what_its_description_says(sounds, tmp_path):
    codec, output = ToneCodec(), tmp_path / "out"
    text = make(codec, sounds, output, ["organ,flute,brass,bass"], resolution=3, pitches=(57,))
    instrument = rendered.read(output)
    assert instrument.sounds == ("bass", "brass", "flute", "organ")
    assert instrument.squares[0].corners == (3, 2, 1, 0)
    assert len(instrument.cells) == len(instrument.notes) == 9
    middle = instrument.squares[0].cells[1][1]
    assert instrument.cells[middle] == (0.25, 0.25, 0.25, 0.25)
    for note in instrument.notes:
        audio = files.load(output / note.file)
        assert len(audio) == note.samples
        assert np.abs(audio).max() == pytest.approx(0.99, abs=0.01)
        assert note.is_in_tune
        start, end = note.loop
        assert end - start >= loops.SHORTEST
        assert note.release >= end + loops.CROSSFADE
        # The embedding is blended, here of levels: so is the loudness of what it makes.
        weights = dict(zip(instrument.sounds, instrument.cells[note.cell], strict=True))
        peaks = {"organ": 0.2, "flute": 0.4, "brass": 0.6, "bass": 0.8}
        expected = sum(peaks[name] * weight for name, weight in weights.items())
        assert note.gain == pytest.approx(expected * 0.93, rel=0.1)
    report = json.loads((output / "report.json").read_text())
    assert report["in_tune"]["below_C4"] == {"notes": 9, "at_first": 1.0, "after_all": 1.0}
    assert report["in_tune"]["from_C4"]["notes"] == 0
    assert report["loops"] == 1.0
    assert "9 notes" in text
    assert "100% at the first attempt" in text


def test_out_of_tune_notes_are_tried_again_at_the_neighbours_and_then_listed(sounds, tmp_path):
    codec = ToneCodec(off={57: 130, 64: 130, 63: 130, 65: 130})
    text = make(codec, sounds, tmp_path / "out")
    instrument = rendered.read(tmp_path / "out")
    assert played(codec) == [56, 56, 57, 57, 63, 63, 64, 64, 65, 65]
    for note in instrument.notes:
        assert note.attempts == (2 if note.pitch == 57 else 3)
        assert note.is_in_tune == (note.pitch == 57)
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["in_tune"]["below_C4"] == {"notes": 2, "at_first": 0.0, "after_all": 1.0}
    assert [note["pitch"] for note in report["out_of_tune"]] == [64, 64]
    assert "out of tune" in text
    assert "E4 of flute" in text


def test_a_changed_request_reuses_what_it_can(sounds, tmp_path):
    output = tmp_path / "out"
    make(ToneCodec(off={64: 130, 63: 130}), sounds, output, attempts=2)
    before = {path.name: path.stat().st_mtime_ns for path in output.glob("notes/*.wav")}

    same = ToneCodec()
    make(same, sounds, output, attempts=2)
    assert same.batches == []

    # One attempt more, another pitch, a finer grid.
    more = ToneCodec()
    make(more, sounds, output, attempts=3, pitches=(57, 64, 66), resolution=3)
    assert played(more) == [57, 64, 65, 65, 66, 66, 66]
    kept = {path.name: path.stat().st_mtime_ns for path in output.glob("notes/*.wav")}
    assert len(kept.items() & before.items()) == 2

    other_weights = ToneCodec(fingerprint="others")
    make(other_weights, sounds, output)
    other_seed = ToneCodec()
    make(other_seed, sounds, output, seed=1)
    assert played(other_weights) == played(other_seed) == [57, 57, 64, 64]

    soundfile.write(sounds / "organ_60.wav", tone(262, seconds=1.6, peak=0.7), 16_000)
    changed = ToneCodec()
    make(changed, sounds, output)
    assert played(changed) == [57, 64]


def test_an_interrupted_call_is_resumed(sounds, tmp_path):
    output = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        make(ToneCodec(stop_at=2), sounds, output, batch_size=3)
    assert not (output / "instrument.json").exists()
    resumed = ToneCodec()
    make(resumed, sounds, output, batch_size=3)
    whole = tmp_path / "whole"
    make(ToneCodec(), sounds, whole)
    assert sum(map(len, resumed.batches)) == 2
    assert rendered.read(output) == rendered.read(whole)
    for note in rendered.read(whole).notes:
        assert (output / note.file).read_bytes() == (whole / note.file).read_bytes()


def test_sounds_without_a_pitch_are_tried_once(tmp_path):
    folder = tmp_path / "sounds"
    folder.mkdir()
    noise = np.random.default_rng(0).normal(scale=0.2, size=8000)
    for name in ("snare", "kick"):
        soundfile.write(folder / f"{name}.wav", noise * (1 + (name == "kick")), 16_000)
    codec = ToneCodec(off={57: 130})
    make(codec, folder, tmp_path / "out", ["snare,kick"], pitches=(57,))
    assert codec.batches == [[57, 57]]
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["without_pitch"] == 2
    assert report["out_of_tune"] == []


def test_a_model_without_pitches_needs_a_file_for_each(sounds, tmp_path):
    codec = ToneCodec(num_pitches=0)
    with pytest.raises(
        UserError, match="not conditioned on pitch, and flute has no file at MIDI pitch 57"
    ):
        make(codec, sounds, tmp_path / "out")
    make(codec, sounds, tmp_path / "out", pitches=(60,), attempts=1)
    with pytest.raises(UserError, match="knows the pitches 0 to 59, not 64"):
        make(ToneCodec(num_pitches=60), sounds, tmp_path / "out")


@pytest.mark.parametrize("name", ["instrument.json", "report.json"])
def test_a_file_that_is_not_ours_stays(sounds, tmp_path, name):
    output = tmp_path / "out"
    output.mkdir()
    (output / name).write_text("mine")
    codec = ToneCodec()
    with pytest.raises(UserError, match="not written by this tool"):
        make(codec, sounds, output)
    assert (codec.batches, (output / name).read_text()) == ([], "mine")


def test_a_corner_that_cannot_be_read_is_named(sounds, tmp_path):
    (sounds / "bad.wav").write_text("no sound")
    with pytest.raises(UserError, match="--corners names bad, which cannot be read"):
        render.choose_sounds([sounds], tmp_path / "out", ["organ,bad"])
    chosen, corners, refused = render.choose_sounds([sounds], tmp_path / "out", [])
    assert ([sound.name for sound in chosen], refused) == (["bass", "brass", "flute", "organ"], 1)
    assert corners == [(0, 1, 2, 3)]


def test_numbers_that_are_not_finite_end_the_rendering(sounds, tmp_path):
    codec = ToneCodec()
    codec.encode = lambda audio: np.full((1, -(-audio.shape[1] // 512), 1), np.nan)
    with pytest.raises(UserError, match="decodes to NaN or infinity"):
        make(codec, sounds, tmp_path / "out")


def test_an_interrupted_second_call_leaves_the_instrument_playable(sounds, tmp_path, monkeypatch):
    output = tmp_path / "out"
    make(ToneCodec(off={57: 130, 56: 130}), sounds, output, pitches=(57,), attempts=1)
    before = {note.file for note in rendered.read(output).notes}

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(render, "_describe", interrupted)
    with pytest.raises(KeyboardInterrupt):
        make(ToneCodec(), sounds, output, pitches=(57,), attempts=3)
    assert {note.file for note in rendered.read(output).notes} == before
    monkeypatch.undo()
    make(ToneCodec(), sounds, output, pitches=(57,), attempts=3)
    now = {note.file for note in rendered.read(output).notes}
    assert now.isdisjoint(before)
    assert {f"notes/{path.name}" for path in output.glob("notes/*.wav")} == now


@pytest.mark.parametrize("name", ["index.html", "packs/organ.sfz", "packs/samples/organ_057.wav"])
def test_a_foreign_file_is_found_before_anything_is_rendered(sounds, tmp_path, name):
    codec, output = ToneCodec(), tmp_path / "out"
    (output / name).parent.mkdir(parents=True)
    (output / name).write_text("mine")
    with pytest.raises(UserError, match=name.rpartition("/")[2]):
        make(codec, sounds, output)
    assert not codec.batches
    assert (output / name).read_text() == "mine"


def test_an_output_inside_of_its_input_is_no_sound_of_the_next_call(sounds, tmp_path, capsys):
    make(ToneCodec(), sounds, sounds / "morph")
    render.choose_sounds([sounds], sounds / "morph2", ["organ,flute"])
    assert "files of rendered instruments" in capsys.readouterr().err
    found = sources.find([sounds], sounds / "morph2", pitches_in_names=True)
    assert sorted(found) == ["bass", "brass", "flute", "organ"]
    with pytest.raises(UserError, match="is an input, too"):
        make(ToneCodec(), sounds, sounds)
    with pytest.raises(UserError, match="holds the notes of an instrument"):
        make(ToneCodec(), sounds / "morph", tmp_path / "out")
