import csv
import json
import shutil

import numpy as np
import performance_files
import pytest
import soundfile

from wavenet_ae.audio import midi
from wavenet_ae.data.stored_notes import find
from wavenet_ae.data.stored_recordings import Performances
from wavenet_ae.prepare.performances.build import build
from wavenet_ae.prepare.performances.collection import read_collection
from wavenet_ae.system.errors import UserError

COLUMNS = (
    "canonical_composer", "canonical_title", "split", "year", "midi_filename", "audio_filename",
    "duration",
)  # fmt: skip
ROWS = [
    ("Franz Liszt", "Mazeppa, S. 139 No. 4", "train", 2004, "a", 3.0),
    ("Frédéric Chopin", 'Étude "Aeolian Harp", Op. 25', "validation", 2004, "b", 10.0),
    ("Alban Berg", "Sonata Op. 1", "test", 2018, "d", 1.5),
    ("Franz Schubert", "Four Impromptus, D. 899,\nNo. 2", "train", 2018, "more/c", 2.0),
]  # fmt: skip
SPLITS = {"train": ["2004/a", "2018/more_c"], "valid": ["2004/b"], "test": ["2018/d"]}


def table():
    rows = []
    for composer, title, split, year, name, duration in ROWS:
        path = f"{year}/{name.replace('/', '_')}"
        rows.append((composer, title, split, year, f"{path}.midi", f"{path}.wav", duration))
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def as_csv(path, rows):
    with path.with_suffix(".csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def as_rows(path, rows):
    path.with_suffix(".json").write_text(json.dumps(rows), encoding="utf-8")


def as_columns(path, rows):
    columns = {name: {str(i): row[name] for i, row in enumerate(rows)} for name in COLUMNS}
    path.with_suffix(".json").write_text(json.dumps(columns), encoding="utf-8")


VERSIONS = {
    "maestro-v1.0.0.x": [as_csv],
    "maestro-v2.0.0.x": [as_rows],
    "maestro-v3.0.0.x": [as_columns],
    "maestro-v3.0.1.x": [as_csv, as_columns],
}


@pytest.fixture
def folder(tmp_path):
    """MAESTRO in miniature: 44.1 kHz, 16 bits, stereo, and a file that the table does not list."""
    folder = tmp_path / "maestro"
    for row, (*_, name, duration) in zip(table(), ROWS, strict=True):
        (folder / row["audio_filename"]).parent.mkdir(parents=True, exist_ok=True)
        sound = 0.3 * np.sin(np.arange(round(44_100 * duration)) * 0.05)
        soundfile.write(folder / row["audio_filename"], np.stack([sound, sound], 1), 44_100)
        midi.save(folder / row["midi_filename"], performance_files.notes(name), 0)
    (folder / "LICENSE").write_text("CC BY-NC-SA 4.0")
    shutil.copy(folder / "2004" / "a.midi", folder / "2004" / "unlisted.midi")
    return folder


def ids(collection):
    return {split: [it.id for it in found] for split, found in collection.splits.items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_tables_splits_are_kept(folder, version):
    for write in VERSIONS[version]:
        write(folder / version, table())
    collection = read_collection([folder])
    assert ids(collection) == {
        split: [f"maestro/{name}" for name in names] for split, names in SPLITS.items()
    }
    for found in collection.splits.values():
        assert all(it.path.suffix == ".wav" and it.path.is_file() for it in found)
        assert all(it.midi == it.path.with_suffix(".midi") for it in found)


def test_it_is_built_and_other_folders_can_be_added(folder, tmp_path):
    as_csv(folder / "maestro-v3.0.0.x", table())
    dataset = build([folder], tmp_path / "out", "maestro")
    assert {split: size.performances for split, size in dataset.splits.items()} == {
        "train": 2, "valid": 1, "test": 1,
    }  # fmt: skip
    [size] = [dataset.splits["valid"]]
    assert size.seconds == pytest.approx(10.0, abs=0.01)
    sounds = Performances(find("performances/maestro", str(tmp_path / "out")), "valid")
    audio, notes = sounds.read_with_notes(0, 0, 16_000)
    expected = 0.3 * np.sin(np.arange(16_000) * 0.05 * 44_100 / 16_000)
    np.testing.assert_allclose(audio[500:-500], expected[500:-500], atol=0.01)
    assert len(notes) > 5
    own = performance_files.write(tmp_path / "own")
    both = ids(read_collection([folder, own]))
    assert {split: len(found) for split, found in both.items()} == {
        "train": 5, "valid": 2, "test": 2,
    }  # fmt: skip


def without(column):
    return [{key: value for key, value in row.items() if key != column} for row in table()]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (without("split"), r"row 1 of .*maestro-v2\.0\.0\.json has no split: get MAESTRO's"),
        ([*table()[:3], table()[3] | {"split": "dev"}], r"row 4 of .* has the split 'dev', which"),
        ([*table()[:3], table()[3] | {"audio_filename": "2018/x.wav"}],
         r"row 4 of .* lists 2018/x\.wav, which is not there: unpack MAESTRO's archive"),
        ([*table(), table()[0]], r"row 5 of .* lists 2004/a\.wav again"),
        (table()[:2], "holds nothing for the split 'test': get all of MAESTRO"),
        ([1, 2], r"maestro-v2\.0\.0\.json is damaged"),
        ({"split": 3}, r"maestro-v2\.0\.0\.json is damaged"),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_is_named(folder, rows, message):
    as_rows(folder / "maestro-v2.0.0.x", rows)
    with pytest.raises(UserError, match=message) as raised:
        read_collection([folder])
    assert "\n" not in str(raised.value)


def test_damaged_files_and_several_versions_are_named(folder):
    (folder / "maestro-v2.0.0.json").write_text("[{")
    with pytest.raises(UserError, match=r"maestro-v2\.0\.0\.json is damaged"):
        read_collection([folder])
    as_csv(folder / "maestro-v3.0.0.x", table())
    with pytest.raises(UserError, match="holds the tables of several versions"):
        read_collection([folder])
    (folder / "maestro-v2.0.0.json").unlink()
    (folder / "maestro-v3.0.0.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"maestro-v3\.0\.0\.csv is damaged"):
        read_collection([folder])
