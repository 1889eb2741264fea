"""What the names of sound files tell: `bass_synthetic_033-022-050`, `Piano_C4_100`, `flute 60`."""

import re
import unicodedata
from typing import Any, NamedTuple

from wavenet_ae.data import nsynth
from wavenet_ae.errors import UserError

EXAMPLES = "bass_synthetic_033-022-050, Piano_C4_100 or flute 60"

_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "s": 1, "b": -1, "♭": -1}
# "s" is a sharp where file names avoid "#"; Es is a flat in German, and no sharp anywhere.
_NOTE = r"(?:[A-Ga-g][#♯b♭]?|[ACDFGacdfg]s)-?\d{1,2}"
_NUMBER = r"[0-9]{1,3}"
_SEPARATORS = r"[ _.\-]+"
# vel100 and v100, but not v2: velocity layers are counted, too.
_VELOCITY = rf"(?:[vV]el(?:ocity)?{_NUMBER}|[vV][0-9]{{3}}|{_NUMBER})"
_NAME = re.compile(
    rf"(?:(?P<name>.+?){_SEPARATORS})??"
    rf"(?P<pitch>{_NOTE}|{_NUMBER})"
    rf"(?:{_SEPARATORS}(?P<velocity>{_VELOCITY}))?"
)

_MOST_BYTES = 200  # of an instrument's name; a file's name has 255


class NameParts(NamedTuple):
    """What a file's name tells."""

    instrument: str | None
    pitch: int  # MIDI
    velocity: int | None  # MIDI
    is_plain_number: bool  # the pitch is written as a number, which may have meant something else


def parse_name(stem: str) -> NameParts | None:
    """Reads a file's name without its suffix.

    A name as NSynth's, or `name_pitch` or `name_pitch_velocity`, divided by `_`, `-`, `.` or
    spaces; the name may be missing.

    Returns:
        None if the name has another form.

    Raises:
        UserError: it has the form, but a number is out of range or its part is uncertain; the
            message is the end of a sentence about the file.
    """
    try:
        instrument, pitch, velocity = nsynth.parse_note_name(stem)
    except ValueError:
        pass
    else:
        return NameParts(instrument, parse_pitch(pitch), parse_velocity(velocity), False)
    match = _NAME.fullmatch(stem)
    if match is None:
        return None
    name, is_number = match["name"], match["pitch"].isdecimal()
    last = re.split(_SEPARATORS, name)[-1] if name else ""
    if nsynth.parse_instrument_name(name or "") is None and re.fullmatch(
        "[0-9]+" if is_number else _NOTE, last
    ):
        raise UserError(
            f"has a name in which {last} or {match['pitch']} could be the pitch: give it in "
            "--labels, or rename the file"
        )
    velocity = match["velocity"] and re.sub(r"^\D+", "", match["velocity"])
    return NameParts(
        name,
        parse_pitch(match["pitch"]),
        parse_velocity(velocity) if velocity else None,
        is_number,
    )


def parse_pitch(value: Any) -> int:
    """Reads a MIDI number, or a note name in scientific notation: C4 is 60, A4 69.

    Args:
        value: 60, "60", "C4", "F#3", "Fs3", "Bb2", "C-1"; from C-1 (0) to G9 (127).

    Raises:
        UserError: it is none; the message is the end of a sentence about it.
    """
    text = str(value).strip()
    if re.fullmatch(_NOTE, text):
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
        UserError: it is none; the message is the end of a sentence about it.
    """
    velocity = _whole_number(value, "velocity", "a number")
    if not 1 <= velocity <= 127:
        raise UserError(f"has velocity {velocity}, which is not among MIDI's 1 to 127")
    return velocity


def _whole_number(value: Any, what: str, expected: str) -> int:
    try:
        number = float(value)  # a spreadsheet may write 60.0
        if isinstance(value, bool) or number != int(number):
            raise ValueError
    except (OverflowError, TypeError, ValueError):
        raise UserError(f"has {what} {value!r}, which is not {expected}") from None
    return int(number)


def instrument_from(text: str) -> str:
    """Returns an instrument's name that is good for file names.

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
