"""TFDS builder: notes in NSynth's json/wav layout → array_record, no TensorFlow."""

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare.nsynth_json.collection import Collection, Split, read_collection

_DESCRIPTION = """\
Musical notes with the features of TFDS's `nsynth`, read from the json/wav layout of NSynth
(https://magenta.tensorflow.org/datasets/nsynth). `audio` holds the 16-bit samples as they are
stored: divide by 32768 for [-1, 1). Where the metadata has the `order` of a split, it gives the
position of each note in the files; other splits are stored in order.
"""
_CONFIGS = {
    "by_instrument": "Valid and test hold instruments that train does not, as in NSynth.",
    "by_note": "The splits hold other notes of the same instruments, as in GANSynth's subset.",
    "test_only": "All notes are for testing: those of a SoundFont that was held out, for instance.",
    "published": "The splits of NSynth's own release.",
}

_KeyAndExample = tuple[str, dict[str, Any]]

# TFDS keeps a shard in memory while it writes it: 131 MB of sound.
_MOST_NOTES_PER_SHARD = 1024


# Not GeneratorBasedBuilder, which shuffles more than 1 GB in files that it opens with TensorFlow.
# Folders yield the notes in the order that it would shuffle them into; archives in their own
# order, so the metadata keeps the shuffled one.
class Builder(tfds.core.ShardBasedBuilder):
    """Notes in NSynth's json/wav layout."""

    VERSION = tfds.core.Version("1.1.0")
    RELEASE_NOTES = {  # noqa: RUF012 (the name is TFDS's)
        "1.0.0": "First version.",
        "1.1.0": "Archives are read; notes are ordered as TFDS's `nsynth` orders them, by MD5.",
    }
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=name, description=text) for name, text in _CONFIGS.items()
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
    The manual directory is the folder of notes: it holds examples.json and audio/*.wav, or for
    the config `published` nsynth-{train,valid,test}.jsonwav.tar.gz, unpacked or not.
    """

    def __init__(self, *, collection: Collection | None = None, **kwargs: Any):
        """Takes what TFDS's builders take.

        Args:
            collection: the notes to build from; by default those of the manual directory.
            **kwargs: `data_dir`, `config` and `version`.
        """
        self._collection = collection
        self._stored: dict[str, list[str]] = {}  # the names of the notes, as they were written
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        """Returns the features, named and nested as those of TFDS's `nsynth`."""
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            homepage="https://magenta.tensorflow.org/datasets/nsynth",
            features=tfds.features.FeaturesDict(
                {
                    "id": np.str_,
                    # Not Audio, which needs TensorFlow. As bytes: TFDS would otherwise store
                    # each integer as a 64-bit number of variable length, at three times the
                    # size and a tenth of the speed.
                    "audio": tfds.features.Tensor(
                        shape=(nsynth.NOTE_SAMPLES,),
                        dtype=np.int16,
                        encoding=tfds.features.Encoding.BYTES,
                    ),
                    "pitch": tfds.features.ClassLabel(num_classes=nsynth.NUM_PITCHES),
                    "velocity": tfds.features.ClassLabel(num_classes=128),
                    "instrument": {
                        "label": tfds.features.ClassLabel(),  # names set when notes are read
                        "family": tfds.features.ClassLabel(names=nsynth.FAMILIES),
                        "source": tfds.features.ClassLabel(names=nsynth.SOURCES),
                    },
                    "qualities": dict.fromkeys(nsynth.QUALITIES, np.bool_),
                }
            ),
            metadata=tfds.core.MetadataDict(sample_rate=nsynth.SAMPLE_RATE_HZ),
        )

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Shows one progress bar for all splits; none where standard error is not a terminal."""
        with tqdm.tqdm(unit=" notes", disable=None) as self._progress:
            super()._download_and_prepare(*args, **kwargs)
        orders = {s: _order(self._collection.splits[s].notes, n) for s, n in self._stored.items()}
        if orders := {split: order for split, order in orders.items() if order is not None}:
            self.info.metadata["order"] = orders

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Mapping[str, Sequence[Callable[[], Iterator[_KeyAndExample]]]]:
        """Reads the labels; the sounds are read as the shards are written."""
        if self._collection is None:
            folder = Path(dl_manager.manual_dir)
            self._collection = read_collection([folder], self.builder_config.name)
        splits = self._collection.splits
        instruments = {s: {note.instrument for note in split.notes} for s, split in splits.items()}
        self.info.features["instrument"]["label"].names = sorted(set().union(*instruments.values()))
        self.info.metadata["fingerprint"] = self._collection.fingerprint
        self.info.metadata["instruments"] = {s: len(names) for s, names in instruments.items()}
        self._progress.reset(total=sum(len(split.notes) for split in splits.values()))
        self._stored = {name: [] for name in splits}
        return {name: self._shards(split, self._stored[name]) for name, split in splits.items()}

    def _shards(
        self, split: Split, stored: list[str]
    ) -> list[Callable[[], Iterator[_KeyAndExample]]]:
        """Returns iterators of the shards: slices of one stream of notes, read in turn."""
        stream = self._examples(split.source.sounds(split.notes), stored)
        *sizes, _ = _shard_sizes(len(split.notes))
        # The last shard takes the rest, so that the source is read to its end.
        return [functools.partial(itertools.islice, stream, size) for size in (*sizes, None)]

    def _examples(
        self, sounds: Iterable[tuple[Note, np.ndarray]], stored: list[str]
    ) -> Iterator[_KeyAndExample]:
        for note, audio in sounds:
            stored.append(note.name)
            yield note.name, _example(note, audio)
            self._progress.update()


def _shard_sizes(notes: int) -> list[int]:
    """Returns the lengths of shards of about equal length."""
    count = -(-notes // _MOST_NOTES_PER_SHARD)
    return [(i + 1) * notes // count - i * notes // count for i in range(count)]


def _order(notes: Sequence[Note], stored: Sequence[str]) -> list[int] | None:
    """Returns the notes' positions in the files; None where they are in order."""
    positions = {name: position for position, name in enumerate(stored)}
    order = [positions[note.name] for note in notes]
    return None if order == list(range(len(order))) else order


def _example(note: Note, audio: np.ndarray) -> dict[str, Any]:
    """Returns a note's features."""
    return {
        "id": note.name,
        "audio": audio,
        "pitch": note.pitch,
        "velocity": note.velocity,
        "instrument": {
            "label": note.instrument,
            "family": note.family,
            "source": note.source,
        },
        "qualities": dict(zip(nsynth.QUALITIES, note.qualities, strict=True)),
    }
