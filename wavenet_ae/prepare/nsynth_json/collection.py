"""The notes that a dataset is built from: where they are, how they are split and ordered."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tensorflow_datasets.core import hashing

from wavenet_ae.data import nsynth
from wavenet_ae.data.nsynth import Note
from wavenet_ae.prepare import held_out, note_files
from wavenet_ae.prepare.notes_folder import NotesFolder
from wavenet_ae.prepare.nsynth_json.archive import Archive
from wavenet_ae.prepare.nsynth_json.joined import Joined
from wavenet_ae.system.errors import UserError


class Split(NamedTuple):
    """A split's notes in their order, and what holds their sounds."""

    notes: list[Note]
    source: NotesFolder | Archive | Joined


class Collection(NamedTuple):
    """The notes of train, valid and test, or of test alone.

    Attributes:
        splits: by name.
        fingerprint: a hash of each `examples.json`. It changes with the notes and labels, not with
            packing; changed sounds under the same names go unnoticed.
        sources: folders and archives, each with its notes.
    """

    splits: dict[str, Split]
    fingerprint: str
    sources: list[tuple[NotesFolder | Archive, list[Note]]]

    def unnamed_sounds(self) -> dict[Path, int]:
        """Returns the number of sounds without labels, by folder or archive, where there are any.

        Those of an archive are known once its sounds have been read.
        """
        counts = {source.path: len(source.unnamed_sounds(notes)) for source, notes in self.sources}
        return {path: count for path, count in counts.items() if count}


def read_collection(
    paths: Sequence[Path], config: str, train_only: Sequence[Path] = ()
) -> Collection:
    """Reads the labels of notes and splits them.

    Args:
        paths: folders that hold `examples.json` and `audio/`, or .tar.gz archives of such. For
            `published` one folder that holds nsynth-train, nsynth-valid and nsynth-test, each as
            such a folder or, where there is none, as `nsynth-<split>.jsonwav.tar.gz`.
        config: `by_instrument` (valid and test hold instruments that train does not, as in
            NSynth; a name that several folders have is held out of all of them), `by_note` (other
            notes of the same instruments, as in GANSynth's subset), `test_only` (all notes are for
            testing) or `published` (as the release is split).
        train_only: more of them, for by_instrument and by_note, whose notes all go to train; they
            do not change how the others are split.

    Returns:
        The notes of each split in the order in which TFDS's own writers would store them; the same
        at every call and on every machine. For several folders, see `joined.Joined` for the names.

    Raises:
        UserError: there are too few notes, or they cannot be read.
    """
    if train_only and config not in ("by_instrument", "by_note"):
        raise UserError(
            f"--split={config} does not choose the notes to train on: leave out --train_only."
        )
    if config == "published":
        if len(paths) > 1:
            raise UserError(
                "--split=published takes the one folder that holds NSynth's three: name it."
            )
        sources = {split: _published_source(paths[0], split) for split in nsynth.SPLITS}
    else:
        _check_different([*paths, *train_only])
        sources = {f"{path}": _source(path) for path in (*paths, *train_only)}
    digest, notes = hashlib.sha256(), {}
    for key, source in sources.items():
        labels = source.read_labels()
        digest.update(hashlib.sha256(labels).digest())
        notes[key] = note_files.parse_notes(labels, source.labels_name)
        if config == "published" and not notes[key]:
            raise UserError(f"{source.path} holds no notes: download or unpack it again.")
        _check_names(notes[key], source.labels_name)
    named = [(source, notes[key]) for key, source in sources.items()]
    if config != "published":
        where = " and ".join(map(str, paths))
        if len(sources) == 1:
            (source,), (every,) = sources.values(), notes.values()
            kinds = {note.instrument: note.instrument for note in every}
        else:
            source = Joined(named)
            every, kinds = source.notes, source.kinds
        extra = [note for note in every if train_only and source.place(note) >= len(paths)]
        names = {note.name for note in extra}
        notes = _split([note for note in every if note.name not in names], kinds, config, where)
        if extra:
            notes["train"] += extra
            digest.update(b"train_only" * len(train_only))
        sources = dict.fromkeys(notes, source)
    splits = {split: Split(_ordered(notes[split], split), sources[split]) for split in notes}
    return Collection(splits, digest.hexdigest(), named)


def _check_different(paths: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    for path in paths:
        first = seen.setdefault(path.resolve(), path)
        if first is not path:
            raise UserError(f"{path} and {first} are the same notes: name them once.")


def _check_names(notes: Iterable[Note], where: str) -> None:
    seen = set()
    for note in notes:
        if note.name in seen:
            raise UserError(f"{where} has the note {note.name} twice: remove one of them.")
        seen.add(note.name)


def _published_source(folder: Path, split: str) -> NotesFolder | Archive:
    if folder.is_file():
        raise UserError(
            f"{folder} is one archive, not a folder of NSynth's three: name that, or use"
            " --split=by_instrument or --split=by_note."
        )
    unpacked, archive = note_files.published_split(folder, split)
    if (unpacked / note_files.EXAMPLES).is_file():
        return NotesFolder(unpacked)
    if archive.is_file():
        return Archive(archive)
    raise UserError(
        f"neither {archive} nor {unpacked / note_files.EXAMPLES} exists: put the archive there or"
        " unpack it there, or use --split=by_instrument or --split=by_note for one folder of notes."
    )


def _source(path: Path) -> NotesFolder | Archive:
    if path.is_file():
        return Archive(path)
    if (path / note_files.EXAMPLES).is_file():
        return NotesFolder(path)
    published = [note_files.published_split(path, split) for split in nsynth.SPLITS]
    if any(unpacked.is_dir() or archive.is_file() for unpacked, archive in published):
        remedy = "as there are NSynth's published splits, use --split=published or name one"
    else:
        remedy = "name the folder that holds examples.json and audio/, or a .tar.gz archive of both"
    missing = path / note_files.EXAMPLES if path.is_dir() else path
    raise UserError(f"{missing} does not exist: {remedy}.")


def _split(
    notes: list[Note], kinds: Mapping[str, str], config: str, where: str
) -> dict[str, list[Note]]:
    """Splits notes; instruments that `kinds` maps to the same name stay together."""
    if config == "test_only":
        if not notes:
            raise UserError(f"{where} holds no notes: add some.")
        return {"test": notes}
    if config == "by_note":
        split_of = held_out.assign((note.name for note in notes), "notes", where)
        return {s: [n for n in notes if split_of[n.name] == s] for s in nsynth.SPLITS}
    names = {kinds[note.instrument] for note in notes}
    remedy = "add more, or use --split=by_note"
    split_of = held_out.assign(names, "instruments", where, remedy)
    return {s: [n for n in notes if split_of[kinds[n.instrument]] == s] for s in nsynth.SPLITS}


def _ordered(notes: Iterable[Note], split: str) -> list[Note]:
    """Returns the notes in the order of TFDS's shuffling writers, as in `nsynth/full`."""
    hasher = hashing.Hasher(split)
    return sorted(notes, key=lambda note: hasher.hash_key(note.name))
