"""Phrases, played by instruments of a SoundFont: a folder of recordings for each.

    DIR/violin/phrase_0000.wav   16 kHz, mono, 16 bits
    DIR/violin/phrase_0000.mid   the notes that were played
    DIR/violin/phrases.json      from which font, and how

All instruments play the same phrases, each in its own compass, under the same names: a dataset of
the folders holds the same phrases out of all of them, and what an instrument would have played is
known.
"""

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files, midi
from wavenet_ae.audio.midi import Note
from wavenet_ae.prepare.phrases import compass, melodies
from wavenet_ae.prepare.soundfonts import synthesizer
from wavenet_ae.prepare.soundfonts.general_midi import Instrument
from wavenet_ae.prepare.soundfonts.soundfont import choose_instruments
from wavenet_ae.prepare.soundfonts.synthesizer import SoundFont
from wavenet_ae.system import atomic_file, worker_pool
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError, write_error
from wavenet_ae.system.locks import exclusive_lock

REPORT = "phrases.json"

_GAIN = 0.5  # FluidSynth's, of float samples; each recording's level is set afterwards
_PEAK = 10 ** (-3 / 20)
_SILENT_PEAK = 1e-5

Phrases = Mapping[str, Sequence[Note]]  # by name


def compose_phrases(count: int, seed: int, lowest: int = 48, highest: int = 84) -> Phrases:
    """Returns melodies by rule: see `melodies.compose`."""
    return {
        f"phrase_{number:04d}": melodies.compose(seed, number, lowest, highest)
        for number in range(count)
    }


def read_phrases(folder: Path) -> Phrases:
    """Reads the MIDI files of a folder, or one file; their names are those of the phrases.

    Raises:
        UserError: there are none, or one cannot be read or holds no notes.
    """
    sources = files.find([folder], midi.SUFFIXES, quiet=True)
    return {source.stem: midi.read_notes(source.path) for source in sources}


def render_phrases(
    soundfont: Path,
    output: Path,
    phrases: Phrases,
    instruments: Sequence[str],
    *,
    processes: int | None = None,
) -> str:
    """Renders phrases with instruments of a font, or resumes an interrupted rendering.

    Args:
        soundfont: an sf2 or sf3 file with General MIDI's programs in bank 0.
        output: the folder. What an earlier call rendered with the same font stays; further
            instruments and phrases are added.
        phrases: notes by name, moved by octaves into each instrument's compass.
        instruments: what `general_midi.select_instruments` takes.
        processes: None for one per core.

    Returns:
        One sentence on what the folder holds.

    Raises:
        UserError: the font cannot be read or lacks what is requested; the folder cannot be written,
            another process is writing to it, or it holds something else, which is left unchanged.
    """
    chosen = choose_instruments(soundfont, instruments, _GAIN)
    font = {
        "soundfont": soundfont.name,
        "soundfont_sha256": hashlib.sha256(soundfont.read_bytes()).hexdigest(),
        "fluidsynth": synthesizer.fluidsynth_version(),
    }
    reports = {it: {**font, "program": it.program, "name": it.program_name} for it in chosen}
    jobs = [
        _job(soundfont, output / folder_name(it), it, name, notes)
        for it in chosen
        for name, notes in phrases.items()
    ]
    for instrument, report in reports.items():
        _check_folder(output / folder_name(instrument), report)
    left = [job for job in jobs if not job.is_done()]  # raises where a file is of other notes
    try:
        with exclusive_lock(output):
            for instrument, report in reports.items():
                _begin(output / folder_name(instrument), report)
            _render(left, len(jobs), processes or worker_pool.num_cores())
    except OSError as error:
        raise write_error(output, error) from error
    names = ", ".join(folder_name(instrument) for instrument in chosen)
    new = f"{len(left)} of them new" if left else "all there already"
    return f"{output}: {count(len(phrases), 'phrase')} each of {names}; {new}."


def folder_name(instrument: Instrument) -> str:
    """Returns the name of an instrument's folder: `acoustic_grand_piano`."""
    return re.sub(r"\W+", "_", instrument.program_name).strip("_").lower()


@dataclass(frozen=True)
class _Job:
    """A phrase of one instrument, in its compass."""

    soundfont: Path
    path: Path  # without suffix
    program: int
    notes: tuple[Note, ...]

    def file(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}{suffix}")

    def is_done(self) -> bool:
        """Tells whether an earlier call has rendered it: the notes are written last.

        Raises:
            UserError: files of these names are of other notes, or not of this tool.
        """
        sound, notes = self.file(".wav"), self.file(".mid")
        if not notes.exists():
            return False
        content = io.BytesIO()
        midi.encode(self.notes, self.program).save(file=content)
        if notes.read_bytes() != content.getvalue():
            raise UserError(
                f"{notes} holds other notes than are to be rendered now: choose another --output, "
                "or remove that folder first."
            )
        return sound.exists()


def _job(
    soundfont: Path, folder: Path, instrument: Instrument, name: str, notes: Sequence[Note]
) -> _Job:
    # What the MIDI file holds is what is played.
    moved = compass.transpose(midi.rounded(notes), *compass.of_program(instrument.program))
    return _Job(soundfont.resolve(), (folder / name).resolve(), instrument.program, tuple(moved))


def _check_folder(folder: Path, report: Mapping[str, Any]) -> None:
    """Raises a UserError unless the folder is empty or was begun with the same report."""
    try:
        there = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        found = json.loads((folder / REPORT).read_text()) if there else report
    except (OSError, ValueError):
        found = None
    if found != report:
        raise UserError(
            f"{folder} holds {there[0]}, not rendered with this font by this tool: choose another "
            "--output, or remove that folder first."
        )


def _begin(folder: Path, report: Mapping[str, Any]) -> None:
    with atomic_file.replacing(folder / REPORT) as temporary:
        temporary.write_text(json.dumps(report, indent=2) + "\n")
    for torn in folder.glob(".*.tmp"):  # of a killed call
        torn.unlink()


def _render(left: Sequence[_Job], total: int, processes: int) -> None:
    """Renders in worker processes, with progress."""
    if not left:
        return
    done = total - len(left)
    with tqdm(desc="rendering", unit=" phrases", total=total, initial=done, mininterval=1) as bar:
        worker_pool.run(_render_job, left, processes, lambda *_: bar.update())


# A worker opens the font once.
_open_font = lru_cache(maxsize=1)(SoundFont)


def _render_job(job: _Job) -> None:
    sound = _open_font(job.soundfont, _GAIN).perform(job.program, job.notes)
    peak = float(np.abs(sound).max())
    if peak <= _SILENT_PEAK:
        raise UserError(
            f"{job.soundfont} is silent for all notes of {job.file('.mid').name}, program "
            f"{job.program}: choose another instrument or phrases."
        )
    files.save(job.file(".wav"), sound * np.float32(_PEAK / peak))
    midi.save(job.file(".mid"), job.notes, job.program)
