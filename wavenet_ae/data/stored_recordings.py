"""Long sounds of a dataset that `build-dataset` built, read in part.

`--recordings` builds recordings of domains, `--performances` performances with their notes.
"""

import json
from typing import Any

import numpy as np
from tensorflow_datasets.proto import tf_example_pb2

from wavenet_ae.data.stored_notes import DAMAGE, StoredDataset, audio_of, values_of
from wavenet_ae.system.errors import UserError

_NOTE_COLUMNS = 4  # as `piano_roll.notes_of` has them


class _LongSounds:
    """The long sounds of a split, put together from their pieces.

    Attributes:
        lengths: of each, in samples, int64 `[sounds]`.

    Raises:
        UserError: there is no such split, or the dataset's metadata is damaged; when a sound is
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
        """Finds where each sound's pieces are among the records, and among its samples.

        Raises:
            LookupError: the columns are of different lengths, or not those of the records.
        """
        recording, samples = np.array(pieces["recording"]), np.array(pieces["samples"], np.int64)
        if any(len(column) != len(self._records) for column in pieces.values()):
            raise LookupError("other numbers of pieces")
        # A sound's pieces follow each other.
        numbers, self._first, counts = np.unique(recording, return_index=True, return_counts=True)
        self._last = self._first + counts
        self._ends = np.cumsum(samples)
        self._begin = self._ends[self._first] - samples[self._first]
        self.lengths = self._ends[self._last - 1] - self._begin
        self._names = [metadata["recordings"][number] for number in numbers]

    def __len__(self) -> int:
        return len(self._names)

    def name(self, sound: int) -> str:
        """Returns a sound's name."""
        return self._names[sound]

    def read(self, sound: int, start: int, samples: int) -> np.ndarray:
        """Returns samples of a sound, float32 `[samples]`, full scale -1..1."""
        numbers = self._numbers(sound, start, start + samples)
        return self._audio(sound, start, samples, {it: self._features(it) for it in numbers})

    def _numbers(self, sound: int, start: int, stop: int) -> range:
        """Returns the records that hold the samples from `start` to before `stop`."""
        start, stop = start + self._begin[sound], stop + self._begin[sound]
        first = int(np.searchsorted(self._ends, start, side="right"))
        return range(first, int(np.searchsorted(self._ends, stop, side="left")) + 1)

    def _features(self, number: int) -> Any:
        try:
            return tf_example_pb2.Example.FromString(self._records[number]).features.feature
        except DAMAGE as error:
            raise self._damaged(number) from error

    def _audio(self, sound: int, start: int, samples: int, features: dict[int, Any]) -> np.ndarray:
        """Returns a part of a sound from the features of records, which hold it."""
        numbers = self._numbers(sound, start, start + samples)
        whole = np.concatenate([self._piece(number, features[number]) for number in numbers])
        start += self._begin[sound]
        offset = start - (self._ends[numbers[0] - 1] if numbers[0] else 0)
        return whole[offset : offset + samples]

    def _piece(self, number: int, features: Any) -> np.ndarray:
        try:
            audio = audio_of(features["audio"])
        except DAMAGE as error:
            raise self._damaged(number) from error
        expected = self._ends[number] - (self._ends[number - 1] if number else 0)
        if audio.shape != (expected,):
            raise UserError(
                f"the record {number} of {self._where} has {len(audio)} samples, not the "
                f"{expected} of its metadata.json: build the dataset again, or copy it again."
            )
        return audio

    def _damaged(self, number: int) -> UserError:
        return UserError(
            f"the record {number} of {self._where} is damaged: build the dataset again, or copy it "
            "again."
        )


class Recordings(_LongSounds):
    """The recordings of a split; each is named DOMAIN/RECORDING.

    Attributes:
        domains: the domain of each, by name.
    """

    domains: list[str]

    def _read_pieces(self, metadata: dict[str, Any], pieces: dict[str, list[int]]) -> None:
        super()._read_pieces(metadata, pieces)
        self.domains = [metadata["domains"][pieces["domain"][first]] for first in self._first]


class Performances(_LongSounds):
    """The performances of a split: sounds of which the notes are known."""

    def read_with_notes(
        self, sound: int, start: int, samples: int, around: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns a part of a performance, and its notes.

        Args:
            sound: its position.
            start: the first sample.
            samples: how many.
            around: samples before and after these, perhaps beyond the performance, of which the
                notes are wanted, too.

        Returns:
            `audio`, float32 `[samples]`, full scale -1..1; and `notes`, int32 `[notes, 4]` as
            `piano_roll.draw` takes them, in samples of the performance: those that sound there,
            and perhaps more.
        """
        first, stop = max(0, start - around), start + samples + around
        numbers = self._numbers(sound, first, min(stop, int(self.lengths[sound])))
        features = {number: self._features(number) for number in numbers}
        notes = np.concatenate([self._notes(number, it) for number, it in features.items()])
        # What sounds across a cut is in both pieces.
        return self._audio(sound, start, samples, features), np.unique(notes, axis=0)

    def _notes(self, number: int, features: Any) -> np.ndarray:
        try:
            [content] = values_of(features, "notes")
            return np.frombuffer(content, "<i4").reshape(-1, _NOTE_COLUMNS)
        except DAMAGE as error:
            raise self._damaged(number) from error
