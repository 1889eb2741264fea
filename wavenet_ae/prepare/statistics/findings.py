"""What to know about a dataset before training: leaks, duplicates, silence, clipping."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from wavenet_ae.prepare.statistics import sounds
from wavenet_ae.prepare.statistics.collection import Notes

Findings = dict[str, Any]


def is_digital_silence(notes: Notes) -> np.ndarray:
    """Returns bool `[notes]`: every sample is zero."""
    return notes.peak == 0


def is_silent(notes: Notes) -> np.ndarray:
    """Returns bool `[notes]`: no sample is above `sounds.SILENT_DBFS`."""
    return notes.peak <= 10 ** (sounds.SILENT_DBFS / 20)  # not of NaN


def is_clipped(notes: Notes) -> np.ndarray:
    """Returns bool `[notes]`: `sounds.CLIPPED_RUN_SAMPLES` in a row are at full scale."""
    return notes.longest_run >= sounds.CLIPPED_RUN_SAMPLES


def is_shifted(notes: Notes) -> np.ndarray:
    """Returns bool `[notes]`: the mean is beyond `sounds.DC_OFFSET`."""
    return np.abs(notes.mean) > sounds.DC_OFFSET


def find(notes: Notes) -> Findings:
    """Returns lists by kind of finding; None where it needs sounds and these were not read.

    - `shared_instruments`: every pair of splits, with the instruments that both have.
    - `repeated_names`: names of two or more notes, their splits, whether these differ
      (`crosses_splits`), and whether the sounds are the same (None if not known).
    - `same_sounds`: groups of notes with different names and the same samples, and whether they
      lie in different splits. Digital silence is left out.
    - `unreadable`: notes by their place, and by name where the labels could be read, and why.
    - `unnamed_sounds`: files of a folder that belong to no note and were not read.
    - `silent`, `clipped`, `dc_offset`: notes, with the measured number.
    """
    found: Findings = {
        "shared_instruments": [*_shared_instruments(notes)],
        "repeated_names": sorted(_repeated_names(notes), key=_leaks_first),
        "same_sounds": None,
        "unreadable": [note._asdict() for note in notes.unreadable],
        "unnamed_sounds": None,
        "silent": None,
        "clipped": None,
        "dc_offset": None,
    }
    if notes.with_sounds:
        found["unnamed_sounds"] = [
            {"split": split, "name": name}
            for split, names in notes.unnamed_sounds.items()
            for name in names
        ]
        found["same_sounds"] = sorted(_same_sounds(notes), key=_leaks_first)
        found["silent"] = _list(notes, is_silent(notes), "peak")
        found["clipped"] = _list(notes, is_clipped(notes), "longest_run")
        found["dc_offset"] = _list(notes, is_shifted(notes), "mean")
    return found


def _where(notes: Notes, index: int) -> dict[str, str]:
    return {"split": notes.splits[notes.split[index]], "name": str(notes.name[index])}


def _list(notes: Notes, chosen: np.ndarray, field: str) -> list[dict[str, Any]]:
    values = getattr(notes, field)
    listed = [_where(notes, i) | {field: values[i].item()} for i in np.flatnonzero(chosen)]
    return sorted(listed, key=lambda note: (notes.splits.index(note["split"]), note["name"]))


def _shared_instruments(notes: Notes) -> Iterator[dict[str, Any]]:
    names = [np.unique(notes.instrument[notes.split == i]) for i in range(len(notes.splits))]
    for one, other in itertools.combinations(range(len(names)), 2):
        shared = np.intersect1d(names[one], names[other]).tolist()
        yield {
            "splits": [notes.splits[one], notes.splits[other]],
            "count": len(shared),
            "of": [len(names[one]), len(names[other])],
            "instruments": shared,
        }


def _groups(values: np.ndarray) -> Iterator[np.ndarray]:
    """Yields the places of each value that occurs more than once."""
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(values[order][1:] != values[order][:-1]) + 1
    for group in np.split(order, starts):
        if len(group) > 1:
            yield group


def _leaks_first(group: dict[str, Any]) -> tuple[bool, str]:
    return not group["crosses_splits"], group["name"] if "name" in group else str(group["notes"])


def _repeated_names(notes: Notes) -> Iterator[dict[str, Any]]:
    for group in _groups(notes.name):
        is_known = notes.has_sound[group].all()
        yield {
            "name": str(notes.name[group[0]]),
            "splits": [notes.splits[i] for i in notes.split[group]],
            "crosses_splits": len(set(notes.split[group])) > 1,
            "same_sound": len(set(notes.digest[group])) == 1 if is_known else None,
        }


def _same_sounds(notes: Notes) -> Iterator[dict[str, Any]]:
    sounding = np.flatnonzero(notes.has_sound & ~is_digital_silence(notes))
    for places in _groups(notes.digest[sounding]):
        group = sorted(sounding[places], key=lambda i: (notes.split[i], notes.name[i]))
        if len(set(notes.name[group])) > 1:
            yield {
                "notes": [_where(notes, i) for i in group],
                "crosses_splits": len(set(notes.split[group])) > 1,
            }


def sentences(found: Findings) -> list[str]:
    """Returns the findings as sentences, one each; empty if there are none."""
    names, same = found["repeated_names"], found["same_sounds"] or []
    counts = {
        "Leak": [
            (sum(group["crosses_splits"] for group in names), "name", "in more than one split"),
            (
                sum(group["crosses_splits"] for group in same),
                "sound",
                "in more than one split, under different names",
            ),
        ],
        "Duplicates": [
            (sum(not group["crosses_splits"] for group in names), "name", "within a split"),
            (
                sum(not group["crosses_splits"] for group in same),
                "sound",
                "within a split, under different names",
            ),
        ],
        "Shared": [
            (
                pair["count"],
                "instrument",
                f"of {pair['splits'][0]} ({pair['of'][0]:,}) and {pair['splits'][1]} "
                f"({pair['of'][1]:,})",
            )
            for pair in found["shared_instruments"]
        ],
        "Unreadable": [(len(found["unreadable"]), "note", "")],
        "Passed over": [
            (len(found.get("unnamed_sounds") or []), "sound", "that examples.json does not list")
        ],
        "Silent": [(len(found["silent"] or []), "note", f"not above {sounds.SILENT_DBFS:g} dBFS")],
        "Clipped": [
            (
                len(found["clipped"] or []),
                "note",
                f"with {sounds.CLIPPED_RUN_SAMPLES} or more samples in a row at full scale",
            )
        ],
        "DC offset": [
            (
                len(found["dc_offset"] or []),
                "note",
                f"with a mean beyond {100 * sounds.DC_OFFSET:g} % of full scale",
            )
        ],
    }
    return [
        f"{heading}: {count:,} {noun}{'' if count == 1 else 's'} {rest}".rstrip() + "."
        for heading, parts in counts.items()
        for count, noun, rest in parts
        if count
    ]
