import json
import random
from pathlib import PurePosixPath

import pytest

from wavenet_ae.prepare.recordings import note_labels
from wavenet_ae.prepare.recordings.label_table import read_table
from wavenet_ae.prepare.recordings.note_labels import Defaults
from wavenet_ae.system.errors import UserError

FILES = ("a/one.wav", "b/one.wav", "b/two.wav", "b/Flöte.flac", "c/x.wav", "c/x.flac")


def read(tmp_path, text, name="t.csv", files=FILES):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_table(path, files)


@pytest.mark.parametrize(
    ("written", "file"),
    [
        ("a/one.wav", "a/one.wav"),
        ("a/one", "a/one.wav"),
        ("two.wav", "b/two.wav"),
        ("two", "b/two.wav"),
        ("./a/one.wav", "a/one.wav"),
        ("a\\one.wav", "a/one.wav"),
        ("Flo\u0308te", "b/Flöte.flac"),
        ("x.flac", "c/x.flac"),
    ],
)
def test_files_go_by_path_or_name(tmp_path, written, file):
    rows = read(tmp_path, f"file,pitch\n{written},60\n")
    assert {name: row.labels for name, row in rows.items()} == {file: {"pitch": "60"}}


@pytest.mark.parametrize("written", ["one.wav", "one", "c/x", "x"])
def test_what_could_be_several_is_refused(tmp_path, written):
    with pytest.raises(UserError, match=r"t\.csv, line 2: .* could be .* or .*: write the path"):
        read(tmp_path, f"file,pitch\n{written},60\n")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_spreadsheets(tmp_path, delimiter):
    text = (
        '\ufeffFile,Pitch ,Instrument,comment,velocity\r\ntwo.wav,C4,"Piano, old",hm,\r\n,,,,\r\n'
    )
    if delimiter != ",":
        text = text.replace("Piano, old", "#").replace(",", delimiter).replace("#", "Piano, old")
    row = read(tmp_path, text)["b/two.wav"]
    assert row.labels == {"pitch": "C4", "instrument": "Piano, old"}
    assert row.where == f"{tmp_path / 't.csv'}, line 2"


def test_paths_from_elsewhere(tmp_path, monkeypatch):
    """Absolute, from where the tool is started, and through links."""
    folder = tmp_path / "there" / "rec"
    (folder / "a").mkdir(parents=True)
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    table = tmp_path / "t.csv"
    for written in (
        f"{folder}/a/one.wav",
        "there/rec/a/one",
        "./link/a/one.wav",
        "link/../rec/a/one",
    ):
        for given in (folder, tmp_path / "link"):
            table.write_text(f"file,pitch\n{written},60\n")
            assert list(read_table(table, FILES, given)) == ["a/one.wav"], written
    for elsewhere in (tmp_path / "one.wav", "there/one.wav", f"{folder}/../one.wav"):
        table.write_text(f"file,pitch\n{elsewhere},60\n")
        with pytest.raises(UserError, match=rf"sound file {elsewhere} below {folder}: correct"):
            read_table(table, FILES, folder)


@pytest.mark.parametrize(
    ("before", "delimiter", "line"),
    [
        ("sep=;\r\n", ";", 3),
        ("SEP=\t\n", "\t", 3),
        ("sep=|\n", "|", 3),
        ("\n", ",", 3),
        (";;;\n\n", ";", 4),
        ("# mine, of 2024; tab\t\n", ",", 3),
        ("\ufeffsep=,\n\n# mine\n", ",", 5),
    ],
)
def test_what_may_stand_before_the_columns(tmp_path, before, delimiter, line):
    text = f"{before}file,pitch\ntwo.wav,60\n".replace("e,p", f"e{delimiter}p")
    row = read(tmp_path, text.replace("v,6", f"v{delimiter}6"))["b/two.wav"]
    assert row.labels == {"pitch": "60"}
    assert row.where.endswith(f", line {line}")


def test_json_as_a_list_or_by_file(tmp_path):
    expected = {"pitch": 60, "qualities": ["dark"]}
    for rows in ([{"file": "two.wav", **expected}], {"b/two.wav": expected}):
        assert read(tmp_path, json.dumps(rows), "t.json")["b/two.wav"].labels == expected


