import pytest

from wavenet_ae.prepare.recordings.note_names import (
    instrument_from,
    layer_velocities,
    parse_name,
    parse_pitch,
    parse_velocity,
)
from wavenet_ae.system.errors import UserError


@pytest.mark.parametrize(
    ("text", "pitch"),
    [
        ("60", 60),
        (60, 60),
        ("060", 60),
        ("60.0", 60),  # as spreadsheets write
        ("C4", 60),
        ("a4", 69),
        ("F#3", 54),
        ("Fs3", 54),
        ("F♯3", 54),
        ("Bb2", 46),
        ("bb2", 46),
        ("B♭2", 46),
        ("b2", 47),
        ("Cb4", 59),
        ("B#3", 60),
        ("C-1", 0),
        ("G9", 127),
    ],
)
def test_pitches(text, pitch):
    assert parse_pitch(text) == pitch


@pytest.mark.parametrize("text", ["128", "-1", -1, "G#9", "Cb-1", "C-4", "A10"])
def test_pitches_beyond_midi_are_refused(text):
    with pytest.raises(UserError, match=r"has pitch .*not among MIDI's 0 \(C-1\) to 127 \(G9\)"):
        parse_pitch(text)


# H and Es are German, and Es is no sharp.
@pytest.mark.parametrize(
    "text", ["H4", "Es4", "C", "C4x", "60.5", "nan", "inf", "", True, None, []]
)
def test_what_is_no_pitch_is_refused(text):
    with pytest.raises(UserError, match="not a MIDI number or a note name"):
        parse_pitch(text)


@pytest.mark.parametrize("value", [0, 128, "-5"])
def test_velocities_beyond_midi_are_refused(value):
    with pytest.raises(UserError, match="not among MIDI's 1 to 127"):
        parse_velocity(value)


@pytest.mark.parametrize(
    ("stem", "instrument", "pitch", "velocity"),
    [
        ("bass_synthetic_033-022-050", "bass_synthetic_033", 22, 50),
        ("my-own piano-060-127", "my-own piano", 60, 127),
        ("bass_synthetic_033_60_100", "bass_synthetic_033", 60, 100),
        ("Piano_C4_100", "Piano", 60, 100),
        ("Piano-C#4", "Piano", 61, None),
        ("Piano-C-1", "Piano", 0, None),
        ("Piano C-1-100", "Piano", 0, 100),
        ("flute 60", "flute", 60, None),
        ("Piano - C4 - vel90", "Piano", 60, 90),
        ("Piano_C4_v064", "Piano", 60, 64),
        ("Strings_2_C4", "Strings_2", 60, None),
        ("Upright Bass 60 100", "Upright Bass", 60, 100),
        ("尺八_D4", "尺八", 62, None),
        ("C4", None, 60, None),
        ("60_100", None, 60, 100),
    ],
)
def test_names(stem, instrument, pitch, velocity):
    parts = parse_name(stem)
    assert parts[:3] == (instrument, pitch, velocity)


def test_a_number_is_told_from_a_note_name():
    assert parse_name("take_60").is_plain_number
    assert not parse_name("take_C4").is_plain_number
    assert not parse_name("take-060-100").is_plain_number


@pytest.mark.parametrize(
    ("stem", "instrument", "pitch", "velocity", "dynamic"),
    [
        ("Piano.ff.Bb2", "Piano", 46, 112, "ff"),  # University of Iowa
        ("Violin.arco.pp.sulG.G3.stereo", "Violin.arco.sulG", 55, 32, "pp"),
        ("Piano_C4_mf", "Piano", 60, 80, "mf"),
        ("MP_C4", None, 60, 64, "MP"),
        ("violin_A4_1_mezzo-piano_arco-normal", "violin", 69, 64, "mezzo-piano"),  # Philharmonia
        ("bass-clarinet_As2_025_piano_normal", "bass-clarinet", 46, 48, "piano"),
        ("viola_C4_very-long_forte_pizz-tremolo", "viola_pizz-tremolo", 60, 96, "forte"),
        ("Cello.pp-ff.C2", "Cello.pp-ff", 36, None, None),  # a swell is no dynamic
        ("Piano_f_C4", "Piano_f", 60, None, None),  # may be anything
        ("Piano.ff.C4.90", "Piano.ff", 60, 90, None),
    ],
)
def test_dynamics_are_velocities(stem, instrument, pitch, velocity, dynamic):
    parts = parse_name(stem)
    assert parts[:3] == (instrument, pitch, velocity)
    assert parts.dynamic == dynamic


