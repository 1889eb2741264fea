"""Sound files to embeddings."""

import sys
from collections.abc import Iterable
from pathlib import Path

import librosa
import numpy as np
from tqdm import tqdm

from wavenet_ae import processes
from wavenet_ae.audio import files, pitch_tracker
from wavenet_ae.audio.pitch_tracker import PitchError
from wavenet_ae.data import nsynth
from wavenet_ae.errors import UserError
from wavenet_ae.synthesis import embeddings
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound

_HEARD_SECONDS = 10  # pyin takes a fifth of a sound's length


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
        pitch: MIDI; None for what the name tells or, where the model wants one, `find_pitch` finds.

    Raises:
        UserError: the file cannot be read.
    """
    audio = files.load(path)
    if pitch is None:
        pitch = find_pitch(path, audio) if codec.num_pitches else pitch_in_name(path)
    return encode_sound(codec, audio, source=path.name, pitch=pitch)


def find_pitch(path: Path, audio: np.ndarray) -> int:
    """Returns the MIDI pitch of a note: as its file's name tells, else as it is heard, else -1.

    Args:
        path: of the file.
        audio: float32 `[samples]` at 16 kHz; of a long sound the beginning is listened to.
    """
    pitch = pitch_in_name(path)
    if pitch >= 0:
        return pitch
    try:
        heard = pitch_tracker.track(audio[: _HEARD_SECONDS * files.SAMPLE_RATE_HZ])
    except PitchError as error:
        tqdm.write(f"{path.name} {error}", file=sys.stderr)
        return -1
    note = librosa.midi_to_note(heard.midi, unicode=False)
    tqdm.write(f"{path.name}: heard {note}, MIDI pitch {heard.midi}", file=sys.stderr)
    return heard.midi


def pitch_in_name(path: Path) -> int:
    """Returns the MIDI pitch that a file's name tells if it is as NSynth's, else -1."""
    try:
        return nsynth.parse_note_name(path.stem).pitch
    except ValueError:
        return -1


def encode_files(codec: Codec, sources: Iterable[files.Source], output: Path) -> int:
    """Writes one `.npz` file a sound; what cannot be read is named, and the others go on.

    Returns:
        The number of files refused.
    """
    refused = 0
    sources = list(sources)
    for source in processes.progress(sources, unit="file", desc="encoding"):
        try:
            sound = encode_file(codec, source.path)
            embeddings.save(output / f"{source.stem}{embeddings.SUFFIX}", sound)
        except UserError as error:
            tqdm.write(f"refused: {error}", file=sys.stderr)
            refused += 1
    processes.say(f"{len(sources) - refused} embeddings in {output}")
    return refused
