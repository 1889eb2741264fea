"""Labels in the names of sound files: `bass_synthetic_033-022-050`, `Piano_C4_100`, `flute 60`."""

import re
import unicodedata
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from wavenet_ae.data import nsynth
from wavenet_ae.system.errors import UserError

EXAMPLES = "bass_synthetic_033-022-050, Piano_C4_100 or flute 60"

# The velocities that notation programs commonly play dynamics with.
DYNAMICS = {"ppp": 16, "pp": 32, "p": 48, "mp": 64, "mf": 80, "f": 96, "ff": 112, "fff": 127}
_DYNAMIC_WORDS = {
    "pianissimo": "pp",
    "piano": "p",
    "mezzopiano": "mp",
    "mezzoforte": "mf",
    "forte": "f",
    "fortissimo": "ff",
}
# Where one is a prefix of another, the longer one comes first.
_DYNAMICS = "|".join(sorted(DYNAMICS, reverse=True))
DYNAMIC = (
    "(?i:pianissimo|mezzo[-_ ]?piano|mezzo[-_ ]?forte|fortissimo|piano|forte|" + _DYNAMICS + ")"
)

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "s": 1, "b": -1, "♭": -1}
# "s" is a sharp where file names avoid "#"; not in Es, which is a flat in German.
NOTE = r"(?:[A-Ga-g][#♯b♭]?|[ACDFGacdfg]s)-?\d{1,2}"
NUMBER = r"[0-9]{1,3}"
LAYER = r"[0-9]{1,2}"
_SEPARATORS = r"[ _.\-]+"
# vel100 and v100, but not v2, which counts velocity layers.
_VELOCITY = rf"(?:[vV]el(?:ocity)?{NUMBER}|[vV][0-9]{{3}}|{NUMBER})"
# A single p or f may mean anything.
_MARK = "(?:ppp|pp|mp|mf|fff|ff|PPP|PP|MP|MF|FFF|FF)"
# With A0v10 (Salamander), Vln_A4_v3_rr1 and Violin.arco.ff.sulA.A4.stereo (Iowa); all takes of
# a round robin (rr) are the same note.
_NAME = re.compile(
    rf"(?:(?P<name>.+?){_SEPARATORS})??"
    rf"(?P<pitch>{NOTE}|{NUMBER})"
    rf"(?:{_SEPARATORS}(?P<velocity>{_VELOCITY})"
    rf"|(?:{_SEPARATORS})?[vV](?P<layer>{LAYER})"
    rf"|{_SEPARATORS}(?P<dynamic>{_MARK}))?"
    rf"(?:{_SEPARATORS}(?:rr|RR)[0-9]+)?"
    rf"(?:{_SEPARATORS}(?:stereo|mono))?"
)
_MARK_IN_NAME = re.compile(rf"(?:^|{_SEPARATORS})(?P<dynamic>{_MARK})(?=$|{_SEPARATORS})")
# The Philharmonia Orchestra's: violin_A4_1_mezzo-piano_arco-normal, with the length in seconds.
_PHILHARMONIA = re.compile(
    rf"(?P<name>.+?)_(?P<pitch>{NOTE})_(?:[0-9]+|long|very-long)_(?P<dynamic>{DYNAMIC})_"
    r"(?:(?:arco-)?normal|(?P<articulation>.+))"
)

_MOST_BYTES = 200  # of an instrument's name; a file's name has 255
_MOST_LAYERS = 16  # of the libraries that count them in names


class NameParts(NamedTuple):
    """The labels in a file's name."""

    instrument: str | None
    pitch: int | None  # MIDI
    velocity: int | None  # MIDI
    is_plain_number: bool  # the pitch is written as a number, which may have meant something else
    dynamic: str | None = None  # what the velocity is read from, such as mf
    layer: int | None = None  # which one of the velocity layers, which count up to the loudest
    is_exact: bool = False  # the name's scheme leaves no doubt about its parts
    others: Mapping[str, str] = {}  # family, source and qualities, as they are written


def parse_name(stem: str) -> NameParts | None:
    """Reads a file's name without its suffix.

    The forms are NSynth's, `name_pitch` and `name_pitch_velocity` with `_`, `-`, `.` or spaces
    between (the name may be missing), and the Philharmonia Orchestra's. The velocity may be a
    dynamic (`mf`), which may also be part of the name, or a layer (`v3`).

    Returns:
        None if the name has another form.

    Raises:
        UserError: it has the form, but a number is out of range or its part is uncertain; the
            message is the end of a sentence about the file.
    """
    try:
        name = nsynth.parse_note_name(stem)
    except ValueError:
        pass
    else:
        return _as_nsynths(name)
    if match := _PHILHARMONIA.fullmatch(stem):
        name = "_".join(filter(None, (match["name"], match["articulation"])))
        velocity = parse_dynamic(match["dynamic"])
        return NameParts(name, parse_pitch(match["pitch"]), velocity, False, match["dynamic"])
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    name, is_number = match["name"], match["pitch"].isdecimal()
    last = re.split(_SEPARATORS, name)[-1] if name else ""
    if nsynth.parse_instrument_name(name or "") is None and re.fullmatch(
        "[0-9]+" if is_number else NOTE, last
    ):
        raise UserError(
            f"has a name in which {last} or {match['pitch']} could be the pitch: give it in "
            "--labels, say which by --pattern, or rename the file"
        )
    layer = int(match["layer"]) if match["layer"] else None
    if layer is not None and (is_number or layer > _MOST_LAYERS):
        return None
    pitch = parse_pitch(match["pitch"])
    if match["velocity"]:
        velocity = parse_velocity(re.sub(r"^\D+", "", match["velocity"]))
        return NameParts(name, pitch, velocity, is_number)
    dynamic = match["dynamic"]
    if name and layer is None and dynamic is None:
        name, dynamic = _without_mark(name)
    velocity = parse_dynamic(dynamic) if dynamic else None
    return NameParts(name or None, pitch, velocity, is_number, dynamic, layer)


