"""Sound files to embeddings."""

import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.errors import UserError
from wavenet_ae.synthesis import embeddings
from wavenet_ae.synthesis.embeddings import EncodedSound
from wavenet_ae.training.trained import TrainedModel


def encode_file(trained: TrainedModel, path: Path) -> EncodedSound:
    """Encodes one sound file.

    Raises:
        UserError: the file cannot be read.
    """
    audio = files.load(path)
    model = trained.task.model
    try:
        pitch = nsynth.parse_note_name(path.stem).pitch
    except ValueError:
        pitch = -1
    return EncodedSound(
        embedding=embeddings.encode(model, trained.params, audio),
        hop_length=model.hop_length,
        num_samples=len(audio),
        source=path.name,
        fingerprint=trained.fingerprint,
        pitch=pitch,
    )


def encode_files(trained: TrainedModel, sources: Iterable[files.Source], output: Path) -> int:
    """Writes one `.npz` file a sound; what cannot be read is named, and the others go on.

    Returns:
        The number of files refused.
    """
    refused = 0
    sources = list(sources)
    for source in tqdm(sources, unit="file", desc="encoding"):
        try:
            sound = encode_file(trained, source.path)
            embeddings.save(output / f"{source.stem}{embeddings.SUFFIX}", sound)
        except UserError as error:
            tqdm.write(f"refused: {error}", file=sys.stderr)
            refused += 1
    print(f"{len(sources) - refused} embeddings in {output}")
    return refused
