"""TFDS builder: long recordings of several domains."""

from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from wavenet_ae.prepare.long_recordings import pieces
from wavenet_ae.prepare.long_recordings.collection import Collection, Recording
from wavenet_ae.prepare.long_recordings.pieces_builder import Piece, PiecesBuilder

_DESCRIPTION = """\
Long recordings of several domains, such as instruments, cut into pieces. `audio` holds 16-bit
samples at 16 kHz: divide by 32768 for [-1, 1). The splits hold other recordings. `pieces` in the
metadata lists each split's pieces in their order: the positions of their domains and recordings
among the names there, and their lengths in samples.
"""


class Builder(PiecesBuilder):
    """Pieces of recordings, ordered by domain, recording and time."""

    def __init__(self, *, collection: Collection, **kwargs: Any):
        """Takes what `PiecesBuilder` takes.

        Args:
            collection: the recordings to build from.
            **kwargs: `name` and `data_dir`.
        """
        self._domains = collection.domains
        super().__init__(splits=collection.splits, fingerprint=collection.fingerprint, **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self._describe(
            _DESCRIPTION, {"domain": tfds.features.ClassLabel(names=self._domains)}
        )

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        super()._download_and_prepare(*args, **kwargs)
        self.info.metadata["domains"] = list(self._domains)

    def _load(self, source: Recording) -> tuple[np.ndarray, None]:
        return pieces.load(source.path), None

    def _piece(self, source: Recording, loaded: None, start: int, samples: int) -> Piece:
        return Piece({"domain": source.domain}, {"domain": self._domains.index(source.domain)})
