"""A SoundFont's melodic bank as a folder in NSynth's json/wav layout.

    DIR/examples.json          {note_str: fields}, the schema of NSynth's own file
    DIR/audio/<note_str>.wav   16 kHz, mono, 16 bits, 3 s held and 1 s released
    DIR/rendering.json         what was rendered, from which font and how

The samples of a note depend only on the font, the note and the gain: not on the other notes
requested, nor on the number of processes. `examples.json` exists only when the folder is complete;
the next call resumes an interrupted one.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import soxr
from tqdm import tqdm

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare import note_files, rendering
from wavenet_ae.prepare.notes_folder import RENDERING, NotesWriter
from wavenet_ae.prepare.soundfonts import synthesizer
from wavenet_ae.prepare.soundfonts.general_midi import INSTRUMENTS, Instrument, select_instruments
from wavenet_ae.prepare.soundfonts.synthesizer import SoundFont
from wavenet_ae.system.errors import UserError

# One gain for all notes, which keeps the font's levels between velocities and instruments. With
# this one, the loudest note of FluidR3 (Mono GM) peaks at 0.75 of full scale.
DEFAULT_GAIN = 1.0

# In steps of 16 bits. Most silent notes are zero throughout, outside the keys that the program has
# samples for.
_SILENT_PEAK = round(note_files.SILENT_PEAK * 32768)


@dataclass(frozen=True)
class _Job:
    """The notes of one instrument at one velocity."""

    soundfont: Path
    output: Path
    instrument: Instrument
    velocity: int
    pitches: tuple[int, ...]
    gain: float

    @property
    def name(self) -> str:
        return f"{self.instrument.name}-{self.velocity:03d}"


def render_soundfont(
    soundfont: Path,
    output: Path,
    *,
    instruments: Sequence[str] = (),
    pitches: Sequence[int] = nsynth.PITCHES,
    velocities: Sequence[int] = nsynth.VELOCITIES,
    gain: float = DEFAULT_GAIN,
    processes: int | None = None,
) -> str:
    """Renders a font's instruments into NSynth's layout, or resumes an interrupted rendering.

    Args:
        soundfont: an sf2 or sf3 file with General MIDI's programs in bank 0.
        output: the folder; a new or an empty one, or one that this function was writing.
        instruments: what `general_midi.select_instruments` takes; empty: all that the font has.
        pitches: MIDI numbers.
        velocities: 1 to 127.
        gain: FluidSynth's linear gain, 0 to 10.
        processes: None for one per core.

    Returns:
        One sentence on what the folder holds.

    Raises:
        UserError: the font cannot be read or lacks what is requested; the folder cannot be written,
            another process is writing to it, or it holds something else, which is left unchanged.
    """
    presets = _read_presets(soundfont, gain)
    chosen = _present_instruments(soundfont, instruments, presets)
    request = {
        "soundfont_sha256": _sha256(soundfont),
        "instruments": [instrument.name for instrument in chosen],
        "pitches": list(pitches),
        "velocities": list(velocities),
        "gain": gain,
    }
    rendered_with = _rendered_with()
    with NotesWriter(output, RENDERING, request, versions=rendered_with) as folder:
        if folder.is_finished:
            done = _describe(folder.report)
            return f"{output} holds this rendering already: {done}"
        jobs = [
            _Job(soundfont.resolve(), output.resolve(), instrument, velocity, tuple(pitches), gain)
            for instrument in chosen
            for velocity in velocities
        ]
        results = rendering.run(_render_job, jobs, folder, processes, "rendering")
        notes, found = _merge(jobs, results, presets)
        if not notes:
            folder.discard()
            raise UserError(
                f"{soundfont} is silent at all requested pitches: see --pitches and --gain."
            )
        head = {"soundfont": soundfont.name, "request": request, "rendered_with": rendered_with}
        report = head | found
        numbers = {instrument.name: instrument.index for instrument in chosen}
        folder.finish(notes, numbers, json.dumps(report, indent=2) + "\n")
    return f"{output}: {_describe(report)}"


def choose_instruments(
    soundfont: Path, instruments: Sequence[str], gain: float = DEFAULT_GAIN
) -> tuple[Instrument, ...]:
    """Returns the requested instruments of a font.

    Args:
        soundfont: an sf2 or sf3 file.
        instruments: what `general_midi.select_instruments` takes; empty: all that the font has.
        gain: FluidSynth's linear gain, 0 to 10.

    Raises:
        UserError: the font cannot be read or lacks what is requested.
    """
    return _present_instruments(soundfont, instruments, _read_presets(soundfont, gain))


def _read_presets(soundfont: Path, gain: float) -> dict[int, str]:
    """Returns the names of a font's presets by program; shows what FluidSynth warns of."""
    if not soundfont.is_file():
        raise UserError(f"there is no SoundFont file {soundfont}: see --soundfont.")
    if not 0 < gain <= 10:
        raise UserError(f"--gain: {gain} is not between 0 and 10.")
    with SoundFont(soundfont, gain) as font:
        presets = font.presets()
        if font.warnings:
            first, count = font.warnings[0], len(font.warnings)
            more = f", and {count - 1} more of its warnings" if count > 1 else ""
            tqdm.write(f"{soundfont}: FluidSynth says: {first}{more}", file=sys.stderr)
    return presets


