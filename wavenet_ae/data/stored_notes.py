"""The notes of a dataset that TFDS has built, `nsynth` or `nsynth_json`, read at random.

TFDS locates the records. They are parsed here: TFDS's parser needs TensorFlow for the features of
its `nsynth`, and ten times as long for a sound that is stored as floats.
"""

import functools
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

import grain.python as grain
import numpy as np
from etils import epath
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from tensorflow_datasets.core import dataset_info as dataset_infos
from tensorflow_datasets.core import splits as tfds_splits
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2
from tqdm import tqdm

from wavenet_ae.data import nsynth
from wavenet_ae.system import downloads
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.settings import is_url, local_path

# What builds datasets of long sounds.
RECORDINGS, PERFORMANCES = "recordings", "performances"

_READ_BY = {
    RECORDINGS: "that translates between domains",
    PERFORMANCES: "of the MIDI-conditioned WaveNet",
}
_INFO = "dataset_info.json"
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_READ_TOGETHER = 64
# Not tuples, which accept the index -1.
_FAMILIES = dict(enumerate(nsynth.FAMILIES))
_SOURCES = dict(enumerate(nsynth.SOURCES))
# What array_record and protobuf raise for a damaged record, and what reads its features does.
DAMAGE = (RuntimeError, TypeError, ValueError, LookupError, DecodeError)


class StoredDataset(NamedTuple):
    """Where a dataset is, and its splits as TFDS describes them."""

    path: epath.Path
    builder: str  # what built it: `nsynth`, `nsynth_json`, RECORDINGS or PERFORMANCES
    splits: tfds_splits.SplitDict

    def records(self, split: str) -> grain.ArrayRecordDataSource:
        """Opens the records of a split.

        Raises:
            UserError: there is no such split.
        """
        if split not in self.splits:
            raise UserError(f"{self.path} has no split {split!r}, only {', '.join(self.splits)}.")
        return grain.ArrayRecordDataSource(self.splits[split].file_instructions)


def find(name: str, data_dir: str) -> StoredDataset:
    """Finds a dataset that has been built, the newest version if the name has none.

    Args:
        name: as TFDS has it: `nsynth_json/by_note`, `nsynth/full` or `nsynth/full:2.3.3`.
        data_dir: TFDS's folder of datasets; `~` is the home folder. Of a URL the dataset is fetched
            into the cache, since records cannot be read at random over a network.

    Raises:
        UserError: it is not there, or stored in a way that cannot be read at random.
    """
    if is_url(data_dir):
        data_dir = str(_fetch(name, data_dir.rstrip("/")))
    folder = epath.Path(local_path("data_dir", data_dir))
    prefix, _, version = name.partition(":")
    built = [path for path in _folders(folder / prefix) if (path / _INFO).exists()]
    versions = {match.groups(): p for p in built if (match := _VERSION.fullmatch(p.name))}
    if built and not versions:
        raise UserError(
            f"{built[0]} is a dataset, but its folder's name is not a version: rename it, "
            "for example to 1.1.0."
        )
    if version:
        versions = {numbers: p for numbers, p in versions.items() if p.name == version}
    if not versions:
        tool = "prepare-nsynth" if prefix.partition("/")[0] == "nsynth" else "build-dataset"
        raise UserError(
            f"there is no dataset {name!r} in {folder}{_list_datasets(folder)}: build it with "
            f"wavenet-ae {tool}, or give the folder that holds it as data_dir."
        )
    path = versions[max(versions, key=lambda numbers: tuple(map(int, numbers)))]
    try:
        info = dataset_infos.read_proto_from_builder_dir(path)
    except (dataset_infos.DatasetInfoFileError, json_format.ParseError) as error:
        raise UserError(
            f"{path}/dataset_info.json is damaged: build the dataset again, or copy it again."
        ) from error
    if info.file_format != "array_record":
        raise UserError(
            f"{path} is stored as {info.file_format or 'tfrecord'}, which cannot be read at random:"
            f" convert it with wavenet-ae prepare-nsynth --tfrecord={path} --data_dir=ANOTHER."
        )
    return StoredDataset(path, info.name, dataset_infos.get_split_dict_from_proto(info, path))


@functools.cache  # a process sees one version, and asks once
def _fetch(name: str, data_dir: str) -> Path:
    """Returns a local folder that holds the dataset's newest version, or the one that it names."""
    prefix, _, wanted = name.partition(":")

    def choose(system: Any, root: str) -> downloads.Files:
        listed = {
            f"{prefix}/{n}": i for n, i in downloads.listing(system, f"{root}/{prefix}").items()
        }
        infos = [n.split("/") for n in listed if n.endswith(f"/{_INFO}")]
        versions = [
            n[-2] for n in infos if n[:-2] == prefix.split("/") and _VERSION.fullmatch(n[-2])
        ]
        versions = [v for v in versions if wanted in ("", v)]
        if not versions:
            raise UserError(
                f"there is no dataset {name!r} in {data_dir}: build it here with wavenet-ae "
                "build-dataset or prepare-nsynth, and copy it there."
            )
        newest = max(versions, key=lambda version: tuple(map(int, version.split("."))))
        return {n: i for n, i in listed.items() if n.startswith(f"{prefix}/{newest}/")}

    return downloads.fetch(data_dir, choose, f"{data_dir}/{name}", is_dataset=True)


def _folders(path: epath.Path) -> list[epath.Path]:
    # Not a glob: the path may hold brackets.
    return sorted(p for p in path.iterdir() if p.is_dir()) if path.is_dir() else []


