"""A pattern that says what the parts of files' names are: `{pitch}v{layer}`.

The parts have the names of a label table's columns; there are also {dynamic} (mf, mezzo-forte),
{layer} (velocity layers, counted up to the loudest) and {ignore}. All else is literal text. A
pattern with "/" includes folders: `{instrument}/{pitch}`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from wavenet_ae.audio import files
from wavenet_ae.prepare.recordings import note_names
from wavenet_ae.prepare.recordings.label_table import LABELS
from wavenet_ae.prepare.recordings.note_names import NameParts
from wavenet_ae.system.errors import UserError

_ANY = "[^/]+?"
_PARTS = {
    **dict.fromkeys(LABELS, _ANY),
    "pitch": f"{note_names.NOTE}|{note_names.NUMBER}",
    "velocity": note_names.NUMBER,
    "dynamic": note_names.DYNAMIC,
    "layer": note_names.LAYER,
    "ignore": "[^/]*?",
}
_REPEATABLE = ("ignore", "instrument")
_LOUDNESS = ("velocity", "dynamic", "layer")


class NamePattern:
    """A pattern for the names of sound files."""

    def __init__(self, text: str):
        """Takes the pattern; a suffix of sound files at its end is passed over.

        Raises:
            UserError: it has no parts, an unknown or a repeated one, or two without text between.
        """
        self.text = text
        self._depth = text.count("/") + 1
        ending = PurePosixPath(text).suffix
        stem = text.removesuffix(ending) if ending.lower() in files.SUFFIXES else text
        pieces = re.split(r"\{([^{}]*)\}", stem)  # literals, with names between them
        self._names = pieces[1::2]
        _check(text, self._names, pieces[2:-1:2])
        pieces[::2] = map(re.escape, pieces[::2])
        pieces[1::2] = (f"({_PARTS[name]})" for name in self._names)
        self._pattern = re.compile("".join(pieces))

    def read(self, file: PurePosixPath) -> NameParts:
        """Returns the labels in a file's name.

        Args:
            file: its path within the folder of recordings.

        Raises:
            UserError: the name does not fit, or a number is out of range; the message is the end
                of a sentence about the file.
        """
        match = self._match(file)
        if match is None:
            raise UserError(f"has a name that does not fit --pattern={self.text}: rename it")
        found: dict[str, str] = {}
        for name, value in zip(self._names, match.groups(), strict=True):
            found[name] = f"{found[name]}_{value}" if name in found else value
        velocity, dynamic = found.get("velocity"), found.get("dynamic")
        if dynamic:
            velocity = note_names.parse_dynamic(dynamic)
        return NameParts(
            instrument=found.get("instrument"),
            pitch=note_names.parse_pitch(found["pitch"]) if "pitch" in found else None,
            velocity=note_names.parse_velocity(velocity) if velocity else None,
            is_plain_number=False,
            dynamic=dynamic,
            layer=int(found["layer"]) if "layer" in found else None,
            is_exact=True,
            others={
                name: found[name] for name in ("family", "source", "qualities") if name in found
            },
        )

    def check_fits(self, names: Sequence[str]) -> int:
        """Returns how many files fit, by their paths within the folder of recordings.

        Raises:
            UserError: none does.
        """
        count = sum(self._match(PurePosixPath(file)) is not None for file in names)
        if not count:
            raise UserError(
                f"--pattern={self.text} fits none of {len(names)} names, such as {names[0]}: put "
                "the text between its parts, and {ignore} for parts without meaning."
            )
        return count

    def _match(self, file: PurePosixPath) -> re.Match | None:
        return self._pattern.fullmatch("/".join((*file.parts[:-1], file.stem)[-self._depth :]))


def _check(text: str, names: Sequence[str], between: Sequence[str]) -> None:
    known = ", ".join(f"{{{name}}}" for name in _PARTS)
    if not names:
        raise UserError(f"--pattern={text} has no part in braces: its parts are {known}.")
    counts = Counter(names)
    for name, count in counts.items():
        if name not in _PARTS:
            raise UserError(f"--pattern={text} has {{{name}}}, which is none of {known}.")
        if count > 1 and name not in _REPEATABLE:
            raise UserError(f"--pattern={text} has {{{name}}} twice: make one {{ignore}}.")
    if len(loud := [f"{{{name}}}" for name in _LOUDNESS if name in counts]) > 1:
        raise UserError(f"--pattern={text} has {' and '.join(loud)}: make one {{ignore}}.")
    if "" in between:
        raise UserError(f"--pattern={text} has two parts with nothing between them: make them one.")
