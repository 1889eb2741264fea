"""The recordings that a dataset is built from: whose they are, and how they are split."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from wavenet_ae.audio import files
from wavenet_ae.data import nsynth
from wavenet_ae.prepare import held_out
from wavenet_ae.system.errors import UserError

_DOMAIN = re.compile(r"[\w.-]+")


class Recording(NamedTuple):
    """A file of a domain."""

    domain: str
    name: str  # relative to the domain's folder, with "/" and without suffix
    path: Path

    @property
    def id(self) -> str:
        """DOMAIN/NAME."""
        return f"{self.domain}/{self.name}"


class Collection(NamedTuple):
    """The recordings of train, valid and test.

    Attributes:
        domains: their names.
        splits: the recordings by split, ordered by domain and name.
        fingerprint: a hash of the domains and of the files' names and sizes; what changes within a
            file of the same size goes unnoticed.
    """

    domains: tuple[str, ...]
    splits: dict[str, list[Recording]]
    fingerprint: str


def read_collection(folders: Mapping[str, Path]) -> Collection:
    """Finds the recordings and splits them, file by file.

    A tenth of each domain's files goes to valid and to test, at least one each, by hashes of their
    names. What several domains have under one name, as the same piece played by two instruments, is
    thus held out of all of them, as long as they have the same files.

    Args:
        folders: by the domains' names; searched as `files.find` does it.

    Raises:
        UserError: a domain's name cannot be one, its folder holds fewer than three sounds, or one
            file belongs to two domains.
    """
    digest, owners = hashlib.sha256(), {}
    splits: dict[str, list[Recording]] = {split: [] for split in nsynth.SPLITS}
    for domain, folder in folders.items():
        if not _DOMAIN.fullmatch(domain):
            raise UserError(
                f"--recordings={domain}={folder}: a domain's name has letters, digits, '_', '-' "
                "and '.' only: choose another name."
            )
        if not folder.is_dir():
            raise UserError(
                f"--recordings={domain}={folder}: there is no such folder: name the folder that "
                "holds this domain's recordings."
            )
        found = {it.stem: it.path for it in files.find([folder], quiet=True)}
        split_of = held_out.assign(found, "recordings", f"the folder {folder} of {domain!r}")
        for name, path in sorted(found.items()):
            owner = owners.setdefault(path.resolve(), domain)
            if owner != domain:
                raise UserError(
                    f"{path} belongs to both {owner!r} and {domain!r}: give each domain a folder "
                    "of its own."
                )
            digest.update(f"{domain}\0{name}\0{path.stat().st_size}\0".encode())
            splits[split_of[name]].append(Recording(domain, name, path))
    return Collection(tuple(folders), splits, digest.hexdigest())
