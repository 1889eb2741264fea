import hashlib
import json
import shutil

import mido
import numpy as np
import performance_files
import pytest
import soundfile
import tensorflow_datasets as tfds

from wavenet_ae.audio import midi
from wavenet_ae.audio.midi import Note
from wavenet_ae.data import piano_roll
from wavenet_ae.data.stored_notes import find
from wavenet_ae.data.stored_recordings import Performances
from wavenet_ae.prepare.performances.build import build
from wavenet_ae.prepare.performances.collection import read_collection
from wavenet_ae.system.errors import UserError


@pytest.fixture
def folder(tmp_path):
    return performance_files.write(tmp_path / "piano", ".wav")


def stored(data_dir):
    """The performances by name, each as its split, sound and notes."""
    found = {}
    for split in ("train", "valid", "test"):
        sounds = Performances(find("performances/five", str(data_dir)), split)
        for i in range(len(sounds)):
            whole = sounds.read_with_notes(i, 0, int(sounds.lengths[i]))
            found[sounds.name(i)] = (split, *whole)
    return found


def test_all_samples_and_notes_are_there(folder, tmp_path):
    dataset = build([folder], tmp_path / "out", "five")
    assert dataset.is_new
    assert dataset.path == tmp_path / "out" / "performances" / "five" / "1.0.0"
    found = stored(tmp_path / "out")
    assert found.keys() == {f"piano/{name}" for name in performance_files.SECONDS}
    for name in performance_files.SECONDS:
        _, audio, notes = found[f"piano/{name}"]
        np.testing.assert_array_equal(audio * 32_768, performance_files.samples(name))
        expected = piano_roll.notes_of(performance_files.notes(name))
        assert sorted(notes.tolist()) == sorted(expected.tolist())
    sizes = dataset.splits.values()
    assert sum(size.performances for size in sizes) == 5
    assert sum(size.seconds for size in sizes) == pytest.approx(36.5)
    assert sum(size.notes for size in sizes) == sum(len(it[2]) for it in found.values())


