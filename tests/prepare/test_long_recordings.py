import hashlib
import json

import domain_recordings
import numpy as np
import pytest
import soundfile
import tensorflow_datasets as tfds

from wavenet_ae.data.stored_notes import find
from wavenet_ae.data.stored_recordings import Recordings
from wavenet_ae.prepare.long_recordings import pieces, pieces_builder
from wavenet_ae.prepare.long_recordings.build import build
from wavenet_ae.prepare.long_recordings.collection import read_collection
from wavenet_ae.system.errors import UserError


@pytest.fixture
def folders(tmp_path):
    return domain_recordings.write(tmp_path / "in")


def stored(data_dir):
    """The recordings of each split, whole."""
    dataset = find("recordings/three", str(data_dir))
    found = {}
    for split in ("train", "valid", "test"):
        recordings = Recordings(dataset, split)
        found[split] = {
            recordings.name(i): recordings.read(i, 0, recordings.lengths[i])
            for i in range(len(recordings))
        }
    return found


def by_hash(names):
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


def test_files_are_split_by_hashes_of_their_names(folders):
    collection = read_collection(folders)
    for domain, names in domain_recordings.SECONDS.items():
        test, valid, *train = by_hash(names)
        for split, expected in (("train", sorted(train)), ("valid", [valid]), ("test", [test])):
            found = [r.name for r in collection.splits[split] if r.domain == domain]
            assert found == expected


def test_the_same_names_are_held_out_of_all_domains(tmp_path):
    for domain in ("flute", "cello"):
        (tmp_path / domain / "more").mkdir(parents=True)
        for i in range(25):
            (tmp_path / domain / "more" / f"phrase_{i}.wav").write_bytes(b"x" * (i + 1))
    splits = read_collection({d: tmp_path / d for d in ("flute", "cello")}).splits
    assert {split: len(of) for split, of in splits.items()} == {"train": 42, "valid": 4, "test": 4}
    for of in splits.values():
        first, second = ([r.name for r in of if r.domain == d] for d in ("flute", "cello"))
        assert first == second
        assert all(name.startswith("more/phrase_") for name in first)


def test_tfds_reads_what_was_built(folders, tmp_path):
    dataset = build(folders, tmp_path / "out", "three")
    assert dataset.is_new
    assert dataset.path == tmp_path / "out" / "recordings" / "three" / "1.0.0"
    info = tfds.builder_from_directory(dataset.path).info
    assert info.features["domain"].names == ["noise", "ramp", "tone"]
    examples = list(tfds.data_source("recordings/three", data_dir=tmp_path / "out", split="train"))
    by_id = {example["id"].decode(): example for example in examples}
    for i, start in enumerate(np.cumsum([0, 106_666 + 1, 106_666 + 1])):
        if f"noise/long@{start}" in by_id:
            whole = domain_recordings.samples("noise", "long")
            part = by_id[f"noise/long@{start}"]["audio"]
            np.testing.assert_array_equal(part, np.array_split(whole, 3)[i])
    assert max(len(example["audio"]) for example in examples) <= pieces.MOST_SAMPLES
    sizes = dataset.splits
    assert sum(size["tone"].recordings for size in sizes.values()) == 3
    assert sum(size["tone"].seconds for size in sizes.values()) == pytest.approx(6.0)


def test_several_shards_hold_the_same(folders, tmp_path, monkeypatch):
    build(folders, tmp_path / "one", "three")
    monkeypatch.setattr(pieces_builder, "_MOST_SECONDS_PER_SHARD", 5)
    dataset = build(folders, tmp_path / "several", "three")
    assert len(list(dataset.path.glob("recordings-train.array_record-*"))) > 2
    one, several = stored(tmp_path / "one"), stored(tmp_path / "several")
    for split, recordings in one.items():
        assert list(recordings) == list(several[split])
        for name, audio in recordings.items():
            np.testing.assert_array_equal(audio, several[split][name])


