"""What a rendering plans and what has come of it, in figures and in words."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import librosa
from tqdm import tqdm

from wavenet_ae.instrument.plan import Plan
from wavenet_ae.instrument.rendered import DESCRIPTION, RenderedInstrument, RenderedNote
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.system.counting import count

REPORT, TOOL = "report.json", "instrument"

_MIDDLE_C = 60
_SHOWN = 6  # notes out of tune that the text names


def print_kept(output: Path, finished: int) -> None:
    """Reports on standard error what an interrupted call leaves."""
    notes = count(finished, "note")
    tqdm.write(f"{output} keeps {notes}: the same command goes on from there", file=sys.stderr)


def print_plan(plan: Plan, num_missing: int) -> None:
    """Says how many notes there are, and how many are to be rendered."""
    total = len(plan.notes)
    there = f", {total - num_missing} of which are there already" if num_missing < total else ""
    kinds = {4: "square", 2: "line"}
    shapes = [kinds[len(square.corners)] for square in plan.grid.squares]
    counts = " and ".join(
        count(shapes.count(kind), kind) for kind in kinds.values() if kind in shapes
    )
    tqdm.write(
        f"{count(total, 'note')}: {count(len(plan.grid.cells), 'cell')} of {counts} between "
        f"{count(len(plan.sounds), 'sound')}, at {count(len(plan.pitches), 'pitch', 'pitches')}"
        f"{there}",
        file=sys.stderr,
    )


def report(
    plan: Plan,
    instrument: RenderedInstrument,
    codec: Codec,
    output: Path,
    num_rendered: int,
    seconds: float,
) -> dict[str, Any]:
    """Returns what a call has made, for `report.json`.

    Args:
        plan: of the call.
        instrument: what it has become.
        codec: the model.
        output: the folder.
        num_rendered: notes that this call rendered.
        seconds: that it took.
    """
    with_pitch = [
        note
        for planned, note in zip(plan.notes, instrument.notes, strict=True)
        if planned.has_pitch
    ]
    files = {note.file for note in instrument.notes}
    return {
        "model": codec.trained.describe() | {"settings": dict(codec.settings)},
        "seed": plan.seed,
        "sounds": [
            {
                "name": sound.name,
                "files": [str(recording.path.absolute()) for recording in sound.recordings],
                "pitches": list(sound.pitches),
            }
            for sound in plan.sounds
        ],
        "notes": len(instrument.notes),
        "rendered_by_this_call": num_rendered,
        "minutes": round(seconds / 60, 2),
        "megabytes": round(sum((output / file).stat().st_size for file in files) / 1e6, 2),
        "in_tune": {
            "below_C4": _tuned([note for note in with_pitch if note.pitch < _MIDDLE_C]),
            "from_C4": _tuned([note for note in with_pitch if note.pitch >= _MIDDLE_C]),
        },
        "without_pitch": len(instrument.notes) - len(with_pitch),
        "loops": _share([note.loop is not None for note in instrument.notes]),
        "out_of_tune": [
            {
                "pitch": note.pitch,
                "cents": note.cents,
                "attempts": note.attempts,
                "weights": _weights(instrument, note),
                "file": note.file,
            }
            for note in with_pitch
            if not note.is_in_tune
        ],
    }


def _tuned(notes: Sequence[RenderedNote]) -> dict[str, Any]:
    return {
        "notes": len(notes),
        "at_first": _share([note.is_in_tune and note.attempts == 1 for note in notes]),
        "after_all": _share([note.is_in_tune for note in notes]),
    }


def _share(values: Sequence[bool]) -> float | None:
    return round(sum(values) / len(values), 4) if values else None


def _weights(instrument: RenderedInstrument, note: RenderedNote) -> dict[str, float]:
    weights = zip(instrument.sounds, instrument.cells[note.cell], strict=True)
    return {sound: round(weight, 4) for sound, weight in weights if weight}


def text(report: dict[str, Any], output: Path) -> str:
    """Returns a report in a few lines.

    Args:
        report: from `report`.
        output: the folder.
    """
    lines = [
        f"{output / DESCRIPTION}: {count(report['notes'], 'note')}, {report['megabytes']:.1f} MB; "
        f"{report['rendered_by_this_call']} rendered in {report['minutes']:.1f} minutes"
    ]
    for register, tuned in report["in_tune"].items():
        if tuned["notes"]:
            lines.append(
                f"in tune {register.replace('_', ' ')}: {tuned['at_first']:.0%} at the first "
                f"attempt, {tuned['after_all']:.0%} after all ({count(tuned['notes'], 'note')})"
            )
    if report["without_pitch"]:
        lines.append(f"of sounds without a pitch: {count(report['without_pitch'], 'note')}")
    lines.append(f"{report['loops']:.0%} loop while the key is held")
    if missed := report["out_of_tune"]:
        shown = ", ".join(_spell(note) for note in missed[:_SHOWN])
        more = f" and {len(missed) - _SHOWN} more" if len(missed) > _SHOWN else ""
        lines.append(f"out of tune (see {output / REPORT}): {shown}{more}")
    return "\n".join(lines)


def _spell(note: dict[str, Any]) -> str:
    parts = note["weights"].items()
    weights = " + ".join(
        f"{weight:.2g} {sound}" if weight < 1 else sound for sound, weight in parts
    )
    return f"{librosa.midi_to_note(note['pitch'], unicode=False)} of {weights}"
