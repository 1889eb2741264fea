"""The labels of a recording: what a table, its name, its folders and the defaults say.

Each label comes from the first of these that has it:

    instrument  the table; the part of the name before the pitch; the name of the folder
    pitch       the table; the name; else the pitch tracker is to find it
    velocity    the table; the name (a number, a dynamic or a layer); the default
    family and  the table; a part of the --pattern; an instrument's name as NSynth's
    source      (bass_synthetic_033); the default; words in the names of instrument and folders
                (Rhodes); else an assumption
    qualities   the table; a part of the --pattern; else none

A file whose table row and name clearly contradict each other is refused.
"""

import functools
import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.recordings import instrument_words, note_names
from wavenet_ae.prepare.recordings.label_table import Row
from wavenet_ae.prepare.recordings.name_pattern import NamePattern
from wavenet_ae.prepare.recordings.note_names import NameParts
from wavenet_ae.system.errors import UserError

# Where nothing says more: any family would do, and recordings are mostly of acoustic instruments.
ASSUMED_FAMILY = "keyboard"
ASSUMED_SOURCE = "acoustic"


class Defaults(NamedTuple):
    """What holds where neither table nor name says more."""

    velocity: int = 100
    family: str | None = None  # None: what the words say
    source: str | None = None
    names: bool = True  # whether files' names are read for pitch, velocity and instrument
    pattern: NamePattern | None = None  # how to read the names; None: as `note_names` does


class Labels(NamedTuple):
    """A recording's labels."""

    instrument: str
    pitch: int | None  # MIDI; None if it is to be tracked
    velocity: int  # MIDI
    family: str
    source: str
    qualities: tuple[int, ...]  # 0 or 1 for each of nsynth.QUALITIES
    # Where each comes from: table, name, number (a pitch in a name, in digits), dynamic or layer (a
    # velocity in a name), folder, default, words, assumed or tracker.
    origins: Mapping[str, str]
    dynamic: str | None = None  # the dynamic that a velocity of that origin was read from
    layer: int | None = None  # likewise; the velocity is `spread_layers`'s

    @property
    def note(self) -> nsynth.Note:
        """The note that the recording becomes; its pitch is known."""
        return nsynth.Note.named(*self[:6])


def label(
    file: PurePosixPath, folder_name: str, row: Row | None, defaults: Defaults, *, track: bool
) -> Labels:
    """Collects a recording's labels.

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
    parts = _read_name(file, row, given, defaults)
    if parts is not None:
        _add_name(labels, origins, parts)
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


def _read_name(
    file: PurePosixPath, row: Row | None, given: Mapping[str, Any], defaults: Defaults
) -> NameParts | None:
    """Reads a file's name, and checks its clear labels against those of the table."""
    if not defaults.names:
        return None
    try:
        if defaults.pattern is not None:
            parts = defaults.pattern.read(file)
        else:
            parts = note_names.parse_name(file.stem)
    except UserError:
        if "pitch" not in given:
            raise
        return None  # the table has the pitch: an unclear name does not matter
    if parts is not None and row is not None:
        _check_agreement(parts, row, given)
    return parts


def _check_agreement(parts: NameParts, row: Row, given: Mapping[str, Any]) -> None:
    sure = {
        "pitch": None if parts.is_plain_number else parts.pitch,
        "velocity": parts.velocity if parts.is_exact and not parts.dynamic else None,
    }
    for name, value in sure.items():
        if value is not None and given.get(name, value) != value:
            raise UserError(
                f"has {name} {given[name]} in {row.where}, and {value} in its name: correct one of "
                "them, or use --nonames"
            )


def _add_name(labels: dict[str, Any], origins: dict[str, str], parts: NameParts) -> None:
    """Adds the labels of a name to those of a table."""
    _fill(labels, origins, "instrument", parts.instrument, "name")
    _fill(labels, origins, "pitch", parts.pitch, "number" if parts.is_plain_number else "name")
    if "velocity" not in labels and parts.layer is not None:
        labels["layer"], labels["velocity"], origins["velocity"] = parts.layer, 0, "layer"
    elif "velocity" not in labels and parts.dynamic:
        labels["dynamic"] = parts.dynamic
        labels["velocity"], origins["velocity"] = parts.velocity, "dynamic"
    _fill(labels, origins, "velocity", parts.velocity, "name")
    for name, value in parts.others.items():
        _fill(labels, origins, name, _PARSERS[name](value), "name")


def spread_layers(labels: Mapping[str, Labels]) -> tuple[dict[str, Labels], dict[str, str]]:
    """Assigns velocities to velocity layers, in even steps up to 127 for the loudest.

    Args:
        labels: of all files, by file.

    Returns:
        The labels, and the reasons to refuse files whose layer could also be a velocity, each as
        the end of a sentence about the file.
    """
    layers: dict[str, set[int]] = defaultdict(set)
    numbers: dict[str, int] = {}  # a velocity that a name gives as a number, by instrument
    for it in labels.values():
        if it.layer is not None:
            layers[it.instrument].add(it.layer)
        elif it.origins["velocity"] == "name":
            numbers[it.instrument] = it.velocity
    velocities = {name: note_names.layer_velocities(some) for name, some in layers.items()}
    spread, refused = {}, {}
    for file, it in labels.items():
        if it.layer is None:
            spread[file] = it
        elif it.instrument in numbers:
            refused[file] = (
                f"has v{it.layer} in its name, which could be a velocity layer or, as "
                f"{numbers[it.instrument]} in another name, the velocity: say which by --pattern"
            )
        else:
            spread[file] = it._replace(velocity=velocities[it.instrument][it.layer])
    return spread, refused


def _no_pitch(defaults: Defaults) -> str:
    remedies = "give it in --labels, or use --pitch_tracker=pyin"
    if not defaults.names or defaults.pattern:
        return f"has no pitch: {remedies}"
    return (
        f"has no pitch in its name, which is not like {note_names.EXAMPLES}: rename it, {remedies}"
    )


def _fill(labels: dict[str, Any], origins: dict[str, str], name: str, value: Any, origin: str):
    if name not in labels and value is not None:
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
            _fill(labels, origins, name, value, origin)


def _from_table(row: Row) -> dict[str, Any]:
    """Returns the labels of a row, checked."""
    try:
        return {name: _PARSERS[name](value) for name, value in row.labels.items()}
    except UserError as error:
        raise UserError(f"{error} (in {row.where})") from None


def _instrument(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise UserError(f"has instrument {value!r}, which is not a name")
    return str(value)


def _one_of(allowed: tuple[str, ...], what: str, value: Any) -> str:
    name = str(value).strip().lower().replace(" ", "_")
    if name not in allowed:
        raise UserError(f"has {what} {value!r}, which is none of {', '.join(allowed)}")
    return name


def _qualities(value: Any) -> tuple[int, ...]:
    """Reads names separated by ";" or ",", a list of names, or ten numbers 0 or 1 as in NSynth."""
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


_PARSERS = {
    "instrument": _instrument,
    "pitch": note_names.parse_pitch,
    "velocity": note_names.parse_velocity,
    "family": functools.partial(_one_of, nsynth.FAMILIES, "family"),
    "source": functools.partial(_one_of, nsynth.SOURCES, "source"),
    "qualities": _qualities,
}
