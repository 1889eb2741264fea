"""Notes in archives: the same dataset as from folders, and what is said of archives that fail."""

import gc
import gzip
import io
import json
import shutil
import tarfile

import numpy as np
import pytest
import soundfile
import tensorflow_datasets as tfds
from sine_notes import write_notes

from wavenet_ae.data import nsynth
from wavenet_ae.data.input_pipeline import open_split, training_batches
from wavenet_ae.prepare.nsynth_json import build as builds
from wavenet_ae.prepare.nsynth_json import collection
from wavenet_ae.prepare.nsynth_json import nsynth_json_dataset_builder as dataset_builder
from wavenet_ae.prepare.nsynth_json.archive import Archive
from wavenet_ae.system.errors import UserError

NAMES = [f"bass_synthetic_{i:03d}-{pitch:03d}-100" for i in range(3) for pitch in (40, 50, 60, 70)]
SPLITS = {"train": NAMES[:7], "valid": NAMES[7:9], "test": NAMES[9:]}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """12 notes in one folder, `all`, and split as NSynth's release is."""
    root = tmp_path_factory.mktemp("unpacked")
    write_notes(root / "all", NAMES)
    for split, names in SPLITS.items():
        write_notes(root / f"nsynth-{split}", names)
    return root


def content(folder):
    """What an archive of the folder holds: name → bytes, the names in turn."""
    files = sorted(folder.glob("audio/*.wav"))
    return {f"{folder.name}/{file.relative_to(folder)}": file.read_bytes() for file in files}


def labels(folder):
    return {f"{folder.name}/examples.json": (folder / "examples.json").read_bytes()}


def packed(members):
    """Returns a tar archive; members are pairs of name and bytes."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def write_archive(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(packed(members), 1))
    return path


def write_release(folder, unpacked):
    """NSynth's three archives, with examples.json at the beginning, in the middle, at the end."""
    for split, place in (("train", 3), ("valid", 0), ("test", 100)):
        one = unpacked / f"nsynth-{split}"
        members = list(content(one).items())
        members[place:place] = labels(one).items()
        write_archive(folder / f"nsynth-{split}.jsonwav.tar.gz", members)
    return folder


def metadata(dataset):
    return json.loads((dataset.path / "metadata.json").read_text())


def stored_ids(dataset, split):
    records = tfds.builder_from_directory(dataset.path).as_data_source(split)
    return [record["id"].decode() for record in records]


def assert_same_notes(name, one, other):
    """Compares all notes of two datasets, and their batches in training."""
    for split in nsynth.SPLITS:
        first, second = (open_split(name, str(data_dir), split) for data_dir in (one, other))
        assert [note["id"] for note in first] == [note["id"] for note in second]
        for a, b in zip(first, second, strict=True):
            assert a.keys() == b.keys()
            for key in a:
                np.testing.assert_array_equal(a[key], b[key])
        settings = {"seed": 0, "batch_size": 2, "crop_samples": 100}
        batches = [training_batches(notes, **settings) for notes in (first, second)]
        for _, a, b in zip(range(3), *batches, strict=False):
            np.testing.assert_array_equal(a["audio"], b["audio"])


def test_release_in_archives_is_the_release_in_folders(unpacked, tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_builder, "_MOST_NOTES_PER_SHARD", 3)
    from_folders = builds.build(unpacked, tmp_path / "a", "published")
    release = write_release(tmp_path / "release", unpacked)
    from_archives = builds.build(release, tmp_path / "b", "published")
    assert from_archives.splits == from_folders.splits
    assert from_archives.splits["train"] == builds.SplitSize(7, 2)
    assert_same_notes("nsynth_json/published", tmp_path / "a", tmp_path / "b")
    # The files hold them as the archives do, in shards of equal length.
    assert [stored_ids(from_archives, split) for split in nsynth.SPLITS] == list(SPLITS.values())
    info = tfds.builder_from_directory(from_archives.path).info
    assert info.splits["train"].shard_lengths == [2, 2, 3]
    assert "order" not in metadata(from_folders)
    assert set(metadata(from_archives)["order"]) == {"train", "valid"}  # test is in order
    # A dataset of the one is a dataset of the other, and both may be there in part.
    assert not builds.build(release, tmp_path / "a", "published").is_new
    assert not builds.build(unpacked, tmp_path / "b", "published").is_new
    shutil.copytree(unpacked / "nsynth-train", release / "nsynth-train")
    (release / "nsynth-train.jsonwav.tar.gz").write_bytes(b"the unpacked folder is preferred")
    mixed = builds.build(release, tmp_path / "c", "published")
    assert metadata(mixed)["fingerprint"] == metadata(from_folders)["fingerprint"]
    assert_same_notes("nsynth_json/published", tmp_path / "a", tmp_path / "c")


@pytest.mark.parametrize("config", ["by_note", "by_instrument"])
def test_one_archive_is_split_as_its_folder(unpacked, tmp_path, config):
    folder = unpacked / "all"
    builds.build(folder, tmp_path / "a", config)
    # As `tar cz .` on macOS packs it, with files that are not ours.
    members = [
        ("./._examples.json", b"macOS"),
        ("./audio/._" + NAMES[0] + ".wav", b"macOS"),
        ("./audio/flute_acoustic_000-001-100.wav", b"a sound that no label is of"),
        ("./" + NAMES[0] + ".wav", b"a sound beside audio/"),
        *((f"./{name.split('/', 1)[1]}", data) for name, data in content(folder).items()),
        ("./examples.json", (folder / "examples.json").read_bytes()),
    ]
    archive = write_archive(tmp_path / "notes.tar.gz", members)
    dataset = builds.build(archive, tmp_path / "b", config)
    assert sum(size.notes for size in dataset.splits.values()) == len(NAMES)
    assert_same_notes(f"nsynth_json/{config}", tmp_path / "a", tmp_path / "b")


