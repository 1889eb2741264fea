"""TFDS builder: performances and their notes."""

from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wavenet_ae.audio import files, midi
from wavenet_ae.data import piano_roll
from wavenet_ae.prepare.long_recordings import pieces
from wavenet_ae.prepare.long_recordings.pieces_builder import Piece, PiecesBuilder
from wavenet_ae.prepare.performances.collection import Collection
from wavenet_ae.prepare.performances.performance import Performance
from wavenet_ae.system.errors import UserError

_DESCRIPTION = """\
Performances and their notes, cut into pieces. `audio` holds 16-bit samples at 16 kHz: divide by
32768 for [-1, 1). `notes` holds the notes that sound in the piece, a row each: the first sample,
the one after the last, both counted from the beginning of the performance, MIDI pitch and velocity.
The splits hold other pieces of music. `pieces` in the metadata lists each split's pieces in their
order: the positions of their recordings among the names there, their lengths in samples, and how
many notes begin in them.
"""

# A MIDI file that goes on for longer than the sound belongs to another one. This much is a last
# note that was cut off.
_MOST_BEYOND_S = 1.0


class Builder(PiecesBuilder):
    """Pieces of performances, ordered by performance and time."""

    def __init__(self, *, collection: Collection, **kwargs: Any):
        """Takes what `PiecesBuilder` takes.

        Args:
            collection: the performances to build from.
            **kwargs: `name` and `data_dir`.
        """
        super().__init__(splits=collection.splits, fingerprint=collection.fingerprint, **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        notes = tfds.features.Tensor(
            shape=(None, 4), dtype=np.int32, encoding=tfds.features.Encoding.BYTES
        )
        return self._describe(_DESCRIPTION, {"notes": notes})

    def _load(self, source: Performance) -> tuple[np.ndarray, np.ndarray]:
        return load(source)

    def _piece(self, source: Performance, loaded: np.ndarray, start: int, samples: int) -> Piece:
        begin, end = loaded[:, 0], loaded[:, 1]
        sounding = (begin < start + samples) & (end > start)
        begins = (begin >= start) & (begin < start + samples)
        return Piece({"notes": loaded[sounding]}, {"notes": int(begins.sum())})


def load(performance: Performance) -> tuple[np.ndarray, np.ndarray]:
    """Reads a performance.

    Returns:
        `audio`, as `pieces.load`; `notes`, as `piano_roll.notes_of`.

    Raises:
        UserError: a file cannot be read, the sound is silent, or the notes do not belong to it.
    """
    notes = piano_roll.notes_of(midi.read_notes(performance.midi))
    if not len(notes):
        raise UserError(
            f"{performance.midi} has no notes that a piano has keys for (MIDI pitches 21 to 108): "
            "leave it out."
        )
    audio = pieces.load(performance.path)
    last_s, duration_s = notes[-1, 0] / files.SAMPLE_RATE_HZ, len(audio) / files.SAMPLE_RATE_HZ
    if last_s > duration_s + _MOST_BEYOND_S:
        raise UserError(
            f"{performance.midi} has notes until {last_s:.1f} s, but {performance.path} lasts "
            f"{duration_s:.1f} s: leave out the pair, or give the sound of these notes."
        )
    return audio, notes
