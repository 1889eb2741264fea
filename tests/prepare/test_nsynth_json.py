import fcntl
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow_datasets as tfds

from wavenet_ae.data import nsynth
from wavenet_ae.prepare import note_files, nsynth_json
from wavenet_ae.prepare.nsynth_json import build as builds
from wavenet_ae.prepare.nsynth_json import collection
from wavenet_ae.prepare.nsynth_json import nsynth_json_dataset_builder as dataset_builder
from wavenet_ae.system.errors import UserError

DUMMY_DATA = Path(nsynth_json.__file__).parent / "dummy_data"
LABELS = json.loads((DUMMY_DATA / "examples.json").read_text())


@pytest.fixture
def folder(tmp_path):
    """A copy of the placeholder notes."""
    return Path(shutil.copytree(DUMMY_DATA, tmp_path / "notes"))


@pytest.fixture
def published_folder(tmp_path):
    """The placeholder notes as NSynth's release unpacks: 3 notes, 2 and 1."""
    names = sorted(LABELS)
    for split, members in zip(nsynth.SPLITS, (names[:3], names[3:5], names[5:]), strict=True):
        folder = tmp_path / "published" / f"nsynth-{split}"
        (folder / "audio").mkdir(parents=True)
        (folder / "examples.json").write_text(json.dumps({name: LABELS[name] for name in members}))
        for name in members:
            shutil.copy(DUMMY_DATA / "audio" / f"{name}.wav", folder / "audio")
    return tmp_path / "published"


def edit(folder, change):
    path = folder / "examples.json"
    entries = json.loads(path.read_text())
    change(entries)
    path.write_text(json.dumps(entries))


def nameless(folder, entries):
    """Writes a folder of notes whose sounds are empty files: enough for splitting."""
    (folder / "audio").mkdir(parents=True)
    (folder / "examples.json").write_text(json.dumps(entries))
    for name in entries:
        (folder / "audio" / f"{name}.wav").touch()
    return folder


def many_notes(instruments, notes_each):
    template = next(iter(LABELS.values()))
    return {
        f"bass_synthetic_{i:03d}-{21 + p:03d}-100": {
            **template,
            "instrument_str": f"bass_synthetic_{i:03d}",
            "pitch": 21 + p,
        }
        for i in range(instruments)
        for p in range(notes_each)
    }


def read(path, split):
    return list(tfds.builder_from_directory(path).as_data_source(split))


def read_splits(folder, config):
    splits = collection.read_collection([folder], config).splits
    return {name: split.notes for name, split in splits.items()}


def contents(path):
    return {split: [note["id"].decode() for note in read(path, split)] for split in nsynth.SPLITS}


def leftovers(data_dir):
    return sorted(path.name for path in data_dir.glob("nsynth_json/[!.]*/*"))


# TFDS's DatasetBuilderTestCase reads with tf.data, hence with TensorFlow, which is not needed
# here. These tests check the same: registration, features, shapes, types, counts, splits that do
# not overlap, and that a reloaded dataset holds what was written.


def test_builder_is_registered_under_its_name():
    assert nsynth_json.Builder.name == "nsynth_json"
    assert tfds.builder_cls("nsynth_json") is nsynth_json.Builder
    assert builds.CONFIGS == ("by_instrument", "by_note", "test_only", "published")


def test_features_are_those_of_tfds_nsynth(tmp_path):
    builder = nsynth_json.Builder(data_dir=tmp_path, config="by_note")
    features = builder.info.features
    assert set(features) == {"id", "audio", "pitch", "velocity", "instrument", "qualities"}
    assert set(features["instrument"]) == {"label", "family", "source"}
    assert tuple(features["qualities"]) == nsynth.QUALITIES
    assert features["audio"].shape == (64_000,)
    assert features["pitch"].num_classes == features["velocity"].num_classes == 128
    assert tuple(features["instrument"]["family"].names) == nsynth.FAMILIES
    assert tuple(features["instrument"]["source"].names) == nsynth.SOURCES


