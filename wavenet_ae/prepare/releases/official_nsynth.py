"""TFDS's own builder of NSynth, run with Beam: the authors' TFRecords → array_record.

The builder is not modified: its archives are unpacked before it looks for them, and progress is
read off the disk. Needs TensorFlow and Apache Beam, which are imported when it is called.
"""

import contextlib
import importlib.util
import logging
import os
import re
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import tensorflow_datasets as tfds
from tqdm import tqdm

from wavenet_ae.data import nsynth
from wavenet_ae.prepare.releases import release_archives as archives
from wavenet_ae.prepare.writing import (
    INCOMPLETE,
    Prepared,
    bar_interval_s,
    delete_incomplete,
    quietly,
    reporting_failures_to_write,
)
from wavenet_ae.system.errors import MachineError, UserError
from wavenet_ae.system.locks import exclusive_lock

# Notes of each config, from TFDS's catalog.
NUM_NOTES = {"full": 305_979, "gansynth_subset": 86_775}

_GB = 10**9
_BYTES_PER_NOTE = 4 * nsynth.NOTE_SAMPLES + 500  # float32 sound, and labels
# Measured with Beam 2.77: Beam's local runner holds all notes in memory, several times.
_MEMORY_PER_NOTE = 1_100_000
_MEMORY_BASE = 1_500_000_000

# Beam's DirectRunner without its first step, which downloads another runner.
_LOCAL_RUNNER = "FnApiRunner"


def prepare(
    config: str,
    data_dir: str,
    *,
    manual_dir: Path | None = None,
    download_dir: str | None = None,
    beam_options: Sequence[str] = (),
    check_resources: bool = True,
) -> Prepared:
    """Downloads NSynth's TFRecords and builds `nsynth/<config>` as array_record.

    A failed or interrupted build leaves nothing that looks finished; finished downloads are kept,
    and what was unpacked of them is deleted at the end.

    Args:
        config: one of NUM_NOTES.
        data_dir: TFDS's folder of datasets; for a cluster's runner a bucket.
        manual_dir: holds files of the release under their published names, which are used instead
            of downloads.
        download_dir: for downloads; `data_dir`/downloads if None.
        beam_options: flags of Beam without their dashes, as in `runner=DataflowRunner`. Without a
            runner, Beam's local one works in this process.
        check_resources: refuse to begin with too little disk or memory.

    Raises:
        UserError: TensorFlow or Beam is missing, a file is not the published one, there is too
            little disk or memory, or the dataset cannot be written.
        MachineError: a download failed.
    """
    # Errors are raised, too.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    with quietly():
        return _prepare(config, data_dir, manual_dir, download_dir, beam_options, check_resources)


def _prepare(
    config: str,
    data_dir: str,
    manual_dir: Path | None,
    download_dir: str | None,
    beam_options: Sequence[str],
    check_resources: bool,
) -> Prepared:
    builder = _builder(config, data_dir)
    path = os.fspath(builder.data_path)
    if builder.is_prepared():
        return Prepared.of(builder, is_new=False)
    download_dir = os.path.expanduser(download_dir or os.path.join(data_dir, "downloads"))
    options, is_local = _beam_options(beam_options)
    manual_dir = archives.checked_manual_dir(manual_dir, builder.url_infos)
    if check_resources:
        archives.check_disk(builder, NUM_NOTES[config] * _BYTES_PER_NOTE, download_dir, manual_dir)
        if is_local:
            _check_memory(config)
    download_config = tfds.download.DownloadConfig(
        manual_dir=manual_dir, beam_options=options, try_download_gcs=False
    )
    with contextlib.ExitStack() as stack:
        if "://" not in path:
            folder = Path(path).parent
            stack.enter_context(reporting_failures_to_write(Path(path)))
            stack.enter_context(exclusive_lock(folder))
            delete_incomplete(folder)
        if "://" not in download_dir:
            # The configs share what is unpacked.
            stack.enter_context(exclusive_lock(Path(download_dir)))
            archives.delete_unpacked(builder, download_dir, unfinished=True)
        stack.enter_context(_reporting_failures())
        archives.unpack(builder, download_dir, manual_dir)
        if is_local:
            stack.enter_context(_progress(Path(path).parent, NUM_NOTES[config]))
        builder.download_and_prepare(
            download_dir=download_dir,
            download_config=download_config,
            file_format=tfds.core.FileFormat.ARRAY_RECORD,
        )
        if "://" not in download_dir:
            archives.delete_unpacked(builder, download_dir)
    return Prepared.of(builder, is_new=True)