def _as_nsynths(name: nsynth.NoteName) -> NameParts:
    pitch, velocity = parse_pitch(name.pitch), parse_velocity(name.velocity)
    if not nsynth.is_note_name(name):
        raise UserError(
            f"has a name that gives pitch {pitch} and velocity {velocity} if it is as NSynth's, "
            "or counts takes: use --pattern='{instrument}-{pitch}-{velocity}', or --nonames"
        )
    return NameParts(name.instrument, pitch, velocity, False, is_exact=True)


def _without_mark(name: str) -> tuple[str, str | None]:
    """Takes the dynamic out of `Piano.ff`; a swell such as `pp-ff` stays."""
    marks = list(_MARK_IN_NAME.finditer(name))
    if len(marks) != 1:
        return name, None
    rest = name[: marks[0].start()] + name[marks[0].end() :]
    return re.sub(f"^{_SEPARATORS}", "", rest), marks[0]["dynamic"]


def parse_pitch(value: Any) -> int:
    """Reads a MIDI number, or a note name in scientific notation: C4 is 60, A4 69.

    Args:
        value: 60, "60", "C4", "F#3", "Fs3", "Bb2", "C-1"; from C-1 (0) to G9 (127).

    Raises:
        UserError: it is not a pitch; the message is the end of a sentence about it.
    """
    text = str(value).strip()
    if re.fullmatch(NOTE, text):
        letter, accidental, octave = re.fullmatch(r"(.)([^-\d]?)(-?\d+)", text).groups()
        pitch = 12 * (int(octave) + 1) + _SEMITONES[letter.upper()] + _ACCIDENTALS[accidental]
    else:
        pitch = _whole_number(value, "pitch", "a MIDI number or a note name such as C4 or F#3")
    if not 0 <= pitch < nsynth.NUM_PITCHES:
        raise UserError(f"has pitch {text}, which is not among MIDI's 0 (C-1) to 127 (G9)")
    return pitch


def parse_velocity(value: Any) -> int:
    """Reads a MIDI velocity.

    Raises:
        UserError: it is not a velocity; the message is the end of a sentence about it.
    """
    velocity = _whole_number(value, "velocity", "a number")
    if not 1 <= velocity <= nsynth.MOST_VELOCITY:
        raise UserError(f"has velocity {velocity}, which is not among MIDI's 1 to 127")
    return velocity


def parse_dynamic(text: str) -> int:
    """Returns the velocity of what `DYNAMIC` matches: mf, or mezzo-forte."""
    letters = re.sub(r"[-_ ]", "", text.lower())
    return DYNAMICS[_DYNAMIC_WORDS.get(letters, letters)]


def layer_velocities(layers: Collection[int]) -> dict[int, int]:
    """Returns the velocities of velocity layers: even steps, 127 for the loudest.

    Args:
        layers: those of an instrument, counted from 1 or 0. Where some between them are missing,
            as many are assumed as large libraries have.
    """
    first = 0 if 0 in layers else 1
    count = max(layers) - first + 1
    if count != len(layers):
        count = max(count, _MOST_LAYERS)
    most = nsynth.MOST_VELOCITY
    return {layer: round(most * (layer - first + 1) / count) for layer in layers}


def _whole_number(value: Any, what: str, expected: str) -> int:
    try:
        number = float(value)  # a spreadsheet may write 60.0
        if isinstance(value, bool) or number != int(number):
            raise ValueError
    except (OverflowError, TypeError, ValueError):
        raise UserError(f"has {what} {value!r}, which is not {expected}") from None
    return int(number)


def instrument_from(text: str) -> str:
    """Returns an instrument's name made safe for file names.

    Letters and digits of any script stay, and `_.+#-` within it; all else becomes `_`.

    Raises:
        UserError: nothing is left, or too much; the message is the end of a sentence about a file.
    """
    name = re.sub(r"[^\w.+#-]+", "_", unicodedata.normalize("NFC", text)).strip("_.-")
    if not name:
        raise UserError(f"has an instrument {text!r} without letters or digits: name it")
    if len(name.encode()) > _MOST_BYTES:
        raise UserError(f"has an instrument name of more than {_MOST_BYTES} bytes: shorten it")
    return name
