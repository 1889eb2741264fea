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
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.results import Record, digest

_HEARD_SECONDS = 10  # pyin takes a fifth of a sound's length
_RECORDED_TOGETHER = 64  # the record is written anew each time


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
        pitch: MIDI; None for what `find_pitch` finds, which listens where the model wants one.

    Raises:
        UserError: the file cannot be read.
    """
    audio = files.load(path)
    if pitch is not None:
        report_other_pitch(path.name, pitch, pitch_in_name(path))
    else:
        pitch = find_pitch(path, audio, listen=codec.num_pitches > 0)
    return encode_sound(codec, audio, source=path.name, pitch=pitch)


def report_other_pitch(name: str, pitch: int, own: int) -> None:
    """Says that a sound is played at another pitch than its own, if that is known.

    Args:
        name: the sound's.
        pitch: MIDI, that was asked for.
        own: MIDI, or -1.
    """
    if own not in (-1, pitch):
        tqdm.write(f"{name}: --pitch={pitch} instead of its own, {_spell(own)}", file=sys.stderr)


def find_pitch(path: Path, audio: np.ndarray, *, listen: bool = True) -> int:
    """Returns the MIDI pitch of a note: as its file's name tells, else as it is heard, else -1.

    What it is, and how it is known, is said on standard error.

    Args:
        path: of the file.
        audio: float32 `[samples]` at 16 kHz; of a long sound the beginning is listened to.
        listen: whether to.
    """
    pitch = pitch_in_name(path)
    if pitch >= 0:
        tqdm.write(f"{path.name}: its name tells {_spell(pitch)}", file=sys.stderr)
    if pitch >= 0 or not listen:
        return pitch
    try:
        heard = pitch_tracker.track(audio[: _HEARD_SECONDS * files.SAMPLE_RATE_HZ])
    except PitchError as error:
        tqdm.write(f"{path.name} {error}", file=sys.stderr)
        return -1
    tqdm.write(f"{path.name}: heard {_spell(heard.midi)}", file=sys.stderr)
    return heard.midi


def _spell(pitch: int) -> str:
    return f"{librosa.midi_to_note(pitch, unicode=False)}, MIDI pitch {pitch}"


def pitch_in_name(path: Path) -> int:
    """Returns the MIDI pitch that a file's name tells if it surely is as NSynth's, else -1."""
    try:
        name = nsynth.parse_note_name(path.stem)
    except ValueError:
        return -1
    return name.pitch if nsynth.is_note_name(name) else -1


def encode_files(codec: Codec, sources: Iterable[files.Source], output: Path) -> int:
    """Writes one `.npz` file a sound; what cannot be read is named, and the others go on.

    A sound whose embedding by this model the folder already holds is left alone, and no other
    file is replaced.

    Returns:
        The number of files refused.

    Raises:
        UserError: files of these names are there that are something else.
    """
    sources = list(sources)
    record = Record(output, "encoded", embeddings.SUFFIX)
    there = [s for s in sources if os.path.lexists(output / f"{s.stem}{embeddings.SUFFIX}")]
    made_from = {source.stem: _digest(codec, source.path) for source in there}
    record.check(made_from)
    done = {stem for stem, whole in made_from.items() if record.holds(stem, whole)}
    if done:
        processes.say(f"{len(done)} of {len(sources)} embeddings are in {output} already")
    todo, refused = [source for source in sources if source.stem not in done], 0
    if not todo:
        return refused
    with processes.progress(total=len(todo), unit="file", desc="encoding") as bar:
        for first in range(0, len(todo), _RECORDED_TOGETHER):
            group = todo[first : first + _RECORDED_TOGETHER]
            with record.writing({source.stem: _digest(codec, source.path) for source in group}):
                for source in group:
                    refused += not _encode(codec, source, output)
                    bar.update()
    processes.say(f"{len(todo) - refused} embeddings in {output}")
    return refused


def _encode(codec: Codec, source: files.Source, output: Path) -> bool:
    """Writes an embedding, or names the file that has none and returns False."""
    try:
        sound = encode_file(codec, source.path)
        embeddings.save(output / f"{source.stem}{embeddings.SUFFIX}", sound)
    except UserError as error:
        tqdm.write(f"refused: {error}", file=sys.stderr)
        return False
    return True


def _digest(codec: Codec, path: Path) -> str:
    """Returns what stands for all that a file's embedding is made from; its name may tell it."""
    try:
        return digest(codec.trained.fingerprint, path.name, path.read_bytes())
    except OSError:  # `encode_file` names it
        return digest("")
