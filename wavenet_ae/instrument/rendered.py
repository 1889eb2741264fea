"""A rendered instrument: a folder of looped notes between sounds, described by a JSON file.

The page, the sampler packs and `wavenet-ae play` read it; `wavenet-ae instrument` writes it.
"""

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wavenet_ae.system import atomic_file
from wavenet_ae.system.errors import UserError

DESCRIPTION = "instrument.json"
_FORMAT = 1
_IN_TUNE_CENTS = 50  # half a semitone: beyond it lies another key's pitch


def is_in_tune(cents: int | None) -> bool:
    """Returns whether a note with this distance from its pitch, or no pitch at all, is in tune."""
    return cents is not None and abs(cents) <= _IN_TUNE_CENTS


@dataclass(frozen=True)
class RenderedNote:
    """One note: a mono WAV file at 16 kHz, 16 bits, whose peak is near full scale.

    Attributes:
        cell: its place in `RenderedInstrument.cells`.
        pitch: MIDI; the file sounds at it.
        file: of the folder, with forward slashes.
        gain: linear, at most 1: times the file, it is as loud as the model played it.
        samples: the file's length.
        loop: first sample, and the one after the last, of the part to repeat while the key is held;
            its crossfade is in the file. None where the note does not loop.
        release: the sample at which the note's own release starts: where to go, with a crossfade,
            when the key is lifted. At or after the loop's end.
        cents: how far the note lies from its pitch, or None where no pitch was found.
        attempts: how often it was generated.
    """

    cell: int
    pitch: int
    file: str
    gain: float
    samples: int
    loop: tuple[int, int] | None
    release: int
    cents: int | None
    attempts: int

    @property
    def is_in_tune(self) -> bool:
        """See the function."""
        return is_in_tune(self.cents)


@dataclass(frozen=True)
class Square:
    """Corners and the cells between them.

    Attributes:
        corners: indices of sounds: top left, top right, bottom left, bottom right; or, for a line,
            left and right.
        cells: `[rows][columns]` of indices of cells, the corners included. A line has one row.
    """

    corners: tuple[int, ...]
    cells: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class RenderedInstrument:
    """What a folder of rendered notes holds.

    Attributes:
        name: to show.
        sounds: the names of the sounds that it was made from, each once.
        resolution: cells along a side of a square.
        pitches: MIDI, ascending; every cell has a note at each.
        squares: which cells lie between which sounds.
        cells: the weight of each sound, in the order of `sounds`; they sum to 1.
        notes: by cell, then by pitch.
    """

    name: str
    sounds: tuple[str, ...]
    resolution: int
    pitches: tuple[int, ...]
    squares: tuple[Square, ...]
    cells: tuple[tuple[float, ...], ...]
    notes: tuple[RenderedNote, ...]

    @cached_property
    def _by_place(self) -> dict[tuple[int, int], RenderedNote]:
        return {(note.cell, note.pitch): note for note in self.notes}

    def note(self, cell: int, pitch: int) -> RenderedNote:
        """Returns the note of a cell at a rendered pitch."""
        return self._by_place[cell, pitch]

    def keys(self) -> dict[int, tuple[int, int]]:
        """Returns the first and last MIDI key that each rendered pitch serves.

        The halfway key goes to the higher pitch, since transposing down keeps the band; the outer
        pitches serve all keys beyond.
        """
        steps = zip(self.pitches, self.pitches[1:], strict=False)
        lasts = [below + (above - below - 1) // 2 for below, above in steps]
        firsts = [0, *(last + 1 for last in lasts)]
        return dict(zip(self.pitches, zip(firsts, [*lasts, 127], strict=True), strict=True))


def write(instrument: RenderedInstrument, folder: Path) -> None:
    """Writes the description into the folder of the notes."""
    text = json.dumps({"format": _FORMAT, **asdict(instrument)}) + "\n"
    with atomic_file.replacing(folder / DESCRIPTION) as path:
        path.write_text(text)


def read(folder: Path) -> RenderedInstrument:
    """Reads the description of a folder.

    Raises:
        UserError: there is none, it is no description of an instrument, or a note is missing.
    """
    path = folder / DESCRIPTION
    try:
        described = json.loads(path.read_text())
        if described.pop("format") != _FORMAT:
            raise UserError(f"{path} is of another version: render the instrument again.")
        instrument = _parse(described)
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): name a folder that `wavenet-ae instrument` "
            "has written; if it was interrupted, give the same command again."
        ) from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} does not describe an instrument: render it again.") from error
    for note in instrument.notes:
        if not (folder / note.file).is_file():
            raise UserError(f"{folder / note.file} is missing: render the instrument again.")
    return instrument


def _parse(described: dict[str, Any]) -> RenderedInstrument:
    notes = []
    for fields in described.pop("notes"):
        loop = fields.pop("loop")
        notes.append(RenderedNote(loop=tuple(loop) if loop else None, **fields))
    squares = tuple(
        Square(tuple(square["corners"]), tuple(map(tuple, square["cells"])))
        for square in described.pop("squares")
    )
    cells = tuple(map(tuple, described.pop("cells")))
    sounds, pitches = (tuple(described.pop(name)) for name in ("sounds", "pitches"))
    return RenderedInstrument(
        sounds=sounds,
        pitches=pitches,
        squares=squares,
        cells=cells,
        notes=tuple(notes),
        **described,
    )
