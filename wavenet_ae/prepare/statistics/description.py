"""What a dataset holds, as a document of plain numbers and names that JSON can hold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wavenet_ae.audio.files import SAMPLE_RATE_HZ
from wavenet_ae.data import nsynth
from wavenet_ae.prepare.statistics import findings, sounds
from wavenet_ae.prepare.statistics.collection import Notes
from wavenet_ae.prepare.statistics.fingerprints import fingerprints

# Peak levels are counted in steps of 3 dB; the first bin has all below.
_PEAK_EDGES_DBFS = tuple(range(round(sounds.SILENT_DBFS), 1, 3))

Document = dict[str, Any]


def describe(notes: Notes, data: Mapping[str, str]) -> Document:
    """Returns the description of a dataset.

    Args:
        notes: from `collection.collect`.
        data: where the notes come from; copied unchanged.

    Returns:
        By key

        - `data`; `with_sounds`, whether the sounds were read. Where they were not, what
          describes them is None.
        - `splits`, by name, and `all`: each the numbers of notes, instruments and hours, tables of
          notes and instruments by family and source, pitches, velocities, notes of each instrument,
          qualities (shares, by family, and how often two occur together) and sounds.
        - `findings`: lists of silent, clipped, shifted (DC offset) and unreadable sounds, repeated
          names, same sounds, and instruments that splits share (see `findings`).
        - `warnings`: the findings in sentences.
        - `fingerprints`: see `fingerprints`.
    """
    everything = np.ones(len(notes.name), bool)
    found = findings.find(notes)
    return {
        "data": dict(data),
        "with_sounds": notes.with_sounds,
        "splits": {
            split: _describe(notes, notes.split == place)
            for place, split in enumerate(notes.splits)
        },
        "all": _describe(notes, everything),
        "findings": found,
        "warnings": findings.sentences(found),
        "fingerprints": fingerprints(notes),
    }


def _describe(notes: Notes, chosen: np.ndarray) -> Document:
    """Describes the notes that bool `[notes]` chooses."""
    family, source = notes.family[chosen], notes.source[chosen]
    instruments, instrument = np.unique(notes.instrument[chosen], return_inverse=True)
    pitch, velocity = notes.pitch[chosen], notes.velocity[chosen]
    at_pitch = instrument * nsynth.NUM_PITCHES + pitch
    return {
        "notes": len(pitch),
        "instruments": len(instruments),
        "hours": _hours(notes, chosen),
        "notes_by_family_and_source": _table(family, source, np.arange(len(pitch))),
        "instruments_by_family_and_source": _table(family, source, instrument),
        "pitches": _pitches(pitch),
        "velocities": _counts(velocity),
        "notes_of_instruments": _notes_of_instruments(instruments, instrument),
        "pitches_per_instrument": _ratio(len(np.unique(at_pitch)), len(instruments)),
        "velocities_per_pitch": _ratio(
            len(np.unique(at_pitch * nsynth.NUM_PITCHES + velocity)), len(np.unique(at_pitch))
        ),
        "qualities": _qualities(notes.qualities[chosen], family),
        "sounds": _sounds(notes, chosen),
    }


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _counts(values: np.ndarray) -> dict[str, int]:
    """Returns how often each value occurs, by the value."""
    found, counts = np.unique(values, return_counts=True)
    return {str(value): int(count) for value, count in zip(found, counts, strict=True)}


def _table(family: np.ndarray, source: np.ndarray, who: np.ndarray) -> Document:
    """Counts the different `who` by family and source, with totals; all three int `[notes]`.

    A total counts each once, even one that is in two cells.
    """

    def count(chosen: np.ndarray) -> int:
        return len(np.unique(who[chosen]))

    families = [*((name, family == i) for i, name in enumerate(nsynth.FAMILIES))]
    sources = [*((name, source == i) for i, name in enumerate(nsynth.SOURCES))]
    everything = np.ones(len(who), bool)
    return {
        row: {
            column: count(in_row & in_column)
            for column, in_column in [*sources, ("total", everything)]
        }
        for row, in_row in [*families, ("total", everything)]
    }


def _pitches(pitch: np.ndarray) -> Document:
    """Describes MIDI pitches, including those missing between the lowest and the highest."""
    lowest, highest = int(pitch.min()), int(pitch.max())
    return {
        "lowest": lowest,
        "highest": highest,
        "missing": sorted(set(range(lowest, highest + 1)) - set(pitch.tolist())),
        "notes_beyond_piano": int((~np.isin(pitch, nsynth.PITCHES)).sum()),
        "counts": _counts(pitch),
    }


def _notes_of_instruments(names: np.ndarray, instrument: np.ndarray) -> Document:
    counts = np.bincount(instrument, minlength=len(names))
    return {
        "fewest": int(counts.min()),
        "median": float(np.median(counts)),
        "mean": float(counts.mean()),
        "most": int(counts.max()),
        "counts": dict(zip(names.tolist(), counts.tolist(), strict=True)),
    }


def _qualities(qualities: np.ndarray, family: np.ndarray) -> Document:
    """Describes bool `[notes, 10]`.

    Of `together`, `counts[a][b]` is the number of notes with a and b, and `share_given[b][a]` the
    share of the notes with b that have a, P(a | b); None where no note has b.
    """

    def shares(chosen: np.ndarray) -> dict[str, float | None] | None:
        if not len(chosen):
            return None
        return dict(zip(nsynth.QUALITIES, chosen.mean(axis=0).tolist(), strict=True)) | {
            "none": float((~chosen.any(axis=1)).mean())
        }

    together = qualities.astype(np.int64).T @ qualities.astype(np.int64)
    totals = np.diag(together).tolist()
    return {
        "counts": dict(zip(nsynth.QUALITIES, totals, strict=True))
        | {"none": int((~qualities.any(axis=1)).sum())},
        "shares": shares(qualities),
        "shares_by_family": {
            name: shares(qualities[family == i]) for i, name in enumerate(nsynth.FAMILIES)
        },
        "together": {
            "counts": {
                a: dict(zip(nsynth.QUALITIES, row, strict=True))
                for a, row in zip(nsynth.QUALITIES, together.tolist(), strict=True)
            },
            "share_given": {
                b: {a: _ratio(int(together[i, j]), totals[j]) for i, a in _numbered()}
                for j, b in _numbered()
            },
        },
    }


def _numbered() -> Sequence[tuple[int, str]]:
    return [*enumerate(nsynth.QUALITIES)]


def _hours(notes: Notes, chosen: np.ndarray) -> float | None:
    if not notes.with_sounds:
        return None
    return float(notes.num_samples[chosen].sum()) / SAMPLE_RATE_HZ / 3600


def _sounds(notes: Notes, chosen: np.ndarray) -> Document | None:
    if not notes.with_sounds:
        return None
    measured = chosen & notes.has_sound
    with np.errstate(divide="ignore"):
        peak_dbfs = 20 * np.log10(notes.peak[measured])
    steps = np.searchsorted(_PEAK_EDGES_DBFS, peak_dbfs)  # an edge belongs to the bin below it
    return {
        "measured": int(measured.sum()),
        "digital_silence": int((measured & findings.is_digital_silence(notes)).sum()),
        "silent": int((measured & findings.is_silent(notes)).sum()),
        "clipped": int((measured & findings.is_clipped(notes)).sum()),
        "dc_offset": int((measured & findings.is_shifted(notes)).sum()),
        "peaks": {
            "upper_edges_dbfs": [*_PEAK_EDGES_DBFS, None],
            "counts": np.bincount(steps, minlength=len(_PEAK_EDGES_DBFS) + 1).tolist(),
        },
    }
