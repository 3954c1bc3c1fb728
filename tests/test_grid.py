from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.grid import Bounds, Grid

UTM43 = "EPSG:32643"
fast = settings(deadline=None, max_examples=50)


def grid(height=7, width=5, cell=0.5, west=500_000.0, north=2_700_000.0) -> Grid:
    return Grid(UTM43, west, north, cell, cell, height, width)


sizes = st.integers(0, 40)
cells = st.sampled_from([0.05, 0.1, 0.25, 0.3048, 1.0, 2.5])
grids = st.builds(
    lambda h, w, ce, cn, e, n: Grid(UTM43, e, n, ce, cn, h, w),
    sizes, sizes, cells, cells, st.floats(2e5, 8e5), st.floats(1e5, 4e6),
)  # fmt: skip


def test_corner_centre_and_area_can_be_read_by_hand():
    g = grid()
    assert g.shape == (7, 5)
    assert g.bounds == Bounds(500_000.0, 2_700_000.0 - 3.5, 500_002.5, 2_700_000.0)
    east, north = g.east_north(0, 0)
    assert (float(east), float(north)) == (500_000.25, 2_699_999.75)
    assert g.cell_area_m2 == 0.25
    assert Grid(UTM43, 0, 0, 2.0, 8.0, 1, 1).cell_m == 4.0


@given(grids, st.data())
@fast
def test_a_slice_lies_where_the_whole_says(g, data):
    r0, r1 = sorted(data.draw(st.tuples(st.integers(0, g.height), st.integers(0, g.height))))
    c0, c1 = sorted(data.draw(st.tuples(st.integers(0, g.width), st.integers(0, g.width))))
    piece = g[r0:r1, c0:c1]
    assert piece.shape == (r1 - r0, c1 - c0)
    # Bit for bit, so that whatever is computed from a place does not depend on the cutting.
    for r, c in ((0, 0), (3, 2), (0.5, -1.0)):
        assert tuple(map(float, piece.east_north(r, c))) == tuple(map(float, g.east_north(r0 + r, c0 + c)))
    again = piece[: piece.height, : piece.width]
    assert again == piece
    here = piece.origin_here()
    for side in ("west", "south", "east", "north"):
        assert getattr(here.bounds, side) == pytest.approx(getattr(piece.bounds, side), abs=1e-8)
    assert (here.row0, here.col0) == (0, 0)


@given(grids, st.floats(-5, 50), st.floats(-5, 50))
@fast
def test_place_and_index_undo_each_other(g, row, col):
    back = g.row_col(*g.east_north(row, col))
    # Northings near 4e6 m are known to 5e-10 m: in cells of 5 cm that is 1e-8 of a cell.
    assert float(back[0]) == pytest.approx(row, abs=1e-7)
    assert float(back[1]) == pytest.approx(col, abs=1e-7)


@given(grids, st.integers(1, 17), st.integers(1, 17))
@fast
def test_pieces_tile_the_grid_once_in_reading_order(g, rows, cols):
    seen = np.zeros(g.shape, np.int64)
    last = (-1, -1)
    for piece in g.pieces((rows, cols)):
        assert (piece.row0, piece.col0) > last
        last = piece.row0, piece.col0
        assert piece.height <= rows
        assert piece.width <= cols
        seen[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width] += 1
    assert (seen == 1).all()


@given(grids, st.integers(-3, 43), st.integers(-3, 43), st.integers(0, 20), st.integers(0, 20))
@fast
def test_covering_holds_every_cell_that_the_bounds_touch_and_no_other(g, row, col, rows, cols):
    bounds = Bounds(
        g.west + (col + 0.25) * g.cell_east,
        g.north - (row + rows + 0.75) * g.cell_north,
        g.west + (col + cols + 0.75) * g.cell_east,
        g.north - (row + 0.25) * g.cell_north,
    )
    piece = g.covering(bounds)
    expect_rows = range(max(row, 0), min(row + rows + 1, g.height))
    expect_cols = range(max(col, 0), min(col + cols + 1, g.width))
    if expect_rows and expect_cols:
        assert piece.row0 == expect_rows[0]
        assert piece.col0 == expect_cols[0]
    assert piece.height * piece.width == len(expect_rows) * len(expect_cols)


def test_covering_cell_edges_takes_no_neighbour():
    g = grid(cell=0.1)
    b = Bounds(g.west + 0.1, g.north - 0.3, g.west + 0.3, g.north - 0.1)
    piece = g.covering(b)
    assert (piece.row0, piece.col0, piece.shape) == (1, 1, (2, 2))


def test_covering_a_piece_counts_from_the_whole():
    g = grid(height=20, width=20, cell=1.0)
    piece = g[5:15, 5:15]
    inner = piece.covering(Bounds(g.west + 7, g.north - 9, g.west + 8, g.north - 8))
    assert (inner.row0, inner.col0, inner.shape) == (8, 7, (1, 1))


@pytest.mark.parametrize(("height", "width", "cell"), [(-1, 2, 1.0), (2, -1, 1.0), (2, 2, 0.0), (2, 2, -1.0)])
def test_impossible_grids_are_not_born(height, width, cell):
    with pytest.raises(ValueError, match=r"positive size|cannot have"):
        grid(height, width, cell)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_a_grid_is_made_of_finite_numbers(number):
    with pytest.raises(ValueError, match="positive size"):
        grid(cell=number)
    with pytest.raises(ValueError, match="cannot begin"):
        grid(west=number)


def test_steps_are_refused():
    with pytest.raises(ValueError, match="keeps every cell"):
        grid()[::2, :]


def test_transform_is_that_of_the_piece():
    piece = grid()[2:4, 3:5]
    t = piece.transform
    assert (t.a, t.b, t.d, t.e) == (0.5, 0.0, 0.0, -0.5)
    assert (t.c, t.f) == (piece.bounds.west, piece.bounds.north)
    assert (t.c + 2 * t.a, t.f + 2 * t.e) == (piece.bounds.east, piece.bounds.south)


def test_bounds_meet_only_with_area():
    a = Bounds(0, 0, 2, 2)
    assert a.intersection(Bounds(1, 1, 3, 3)) == Bounds(1, 1, 2, 2)
    assert a.intersection(Bounds(2, 0, 3, 2)) is None  # an edge in common is not an overlap
    assert a.grown(1) == Bounds(-1, -1, 3, 3)
    with pytest.raises(ValueError, match="not a rectangle"):
        Bounds(1, 0, 0, 1)


def test_same_cells_sees_a_size_that_drifts_over_the_extent():
    g = grid(height=10_000, width=10_000)
    assert g.same_cells(grid(height=10, width=10, west=500_321.1))
    assert not g.same_cells(Grid(UTM43, 5e5, 2.7e6, 0.5000001, 0.5, 10_000, 10_000))
    assert not g.same_cells(Grid("EPSG:32644", 5e5, 2.7e6, 0.5, 0.5, 10_000, 10_000))


def test_the_same_reference_system_written_twice_is_the_same():
    from pyproj import CRS

    other = Grid(CRS.from_epsg(32643).to_wkt(), 5e5, 2.7e6, 0.5, 0.5, 7, 5)
    assert grid().same_cells(other)
