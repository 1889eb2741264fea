"""Imports recordings as a folder of notes in NSynth's json/wav layout."""

import functools
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tqdm import tqdm

from wavenet_ae.audio import files, pitch_tracker
from wavenet_ae.prepare import note_files
from wavenet_ae.prepare.notes_folder import IMPORT, NotesWriter
from wavenet_ae.prepare.recordings import import_summary, label_table, note_labels, note_sound
from wavenet_ae.prepare.recordings.imported_files import ImportedFiles
from wavenet_ae.prepare.recordings.note_labels import Defaults, Labels
from wavenet_ae.prepare.recordings.note_sound import SoundOptions
from wavenet_ae.system import worker_pool
from wavenet_ae.system.errors import UserError

_DEFAULTS = Defaults()
_SOUND = SoundOptions()

# Fewer jobs than this are done before processes have started.
_FEWEST_FOR_PROCESSES = 24


@dataclass
class _Import:
    """An import in progress."""

    folder: Path
    processes: int
    # By file: its path within the folder, with "/".
    labels: dict[str, Labels] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def refuse(self, file: str, reason: str) -> None:
        """Reports a file that does not become a note; the others are still imported."""
        self.labels.pop(file, None)
        self.refused[file] = reason
        tqdm.write(f"refused: {reason}", file=sys.stderr)

    def state(self, file: str) -> dict[str, int]:
        """Returns the size and time by which an unchanged file is recognised."""
        try:
            stat = (self.folder / file).stat()
        except OSError:  # reading it will report why
            return {"bytes": -1, "modified_ns": -1}
        return {"bytes": stat.st_size, "modified_ns": stat.st_mtime_ns}


class Imported(NamedTuple):
    """The result of an import."""

    summary: str
    refused: int


def import_notes(
    folder: Path,
    output: Path,
    *,
    table: Path | None = None,
    defaults: Defaults = _DEFAULTS,
    sound: SoundOptions = _SOUND,
    track_pitch: bool = False,
    processes: int | None = None,
    overwrite: bool = False,
) -> Imported:
    """Makes notes of the sound files below a folder, or resumes an interrupted import.

    A file that cannot become a note is reported on standard error, and the others are still
    imported. Another call imports new and changed files, and keeps the rest.

    Args:
        folder: searched recursively; hidden files are passed over, and so is `output`.
        output: the folder to write, as `notes_folder` and `imported_files` describe it.
        table: labels, as `label_table` describes them.
        defaults: labels of files for which neither the table nor the name has them.
        sound: how recordings are made as long and as loud as notes.
        track_pitch: track the pitch where neither the table nor the name has it.
        processes: None for one per core.
        overwrite: delete what `output` holds, if it is notes.

    Returns:
        Sentences on what the folder holds, and the number of files refused.

    Raises:
        UserError: there are no recordings, or none that can become a note, the table is wrong, or
            the folder cannot be written or holds something else, which is left unchanged.
    """
    sound.check()
    if defaults.pattern is not None and not defaults.names:
        raise UserError("--pattern reads names, and --nonames does not: leave out one of them.")
    names, others = _find(folder, output, table)
    rows = {} if table is None else label_table.read_table(table, names, folder)
    job = _Import(folder, processes or worker_pool.num_cores())
    _label(job, names, rows, defaults, track_pitch)
    nothing = UserError(f"no file in {folder} could become a note: see the reasons above.")
    if not job.labels:
        raise nothing
    request = _request(folder, sound)
    with NotesWriter(output, IMPORT, request, overwrite=overwrite) as written:
        notes = ImportedFiles(written, request)
        _track_pitches(job, notes, sound)
        made = _make_sounds(job, notes, sound)
        if not job.labels:
            written.undo()
            raise nothing
        notes.finish(
            {file: it.note for file, it in job.labels.items()},
            {file: it.origins for file, it in job.labels.items()},
            job.refused,
        )
    facts = [notes.known(file, {}) for file in job.labels]
    lines = import_summary.describe(output, job.labels.values(), facts, made)
    if others:
        lines.append(f"passed over, as they are not sounds: {others}")
    if job.refused:
        lines.append(f"refused: {len(job.refused)} of {len(names)} sound files")
    return Imported("\n".join(lines), len(job.refused))


