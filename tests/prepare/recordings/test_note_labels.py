from pathlib import PurePosixPath

import pytest

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.recordings import instrument_words, note_labels
from wavenet_ae.prepare.recordings.label_table import Row
from wavenet_ae.prepare.recordings.name_pattern import NamePattern
from wavenet_ae.prepare.recordings.note_labels import Defaults
from wavenet_ae.prepare.soundfonts.general_midi import INSTRUMENTS
from wavenet_ae.system.errors import UserError


def label(file, *, track=False, table=None, folder="Session", **defaults):
    row = None if table is None else Row("t.csv, line 2", table)
    return note_labels.label(PurePosixPath(file), folder, row, Defaults(**defaults), track=track)


def test_a_name_as_nsynths_tells_everything():
    labels = label("Horns/bass_synthetic_033-022-050.wav", family="organ", source="acoustic")
    assert labels[:6] == ("bass_synthetic_033", 22, 50, "bass", "synthetic", (0,) * 10)
    assert set(labels.origins.values()) == {"name"}


def test_the_table_goes_before_the_name():
    given = {
        "instrument": "My Organ",
        "pitch": "C3",
        "velocity": 7,
        "family": "Organ",
        "source": "electronic",
        "qualities": "dark; reverb",
    }
    labels = label("bass_synthetic_033-048-007.wav", table=given)
    assert labels[:5] == ("My_Organ", 48, 7, "organ", "electronic")
    assert [q for q, held in zip(nsynth.QUALITIES, labels.qualities, strict=True) if held] == [
        "dark",
        "reverb",
    ]
    assert set(labels.origins.values()) == {"table"}


def test_table_and_name_complete_each_other():
    labels = label("Rhodes_60.wav", table={"velocity": "30"})
    assert labels[:3] == ("Rhodes", 60, 30)
    assert labels.origins["velocity"] == "table"
    assert labels.origins["pitch"] == "number"


@pytest.mark.parametrize(
    ("name", "table", "told"),
    [
        ("Piano_C4.wav", {"pitch": 62}, "has pitch 62 in t.csv, line 2, and 60 in its name"),
        ("bass_synthetic_033-022-050.wav", {"pitch": 23}, "has pitch 23 in .*, and 22 in its name"),
        ("Piano-060-050.wav", {"velocity": 51}, "has velocity 51 in .*, and 50 in its name"),
    ],
)
def test_what_table_and_name_say_differently_is_refused(name, table, told):
    with pytest.raises(UserError, match=f"^{told}: correct one of them, or use --nonames$"):
        label(name, table=table)
    for key, value in table.items():
        given = {"pitch": 60, **table}
        assert getattr(label(name, table=given, names=False), key) == value
    assert label("take_60.wav", table={"pitch": 62}).pitch == 62  # a number may count takes
    assert label("Piano.mf.C4.wav", table={"velocity": 75}).velocity == 75  # finer than mf


def test_a_pattern_reads_names():
    settings = {"pattern": NamePattern("{family}.{ignore}.{pitch}.{dynamic}")}
    labels = label("reed.x.C4.ff.wav", **settings)
    assert labels[:5] == ("Session", 60, 112, "reed", "acoustic")
    assert (labels.origins["family"], labels.origins["velocity"]) == ("name", "dynamic")
    with pytest.raises(UserError, match="does not fit --pattern="):
        label("Piano_C4.wav", **settings)
    assert label("Piano_C4.wav", table={"pitch": 61}, **settings).pitch == 61
    with pytest.raises(UserError, match="has family 'drum', which is none of"):
        label("drum.x.C4.ff.wav", **settings)


def test_layers_get_velocities_by_instrument():
    names = [f"{i}_C{n}_v{n}.wav" for i, of in (("a", 2), ("b", 4)) for n in range(1, of + 1)]
    spread, refused = note_labels.spread_layers({name: label(name) for name in names})
    assert [it.velocity for it in spread.values()] == [64, 127, 32, 64, 95, 127]
    assert {it.origins["velocity"] for it in spread.values()} == {"layer"}
    assert refused == {}


def test_a_layer_beside_velocities_may_be_one():
    labels = {name: label(name) for name in ("a_C4_v12.wav", "a_C4_v100.wav", "b_C4_v1.wav")}
    spread, refused = note_labels.spread_layers(labels)
    assert list(spread) == ["a_C4_v100.wav", "b_C4_v1.wav"]
    assert refused["a_C4_v12.wav"].startswith("has v12 in its name, which could be a velocity lay")


def test_a_name_that_misleads_is_no_matter_where_the_table_tells():
    assert label("2024-01-15_60.wav", table={"pitch": 61}).pitch == 61


