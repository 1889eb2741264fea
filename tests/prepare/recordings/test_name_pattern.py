from pathlib import PurePosixPath

import pytest

from wavenet_ae.prepare.recordings.name_pattern import NamePattern
from wavenet_ae.system.errors import UserError


@pytest.mark.parametrize(
    ("pattern", "file", "expected"),
    [
        ("{pitch}v{layer}", "A0v10.mp3", (None, 21, None, 10)),
        ("{pitch}v{layer}.mp3", "low/F#3v1.mp3", (None, 54, None, 1)),
        ("{instrument}-{pitch}-{velocity}", "REC-001-003.wav", ("REC", 1, 3, None)),
        (
            "{instrument}_{pitch}_{dynamic}",
            "Old_Piano_60_Mezzo-Forte.wav",
            ("Old_Piano", 60, 80, None),
        ),
        ("{instrument}/{pitch} {ignore}", "a/Harp/C4 take 2.wav", ("Harp", 60, None, None)),
        ("sample{pitch}", "sample64.wav", (None, 64, None, None)),
        (
            "{instrument}_{pitch}_{ignore}_{dynamic}_{instrument}",
            "violin_A4_1_piano_pizz-normal.mp3",
            ("violin_pizz-normal", 69, 48, None),
        ),
    ],
)
def test_names(pattern, file, expected):
    parts = NamePattern(pattern).read(PurePosixPath(file))
    assert (parts.instrument, parts.pitch, parts.velocity, parts.layer) == expected


def test_other_labels_are_kept_as_they_are_written():
    parts = NamePattern("{family}.{source}.{qualities}.{pitch}").read(
        PurePosixPath("reed.acoustic.dark.60.wav")
    )
    assert parts.others == {"family": "reed", "source": "acoustic", "qualities": "dark"}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("{pitch}_{loudness}", r"has \{loudness\}, which is none of \{instrument\}, \{pitch\}, "),
        ("{pitch}_{pitch}", r"has \{pitch\} twice"),
        ("{pitch}{layer}", "two parts with nothing between them"),
        ("{pitch}_{velocity}_{dynamic}", r"has \{velocity\} and \{dynamic\}"),
        ("pitch", "has no part in braces"),
        ("", "has no part in braces"),
    ],
)
def test_patterns_that_are_none(pattern, reason):
    with pytest.raises(UserError, match=f"^--pattern=.*{reason}"):
        NamePattern(pattern)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("take.wav", r"^has a name that does not fit --pattern=\{pitch\}v\{velocity\}"),
        ("A9v10.wav", "^has pitch A9, which is not among"),
        ("A4v128.wav", "^has velocity 128, which is not among"),
    ],
)
def test_names_that_do_not_fit(file, reason):
    with pytest.raises(UserError, match=reason):
        NamePattern("{pitch}v{velocity}").read(PurePosixPath(file))


def test_a_pattern_must_fit_some_file():
    pattern = NamePattern("{pitch}v{layer}")
    assert pattern.check_fits(["x/A0v1.wav", "take.wav", "C4v2.wav"]) == 2
    with pytest.raises(UserError, match=r"fits none of 2 names, such as take\.wav: put the text"):
        pattern.check_fits(["take.wav", "A0v.wav"])
