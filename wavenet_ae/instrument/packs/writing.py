"""Writes the sampler packs of a rendered instrument."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wavenet_ae.instrument import rendered
from wavenet_ae.instrument.packs import dspreset, multisample, names, sf2, sfz, wav
from wavenet_ae.instrument.packs.zones import Patch, Zone, release_seconds
from wavenet_ae.instrument.rendered import RenderedInstrument
from wavenet_ae.system import atomic_file, processes, results

FOLDER = "packs"
_SAMPLES = "samples"

_CERTAIN = 1 - 1e-6  # a cell with this weight of a sound is that sound
# Each key of a morphing file starts a note of every cell, and sfizz, which has 64 voices unless it
# is given more, is silent with 81 cells. With this many a side a key takes nine voices; larger
# squares get a second file, with all cells.
_FEW_SIDE = 3


class _Morph(NamedTuple):
    """A file that morphs between cells.

    Attributes:
        name: to show.
        stem: of the file.
        cells: `[rows][columns]`.
        places: the values of Y's and of X's controller at which rows and columns are heard alone.
    """

    name: str
    stem: str
    cells: list[list[int]]
    places: tuple[list[int], list[int]]


class _Plan(NamedTuple):
    """What to write.

    Attributes:
        cells: the names to show and the files' stems of all cells that are needed, by number.
        sounds: the cells that are sounds, in the sounds' order.
        morphs: of all squares.
        font: the SoundFont's stem.
    """

    cells: dict[int, tuple[str, str]]
    sounds: list[int]
    morphs: list[_Morph]
    font: str

    def outputs(self) -> list[str]:
        """Returns the files to open in a sampler."""
        suffixes = (sfz.SUFFIX, dspreset.SUFFIX, multisample.SUFFIX)
        of_sounds = [self.cells[cell][1] + suffix for cell in self.sounds for suffix in suffixes]
        of_squares = [morph.stem + sfz.SUFFIX for morph in self.morphs]
        return [*of_sounds, *of_squares, self.font + sf2.SUFFIX]

    def sample_file(self, cell: int, pitch: int) -> str:
        """Returns the WAV file of a note."""
        return f"{_SAMPLES}/{self.cells[cell][1]}_{pitch:03d}.wav"


def check(folder: Path, instrument: RenderedInstrument) -> None:
    """Checks in advance whether `write_packs` will refuse to replace files.

    Args:
        folder: of the instrument.
        instrument: which needs no notes yet.

    Raises:
        UserError: it will.
    """
    files = _files(_plan(instrument), instrument)
    results.Record(folder / FOLDER).check(dict.fromkeys(files, ""), replace=True)


def write_packs(folder: Path) -> list[Path]:
    """Writes sampler packs of a rendered instrument into its folder `packs`.

    Each sound gets an SFZ file, a DecentSampler preset and a `.multisample`, all sounds together a
    SoundFont. Each square gets an SFZ file in which CC1 and CC74 (upwards) morph between at most
    3 x 3 of its cells, and one with all where there are more. SFZ files and presets share the WAV
    files in `packs/samples`. Files of earlier packs that are not written again are deleted: cells
    of theirs may be others now.

    Args:
        folder: of the instrument, see `rendered`.

    Returns:
        The files to open in a sampler.

    Raises:
        UserError: the folder holds no instrument, a note is damaged, or the packs cannot be
            written, for instance since files of their names are there that this did not write.
    """
    instrument = rendered.read(folder)
    plan, packs = _plan(instrument), folder / FOLDER
    made_from = results.digest((folder / rendered.DESCRIPTION).read_bytes())
    files = dict.fromkeys(_files(plan, instrument), made_from)
    record = results.Record(packs)
    with record.writing(files, replace=True):
        record.delete_others(files)
        cells = processes.progress(plan.cells, unit="cell", desc="writing packs")
        patches = {cell: _write_cell(folder, instrument, plan, cell) for cell in cells}
        for cell in plan.sounds:
            _write_sound(packs, patches[cell])
        for morph in plan.morphs:
            rows = [[patches[cell] for cell in row] for row in reversed(morph.cells)]
            text = sfz.morph_text(morph.name, rows, morph.places)
            _write(packs / f"{morph.stem}{sfz.SUFFIX}", text.encode())
        of_sounds = [patches[cell] for cell in plan.sounds]
        _write_font(folder, instrument.name, plan.font, of_sounds)
    return [packs / file for file in plan.outputs()]


def _files(plan: _Plan, instrument: RenderedInstrument) -> list[str]:
    """Returns all files to write."""
    samples = [plan.sample_file(cell, p) for cell in plan.cells for p in instrument.pitches]
    return [*samples, *plan.outputs()]


def _plan(instrument: RenderedInstrument) -> _Plan:
    sounds = {}
    for sound in range(len(instrument.sounds)):
        own = [c for c, weights in enumerate(instrument.cells) if weights[sound] >= _CERTAIN]
        if own:
            sounds[own[0]] = instrument.sounds[sound]
    in_squares = {cell for square in instrument.squares for row in square.cells for cell in row}
    cells = {cell: sounds.get(cell) or f"cell {cell}" for cell in sorted({*sounds, *in_squares})}
    titles = [
        ", ".join(instrument.sounds[corner] for corner in square.corners)
        for square in instrument.squares
    ]
    stems = names.file_names(
        [*cells.values(), instrument.name, *(f"morph {title}" for title in titles)]
    )
    of_cells = {
        cell: (name, stem) for (cell, name), stem in zip(cells.items(), stems, strict=False)
    }
    font, *of_squares = stems[len(cells) :]
    morphs = [
        morph
        for title, stem, square in zip(titles, of_squares, instrument.squares, strict=True)
        for morph in _morphs(title, stem, [list(row) for row in square.cells])
    ]
    return _Plan(of_cells, list(sounds), morphs, font)


def _morphs(title: str, stem: str, cells: list[list[int]]) -> list[_Morph]:
    """Returns the file of a square that any player has the voices for, and one with all cells."""
    rows, columns = len(cells), len(cells[0])
    places = (sfz.places(rows), sfz.places(columns))
    few_rows, few_columns = _spread(rows), _spread(columns)
    few = [[cells[row][column] for column in few_columns] for row in few_rows]
    of_few = ([places[0][row] for row in few_rows], [places[1][column] for column in few_columns])
    if few == cells:
        return [_Morph(title, stem, cells, places)]
    return [
        _Morph(title, stem, few, of_few),
        # No name has two underscores in a row, see `names.file_names`.
        _Morph(f"{title} (all cells)", f"{stem}__all_cells", cells, places),
    ]


def _spread(count: int) -> list[int]:
    """Returns the first and the last index of a side, and those between, at most so many."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, _FEW_SIDE))})