@pytest.mark.parametrize(
    ("stem", "instrument", "pitch", "layer"),
    [
        ("A0v10", None, 21, 10),  # Salamander
        ("F#3v1", None, 54, 1),
        ("Vln_A4_v3_rr1", "Vln", 69, 3),
        ("Piano_C4_v2", "Piano", 60, 2),
        ("Vln_A4_rr2", "Vln", 69, None),
    ],
)
def test_velocity_layers(stem, instrument, pitch, layer):
    parts = parse_name(stem)
    assert (parts.instrument, parts.pitch, parts.velocity, parts.layer) == (
        instrument,
        pitch,
        None,
        layer,
    )


def test_layers_are_spread_evenly():
    sixteen = layer_velocities(range(1, 17))
    assert (sixteen[1], sixteen[10], sixteen[16]) == (8, 79, 127)
    assert layer_velocities({1, 2, 3}) == {1: 42, 2: 85, 3: 127}
    assert layer_velocities({0, 1}) == {0: 64, 1: 127}
    # Some of a library's: what is left out is not known, and as many as large ones have.
    assert layer_velocities({10}) == {10: 79}
    assert layer_velocities({1, 20}) == {1: 6, 20: 127}


# 60v2 may count takes, and v99 is no layer.
@pytest.mark.parametrize(
    "stem", ["take", "take one", "Piano_60_v2", "C4v99", "sample1234", "PianoC4", "Piano_H4", ""]
)
def test_other_names_tell_nothing(stem):
    assert parse_name(stem) is None


@pytest.mark.parametrize("stem", ["REC-001-003", "take-005-100", "IMG-120-001"])
def test_numbers_that_may_count_takes_are_no_labels(stem):
    with pytest.raises(UserError, match=r"if it is as NSynth's, or counts takes: use --pattern='{"):
        parse_name(stem)
    assert parse_name("bass_synthetic_033-005-003").pitch == 5


@pytest.mark.parametrize("stem", ["2024_01_15", "take_12_60_100", "scale_C4_C5"])
def test_names_with_two_pitches_are_refused(stem):
    with pytest.raises(UserError, match="could be the pitch"):
        parse_name(stem)


@pytest.mark.parametrize(
    ("stem", "reason"),
    [
        ("Piano_200", "pitch 200"),
        ("Piano_A9", "pitch A9"),
        ("Piano_C4_128", "velocity 128"),
        ("Piano_C4_0", "velocity 0"),
        ("Piano-128-100", "pitch 128"),
    ],
)
def test_numbers_out_of_range_are_refused(stem, reason):
    with pytest.raises(UserError, match=f"has {reason}, which is not among MIDI's"):
        parse_name(stem)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Grand Piano", "Grand_Piano"),
        ("bass_synthetic_033", "bass_synthetic_033"),
        ("Piano (mf) / close", "Piano_mf_close"),
        ("../../etc", "etc"),
        ('a:b*c?"<d>|e\\f\ng', "a_b_c_d_e_f_g"),
        ("Flo\u0308te", "Flöte"),  # macOS writes accents apart
        ("尺八", "尺八"),
        (".hidden", "hidden"),
    ],
)
def test_instruments_are_good_for_file_names(text, name):
    assert instrument_from(text) == name


@pytest.mark.parametrize(("text", "reason"), [("...", "without letters"), ("ü" * 101, "200 bytes")])
def test_impossible_instruments_are_refused(text, reason):
    with pytest.raises(UserError, match=reason):
        instrument_from(text)
