"""The sounds that an instrument is made of: a file of each, or one for each of several pitches."""

import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.instrument import envelope, rendered, stored
from wavenet_ae.prepare.recordings import note_names, note_sound
from wavenet_ae.synthesis.encode_files import find_pitch
from wavenet_ae.system import processes
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.results import digest

# What is weaker than this before the onset is cut off: all sounds are to begin together.
_OPTIONS = note_sound.SoundOptions(trim_db=40.0)


_Key = TypeVar("_Key")


@dataclass(frozen=True)
class Recording:
    """A file of a sound.

    Attributes:
        path: of the file.
        pitch: MIDI, or -1 where there is none.
        audio: float32 `[nsynth.NOTE_SAMPLES]` at 16 kHz, from the onset on, silence at the end.
        content: a digest of `audio`.
        num_samples: without the silence at the end.
    """

    path: Path
    pitch: int
    audio: np.ndarray
    content: str
    num_samples: int


@dataclass(frozen=True)
class Sound:
    """A sound to put at a corner.

    Attributes:
        name: unique among the sounds.
        recordings: by pitch, at least one.
    """

    name: str
    recordings: tuple[Recording, ...]

    @property
    def has_pitch(self) -> bool:
        """Whether it has a pitch, unlike a drum or a chord."""
        return self.recordings[0].pitch >= 0

    @property
    def pitches(self) -> tuple[int, ...]:
        """MIDI, of the recordings; none of a sound without a pitch."""
        return tuple(recording.pitch for recording in self.recordings if self.has_pitch)

    def nearest(self, pitch: int) -> Recording:
        """Returns the recording that is nearest to a pitch, the higher of two."""
        return min(self.recordings, key=lambda r: (abs(r.pitch - pitch), -r.pitch))


class Named(NamedTuple):
    """A file, whose name gives a sound and its pitch, if any; folders keep their sounds apart."""

    path: Path
    sound: str
    pitch: int | None = None
    velocity: int | None = None
    folder: Path | None = None


def find(
    inputs: Sequence[Path], output: Path | None, *, pitches_in_names: bool
) -> dict[str, list[Named]]:
    """Lists the sounds of files and folders, without reading them.

    Files whose names differ by the pitch only, as `flute_60.wav` and `flute_64.wav` or NSynth's
    `flute_acoustic_001-067-080.wav`, are one sound. Of several velocities each is a sound.

    Args:
        inputs: files and folders.
        output: a folder that is not searched, if any, as no folder of a rendered instrument is.
        pitches_in_names: whether names may give pitches; if not, every file is a sound.

    Returns:
        The files of each sound by its name, in the order of the first files. Of sounds that have
        one name in several inputs, the later ones get a number.

    Raises:
        UserError: there is no file, the output is an input, or two files of a folder have the same
            sound, pitch and velocity.
    """
    named = list(_found(inputs, output, pitches_in_names))
    sounds: dict[str, list[Named]] = {}
    for (_, name), members in _grouped(named, lambda one: (one.folder, one.sound)).items():
        if len({one.pitch for one in members}) == len(members):
            sounds[_unique(name, sounds)] = members
            continue
        for velocity, layer in _grouped(members, lambda one: one.velocity).items():
            _check_pitches(name, layer)
            of_layer = name if velocity is None else f"{name}-{velocity:03d}"
            sounds[_unique(of_layer, sounds)] = layer
    return sounds


def read(
    sounds: Mapping[str, Sequence[Named]],
) -> tuple[list[Sound], int]:
    """Reads the files of sounds; unreadable ones are reported and left out.

    Args:
        sounds: from `find`.

    Returns:
        The sounds of which a file can be read, and the number of files refused.
    """
    recordings: dict[str, list[Recording]] = {name: [] for name in sounds}
    refused = 0
    each = [(name, one) for name, members in sounds.items() for one in members]
    for name, one in processes.progress(each, unit="file", desc="reading"):
        try:
            recording = _read(one)
            if len(sounds[name]) > 1:
                _check_differs(recording, recordings[name])
        except UserError as error:
            tqdm.write(f"refused: {error}", file=sys.stderr)
            refused += 1
        else:
            recordings[name].append(recording)
    readable = [
        Sound(name, tuple(sorted(found, key=lambda recording: recording.pitch)))
        for name, found in recordings.items()
        if found
    ]
    for sound in readable:
        _report(sound)
    return readable, refused