def _write_cell(folder: Path, instrument: RenderedInstrument, plan: _Plan, cell: int) -> Patch:
    """Writes the WAV files of a cell, and returns it."""
    keys, zones = instrument.keys(), []
    for pitch in instrument.pitches:
        note, file = instrument.note(cell, pitch), plan.sample_file(cell, pitch)
        samples = wav.read_note(folder, note)
        _write(folder / FOLDER / file, wav.content(samples, pitch, note.loop))
        zones.append(Zone(note, file, keys[pitch], release_seconds(samples, note.release)))
    return Patch(*plan.cells[cell], tuple(zones))


def _write_sound(packs: Path, patch: Patch) -> None:
    """Writes the files that hold one sound."""
    samples = {zone.file: (packs / zone.file).read_bytes() for zone in patch.zones}
    for suffix, content in (
        (sfz.SUFFIX, sfz.patch_text(patch).encode()),
        (dspreset.SUFFIX, dspreset.content(patch)),
        (multisample.SUFFIX, multisample.content(patch, samples)),
    ):
        _write(packs / f"{patch.stem}{suffix}", content)


def _write_font(folder: Path, name: str, stem: str, patches: Sequence[Patch]) -> None:
    """Writes the SoundFont of all sounds."""
    samples = {
        zone.file: wav.read_note(folder, zone.note) for patch in patches for zone in patch.zones
    }
    _write(folder / FOLDER / f"{stem}{sf2.SUFFIX}", sf2.content(name, patches, samples))


def _write(path: Path, content: bytes) -> None:
    with atomic_file.replacing(path) as temporary:
        temporary.write_bytes(content)
