"""Tables of what a dataset holds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.statistics.description import Document
from wavenet_ae.publish.document import Table

NOT_READ = "not read"
FEW = 5  # names listed where there may be thousands

_NOTHING = "-"


def sections(described: Document) -> dict[str, Any]:
    """Returns the description of each split, and of all notes where there are several splits."""
    parts = dict(described["splits"])
    return parts if len(parts) == 1 else parts | {"all": described["all"]}


def overview(described: Document) -> Table:
    """Returns one row per split."""
    header = ["split", "notes", "instruments", "hours", "MIDI pitches", "velocities"]
    header += ["notes an instrument", "pitches an instrument", "velocities a pitch"]
    rows = []
    for name, section in sections(described).items():
        pitches, notes = section["pitches"], section["notes_of_instruments"]
        hours = section["hours"]
        rows.append(
            [
                name,
                f"{section['notes']:,}",
                f"{section['instruments']:,}",
                NOT_READ if hours is None else f"{hours:,.2f}",
                f"{pitches['lowest']} to {pitches['highest']}",
                ", ".join(section["velocities"])
                if len(section["velocities"]) <= 2 * len(nsynth.VELOCITIES)
                else f"{len(section['velocities'])} different",
                f"{notes['fewest']:,} to {notes['most']:,}, mean {notes['mean']:,.1f}",
                f"{section['pitches_per_instrument']:.1f}",
                f"{section['velocities_per_pitch']:.2f}",
            ]
        )
    return Table(header, rows)


def by_family_and_source(section: Mapping[str, Any], what: str, name: str = "all") -> Table:
    """Returns the paper's table: families as rows, sources as columns, and totals.

    Args:
        section: the description of a split, or of all notes.
        what: to count, `notes` or `instruments`.
        name: the split's, or `all`.
    """
    header = ["family", *nsynth.SOURCES, "total"]
    table = section[f"{what}_by_family_and_source"]
    rows = [
        [family.replace("_", " "), *(f"{count:,}" for count in row.values())]
        for family, row in table.items()
    ]
    return Table(header, rows, f"{what.capitalize()} of {name}")


def velocities(described: Document) -> Table:
    """Returns the notes of each velocity by split."""
    parts = sections(described)
    found = sorted(described["all"]["velocities"], key=int)
    rows = [
        [velocity, *(f"{part['velocities'].get(velocity, 0):,}" for part in parts.values())]
        for velocity in found
    ]
    return Table(["velocity", *parts], rows)


def pitch_sentence(described: Document) -> str:
    """Says which pitches there are, and which are missing."""
    pitches = described["all"]["pitches"]
    text = f"MIDI pitches {pitches['lowest']} to {pitches['highest']}, "
    missing = pitches["missing"]
    if not missing:
        text += "none missing between them"
    elif len(missing) > 2 * FEW:
        text += f"{len(missing)} missing between them"
    else:
        text += f"without {', '.join(map(str, missing))}"
    if pitches["notes_beyond_piano"]:
        text += (
            f"; {pitches['notes_beyond_piano']:,} notes beyond a piano's "
            f"{nsynth.PITCHES[0]} to {nsynth.PITCHES[-1]}"
        )
    return f"{text}."


def qualities(described: Document) -> Table:
    """Returns the notes with each quality, and the share of each family's notes that have it."""
    section = described["all"]["qualities"]
    names = [*nsynth.QUALITIES, "none"]
    rows = [["notes", *(f"{section['counts'][name]:,}" for name in names)]]
    rows.append(["share, %", *_percentages(section["shares"], names)])
    for family, shares in section["shares_by_family"].items():
        rows.append([family.replace("_", " "), *_percentages(shares, names)])
    header = ["", *(name.replace("_", " ") for name in names)]
    return Table(header, rows, "Notes with each quality, and shares in percent")


def together(described: Document) -> Table:
    """Returns P(row | column) in percent: of notes with the column's quality, the row's share."""
    given = described["all"]["qualities"]["together"]["share_given"]
    rows = [
        [a.replace("_", " "), *(_percent(given[b][a]) for b in nsynth.QUALITIES)]
        for a in nsynth.QUALITIES
    ]
    header = ["", *(name.replace("_", " ") for name in nsynth.QUALITIES)]
    caption = "P(row | column): of the notes with the column's quality, the row's share in percent"
    return Table(header, rows, caption)


def _percent(share: float | None) -> str:
    return _NOTHING if share is None else f"{100 * share:.1f}"


def _percentages(shares: Mapping[str, float] | None, names: Sequence[str]) -> list[str]:
    return [_percent(None if shares is None else shares[name]) for name in names]


_SOUNDS = {
    "measured": "sounds measured",
    "silent": "silent",
    "digital_silence": "of these all zeros",
    "clipped": "clipped",
    "dc_offset": "with a DC offset",
}


def sound_counts(described: Document) -> Table:
    """Returns how many sounds are silent, clipped and so on, by split."""
    parts = sections(described)
    rows = [
        [
            words,
            *(
                NOT_READ if part["sounds"] is None else f"{part['sounds'][key]:,}"
                for part in parts.values()
            ),
        ]
        for key, words in _SOUNDS.items()
    ]
    return Table(["", *parts], rows)


_LISTS: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "unreadable": ("unreadable", lambda note: note["reason"]),
    "repeated_names": (
        "same name again",
        lambda group: f"{group['name']} ({', '.join(group['splits'])})",
    ),
    "same_sounds": (
        "same sound, other name",
        lambda group: " = ".join(_named(note) for note in group["notes"]),
    ),
    "silent": ("silent", lambda note: _named(note)),
    "clipped": ("clipped", lambda note: f"{_named(note)}: {note['longest_run']:,} samples"),
    "dc_offset": ("DC offset", lambda note: f"{_named(note)}: {100 * note['mean']:.2f} %"),
}


def _named(note: Mapping[str, Any]) -> str:
    return f"{note['name']} ({note['split']})"


def problems(described: Document) -> Table:
    """Returns the number of findings of each kind, and the first few."""
    rows = []
    for key, (words, describe) in _LISTS.items():
        found = described["findings"][key]
        if found is None:
            rows.append([words, NOT_READ, ""])
            continue
        first = "; ".join(describe(one) for one in found[:FEW])
        rest = f"; and {len(found) - FEW:,} more" if len(found) > FEW else ""
        rows.append([words, f"{len(found):,}", first + rest])
    return Table(["", "found", "the first"], rows, text_columns=3)


def shared_instruments(described: Document) -> Table:
    """Returns how many instruments each pair of splits shares."""
    rows = [
        [" and ".join(pair["splits"]), f"{pair['count']:,}", " and ".join(map(str, pair["of"]))]
        for pair in described["findings"]["shared_instruments"]
    ]
    return Table(["splits", "instruments in both", "of"], rows, "Instruments in two splits")


def fingerprints(described: Document) -> Table:
    """Returns the hashes of the dataset, of its notes regardless of splits, and of each split."""
    found = described["fingerprints"]
    parts = {"dataset": found["dataset"], "notes, splits aside": found["notes"]}
    if len(found["splits"]) > 1:
        parts |= found["splits"]
    unknown = "not known" if described["with_sounds"] else NOT_READ
    rows = [
        [name, hashes["labels"] or "not known", hashes["labels_and_sounds"] or unknown]
        for name, hashes in parts.items()
    ]
    return Table(["of", "labels", "labels and sounds"], rows, text_columns=3)
