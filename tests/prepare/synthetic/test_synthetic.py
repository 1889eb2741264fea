"""Instruments drawn at random: their pitch, their course, and folders of their notes."""

import json

import numpy as np
import pytest

from wavenet_ae.audio import files, pitch_tracker
from wavenet_ae.data import nsynth
from wavenet_ae.prepare import rendering
from wavenet_ae.prepare.notes_folder import NotesFolder
from wavenet_ae.prepare.synthetic import instruments
from wavenet_ae.prepare.synthetic.partials import synthesize
from wavenet_ae.prepare.synthetic.render import render_synthetic
from wavenet_ae.system.errors import UserError

DRAWN = instruments.draw(3, 20)
HELD = slice(0, nsynth.HELD_SAMPLES)


def note(instrument, pitch, velocity=100, seed=0):
    return synthesize(instrument, pitch, velocity, np.random.default_rng(seed))


@pytest.mark.parametrize("instrument", DRAWN[:10], ids=lambda it: it.name)
def test_notes_have_their_pitch(instrument):
    pitch = 40 + DRAWN.index(instrument) * 5 // 2
    assert pitch_tracker.track(note(instrument, pitch)[:32_000]).midi == pitch


@pytest.mark.parametrize("instrument", DRAWN, ids=lambda it: it.name)
def test_notes_stay_within_full_scale_at_all_pitches_and_end(instrument):
    for pitch in (instrument.pitches[0], instrument.pitches[-1]):
        sound = note(instrument, pitch, velocity=127)
        assert sound.shape == (nsynth.NOTE_SAMPLES,)
        assert 0.05 < np.abs(sound).max() < 1  # -24 dB at the least
        assert np.abs(sound[-800:]).max() < 0.1 * np.abs(sound).max()


def test_no_two_instruments_are_alike_and_all_families_come():
    spectra = [np.abs(np.fft.rfft(note(it, 60)[HELD])) for it in DRAWN]
    spectra = [spectrum / np.linalg.norm(spectrum) for spectrum in spectra]
    likeness = np.array([[a @ b for a in spectra] for b in spectra]) - np.eye(len(DRAWN))
    assert likeness.max() < 0.999
    assert np.median(likeness) < 0.7
    assert {it.family for it in DRAWN} == set(nsynth.FAMILIES) - {"vocal"}
    assert len({it.name for it in DRAWN}) == len(DRAWN)


def test_nothing_is_above_the_band_of_partials():
    for instrument in DRAWN:
        sound = note(instrument, instrument.pitches[-1])[HELD]
        power = np.abs(np.fft.rfft(sound * np.hanning(len(sound)))) ** 2
        # A partial that aliased would lie between those of the pitch; breath is everywhere.
        hz = np.arange(len(power)) * nsynth.SAMPLE_RATE_HZ / len(sound)
        f0_hz = 440 * 2 ** ((instrument.pitches[-1] - 69) / 12)
        if instrument.modes or instrument.noise_db > -40:
            continue
        between = np.abs(hz / f0_hz - np.rint(hz / f0_hz)) > 0.15
        assert power[between].sum() < 0.01 * power.sum(), instrument.name


def test_soft_notes_are_softer_and_darker():
    for instrument in (it for it in DRAWN if not it.fm_ratio and not it.drive):
        loud, soft = (note(instrument, 45, velocity) for velocity in (127, 25))
        assert np.abs(soft).max() < 0.2 * np.abs(loud).max()
        centroids = []
        for sound in (loud, soft):
            magnitudes = np.abs(np.fft.rfft(sound[HELD]))
            centroids.append((magnitudes * np.arange(len(magnitudes))).sum() / magnitudes.sum())
        assert centroids[1] <= 1.1 * centroids[0], instrument.name


def test_a_longer_list_begins_with_the_shorter_one():
    assert instruments.draw(3, 5) == DRAWN[:5]
    assert instruments.draw(4, 5) != DRAWN[:5]


SETTINGS = {"num_instruments": 3, "notes_each": 2, "pitches": range(50, 60), "velocities": (75,)}


def test_an_interrupted_call_is_resumed(tmp_path, monkeypatch):
    render_synthetic(tmp_path / "whole", **SETTINGS, processes=1)
    run = rendering.run

    def run_first(render, jobs, *others):
        run(render, jobs[:1], *others)
        raise KeyboardInterrupt

    monkeypatch.setattr(rendering, "run", run_first)
    with pytest.raises(KeyboardInterrupt):
        render_synthetic(tmp_path / "notes", **SETTINGS, processes=1)
    monkeypatch.undo()
    assert not (tmp_path / "notes/examples.json").exists()
    finished = list((tmp_path / "notes/audio").glob("*.wav"))
    assert len(finished) == 2
    before = [path.stat().st_mtime_ns for path in finished]
    render_synthetic(tmp_path / "notes", **SETTINGS, processes=1)
    assert [path.stat().st_mtime_ns for path in finished] == before
    whole, resumed = NotesFolder(tmp_path / "whole"), NotesFolder(tmp_path / "notes")
    assert resumed.read_labels() == whole.read_labels()
    for one in whole.read_notes():
        assert resumed.wav(one.name).read_bytes() == whole.wav(one.name).read_bytes()


def test_a_folder_is_the_same_for_any_number_of_processes(tmp_path):
    text = render_synthetic(tmp_path / "a", **SETTINGS, processes=2)
    assert text.endswith("6 notes of 3 instruments.")
    folder = NotesFolder(tmp_path / "a")
    notes = folder.read_notes()
    assert len(notes) == 6
    assert {it.source for it in notes} == {"synthetic"}
    render_synthetic(tmp_path / "b", **SETTINGS, processes=1)
    other = NotesFolder(tmp_path / "b")
    assert other.read_labels() == folder.read_labels()
    for it in notes:
        assert folder.wav(it.name).read_bytes() == other.wav(it.name).read_bytes()
        sound = files.load(folder.wav(it.name))
        assert pitch_tracker.track(sound[:32_000]).midi == it.pitch
    report = json.loads((tmp_path / "a/rendering.json").read_text())
    assert report["request"]["num_instruments"] == 3
    with pytest.raises(UserError, match="rendered with other seed"):
        render_synthetic(tmp_path / "a", **SETTINGS, seed=1)


def test_pitches_that_nobody_plays_are_refused(tmp_path):
    with pytest.raises(UserError, match="--pitches"):
        render_synthetic(tmp_path / "a", num_instruments=2, notes_each=2, pitches=[5])
    assert not (tmp_path / "a").exists()
