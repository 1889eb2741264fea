import hashlib
import json
import shutil
import time

import numpy as np
import pytest
import soundfile
from conftest import DUMMY_NOTES
from sine_notes import build_splits, write_notes

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.statistics import collection, findings, sounds
from wavenet_ae.prepare.statistics.collection import collect
from wavenet_ae.prepare.statistics.description import describe
from wavenet_ae.prepare.statistics.splits import Split, open_dataset, open_notes
from wavenet_ae.system import worker_pool
from wavenet_ae.system.errors import UserError

# All sounds differ: no two notes have one pitch and one velocity.
TRAIN = [f"bass_synthetic_000-{pitch:03d}-100" for pitch in (40, 41, 44)]
TEST = ["flute_acoustic_001-060-050", "flute_acoustic_001-060-075"]


@pytest.fixture
def release(tmp_path):
    """Two of the three folders of a release, in which nothing is wrong."""
    write_notes(tmp_path / "nsynth-train", TRAIN)
    write_notes(tmp_path / "nsynth-test", TEST)
    return tmp_path


def look(folder, **settings):
    return describe(collect(open_notes(folder, **settings), **settings), {})


def wav(release, name):
    (path,) = release.glob(f"*/audio/{name}.wav")
    return path


def rewrite(release, name, change):
    """Changes a note's samples."""
    path = wav(release, name)
    samples, rate_hz = soundfile.read(path, dtype="int16")
    soundfile.write(path, change(samples).astype(np.int16), rate_hz)


def edit(folder, change):
    path = folder / "examples.json"
    entries = json.loads(path.read_text())
    change(entries)
    path.write_text(json.dumps(entries))


def names(listed):
    return [note["name"] for note in listed]


def test_nothing_is_found_where_nothing_is_wrong(release):
    document = look(release)
    assert document["warnings"] == []
    found = document["findings"]
    (shared,) = found.pop("shared_instruments")
    assert (shared["splits"], shared["count"], shared["of"]) == (["train", "test"], 0, [1, 1])
    assert set(map(tuple, found.values())) == {()}


def test_numbers(release):
    document = look(release)
    assert list(document["splits"]) == ["train", "test"]
    everything, train = document["all"], document["splits"]["train"]
    assert (everything["notes"], train["notes"]) == (5, 3)
    assert (everything["instruments"], train["instruments"]) == (2, 1)
    assert everything["hours"] == pytest.approx(5 * 4 / 3600)
    table = everything["notes_by_family_and_source"]
    assert table["bass"] == {"acoustic": 0, "electronic": 0, "synthetic": 3, "total": 3}
    assert table["total"] == {"acoustic": 2, "electronic": 0, "synthetic": 3, "total": 5}
    assert train["notes_by_family_and_source"]["flute"]["total"] == 0
    instruments = everything["instruments_by_family_and_source"]
    assert (instruments["bass"]["synthetic"], instruments["total"]["total"]) == (1, 2)
    assert everything["pitches"] == {
        "lowest": 40,
        "highest": 60,
        "missing": [42, 43, *range(45, 60)],
        "notes_beyond_piano": 0,
        "counts": {"40": 1, "41": 1, "44": 1, "60": 2},
    }
    assert everything["velocities"] == {"50": 1, "75": 1, "100": 3}
    assert everything["notes_of_instruments"] == {
        "fewest": 2,
        "median": 2.5,
        "mean": 2.5,
        "most": 3,
        "counts": {"bass_synthetic_000": 3, "flute_acoustic_001": 2},
    }
    assert everything["pitches_per_instrument"] == 2
    assert everything["velocities_per_pitch"] == 5 / 4
    counted = everything["sounds"]
    assert (counted["measured"], sum(counted["peaks"]["counts"])) == (5, 5)


def test_an_instrument_of_two_sources_counts_once_in_the_totals(release):
    def change(entries):
        entries[TRAIN[0]]["instrument_source_str"] = "acoustic"

    edit(release / "nsynth-train", change)
    table = look(release, with_sounds=False)["all"]["instruments_by_family_and_source"]
    assert table["bass"] == {"acoustic": 1, "electronic": 0, "synthetic": 1, "total": 1}


