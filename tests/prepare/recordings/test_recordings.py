import fcntl
import json
import math
import os
import sys

import numpy as np
import pytest
import soundfile
from recorded_tones import record, tone

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.prepare.recordings import recordings
from wavenet_ae.prepare.recordings.name_pattern import NamePattern
from wavenet_ae.prepare.recordings.note_labels import Defaults
from wavenet_ae.prepare.recordings.note_sound import SoundOptions
from wavenet_ae.system.errors import UserError


@pytest.fixture
def folder(tmp_path):
    """Three recordings, and what is none."""
    record(tmp_path / "in" / "Piano_C4_90.wav", 60)
    record(tmp_path / "in" / "low" / "bass_synthetic_033-022-050.flac", 22)
    record(tmp_path / "in" / "Rhodes" / "D4.wav", 62)
    (tmp_path / "in" / "notes.txt").write_text("of the session")
    (tmp_path / "in" / "song.mid").write_bytes(b"MThd")
    (tmp_path / "in" / "._Piano_C4_90.wav").write_bytes(b"macOS")
    return tmp_path / "in"


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


def import_notes(folder, output, **settings):
    return recordings.import_notes(folder, output, **{"processes": 1, **settings})


def examples(output):
    return json.loads((output / "examples.json").read_text())


def report(output):
    return json.loads((output / "import.json").read_text())


