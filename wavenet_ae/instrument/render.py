"""Renders an instrument: from sounds to the folder that `rendered` describes."""

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wavenet_ae.instrument import generation, grid, page, rendered, summary
from wavenet_ae.instrument import plan as planning
from wavenet_ae.instrument import sources as sound_files
from wavenet_ae.instrument.packs import writing as packs
from wavenet_ae.instrument.plan import Plan
from wavenet_ae.instrument.rendered import RenderedInstrument, RenderedNote
from wavenet_ae.instrument.sources import Sound
from wavenet_ae.instrument.stored import FOLDER, StoredNotes
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.system import locks, results
from wavenet_ae.system.errors import UserError, write_error


def choose_sounds(
    inputs: Sequence[Path],
    output: Path,
    corners: Sequence[str],
    *,
    pairs: bool = False,
    pitches_in_names: bool = True,
) -> tuple[list[Sound], list[tuple[int, ...]], int]:
    """Reads the sounds of an instrument.

    Args:
        inputs: sound files and folders.
        output: a folder that is not searched.
        corners: see `grid.choose_corners`.
        pairs: likewise.
        pitches_in_names: see `sources.find`.

    Returns:
        The sounds, which of them each square or line lies between, and the number of files refused.

    Raises:
        UserError: a sound that is asked for is not there or cannot be read, or there are fewer than
            two.
    """
    found = sound_files.find(inputs, output, pitches_in_names=pitches_in_names)
    if not corners:
        sounds, refused = sound_files.read(found)
    else:
        named = {
            name for some in grid.choose_corners([*found], corners, pairs=pairs) for name in some
        }
        sounds, refused = sound_files.read({name: found[name] for name in found if name in named})
        if missing := named - {sound.name for sound in sounds}:
            raise UserError(f"--corners names {min(missing)}, which cannot be read.")
    places = {sound.name: index for index, sound in enumerate(sounds)}
    chosen = grid.choose_corners([*places], corners, pairs=pairs)
    return sounds, [tuple(places[name] for name in some) for some in chosen], refused


class Written(NamedTuple):
    """What was written.

    Attributes:
        summary: of the notes, to show.
        page: on which they are played.
        packs: the files to open in a sampler.
    """

    summary: str
    page: page.Page
    packs: list[Path]


def render_instrument(
    codec: Codec,
    sounds: Sequence[Sound],
    corners: Sequence[tuple[int, ...]],
    output: Path,
    *,
    name: str,
    resolution: int,
    pitches: Sequence[int],
    seed: int = 0,
    attempts: int = 3,
    batch_size: int = 32,
) -> Written:
    """Renders the notes of all cells, and writes their description, the page and the packs.

    Notes that earlier calls have rendered there are reused; an interrupted call is resumed.

    Args:
        codec: the model.
        sounds: from `choose_sounds`.
        corners: likewise.
        output: the folder.
        name: of the instrument, to show.
        resolution: cells along a side.
        pitches: MIDI, ascending.
        seed: of the random draws.
        attempts: how often to generate a note at most until it is in tune.
        batch_size: notes generated together.

    Returns:
        What was written.

    Raises:
        UserError: the model cannot play a pitch, or the folder cannot be written or holds files
            that are not an instrument's.
    """
    started = time.monotonic()
    _check_folder(output)
    cells = grid.build(len(sounds), corners, resolution)
    plan = planning.make(
        codec, sounds, cells, resolution=resolution, pitches=pitches, seed=seed, attempts=attempts
    )
    page.check(output)
    packs.check(output, _outline(plan, name))
    try:
        with locks.exclusive_lock(output):
            stored = StoredNotes(output)
            stored.check_writable()
            todo = _missing(plan, stored)
            summary.print_plan(plan, len(todo))
            try:
                generation.generate(codec, todo, stored, seed=seed, batch_size=batch_size)
            except KeyboardInterrupt:
                summary.print_kept(output, len(plan.notes) - len(_missing(plan, stored)))
                raise
            instrument = _describe(plan, stored, name)
            rendered.write(instrument, output)
            stored.discard_superseded()
            seconds = time.monotonic() - started
            report = summary.report(plan, instrument, codec, output, len(todo), seconds)
            return _publish(report, output)
    except OSError as error:
        raise write_error(output, error) from error


def _publish(report: dict[str, Any], output: Path) -> Written:
    """Writes what is made of a rendered instrument: the report, the page and the packs."""
    with results.replacing(output / summary.REPORT, summary.TOOL) as path:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", "utf-8")
    written = page.write_page(output)
    return Written(summary.text(report, output), written, packs.write_packs(output))


def _check_folder(output: Path) -> None:
    """Raises a UserError where files would be replaced that are not an instrument's."""
    results.check(output, [summary.REPORT], summary.TOOL)
    path = output / rendered.DESCRIPTION
    try:
        described = json.loads(path.read_text("utf-8"))
        is_ours = "format" in described and "cells" in described
    except FileNotFoundError:
        return
    except OSError as error:
        raise write_error(path, error) from error
    except (ValueError, TypeError):
        is_ours = False
    if not is_ours:
        raise UserError(
            f"{path} is not written by this tool: move it away, or write to another folder."
        )


def _missing(plan: Plan, stored: StoredNotes) -> list[planning.PlannedNote]:
    """Returns the notes that need an attempt; notes of equal sounds have the same name."""
    missing = {}
    for note in plan.notes:
        before = stored.get(note.name)
        if before is None or (not before.is_in_tune and before.attempts < note.most_attempts):
            missing[note.name] = note
    return list(missing.values())


def _describe(plan: Plan, stored: StoredNotes, name: str) -> RenderedInstrument:
    notes = []
    for planned in plan.notes:
        note = stored.get(planned.name)
        if note is None:
            raise UserError(f"notes have vanished from {FOLDER}: run the same command again.")
        notes.append(
            RenderedNote(
                cell=planned.cell,
                pitch=planned.pitch,
                file=note.file,
                gain=note.gain,
                samples=note.samples,
                loop=note.loop,
                release=note.release,
                cents=note.cents,
                attempts=note.attempts,
            )
        )
    return dataclasses.replace(_outline(plan, name), notes=tuple(notes))


def _outline(plan: Plan, name: str) -> RenderedInstrument:
    """Returns the description without notes."""
    return RenderedInstrument(
        name=name,
        sounds=tuple(sound.name for sound in plan.sounds),
        resolution=plan.resolution,
        pitches=plan.pitches,
        squares=plan.grid.squares,
        cells=plan.grid.cells,
        notes=(),
    )
