"""WAV files, `.multisample`, `.dspreset`, and how all are written."""

import dataclasses
import struct
import zipfile
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from instruments import change, write_instrument

from wavenet_ae.audio import files
from wavenet_ae.instrument import rendered
from wavenet_ae.instrument.packs import names, zones
from wavenet_ae.instrument.packs.writing import write_packs
from wavenet_ae.system.errors import UserError

SOUNDS = ("flute", "bass", "organ", "brass")


def smpl_chunk(path):
    content = path.read_bytes()
    at = content.index(b"smpl")
    (size,) = struct.unpack_from("<I", content, at + 4)
    return struct.unpack(f"<{size // 4}I", content[at + 8 : at + 8 + size])


def test_wav_files_are_the_notes_with_their_loops(packs, instrument_folder):
    note = rendered.read(instrument_folder).note(0, 60)
    path = packs / "samples/flute_060.wav"
    ours, rate = soundfile.read(path, dtype="int16")
    expected, _ = soundfile.read(instrument_folder / note.file, dtype="int16")
    np.testing.assert_array_equal(ours, expected)
    assert rate == 16000
    chunk = smpl_chunk(path)
    assert chunk[2:4] == (62500, 60)  # nanoseconds to a sample, the key
    # One loop, forward, its last sample, until the key is lifted.
    assert chunk[7:] == (1, 0, 0, 0, 16000, 31999, 0, 0)
    assert smpl_chunk(packs / "samples/organ_072.wav")[7:] == (0, 0)
    assert len(list((packs / "samples").iterdir())) == 27


# The published schema of .multisample: an element's attributes and their types, and its children in
# the order that they must have (each with the least and the most there may be).
MULTISAMPLE = {
    "multisample": (
        {"name": str},
        [
            *(("generator", 1, 1), ("category", 1, 1), ("creator", 1, 1), ("description", 0, 1)),
            *(("keywords", 0, 1), ("group", 0, 999), ("sample", 0, 999)),
        ],
    ),
    "generator": ({}, []),
    "category": ({}, []),
    "creator": ({}, []),
    "sample": (
        {"file": str, "gain": float, "sample-start": float, "sample-stop": float},
        [("key", 1, 1), ("velocity", 1, 1), ("select", 1, 1), ("loop", 0, 1)],
    ),
    "key": ({"root": int, "low": int, "high": int, "tune": float, "track": float}, []),
    "velocity": ({"low": int, "high": int}, []),
    "select": ({"low": int, "high": int}, []),
    "loop": ({"mode": ("off", "loop", "ping-pong").index, "start": float, "stop": float}, []),
}
DSPRESET = {
    "DecentSampler": ({"minVersion": str}, [("groups", 1, 1)]),
    "groups": ({}, [("group", 1, 999)]),
    "group": ({"ampVelTrack": float}, [("sample", 1, 999)]),
    "sample": (
        {"path": str, "rootNote": int, "loNote": int, "hiNote": int, "tuning": float}
        | {"volume": lambda text: float(text.removesuffix("dB"))}
        | dict.fromkeys(("attack", "decay", "sustain", "release"), float)
        | {"loopEnabled": ("true", "false").index}
        | dict.fromkeys(("loopStart", "loopEnd", "loopCrossfade"), int),
        [],
    ),
}


def check(element, schema):
    attributes, children = schema[element.tag]
    for name, text in element.attrib.items():
        attributes[name](text)
    tags = [child.tag for child in element]
    expected = [tag for tag, _, _ in children for _ in range(tags.count(tag))]
    assert tags == expected
    assert all(least <= tags.count(tag) <= most for tag, least, most in children)
    for child in element:
        check(child, schema)


@pytest.mark.parametrize("sound", SOUNDS)
def test_multisample_follows_its_schema(packs, instrument_folder, sound):
    instrument = rendered.read(instrument_folder)
    cell = (0, 2, 6, 8)[SOUNDS.index(sound)]
    with zipfile.ZipFile(packs / f"{sound}.multisample") as archive:
        assert archive.testzip() is None
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        root = ElementTree.fromstring(archive.read("multisample.xml"))
        check(root, MULTISAMPLE)
        assert root.get("name") == sound
        samples = root.findall("sample")
        assert len(archive.namelist()) == 1 + len(samples)
        for pitch, sample in zip(instrument.pitches, samples, strict=True):
            note = instrument.note(cell, pitch)
            wav = (packs / "samples" / sample.get("file")).read_bytes()
            assert archive.read(sample.get("file")) == wav
            assert 10 ** (float(sample.get("gain")) / 20) == pytest.approx(note.gain, rel=1e-3)
            key, loop = sample.find("key"), sample.find("loop")
            assert int(key.get("root")) == pitch
            assert float(key.get("tune")) == -note.cents / 100
            assert (int(key.get("low")), int(key.get("high"))) == instrument.keys()[pitch]
            if note.loop:
                assert (int(loop.get("start")), int(loop.get("stop"))) == note.loop
            else:
                assert loop.attrib == {"mode": "off"}


@pytest.mark.parametrize("sound", SOUNDS)
def test_dspreset_follows_its_description(packs, instrument_folder, sound):
    instrument = rendered.read(instrument_folder)
    cell = (0, 2, 6, 8)[SOUNDS.index(sound)]
    root = ElementTree.parse(packs / f"{sound}.dspreset").getroot()
    check(root, DSPRESET)
    samples = root.findall("groups/group/sample")
    for pitch, sample in zip(instrument.pitches, samples, strict=True):
        note = instrument.note(cell, pitch)
        assert (packs / sample.get("path")).is_file()
        assert int(sample.get("rootNote")) == pitch
        assert float(sample.get("tuning")) == -note.cents / 100
        assert (int(sample.get("loNote")), int(sample.get("hiNote"))) == instrument.keys()[pitch]
        gain_db = float(sample.get("volume").removesuffix("dB"))
        assert 10 ** (gain_db / 20) == pytest.approx(note.gain, rel=1e-3)
        if note.loop:
            loop = (int(sample.get("loopStart")), int(sample.get("loopEnd")) + 1)
            assert loop == note.loop
        else:
            assert sample.get("loopEnabled") == "false"


