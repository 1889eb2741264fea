"""Sound files to embeddings."""

import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from wavenet_ae import processes
from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.errors import UserError
from wavenet_ae.synthesis import embeddings
from wavenet_ae.synthesis.codec import Codec
from wavenet_ae.synthesis.embeddings import EncodedSound


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


def encode_file(codec: Codec, path: Path) -> EncodedSound:
    """Encodes one sound file; a name as NSynth's tells the pitch.

    Raises:
        UserError: the file cannot be read.
    """
    audio = files.load(path)
    return encode_sound(codec, audio, source=path.name, pitch=pitch_in_name(path))


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
