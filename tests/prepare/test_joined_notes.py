"""Several folders of notes become one dataset."""

import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow_datasets as tfds

from wavenet_ae.data import nsynth
from wavenet_ae.prepare import nsynth_json
from wavenet_ae.prepare.nsynth_json import build as builds
from wavenet_ae.prepare.nsynth_json.collection import read_collection
from wavenet_ae.system.errors import UserError

DUMMY_DATA = Path(nsynth_json.__file__).parent / "dummy_data"
TEMPLATE = next(iter(json.loads((DUMMY_DATA / "examples.json").read_text()).values()))


def write_notes(folder, instruments, pitches=(60, 61), sound=0):
    """Writes notes whose every sample is `sound` plus the pitch."""
    (folder / "audio").mkdir(parents=True)
    entries = {}
    for instrument in instruments:
        for pitch in pitches:
            name = f"{instrument}-{pitch:03d}-100"
            family, source = nsynth.parse_instrument_name(instrument) or ("bass", "acoustic")
            entries[name] = TEMPLATE | {
                "instrument_str": instrument,
                "pitch": pitch,
                "velocity": 100,
                "instrument_family_str": family,
                "instrument_source_str": source,
            }
            samples = np.full(nsynth.NOTE_SAMPLES, sound + pitch, np.int16)
            soundfile.write(folder / "audio" / f"{name}.wav", samples, 16_000, "PCM_16")
    (folder / "examples.json").write_text(json.dumps(entries))
    return folder


def pack(folder):
    archive = folder.with_suffix(".tar.gz")
    with tarfile.open(archive, "w:gz") as file:
        file.add(folder, folder.name)
    shutil.rmtree(folder)
    return archive


BASSES = [f"bass_acoustic_{i:03d}" for i in range(3)]


@pytest.mark.parametrize("packed", [False, True])
def test_taken_names_get_the_next_number_and_their_own_sounds(tmp_path, packed):
    first = write_notes(tmp_path / "first", BASSES, sound=1000)
    second = write_notes(tmp_path / "second", [*BASSES[1:], "organ_acoustic_000"], sound=2000)
    if packed:
        second = pack(second)
    dataset = builds.build([first, second], tmp_path / "data", "by_note")
    assert sum(size.notes for size in dataset.splits.values()) == 12
    expected = {
        f"{name}-{pitch:03d}-100": sound + pitch
        for name, sound in [
            *((name, 1000) for name in BASSES),
            ("bass_acoustic_003", 2000),
            ("bass_acoustic_004", 2000),
            ("organ_acoustic_000", 2000),
        ]
        for pitch in (60, 61)
    }
    found = {}
    builder = tfds.builder_from_directory(dataset.path)
    labels = builder.info.features["instrument"]["label"]
    for split in nsynth.SPLITS:
        for note in builder.as_data_source(split):
            name = note["id"].decode()
            found[name] = set(note["audio"].tolist())
            assert labels.int2str(note["instrument"]["label"]) == name.rsplit("-", 2)[0]
    assert found == {name: {sample} for name, sample in expected.items()}


def test_an_instrument_is_held_out_of_all_folders(tmp_path):
    names = [f"bass_acoustic_{i:03d}" for i in range(20)]
    folders = [write_notes(tmp_path / f"{i}", names, pitches=(60,)) for i in range(2)]
    splits = read_collection(folders, "by_instrument").splits
    alone = read_collection(folders[:1], "by_instrument").splits
    for split in nsynth.SPLITS:
        numbers = {int(note.instrument[-3:]) for note in splits[split].notes}
        kinds = {int(note.instrument[-3:]) for note in alone[split].notes}
        # The second folder's come after the first one's, in the same order.
        assert numbers == kinds | {20 + kind for kind in kinds}


@pytest.mark.parametrize("config", ["by_instrument", "by_note"])
def test_notes_for_training_only_leave_the_split_of_the_others(tmp_path, config):
    notes = write_notes(tmp_path / "notes", [f"bass_acoustic_{i:03d}" for i in range(20)])
    more = write_notes(tmp_path / "more", [f"bass_acoustic_{i:03d}" for i in range(30)])
    alone = read_collection([notes], config)
    both = read_collection([notes], config, [more])
    names = {s: {note.name for note in alone.splits[s].notes} for s in nsynth.SPLITS}
    for split in ("valid", "test"):
        assert {note.name for note in both.splits[split].notes} == names[split]
    added = {note.name for note in both.splits["train"].notes} - names["train"]
    assert len(added) == 60
    assert min(int(name[14:17]) for name in added) == 20
    joined = read_collection([notes, more], config)
    assert len({alone.fingerprint, both.fingerprint, joined.fingerprint}) == 3


@pytest.mark.parametrize("config", ["test_only", "published"])
def test_splits_without_training_refuse_notes_for_it(tmp_path, config):
    notes = write_notes(tmp_path / "notes", BASSES)
    with pytest.raises(UserError, match=f"--split={config} .* leave out --train_only"):
        read_collection([notes], config, [tmp_path / "more"])


def test_the_order_of_folders_is_part_of_the_fingerprint(tmp_path):
    a, b = write_notes(tmp_path / "a", BASSES), write_notes(tmp_path / "b", BASSES, (62,))
    prints = {read_collection(order, "by_note").fingerprint for order in ([a], [a, b], [b, a])}
    assert len(prints) == 3


def test_names_without_a_number_must_differ(tmp_path):
    folders = [write_notes(tmp_path / f"{i}", ["my_piano"]) for i in range(2)]
    with pytest.raises(UserError, match="has the instrument my_piano, as another folder has"):
        read_collection(folders, "by_note")


@pytest.mark.parametrize("packed", [False, True])
def test_notes_that_are_named_twice_are_refused(tmp_path, monkeypatch, packed):
    notes = write_notes(tmp_path / "notes", BASSES)
    if packed:
        notes = pack(notes)
    (tmp_path / "link").symlink_to(notes)
    monkeypatch.chdir(tmp_path)
    for again in (Path(notes.name), tmp_path / "link", tmp_path / "." / "x" / ".." / notes.name):
        with pytest.raises(UserError, match=f"{again} and {notes} are the same notes"):
            read_collection([notes, again], "by_note")


def test_no_number_is_left(tmp_path):
    folders = [write_notes(tmp_path / f"{i}", ["bass_acoustic_999"]) for i in range(2)]
    with pytest.raises(UserError, match="no number is left to distinguish them"):
        read_collection(folders, "by_note")


def test_a_missing_sound_is_found_before_building(tmp_path):
    folders = [write_notes(tmp_path / f"{i}", BASSES) for i in range(2)]
    (folders[1] / "audio" / "bass_acoustic_001-061-100.wav").unlink()
    with pytest.raises(UserError, match=r"bass_acoustic_001-061-100.wav does not exist"):
        builds.build(folders, tmp_path / "data", "test_only")
    assert not list((tmp_path / "data").glob("*/*/1*"))


def test_the_release_is_one_folder(tmp_path):
    folders = [write_notes(tmp_path / f"{i}", BASSES) for i in range(2)]
    with pytest.raises(UserError, match="--split=published takes the one folder"):
        read_collection(folders, "published")