def test_odd_names_make_safe_files_and_stay_to_be_shown(tmp_path):
    odd = ("Flöte/$1 <a>", "flote 1 a", "尺八\n", 'a & "b"')
    instrument = dataclasses.replace(
        write_instrument(tmp_path, pitches=(60,), resolution=2), name="con", sounds=odd
    )
    rendered.write(instrument, tmp_path)
    outputs = [path.name for path in write_packs(tmp_path)]
    stems = ("Flote_1_a", "flote_1_a_2", "sound", "a_b")
    assert outputs == [
        *(stem + end for stem in stems for end in (".sfz", ".dspreset", ".multisample")),
        "morph_Flote_1_a_flote_1_a_a_b.sfz",
        "con_.sf2",
    ]
    packs = tmp_path / "packs"
    assert (packs / "sound.sfz").read_text().startswith("// 尺八\n")
    with zipfile.ZipFile(packs / "a_b.multisample") as archive:
        assert ElementTree.fromstring(archive.read("multisample.xml")).get("name") == 'a & "b"'


def test_names_are_told_apart():
    assert names.file_names(["a", "A", "a 2", "a", "", "x" * 99]) == [
        *("a", "A_2", "a_2_2", "a_3", "sound", "x" * 48)
    ]
    assert names.ascii_bytes(["Flöte", "long name of 20 bytes", "long name of 20 bytes"], 12) == [
        *(b"Flote", b"long name of", b"long name 2")
    ]


def test_large_squares_get_a_file_that_players_have_the_voices_for(tmp_path):
    write_instrument(tmp_path, pitches=(60,), resolution=5)
    write_packs(tmp_path)
    few, all_cells = (
        (tmp_path / f"packs/morph_flute_bass_organ_brass{end}.sfz").read_text()
        for end in ("", "__all_cells")
    )
    assert (few.count("<region>"), all_cells.count("<region>")) == (9, 25)
    assert "xfin_locc74=0 xfin_hicc74=64\nxfout_locc74=64 xfout_hicc74=127" in few
    assert "xfin_locc74=32 xfin_hicc74=64\nxfout_locc74=64 xfout_hicc74=95" in all_cells


def test_writing_again_gives_the_same_bytes_and_replaces_nothing_foreign(tmp_path):
    write_instrument(tmp_path, pitches=(60,), resolution=2)
    outputs = write_packs(tmp_path)
    before = [path.read_bytes() for path in outputs]
    assert write_packs(tmp_path) == outputs
    assert [path.read_bytes() for path in outputs] == before
    (tmp_path / "packs/flute.sfz").write_text("mine")
    with pytest.raises(UserError, match=r"flute\.sfz, not written by this tool or changed"):
        write_packs(tmp_path)
    assert (tmp_path / "packs/flute.sfz").read_text() == "mine"


def test_a_very_short_note_has_a_file(tmp_path):
    instrument = write_instrument(tmp_path, pitches=(60,), resolution=2)
    short = {"samples": 100, "loop": None, "release": 0}
    change(tmp_path, instrument, 0, 60, **short)
    files.save(tmp_path / instrument.note(0, 60).file, np.full(100, 0.5))
    write_packs(tmp_path)
    assert soundfile.info(tmp_path / "packs/samples/flute_060.wav").frames == 100


def test_packs_of_other_cells_do_not_stay(tmp_path):
    write_instrument(tmp_path, pitches=(60, 72), resolution=2)
    write_packs(tmp_path)
    (tmp_path / "packs" / "my own.sfz").write_text("mine")
    instrument = write_instrument(tmp_path, pitches=(60,), resolution=2)
    renamed = dataclasses.replace(instrument, sounds=("flute", "bass", "organ", "oboe"))
    rendered.write(renamed, tmp_path)
    write_packs(tmp_path)
    there = {path.name for path in (tmp_path / "packs").rglob("*.*")}
    assert {"oboe.sfz", "my own.sfz", "flute_060.wav"} <= there
    assert not {name for name in there if "brass" in name or "072" in name}


@pytest.mark.parametrize("damage", ["text", "short", "missing"])
def test_a_damaged_note_is_named_and_no_half_of_a_file_is_left(tmp_path, damage):
    write_instrument(tmp_path, pitches=(60,), resolution=2)
    path = tmp_path / "notes/3-60.wav"
    content = {"text": b"no sound", "short": path.read_bytes()[:5000]}
    path.unlink() if damage == "missing" else path.write_bytes(content[damage])
    with pytest.raises(UserError, match=r"notes/3-60\.wav .*render the instrument again"):
        write_packs(tmp_path)
    left = [p for p in (tmp_path / "packs").rglob("*") if p.suffix in (".tmp", ".sfz", ".sf2")]
    assert not left


@pytest.mark.parametrize(("seconds_60_db", "expected"), [(0.4, 0.4), (0.01, 0.05), (60, 2.0)])
def test_the_release_is_the_notes_own(seconds_60_db, expected):
    time_s = np.arange(16000) / 16000
    tail = np.sin(2 * np.pi * 440 * time_s) * 10 ** (-3 * time_s / seconds_60_db)
    note = np.concatenate([np.ones(100), tail])
    assert zones.release_seconds(note, 100) == pytest.approx(expected, rel=0.1)
    assert zones.release_seconds(note, len(note)) == 0.05