def _present_instruments(
    soundfont: Path, words: Sequence[str], presets: dict[int, str]
) -> tuple[Instrument, ...]:
    """Returns the requested instruments that the font has."""
    present = tuple(instrument for instrument in INSTRUMENTS if instrument.program in presets)
    if not present:
        raise UserError(f"{soundfont} has no melodic General MIDI program in its bank 0.")
    for word in words:
        asked = select_instruments([word])
        if not set(asked) & set(present):
            names = ", ".join(f"{it.program} ({it.program_name})" for it in asked)
            raise UserError(f"{soundfont} has no program {names}: see --instruments.")
    return tuple(it for it in present if not words or it in select_instruments(words))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _rendered_with() -> dict[str, Any]:
    """Returns what else the samples may depend on."""
    return {
        "fluidsynth": synthesizer.fluidsynth_version(),
        "settings": {**synthesizer.SETTINGS, "synth.sample-rate": synthesizer.RENDER_RATE_HZ},
        "interpolation": synthesizer.INTERPOLATION,
        "soxr": soxr.__version__,
    }


# A worker opens the font once.
_open_font = lru_cache(maxsize=1)(SoundFont)


def _render_job(job: _Job) -> dict[str, Any]:
    """Writes the wav files of a job.

    Returns:
        What JSON keeps: the notes' qualities by pitch, the numbers of silent and of clipped notes,
        and the peak.
    """
    font = _open_font(job.soundfont, job.gain)
    instrument = job.instrument
    qualities, num_silent, num_clipped, peak = {}, 0, 0, 0
    for pitch in job.pitches:
        samples = font.render(instrument.program, pitch, job.velocity)
        steps = np.rint(samples * 32768.0)
        note_peak = int(np.abs(steps).max())
        if note_peak <= _SILENT_PEAK:
            num_silent += 1
            continue
        num_clipped += int(steps.max() > 32767 or steps.min() < -32768)
        peak = max(peak, note_peak)
        qualities[str(pitch)] = rendering.save_note(
            job.output,
            nsynth.NoteName(instrument.name, pitch, job.velocity),
            samples,
            distortion=instrument.distortion,
            multiphonic=instrument.multiphonic,
        )
    return {
        "qualities": qualities,
        "silent": num_silent,
        "clipped": num_clipped,
        "peak": peak / 32768.0,
    }


def _merge(
    jobs: Sequence[_Job], results: Mapping[str, Mapping[str, Any]], presets: Mapping[int, str]
) -> tuple[list[Note], dict[str, Any]]:
    """Merges the jobs' results.

    Returns:
        The notes, and what `rendering.json` says of the instruments.
    """
    notes: list[Note] = []
    instruments: dict[str, dict[str, Any]] = {}
    for job in jobs:
        part = results[job.name]
        of = job.instrument
        notes += [
            Note.named(of.name, int(pitch), job.velocity, of.family, of.source, qualities)
            for pitch, qualities in part["qualities"].items()
        ]
        counts = instruments.setdefault(
            job.instrument.name,
            {
                "program": job.instrument.program,
                "program_name": job.instrument.program_name,
                "preset_name": presets[job.instrument.program],
                "notes": 0,
                "silent": 0,
                "clipped": 0,
                "peak": 0.0,
            },
        )
        counts["notes"] += len(part["qualities"])
        counts["silent"] += part["silent"]
        counts["clipped"] += part["clipped"]
        counts["peak"] = max(counts["peak"], part["peak"])
    totals = {
        name: sum(counts[name] for counts in instruments.values())
        for name in ("notes", "silent", "clipped")
    }
    totals["peak"] = max(counts["peak"] for counts in instruments.values())
    return notes, {"totals": totals, "instruments": instruments}


def _describe(report: dict[str, Any]) -> str:
    totals = report["totals"]
    sounding = sum(counts["notes"] > 0 for counts in report["instruments"].values())
    clipped = f"{totals['clipped']} clipped" + (" (see --gain)" if totals["clipped"] else "")
    silent = [name for name, counts in report["instruments"].items() if not counts["notes"]]
    none = f" Silent throughout: {', '.join(silent)}." if silent else ""
    return (
        f"{totals['notes']} notes of {sounding} instruments, "
        f"{totals['silent']} silent ones left out, {clipped}, peak {totals['peak']:.2f}.{none}"
    )
