"""Synthetic notes as a folder in NSynth's json/wav layout."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare import rendering
from wavenet_ae.prepare.notes_folder import RENDERING, NotesWriter
from wavenet_ae.prepare.synthetic import instruments
from wavenet_ae.prepare.synthetic.instruments import SyntheticInstrument
from wavenet_ae.prepare.synthetic.partials import synthesize
from wavenet_ae.system.errors import UserError

# Changes whenever a note of the same seed sounds different.
_VERSION = 1


@dataclass(frozen=True)
class _Job:
    """The notes of one instrument."""

    output: Path
    instrument: SyntheticInstrument
    index: int
    seed: int
    pitches: tuple[int, ...]
    velocities: tuple[int, ...]

    @property
    def name(self) -> str:
        return self.instrument.name


def render_synthetic(
    output: Path,
    *,
    num_instruments: int,
    notes_each: int,
    pitches: Sequence[int] = nsynth.PITCHES,
    velocities: Sequence[int] = nsynth.VELOCITIES,
    seed: int = 0,
    processes: int | None = None,
) -> str:
    """Draws instruments and synthesizes notes of each, or resumes an interrupted call.

    Args:
        output: the folder; a new or an empty one, or one that this function was writing.
        num_instruments: how many to draw, of ten families in turn; at most 10,000.
        notes_each: of every instrument, at most; pitches are drawn without repetition from those
            that it plays, each with a velocity drawn from `velocities`.
        pitches: MIDI numbers.
        velocities: 1 to 127.
        seed: of instruments and notes. A note depends on it and on its instrument, not on
            `num_instruments` or `processes`.
        processes: None for one per core.

    Returns:
        One sentence on what the folder holds.

    Raises:
        UserError: none of the pitches is played by any instrument; the folder cannot be written,
            another process is writing to it, or it holds something else, which is left unchanged.
    """
    request = {
        "num_instruments": num_instruments,
        "notes_each": notes_each,
        "pitches": list(pitches),
        "velocities": list(velocities),
        "seed": seed,
    }
    jobs = [
        _job(output, instrument, index, seed, notes_each, pitches, velocities)
        for index, instrument in enumerate(instruments.draw(seed, num_instruments))
    ]
    total = sum(len(job.pitches) for job in jobs)
    if not total:
        raise UserError("no instrument plays any of the --pitches: ask for some from 21 to 108.")
    with NotesWriter(output, RENDERING, request, versions={"synthesis": _VERSION}) as folder:
        if not folder.is_finished:
            done = rendering.run(_render_job, jobs, folder, processes, "synthesizing")
            notes = [
                Note.named(of.name, int(pitch), velocity, of.family, "synthetic", qualities)
                for of in (job.instrument for job in jobs)
                for pitch, (velocity, qualities) in done[of.name].items()
            ]
            numbers = {job.name: job.index for job in jobs}
            report = {"request": request, "synthesis": _VERSION, "notes": total}
            folder.finish(notes, numbers, json.dumps(report, indent=2) + "\n")
    return f"{output}: {total} notes of {sum(bool(job.pitches) for job in jobs)} instruments."


def _job(
    output: Path,
    instrument: SyntheticInstrument,
    index: int,
    seed: int,
    notes_each: int,
    pitches: Sequence[int],
    velocities: Sequence[int],
) -> _Job:
    rng = np.random.default_rng((seed, index, 1))
    playable = [pitch for pitch in pitches if pitch in instrument.pitches]
    chosen = sorted(rng.permutation(playable)[:notes_each].tolist())
    drawn = tuple(rng.choice(velocities, len(chosen)).tolist())
    return _Job(output.resolve(), instrument, index, seed, tuple(chosen), drawn)


def _render_job(job: _Job) -> dict[str, tuple[int, list[int]]]:
    rendered = {}
    for pitch, velocity in zip(job.pitches, job.velocities, strict=True):
        rng = np.random.default_rng((job.seed, job.index, 2, pitch, velocity))
        qualities = rendering.save_note(
            job.output,
            nsynth.NoteName(job.name, pitch, velocity),
            synthesize(job.instrument, pitch, velocity, rng),
            distortion=job.instrument.drive > 0,
            multiphonic=False,
        )
        rendered[str(pitch)] = (velocity, qualities)
    return rendered
