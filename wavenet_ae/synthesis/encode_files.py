"""Sound files to embeddings."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import librosa
import numpy as np
from tqdm import tqdm

from wavenet_ae.audio import files, pitch_tracker
from wavenet_ae.audio.pitch_tracker import PitchError
from wavenet_ae.data import nsynth
from wavenet_ae.synthesis import embeddings
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.system import processes
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.results import Record, digest

_TRACKED_SECONDS = 10  # pyin takes a fifth of a sound's length
_FILES_PER_RECORD = 64  # the record is rewritten after so many


def encode_sound(codec: Codec, audio: np.ndarray, *, source: str, pitch: int = -1) -> EncodedSound:
    """Encodes a sound.

    Args:
        codec: the model.
        audio: float32 `[samples]` at 16 kHz.
        source: the sound's name.
        pitch: MIDI, or -1 where it is not known.
    """
    return EncodedSound(
        embedding=codec.encode(audio[None])[0],
        hop_length=codec.hop_length,
        num_samples=len(audio),
        source=source,
        fingerprint=codec.trained.fingerprint,
        pitch=pitch,
    )


def encode_file(codec: Codec, path: Path, pitch: int | None = None) -> EncodedSound:
    """Encodes one sound file.

    Args:
        codec: the model.
        path: of the file.
        pitch: MIDI; None to use `find_pitch`, which tracks it if the model needs one.

    Raises:
        UserError: the file cannot be read.
    """
    audio = files.load(path)
    if pitch is not None:
        report_other_pitch(path.name, pitch, pitch_in_name(path))
    else:
        pitch = find_pitch(path, audio, track=codec.num_pitches > 0)
    return encode_sound(codec, audio, source=path.name, pitch=pitch)


def report_other_pitch(name: str, pitch: int, own: int) -> None:
    """Reports that a sound is played at another pitch than its own, if that is known.

    Args:
        name: the sound's.
        pitch: MIDI, that was asked for.
        own: MIDI, or -1.
    """
    if own not in (-1, pitch):
        tqdm.write(f"{name}: --pitch={pitch} instead of its own, {_spell(own)}", file=sys.stderr)


def find_pitch(path: Path, audio: np.ndarray, *, track: bool = True) -> int:
    """Returns the MIDI pitch of a note: from its file's name, else from the pitch tracker, else -1.

    The pitch and where it is from are reported on standard error.

    Args:
        path: of the file.
        audio: float32 `[samples]` at 16 kHz; of a long sound the beginning is tracked.
        track: whether to track the pitch if the name does not give it.
    """
    pitch = pitch_in_name(path)
    if pitch >= 0:
        tqdm.write(f"{path.name}: its name gives {_spell(pitch)}", file=sys.stderr)
    if pitch >= 0 or not track:
        return pitch
    try:
        found = pitch_tracker.track(audio[: _TRACKED_SECONDS * files.SAMPLE_RATE_HZ])
    except PitchError as error:
        tqdm.write(f"{path.name} {error}", file=sys.stderr)
        return -1
    tqdm.write(f"{path.name}: detected {_spell(found.midi)}", file=sys.stderr)
    return found.midi


def _spell(pitch: int) -> str:
    return f"{librosa.midi_to_note(pitch, unicode=False)}, MIDI pitch {pitch}"


def pitch_in_name(path: Path) -> int:
    """Returns the MIDI pitch in a file's name if the name has NSynth's form, else -1."""
    try:
        name = nsynth.parse_note_name(path.stem)
    except ValueError:
        return -1
    return name.pitch if nsynth.is_note_name(name) else -1


def encode_files(codec: Codec, sources: Iterable[files.Source], output: Path) -> int:
    """Writes one `.npz` file per sound; unreadable files are reported, the others are processed.

    A sound whose embedding by this model is in the folder already is skipped, and no other file
    is replaced.

    Returns:
        The number of files refused.

    Raises:
        UserError: other files of these names exist.
    """
    sources = list(sources)
    record = Record(output, "encoded", embeddings.SUFFIX)
    there = [s for s in sources if os.path.lexists(output / f"{s.stem}{embeddings.SUFFIX}")]
    made_from = {source.stem: _digest(codec, source.path) for source in there}
    record.check(made_from)
    done = {stem for stem, source in made_from.items() if record.holds(stem, source)}
    if done:
        processes.say(f"{len(done)} of {len(sources)} embeddings are in {output} already")
    todo, refused = [source for source in sources if source.stem not in done], 0
    if not todo:
        return refused
    with processes.progress(total=len(todo), unit="file", desc="encoding") as bar:
        for first in range(0, len(todo), _FILES_PER_RECORD):
            group = todo[first : first + _FILES_PER_RECORD]
            with record.writing({source.stem: _digest(codec, source.path) for source in group}):
                for source in group:
                    refused += not _encode(codec, source, output)
                    bar.update()
    if written := len(todo) - refused:
        processes.say(f"{count(written, 'embedding')} in {output}")
    return refused


def _encode(codec: Codec, source: files.Source, output: Path) -> bool:
    """Writes an embedding; if that fails, reports the file and returns False."""
    try:
        sound = encode_file(codec, source.path)
        embeddings.save(output / f"{source.stem}{embeddings.SUFFIX}", sound)
    except UserError as error:
        tqdm.write(f"refused: {error}", file=sys.stderr)
        return False
    return True


def _digest(codec: Codec, path: Path) -> str:
    """Returns a digest of all that a file's embedding depends on: its name may give the pitch."""
    try:
        return digest(codec.trained.fingerprint, path.name, path.read_bytes())
    except OSError:  # `encode_file` reports it
        return digest("")
