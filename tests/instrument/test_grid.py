import unicodedata

import numpy as np
import pytest

from wavenet_ae.instrument import grid
from wavenet_ae.system.errors import UserError


def test_a_square_has_bilinear_weights():
    built = grid.build(4, [(0, 1, 2, 3)], 5)
    (square,) = built.squares
    assert len(built.cells) == 25
    for row, cells in enumerate(square.cells):
        for column, cell in enumerate(cells):
            x, y = column / 4, row / 4
            expected = [(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y]
            assert np.allclose(built.cells[cell], expected, atol=1e-12)
    # Where the weights of NSynth Super, from distances, differ.
    assert built.cells[square.cells[1][1]] == (0.5625, 0.1875, 0.1875, 0.0625)


def test_neighbours_share_their_edge_and_lines_the_same_cells():
    built = grid.build(6, [(0, 1, 2, 3), (2, 3, 4, 5), (3, 2), (0, 3)], 4)
    upper, lower, edge, diagonal = built.squares
    assert upper.cells[-1] == lower.cells[0]
    assert edge.cells == (tuple(reversed(lower.cells[0])),)
    # A diagonal line is no part of the square: there all four sounds take part.
    assert set(diagonal.cells[0][1:-1]).isdisjoint({c for row in upper.cells for c in row})
    assert len(built.cells) == 16 + 12 + 2
    assert np.allclose(np.sum(built.cells, axis=1), 1)
    assert len(set(built.cells)) == len(built.cells)


def test_a_sound_at_two_corners_is_one_cell_there():
    built = grid.build(2, [(0, 0, 1, 1)], 3)
    assert built.squares[0].cells == ((0, 0, 0), (1, 1, 1), (2, 2, 2))
    assert built.cells == ((1.0, 0.0), (0.5, 0.5), (0.0, 1.0))


@pytest.mark.parametrize(
    ("sounds", "expected"),
    [
        (2, [(0, 1)]),
        (3, [(0, 1), (0, 2), (1, 2)]),
        (4, [(0, 1, 2, 3)]),
        (5, [(0, 1, 2, 3), (1, 2, 3, 4)]),
        (6, [(0, 1, 2, 3), (2, 3, 4, 5)]),
    ],
)
def test_all_sounds_are_used_where_nothing_is_asked_for(sounds, expected):
    assert grid.default_corners(sounds) == expected


NAMES = ["flute_acoustic_001", "brass", "brassy", "a, b", "Äolsharfe"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("flute,brass", ("flute_acoustic_001", "brass")),
        ("FLUTE, brassy", ("flute_acoustic_001", "brassy")),
        ("brass,a, b,flute,brassy", ("brass", "a, b", "flute_acoustic_001", "brassy")),
        (unicodedata.normalize("NFD", "äolsharfe") + ",brass", ("Äolsharfe", "brass")),
    ],
)
def test_corners_by_name(text, expected):
    assert grid.choose_corners(NAMES, [text], pairs=False) == [expected]


def test_letter_case_counts_where_names_differ_by_nothing_else():
    names = ["Flute", "flute", "bass"]
    assert grid.choose_corners(names, ["Flute,BASS"], pairs=False) == [("Flute", "bass")]
    assert grid.choose_corners(names, ["flute,bass"], pairs=False) == [("flute", "bass")]
    with pytest.raises(UserError, match="it could be Flute, flute"):
        grid.choose_corners(names, ["FLUTE,bass"], pairs=False)


@pytest.mark.parametrize(
    ("texts", "pairs", "reason"),
    [
        (["flute,bras"], False, "'bras' is none of the sounds: it could be brass, brassy"),
        (["flute,brasss"], False, "'brasss' is none of the sounds: did you mean brass"),
        (["flute,x"], False, "'x' is none of the sounds: there are flute_acoustic_001, brass"),
        (["flute,brass,a, b"], False, "names 3 sound.*four, of a square, or two"),
        (["flute,"], False, "'' is none of the sounds"),
        (["flute"], True, "lies between two sounds or more, and there is 1"),
    ],
)
def test_corners_that_there_are_not(texts, pairs, reason):
    with pytest.raises(UserError, match=reason):
        grid.choose_corners(NAMES, texts, pairs=pairs)


def test_pairs_are_lines_between_every_two():
    assert grid.choose_corners("abc", [], pairs=True) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert grid.choose_corners("abcd", ["a,b,d"], pairs=True) == [
        ("a", "b"),
        ("a", "d"),
        ("b", "d"),
    ]
    with pytest.raises(UserError, match="and there is 1: name more"):
        grid.choose_corners("a", [], pairs=False)
