"""The points between sounds: squares between four of them, lines between two, and their cells."""

import difflib
import itertools
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from wavenet_ae.instrument.rendered import Square
from wavenet_ae.system.counting import count
from wavenet_ae.system.errors import UserError


@dataclass(frozen=True)
class Grid:
    """Squares and lines, and their cells; what two of them share is one cell.

    Attributes:
        squares: see `RenderedInstrument`.
        cells: the weight of each sound; they sum to 1.
    """

    squares: tuple[Square, ...]
    cells: tuple[tuple[float, ...], ...]


def build(num_sounds: int, corners: Sequence[tuple[int, ...]], resolution: int) -> Grid:
    """Returns the grid of some squares and lines.

    The weights are bilinear: in a square, each is the product of those along the two sides.

    Args:
        num_sounds: how many weights a cell has.
        corners: indices of sounds: four of a square, in the order of `Square`, or two of a line.
        resolution: cells along a side, at least 2.
    """
    cells: dict[tuple[tuple[int, int], ...], int] = {}
    squares = []
    for of_one in corners:
        rows = [
            tuple(cells.setdefault(shares, len(cells)) for shares in row)
            for row in _shares(of_one, resolution)
        ]
        squares.append(Square(of_one, tuple(rows)))
    weights = []
    for shares in cells:
        total = sum(share for _, share in shares)
        of_sounds = dict(shares)
        weights.append(tuple(of_sounds.get(sound, 0) / total for sound in range(num_sounds)))
    return Grid(tuple(squares), tuple(weights))


def _shares(
    corners: tuple[int, ...], resolution: int
) -> Iterator[Iterator[tuple[tuple[int, int], ...]]]:
    """Yields rows of cells, as pairs of a sound and its share in whole numbers, which compare."""
    steps = range(resolution)
    last = resolution - 1
    # A line has as many shares as a square's edge, so that it has the same cells.
    for row in steps if len(corners) == 4 else [0]:
        down = (last - row, row)[: len(corners) // 2]
        yield (
            _summed(corners, [vertical * across for vertical in down for across in (last - x, x)])
            for x in steps
        )


def _summed(corners: Sequence[int], shares: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Returns each sound's share, in the order of the sounds, without those that have none."""
    totals: dict[int, int] = {}
    for sound, share in zip(corners, shares, strict=True):
        if share:
            totals[sound] = totals.get(sound, 0) + share
    return tuple(sorted(totals.items()))


def default_corners(num_sounds: int) -> list[tuple[int, ...]]:
    """Returns what lies between some sounds, at least two, where nothing else is asked for.

    Two make a line, three a triangle of lines, four a square. More make a strip of squares: the
    lower two corners of one are the upper two of the next.
    """
    if num_sounds < 4:
        return all_pairs(num_sounds)
    firsts = [*range(0, num_sounds - 3, 2)]
    if num_sounds % 2:
        firsts.append(num_sounds - 4)
    return [tuple(range(first, first + 4)) for first in firsts]


def all_pairs(num_sounds: int) -> list[tuple[int, ...]]:
    """Returns the lines between every two sounds."""
    return list(itertools.combinations(range(num_sounds), 2))


def choose_corners(
    names: Sequence[str], texts: Sequence[str], *, pairs: bool
) -> list[tuple[str, ...]]:
    """Returns which sounds each square or line lies between.

    Args:
        names: of all sounds.
        texts: names with commas between, as `flute,brass`, of a square or a line each; unique
            beginnings of names are enough, and a name may hold commas. None for all sounds.
        pairs: lines between every two of the sounds instead.

    Raises:
        UserError: a name is unknown or not unique, or there are too few or too many.
    """
    named = [_parse_corners(text, names) for text in texts]
    for text, some in zip(texts, named, strict=True):
        if not pairs and len(some) not in (2, 4):
            raise UserError(
                f"--corners={text} names {count(len(some), 'sound')}: name four, of a square, or "
                "two, of a line."
            )
    if named and not pairs:
        return named
    sounds = list(dict.fromkeys(name for some in named for name in some)) or list(names)
    if len(sounds) < 2:
        raise UserError(
            f"an instrument lies between two sounds or more, and there is {len(sounds)}: name more."
        )
    corners = all_pairs(len(sounds)) if pairs else default_corners(len(sounds))
    return [tuple(sounds[index] for index in some) for some in corners]


def _parse_corners(text: str, names: Sequence[str]) -> tuple[str, ...]:
    # Letter case counts only where names differ by nothing else.
    plain = [_plain(name) for name in names]
    known = {
        _normal(name) if plain.count(_plain(name)) > 1 else _plain(name): name for name in names
    }
    found = _divide(_normal(text).split(","), known)
    if not isinstance(found, str):
        return found
    near = difflib.get_close_matches(_plain(found), known, n=1)
    choice = f"did you mean {known[near[0]]}?" if near else f"there are {_listed(names)}."
    several = [known[key] for key in _matches(found, known)]
    if len(several) > 1:
        choice = f"it could be {_listed(several)}."
    raise UserError(f"--corners={text}: {found!r} is none of the sounds: {choice}")


def _divide(parts: Sequence[str], known: Mapping[str, str]) -> tuple[str, ...] | str:
    """Divides parts into names, as many parts a name as make one; else the first unknown one."""
    if not parts:
        return ()
    for taken in range(len(parts), 0, -1):
        wanted = ",".join(parts[:taken]).strip()
        matches = _matches(wanted, known)
        if wanted and len(matches) == 1:
            rest = _divide(parts[taken:], known)
            return rest if isinstance(rest, str) else (known[matches[0]], *rest)
    return parts[0].strip()


def _matches(wanted: str, known: Iterable[str]) -> list[str]:
    """Returns the name that a text is, or else all that it begins."""
    if wanted in known:
        return [wanted]
    plain = _plain(wanted)
    same = [name for name in known if _plain(name) == plain]
    return same or [name for name in known if _plain(name).startswith(plain)]


def _normal(name: str) -> str:
    """Returns a name with its letters composed in one way."""
    return unicodedata.normalize("NFC", name)


def _plain(name: str) -> str:
    """Returns a name as names are compared."""
    return _normal(name).casefold()


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown
