"""Folders of notes that are read, written, and resumed."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from conftest import DUMMY_NOTES

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare.notes_folder import IMPORT, RENDERING, NotesFolder, NotesWriter
from wavenet_ae.system.errors import UserError

REQUEST = {"font_sha256": "ab", "pitches": [60, 61]}
VERSIONS = {"soxr": "1"}
NOTES = [
    Note.named("organ_acoustic_000", 60, 100, "organ", "acoustic", [0, 1] * 5),
    Note.named("bass_synthetic_001", 61, 50, "bass", "synthetic", [0] * 10),
]
NUMBERS = {"organ_acoustic_000": 3, "bass_synthetic_001": 7}


def open_writer(path, maker=RENDERING, request=REQUEST, **settings):
    return NotesWriter(path, maker, request, **{"versions": VERSIONS, **settings})


def write(path, maker=RENDERING, **settings):
    with open_writer(path, maker, **settings) as folder:
        folder.begin(dict(folder.noted))
        for note in NOTES:
            files.save(folder.wav(note.name), np.zeros(nsynth.NOTE_SAMPLES))
            folder.append(note.name, {"is": "made"})
        folder.finish(NOTES, NUMBERS, json.dumps({"request": REQUEST}))


def names(path):
    return sorted(it.name for it in path.iterdir())


def test_what_is_written_is_read(tmp_path):
    write(tmp_path)
    assert names(tmp_path) == ["audio", "examples.json", "rendering.json"]
    folder = NotesFolder(tmp_path)
    assert folder.read_notes() == NOTES
    assert [note for note, _ in folder.sounds(NOTES)] == NOTES
    assert folder.unnamed_sounds(NOTES) == []
    with open_writer(tmp_path, versions={"soxr": "2"}) as again:
        assert again.is_finished
        assert again.report == {"request": REQUEST}
    assert names(tmp_path) == ["audio", "examples.json", "rendering.json"]


def test_an_example_holds_all_labels():
    folder = NotesFolder(DUMMY_NOTES)
    notes, dataset = folder.read_notes(), folder.dataset()
    assert [Note.from_example(dataset[index]) for index in range(len(notes))] == notes
    assert dataset[0]["audio"].shape == (nsynth.NOTE_SAMPLES,)


def test_json_holds_all_labels():
    for number, note in enumerate(NOTES):
        fields = json.loads(json.dumps(note.to_json(number, 5)))
        assert (fields["note"], fields["instrument"]) == (number, 5)
        assert Note.from_json(note.name, fields) == note


KILLED = """
import os, signal, sys
sys.path[:0] = ["tests", "tests/prepare"]
from pathlib import Path
import test_notes_folder as t
folder = t.open_writer(Path(sys.argv[1]))
folder.begin({"first": [1]})
folder.append("second", {"a": 2})
folder.wav("second").touch()
(folder.path / ".0123.tmp").touch()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_call_is_resumed(tmp_path):
    path = tmp_path / "notes"
    ended = subprocess.run([sys.executable, "-c", KILLED, path], check=False)
    assert ended.returncode == -signal.SIGKILL
    journal = path / RENDERING.journal
    whole = journal.read_bytes()
    for torn in (b"", b"[", b'["third", {"a"'):
        journal.write_bytes(whole + torn)
        with open_writer(path) as folder:
            assert folder.noted == [("first", [1]), ("second", {"a": 2})]
            assert not folder.is_finished
    with pytest.raises(UserError, match=r"unfinished notes that were .* with other soxr: finish"):
        open_writer(path, versions={"soxr": "2"})
    with pytest.raises(UserError, match=r"were rendered with other font and pitches: finish them"):
        open_writer(path, request={"font_sha256": "", "pitches": []})
    with pytest.raises(UserError, match=r"notes that were not imported here: .* --overwrite\.$"):
        open_writer(path, IMPORT)
    write(path)
    assert names(path) == ["audio", "examples.json", "rendering.json"]
    assert names(path / "audio") == sorted(f"{note.name}.wav" for note in NOTES)


def test_nothing_but_a_torn_file_is_an_empty_folder(tmp_path):
    (tmp_path / ".0123.tmp").touch()
    write(tmp_path)
    assert names(tmp_path) == ["audio", "examples.json", "rendering.json"]


def test_what_an_older_version_left_unfinished_is_refused_or_overwritten(tmp_path):
    (tmp_path / ".parts").mkdir()
    (tmp_path / ".parts" / "plan.json").write_text("{}")
    with pytest.raises(UserError, match="holds notes that were not rendered here"):
        open_writer(tmp_path)
    with open_writer(tmp_path, overwrite=True) as folder:
        assert not folder.noted
    assert names(tmp_path) == []


@pytest.mark.parametrize("first", ["3", "[]", "{}", ""])
def test_a_journal_that_is_not_ours(tmp_path, first):
    (tmp_path / RENDERING.journal).write_text(f"{first}\n")
    with pytest.raises(UserError, match="holds notes that were not rendered here"):
        open_writer(tmp_path)


def test_one_process_writes(tmp_path):
    with open_writer(tmp_path), pytest.raises(UserError, match="another process is writing"):
        open_writer(tmp_path)
    with open_writer(tmp_path) as written:
        written.discard()
    assert not os.path.exists(tmp_path)
