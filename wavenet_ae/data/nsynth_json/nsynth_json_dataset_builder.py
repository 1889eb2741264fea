"""TFDS builder: a folder of notes in NSynth's json/wav layout → array_record, no TensorFlow."""

import concurrent.futures
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
import tqdm

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth_json import notes as nsynth_notes
from wavenet_ae.data.nsynth_json.notes import Note

_DESCRIPTION = """\
Musical notes with the features of TFDS's `nsynth`, read from a folder in the json/wav layout of
NSynth (https://magenta.tensorflow.org/datasets/nsynth). `audio` holds the 16-bit samples as they
are stored: divide by 32768 for [-1, 1).
"""
_CONFIGS = {
    "by_instrument": "Valid and test hold instruments that train does not, as in NSynth.",
    "by_note": "The splits hold other notes of the same instruments, as in GANSynth's subset.",
    "published": "The splits of NSynth's own release, from its three folders.",
}

_KeyAndExample = tuple[str, dict[str, Any]]

# TFDS keeps a whole shard in memory while it writes it: 131 MB of sound.
_MOST_NOTES_PER_SHARD = 1024
_READERS = 8


# Not GeneratorBasedBuilder, which shuffles what exceeds 1 GB in files that it opens with
# TensorFlow. The notes come in the order of their hashes, so that nothing is left to shuffle.
class Builder(tfds.core.ShardBasedBuilder):
    """Notes in NSynth's json/wav layout."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}  # noqa: RUF012 (the name is TFDS's)
    BUILDER_CONFIGS = [  # noqa: RUF012
        tfds.core.BuilderConfig(name=name, description=text) for name, text in _CONFIGS.items()
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """\
    The manual directory is the folder of notes: it holds examples.json and audio/*.wav, or for
    the config `published` the folders nsynth-train, nsynth-valid and nsynth-test, each with both.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        """Returns the features, named and nested as those of TFDS's `nsynth`."""
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            homepage="https://magenta.tensorflow.org/datasets/nsynth",
            features=tfds.features.FeaturesDict(
                {
                    "id": np.str_,
                    # Not Audio, which needs TensorFlow. As bytes, for TFDS would otherwise
                    # store each integer as a 64-bit number of variable length: three times the
                    # size, and a tenth of the speed.
                    "audio": tfds.features.Tensor(
                        shape=(nsynth.NOTE_SAMPLES,),
                        dtype=np.int16,
                        encoding=tfds.features.Encoding.BYTES,
                    ),
                    "pitch": tfds.features.ClassLabel(num_classes=nsynth.NUM_PITCHES),
                    "velocity": tfds.features.ClassLabel(num_classes=128),
                    "instrument": {
                        "label": tfds.features.ClassLabel(),  # named when the notes are read
                        "family": tfds.features.ClassLabel(names=nsynth.FAMILIES),
                        "source": tfds.features.ClassLabel(names=nsynth.SOURCES),
                    },
                    "qualities": dict.fromkeys(nsynth.QUALITIES, np.bool_),
                }
            ),
            metadata=tfds.core.MetadataDict(sample_rate=nsynth.SAMPLE_RATE_HZ),
        )

    def _download_and_prepare(self, *args: Any, **kwargs: Any) -> None:
        """Shows one progress bar for the whole; none where standard error is not a terminal."""
        with tqdm.tqdm(unit=" notes", disable=None) as self._progress:
            super()._download_and_prepare(*args, **kwargs)

    def _shard_iterators_per_split(
        self, dl_manager: tfds.download.DownloadManager
    ) -> Mapping[str, Sequence[Callable[[], Iterator[_KeyAndExample]]]]:
        """Reads the labels; the sounds are read as the shards are written."""
        folder = Path(dl_manager.manual_dir)
        config = self.builder_config.name
        fingerprint = nsynth_notes.fingerprint(folder, config)
        splits = nsynth_notes.read_splits(folder, config)
        instruments = {s: {note.instrument for note in notes} for s, notes in splits.items()}
        self.info.features["instrument"]["label"].names = sorted(set().union(*instruments.values()))
        self.info.metadata["fingerprint"] = fingerprint
        self.info.metadata["instruments"] = {s: len(names) for s, names in instruments.items()}
        self._progress.reset(total=sum(map(len, splits.values())))
        return {
            split: [functools.partial(self._examples, shard) for shard in _shards(notes)]
            for split, notes in splits.items()
        }

    def _examples(self, notes: Sequence[Note]) -> Iterator[_KeyAndExample]:
        """Yields the notes of one shard; reads ahead, as small files on a disk take their time."""
        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            for note, audio in zip(notes, pool.map(nsynth_notes.read_audio, notes), strict=True):
                yield note.name, _example(note, audio)
                self._progress.update()


def _shards(notes: Sequence[Note]) -> Iterator[Sequence[Note]]:
    """Yields the notes in shards of about equal length."""
    count = -(-len(notes) // _MOST_NOTES_PER_SHARD)
    for index in range(count):
        yield notes[index * len(notes) // count : (index + 1) * len(notes) // count]


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
