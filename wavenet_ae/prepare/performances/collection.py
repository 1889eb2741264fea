"""The performances that a dataset is built from: sound files, each with the MIDI file of its notes.

MAESTRO's folder has a table of them; in any other, NAME.wav and NAME.mid are a performance.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from wavenet_ae.audio import files, midi
from wavenet_ae.data import nsynth
from wavenet_ae.prepare import held_out
from wavenet_ae.prepare.performances import maestro
from wavenet_ae.prepare.performances.performance import Performance
from wavenet_ae.system.errors import UserError


class Collection(NamedTuple):
    """The performances of train, valid and test.

    Attributes:
        splits: by split, ordered by folder and name.
        fingerprint: a hash of their names and of the files' sizes; what changes within a file of
            the same size goes unnoticed.
    """

    splits: dict[str, list[Performance]]
    fingerprint: str


def read_collection(folders: Sequence[Path]) -> Collection:
    """Finds the performances of folders and splits them by piece.

    MAESTRO's splits stay. Of other folders a tenth of the pieces goes to valid and to test, at
    least one each, by hashes of their names. What several folders have under one name, as the same
    piece played by two instruments, is one piece.

    Args:
        folders: each has MAESTRO's table, or is searched with its sub-folders for sounds and MIDI
            files.

    Raises:
        UserError: a folder is missing or empty, two have one name, a file has no partner, a table
            is damaged or lacks a split, or there are fewer than three pieces.
    """
    splits: dict[str, list[Performance]] = {split: [] for split in nsynth.SPLITS}
    pieces: dict[str, list[Performance]] = {}
    for name, folder in _named(folders).items():
        if table := maestro.find_table(folder):
            for split, performance in maestro.read_table(table, name):
                splits[split].append(performance)
        else:
            for piece, sound, notes in _pairs(folder):
                pieces.setdefault(piece, []).append(Performance(f"{name}/{piece}", sound, notes))
    where = " and ".join(map(str, folders))
    if pieces:
        split_of = held_out.assign(pieces, "pieces", where)
        for piece, performances in pieces.items():
            splits[split_of[piece]] += performances
    for split, found in splits.items():
        if not found:
            raise UserError(f"{where} holds nothing for the split {split!r}: get all of MAESTRO.")
    splits = {split: sorted(performances) for split, performances in splits.items()}
    return Collection(splits, _fingerprint(splits))


def _named(folders: Sequence[Path]) -> dict[str, Path]:
    """Returns the folders by name."""
    names: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"--performances={folder}: there is no such folder: name another.")
        name = folder.resolve().name  # "." has none of its own
        if name in names:
            raise UserError(
                f"{names[name]} and {folder} have one name, by which their performances are told "
                "apart: rename one of them."
            )
        names[name] = folder
    return names


def _pairs(folder: Path) -> Iterable[tuple[str, Path, Path]]:
    """Yields names, sounds and MIDI files.

    Raises:
        UserError: there are none, or one has no partner, or two.
    """
    sounds = _by_name(folder, files.SUFFIXES, "sounds")
    notes = _by_name(folder, midi.SUFFIXES, "MIDI files")
    for these, others, wanted in ((sounds, notes, ".mid"), (notes, sounds, ".wav")):
        for name in these.keys() - others.keys():
            raise UserError(
                f"{these[name]} has no {name.rpartition('/')[2]}{wanted} beside it: add it, or "
                "leave this file out."
            )
    return ((name, sounds[name], notes[name]) for name in sounds)


def _by_name(folder: Path, suffixes: Sequence[str], what: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for source in files.find([folder], suffixes, quiet=True):
        name = source.path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise UserError(
                f"{found[name]} and {source.path} are two {what} of one name: leave one of them "
                "out, or rename it."
            )
        found[name] = source.path
    return found


def _fingerprint(splits: dict[str, list[Performance]]) -> str:
    digest = hashlib.sha256()
    for split, performances in splits.items():
        for it in performances:
            sizes = f"{it.path.stat().st_size}\0{it.midi.stat().st_size}"
            digest.update(f"{split}\0{it.id}\0{sizes}\0".encode())
    return digest.hexdigest()