def _list_datasets(folder: epath.Path) -> str:
    configs = [config for dataset in _folders(folder) for config in _folders(dataset)]
    names = [
        f"{config.parent.name}/{config.name}"
        for config in configs
        if any((version / _INFO).exists() for version in _folders(config))
    ]
    return f", which holds {', '.join(names)}" if names else ""


class Notes:
    """The notes of a split in the order of the hashes that TFDS gives their names.

    A note is a dict, as `input_pipeline.open_split` says.

    Raises:
        UserError: there is no such split, it does not hold notes, or its order is damaged; when a
            note is read: its record
            is damaged, or its sound is not finite.
    """

    def __init__(self, dataset: StoredDataset, split: str):
        if dataset.builder in _READ_BY:
            raise UserError(
                f"{dataset.path} holds {dataset.builder}, not notes: choose a dataset of notes, or "
                f"a configuration {_READ_BY[dataset.builder]}."
            )
        self._where = f"the split {split!r} of {dataset.path}"
        self._records = dataset.records(split)
        self._order = self._read_order(dataset.path / "metadata.json", split)

    def _read_order(self, metadata: epath.Path, split: str) -> np.ndarray:
        """Returns the notes' positions among the records."""
        positions = np.arange(len(self._records))
        try:
            # Only datasets that are built from archives have one.
            settings = json.loads(metadata.read_text()) if metadata.exists() else {}
            order = np.asarray(settings.get("order", {}).get(split, positions))
        except (AttributeError, ValueError):  # not valid JSON, or of another form
            order = None
        if order is None or not np.array_equal(np.sort(order, axis=None), positions):
            raise UserError(
                f"the order of {self._where} in its metadata.json is damaged: build the dataset "
                "again, or copy it again."
            )
        return order

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]:
        position = int(self._order[index])
        try:
            return _parse(self._records[position])
        except DAMAGE as error:
            raise UserError(
                f"the record {position} of {self._where}{self._neighbour(position)} is damaged: "
                "build the dataset again, or copy it again."
            ) from error

    def families(self) -> np.ndarray:
        """Returns the notes' families, positions in `nsynth.FAMILIES`, int8 `[notes]`.

        It reads all records, without their sounds' values.

        Raises:
            UserError: a record is damaged.
        """
        found = np.zeros(len(self._records), np.int8)
        numbers = range(0, len(self._records), _READ_TOGETHER)
        for start in tqdm(numbers, desc="labels", disable=None, delay=2, leave=False):
            together = range(start, min(start + _READ_TOGETHER, len(self._records)))
            try:
                found[together] = [_family(it) for it in self._records.__getitems__(list(together))]
            except DAMAGE as error:
                raise UserError(
                    f"one of the records {start} to {together[-1]} of {self._where} is damaged: "
                    "build the dataset again, or copy it again."
                ) from error
        return found[self._order]

    def _neighbour(self, position: int) -> str:
        # The record's own name is lost.
        try:
            return f", after the note {_parse(self._records[position - 1])['id']}," * bool(position)
        except (*DAMAGE, UserError):
            return ""


def _parse(record: bytes) -> dict[str, Any]:
    """Reads an Example with the features of TFDS's `nsynth`; nested names have slashes.

    Raises:
        UserError: the sound is not finite.
        LookupError: there is no such feature, family or source.
        ValueError: the sound has another length.
        DecodeError: it is not an Example.
    """
    features = tf_example_pb2.Example.FromString(record).features.feature
    [name] = values_of(features, "id")
    audio = audio_of(features["audio"])
    if audio.shape != (nsynth.NOTE_SAMPLES,):
        raise ValueError(f"{audio.shape} samples")
    if not np.isfinite(audio).all():
        raise UserError(
            f"the sound of the note {name.decode()} has values that are not finite: correct or "
            "leave out the note, and build the dataset again."
        )
    note = nsynth.Note(
        name=name.decode(),
        instrument=name.decode().rsplit("-", 2)[0],
        pitch=values_of(features, "pitch")[0],
        velocity=values_of(features, "velocity")[0],
        family=_FAMILIES[values_of(features, "instrument/family")[0]],
        source=_SOURCES[values_of(features, "instrument/source")[0]],
        qualities=tuple(bool(values_of(features, f"qualities/{it}")[0]) for it in nsynth.QUALITIES),
    )
    return note.to_example(audio)


def _family(record: bytes) -> int:
    """Reads a note's family, a position in `nsynth.FAMILIES`."""
    features = tf_example_pb2.Example.FromString(record).features.feature
    [family] = values_of(features, "instrument/family")
    if family not in _FAMILIES:
        raise LookupError(f"no family {family}")
    return family


def audio_of(feature: tf_feature_pb2.Feature) -> np.ndarray:
    """Returns a sound as float32, full scale -1..1: it is stored as floats, or as int16 bytes."""
    if feature.HasField("bytes_list"):
        [samples] = feature.bytes_list.value
        return np.frombuffer(samples, "<i2").astype(np.float32) / 32_768
    # Value by value, Python would take a hundred times as long as for the message: a tag, its
    # length, and the floats.
    count = len(feature.float_list.value)
    message = feature.float_list.SerializeToString()
    return np.frombuffer(message, "<f4", offset=len(message) - 4 * count)


def values_of(features: Any, name: str) -> Sequence[Any]:
    """Returns a feature's values.

    Raises:
        LookupError: there is no such feature.
    """
    kind = features[name].WhichOneof("kind")
    if kind is None:
        raise LookupError(f"the record has no {name}")
    return getattr(features[name], kind).value
