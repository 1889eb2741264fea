"""The labels of a recording: what a table, its name, its folders and the defaults say.

Each label comes from the first of these that has it:

    instrument  the table; the part of the name before the pitch; the name of the folder
    pitch       the table; the name; else the pitch tracker is to find it
    velocity    the table; the name; the default
    family and  the table; an instrument's name as NSynth's (bass_synthetic_033); the default; words
    source      in the names of instrument and folders (Rhodes); else they are assumed
    qualities   the table; else none
"""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from wavenet_ae.data import instrument_words, note_names, nsynth
from wavenet_ae.data.label_table import Row
from wavenet_ae.errors import UserError

# For what nothing tells: NSynth's largest family is as good as any, and recordings are mostly of
# acoustic instruments.
ASSUMED_FAMILY = "keyboard"
ASSUMED_SOURCE = "acoustic"


class Defaults(NamedTuple):
    """What holds where neither table nor name says more."""

    velocity: int = 100
    family: str | None = None  # None: what the words say
    source: str | None = None
    names: bool = True  # whether the files' names tell pitch, velocity and instrument


class Labels(NamedTuple):
    """A recording's labels."""

    instrument: str
    pitch: int | None  # MIDI; None if it is to be tracked
    velocity: int  # MIDI
    family: str
    source: str
    qualities: tuple[int, ...]  # 0 or 1 for each of nsynth.QUALITIES
    # Where each comes from: table, name, number (a pitch in a name, in digits), folder, default,
    # words, assumed or tracker.
    origins: Mapping[str, str]


def label(
    file: PurePosixPath, folder_name: str, row: Row | None, defaults: Defaults, *, track: bool
) -> Labels:
    """Puts a recording's labels together.

    Args:
        file: its path within the folder of recordings.
        folder_name: what that folder is called.
        row: what the table says of it.
        defaults: for the rest.
        track: whether a pitch may be left to the pitch tracker.

    Raises:
        UserError: a label is wrong or the pitch is missing; the message is the end of a sentence
            about the file.
    """
    given = {} if row is None else _from_table(row)
    labels: dict[str, Any] = dict(given)
    origins = dict.fromkeys(given, "table")
    # A name has no say where the table has the pitch and the instrument.
    if defaults.names and not {"instrument", "pitch", "velocity"} <= set(given):
        try:
            parts = note_names.parse_name(file.stem)
        except UserError:
            if "pitch" not in given:
                raise
            parts = None
        for name in ("instrument", "pitch", "velocity"):
            value = getattr(parts, name, None)
            if name not in labels and value is not None:
                labels[name], origins[name] = value, "name"
                if name == "pitch" and parts.is_plain_number:
                    origins[name] = "number"
    if "pitch" not in labels:
        if not track:
            raise UserError(_no_pitch(defaults))
        labels["pitch"], origins["pitch"] = None, "tracker"
    folders = [*reversed(file.parent.parts), folder_name]
    _fill(labels, origins, "instrument", folders[0], "folder")
    _fill(labels, origins, "velocity", defaults.velocity, "default")
    labels["instrument"] = note_names.instrument_from(labels["instrument"])
    named = [file.stem] if defaults.names else []
    _add_family_and_source(labels, origins, [*named, *folders], defaults)
    labels.setdefault("qualities", (0,) * len(nsynth.QUALITIES))
    return Labels(**labels, origins=origins)


def _no_pitch(defaults: Defaults) -> str:
    ways = "give it in --labels, or use --pitch_tracker=pyin"
    if not defaults.names:
        return f"has no pitch: {ways}"
    return f"has no pitch in its name, which is not like {note_names.EXAMPLES}: rename it, {ways}"


def _fill(labels: dict[str, Any], origins: dict[str, str], name: str, value: Any, origin: str):
    if name not in labels:
        labels[name], origins[name] = value, origin


def _add_family_and_source(
    labels: dict[str, Any], origins: dict[str, str], places: list[str], defaults: Defaults
) -> None:
    in_name = nsynth.parse_instrument_name(labels["instrument"]) or (None, None)
    names = [labels["instrument"], *places]
    words = (instrument_words.find_family(names), instrument_words.find_source(names))
    assumed = (ASSUMED_FAMILY, ASSUMED_SOURCE)
    for index, name in enumerate(("family", "source")):
        for value, origin in (
            (in_name[index], "name"),
            (getattr(defaults, name), "default"),
            (words[index], "words"),
            (assumed[index], "assumed"),
        ):
            if value is not None:
                _fill(labels, origins, name, value, origin)


def _from_table(row: Row) -> dict[str, Any]:
    """Returns the labels of a row, checked."""
    parsers = {
        "instrument": str,
        "pitch": note_names.parse_pitch,
        "velocity": note_names.parse_velocity,
        "family": lambda value: _one_of(nsynth.FAMILIES, "family", value),
        "source": lambda value: _one_of(nsynth.SOURCES, "source", value),
        "qualities": _qualities,
    }
    try:
        return {name: parsers[name](value) for name, value in row.labels.items()}
    except UserError as error:
        raise UserError(f"{error} (in {row.where})") from None


def _one_of(allowed: tuple[str, ...], what: str, value: Any) -> str:
    name = str(value).strip().lower().replace(" ", "_")
    if name not in allowed:
        raise UserError(f"has {what} {value!r}, which is none of {', '.join(allowed)}")
    return name


def _qualities(value: Any) -> tuple[int, ...]:
    """Reads names divided by ";" or ",", a list of names, or ten numbers 0 or 1 as NSynth's."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except ValueError:
            raise UserError(f"has qualities {value!r}, which is not a list") from None
    if isinstance(value, str):
        value = [word for word in value.replace(",", ";").split(";") if word.strip()]
    if not isinstance(value, list):
        raise UserError(f"has qualities {value!r}, which is not a list of names")
    if len(value) == len(nsynth.QUALITIES) and all(it in (0, 1) for it in value):
        return tuple(map(int, value))
    names = {str(word).strip().lower() for word in value}
    if unknown := sorted(names - set(nsynth.QUALITIES)):
        raise UserError(
            f"has quality {unknown[0]!r}, which is none of {', '.join(nsynth.QUALITIES)}"
        )
    return tuple(int(quality in names) for quality in nsynth.QUALITIES)
