import json

import pytest

from wavenet_ae.data.label_table import read_table
from wavenet_ae.errors import UserError

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
        ("file,pitch\ntwo,60\nb/two.wav,61\n", "line 3: b/two.wav is named before, in .* line 2"),
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