def check_notes(path, folders, expected):
    """Compares every note of a dataset with the files that it was built from."""
    info = tfds.builder_from_directory(path).info
    assert {s: info.splits[s].num_examples for s in nsynth.SPLITS} == {
        split: len(names) for split, names in expected.items()
    }
    instrument = info.features["instrument"]
    for split, names in expected.items():
        notes = read(path, split)
        assert {note["id"].decode() for note in notes} == set(names)
        for note in notes:
            name = note["id"].decode()
            labels = LABELS[name]
            with wave.open(str(folders[split] / "audio" / f"{name}.wav")) as file:
                stored = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            assert note["audio"].dtype == np.int16
            np.testing.assert_array_equal(note["audio"], stored, strict=True)
            assert (note["pitch"], note["velocity"]) == (labels["pitch"], labels["velocity"])
            for feature, field in (
                ("label", "instrument_str"),
                ("family", "instrument_family_str"),
                ("source", "instrument_source_str"),
            ):
                assert instrument[feature].int2str(note["instrument"][feature]) == labels[field]
            qualities = [note["qualities"][quality] for quality in nsynth.QUALITIES]
            assert qualities == [bool(flag) for flag in labels["qualities"]]
    assert instrument["label"].names == sorted({x["instrument_str"] for x in LABELS.values()})


def test_by_instrument_reads_back_what_was_written(folder, tmp_path):
    dataset = builds.build(folder, tmp_path / "data", "by_instrument")
    assert dataset.path == tmp_path / "data" / "nsynth_json" / "by_instrument" / "1.1.0"
    assert dataset.is_new
    assert dataset.splits == dict.fromkeys(nsynth.SPLITS, builds.SplitSize(2, 1))
    # Pinned: the splits may change with neither the machine nor the version of anything.
    instruments = {
        "train": "keyboard_electronic_002",
        "valid": "bass_synthetic_000",
        "test": "flute_acoustic_001",
    }
    expected = {s: [n for n in LABELS if n.startswith(i)] for s, i in instruments.items()}
    check_notes(dataset.path, dict.fromkeys(nsynth.SPLITS, folder), expected)


def test_by_note_reads_back_what_was_written(folder, tmp_path):
    dataset = builds.build(folder, tmp_path / "data", "by_note")
    order = sorted(LABELS, key=lambda name: hashlib.sha256(name.encode()).digest())
    # Pinned: in the files' order, which is that of TFDS's writers.
    train = sorted(order[2:], key=lambda name: hashlib.md5(f"train{name}".encode()).digest())
    expected = {"test": order[:1], "valid": order[1:2], "train": train}
    assert train != order[2:]
    check_notes(dataset.path, dict.fromkeys(nsynth.SPLITS, folder), expected)
    assert contents(dataset.path) == expected
    assert dataset.splits["train"].notes == 4


def test_published_keeps_the_splits_of_the_release(published_folder, tmp_path):
    dataset = builds.build(published_folder, tmp_path / "data", "published")
    names = sorted(LABELS)
    check_notes(
        dataset.path,
        {split: published_folder / f"nsynth-{split}" for split in nsynth.SPLITS},
        {"train": names[:3], "valid": names[3:5], "test": names[5:]},
    )
    assert dataset.splits["train"] == builds.SplitSize(3, 2)


def test_tfds_builds_from_its_manual_directory(published_folder, tmp_path):
    builder = tfds.builder("nsynth_json/published", data_dir=tmp_path / "data")
    builder.download_and_prepare(
        download_dir=tmp_path / "downloads",
        download_config=tfds.download.DownloadConfig(manual_dir=published_folder),
        file_format="array_record",
    )
    again = builds.build(published_folder, tmp_path / "data", "published")
    assert not again.is_new
    assert again.splits["train"] == builds.SplitSize(3, 2)


def test_any_samples_survive(folder, tmp_path):
    noise = np.random.default_rng(0).integers(-32768, 32768, 64_000).astype(np.int16)
    name = next(iter(LABELS))
    soundfile.write(folder / "audio" / f"{name}.wav", noise, 16_000)
    path = builds.build(folder, tmp_path / "data", "by_note").path
    notes = [note for split in nsynth.SPLITS for note in read(path, split)]
    [audio] = [note["audio"] for note in notes if note["id"].decode() == name]
    np.testing.assert_array_equal(audio, noise)


