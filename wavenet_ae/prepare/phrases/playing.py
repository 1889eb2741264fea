"""Notes, played by instruments of a SoundFont: WAV files, and the MIDI files of what they play."""

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files, midi
from wavenet_ae.audio.midi import Note
from wavenet_ae.prepare.soundfonts import synthesizer
from wavenet_ae.prepare.soundfonts.synthesizer import SoundFont
from wavenet_ae.system import atomic_file, worker_pool
from wavenet_ae.system.errors import UserError, write_error
from wavenet_ae.system.locks import exclusive_lock

# Of voices. A note of a piano takes two or three, and the pedal holds many; those beyond would
# cut others off.
_POLYPHONY = 512
_SILENT_PEAK = 1e-5

Pieces = Mapping[str, Sequence[Note]]  # by name


class Part(NamedTuple):
    """What one instrument plays, and where it goes."""

    report: Path  # a JSON file in the folder of the sounds
    description: Mapping[str, Any]  # from which font, and how: what the report holds
    program: int
    pieces: Pieces


class Played(NamedTuple):
    """What a call has done."""

    total: int  # sounds of all parts
    new: int  # of these, rendered by this call
    quieter: int  # of these, brought down to full scale


def read_midi(inputs: Sequence[Path], leave_out: Path | None = None) -> Pieces:
    """Reads MIDI files and folders of them, with progress; names are as `files.find` gives them.

    Raises:
        UserError: there are none, or one cannot be read or holds no notes.
    """
    sources = files.find(inputs, midi.SUFFIXES, leave_out, quiet=True)
    shown = tqdm(sources, desc="reading", unit=" files", disable=None, delay=2, leave=False)
    return {source.stem: midi.read_notes(source.path) for source in shown}


def describe_font(soundfont: Path) -> dict[str, Any]:
    """Returns what a report tells of a font, and of what plays it."""
    return {
        "soundfont": soundfont.name,
        "soundfont_sha256": hashlib.sha256(soundfont.read_bytes()).hexdigest(),
        "fluidsynth": synthesizer.fluidsynth_version(),
    }


def play(
    soundfont: Path,
    output: Path,
    parts: Sequence[Part],
    *,
    gain: float,
    peak: float | None = None,
    processes: int | None = None,
) -> Played:
    """Renders parts, or resumes an interrupted rendering.

    Args:
        soundfont: an sf2 or sf3 file, which has the parts' programs.
        output: the folder that holds those of all parts. What an earlier call rendered in the same
            way stays; more is added.
        parts: what is to be rendered. Notes that sound at once on one key are joined
            (`midi.on_one_keyboard`).
        gain: FluidSynth's linear gain, 0 to 10.
        peak: every sound's largest value, full scale 1; None leaves them as they are played, but
            for those that go beyond full scale: these are made quieter as a whole.
        processes: None for one per core.

    Raises:
        UserError: a folder cannot be written, another process is writing to it, or it holds
            something else, which is left unchanged; or an instrument is silent.
    """
    jobs = [_job(soundfont, part, name, gain, peak) for part in parts for name in part.pieces]
    for part in parts:
        _check_folder(part)
    left = [job for job in jobs if not job.is_done()]  # raises where a file is of other notes
    quieter = 0
    try:
        with exclusive_lock(output):
            for part in parts:
                _begin(part)
            if left:
                quieter = _render(left, len(jobs), processes or worker_pool.num_cores())
    except OSError as error:
        raise write_error(output, error) from error
    return Played(len(jobs), len(left), quieter)


@dataclass(frozen=True)
class _Job:
    """A sound of one part, as it is played."""

    soundfont: Path
    path: Path  # without suffix
    program: int
    notes: tuple[Note, ...]
    gain: float
    peak: float | None

    def file(self, suffix: str) -> Path:
        return self.path.with_name(f"{self.path.name}{suffix}")

    def is_done(self) -> bool:
        """Tells whether an earlier call has rendered it: the notes are written first.

        Raises:
            UserError: files of these names are of other notes, or not of this tool.
        """
        sound, notes = self.file(".wav"), self.file(".mid")
        if not notes.exists():
            if sound.exists():
                raise UserError(
                    f"{sound} is no sound of this tool, which has its notes beside it: choose "
                    "another --output, or move it away."
                )
            return False
        content = io.BytesIO()
        midi.encode(self.notes, self.program).save(file=content)
        if notes.read_bytes() != content.getvalue():
            raise UserError(
                f"{notes} holds other notes than are to be rendered now: choose another --output, "
                "or remove that folder first."
            )
        return sound.exists()


def _job(soundfont: Path, part: Part, name: str, gain: float, peak: float | None) -> _Job:
    # What the MIDI file holds is what is played.
    notes = midi.on_one_keyboard(midi.rounded(part.pieces[name]))
    path = (part.report.parent / name).resolve()
    return _Job(soundfont.resolve(), path, part.program, tuple(notes), gain, peak)


def _check_folder(part: Part) -> None:
    """Raises a UserError unless the folder is empty or was begun with the same description."""
    folder = part.report.parent
    try:
        there = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        found = json.loads(part.report.read_text()) if there else part.description
    except (OSError, ValueError):
        found = None
    if found != part.description:
        raise UserError(
            f"{folder} holds {there[0]}, not rendered with this font by this tool in this way: "
            "choose another --output, or remove that folder first."
        )


def _begin(part: Part) -> None:
    with atomic_file.replacing(part.report) as temporary:
        temporary.write_text(json.dumps(part.description, indent=2) + "\n")
    folder = part.report.parent
    for parent in {folder, *((folder / name).parent for name in part.pieces)}:
        for torn in parent.glob(".*.tmp"):  # of a killed call
            torn.unlink()


def _render(left: Sequence[_Job], total: int, processes: int) -> int:
    """Renders in worker processes, with progress; returns how many sounds became quieter."""
    done, quieter = total - len(left), 0
    with tqdm(desc="rendering", unit=" sounds", total=total, initial=done, mininterval=1) as bar:

        def count(_: _Job, is_quieter: bool) -> None:
            nonlocal quieter
            quieter += is_quieter
            bar.update()

        worker_pool.run(_render_job, left, processes, count)
    return quieter


# A worker opens the font once.
_open_font = lru_cache(maxsize=1)(SoundFont)


def _render_job(job: _Job) -> bool:
    """Renders a sound; returns whether it was made quieter."""
    sound = _open_font(job.soundfont, job.gain, _POLYPHONY).perform(job.program, job.notes)
    peak = float(np.abs(sound).max())
    if peak <= _SILENT_PEAK:
        raise UserError(
            f"{job.soundfont} is silent for all notes of {job.file('.mid').name}, program "
            f"{job.program}: choose another instrument or other notes."
        )
    wanted = min(peak, 1.0) if job.peak is None else job.peak
    # In this order: a sound without notes is not ours, even after a killed call.
    midi.save(job.file(".mid"), job.notes, job.program)
    files.save(job.file(".wav"), sound * np.float32(wanted / peak))
    return job.peak is None and wanted < peak