def test_nsynths_own_file_is_a_table(tmp_path):
    entry = {
        "note_str": "two",
        "instrument": 417,
        "instrument_str": "bass_synthetic_033",
        "instrument_family": 0,
        "instrument_family_str": "bass",
        "instrument_source_str": "synthetic",
        "pitch": 22,
        "velocity": 50,
        "qualities": [0] * 10,
        "qualities_str": [],
    }
    row = read(tmp_path, json.dumps({"two": entry}), "examples.json")["b/two.wav"]
    assert row.labels == {
        "instrument": "bass_synthetic_033",
        "family": "bass",
        "source": "synthetic",
        "pitch": 22,
        "velocity": 50,
        "qualities": [0] * 10,
    }


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no column 'file'"),
        ("name,pitch\na,60\n", "no column 'file'"),
        ("file,comment\ntwo,x\n", "none of the columns instrument, pitch"),
        ("file,pitch,famliy\ntwo,60,bass\n", "has a column 'famliy': is it 'family'"),
        ("file,pitch,quality\ntwo,60,dark\n", "has a column 'quality': is it 'qualities'"),
        ("file,pitch\n,60\n", "line 2 names no file"),
        ("file,pitch\ntwo,60,1\n", "line 2 has more cells"),
        ('file,pitch\n"two,60\n', "is not valid CSV"),
        ("file,pitch\nnone,60\n", "line 2: there is no sound file none: correct"),
        ("file,pitch\nno,60\nneither,60\n", r"no sound file no \(2 rows name no file"),
        ("file,pitch\ntwo,60\nb/two.wav,61\n", "line 3: b/two.wav is listed already, in .* line 2"),
        ("file,pitch,Pitch\ntwo,60,61\n", "has 'pitch' twice: remove or rename one"),
        (
            "file,family,instrument_family_str\ntwo,bass,reed\n",
            "has family 'bass' and instrument_family_str 'reed'",
        ),
        ("# mine\n", "no column 'file'"),
        ("file,pitch\ntwo,60\n".encode("utf-16"), "is not text in UTF-8"),
    ],
)
def test_broken_tables_are_refused(tmp_path, text, reason):
    with pytest.raises(UserError, match=reason):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not valid JSON"),
        ("3", "must hold a list of objects"),
        ("[1]", "must hold a list of objects"),
        ('{"two": 60}', "must hold a list of objects"),
        ('[{"pitch": 60}]', "entry 1 names no file"),
        ('[{"file": 3, "pitch": 60}]', "entry 1 names no file"),
        ('{"two": {"pitch": 60}, "two": {"pitch": 61}}', "has 'two' twice"),
        ('{"two": {"pitch": 60, "pitch": 61}}', "has 'pitch' twice"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_broken_json_is_refused(tmp_path, text, reason):
    with pytest.raises(UserError, match=reason):
        read(tmp_path, text, "t.json")


def test_tables_of_other_kinds_and_missing_ones_are_refused(tmp_path):
    with pytest.raises(UserError, match=r"neither a \.csv nor a \.json"):
        read(tmp_path, "", "t.xlsx")
    with pytest.raises(UserError, match="cannot be read: No such file"):
        read_table(tmp_path / "none.csv", FILES)


ROWS = [
    {"file": "a/one.wav", "instrument": "Grand, old", "pitch": "C#4", "velocity": 90},
    {"file": "two", "instrument": "Flöte", "pitch": "60", "qualities": "bright;dark"},
    {"file": "x.flac", "family": "reed", "source": "acoustic", "pitch": "61.0"},
]


def spell(delimiter):
    columns = list(dict.fromkeys(name for row in ROWS for name in row))
    lines = [columns, *([f'"{row.get(name, "")}"' for name in columns] for row in ROWS)]
    return "".join(delimiter.join(line) + "\r\n" for line in lines)


def attempt(function, *arguments, **settings):
    """Returns what a function returns and None, or None and its refusal in one line."""
    try:
        return function(*arguments, **settings), None
    except UserError as error:
        refusal = str(error)
    assert "\n" not in refusal
    return None, refusal


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", spell(",")),
        ("t.tsv", "sep=\t\n" + spell("\t")),
        ("t.json", json.dumps(ROWS)),
        ("u.json", json.dumps({row["file"]: row for row in ROWS})),
    ],
)
def test_damaged_tables_are_read_or_refused_in_a_sentence(tmp_path, name, text):
    rng, whole = random.Random(name), text.encode()
    expected = {file: row.labels for file, row in read(tmp_path, whole, name).items()}
    for case in range(120):
        damaged = bytearray(whole)
        if case % 3:
            for _ in range(case % 3):
                damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
        else:
            del damaged[rng.randrange(len(damaged)) :]
        rows, refusal = attempt(read, tmp_path, bytes(damaged), name)
        assert refusal is None or refusal.startswith(str(tmp_path / name)), (case, damaged)
        if rows and not case % 3:  # all but the last of what is left is as it was
            kept = [file for file in expected if file in rows][:-1]
            assert all(rows[file].labels == expected[file] for file in kept)
        for file, row in (rows or {}).items():
            path = PurePosixPath(file)
            attempt(note_labels.label, path, "x", row, Defaults(), track=True)
