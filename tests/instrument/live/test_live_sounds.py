"""The sounds that are played live: what is read, and how long it is held."""

import json

import numpy as np
import pytest
import soundfile
from instruments import write_instrument
from live_sounds import HOP, SIZE, tiny_codec
from recorded_tones import record

from wavenet_ae.instrument.live import sounds
from wavenet_ae.system.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sounds")
    record(folder / "low-060-100.wav", 60)
    record(folder / "Flöte_72.wav", 72)
    record(folder / "Flöte_60.wav", 60)
    return folder


@pytest.fixture
def instrument(folder, tmp_path):
    """A rendered instrument that was made from these sounds, of others beside them."""
    write_instrument(tmp_path, pitches=(60,), resolution=2)
    names = {"flute": ["Flöte_60.wav", "Flöte_72.wav"]}
    listed = [
        {
            "name": name,
            "files": [str(folder / file) for file in names.get(name, ["low-060-100.wav"])],
            "pitches": [60, 72] if name in names else [60],
        }
        for name in ("brass", "organ", "bass", "flute", "drum")
    ]
    (tmp_path / "report.json").write_text(json.dumps({"sounds": listed}))
    return tmp_path


def test_a_folder_of_two_sounds_makes_a_line(folder):
    read = sounds.read([folder])
    assert [(sound.name, sound.pitches) for sound in read] == [
        ("Flöte", (60, 72)),
        ("low", (60,)),
    ]


def test_files_may_be_sounds_of_their_own(tmp_path):
    names = [f"flute_acoustic_001-{pitch}-100" for pitch in ("072", "060")]
    files = [record(tmp_path / f"{name}.wav") for name in names]
    assert len(sounds.read(files)) == 1
    assert [sound.name for sound in sounds.read(files, pitches_in_names=False)] == names


def test_takes_are_as_long_as_what_is_heard(folder):
    codec = tiny_codec()
    read = sounds.read([folder])
    flute, low = sounds.encode(codec, read)
    assert set(flute.takes) == {60, 72}
    (recording,) = read[1].recordings
    frames = -(-recording.num_samples // HOP)
    assert frames < 2 * 16_000 // HOP  # a note has 4 s
    assert low.takes[60].shape == (frames, SIZE)
    assert 1 <= low.release < frames


def test_a_note_is_held_until_its_own_release(tmp_path):
    seconds = np.arange(48_000) / 16_000
    held = np.sin(2 * np.pi * 440 * seconds) * 10 ** (-3 * np.maximum(seconds - 1.5, 0) / 0.5)
    (tmp_path / "a").mkdir()
    soundfile.write(tmp_path / "a" / "tone-069-100.wav", 0.5 * held, 16_000)
    (tone,) = sounds.encode(tiny_codec(), sounds.read([tmp_path / "a"]))
    assert tone.release * HOP == pytest.approx(1.5 * 16_000, abs=0.1 * 16_000)


def test_an_instrument_stands_for_the_sounds_of_its_first_square(instrument):
    read = sounds.read([instrument])
    assert [sound.name for sound in read] == ["flute", "bass", "organ", "brass"]
    assert read[0].pitches == (60, 72)


@pytest.mark.parametrize(
    ("report", "message"),
    [
        (None, "report.json does not say which sounds"),
        ("{}", "report.json does not say which sounds"),
        ('{"sounds": [{"name": "flute", "files": [], "pitches": []}]}', "does not say which"),
    ],
)
def test_an_instrument_that_does_not_know_its_sounds(instrument, report, message):
    path = instrument / "report.json"
    path.write_text(report) if report else path.unlink()
    with pytest.raises(UserError, match=message):
        sounds.read([instrument])


def test_an_instrument_whose_sounds_are_gone(instrument, folder):
    path = instrument / "report.json"
    path.write_text(path.read_text().replace("low-060-100.wav", "gone.wav"))
    with pytest.raises(
        UserError, match=r"gone\.wav, from which .* was made, is not there any more"
    ):
        sounds.read([instrument])


def test_three_sounds_are_refused(folder, tmp_path):
    record(tmp_path / "other.wav")
    with pytest.raises(
        UserError, match=r"and 3 are given \(Flöte, low, other\): name the files to play"
    ):
        sounds.read([folder, tmp_path])


def test_a_damaged_file_is_named_and_nothing_is_played(folder, tmp_path, capsys):
    (tmp_path / "bad.wav").write_text("no sound")
    with pytest.raises(UserError, match="nothing is played"):
        sounds.read([folder / "low-060-100.wav", tmp_path / "bad.wav"])
    assert "bad.wav" in capsys.readouterr().err
