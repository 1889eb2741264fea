"""A hash of a dataset's content, independent of the order and format in which it is stored.

A note is a line of ASCII: the JSON list, without spaces, of its name, instrument, pitch, velocity,
family, source and qualities (a string of ten digits, 0 or 1). For `labels_and_sounds` a space and
the digest of its sound (see `sounds`) follow. A fingerprint is the SHA-256 of the sorted lines,
each ended by a line feed. That of the dataset has the split's name, as a JSON string, and a space
before each line; the others ignore splits, so that a folder of notes and the dataset that was
built from it have the same.
"""

import hashlib
import json
from collections.abc import Iterable

import numpy as np

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.statistics.collection import Notes

Fingerprint = dict[str, str | None]

_encode = json.JSONEncoder(separators=(",", ":")).encode  # ensures ASCII


def fingerprints(notes: Notes) -> dict[str, Fingerprint | dict[str, Fingerprint]]:
    """Returns the fingerprints `dataset`, `notes` (the same without splits) and `splits`, by name.

    Each has a hash of the `labels` and one of `labels_and_sounds`; None where notes or sounds were
    not read or could not be.
    """
    labels = np.array([*_lines(notes)], dtype=object)
    whole = labels + " " + notes.digest.astype(object)
    names = np.array([_encode(name) + " " for name in notes.splits], dtype=object)

    def make(prefix: np.ndarray | str, chosen: np.ndarray, splits: Iterable[str]) -> Fingerprint:
        failed = [note for note in notes.unreadable if note.split in set(splits)]
        has_labels = all(note.name is not None for note in failed)
        has_sounds = notes.with_sounds and not failed
        return {
            "labels": _hash((prefix + labels)[chosen]) if has_labels else None,
            "labels_and_sounds": _hash((prefix + whole)[chosen]) if has_sounds else None,
        }

    everything = np.ones(len(labels), bool)
    return {
        "dataset": make(names[notes.split], everything, notes.splits),
        "notes": make("", everything, notes.splits),
        "splits": {
            split: make("", notes.split == place, [split])
            for place, split in enumerate(notes.splits)
        },
    }


def _lines(notes: Notes) -> Iterable[str]:
    """Yields each note's labels."""
    columns = (notes.name, notes.instrument, notes.pitch, notes.velocity, notes.family)
    rows = zip(*(c.tolist() for c in (*columns, notes.source, notes.qualities)), strict=True)
    for name, instrument, pitch, velocity, family, source, qualities in rows:
        flags = "".join("01"[flag] for flag in qualities)
        values = [name, instrument, pitch, velocity, nsynth.FAMILIES[family]]
        yield _encode([*values, nsynth.SOURCES[source], flags])


def _hash(lines: np.ndarray) -> str:
    text = "".join(f"{line}\n" for line in sorted(lines.tolist()))
    return hashlib.sha256(text.encode("ascii")).hexdigest()
