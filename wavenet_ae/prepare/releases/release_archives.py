"""The archives of NSynth's TFRecord release: given or downloaded, unpacked in little memory."""

import os
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core.download import resource
from tqdm import tqdm

from wavenet_ae.prepare.writing import INCOMPLETE, bar_interval_s
from wavenet_ae.system.errors import MachineError, UserError

_GB = 10**9
_PIECE_BYTES = 1 << 24


def checked_manual_dir(folder: Path | None, url_infos: Mapping[str, Any]) -> Path | None:
    """Checks the sizes at once; TFDS compares the checksums later.

    Args:
        folder: holds archives under their published names; None: there is no such folder.
        url_infos: the builder's.

    Returns:
        The folder.

    Raises:
        UserError: it holds none of the files, or one has another size than the published one.
    """
    if folder is None:
        return None
    present = 0
    for info in url_infos.values():
        file = folder / info.filename
        if not file.is_file():
            continue
        present += 1
        if file.stat().st_size != info.size:
            raise UserError(
                f"{file} has {file.stat().st_size:,} bytes, the published file {int(info.size):,}: "
                "download it again."
            )
    if not present:
        names = ", ".join(info.filename for info in url_infos.values())
        raise UserError(
            f"{folder} holds none of NSynth's files ({names}): name the folder that does, or leave "
            "--manual_dir out to download them; archives of json and wav go to "
            "wavenet-ae build-dataset."
        )
    return folder


def check_disk(
    builder: tfds.core.DatasetBuilder,
    dataset_bytes: int,
    download_dir: str,
    manual_dir: Path | None,
) -> None:
    """Counts downloads, what is unpacked of them, and the dataset, on each file system.

    Raises:
        UserError: one of them is too full.
    """
    sizes = {info.filename: int(info.size) for info in builder.url_infos.values()}
    unpacked = sum(size for name, size in sizes.items() if name.endswith(".tar"))
    missing = sum(s for n, s in sizes.items() if not (manual_dir and (manual_dir / n).is_file()))
    unpacked_names = _unpacked_names(builder)
    names = {name.removeprefix("TAR.") for name in unpacked_names}
    downloads = Path(download_dir).rglob("*") if "://" not in download_dir else ()
    present = sum(
        f.stat().st_size
        for f in downloads
        # Without what other datasets or killed calls left.
        if f.is_file() and (f.name in names or f.parent.name in unpacked_names)
    )
    needs = {download_dir: max(0, missing + unpacked - present), builder.data_path: dataset_bytes}
    disks: dict[int, tuple[Path, int]] = {}  # by number: a folder there, and what it needs
    for folder, size in needs.items():
        if "://" not in os.fspath(folder):
            existing = _existing(Path(folder))
            device = existing.stat().st_dev
            disks[device] = (existing, size + disks.get(device, (existing, 0))[1])
    for folder, size in disks.values():
        free = shutil.disk_usage(folder).free
        if size > free:
            raise UserError(
                f"{builder.info.full_name} needs {size / _GB:.0f} GB on the disk of {folder}, and "
                f"{free / _GB:.0f} GB are free ({missing / _GB:.0f} GB to download, "
                f"{unpacked / _GB:.0f} unpacked, {dataset_bytes / _GB:.0f} built): make room, or "
                "name another --data_dir or --download_dir; the json/wav archives (25 GB) hold the "
                "notes of nsynth/full for nsynth_json/published (39 GB; "
                "wavenet-ae build-dataset)."
            )


def unpack(builder: tfds.core.DatasetBuilder, download_dir: str, manual_dir: Path | None) -> None:
    """Downloads the archives and unpacks them where the builder looks for them.

    It would unpack them itself, with a file of 74 GB in memory. It still computes the checksums of
    files in `manual_dir`, which have been compared here.
    """
    manager = tfds.download.DownloadManager(
        download_dir=download_dir,
        manual_dir=manual_dir,
        url_infos=builder.url_infos,
        dataset_name=builder.name,
    )
    for archive in manager.download([url for url in builder.url_infos if url.endswith(".tar")]):
        _unpack(archive, epath.Path(download_dir) / "extracted")


def _unpack(archive: epath.Path, folder: epath.Path) -> None:
    """Unpacks an archive into a folder with TFDS's name."""
    target = folder / f"TAR.{archive.name}"
    if target.exists():
        return
    unfinished = folder / f"{INCOMPLETE}{target.name}"
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        with (
            archive.open("rb") as packed,
            tarfile.open(fileobj=packed, mode="r|") as members,
            tqdm(
                total=archive.stat().length,
                unit="B",
                unit_scale=True,
                desc=f"unpacking {archive.name}",
                mininterval=bar_interval_s(),
            ) as bar,
        ):
            for member in members:
                if member.isreg():
                    with (unfinished / os.path.basename(member.name)).open("wb") as file:
                        content = members.extractfile(member)
                        while piece := content.read(_PIECE_BYTES):
                            file.write(piece)
                            bar.update(len(piece))
    except tarfile.TarError as error:
        raise UserError(
            f"{archive} is not a complete archive ({error}): download it again."
        ) from error
    except OSError as error:
        raise MachineError(f"{archive} cannot be unpacked to {folder}: {error}.") from error
    unfinished.rename(target)


def _unpacked_names(builder: tfds.core.DatasetBuilder) -> set[str]:
    """Returns TFDS's names of the folders of unpacked archives, given or downloaded."""
    infos = builder.url_infos.items()
    given = {info.filename for _, info in infos}
    downloaded = {resource.get_dl_fname(url, info.checksum) for url, info in infos}
    return {f"TAR.{name}" for name in given | downloaded if name.endswith(".tar")}


def delete_unpacked(
    builder: tfds.core.DatasetBuilder, download_dir: str, *, unfinished: bool = False
) -> None:
    """Deletes what is unpacked of NSynth's archives, or only what killed calls began to unpack."""
    for folder in (Path(download_dir) / "extracted").glob(f"{INCOMPLETE}*" if unfinished else "*"):
        if any(folder.name.endswith(name) for name in _unpacked_names(builder)):
            shutil.rmtree(folder)


def _existing(path: Path) -> Path:
    """Returns the path, or the nearest folder above it that exists."""
    path = path.absolute()
    return next(p for p in (path, *path.parents) if p.exists())
