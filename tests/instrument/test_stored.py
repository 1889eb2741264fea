import numpy as np
import pytest

from wavenet_ae.instrument.finishing import Finished
from wavenet_ae.instrument.stored import StoredNotes


def finished(cents, samples=100):
    return Finished(np.full(samples, 0.5, np.float32), 0.25, (20, 60), 80, cents)


def test_what_was_added_is_there_next_time(tmp_path):
    added = StoredNotes(tmp_path).add("abc", finished(-10), 1)
    note = StoredNotes(tmp_path).get("abc")
    assert note == added
    assert note.is_in_tune
    assert (note.samples, note.loop, note.gain, note.attempts) == (100, (20, 60), 0.25, 1)
    assert StoredNotes(tmp_path).get("other") is None


def test_the_attempt_that_is_nearest_to_its_pitch_is_kept(tmp_path):
    stored = StoredNotes(tmp_path)
    for attempt, cents in ((1, None), (2, 200), (3, -300)):
        stored.add("abc", finished(cents, 100 + attempt), attempt)
    note = StoredNotes(tmp_path).get("abc")
    assert (note.cents, note.attempts, note.chosen, note.samples) == (200, 3, 2, 102)
    folder = tmp_path / "notes"
    (folder / "my own.wav").touch()
    assert {path.name for path in folder.glob("abc*.wav")} == {"abc-1.wav", "abc-2.wav"}
    StoredNotes(tmp_path).discard_superseded()
    assert {path.name for path in folder.glob("*.wav")} == {"my own.wav", "abc-2.wav"}
    assert tmp_path / note.file == folder / "abc-2.wav"


@pytest.mark.parametrize("damage", ["missing", "shorter"])
def test_a_damaged_file_is_rendered_again(tmp_path, damage):
    note = StoredNotes(tmp_path).add("abc", finished(0), 1)
    path = tmp_path / note.file
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-2])
    assert StoredNotes(tmp_path).get("abc") is None


def test_a_line_that_was_interrupted_loses_no_other(tmp_path):
    stored = StoredNotes(tmp_path)
    stored.add("abc", finished(0), 1)
    with (tmp_path / "notes" / "notes.jsonl").open("a") as file:
        file.write('\n{"name": "def", "sam')
    StoredNotes(tmp_path).add("ghi", finished(0), 1)
    again = StoredNotes(tmp_path)
    assert [again.get(name) is not None for name in ("abc", "def", "ghi")] == [True, False, True]