def test_any_format_becomes_16_khz_mono_within_full_scale(tmp_path):
    time_s = np.arange(3 * 44_100) / 44_100
    left = 1.5 * np.sin(2 * np.pi * 440 * time_s)  # a float file beyond full scale
    for i in range(3):
        (tmp_path / "in").mkdir(exist_ok=True)
        stereo = np.stack([left, left], axis=1)
        soundfile.write(tmp_path / "in" / f"{i}.wav", stereo, 44_100, subtype="FLOAT")
    build({"sine": tmp_path / "in"}, tmp_path / "out", "three")
    (audio,) = stored(tmp_path / "out")["train"].values()
    expected = np.sin(2 * np.pi * 440 * np.arange(48_000) / 16_000)
    np.testing.assert_allclose(audio[1000:-1000], expected[1000:-1000], atol=0.01)


def test_built_once_and_again_when_something_changes(folders, tmp_path):
    assert build(folders, tmp_path / "out", "three").is_new
    assert not build(folders, tmp_path / "out", "three").is_new
    (folders["tone"] / "x.flac").rename(folders["tone"] / "w.flac")
    with pytest.raises(UserError, match="was built from other recordings than"):
        build(folders, tmp_path / "out", "three")
    assert build(folders, tmp_path / "out", "three", overwrite=True).is_new
    assert "tone/w" in {name for split in stored(tmp_path / "out").values() for name in split}


def damaged(path):
    path.write_bytes(path.read_bytes()[:-100])


def silent(path):
    soundfile.write(path, np.zeros(16_000), 16_000)


def text(path):
    path.write_text("not a sound")


@pytest.mark.parametrize(
    ("change", "reason"), [(damaged, "breaks off"), (silent, "is silent"), (text, "not a sound")]
)
def test_a_file_that_cannot_be_used_is_named_and_nothing_is_left(folders, tmp_path, change, reason):
    change(folders["ramp"] / "b.flac")
    with pytest.raises(UserError, match=rf"ramp/b\.flac .*{reason}"):
        build(folders, tmp_path / "out", "three")
    assert not list((tmp_path / "out").rglob("*.json"))
    assert not list((tmp_path / "out").rglob("*array_record*"))


def test_a_failed_build_keeps_the_older_dataset(folders, tmp_path):
    path = build(folders, tmp_path / "out", "three").path
    before = json.loads((path / "metadata.json").read_text())
    silent(folders["ramp"] / "b.flac")
    with pytest.raises(UserError, match="silent"):
        build(folders, tmp_path / "out", "three", overwrite=True)
    assert json.loads((path / "metadata.json").read_text()) == before


def test_mistakes_are_named(folders, tmp_path):
    def refused(change, match):
        with pytest.raises(UserError, match=match):
            read_collection({**folders, **change})

    (tmp_path / "empty").mkdir()
    refused({"empty": tmp_path / "empty"}, "empty holds no files of these kinds")
    refused({"none": tmp_path / "none"}, "--recordings=none=.*there is no such folder")
    refused({"a,b": folders["tone"]}, "--recordings=a,b=.*choose another name")
    refused({"again": folders["tone"]}, "x.flac belongs to both 'tone' and 'again'")
    (folders["tone"] / "x.flac").unlink()
    refused({}, r"the folder .*tone of 'tone' holds 2 recordings, too few for train, valid and")


@pytest.mark.parametrize("samples", [1, 127_999, 128_000, 128_001, 1_000_003])
def test_pieces_are_of_equal_length_and_join_to_the_whole(samples):
    audio = np.arange(samples)
    cut = pieces.cut(audio)
    np.testing.assert_array_equal(np.concatenate(cut), audio)
    lengths = [len(piece) for piece in cut]
    assert max(lengths) <= pieces.MOST_SAMPLES
    assert max(lengths) - min(lengths) <= 1
    assert len(cut) == -(-samples // pieces.MOST_SAMPLES)
