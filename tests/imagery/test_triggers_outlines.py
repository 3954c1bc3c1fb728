"""Outlines that were walked are the polygons that a union of the cells gives."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.grid import Grid
from survey.imagery.triggers import outlines as module
from survey.imagery.triggers.outlines import outline, outlines

GRID = Grid("EPSG:32643", 412_000.0, 2_731_000.0, 9.13, 9.27, 40, 50)


def united(cells: np.ndarray, grid: Grid = GRID) -> shapely.Geometry:
    rows, cols = cells // grid.width, cells % grid.width
    west, east = grid.left + cols * grid.cell_east, grid.left + (cols + 1) * grid.cell_east
    north, south = grid.top - rows * grid.cell_north, grid.top - (rows + 1) * grid.cell_north
    return shapely.union_all(shapely.box(west, south, east, north))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.95))
def test_walked_outlines_are_the_union_of_the_cells(seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    objects = []
    for _ in range(6):
        high, wide = rng.integers(1, 14, 2)
        rows, cols = np.nonzero(rng.random((high, wide)) < share)
        row, col = rng.integers(0, 40 - high), rng.integers(0, 50 - wide)
        if len(rows):
            objects.append((rows + row) * GRID.width + cols + col)
    for cells, shape in zip(objects, outlines(objects, GRID), strict=True):
        assert shape.is_valid
        assert shape.equals(united(cells))
        # The very same corners as those of boxes joined: what was published keeps its bytes.
        assert shapely.to_wkb(shape) == shapely.to_wkb(module._by_union(cells, GRID))
        assert shape.area == pytest.approx(len(cells) * GRID.cell_area_m2)


def test_cells_that_meet_at_a_corner_stay_apart_and_close_a_hole() -> None:
    apart = outline(np.array([0, GRID.width + 1]), GRID)
    assert len(shapely.get_parts(apart)) == 2
    # A ring of cells whose ends meet in nothing but a corner: one polygon with one hole.
    loop = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]])
    ring = outline(np.flatnonzero(np.pad(loop, ((0, 37), (0, 47)))), GRID)
    assert shapely.get_num_interior_rings(ring) == 1
    assert ring.area == pytest.approx(7 * GRID.cell_area_m2)


def test_what_is_thin_and_wide_or_empty_is_united() -> None:
    grid = Grid("EPSG:32643", 0.0, 0.0, 10.0, 10.0, 900, 900)
    diagonal = np.arange(900) * 901
    assert outline(diagonal, grid).equals(united(diagonal, grid))
    assert outline(np.zeros(0, np.int64), grid).is_empty