def test_folders_and_defaults_fill_the_rest():
    labels = label("Old Rhodes/C4.wav", velocity=64)
    assert labels[:5] == ("Old_Rhodes", 60, 64, "keyboard", "electronic")
    assert labels.origins == {
        "pitch": "name",
        "instrument": "folder",
        "velocity": "default",
        "family": "words",
        "source": "words",
    }
    assert label("C4.wav").instrument == "Session"


def test_family_and_source_by_default_go_before_words_and_are_assumed_last():
    labels = label("flute_C4.wav", family="vocal", source="synthetic")
    assert (labels.family, labels.source) == ("vocal", "synthetic")
    assert labels.origins["family"] == "default"
    labels = label("thing_C4.wav")
    assert (labels.family, labels.source) == ("keyboard", "acoustic")
    assert labels.origins["family"] == labels.origins["source"] == "assumed"


def test_without_names_the_folder_and_the_tracker_tell():
    labels = label("Harp/take_60_90.wav", names=False, track=True)
    assert labels[:4] == ("Harp", None, 100, "string")
    assert labels.origins["pitch"] == "tracker"
    with pytest.raises(UserError, match=r"^has no pitch: give it in --labels"):
        label("take_60.wav", names=False)


def test_the_tracker_comes_last():
    assert label("Harp/C4.wav", track=True).pitch == 60
    assert label("Harp/a.wav", table={"pitch": 50}, track=True).pitch == 50


def test_a_missing_pitch_is_refused_with_what_is_understood():
    with pytest.raises(UserError, match=r"not like .*Piano_C4_100 or flute 60: .*pyin"):
        label("take.wav")


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        ({"pitch": "H4"}, "has pitch 'H4', which is not a MIDI number"),
        ({"pitch": 130}, "has pitch 130, which is not among"),
        ({"velocity": "loud"}, "has velocity 'loud', which is not a number"),
        ({"family": "drum"}, "has family 'drum', which is none of bass, brass"),
        ({"source": "electric"}, "has source 'electric', which is none of acoustic, electronic"),
        ({"qualities": "shiny"}, "has quality 'shiny', which is none of bright"),
        ({"qualities": "[1, "}, "which is not a list"),
        ({"qualities": 3}, "which is not a list of names"),
        ({"instrument": ["Piano"]}, "has instrument .*, which is not a name"),
        ({"instrument": "?"}, r"has an instrument '\?' without letters"),
    ],
)
def test_wrong_labels_in_the_table_are_refused(table, reason):
    with pytest.raises(UserError, match=reason):
        label("Piano_C4.wav", table=table)


def test_the_place_in_the_table_is_told():
    with pytest.raises(UserError, match=r"\(in t\.csv, line 2\)"):
        label("Piano_C4.wav", table={"family": "drum"})


@pytest.mark.parametrize(
    "value",
    [
        "bright;percussive",
        "percussive, bright",
        '["bright", "percussive"]',
        ["bright", "percussive"],
        [1, 0, 0, 0, 0, 0, 0, 1, 0, 0],
    ],
)
def test_qualities(value):
    assert label("C4.wav", table={"qualities": value}).qualities == (1, 0, 0, 0, 0, 0, 0, 1, 0, 0)


@pytest.mark.parametrize(
    ("name", "family", "source"),
    [
        ("bass clarinet", "reed", None),
        ("BassTrombone", "brass", None),
        ("Electric Bass", "bass", "electronic"),
        ("SynthBass2", "bass", "synthetic"),
        ("bass_drum", None, None),
        ("Double-Bass", "string", None),
        ("French_Horn", "brass", None),
        ("English Horn", "reed", None),
        ("Wurlitzer", "keyboard", "electronic"),
        ("e-piano", "keyboard", "electronic"),
        ("harpsichord", "keyboard", None),
        ("Harp", "string", None),
        ("acoustic_guitar", "guitar", "acoustic"),
        ("Steel Drums", "mallet", None),
        ("Synth Pad", None, "synthetic"),
        ("SAW LEAD", "synth_lead", "synthetic"),
        ("leader", None, None),
    ],
)
def test_words(name, family, source):
    assert instrument_words.find_family([name]) == family
    assert instrument_words.find_source([name]) == source


def test_the_nearest_name_that_says_something_counts():
    assert instrument_words.find_family(["take", "Oboe", "Piano"]) == "reed"


def test_words_are_looked_for_in_a_name_that_tells_no_pitch():
    for given in ({"track": True}, {"table": {"pitch": 60}}):
        labels = label("Rhodes soft.wav", **given)
        assert (labels.instrument, labels.family, labels.source) == (
            "Session",
            "keyboard",
            "electronic",
        )
        assert labels.origins["source"] == "words"
    assert label("Rhodes soft.wav", track=True, names=False).origins["source"] == "assumed"


def test_words_agree_with_general_midi():
    for it in INSTRUMENTS:
        found = instrument_words.find_family([it.program_name])
        # A "Lead 6 (voice)" is a voice as well.
        if it.family != "synth_lead":
            assert found in (it.family, None), it.program_name
