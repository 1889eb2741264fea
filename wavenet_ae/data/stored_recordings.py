"""The long recordings of a dataset that `build-dataset --recordings` built, read in part."""

import json
from typing import Any

import numpy as np
from tensorflow_datasets.proto import tf_example_pb2

from wavenet_ae.data.stored_notes import DAMAGE, StoredDataset, audio_of
from wavenet_ae.system.errors import UserError


class Recordings:
    """The recordings of a split, put together from their pieces.

    Attributes:
        domains: the domain of each, by name.
        lengths: of each, in samples, int64 `[recordings]`.

    Raises:
        UserError: there is no such split, or the dataset's metadata is damaged; when a recording is
            read: a record is damaged.
    """

    def __init__(self, dataset: StoredDataset, split: str):
        self._where = f"the split {split!r} of {dataset.path}"
        self._records = dataset.records(split)
        try:
            metadata = json.loads((dataset.path / "metadata.json").read_text())
            self._read_pieces(metadata, metadata["pieces"][split])
        except (OSError, LookupError, TypeError, ValueError) as error:
            raise UserError(
                f"{dataset.path}/metadata.json is damaged: build the dataset again, or copy it "
                "again."
            ) from error

    def _read_pieces(self, metadata: dict[str, Any], pieces: dict[str, list[int]]) -> None:
        """Finds where each recording's pieces are among the records, and among its samples.

        Raises:
            LookupError: the columns are of different lengths, or not those of the records.
        """
        recording, samples = np.array(pieces["recording"]), np.array(pieces["samples"], np.int64)
        if not len(self._records) == len(recording) == len(samples) == len(pieces["domain"]):
            raise LookupError("other numbers of pieces")
        # A recording's pieces follow each other.
        numbers, self._first, counts = np.unique(recording, return_index=True, return_counts=True)
        self._last = self._first + counts
        self._ends = np.cumsum(samples)
        self._begin = self._ends[self._first] - samples[self._first]
        self.lengths = self._ends[self._last - 1] - self._begin
        self._names = [metadata["recordings"][number] for number in numbers]
        self.domains = [metadata["domains"][pieces["domain"][first]] for first in self._first]

    def __len__(self) -> int:
        return len(self._names)

    def name(self, recording: int) -> str:
        """Returns DOMAIN/RECORDING."""
        return self._names[recording]

    def read(self, recording: int, start: int, samples: int) -> np.ndarray:
        """Returns samples of a recording, float32 `[samples]`, full scale -1..1."""
        start += self._begin[recording]
        first = int(np.searchsorted(self._ends, start, side="right"))
        last = int(np.searchsorted(self._ends, start + samples, side="left"))
        whole = np.concatenate([self._piece(number) for number in range(first, last + 1)])
        offset = start - (self._ends[first - 1] if first else 0)
        return whole[offset : offset + samples]

    def _piece(self, number: int) -> np.ndarray:
        try:
            features = tf_example_pb2.Example.FromString(self._records[number]).features.feature
            audio = audio_of(features["audio"])
        except DAMAGE as error:
            raise UserError(
                f"the record {number} of {self._where} is damaged: build the dataset again, or "
                "copy it again."
            ) from error
        expected = self._ends[number] - (self._ends[number - 1] if number else 0)
        if audio.shape != (expected,):
            raise UserError(
                f"the record {number} of {self._where} has {len(audio)} samples, not the "
                f"{expected} of its metadata.json: build the dataset again, or copy it again."
            )
        return audio
