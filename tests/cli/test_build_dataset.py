import json
import re
import shutil
from pathlib import Path

import domain_recordings
import entry_points
import performance_files
import pytest
from entry_points import assert_refused

from wavenet_ae.prepare import nsynth_json

DUMMY_DATA = Path(nsynth_json.__file__).parent / "dummy_data"


def build_dataset(*flags):
    return entry_points.run("build-dataset", *flags)


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(DUMMY_DATA, tmp_path / "notes"))


def test_builds_once_notices_changes_and_overwrites(folder, tmp_path):
    flags = (f"--notes={folder}", f"--data_dir={tmp_path / 'data'}", "--split=by_note")
    path = tmp_path / "data" / "nsynth_json" / "by_note" / "1.1.0"

    process = build_dataset(*flags)
    assert (process.returncode, process.stderr) == (0, "")
    instruments = json.loads((path / "metadata.json").read_text())["instruments"]
    assert process.stdout.splitlines() == [
        f"train: 4 notes, instruments: {instruments['train']}",
        "valid: 1 note, instruments: 1",
        "test: 1 note, instruments: 1",
        f"built {path}",
    ]

    process = build_dataset(*flags)
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout == f"{path} has already been built from these notes.\n"

    examples = json.loads((folder / "examples.json").read_text())
    examples.popitem()
    (folder / "examples.json").write_text(json.dumps(examples))
    process = build_dataset(*flags)
    assert_refused(process, f"error: {path} was built from other notes")

    process = build_dataset(*flags, "--overwrite")
    assert process.returncode == 0
    assert process.stdout.startswith("train: 3 notes")


def test_user_errors_are_one_line(tmp_path):
    process = build_dataset(f"--notes={tmp_path}", f"--data_dir={tmp_path}")
    assert_refused(process, f"error: {tmp_path / 'examples.json'} does not exist")


def test_missing_flag_is_named():
    process = build_dataset("--notes=notes")
    assert process.returncode == 1
    assert "--data_dir" in process.stderr


def test_builds_a_dataset_of_recordings(tmp_path):
    folders = domain_recordings.write(tmp_path / "in")
    flags = [f"--recordings={domain}={folder}" for domain, folder in folders.items()]
    flags += [f"--data_dir={tmp_path / 'data'}", "--name=three"]
    process = build_dataset(*flags)
    assert (process.returncode, process.stderr) == (0, "")
    path = tmp_path / "data" / "recordings" / "three" / "1.0.0"
    train, valid, test, built = process.stdout.splitlines()
    assert train.startswith("train: noise 3 recordings (")
    assert "tone 1 recording (0.0 min)" in valid
    assert test.startswith("test: noise 1 recording (")
    assert built == f"built {path}"
    process = build_dataset(*flags)
    assert process.stdout == f"{path} has already been built from these recordings.\n"


def test_builds_a_dataset_of_performances(tmp_path):
    folder = performance_files.write(tmp_path / "piano")
    flags = (f"--performances={folder}", f"--data_dir={tmp_path / 'data'}", "--name=five")
    process = build_dataset(*flags)
    assert (process.returncode, process.stderr) == (0, "")
    path = tmp_path / "data" / "performances" / "five" / "1.0.0"
    train, valid, test, built = process.stdout.splitlines()
    assert re.fullmatch(r"train: 3 performances \(0\.\d min\), \d+ notes", train)
    assert valid.startswith("valid: 1 performance (")
    assert test.startswith("test: 1 performance (")
    assert built == f"built {path}"
    process = build_dataset(*flags)
    assert process.stdout == f"{path} has already been built from these performances.\n"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "no input is given: name a folder of notes, or give --recordings="),
        (["--performances=x", "notes"], "--notes is for notes, not for --performances"),
        (["--performances=x", "--name=b/c"], "--name=b/c: it has letters"),
        (["--performances=x"], "--performances=x: there is no such folder"),
        (["--performances=x", "--recordings=a=x"], "--recordings and --performances make"),
        (["--recordings=flute"], "--recordings=flute: write it as DOMAIN=FOLDER"),
        (["--recordings==x"], "--recordings==x: write it as DOMAIN=FOLDER"),
        (
            ["--recordings=a=x", "--recordings=a=y"],
            "--recordings=a=y: 'a' has the folder x already",
        ),
        (["--recordings=a=gs://b/c"], "--recordings=gs://b/c is not on this machine"),
        (["--recordings=a=x", "notes"], "--notes is for notes, not for --recordings"),
        (["--recordings=a=x", "--split=by_note"], "--split is for notes, not for --recordings"),
        (["--recordings=a=x", "--name=b/c"], "--name=b/c: it has letters"),
        (["notes", "--name=b"], "--name is for --recordings"),
    ],
)
def test_mistakes_with_recordings_are_one_line(tmp_path, flags, message):
    process = build_dataset(*flags, f"--data_dir={tmp_path / 'data'}")
    assert_refused(process, f"error: {message}")
    assert not (tmp_path / "data").exists()
