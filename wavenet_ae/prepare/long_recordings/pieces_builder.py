"""What the TFDS builders of long sounds share: pieces → array_record, no TensorFlow."""

import abc
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from wavenet_ae.audio import files
from wavenet_ae.prepare.long_recordings import pieces

_KeyAndExample = tuple[str, dict[str, Any]]

# TFDS keeps a shard in memory while it writes it: 115 MB of sound.
_MOST_SECONDS_PER_SHARD = 3600


class Source(Protocol):
    """A long sound.

    Attributes:
        id: its name, unlike all others'.
        path: of the sound file.
    """

    @property
    def id(self) -> str: ...

    @property
    def path(self) -> Path: ...


class Piece(NamedTuple):
    """What a builder stores of a piece besides `id` and `audio`."""

    example: dict[str, Any]  # features
    columns: dict[str, int]  # numbers for `pieces` in the metadata


class PiecesBuilder(tfds.core.ShardBasedBuilder):
    """Stores pieces in the order of the sounds and of time; `pieces` in the metadata lists them.

    A subclass describes them (`_info`, with `features`), and says what else they have (`_load`,
    `_piece`).
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (the name is TFDS's)

    def __init__(
        self, *, name: str, splits: Mapping[str, Sequence[Any]], fingerprint: str, **kwargs: Any
    ):
        """Takes what TFDS's builders take.

        Args:
            name: of this dataset among others of its kind.
            splits: the sounds of each split, each a `Source`.
            fingerprint: of them all.
            **kwargs: `data_dir`.
        """
        self._splits, self._fingerprint = splits, fingerprint
        self._positions = {
            source.id: position for position, source in enumerate(itertools.chain(*splits.values()))
        }
        self._written: dict[str, dict[str, list[int]]] = {}
        config = tfds.core.BuilderConfig(name=name, description="Given sounds.")
        super().__init__(config=config, **kwargs)

    @abc.abstractmethod
    def _load(self, source: Any) -> tuple[np.ndarray, Any]:
        """Returns a sound, as `pieces.load`, and anything else of it for `_piece`; in a thread."""

    @abc.abstractmethod
    def _piece(self, source: Any, loaded: Any, start: int, samples: int) -> Piece:
        """Returns what is stored of the piece that begins at a sample, besides its sound."""

    def _describe(self, description: str, features: Mapping[str, Any]) -> tfds.core.DatasetInfo:
        """Returns what `_info` has to: a piece has `id`, `audio` and other features."""
        return tfds.core.DatasetInfo(
            builder=self,
            description=description,
            features=tfds.features.FeaturesDict(
                {
                    "id": np.str_,  # SOUND@SAMPLE: where the piece begins
                    # Not Audio, and as bytes, as in nsynth_json.
                    "audio": tfds.features.Tensor(
                        shape=(None,), dtype=np.int16, encoding=tfds.features.Encoding.BYTES
                    ),
                    **features,
                }
            ),
            metadata=tfds.core.MetadataDict(sample_rate=files.SAMPLE_RATE_HZ),
        )

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Shows one progress bar for all splits; none where standard error is not a terminal."""
        with tqdm.tqdm(
            total=len(self._positions), unit=" recordings", disable=None
        ) as self._progress:
            super()._download_and_prepare(*args, **kwargs)
        self.info.metadata["fingerprint"] = self._fingerprint
        self.info.metadata["recordings"] = list(self._positions)
        self.info.metadata["pieces"] = self._written

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Mapping[str, Sequence[Callable[[], Iterator[_KeyAndExample]]]]:
        """Returns iterators of the shards; the files are read as the shards are written."""
        shards = {}
        for split, sources in self._splits.items():
            self._written[split] = {}
            stream = pieces.read_ahead(sources, self._load)
            shards[split] = [
                functools.partial(self._examples, stream, count, self._written[split])
                for count in _shard_sizes(sources)
            ]
        return shards

    def _examples(
        self,
        stream: Iterator[tuple[Source, tuple[np.ndarray, Any]]],
        count: int,
        columns: dict[str, list[int]],
    ) -> Iterator[_KeyAndExample]:
        """Yields the pieces of the next `count` sounds, and notes what they are."""
        for source, (audio, loaded) in itertools.islice(stream, count):
            start = 0
            for samples in pieces.cut(audio):
                piece = self._piece(source, loaded, start, len(samples))
                place = {"recording": self._positions[source.id], "samples": len(samples)}
                for column, number in (place | piece.columns).items():
                    columns.setdefault(column, []).append(number)
                key = f"{source.id}@{start}"
                yield key, {"id": key, "audio": samples, **piece.example}
                start += len(samples)
            self._progress.update()


def _shard_sizes(sources: Sequence[Source]) -> list[int]:
    """Returns how many sounds each shard holds."""
    sizes, seconds = [0], 0.0
    for source in sources:
        duration = pieces.estimated_seconds(source.path)
        if sizes[-1] and seconds + duration > _MOST_SECONDS_PER_SHARD:
            sizes.append(0)
            seconds = 0.0
        sizes[-1] += 1
        seconds += duration
    return sizes