def test_shards_make_no_difference(folder, tmp_path, monkeypatch):
    whole = builds.build(folder, tmp_path / "whole", "by_note").path
    monkeypatch.setattr(dataset_builder, "_MOST_NOTES_PER_SHARD", 3)
    sharded = builds.build(folder, tmp_path / "sharded", "by_note").path
    lengths = tfds.builder_from_directory(sharded).info.splits["train"].shard_lengths
    assert lengths == [2, 2]
    assert contents(sharded) == contents(whole)


def run_python(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_fresh_process_reads_without_our_code_and_without_tensorflow(folder, tmp_path):
    path = builds.build(folder, tmp_path / "data", "by_note").path
    program = """
import sys
import tensorflow_datasets as tfds
for builder in (
    tfds.builder_from_directory(sys.argv[1]),
    tfds.builder("nsynth_json/by_note", data_dir=sys.argv[2]),
):
    source = builder.as_data_source("train")
    assert len(source) == 4
    assert source[3]["audio"].shape == (64000,)
    assert builder.info.features["instrument"]["label"].num_classes == 3
assert "tensorflow" not in sys.modules
assert "wavenet_ae" not in sys.modules
"""
    process = run_python(program, path, tmp_path / "data")
    assert process.returncode == 0, process.stderr


def test_fresh_process_builds_without_tensorflow_and_in_silence(folder, tmp_path):
    program = """
import sys
from wavenet_ae.prepare.nsynth_json import build
build.build(sys.argv[1], sys.argv[2], "by_note")
import tensorflow_datasets as tfds
assert len(tfds.builder("nsynth_json/by_note", data_dir=sys.argv[2]).as_data_source("train")) == 4
assert "tensorflow" not in sys.modules
"""
    process = run_python(program, folder, tmp_path / "data")
    assert process.returncode == 0, process.stderr
    assert process.stdout == ""
    assert "downloads" not in os.listdir(tmp_path / "data")


@pytest.mark.parametrize(
    ("instruments", "expected"), [(3, (1, 1, 1)), (4, (2, 1, 1)), (20, (16, 2, 2)), (97, None)]
)
def test_shares_of_by_instrument(tmp_path, instruments, expected):
    folder = nameless(tmp_path / "notes", many_notes(instruments, 2))
    splits = read_splits(folder, "by_instrument")
    of_split = {s: {note.instrument for note in notes} for s, notes in splits.items()}
    assert tuple(of_split) == nsynth.SPLITS
    assert tuple(map(len, of_split.values())) == (expected or (77, 10, 10))
    assert len(set.union(*of_split.values())) == instruments  # nothing lost, nothing twice
    for split, notes in splits.items():
        assert len(notes) == 2 * len(of_split[split])


def test_shares_of_by_note(tmp_path):
    folder = nameless(tmp_path / "notes", many_notes(5, 40))
    splits = read_splits(folder, "by_note")
    assert {s: len(notes) for s, notes in splits.items()} == {
        "train": 160,
        "valid": 20,
        "test": 20,
    }
    assert len({note.name for notes in splits.values() for note in notes}) == 200
    assert len({note.instrument for note in splits["test"]}) == 5


def test_test_only_holds_all_notes(folder, tmp_path):
    dataset = builds.build(folder, tmp_path / "data", "test_only")
    assert dataset.splits == {"test": (6, len({e["instrument_str"] for e in LABELS.values()}))}
    assert {note["id"].decode() for note in read(dataset.path, "test")} == set(LABELS)


def test_test_only_of_nothing(tmp_path):
    with pytest.raises(UserError, match="holds no notes"):
        read_splits(nameless(tmp_path / "notes", {}), "test_only")


@pytest.mark.parametrize("config", ["by_instrument", "by_note"])
def test_splits_do_not_depend_on_the_order_of_the_file(tmp_path, config):
    entries = many_notes(10, 3)
    forward = nameless(tmp_path / "a", entries)
    backward = nameless(tmp_path / "b", dict(reversed(entries.items())))
    first, second = (
        {s: [n.name for n in notes] for s, notes in read_splits(f, config).items()}
        for f in (forward, backward)
    )
    assert first == second
    assert first["train"] != sorted(first["train"])


def test_other_fields_are_ignored_and_ours_are_enough(folder, tmp_path):
    ours = {"pitch", "velocity", "qualities", "instrument_str"}
    ours |= {"instrument_family_str", "instrument_source_str"}

    def strip(entries):
        for name, labels in entries.items():
            entries[name] = {k: v for k, v in labels.items() if k in ours} | {"mine": [1]}

    edit(folder, strip)
    path = builds.build(folder, tmp_path / "data", "by_note").path
    assert sum(len(read(path, split)) for split in nsynth.SPLITS) == 6


NAME = "flute_acoustic_001-045-100"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(f, None) for f in LABELS[NAME] if f in nsynth._FIELDS],
        ("pitch", 128),
        ("pitch", "60"),
        ("velocity", -1),
        ("instrument_family_str", "kazoo"),
        ("instrument_source_str", 1),
        ("instrument_str", ""),
        ("qualities", [0] * 9),
        ("qualities", [2] * 10),
        ("qualities", "0000000000"),
        # Not what the name tells.
        ("pitch", 46),
        ("pitch", True),
        ("velocity", 99),
        ("instrument_str", "flute_acoustic_002"),
        ("instrument_str", "half a letter: \ud800"),
    ],
)
def test_bad_labels_name_the_note_and_the_field(folder, field, value):
    def spoil(entries):
        entries[NAME][field] = value
        if value is None:
            del entries[NAME][field]

    edit(folder, spoil)
    with pytest.raises(UserError, match=rf"{NAME} has (no )?{field}"):
        read_splits(folder, "by_note")