def test_notes_around_a_part_are_found_in_other_pieces(folder, tmp_path):
    build([folder], tmp_path / "out", "five")
    checked = 0
    for split in ("train", "valid", "test"):
        sounds = Performances(find("performances/five", str(tmp_path / "out")), split)
        for i, length in enumerate(sounds.lengths.tolist()):
            own = piano_roll.notes_of(
                performance_files.notes(sounds.name(i).removeprefix("piano/"))
            )
            num_pieces = -(-length // 128_000)
            for cut in (length * np.arange(1, num_pieces) / num_pieces).astype(int).tolist():
                for start, before, after in ((cut + 10, 5_000, 0), (cut - 1_000, 0, 5_000)):
                    _, notes = sounds.read_with_notes(i, start, 900, before + after)
                    first, stop = start - before, start + 900 + after
                    near = own[(own[:, 0] < stop) & (own[:, 1] > first)].tolist()
                    assert {tuple(it) for it in near} <= {tuple(it) for it in notes.tolist()}
                    here = (own[:, 0] < cut) & (own[:, 1] > first) & (own[:, 1] <= cut)
                    there = (own[:, 0] >= cut) & (own[:, 0] < stop)
                    checked += int(here.sum() if before else there.sum())
    assert checked > 5  # notes that sound in the other piece alone


def test_tfds_reads_what_was_built(folder, tmp_path):
    build([folder], tmp_path / "out", "five")
    for split in ("train", "valid", "test"):
        for example in tfds.data_source(
            "performances/five", data_dir=tmp_path / "out", split=split
        ):
            name, start = example["id"].decode().removeprefix("piano/").split("@")
            own = piano_roll.notes_of(performance_files.notes(name))
            stop = int(start) + len(example["audio"])
            expected = [it for it in own.tolist() if it[0] < stop and it[1] > int(start)]
            assert example["notes"].tolist() == expected


def test_pieces_are_split_by_hashes_of_their_names(folder, tmp_path):
    test, valid, *train = sorted(
        performance_files.SECONDS, key=lambda name: hashlib.sha256(name.encode()).digest()
    )
    expected = {"train": sorted(train), "valid": [valid], "test": [test]}
    # The same piece, played by another instrument, goes to the same split.
    shutil.copytree(folder, tmp_path / "organ")
    (tmp_path / "organ" / f"{test}.wav").unlink()
    (tmp_path / "organ" / f"{test}.mid").unlink()
    splits = read_collection([folder, tmp_path / "organ"]).splits
    for split, names in expected.items():
        ids = [f"organ/{name}" for name in names if name != test]
        assert [it.id for it in splits[split]] == ids + [f"piano/{name}" for name in names]


def test_built_once_and_again_when_something_changes(folder, tmp_path):
    assert build([folder], tmp_path / "out", "five").is_new
    assert not build([folder], tmp_path / "out", "five").is_new
    notes = [*performance_files.notes("a"), Note(0.5, 1.0, 108, 100)]
    midi.save(folder / "a.mid", notes, 0)
    with pytest.raises(UserError, match="was built from other performances than"):
        build([folder], tmp_path / "out", "five")
    assert build([folder], tmp_path / "out", "five", overwrite=True).is_new
    assert [8_000, 16_000, 108, 100] in stored(tmp_path / "out")["piano/a"][2].tolist()


def save(path, *notes):
    midi.save(path, notes, 0)


def drums(path):
    track = mido.MidiTrack([mido.Message("note_on", note=36, channel=9, time=t) for t in (0, 9)])
    mido.MidiFile(tracks=[track]).save(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "b.mid").unlink(), r"b\.wav has no b\.mid beside it: add it, or leave"),
        (lambda f: (f / "more/c.wav").unlink(), r"c\.mid has no c\.wav beside it: add it, or"),
        (lambda f: save(f / "b.mid", Note(0, 1, 60, 9), Note(99, 100, 60, 9)),
         r"b\.mid has notes until 99\.0 s, but .*b\.wav lasts 10\.0 s: leave out the pair"),
        (lambda f: save(f / "b.mid", Note(0, 1, 20, 9)), r"b\.mid has no notes that a piano has"),
        (lambda f: (f / "b.mid").write_bytes(b""), r"b\.mid is not a MIDI file that can be read"),
        (lambda f: drums(f / "b.mid"), r"b\.mid holds no notes \(drums apart\)"),
        (lambda f: (f / "b.wav").write_bytes(b"no sound"), r"b\.wav "),
        (lambda f: soundfile.write(f / "b.wav", np.zeros(160_000), 16_000), r"b\.wav is silent"),
        (lambda f: soundfile.write(f / "b.flac", np.ones(9), 16_000), "are two sounds of one name"),
        (lambda f: save(f / "b.midi", Note(0, 1, 60, 9)), "are two MIDI files of one name"),
    ],
)  # fmt: skip
def test_a_pair_that_cannot_be_used_is_named_and_nothing_is_left(folder, tmp_path, change, message):
    change(folder)
    with pytest.raises(UserError, match=message) as raised:
        build([folder], tmp_path / "out", "five")
    assert "\n" not in str(raised.value)
    assert not list((tmp_path / "out").rglob("*"))


def test_a_last_note_may_be_cut_off(folder, tmp_path):
    save(folder / "b.mid", Note(0, 1, 60, 9), Note(10.5, 11, 60, 9))
    build([folder], tmp_path / "out", "five")
    assert stored(tmp_path / "out")["piano/b"][2].tolist() == [[0, 16_000, 60, 9]]


def test_mistakes_are_named(folder, tmp_path):
    with pytest.raises(UserError, match=r"--performances=.*none: there is no such folder"):
        read_collection([tmp_path / "none"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty holds no files of these kinds"):
        read_collection([tmp_path / "empty"])
    with pytest.raises(UserError, match="have one name, by which their performances are told"):
        read_collection([folder, shutil.copytree(folder, tmp_path / "other" / "piano")])
    for name in ("a", "b", "long"):
        (folder / f"{name}.wav").unlink()
        (folder / f"{name}.mid").unlink()
    with pytest.raises(UserError, match=r"piano holds 2 pieces, too few for train, valid and"):
        read_collection([folder])


def test_damaged_metadata_is_named(folder, tmp_path):
    path = build([folder], tmp_path / "out", "five").path / "metadata.json"
    metadata = json.loads(path.read_text())
    metadata["pieces"]["train"]["notes"].pop()
    path.write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=r"metadata\.json is damaged"):
        Performances(find("performances/five", str(tmp_path / "out")), "train")
    path.write_text("{}")
    with pytest.raises(UserError, match=r"metadata\.json .*--overwrite|--overwrite"):
        build([folder], tmp_path / "out", "five")
