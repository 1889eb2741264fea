import json

import numpy as np
import pytest
import soundfile
from conftest import DUMMY_NOTES

from wavenet_ae.data import input_pipeline, nsynth
from wavenet_ae.evaluation import notes
from wavenet_ae.evaluation.notes import choose_notes, choose_pair, choose_pairs, read_labels, title

NAMES = [
    "bass_synthetic_033-030-050",
    "bass_synthetic_033-063-050",
    "flute_acoustic_004-059-127",
    "flute_acoustic_005-100-025",
    "vocal_synthetic_003-058-075",
]
# In the order of choice.
CHOSEN = ["flute_acoustic_004-059-127", "vocal_synthetic_003-058-075", "bass_synthetic_033-063-050"]


def make_note(name):
    instrument, pitch, velocity = nsynth.parse_note_name(name)
    family, source, _ = instrument.rsplit("_", 2)
    return nsynth.Note(name, instrument, pitch, velocity, family, source, ())


def names_of(chosen):
    return [note.name for note in chosen]


def test_choice_takes_instruments_then_families_in_turn_and_not_the_order():
    made = [make_note(name) for name in NAMES]
    five = [*CHOSEN, "flute_acoustic_005-100-025", "bass_synthetic_033-030-050"]
    for order in (made, made[::-1], made[2:] + made[:2]):
        assert names_of(choose_notes(order, 3)) == CHOSEN
        assert names_of(choose_notes(order, 5)) == five
        assert names_of(choose_notes(order, 9)) == five


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        # The nearest pitches of different families.
        (["a_b_0-060-100", "c_b_0-066-100", "d_b_0-064-100"], (1, 2)),
        # Another family is too far away in pitch.
        (["a_b_0-060-100", "c_b_0-090-100", "a_b_1-062-100"], (0, 2)),
        # Another family within a fifth.
        (["a_b_0-060-100", "c_b_0-067-100", "a_b_1-061-100"], (1, 2)),
        # Another instrument, however far.
        (["a_b_0-060-100", "a_b_0-061-100", "c_b_0-100-100"], (1, 2)),
        (["a_b_0-060-100", "a_b_0-061-100"], (0, 1)),
    ],
)
def test_pair_to_blend(names, pair):
    made = [make_note(name) for name in names]
    assert set(names_of(choose_pair(made))) == {names[i] for i in pair}
    assert choose_pair(made[:1]) is None


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        # New notes, though old ones are nearer in pitch.
        ("a_b_0-060 b_b_0-060 c_b_0-061 d_b_0-090", [(0, 1), (2, 3), (0, 2), (1, 3)]),
        # Different instruments, though one of them again.
        ("a_b_0-060 a_b_0-061 b_b_0-060", [(0, 2), (1, 2), (0, 1)]),
        # New families, though old ones are nearer in pitch.
        (
            "a_b_0-060 b_b_0-060 a_b_1-061 b_b_1-061 c_b_0-064 d_b_0-067",
            [(0, 1), (4, 5), (2, 3)],
        ),
        # Different families, though old ones.
        (
            "a_b_0-060 b_b_0-060 a_b_1-065 b_b_1-066 c_b_0-075 c_b_1-076",
            [(0, 1), (2, 3), (4, 5)],
        ),
    ],
)
def test_pairs_to_blend(names, pairs):
    made = [make_note(f"{name}-100") for name in names.split()]
    expected = [{made[i] for i in pair} for pair in pairs]
    for order in (made, made[::-1]):
        chosen = choose_pairs(order, len(pairs))
        assert [set(pair) for pair in chosen] == expected
        assert set(chosen[0]) == set(choose_pair(order))


def test_there_are_no_more_pairs_than_there_are():
    made = [make_note(name) for name in NAMES[:3]]
    assert len({frozenset(pair) for pair in choose_pairs(made, 9)}) == 3
    assert choose_pairs(made[:1], 9) == choose_pairs([], 9) == []


@pytest.fixture(scope="module")
def split(data_dir):
    return input_pipeline.open_split("nsynth_json/by_note", str(data_dir), "train")


def test_labels_and_sounds_are_those_of_the_folder(split):
    entries = json.loads((DUMMY_NOTES / "examples.json").read_text())
    labels = read_labels(split)
    assert list(labels.values()) == [0, 1, 2, 3]
    assert len(set(names_of(labels))) == 4
    for note, index in labels.items():
        entry = entries[note.name]
        assert note.instrument == entry["instrument_str"]
        assert note.family == entry["instrument_family_str"]
        assert note.source == entry["instrument_source_str"]
        assert (note.pitch, note.velocity) == (entry["pitch"], entry["velocity"])
        assert list(note.qualities) == list(map(bool, entry["qualities"]))
        expected, _ = soundfile.read(DUMMY_NOTES / "audio" / f"{note.name}.wav", dtype="float32")
        audio = split[index]["audio"]
        assert audio.dtype == np.float32
        np.testing.assert_array_equal(audio, expected)


def test_many_notes_are_looked_at_evenly(split, monkeypatch):
    monkeypatch.setattr(notes, "_MOST_CANDIDATES", 3)
    assert list(read_labels(split).values()) == [0, 1, 3]


def test_the_title_of_a_note():
    assert title(make_note("synth_lead_acoustic_001-061-100")) == "synth lead, acoustic, C♯4"
