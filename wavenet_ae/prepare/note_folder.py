"""Writes NSynth's json/wav layout: `examples.json` beside `audio/<note_str>.wav`."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from wavenet_ae.data import nsynth
from wavenet_ae.system import atomic_file

EXAMPLES = "examples.json"
AUDIO = "audio"

# Full scale is 1. A note that never gets beyond these eight steps of 16 bits (-72 dBFS) counts as
# silent.
SILENT_PEAK = 8 / 32768


def note_entry(
    name: nsynth.NoteName,
    *,
    instrument_index: int,
    family: str,
    source: str,
    qualities: Sequence[int],
) -> dict[str, Any]:
    """Returns a note's fields as NSynth's `examples.json` has them, all but `note`.

    Args:
        name: the note.
        instrument_index: the number that stands for the instrument.
        family: one of `nsynth.FAMILIES`.
        source: one of `nsynth.SOURCES`.
        qualities: 0 or 1 for each of `nsynth.QUALITIES`.
    """
    return {
        "note_str": str(name),
        "instrument": instrument_index,
        "instrument_str": name.instrument,
        "pitch": name.pitch,
        "velocity": name.velocity,
        "sample_rate": nsynth.SAMPLE_RATE_HZ,
        "qualities": list(qualities),
        "qualities_str": [
            quality for quality, held in zip(nsynth.QUALITIES, qualities, strict=True) if held
        ],
        "instrument_family": nsynth.FAMILIES.index(family),
        "instrument_family_str": family,
        "instrument_source": nsynth.SOURCES.index(source),
        "instrument_source_str": source,
    }


def write_examples(folder: Path, entries: Iterable[dict[str, Any]]) -> None:
    """Writes `examples.json`, whole or not at all, a note a line.

    Args:
        folder: where it goes.
        entries: what `note_entry` returns, in any order; they are sorted by instrument, pitch and
            velocity, and numbered (`note`).

    Raises:
        UserError: the file cannot be written.
    """
    ordered = sorted(entries, key=lambda it: (it["instrument"], it["pitch"], it["velocity"]))
    with (
        atomic_file.replacing(folder / EXAMPLES) as unfinished,
        unfinished.open("w", encoding="utf-8") as file,
    ):
        separator = "{\n"
        for number, entry in enumerate(ordered):
            fields = json.dumps({"note": number, **entry})
            file.write(f"{separator}{json.dumps(entry['note_str'])}: {fields}")
            separator = ",\n"
        file.write("\n}\n")
