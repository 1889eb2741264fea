import entry_points
import numpy as np
import pytest
from entry_points import assert_refused
from recorded_tones import record

from wavenet_ae.data.input_pipeline import open_split


def import_notes(*flags):
    return entry_points.run("import-notes", *flags)


@pytest.fixture
def folder(tmp_path):
    """A dozen recordings in many forms."""
    folder = tmp_path / "recordings"
    for pitch in (48, 52, 55):
        record(
            folder / "Grand Piano" / f"Piano_{pitch}_90.wav",
            pitch,
            rate_hz=44_100,
            channels=2,
            subtype="PCM_24",
        )
        record(folder / f"flute {pitch + 24}.flac", pitch + 24, rate_hz=48_000, seconds=5)
        record(folder / "Flöten" / f"{pitch + 12}.ogg", pitch + 12, rate_hz=22_050, silence_s=0.5)
    record(folder / "bass_synthetic_033-022-050.aiff", 22, seconds=4)
    record(folder / "Rhodes" / "A4.mp3", 69, rate_hz=44_100, channels=2)
    record(folder / "take one.wav", 57, seconds=0.4)
    return folder


def test_a_dozen_recordings_become_a_dataset(folder, tmp_path):
    table = tmp_path / "labels.csv"
    table.write_text("file,instrument,pitch,family\ntake one,My voice,A3,vocal\n")
    notes = tmp_path / "notes"
    flags = (f"--input={folder}", f"--output={notes}")
    result = import_notes(*flags, f"--labels={table}", "--family=flute")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{notes}: 12 notes of 6 instruments\n")

    result = entry_points.run(
        "build-dataset", f"--notes={notes}", f"--data_dir={tmp_path}", "--split=by_note"
    )
    assert result.returncode == 0, result.stderr
    splits = ("train", "valid", "test")
    read = [note for s in splits for note in open_split("nsynth_json/by_note", tmp_path, s)]
    assert {note["id"] for note in read} == {
        *(f"Piano-{pitch:03d}-090" for pitch in (48, 52, 55)),
        *(f"flute-{pitch:03d}-100" for pitch in (72, 76, 79)),
        *(f"Flöten-{pitch:03d}-100" for pitch in (60, 64, 67)),
        "bass_synthetic_033-022-050",
        "Rhodes-069-100",
        "My_voice-057-100",
    }
    for note in read:
        assert note["audio"].shape == (64_000,)
        spectrum = np.abs(np.fft.rfft(note["audio"].astype(np.float32)))
        heard = 69 + 12 * np.log2(spectrum.argmax() / 4 / 440)
        assert heard == pytest.approx(note["pitch"], abs=0.2), note["id"]


def test_a_refused_file_gives_exit_code_1_and_the_others_go_on(folder, tmp_path):
    (folder / "take one.wav").write_bytes(b"broken")
    flags = (f"--input={folder}", f"--output={tmp_path / 'notes'}", "--processes=1")
    result = import_notes(*flags)
    assert result.returncode == 1
    assert f"refused: {folder / 'take one.wav'} has no pitch in its name" in result.stderr
    assert result.stdout.endswith("refused: 1 of 12 sound files\n")
    assert (tmp_path / "notes" / "examples.json").is_file()


def test_a_mistake_is_one_line(tmp_path):
    result = import_notes(f"--input={tmp_path / 'none'}", f"--output={tmp_path / 'notes'}")
    assert_refused(result, "none does not exist: see --input.")
    assert not (tmp_path / "notes").exists()
