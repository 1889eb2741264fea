"""Sound files to MIDI files of their notes, for a model to perform."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from wavenet_ae.audio import files, midi, transcriber
from wavenet_ae.system import processes
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.results import Record, digest

_SUFFIX = ".mid"
_PIANO = 0  # General MIDI's program


def transcribe_files(
    sources: Sequence[files.Source], output: Path
) -> tuple[list[files.Source], int]:
    """Writes one MIDI file per sound; unreadable files are reported, the others are transcribed.

    A sound whose notes are in the folder already is skipped, and no other file is replaced.

    Args:
        sources: the sound files.
        output: the folder; sub-folders are kept.

    Returns:
        The MIDI files, and the number of sounds refused.

    Raises:
        UserError: the transcriber is not installed, or other files of these names exist.
    """
    transcriber.check()
    record = Record(output, "transcribed", _SUFFIX)
    made_from, readable, written, refused = {}, [], [], 0
    for source in sources:
        try:
            made_from[source.stem] = digest(source.path.read_bytes())
            readable.append(source)
        except OSError as error:
            tqdm.write(f"refused: {source.path} cannot be read: {error.strerror}", file=sys.stderr)
            refused += 1
    record.check(made_from)
    for source in processes.progress(readable, unit="file", desc="transcribing"):
        path = output / f"{source.stem}{_SUFFIX}"
        if not record.holds(source.stem, made_from[source.stem]):
            try:
                notes = _transcribe(source.path)
            except UserError as error:
                tqdm.write(f"refused: {error}", file=sys.stderr)
                refused += 1
                continue
            tqdm.write(f"{source.path.name}: {count(len(notes), 'note')}", file=sys.stderr)
            with record.writing({source.stem: made_from[source.stem]}):
                path.parent.mkdir(parents=True, exist_ok=True)
                midi.save(path, notes, _PIANO)
        written.append(files.Source(path, source.stem))
    return written, refused


def _transcribe(sound: Path) -> list[midi.Note]:
    """Returns the notes of a sound file, at least one."""
    files.load(sound)  # its message names what is wrong
    notes = transcriber.transcribe(sound)
    if not notes:
        raise UserError(
            f"{sound} holds no notes that the transcriber finds: name a recording that has some."
        )
    return notes
