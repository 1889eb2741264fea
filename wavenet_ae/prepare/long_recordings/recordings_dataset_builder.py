"""TFDS builder: long recordings of several domains → array_record, no TensorFlow."""

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from wavenet_ae.audio import files
from wavenet_ae.prepare.long_recordings import pieces
from wavenet_ae.prepare.long_recordings.collection import Collection, Recording

_DESCRIPTION = """\
Long recordings of several domains, such as instruments, cut into pieces. `audio` holds 16-bit
samples at 16 kHz: divide by 32768 for [-1, 1). The splits hold other recordings. `pieces` in the
metadata lists each split's pieces in their order: the positions of their domains and recordings
among the names there, and their lengths in samples.
"""

_KeyAndExample = tuple[str, dict[str, Any]]
_Columns = dict[str, list[int]]

# TFDS keeps a shard in memory while it writes it: 115 MB of sound.
_MOST_SECONDS_PER_SHARD = 3600


class Builder(tfds.core.ShardBasedBuilder):
    """Pieces of recordings, ordered by domain, recording and time."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (the name is TFDS's)

    def __init__(self, *, collection: Collection, name: str, **kwargs: Any):
        """Takes what TFDS's builders take.

        Args:
            collection: the recordings to build from.
            name: of this dataset among others of recordings.
            **kwargs: `data_dir`.
        """
        self._collection = collection
        self._recordings = [f"{r.domain}/{r.name}" for s in collection.splits.values() for r in s]
        self._written: dict[str, _Columns] = {}
        config = tfds.core.BuilderConfig(name=name, description="Given recordings.")
        super().__init__(config=config, **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "id": np.str_,  # DOMAIN/RECORDING@SAMPLE: where the piece begins
                    # Not Audio, and as bytes, as in nsynth_json.
                    "audio": tfds.features.Tensor(
                        shape=(None,), dtype=np.int16, encoding=tfds.features.Encoding.BYTES
                    ),
                    "domain": tfds.features.ClassLabel(names=self._collection.domains),
                }
            ),
            metadata=tfds.core.MetadataDict(sample_rate=files.SAMPLE_RATE_HZ),
        )

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Shows one progress bar for all splits; none where standard error is not a terminal."""
        with tqdm.tqdm(
            total=len(self._recordings), unit=" recordings", disable=None
        ) as self._progress:
            super()._download_and_prepare(*args, **kwargs)
        self.info.metadata["fingerprint"] = self._collection.fingerprint
        self.info.metadata["domains"] = list(self._collection.domains)
        self.info.metadata["recordings"] = self._recordings
        self.info.metadata["pieces"] = self._written

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Mapping[str, Sequence[Callable[[], Iterator[_KeyAndExample]]]]:
        """Returns iterators of the shards; the files are read as the shards are written."""
        shards = {}
        for split, recordings in self._collection.splits.items():
            columns = self._written[split] = {"domain": [], "recording": [], "samples": []}
            stream = pieces.read_ahead(recordings)
            shards[split] = [
                functools.partial(self._examples, stream, count, columns)
                for count in _shard_sizes(recordings)
            ]
        return shards

    def _examples(
        self, stream: Iterator[tuple[Recording, np.ndarray]], count: int, columns: _Columns
    ) -> Iterator[_KeyAndExample]:
        """Yields the pieces of the next `count` recordings, and notes what they are."""
        for recording, audio in itertools.islice(stream, count):
            name, start = f"{recording.domain}/{recording.name}", 0
            for piece in pieces.cut(audio):
                columns["domain"].append(self._collection.domains.index(recording.domain))
                columns["recording"].append(self._recordings.index(name))
                columns["samples"].append(len(piece))
                key = f"{name}@{start}"
                yield key, {"id": key, "audio": piece, "domain": recording.domain}
                start += len(piece)
            self._progress.update()


def _shard_sizes(recordings: Sequence[Recording]) -> list[int]:
    """Returns how many recordings each shard holds."""
    sizes, seconds = [0], 0.0
    for recording in recordings:
        duration = pieces.estimated_seconds(recording.path)
        if sizes[-1] and seconds + duration > _MOST_SECONDS_PER_SHARD:
            sizes.append(0)
            seconds = 0.0
        sizes[-1] += 1
        seconds += duration
    return sizes