def test_names_of_another_form_tell_nothing(folder):
    def rename(entries):
        entries["REC-001-003"] = entries.pop(NAME)

    edit(folder, rename)
    notes = note_files.parse_notes((folder / "examples.json").read_bytes(), "x")
    assert {note.name: note.pitch for note in notes}["REC-001-003"] == 45


def test_damaged_labels_are_read_or_refused_in_a_sentence(folder):
    rng, whole = random.Random(0), (folder / "examples.json").read_bytes()
    expected = note_files.parse_notes(whole, "x")
    for case in range(200):
        damaged = bytearray(whole)
        for _ in range(case % 3):
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        if not case % 3:
            del damaged[rng.randrange(len(whole)) :]
        refusal = ""
        try:
            found = note_files.parse_notes(bytes(damaged), "this/examples.json")
        except UserError as error:
            refusal = str(error)
        if refusal:
            assert refusal.startswith("this/examples.json"), case
            assert "\n" not in refusal, case
        elif not case % 3:
            assert found == expected, case  # no more than the last line's end is lost
        else:
            assert len(found) == len(expected), case


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '"note"',
        '{"a-001-001": 3}',
        "\ud800",
        '{"a": {"pitch": 1, "pitch": 2}}',
        '{"\\ud800": {}}',
        "[" * 100_000,
    ],
)
def test_broken_examples_json(folder, text):
    (folder / "examples.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(UserError, match=r"examples\.json"):
        read_splits(folder, "by_note")


def test_missing_sounds_are_found_before_building(folder, tmp_path):
    wav = folder / "audio" / f"{NAME}.wav"
    wav.unlink()
    with pytest.raises(
        UserError, match=rf"{NAME}\.wav does not exist \(1 of 1 notes have no sound"
    ):
        builds.build(folder, tmp_path / "data", "by_note")
    shutil.rmtree(folder / "audio")
    with pytest.raises(UserError, match="audio cannot be read"):
        builds.build(folder, tmp_path / "data", "by_note")


def bad_sounds():
    sound = np.zeros(64_000, np.int16)
    return {
        "44100 Hz": (sound, 44_100, "PCM_16"),
        "2 channels": (np.stack([sound, sound], 1), 16_000, "PCM_16"),
        "63999 samples": (sound[1:], 16_000, "PCM_16"),
        "64001 samples": (np.append(sound, 0).astype(np.int16), 16_000, "PCM_16"),
        "format PCM_24": (sound, 16_000, "PCM_24"),
        "format FLOAT": (sound, 16_000, "FLOAT"),
    }


@pytest.mark.parametrize("reason", bad_sounds())
def test_sounds_of_another_kind_are_refused(folder, tmp_path, reason):
    sound, rate_hz, subtype = bad_sounds()[reason]
    soundfile.write(folder / "audio" / f"{NAME}.wav", sound, rate_hz, subtype=subtype)
    with pytest.raises(UserError, match=rf"{NAME}\.wav has .*{reason}.* convert it"):
        builds.build(folder, tmp_path / "data", "by_note")
    assert leftovers(tmp_path / "data") == []


def test_broken_sound_leaves_nothing_and_can_be_mended(folder, tmp_path):
    wav = folder / "audio" / f"{NAME}.wav"
    whole = wav.read_bytes()
    wav.write_bytes(whole[:1000])
    with pytest.raises(UserError, match=rf"{NAME}\.wav breaks off: .*128,000 bytes .* 956 follow"):
        builds.build(folder, tmp_path / "data", "by_note")
    wav.write_bytes(b"not a sound")
    with pytest.raises(UserError, match=rf"{NAME}\.wav cannot be read"):
        builds.build(folder, tmp_path / "data", "by_note")
    assert leftovers(tmp_path / "data") == []
    wav.write_bytes(whole)
    assert builds.build(folder, tmp_path / "data", "by_note").is_new


def test_too_few_to_split(tmp_path):
    folder = nameless(tmp_path / "a", many_notes(2, 5))
    with pytest.raises(UserError, match=r"2 instruments, too few.*--split=by_note"):
        read_splits(folder, "by_instrument")
    assert all(read_splits(folder, "by_note").values())
    for number in (0, 2):
        folder = nameless(tmp_path / f"b{number}", many_notes(number, 1))
        with pytest.raises(UserError, match=f"{number} notes, too few"):
            read_splits(folder, "by_note")


def test_sounds_that_no_label_names_are_counted(folder, tmp_path):
    edit(folder, lambda entries: entries.pop(NAME))
    (folder / "audio" / "._x.wav").touch()  # macOS
    dataset = builds.build(folder, tmp_path / "a", "by_note")
    assert dataset.unnamed_sounds == {folder: 1}
    with tarfile.open(tmp_path / "notes.tar.gz", "w:gz") as file:
        file.add(folder, "notes")
    dataset = builds.build(tmp_path / "notes.tar.gz", tmp_path / "b", "by_note")
    assert dataset.unnamed_sounds == {tmp_path / "notes.tar.gz": 1}


def test_wrong_folder_names_the_way_out(folder, published_folder, tmp_path):
    data_dir = tmp_path / "data"
    with pytest.raises(UserError, match="use --split=published"):
        builds.build(published_folder, data_dir, "by_note")
    with pytest.raises(
        UserError, match=r"put the archive there or unpack it there.*--split=by_note"
    ):
        builds.build(folder, data_dir, "published")
    with pytest.raises(
        UserError, match=r"nothing does not exist: name the folder .* or a \.tar\.gz"
    ):
        builds.build(tmp_path / "nothing", data_dir, "by_note")
    (published_folder / "nsynth-test" / "examples.json").write_text("{}")
    with pytest.raises(UserError, match=r"nsynth-test holds no notes"):
        builds.build(published_folder, data_dir, "published")
    with pytest.raises(UserError, match="not on this machine"):
        builds.build(folder, "gs://bucket/data", "by_note")
    assert leftovers(data_dir) == []


def test_nothing_is_built_twice(folder, tmp_path):
    first = builds.build(folder, tmp_path / "data", "by_note")
    before = {p: p.stat().st_mtime_ns for p in first.path.iterdir()}
    again = builds.build(folder, tmp_path / "data", "by_note")
    assert again == first._replace(is_new=False)
    assert {p: p.stat().st_mtime_ns for p in first.path.iterdir()} == before


def test_changed_notes_are_noticed_and_overwritten_on_demand(folder, tmp_path):
    path = builds.build(folder, tmp_path / "data", "by_note").path
    old = contents(path)
    edit(folder, lambda entries: entries.pop(NAME))
    with pytest.raises(UserError, match=r"other notes .*--overwrite .*--data_dir"):
        builds.build(folder, tmp_path / "data", "by_note")
    assert contents(path) == old
    dataset = builds.build(folder, tmp_path / "data", "by_note", overwrite=True)
    assert dataset.is_new
    assert sum(size.notes for size in dataset.splits.values()) == 5
    assert leftovers(tmp_path / "data") == ["1.1.0"]


def test_changed_notes_of_the_release_are_noticed(published_folder, tmp_path):
    builds.build(published_folder, tmp_path / "data", "published")
    edit(
        published_folder / "nsynth-test",
        lambda e: next(iter(e.values())).update(qualities=[1] * 10),
    )
    with pytest.raises(UserError, match="other notes"):
        builds.build(published_folder, tmp_path / "data", "published")


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_failed_overwriting_keeps_the_older_dataset(folder, tmp_path, monkeypatch, error):
    path = builds.build(folder, tmp_path / "data", "by_note").path
    old = contents(path)

    def fail(wav, where):
        raise error

    monkeypatch.setattr(note_files, "read_audio", fail)
    with pytest.raises(error):
        builds.build(folder, tmp_path / "data", "by_note", overwrite=True)
    assert leftovers(tmp_path / "data") == ["1.1.0"]
    assert contents(path) == old


def build_and_die(folder, data_dir):
    """Builds in a process that is killed when it reads the last note."""
    program = """
import os, signal, sys
from wavenet_ae.prepare import note_files
from wavenet_ae.prepare.nsynth_json import build
read = note_files.read_audio
def read_or_die(wav, where):
    if wav.stem == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
    return read(wav, where)
note_files.read_audio = read_or_die
build.build(sys.argv[1], sys.argv[2], "by_note", overwrite=True)
"""
    last = read_splits(folder, "by_note")["test"][-1].name
    return run_python(program, folder, data_dir, last)


def test_killed_build_does_not_look_finished_and_the_next_one_cleans_up(folder, tmp_path):
    process = build_and_die(folder, tmp_path / "data")
    assert process.returncode == -signal.SIGKILL
    [left] = leftovers(tmp_path / "data")
    assert left.startswith("incomplete.")
    builder = nsynth_json.Builder(data_dir=tmp_path / "data", config="by_note")
    assert not builder.is_prepared()
    assert builds.build(folder, tmp_path / "data", "by_note").is_new
    assert leftovers(tmp_path / "data") == ["1.1.0"]


def test_killed_overwriting_loses_nothing(folder, tmp_path):
    path = builds.build(folder, tmp_path / "data", "by_note").path
    old = contents(path)
    assert build_and_die(folder, tmp_path / "data").returncode == -signal.SIGKILL
    assert not path.exists()
    assert not builds.build(folder, tmp_path / "data", "by_note").is_new
    assert contents(path) == old
    assert leftovers(tmp_path / "data") == ["1.1.0"]


def test_two_builds_do_not_disturb_each_other(folder, tmp_path):
    config_dir = builds.dataset_dir(tmp_path / "data", "by_note").parent
    config_dir.mkdir(parents=True)
    other = os.open(config_dir, os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)
    with pytest.raises(UserError, match="another process is writing"):
        builds.build(folder, tmp_path / "data", "by_note")
    os.close(other)
    assert builds.build(folder, tmp_path / "data", "by_note").is_new


def test_failure_to_write_is_the_users_error(folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        builds.build(folder, tmp_path / "file", "by_note")

    def full(wav, where):
        raise RuntimeError("write() failed: No space left on device")

    monkeypatch.setattr(note_files, "read_audio", full)
    with pytest.raises(UserError, match=r"cannot be written: .*No space left"):
        builds.build(folder, tmp_path / "data", "by_note")
    assert leftovers(tmp_path / "data") == []
