"""A prepared TFDS dataset in TFRecord → the same in array_record, which has random access.

TFDS 4.9.10's own `convert_format` converts only the records, not the dataset's description.
"""

from collections.abc import Iterator
from pathlib import Path

import tensorflow_datasets as tfds
from google.protobuf import json_format
from tensorflow_datasets.core import file_adapters
from tqdm import tqdm

from wavenet_ae.prepare.writing import Prepared, quietly, reporting_failures_to_write
from wavenet_ae.system import atomic_file
from wavenet_ae.system.errors import UserError
from wavenet_ae.system.locks import exclusive_lock

_NO_DATASET = (
    OSError,
    ValueError,
    json_format.ParseError,
    tfds.core.dataset_info.DatasetInfoFileError,
)


def convert(source: Path, data_dir: str) -> Prepared:
    """Copies a dataset record by record, in order; an interrupted copy resumes file by file.

    Args:
        source: the folder of one version, as in datasets/nsynth/full/2.3.3.
        data_dir: TFDS's folder of datasets, not the source's.

    Raises:
        UserError: the folder holds no dataset in TFRecord, a file is damaged, TensorFlow is
            missing, or the copy cannot be written.
    """
    if "://" in data_dir:
        raise UserError(
            f"--data_dir={data_dir} is not on this machine: convert locally, then copy the folder."
        )
    builder = _open(source)
    info = builder.info
    path = Path(data_dir).expanduser().joinpath(*info.full_name.split("/"))
    if path.resolve() == source.resolve():
        raise UserError(f"{source} is below --data_dir={data_dir}: name another folder.")
    with reporting_failures_to_write(path), exclusive_lock(path), quietly():
        is_new = not (path / "dataset_info.json").exists()
        if is_new:
            with tqdm(total=info.splits.total_num_examples, unit=" notes", disable=None) as bar:
                for split in info.splits.values():
                    _convert_split(split, path, bar)
            array_record = tfds.core.FileFormat.ARRAY_RECORD
            info.set_file_format(array_record, override=True, override_if_initialized=True)
            info.write_to_directory(path)  # last: it makes the dataset complete
    return Prepared.of(tfds.builder_from_directory(path), is_new=is_new)


def _open(source: Path) -> tfds.core.DatasetBuilder:
    try:
        builder = tfds.builder_from_directory(source)
    except ImportError as error:
        raise UserError(
            "converting from TFRecord needs TensorFlow: pip install -e '.[nsynth]'."
        ) from error
    except _NO_DATASET as error:
        raise UserError(
            f"{source} holds no complete TFDS dataset: name the folder of one version, with its "
            "dataset_info.json, as in datasets/nsynth/full/2.3.3."
        ) from error
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        raise UserError(
            f"{source} is stored as {builder.info.file_format.value}: only TFRecord is converted; "
            "array_record is read as it is."
        )
    return builder


def _convert_split(split: tfds.core.SplitInfo, path: Path, bar: tqdm) -> None:
    for file, length in zip(split.filepaths, split.shard_lengths, strict=True):
        target = path / file.name.replace(".tfrecord-", ".array_record-")
        if not target.exists():
            with atomic_file.replacing(target) as temporary:
                records = _records(Path(file), length, bar)
                file_adapters.ArrayRecordFileAdapter.write_examples(temporary, records)
        else:
            bar.update(length)


def _records(file: Path, length: int, bar: tqdm) -> Iterator[tuple[int, bytes]]:
    import tensorflow as tf

    count = 0
    try:
        for record in file_adapters.TfRecordFileAdapter.make_tf_data(file).as_numpy_iterator():
            yield count, record
            count += 1
            bar.update()
    except (tf.errors.DataLossError, tf.errors.NotFoundError) as error:
        raise UserError(f"{file} is damaged or missing: copy the dataset again.") from error
    if count != length:
        raise UserError(f"{file} has {count} records, not {length}: copy the dataset again.")