def test_qualities_and_which_go_together(release):
    rows = {TRAIN[0]: "1100000000", TRAIN[1]: "1000000000", TRAIN[2]: "1101000000"}
    rows |= {TEST[0]: "0000000001", TEST[1]: "0000000000"}
    for folder in (release / "nsynth-train", release / "nsynth-test"):

        def change(entries):
            for name in entries:
                entries[name]["qualities"] = [*map(int, rows[name])]

        edit(folder, change)
    found = look(release)["all"]["qualities"]
    expected = {"bright": 3, "dark": 2, "fast_decay": 1, "tempo-synced": 1, "none": 1}
    assert {name: count for name, count in found["counts"].items() if count} == expected
    assert found["shares"]["bright"] == 3 / 5
    assert found["shares_by_family"]["bass"]["dark"] == pytest.approx(2 / 3)
    assert found["shares_by_family"]["flute"]["none"] == 1 / 2
    assert found["shares_by_family"]["organ"] is None
    counts, given = found["together"]["counts"], found["together"]["share_given"]
    assert counts["bright"]["dark"] == counts["dark"]["bright"] == 2
    # Of the dark notes all are bright; of the bright ones two thirds are dark.
    assert given["dark"]["bright"] == 1
    assert given["bright"]["dark"] == pytest.approx(2 / 3)
    assert given["reverb"]["bright"] is None


def test_silent_notes(release):
    rewrite(release, TRAIN[0], lambda samples: np.zeros_like(samples))
    rewrite(release, TEST[0], lambda samples: np.zeros_like(samples))
    rewrite(release, TRAIN[1], lambda samples: np.clip(samples, -32, 32))  # -60.2 dBFS
    rewrite(release, TRAIN[2], lambda samples: np.clip(samples, -33, 33))  # -59.9 dBFS
    document = look(release)
    assert names(document["findings"]["silent"]) == [TRAIN[0], TRAIN[1], TEST[0]]
    # Silence is no duplicate of silence.
    assert document["warnings"] == ["Silent: 3 notes not above -60 dBFS."]
    counted = document["all"]["sounds"]
    assert (counted["silent"], counted["digital_silence"]) == (3, 2)
    assert counted["peaks"]["counts"][:2] == [3, 1]


@pytest.mark.parametrize(
    ("planted", "is_clipped"),
    [
        ([32_767] * 3, True),
        ([-32_768] * 3, True),
        ([-32_767] * 4, True),
        ([32_767] * 2, False),
        ([32_766] * 3, False),
        ([32_767, -32_768, 32_767], False),
        ([32_767, 32_767, 0, 32_767], False),
    ],
)
def test_clipped_notes(release, planted, is_clipped):
    def plant(samples):
        samples[-len(planted) :] = planted  # at the end, where the sine is soft
        return samples

    rewrite(release, TEST[1], plant)
    document = look(release)
    assert names(document["findings"]["clipped"]) == ([TEST[1]] if is_clipped else [])
    assert any("Clipped: 1 note with 3" in line for line in document["warnings"]) == is_clipped


