"""Renders notes into a folder, in worker processes, and resumes an interrupted rendering."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.prepare import note_files
from wavenet_ae.prepare.notes_folder import NotesWriter
from wavenet_ae.prepare.qualities import measure_qualities
from wavenet_ae.system import worker_pool

_FULL_SCALE = 32768  # in steps of 16 bits


class Job(Protocol):
    """Notes that one worker renders.

    Attributes:
        name: unique in the folder.
        pitches: of its notes.
    """

    @property
    def name(self) -> str: ...

    @property
    def pitches(self) -> Sequence[int]: ...


def run(
    render: Callable[[Any], Any],
    jobs: Sequence[Job],
    folder: NotesWriter,
    processes: int | None,
    description: str,
) -> dict[str, Any]:
    """Renders the jobs that no earlier call has finished, with progress in notes.

    Args:
        render: of a module's top level; takes a job, returns JSON values.
        jobs: all of them.
        folder: whose journal says what is finished.
        processes: how many at most; None for one per core.
        description: of the progress.

    Returns:
        What `render` returns of each job, by the job's name.
    """
    results = dict(folder.noted)
    folder.begin(results)
    left = [job for job in jobs if job.name not in results]
    if not left:
        return results
    total = sum(len(job.pitches) for job in jobs)
    done = total - sum(len(job.pitches) for job in left)
    with tqdm(desc=description, unit="note", total=total, initial=done, mininterval=1) as progress:

        def keep(job: Job, result: Any) -> None:
            folder.append(job.name, result)
            results[job.name] = result
            progress.update(len(job.pitches))

        worker_pool.run(render, left, processes or worker_pool.num_cores(), keep)
    return results


def save_note(
    folder: Path,
    note: nsynth.NoteName,
    samples: NDArray[np.floating],
    *,
    distortion: bool,
    multiphonic: bool,
) -> list[int]:
    """Writes a note's WAV file.

    Args:
        folder: of the notes.
        note: its name.
        samples: `[nsynth.NOTE_SAMPLES]`, full scale 1; what is beyond is clipped.
        distortion: see `measure_qualities`.
        multiphonic: likewise.

    Returns:
        The note's qualities, measured from what the file holds.
    """
    steps = np.clip(np.rint(samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    stored = steps / _FULL_SCALE
    files.save(folder / note_files.AUDIO / f"{note}.wav", stored)
    return measure_qualities(stored, note.pitch, distortion=distortion, multiphonic=multiphonic)