def _builder(config: str, data_dir: str) -> tfds.core.DatasetBuilder:
    for library in ("tensorflow", "apache_beam"):
        if importlib.util.find_spec(library) is None:
            raise UserError(
                f"building nsynth/{config} needs TensorFlow and Apache Beam, and {library} is "
                "missing: pip install -e '.[nsynth]'."
            )
    try:
        return tfds.builder(f"nsynth/{config}", data_dir=os.path.expanduser(data_dir))
    except RuntimeError as error:  # TensorFlow's, which reads buckets
        raise UserError(f"--data_dir={data_dir} cannot be read: {_first_line(error)}") from error


def _beam_options(given: Sequence[str]) -> tuple[Any, bool]:
    """Returns Beam's PipelineOptions, and whether its runner works in this process."""
    from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
    from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
    from apache_beam.runners.runner import create_runner

    flags = [f"--{option.removeprefix('--')}" for option in given]
    options = PipelineOptions(flags)
    standard = options.view_as(StandardOptions)
    if standard.runner in (None, "DirectRunner"):
        standard.runner = _LOCAL_RUNNER
    try:
        runner = create_runner(standard.runner)
    except (ImportError, ValueError) as error:
        raise UserError(f"--beam_pipeline_options: {_first_line(error)}") from error
    unknown = [f for f in flags if f.split("=")[0][2:] not in options.get_all_options()]
    if unknown:
        raise UserError(f"Beam has no option {unknown[0]}: correct --beam_pipeline_options.")
    # Beam would do so after the download.
    if wrong := PipelineOptionsValidator(options, runner).validate():
        raise UserError(f"--beam_pipeline_options: {' '.join(wrong)}")
    return options, standard.runner == _LOCAL_RUNNER


def _check_memory(config: str) -> None:
    needed = _MEMORY_BASE + NUM_NOTES[config] * _MEMORY_PER_NOTE
    available = psutil.virtual_memory().available
    if needed > available:
        raise UserError(
            f"Beam's local runner holds the whole dataset in memory, for nsynth/{config} about "
            f"{needed / _GB:.0f} GB, and {available / _GB:.0f} GB are available: use a cluster "
            "(--beam_pipeline_options=runner=DataflowRunner,...), or, for the same batches as from "
            "nsynth/full in little memory, build nsynth_json/published from the json/wav archives "
            "(wavenet-ae build-dataset)."
        )


@contextlib.contextmanager
def _reporting_failures() -> Iterator[None]:
    """Turns TFDS's download errors into sentences, and Beam's interruption into Python's."""
    import requests
    from tensorflow_datasets.core.download import download_manager
    from tensorflow_datasets.core.download import util as download_util

    try:
        yield
    except RuntimeError as error:
        if str(error).startswith("KeyboardInterrupt"):
            raise KeyboardInterrupt from error
        raise
    except download_manager.NonMatchingChecksumError as error:
        file = re.search(r"downloaded to (.+?), has wrong checksum", str(error))
        raise UserError(
            f"{file[1] if file else 'a download'} is not the published file (its checksum "
            "differs): delete it and download it again."
        ) from error
    except (download_util.DownloadError, requests.RequestException) as error:
        raise MachineError(
            f"NSynth could not be downloaded ({_first_line(error)}): try again, or download the "
            "files with another tool and name their folder as --manual_dir."
        ) from error


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


_SHARD = re.compile(r"nsynth-(\w+)\.array_record-\d{5}-of-(\d{5})")


@contextlib.contextmanager
def _progress(folder: Path, num_notes: int) -> Iterator[None]:
    """Shows how long the build has run and, towards the end, how many files it has written."""
    done = threading.Event()

    def follow() -> None:
        while not done.wait(bar_interval_s()):
            bar.set_description_str(_files_written(folder) or bar.desc)

    doing = f"reading {num_notes:,} notes and sorting them in memory"
    with tqdm(desc=doing, bar_format="{desc} [{elapsed}]") as bar:
        watch = threading.Thread(target=follow, daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()


def _files_written(folder: Path) -> str:
    """Returns how many of its files TFDS has written; empty before the first."""
    files = folder.glob(f"{INCOMPLETE}*/nsynth-*")
    shards = [match for file in files if (match := _SHARD.fullmatch(file.name))]
    total = sum({shard[1]: int(shard[2]) for shard in shards}.values())
    return f"{len(shards)} of {total} files written" if shards else ""
