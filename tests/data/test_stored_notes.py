"""Datasets as they lie on the disk."""

import json
import shutil

import numpy as np
import pytest
from absl import flags
from tensorflow_datasets.proto import tf_example_pb2

from wavenet_ae.data import nsynth, stored_notes
from wavenet_ae.data.input_pipeline import open_split, training_batches
from wavenet_ae.system.errors import UserError

NAME = "flute_acoustic_000-060-100"


def example(**changes):
    """A record as TFDS writes those of its `nsynth`; None leaves a feature out."""
    values = {
        "id": NAME.encode(),
        "audio": np.linspace(-1, 1, nsynth.NOTE_SAMPLES, dtype=np.float32),
        "pitch": 60,
        "velocity": 100,
        "instrument/label": 417,
        "instrument/family": 2,
        "instrument/source": 1,
        **{f"qualities/{name}": index % 2 for index, name in enumerate(nsynth.QUALITIES)},
    }
    record = tf_example_pb2.Example()
    for name, value in (values | changes).items():
        feature = record.features.feature[name]
        if isinstance(value, bytes):
            feature.bytes_list.value.append(value)
        elif isinstance(value, np.ndarray):
            feature.float_list.value.extend(value.tolist())
        elif value is not None:
            feature.int64_list.value.append(value)
    return record.SerializeToString()


class Records(list):
    """What array_record gives; a None is a record that it cannot read."""

    def __getitem__(self, index):
        record = super().__getitem__(index)
        if record is None:
            raise RuntimeError("damaged")
        return record


@pytest.fixture
def read(monkeypatch, tmp_path):
    """Opens records as a split."""

    def open_records(*records, order=None):
        if order is not None:
            (tmp_path / "metadata.json").write_text(json.dumps({"order": {"train": order}}))
        monkeypatch.setattr(stored_notes.grain, "ArrayRecordDataSource", lambda _: Records(records))
        split = type("Split", (), {"file_instructions": ()})()
        dataset = stored_notes.StoredDataset(
            stored_notes.epath.Path(tmp_path), "nsynth_json", {"train": split}
        )
        return stored_notes.Notes(dataset, "train")

    return open_records


def test_a_record_of_floats(read):
    [note] = read(example())
    assert note.pop("id") == NAME
    audio = note.pop("audio")
    assert audio.dtype == np.float32
    np.testing.assert_array_equal(audio, np.linspace(-1, 1, 64_000, dtype=np.float32))
    assert note.pop("qualities").tolist() == [False, True] * 5
    assert note == {"pitch": 60, "velocity": 100, "family": 2, "source": 1}
    assert {value.dtype for value in note.values()} == {np.dtype(np.int32)}


def test_a_record_of_16_bit_samples(read):
    levels = np.arange(-32_000, 32_000, dtype="<i2")
    [note] = read(example(audio=levels.tobytes()))
    assert note["audio"].dtype == np.float32
    np.testing.assert_array_equal(note["audio"] * 32_768, levels)


@pytest.mark.parametrize(
    "record",
    [
        None,
        b"no example",
        b"",
        example(audio=np.zeros(63_999, np.float32)),
        example(audio=bytes(64_000)),
        example(audio=None),
        example(pitch=None),
        example(**{"qualities/reverb": None}),
    ],
)
def test_a_record_that_is_no_note_is_named_with_its_neighbour(read, record):
    notes = read(example(id=b"first"), record, order=[1, 0])
    assert notes[1]["id"] == "first"
    with pytest.raises(UserError, match=r"the record 1 of the split .*, after the note first, is"):
        notes[0]
    with pytest.raises(UserError, match=r"the record 0 of the split 'train' of [^,]* is damaged"):
        read(record, example(), order=[0, 1])[0]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_sound_that_is_not_finite_is_named(read, value):
    audio = np.zeros(nsynth.NOTE_SAMPLES, np.float32)
    audio[7] = value
    with pytest.raises(UserError, match=f"sound of the note {NAME} has values that are not"):
        read(example(audio=audio))[0]


def test_datasets_that_are_not_there(data_dir, tmp_path):
    missing = r"there is no dataset '{}' in .*, which holds nsynth_json/by_note: build it with "
    for name, tool in {
        "no_such_dataset": "build-dataset",
        "nsynth_json/by_instrument": "build-dataset",
        "nsynth_json/by_note:0.0.1": "build-dataset",
        "nsynth/full": "prepare-nsynth",
    }.items():
        with pytest.raises(UserError, match=f"{missing.format(name)}wavenet-ae {tool}, or give"):
            open_split(name, str(data_dir), "train")
    with pytest.raises(UserError, match=f"there is no dataset 'nsynth/full' in {tmp_path}: build"):
        open_split("nsynth/full", str(tmp_path), "train")
    with pytest.raises(UserError, match="no split 'holdout', only train, valid, test"):
        open_split("nsynth_json/by_note", str(data_dir), "holdout")