def _label(
    job: _Import,
    names: Sequence[str],
    rows: Mapping[str, label_table.Row],
    defaults: Defaults,
    track: bool,
) -> None:
    """Labels the files, and shows what a pattern makes of the first."""
    if defaults.pattern is not None:
        fitting = defaults.pattern.check_fits(names)
    folder_name = job.folder.resolve().name
    for file in names:
        try:
            job.labels[file] = note_labels.label(
                PurePosixPath(file),
                folder_name,
                rows.get(file),
                defaults,
                track=track,
            )
        except UserError as error:
            job.refuse(file, f"{job.folder / file} {error}.")
    spread, uncertain = note_labels.spread_layers(job.labels)
    for file, reason in uncertain.items():
        job.refuse(file, f"{job.folder / file} {reason}.")
    job.labels = spread
    if defaults.pattern is not None:
        lines = import_summary.describe_pattern(defaults.pattern, fitting, len(names), job.labels)
        tqdm.write("\n".join(lines), file=sys.stderr)


def _find(folder: Path, output: Path, table: Path | None) -> tuple[tuple[str, ...], int]:
    """Returns the sound files in a stable order, and how many other files there are."""
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise UserError(f"{folder} {what}: see --input.")
    if folder.resolve() == output.resolve():
        raise UserError(f"--output is the folder of the recordings, {folder}: choose another.")
    sources = files.find([folder], leave_out=output, quiet=True)
    if table is not None and not table.is_file():
        what = "is a folder, not a file" if table.exists() else "does not exist"
        raise UserError(f"{table} {what}: see --labels.")
    there = files.files_below(folder, leave_out=output)
    for earlier in (path.parent for path in there if path.name == IMPORT.report):
        if (earlier / note_files.EXAMPLES).exists():
            raise UserError(
                f"{earlier} holds the notes of an earlier import, not recordings: move it out of "
                f"{folder}, or choose another --input."
            )
    names = tuple(source.path.relative_to(folder).as_posix() for source in sources)
    others = sum(
        path.suffix.lower() not in files.SUFFIXES
        and not (table is not None and path.resolve() == table.resolve())
        for path in there
    )
    return names, others


def _request(folder: Path, sound: SoundOptions) -> dict[str, Any]:
    """Returns what all notes of a folder have in common, under the names of the flags."""
    return {
        "input": str(folder.resolve()),
        "trim": sound.trim_db,
        "normalize": sound.peak_dbfs,
        "long": "refuse" if sound.refuse_long else "cut",
    }


def _work(
    function: Callable[[Any], dict[str, Any]],
    todo: Mapping[str, Any],
    done: Callable[[str, dict[str, Any]], None],
    *,
    what: str,
    kept: int,
    processes: int,
) -> None:
    """Calls a function with each file's argument, in processes if there are enough files.

    Args:
        function: what is done.
        todo: its arguments, by file.
        done: called with a file and what the function returned.
        what: the progress bar's name.
        kept: how many files have been done before.
        processes: how many may be used.
    """
    with tqdm(
        desc=what, unit="file", total=kept + len(todo), initial=kept, mininterval=1
    ) as progress:

        def finish(item: tuple[str, Any], result: dict[str, Any]) -> None:
            done(item[0], result)
            progress.update()

        call = functools.partial(_call, function)
        if processes > 1 and len(todo) >= _FEWEST_FOR_PROCESSES:
            worker_pool.run(call, list(todo.items()), processes, finish)
            return
        for item in todo.items():
            finish(item, call(item))