def test_dc_offset(release):
    rewrite(release, TRAIN[0], lambda samples: samples // 2 - 400)
    rewrite(release, TRAIN[1], lambda samples: samples // 2 + 300)
    (note,) = look(release)["findings"]["dc_offset"]
    assert (note["split"], note["name"]) == ("train", TRAIN[0])
    assert note["mean"] == pytest.approx(-400 / 32_768, abs=2e-4)


def test_integers_and_floats_are_one_sound():
    rng = np.random.default_rng(0)
    integers = rng.integers(-32_768, 32_768, 1000).astype(np.int16)
    integers[5:9] = 32_767
    integers[20] = 0
    floats = integers.astype(np.float32) / 32_768
    floats[20] = -0.0
    facts = sounds.measure(integers)
    assert sounds.measure(floats) == sounds.measure(floats.astype(">f4")) == facts
    assert facts.longest_run == 4
    assert facts.num_samples == 1000
    assert sounds.measure(integers[::-1].copy()).digest != facts.digest
    assert sounds.measure(np.int16([0, -16_384, 8_192])).peak == 0.5
    loud = sounds.measure(np.float32([0, 1.5, 1.5, 1.5, -0.5]))
    assert (loud.peak, loud.longest_run, loud.mean) == (1.5, 3, 0.8)


def test_same_sounds(release):
    shutil.copy(wav(release, TRAIN[0]), wav(release, TEST[0]))
    shutil.copy(wav(release, TRAIN[1]), wav(release, TRAIN[2]))
    document = look(release)
    across, within = document["findings"]["same_sounds"]
    assert across == {
        "notes": [{"split": "train", "name": TRAIN[0]}, {"split": "test", "name": TEST[0]}],
        "crosses_splits": True,
    }
    assert names(within["notes"]) == TRAIN[1:]
    assert not within["crosses_splits"]
    assert document["warnings"] == [
        "Leak: 1 sound in more than one split, under different names.",
        "Duplicates: 1 sound within a split, under different names.",
    ]


@pytest.mark.parametrize("same_sound", [True, False])
def test_a_name_in_two_splits_and_the_instrument_with_it(release, same_sound):
    write_notes(release / "nsynth-valid", TRAIN[:1])
    if not same_sound:
        path = release / "nsynth-valid" / "audio" / f"{TRAIN[0]}.wav"
        soundfile.write(path, np.arange(64_000, dtype=np.int16), 16_000)
    document = look(release)
    assert document["findings"]["repeated_names"] == [
        {
            "name": TRAIN[0],
            "splits": ["train", "valid"],
            "crosses_splits": True,
            "same_sound": same_sound,
        }
    ]
    assert document["findings"]["same_sounds"] == []  # it has one name
    assert document["warnings"][:2] == [
        "Leak: 1 name in more than one split.",
        "Shared: 1 instrument of train (1) and valid (1).",
    ]
    shared = {tuple(p["splits"]): p["count"] for p in document["findings"]["shared_instruments"]}
    assert shared == {("train", "valid"): 1, ("train", "test"): 0, ("valid", "test"): 0}


def test_a_name_twice_in_one_file(release):
    path = release / "nsynth-test" / "examples.json"
    text = path.read_text()
    path.write_text(f"{text[:-1]}, {text[1:]}")
    document = look(release)
    assert document["splits"]["test"]["notes"] == 4
    assert names(document["findings"]["repeated_names"]) == TEST
    assert document["findings"]["repeated_names"][0]["same_sound"]
    assert document["warnings"] == ["Duplicates: 2 names within a split."]


def test_labels_alone_tell_nothing_of_sounds(release):
    shutil.rmtree(release / "nsynth-train" / "audio")
    document = look(release, with_sounds=False)
    with pytest.raises(UserError, match="audio cannot be read"):
        look(release)
    assert document["all"]["notes"] == 5
    for part in (*document["splits"].values(), document["all"]):
        assert part["sounds"] is part["hours"] is None
    for what in ("silent", "clipped", "dc_offset", "same_sounds"):
        assert document["findings"][what] is None


# Of the labels of the release above, on every machine.
FINGERPRINT = "28dcd3c3421e8f1bec672d64f5e0fad53030dbabb4523ba75643650e3c55c8b7"


def by_hand(release):
    """The fingerprint of labels and sounds, as its description says."""
    lines = []
    for name in TRAIN + TEST:
        instrument, pitch, velocity = name.split("-")
        family, source, _ = instrument.split("_")
        flags = "0001000000"
        split = "train" if name in TRAIN else "test"
        samples, _ = soundfile.read(wav(release, name), dtype="int16")
        digest = hashlib.sha256((samples / 32_768).astype("<f4").tobytes()).hexdigest()
        lines.append(
            f'"{split}" ["{name}","{instrument}",{int(pitch)},{int(velocity)},"{family}",'
            f'"{source}","{flags}"] {digest}\n'
        )
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def hashes(release, **settings):
    return look(release, **settings)["fingerprints"]


def test_fingerprints_do_not_depend_on_order_and_form(release, tmp_path):
    first = hashes(release)
    assert first["dataset"] == {"labels": FINGERPRINT, "labels_and_sounds": by_hand(release)}
    assert hashes(release, with_sounds=False)["dataset"] == {
        "labels": FINGERPRINT,
        "labels_and_sounds": None,
    }
    edit(
        release / "nsynth-train",
        lambda entries: [entries.update({name: entries.pop(name)}) for name in sorted(entries)],
    )
    assert hashes(release) == first
    # As a dataset, and in one folder: other splits, the same notes.
    data_dir = build_splits(
        tmp_path / "other", {"train": TRAIN, "valid": TEST[:1], "test": TEST[1:]}
    )
    dataset = describe(collect(open_dataset("nsynth_json/published", str(data_dir))), {})
    write_notes(tmp_path / "folder", [*TEST, *TRAIN])
    for other in (dataset["fingerprints"], hashes(tmp_path / "folder")):
        assert other["notes"] == first["notes"]
        assert other["dataset"] != first["dataset"]
    assert dataset["fingerprints"]["splits"]["train"] == first["splits"]["train"]


@pytest.mark.parametrize("what", ["sample", "velocity", "qualities", "name"])
def test_fingerprints_see_every_change(release, what):
    before = hashes(release)

    def change(entries):
        if what == "qualities":
            entries[TRAIN[0]][what] = [1] + [0] * 9
            return
        name = {"name": "other", "velocity": TRAIN[0].replace("-100", "-099")}[what]
        entries[name] = entries.pop(TRAIN[0])
        wav(release, TRAIN[0]).rename(release / "nsynth-train" / "audio" / f"{name}.wav")
        if what == "velocity":
            entries[name][what] = 99

    if what == "sample":
        rewrite(release, TRAIN[0], lambda samples: samples + (np.arange(64_000) == 7))
    else:
        edit(release / "nsynth-train", change)
    after = hashes(release)
    for key in ("dataset", "notes"):
        assert before[key]["labels_and_sounds"] != after[key]["labels_and_sounds"]
        assert (before[key]["labels"] == after[key]["labels"]) == (what == "sample")
    assert before["splits"]["test"] == after["splits"]["test"]
    assert before["splits"]["train"] != after["splits"]["train"]


def test_sounds_that_cannot_be_read_are_listed_and_the_others_go_on(release):
    wav(release, TRAIN[1]).write_bytes(b"no sound")
    document = look(release)
    (note,) = document["findings"]["unreadable"]
    assert (note["split"], note["name"]) == ("train", TRAIN[1])
    assert "cannot be read" in note["reason"]
    assert document["all"]["notes"] == 5
    assert document["all"]["sounds"]["measured"] == 4
    assert document["warnings"] == ["Unreadable: 1 note."]
    found = document["fingerprints"]
    assert found["dataset"]["labels"] == FINGERPRINT
    assert found["dataset"]["labels_and_sounds"] is None
    assert found["splits"]["test"]["labels_and_sounds"] is not None


def test_sounds_that_no_label_names_are_counted(release):
    edit(release / "nsynth-train", lambda entries: entries.pop(TRAIN[1]))
    document = look(release)
    assert document["warnings"] == ["Passed over: 1 sound that examples.json does not list."]
    expected = [{"split": "train", "name": f"{TRAIN[1]}.wav"}]
    assert document["findings"]["unnamed_sounds"] == expected
    assert look(release, with_sounds=False)["warnings"] == []


def test_archives_beside_folders_are_told(release, capsys):
    (release / "nsynth-valid.jsonwav.tar.gz").touch()
    (release / "nsynth-train.jsonwav.tar.gz").touch()  # the folder of it is there
    assert [split.name for split in open_notes(release)] == ["train", "test"]
    told = f"passed over, as it is not unpacked: {release / 'nsynth-valid.jsonwav.tar.gz'}\n"
    assert capsys.readouterr().err == told
    shutil.copy(release / "nsynth-train" / "examples.json", release)
    with pytest.raises(
        UserError, match=r"holds examples\.json and nsynth-train, and the two are not"
    ):
        open_notes(release)


def test_a_damaged_dataset(data_dir, tmp_path):
    shutil.copytree(data_dir, tmp_path / "copy")
    (file,) = (tmp_path / "copy").glob("nsynth_json/by_note/*/*-train.array_record*")
    whole = file.read_bytes()
    content = bytearray(whole)
    content[content.index(bytes(1000)) // 2] ^= 0xFF
    file.write_bytes(content)
    document = describe(collect(open_dataset("nsynth_json/by_note", str(tmp_path / "copy"))), {})
    (note,) = document["findings"]["unreadable"]
    assert (note["split"], note["name"]) == ("train", None)
    assert "is damaged" in note["reason"]
    assert document["splits"]["train"]["notes"] == 3
    assert set(document["fingerprints"]["dataset"].values()) == {None}
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match="no note of the split 'train' can be read"):
        collect(open_dataset("nsynth_json/by_note", str(tmp_path / "copy")))


def test_a_dataset_and_its_notes_hold_the_same(data_dir):
    for with_sounds in (True, False):
        dataset, notes = (
            describe(collect(splits, with_sounds=with_sounds), {})
            for splits in (
                open_dataset("nsynth_json/by_note", str(data_dir)),
                open_notes(DUMMY_NOTES, with_sounds=with_sounds),
            )
        )
        assert list(dataset["splits"]) == list(nsynth.SPLITS)
        assert list(notes["splits"]) == ["notes"]
        assert dataset["all"] == notes["all"]
        assert dataset["fingerprints"]["notes"] == notes["fingerprints"]["notes"]
        # The three instruments are split by note.
        shared = {pair["count"] for pair in dataset["findings"]["shared_instruments"]}
        assert max(shared) >= 1


def made_up(count, load):
    def read(index):
        name = f"bass_synthetic_000-{index:03d}-100"
        labels = ("bass_synthetic_000", index % 128, 100, "bass", "synthetic", (False,) * 10)
        return nsynth.Note(name, *labels), lambda: load(index)

    return Split("train", count, read)


def test_the_number_of_threads_changes_nothing(monkeypatch):
    def load(index):
        return np.full(100, index % 7, np.int16)

    documents = []
    for threads in (1, 8):
        monkeypatch.setattr(worker_pool, "num_cores", lambda threads=threads: threads)
        documents.append(describe(collect([made_up(500, load)]), {}))
    assert documents[0] == documents[1]
    assert documents[0]["all"]["sounds"]["measured"] == 500


@pytest.mark.parametrize("where", ["reading", "showing"])
def test_an_interruption_ends_the_reading(monkeypatch, where):
    read = []

    def interrupt(*args):
        raise KeyboardInterrupt

    def load(index):
        read.append(index)
        if where == "reading" and not index:
            interrupt()
        time.sleep(0.001)
        return np.ones(1, np.int16)

    if where == "showing":
        monkeypatch.setattr(collection.tqdm, "update", interrupt)

    with pytest.raises(KeyboardInterrupt):
        collect([made_up(100_000, load)])
    assert len(read) < 10_000


@pytest.mark.parametrize(
    ("change", "wanted", "reason"),
    [
        (lambda root: None, ["valid"], "no split 'valid', only train, test"),
        (lambda root: shutil.rmtree(root), [], "holds neither examples.json nor a folder"),
        (lambda root: (root / "nsynth-test/examples.json").write_text("{}"), [], "holds no notes"),
        (lambda root: (root / "nsynth-test/examples.json").write_text("{"), [], "not valid JSON"),
        (lambda root: wav(root, TEST[0]).unlink(), [], r"wav does not exist \(1 of 2"),
    ],
)
def test_notes_that_are_not_there(release, change, wanted, reason):
    change(release)
    with pytest.raises(UserError, match=reason):
        open_notes(release, wanted)


@pytest.mark.parametrize(
    ("name", "wanted", "reason"),
    [
        ("no_such_dataset", [], "there is no dataset 'no_such_dataset'"),
        ("nsynth_json/by_instrument", [], "build it with wavenet-ae build-dataset"),
        ("nsynth_json/by_note", ["holdout"], "no split 'holdout', only"),
    ],
)
def test_datasets_that_are_not_there(data_dir, name, wanted, reason):
    with pytest.raises(UserError, match=reason):
        open_dataset(name, str(data_dir), wanted)


def test_sentences_are_singular_and_plural():
    pair = {"splits": ["train", "test"], "of": [1000, 5], "instruments": []}
    found = dict.fromkeys(("silent", "clipped", "dc_offset", "same_sounds"))
    found |= {"repeated_names": [], "unreadable": [{}] * 1234}
    assert findings.sentences(found | {"shared_instruments": [pair | {"count": 2}]}) == [
        "Shared: 2 instruments of train (1,000) and test (5).",
        "Unreadable: 1,234 notes.",
    ]