def test_the_newest_version_is_taken(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    (newest,) = tmp_path.glob("nsynth_json/by_note/*.*.*")
    for version in ("1.2.0", "1.10.0", "1.9.9"):
        shutil.copytree(newest, newest.with_name(version))
    shutil.copytree(newest, newest.with_name("2.0.0") / "unfinished")
    assert stored_notes.find("nsynth_json/by_note", str(tmp_path)).path.name == "1.10.0"
    assert stored_notes.find("nsynth_json/by_note:1.9.9", str(tmp_path)).path.name == "1.9.9"


def test_a_damaged_description(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path, dirs_exist_ok=True)
    (description,) = tmp_path.glob("nsynth_json/by_note/*/dataset_info.json")
    description.write_text("{")
    with pytest.raises(UserError, match=r"dataset_info\.json is damaged: build the dataset again"):
        open_split("nsynth_json/by_note", str(tmp_path), "train")


def test_the_home_folder_is_expanded(data_dir, monkeypatch):
    monkeypatch.setenv("HOME", str(data_dir.parent))
    assert len(open_split("nsynth_json/by_note", f"~/{data_dir.name}", "test")) == 1


def read_batch(notes, **settings):
    settings = {"seed": 0, "batch_size": 4, "crop_samples": 256} | settings
    return next(training_batches(notes, **settings))


def read_all(notes):
    """The ids of the notes that can be read, and what is said of the others."""
    ids, errors = {}, {}
    for index in range(len(notes)):
        try:
            ids[index] = notes[index]["id"]
        except UserError as error:
            errors[index] = str(error)
    return ids, errors


def test_a_damaged_record_is_named(data_dir, tmp_path):
    notes = open_split("nsynth_json/by_note", str(data_dir), "train")
    shutil.copytree(data_dir, tmp_path / "copy")
    (file,) = (tmp_path / "copy").glob("nsynth_json/by_note/*/*-train.array_record*")
    content = bytearray(file.read_bytes())
    records = content.index(bytes(1000))  # the rest is padding
    content[records // 2] ^= 0xFF
    file.write_bytes(content)
    damaged = open_split("nsynth_json/by_note", str(tmp_path / "copy"), "train")
    ids, errors = read_all(damaged)
    ((lost, message),) = errors.items()
    assert ids == {index: notes[index]["id"] for index in range(4) if index != lost}
    where = f"the record {lost} of the split 'train' of {file.parent}"
    assert message.startswith(f"{where}, after the note {ids[lost - 1]}, is damaged: build the")
    with pytest.raises(UserError, match=f"the record {lost} of the split"):
        read_batch(damaged)
    # The same from a process that reads ahead.
    flags.FLAGS.mark_as_parsed()
    with pytest.raises(UserError, match=f"the record {lost} of the split"):
        read_batch(damaged, num_workers=1)


def test_a_truncated_file_is_named(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "copy")
    (file,) = (tmp_path / "copy").glob("nsynth_json/by_note/*/*-train.array_record*")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    truncated = open_split("nsynth_json/by_note", str(tmp_path / "copy"), "train")
    with pytest.raises(UserError, match=r"the record 0 of the split 'train' of .* is damaged"):
        _ = truncated[0]


def test_folders_that_are_called_otherwise_than_versions(data_dir, tmp_path):
    path = tmp_path / "nsynth_json" / "by_note"
    shutil.copytree(data_dir / "nsynth_json" / "by_note" / "1.1.0", path / "1.1.0 copy")
    with pytest.raises(UserError, match=r"by_note/1\.1\.0 copy is a dataset, but its folder"):
        stored_notes.find("nsynth_json/by_note", str(tmp_path))
    (path / "1.1.0 copy").rename(path / "1.1.0")
    assert stored_notes.find("nsynth_json/by_note", str(tmp_path)).path.name == "1.1.0"
    with pytest.raises(
        UserError, match=r"no dataset 'a/b' in .*, which holds nsynth_json/by_note:"
    ):
        stored_notes.find("a/b", str(tmp_path))


def test_a_path_is_no_pattern(data_dir, tmp_path):
    folder = shutil.copytree(data_dir, tmp_path / "mine [1]* ?")
    assert len(open_split("nsynth_json/by_note", str(folder), "train")[0]["audio"]) == 64_000