def _found(inputs: Sequence[Path], output: Path | None, pitches_in_names: bool) -> Iterator[Named]:
    """Yields each file once, with its sound's name in its input."""
    seen = set()
    for given in inputs:
        if output is not None and given.resolve() == output.resolve():
            raise UserError(f"--output={output} is an input, too: write to another folder.")
        folder = given if given.is_dir() else given.parent
        sources = files.find([given], leave_out=output)
        sounds = [source for source in sources if not _is_rendered(source.path, folder)]
        if not sounds:
            raise UserError(f"{given} holds the notes of an instrument: name the sounds instead.")
        if rendered_ones := len(sources) - len(sounds):
            tqdm.write(
                f"{given}: skipped {count(rendered_ones, 'file')} of rendered instruments",
                file=sys.stderr,
            )
        for source in sounds:
            if (real := source.path.resolve()) not in seen:
                seen.add(real)
                named = _parse(source) if pitches_in_names else Named(source.path, source.stem)
                yield named._replace(folder=folder.resolve())


def _is_rendered(path: Path, input_folder: Path) -> bool:
    """Returns whether a file below an input is an instrument's note, or of its packs."""
    below = [parent for parent in path.parents if parent.is_relative_to(input_folder)]
    return (path.parent / stored.LIST).exists() or any(
        (parent / rendered.DESCRIPTION).exists() for parent in below if parent != path.parent
    )


def _unique(name: str, taken: Iterable[str]) -> str:
    """Returns the name, or with the first free number; letter case makes no difference."""
    used = {other.casefold() for other in taken}
    numbered = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(one for one in numbered if one.casefold() not in used)


def _parse(source: files.Source) -> Named:
    """Finds the sound's name and pitch in a file's."""
    stem = source.path.stem
    try:
        parts = note_names.parse_name(stem)
    except UserError:  # a name with two candidates gives none
        parts = None
    if parts is None or not parts.instrument or parts.pitch not in nsynth.PITCHES:
        return Named(source.path, source.stem)
    # The folders within the input belong to the name, and so does a number that makes it unique.
    folder = source.stem[: source.stem.rfind("/") + 1]
    number = source.stem[len(folder) :].removeprefix(stem)
    return Named(source.path, f"{folder}{parts.instrument}{number}", parts.pitch, parts.velocity)


def _grouped(named: Iterable[Named], key: Callable[[Named], _Key]) -> dict[_Key, list[Named]]:
    groups: dict[_Key, list[Named]] = {}
    for one in named:
        groups.setdefault(key(one), []).append(one)
    return groups


def _check_pitches(name: str, members: Sequence[Named]) -> None:
    """Raises a UserError if two files of a sound have the same pitch."""
    for pitch, same in _grouped(members, lambda one: one.pitch).items():
        if len(same) > 1:
            raise UserError(
                f"{same[0].path} and {same[1].path} are both {name} at MIDI pitch {pitch}: leave "
                "one out, or give --nonames, which makes each file a sound."
            )


def _check_differs(recording: Recording, others: Sequence[Recording]) -> None:
    """Raises a UserError unless a recording has a pitch that the others of its sound lack."""
    if recording.pitch < 0:
        raise UserError(
            f"{recording.path} has no clear pitch, and other files have its name: give it another."
        )
    if same := [other.path.name for other in others if other.pitch == recording.pitch]:
        raise UserError(
            f"{recording.path} has the MIDI pitch {recording.pitch} of {same[0]}: give it another "
            "name."
        )


def _read(one: Named) -> Recording:
    """Reads a file, reports what is left out of it, and finds its pitch."""
    note = note_sound.load_note(one.path, _OPTIONS)
    if note.cut_s:
        tqdm.write(
            f"{one.path.name}: the first {nsynth.NOTE_SECONDS} s of "
            f"{nsynth.NOTE_SECONDS + note.cut_s:.1f} s are used",
            file=sys.stderr,
        )
    pitch = find_pitch(one.path, note.audio) if one.pitch is None else one.pitch
    content = digest(note.audio.tobytes())
    return Recording(one.path, pitch, note.audio, content, envelope.end(note.audio))


def _report(sound: Sound) -> None:
    """Reports a sound of several files, or without a pitch."""
    if len(sound.recordings) > 1:
        pitches = ", ".join(map(str, sound.pitches))
        said = f"{len(sound.recordings)} files, of the MIDI pitches {pitches}"
    elif not sound.has_pitch:
        said = "used for its timbre, as it has no clear pitch; its notes may be out of tune"
    else:
        return
    tqdm.write(f"{sound.name}: {said}", file=sys.stderr)