def _call(function: Callable[[Any], dict[str, Any]], item: tuple[str, Any]) -> dict[str, Any]:
    return function(item[1])


def _track_pitches(job: _Import, notes: ImportedFiles, sound: SoundOptions) -> None:
    """Tracks the pitch of the files that have none."""
    states = {file: job.state(file) for file, it in job.labels.items() if it.pitch is None}
    known = {file: notes.known(file, state).get("tracked") for file, state in states.items()}
    results = {file: tracked for file, tracked in known.items() if tracked is not None}

    def done(file: str, tracked: dict[str, Any]) -> None:
        results[file] = tracked
        if "unread" not in tracked:
            notes.learn(file, states[file], {"tracked": tracked})

    if not states:
        return
    todo = {file: (job.folder / file, sound) for file in states if file not in results}
    kept = len(results)
    _work(_track_file, todo, done, what="pitches", kept=kept, processes=job.processes)
    for file in states:
        if "refused" in results[file]:
            job.refuse(file, results[file]["refused"])
        else:
            job.labels[file] = job.labels[file]._replace(pitch=results[file]["midi"])


def _track_file(argument: tuple[Path, SoundOptions]) -> dict[str, Any]:
    path, sound = argument
    try:
        audio = note_sound.load_note(path, sound).audio
        return pitch_tracker.track(audio)._asdict()
    except pitch_tracker.PitchError as error:
        return {"refused": f"{path} {error}: give its pitch in the name or in --labels."}
    except UserError as error:
        return {"refused": str(error), "unread": True}


def _make_sounds(job: _Import, notes: ImportedFiles, sound: SoundOptions) -> int:
    """Writes the sounds of all files that have labels; returns how many it wrote.

    Where several files would be the same note, the first readable one is used.
    """
    claims: dict[str, list[str]] = defaultdict(list)
    for file, labels in job.labels.items():
        # Some file systems ignore letter case.
        claims[labels.note.name.casefold()].append(file)
    made = 0
    while claims:
        first = {key: rivals.pop(0) for key, rivals in claims.items()}
        made += _make_once(job, notes, sound, list(first.values()))
        for key, file in first.items():
            if file in job.labels:
                for rival in claims[key]:
                    job.refuse(rival, _same_note(job, rival, file))
                claims[key] = []
        claims = {key: rivals for key, rivals in claims.items() if rivals}
    return made


def _make_once(
    job: _Import, notes: ImportedFiles, sound: SoundOptions, names: Sequence[str]
) -> int:
    states = {file: job.state(file) for file in names}
    wanted = {file: job.labels[file].note.name for file in names}
    todo = {
        file: (job.folder / file, notes.folder.wav(note), sound)
        for file, note in wanted.items()
        if not notes.has(file, states[file], note)
    }
    if not todo:
        return 0
    notes.folder.begin_changes()
    refused = 0

    def done(file: str, result: dict[str, Any]) -> None:
        nonlocal refused
        if "refused" in result:
            job.refuse(file, result["refused"])
            refused += 1
        else:
            notes.learn(file, states[file], {"note": wanted[file], "sound": result})

    kept = len(names) - len(todo)
    _work(_make_sound, todo, done, what="sounds", kept=kept, processes=job.processes)
    return len(todo) - refused


def _make_sound(argument: tuple[Path, Path, SoundOptions]) -> dict[str, Any]:
    path, wav, options = argument
    try:
        note = note_sound.load_note(path, options)
    except UserError as error:
        return {"refused": str(error)}
    files.save(wav, note.audio)  # an error here would hit all files
    return {name: value for name, value in note._asdict().items() if name != "audio"}


def _same_note(job: _Import, file: str, first: str) -> str:
    note = job.labels[file].note.name
    return (
        f"{job.folder / file} would be the same note as {job.folder / first}, {note}: give it "
        "another instrument, pitch or velocity, in its name or in --labels."
    )