def test_labels_are_read_once_and_not_beyond(unpacked, tmp_path, monkeypatch):
    folder = unpacked / "all"
    members = [*labels(folder).items(), *content(folder).items()]
    archive = write_archive(tmp_path / "notes.tar.gz", members)
    read_labels, calls = Archive.read_labels, []

    def counted(self):
        calls.append(self.path)
        return read_labels(self)

    monkeypatch.setattr(Archive, "read_labels", counted)
    builds.build(archive, tmp_path / "data", "by_note")
    assert calls == [archive]
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    assert Archive(cut).read_labels() == (folder / "examples.json").read_bytes()


def test_what_has_been_read_is_let_go(unpacked, tmp_path):
    folder = unpacked / "all"
    members = [*labels(folder).items(), *content(folder).items()]
    archive = write_archive(tmp_path / "notes.tar.gz", members)
    notes = collection.read_collection([archive], "by_note").splits["train"].notes
    most = 0
    for _ in Archive(archive).sounds(notes):
        most = max(most, sum(type(item) is tarfile.TarInfo for item in gc.get_objects()))
    assert most <= 2


def with_sound(members, samples, **settings):
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, format="WAV", **settings)
    return [*members[:-1], (members[-1][0], buffer.getvalue())]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda m: b"not an archive", r"not a complete \.tar\.gz archive \(.*: download it again"),
        (lambda m: b"", r"not a complete \.tar\.gz archive \(.*: download it again"),
        (lambda m: packed(m), r"not a complete \.tar\.gz archive \(.*: download it again"),
        (lambda m: gzip.compress(b"not a tar archive"), r"not a complete .*: download it again"),
        (lambda m: gzip.compress(packed(m))[:-100_000], r"not a complete .*: download it again"),
        (lambda m: gzip.compress(packed(m))[:-8], r"not a complete .*: download it again"),
        (
            lambda m: gzip.compress(packed(m))[:-8] + bytes(8),
            r"CRC check failed.*download it again",
        ),
        (lambda m: gzip.compress(packed(m)[:-130_000]), r"not a complete .*: download it again"),
        (lambda m: m[1:], r"tar\.gz holds no examples\.json: download it again"),
        (lambda m: [("x/examples.json", b"{"), *m[1:]], r"examples\.json in .* is not valid JSON"),
        (
            lambda m: m[:-1],
            rf"does not hold audio/{NAMES[-1]}\.wav \(1 of 3 notes of the split have no sound\)",
        ),
        (lambda m: [*m, m[-1]], rf"holds {NAMES[-1]} twice.*download or pack it again"),
        (lambda m: [*m, m[0]], r"holds examples\.json twice"),
        (lambda m: with_sound(m, np.zeros(64_000), samplerate=8_000), r"in .* has 8000 Hz"),
        (lambda m: with_sound(m, np.zeros(7), samplerate=16_000), r"in .* 7 samples of format"),
        (lambda m: [*m[:-1], (m[-1][0], b"noise")], rf"{NAMES[-1]}\.wav in .* cannot be read"),
    ],
)
def test_archives_that_fail_leave_nothing(unpacked, tmp_path, spoil, reason):
    release = write_release(tmp_path / "release", unpacked)
    folder = unpacked / "nsynth-test"
    archive = release / "nsynth-test.jsonwav.tar.gz"
    spoilt = spoil([*labels(folder).items(), *content(folder).items()])
    if isinstance(spoilt, bytes):
        archive.write_bytes(spoilt)
    else:
        write_archive(archive, spoilt)
    with pytest.raises(UserError, match=reason) as error:
        builds.build(release, tmp_path / "data", "published")
    assert str(archive) in str(error.value)
    assert not list(tmp_path.glob("data/nsynth_json/published/*"))


def test_archives_that_are_missing_or_misplaced(unpacked, tmp_path):
    release, data_dir = write_release(tmp_path / "release", unpacked), tmp_path / "data"
    archive = release / "nsynth-valid.jsonwav.tar.gz"
    with pytest.raises(UserError, match=r"is one archive, .*--split=by_note"):
        builds.build(archive, data_dir, "published")
    with pytest.raises(UserError, match=r"use --split=published or name one"):
        builds.build(release, data_dir, "by_note")
    archive.unlink()
    with pytest.raises(
        UserError, match=rf"{archive} nor .*put the archive there or unpack it there"
    ):
        builds.build(release, data_dir, "published")
    assert not data_dir.exists()


def test_an_order_that_does_not_fit_is_refused(unpacked, tmp_path):
    release = write_release(tmp_path / "release", unpacked)
    dataset = builds.build(release, tmp_path / "data", "published")
    damaged = metadata(dataset)
    damaged["order"]["train"][0] = 7
    for text in (json.dumps(damaged), "{", "[]", '{"order": {"train": null}}'):
        (dataset.path / "metadata.json").write_text(text)
        with pytest.raises(UserError, match=r"'train' of .* metadata\.json is damaged: build"):
            open_split("nsynth_json/published", str(tmp_path / "data"), "train")