def contents(output):
    """Returns the names and bytes of the files of notes, and when the sounds were written."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns if path.suffix == ".wav" else None)
        for path in output.rglob("*")
        if path.is_file()
    }


def test_writes_all_fields_of_nsynth(folder, output):
    imported = import_notes(folder, output)
    assert imported.refused == 0
    notes = examples(output)
    assert list(notes) == ["Piano-060-090", "Rhodes-062-100", "bass_synthetic_033-022-050"]
    assert notes["bass_synthetic_033-022-050"] == {
        "note": 2,
        "note_str": "bass_synthetic_033-022-050",
        "instrument": 2,
        "instrument_str": "bass_synthetic_033",
        "pitch": 22,
        "velocity": 50,
        "sample_rate": 16_000,
        "qualities": [0] * 10,
        "qualities_str": [],
        "instrument_family": 0,
        "instrument_family_str": "bass",
        "instrument_source": 2,
        "instrument_source_str": "synthetic",
    }
    assert {path.name for path in output.iterdir()} == {"audio", "examples.json", "import.json"}
    assert {path.stem for path in (output / "audio").iterdir()} == set(notes)
    for path in (output / "audio").iterdir():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (16_000, 1, nsynth.NOTE_SAMPLES)
        assert info.subtype == "PCM_16"


def test_says_where_the_labels_come_from(folder, output):
    record(folder / "thing_05.wav", 60)
    lines = import_notes(folder, output).summary.splitlines()
    assert lines == [
        f"{output}: 4 notes of 4 instruments",
        "instrument: 3 from names, 1 from folders",
        "pitch: 5 to 62; 4 from names",
        "velocity: 50 to 100; 2 from names, 2 from --velocity",
        "family: 2 recognised by a word, 1 from names, 1 ASSUMED to be keyboard",
        "source: 2 ASSUMED to be acoustic, 1 recognised by a word, 1 from names",
        "  correct what was assumed by --family, --source or columns of --labels",
        "  1 pitch below 21 (a piano's lowest key) came from numbers in names: if they count "
        "takes, use --nonames",
        "sounds: 4 followed by zeros",
        "passed over, as they are not sounds: 2",
    ]
    assert report(output)["files"]["Rhodes/D4.wav"]["labels_from"] == {
        "instrument": "folder",
        "pitch": "name",
        "velocity": "default",
        "family": "words",
        "source": "words",
    }


def test_a_table_and_defaults(folder, output):
    table = folder / "labels.csv"
    table.write_text("file,instrument,pitch,qualities\nD4,Clavinet,62,bright;percussive\n")
    imported = import_notes(
        folder,
        output,
        table=table,
        defaults=Defaults(velocity=70, family="organ", source="acoustic"),
    )
    note = examples(output)["Clavinet-062-070"]
    assert note["qualities_str"] == ["bright", "percussive"]
    assert note["instrument_family_str"] == "organ"
    assert "passed over, as they are not sounds: 2" in imported.summary  # the table is not counted
    assert "ASSUMED" not in imported.summary


def test_what_table_and_name_say_differently_is_refused(folder, output):
    table = folder / "labels.csv"
    table.write_text("file,pitch\nD4,64\n")
    assert import_notes(folder, output, table=table).refused == 1
    assert report(output)["refused"]["Rhodes/D4.wav"] == (
        f"{folder / 'Rhodes/D4.wav'} has pitch 64 in {table}, line 2, and 62 in its name: correct "
        "one of them, or use --nonames."
    )


def test_names_of_sample_libraries(tmp_path, output):
    for file in (
        "Salamander/A4v1.wav",
        "Salamander/A4v2.wav",
        "Salamander/A4v3.ogg",
        "Philharmonia/violin_A4_1_mezzo-piano_arco-normal.mp3",
        "VSCO/Vln_A4_v1_rr1.wav",
        "VSCO/Vln_A4_v2_rr1.wav",
        "Iowa/Piano.ff.A4.aiff",
    ):
        record(tmp_path / "in" / file, 69, rate_hz=44_100)
    imported = import_notes(tmp_path / "in", output)
    assert imported.refused == 0
    assert set(examples(output)) == {
        *(f"Salamander-069-{velocity:03d}" for velocity in (42, 85, 127)),
        "violin-069-064",
        *(f"Vln-069-{velocity:03d}" for velocity in (64, 127)),
        "Piano-069-112",
    }
    lines = imported.summary.splitlines()
    assert lines[3:7] == [
        "velocity: 42 to 127; 2 from dynamics in names, 5 from velocity layers in names",
        "  velocities of dynamics: mezzo-piano 64, ff 112",
        "  velocities of layers: v1 42, v2 85, v3 127",
        "  velocities of layers: v1 64, v2 127",
    ]


def test_a_pattern_is_tried_and_shown_before_anything_is_written(folder, output, capsys):
    pattern = NamePattern("{instrument}_{pitch}_{velocity}")
    (output / "audio").mkdir(parents=True)
    (output / "thesis.tex").write_text("dear")
    with pytest.raises(UserError, match=r"holds thesis\.tex"):
        import_notes(folder, output, defaults=Defaults(pattern=pattern))
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "--pattern={instrument}_{pitch}_{velocity} fits 1 of 3 names; the first are",
        "  Piano_C4_90.wav: Piano, pitch 60, velocity 90",
    ]
    with pytest.raises(UserError, match="fits none of 3 names, such as "):
        import_notes(folder, output, defaults=Defaults(pattern=NamePattern("{pitch}v{layer}")))
    assert capsys.readouterr().err == ""
    with pytest.raises(UserError, match="--pattern reads names, and --nonames does not"):
        import_notes(folder, output, defaults=Defaults(pattern=pattern, names=False))
    (output / "thesis.tex").unlink()
    (output / "audio").rmdir()
    assert import_notes(folder, output, defaults=Defaults(pattern=pattern)).refused == 2
    assert list(examples(output)) == ["Piano-060-090"]


def test_numbers_that_count_takes_are_told(folder, output):
    record(folder / "REC-001-003.wav")
    assert import_notes(folder, output).refused == 1
    assert "or counts takes" in report(output)["refused"]["REC-001-003.wav"]
    pattern = NamePattern("{instrument}-{pitch}-{velocity}")
    import_notes(folder, output, defaults=Defaults(pattern=pattern))
    assert "REC-001-003" in examples(output)


def test_a_link_that_leads_to_no_file_is_refused_by_name(folder, output, tmp_path, capsys):
    (folder / "lost_C4.wav").symlink_to(tmp_path / "nothing.wav")
    assert import_notes(folder, output).refused == 1
    assert f"refused: {folder / 'lost_C4.wav'} does not exist." in capsys.readouterr().err


def test_refuses_single_files_with_reasons(folder, output, capsys):
    (folder / "a_C4.wav").write_bytes(b"no sound")
    (folder / "b_C4.wav").write_bytes(b"")
    (folder / "c_C4.m4a").write_bytes(b"\0\0\0 ftypM4A ")
    record(folder / "d_C4.wav", scale=0)
    soundfile.write(folder / "e_C4.wav", np.array([0, np.nan]), 16_000, "FLOAT")
    record(folder / "f.wav")
    record(folder / "g_C4_0.wav")
    soundfile.write(folder / "h_C4.wav", np.zeros((0, 1)), 16_000)
    imported = import_notes(folder, output)
    reasons = {
        "a_C4.wav": "is not a sound file that can be read",
        "b_C4.wav": "is an empty file",
        "c_C4.m4a": "is not a sound file that can be read",
        "d_C4.wav": "is silent",
        "e_C4.wav": "holds samples that are NaN or infinite",
        "f.wav": "has no pitch in its name",
        "g_C4_0.wav": "has velocity 0",
        "h_C4.wav": "holds no samples",
    }
    assert imported.refused == len(reasons)
    assert imported.summary.endswith("refused: 8 of 11 sound files")
    refused = report(output)["refused"]
    assert list(refused) == list(reasons)
    errors = capsys.readouterr().err
    for file, reason in reasons.items():
        assert refused[file].startswith(f"{folder / file} {reason}")
        assert f"refused: {refused[file]}\n" in errors
    assert len(examples(output)) == 3


def test_of_the_same_note_the_first_that_can_be_read_counts(folder, output):
    (folder / "1").mkdir()
    (folder / "1" / "Piano_60_90.wav").write_bytes(b"broken")
    record(folder / "2" / "piano_C4_90.wav", scale=0.5)
    import_notes(folder, output)
    refused = report(output)["refused"]
    assert list(refused) == ["1/Piano_60_90.wav", "Piano_C4_90.wav"]
    assert refused["Piano_C4_90.wav"] == (
        f"{folder / 'Piano_C4_90.wav'} would be the same note as {folder / '2/piano_C4_90.wav'}, "
        "Piano-060-090: give it another instrument, pitch or velocity, in its name or in --labels."
    )
    assert report(output)["files"]["2/piano_C4_90.wav"]["note"] == "piano-060-090"
    assert set(examples(output)) == {
        "piano-060-090",
        "Rhodes-062-100",
        "bass_synthetic_033-022-050",
    }


def test_tracks_what_has_no_pitch(folder, output, monkeypatch):
    record(folder / "Cello" / "one.wav", 40, harmonics=3)
    record(folder / "Cello" / "two.wav", 52)
    soundfile.write(
        folder / "breath.wav", 0.1 * np.random.default_rng(0).normal(size=16_000), 16_000
    )
    imported = import_notes(folder, output, track_pitch=True)
    assert {"Cello-040-100", "Cello-052-100"} < set(examples(output))
    assert imported.refused == 1
    reason = report(output)["refused"]["breath.wav"]
    assert reason.startswith(f"{folder / 'breath.wav'} has a pitch in ")
    assert reason.endswith(": give its pitch in the name or in --labels.")
    assert "2 by the pitch tracker" in imported.summary
    assert report(output)["files"]["Cello/one.wav"]["tracked"]["cents"] == 0

    # What has been tracked is not tracked again.
    monkeypatch.setattr(recordings.pitch_tracker, "track", lambda audio: pytest.fail("tracked"))
    assert import_notes(folder, output, track_pitch=True).refused == 1


def test_names_can_be_left_unread(folder, output):
    import_notes(folder, output, track_pitch=True, defaults=Defaults(names=False))
    assert set(examples(output)) == {"in-060-100", "Rhodes-062-100", "low-022-100"}


def test_processes_make_the_same_notes(tmp_path, output, monkeypatch):
    monkeypatch.setattr(recordings, "_FEWEST_FOR_PROCESSES", 2)
    for pitch in (50, 60, 70):
        record(tmp_path / "in" / f"harp_{pitch}.wav", pitch, rate_hz=44_100)
    (tmp_path / "in" / "harp_80.wav").write_bytes(b"broken")
    assert import_notes(tmp_path / "in", output, processes=2).refused == 1
    assert import_notes(tmp_path / "in", tmp_path / "out2").refused == 1
    for path in (output / "audio").iterdir():
        assert path.read_bytes() == (tmp_path / "out2" / "audio" / path.name).read_bytes()
    assert examples(output) == examples(tmp_path / "out2")
    assert len(examples(output)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux")
def test_a_name_that_is_not_text_is_refused(folder, output):
    name = os.fsdecode(b"Fl\xf6te_C4.wav")  # Latin 1, as old archives have it
    record(folder / "x.wav").rename(folder / name)
    assert import_notes(folder, output).refused == 1
    assert report(output)["refused"][name].endswith("has a name that is not UTF-8: rename it.")


# Going on.


def test_a_second_call_makes_what_is_new_or_changed(folder, output):
    first = import_notes(folder, output)
    assert "from before" not in first.summary
    before = contents(output)
    again = import_notes(folder, output)
    assert again.summary.splitlines()[0].endswith("3 instruments (3 of them from before)")
    assert contents(output) == before

    record(folder / "Piano_E4.wav", 64)
    record(folder / "Rhodes" / "D4.wav", 62, scale=0.5)
    os.utime(folder / "Rhodes" / "D4.wav", ns=(1, 1))
    (folder / "low" / "bass_synthetic_033-022-050.flac").unlink()
    summary = import_notes(folder, output).summary
    assert summary.splitlines()[0].endswith("3 notes of 2 instruments (1 of them from before)")
    after = contents(output)
    piano, rhodes = (output / "audio" / f"{it}.wav" for it in ("Piano-060-090", "Rhodes-062-100"))
    assert after[piano] == before[piano]
    assert after[rhodes] != before[rhodes]
    assert {path.stem for path in (output / "audio").iterdir()} == set(examples(output))


def interrupt_second_sound(monkeypatch):
    """Has the first sound of the next call written, and the second interrupted."""
    save, written = files.save, []

    def save_one(path, audio):
        if written:
            raise KeyboardInterrupt
        written.append(path)
        save(path, audio)

    monkeypatch.setattr(files, "save", save_one)
    return written


def test_an_interrupted_call_goes_on(folder, output, tmp_path, monkeypatch):
    written = interrupt_second_sound(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        import_notes(folder, output, overwrite=True)
    assert not (output / "examples.json").exists()
    first = written[0].stat().st_mtime_ns
    with (output / ".import.jsonl").open("a") as file:
        file.write('["torn", {"no')
    monkeypatch.undo()
    summary = import_notes(folder, output, overwrite=True).summary
    assert "3 notes of 3 instruments (1 of them from before)" in summary
    assert written[0].stat().st_mtime_ns == first
    import_notes(folder, tmp_path / "whole")
    assert examples(output) == examples(tmp_path / "whole")
    assert not (output / ".import.jsonl").exists()


def test_new_labels_do_not_mix_up_sounds(folder, output):
    import_notes(folder, output)
    table = folder / "swapped.csv"
    table.write_text(
        "file,instrument,pitch,velocity\nPiano_C4_90,Rhodes,D4,100\nD4,Piano,C4,90\n"
        "bass_synthetic_033-022-050,,22,\n"
    )
    import_notes(folder, output, table=table, defaults=Defaults(names=False))
    for name, pitch in (("Rhodes-062-100", 60), ("Piano-060-090", 62)):
        audio, _ = soundfile.read(output / "audio" / f"{name}.wav")
        np.testing.assert_allclose(audio[:16_000], tone(pitch)[:, 0], atol=1e-4)
    import_notes(folder, output)
    audio, _ = soundfile.read(output / "audio" / "Piano-060-090.wav")
    np.testing.assert_allclose(audio[:16_000], tone(60)[:, 0], atol=1e-4)


def test_an_interrupted_change_of_labels_does_not_either(folder, output, monkeypatch):
    import_notes(folder, output)
    table = folder / "swapped.csv"
    table.write_text(
        "file,instrument,pitch,velocity\nPiano_C4_90,Rhodes,D4,100\nD4,Piano,C4,90\n"
        "bass_synthetic_033-022-050,,22,\n"
    )
    written = interrupt_second_sound(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        import_notes(folder, output, table=table, defaults=Defaults(names=False))
    monkeypatch.undo()
    assert [path.stem for path in written] == ["Rhodes-062-100"]
    assert not (output / "examples.json").exists()
    import_notes(folder, output)
    for name, pitch in (("Piano-060-090", 60), ("Rhodes-062-100", 62)):
        audio, _ = soundfile.read(output / "audio" / f"{name}.wav")
        np.testing.assert_allclose(audio[:16_000], tone(pitch)[:, 0], atol=1e-4)


def test_a_full_disk_ends_it_and_is_no_refusal(folder, output, monkeypatch):
    def full(path, audio):
        raise files.AudioFileError(f"{path} cannot be written (No space left on device).")

    monkeypatch.setattr(files, "save", full)
    with pytest.raises(UserError, match="No space left"):
        import_notes(folder, output)
    assert not (output / "examples.json").exists()


# What is refused as a whole.


def test_notes_of_another_origin_stay(folder, output, tmp_path):
    import_notes(folder, output)
    record(tmp_path / "other" / "Harp_C4.wav")
    for settings, what in (
        ({"folder": tmp_path / "other"}, "other input"),
        ({"sound": SoundOptions(trim_db=30, peak_dbfs=-1)}, "other trim and normalize"),
    ):
        before = contents(output)
        with pytest.raises(
            UserError, match=f"holds notes that were imported with {what}: .*--over"
        ):
            import_notes(**{"folder": folder, "output": output, **settings})
        assert contents(output) == before
    import_notes(tmp_path / "other", output, overwrite=True)
    assert list(examples(output)) == ["Harp-060-100"]
    assert [path.stem for path in (output / "audio").iterdir()] == ["Harp-060-100"]


def test_other_datasets_are_replaced_only_with_overwrite(folder, output):
    (output / "audio").mkdir(parents=True)
    (output / "examples.json").write_text("{}")
    with pytest.raises(UserError, match=r"holds notes that were not imported here: .* --overwrite"):
        import_notes(folder, output)
    assert (output / "examples.json").read_text() == "{}"
    import_notes(folder, output, overwrite=True)
    assert len(examples(output)) == 3


def test_what_is_no_dataset_is_never_replaced(folder, output):
    (output / "audio").mkdir(parents=True)
    (output / "thesis.tex").write_text("dear")
    with pytest.raises(UserError, match=r"holds thesis\.tex, which is not part of any notes"):
        import_notes(folder, output, overwrite=True)
    assert sorted(path.name for path in output.iterdir()) == ["audio", "thesis.tex"]


def test_nothing_is_written_for_a_mistake(folder, output, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.txt").write_text("")
    bad = tmp_path / "t.csv"
    bad.write_text("file,pitch\nnone,60\n")
    for settings, reason in (
        ({"folder": tmp_path / "none"}, "none does not exist: see --input"),
        ({"folder": bad}, "is a file, not a folder: see --input"),
        ({"folder": tmp_path / "empty"}, "holds no files of these kinds"),
        ({"output": folder}, "--output is the folder of the recordings"),
        ({"table": tmp_path / "none.csv"}, "none.csv does not exist: see --labels"),
        ({"table": tmp_path}, "is a folder, not a file: see --labels"),
        ({"table": bad}, "line 2: there is no sound file none"),
        ({"sound": SoundOptions(trim_db=math.inf)}, "--trim=inf must be a number of dB"),
        ({"sound": SoundOptions(peak_dbfs=math.nan)}, "--normalize=nan must be a number of dB"),
        ({"sound": SoundOptions(peak_dbfs=-200)}, "--normalize=-200 would make every note silent"),
    ):
        with pytest.raises(UserError, match=reason):
            import_notes(**{"folder": folder, "output": output, **settings})
        assert not output.exists()


def test_an_earlier_import_is_no_recording(folder, tmp_path):
    import_notes(folder, folder / "notes")
    with pytest.raises(UserError, match=r"/notes holds the notes of an earlier import, not rec"):
        import_notes(folder, tmp_path / "elsewhere")
    import_notes(folder, folder / "notes")


def test_no_note_at_all_leaves_nothing(tmp_path, output):
    record(tmp_path / "in" / "take.wav")
    with pytest.raises(UserError, match=r"no file in .* could become a note"):
        import_notes(tmp_path / "in", output)
    assert not output.exists()


def test_an_output_that_cannot_be_made_is_told(folder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/out cannot be written"):
        import_notes(folder, tmp_path / "file" / "out")


def test_an_output_within_the_recordings_is_no_recording(folder):
    import_notes(folder, folder / "notes")
    assert import_notes(folder, folder / "notes").summary.count("3 notes of 3") == 1


def test_two_imports_do_not_disturb_each_other(folder, output):
    """A second one with --overwrite would delete the sounds that the first counts on."""
    import_notes(folder, output)
    before = contents(output)
    other = os.open(output, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(UserError, match=f"another process is writing to {output}: wait"):
        import_notes(folder, output, sound=SoundOptions(trim_db=30), overwrite=True)
    assert contents(output) == before
    os.close(other)
    import_notes(folder, output, sound=SoundOptions(trim_db=30), overwrite=True)
    assert report(output)["request"]["trim"] == 30


@pytest.mark.parametrize("strange", ["[]", '{"request": {}, "files": []}', "{"])
def test_a_report_that_is_not_ours(strange, folder, output):
    import_notes(folder, output)
    (output / "import.json").write_text(strange)
    with pytest.raises(UserError, match="notes that were not imported here"):
        import_notes(folder, output)


def test_a_sound_that_was_deleted_is_made_again(folder, output):
    import_notes(folder, output)
    sound = output / "audio" / "Piano-060-090.wav"
    before = sound.read_bytes()
    sound.unlink()
    assert "(2 of them from before)" in import_notes(folder, output).summary
    assert sound.read_bytes() == before


def test_an_import_stays_where_nothing_can_become_a_note_any_more(folder, output):
    import_notes(folder, output)
    before = {path: path.read_bytes() for path in output.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="could become a note"):
        import_notes(folder, output, defaults=Defaults(names=False))
    for path in folder.rglob("*.*"):
        path.write_bytes(b"RIFF")
    with pytest.raises(UserError, match="could become a note"):
        import_notes(folder, output)
    kept = {path: path.read_bytes() for path in before if path.exists()}
    assert kept == before


def test_a_report_of_another_form_is_as_none(folder, output):
    import_notes(folder, output)
    notes = set(examples(output))
    for strange in ([], {"a.wav": 5}):
        changed = report(output) | {"files": strange}
        (output / "import.json").write_text(json.dumps(changed))
        import_notes(folder, output)
        assert set(examples(output)) == notes
