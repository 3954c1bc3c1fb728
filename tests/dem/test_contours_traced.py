"""Contours of a cone are circles, and cutting the ground into tiles changes no vertex."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from survey.dem.contours import contours, fitting_interval, levels_between, thinned
from survey.grid import Grid

GRID = Grid("EPSG:32643", 500_000.0, 2_500_000.0, 0.5, 0.5, 160, 200)


def reader(z: np.ndarray, grid: Grid = GRID):
    return lambda piece: z[
        piece.row0 - grid.row0 : piece.row0 - grid.row0 + piece.height,
        piece.col0 - grid.col0 : piece.col0 - grid.col0 + piece.width,
    ]


def centres(grid: Grid = GRID) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.mgrid[0 : grid.height, 0 : grid.width]
    return grid.east_north(rows, cols)


def cone(slope: float = 0.1, top: float = 100.0) -> np.ndarray:
    east, north = centres()
    return (top - slope * np.hypot(east - 500_050.0, north - 2_499_960.0)).astype(np.float32)


@pytest.mark.parametrize("level", [97.0, 98.0, 99.0])
def test_a_cone_gives_circles_with_the_higher_ground_to_the_left(level):
    (line,) = contours(reader(cone()), GRID, [level])
    assert line.closed
    radius = (100 - level) / 0.1
    far = np.hypot(line.line[:, 0] - 500_050.0, line.line[:, 1] - 2_499_960.0)
    assert np.abs(far - radius).max() < 0.02  # a straight line across a cell of a curved surface
    x, y = (line.line - line.line.mean(axis=0)).T
    area = 0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])
    assert area == pytest.approx(math.pi * radius**2, rel=2e-3)  # positive: anticlockwise round the top
    assert line.length_m == pytest.approx(2 * math.pi * radius, rel=2e-3)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 61), st.floats(0, 0.15))
def test_tiles_change_nothing(seed, tile, holes):
    rng = np.random.default_rng(seed)
    grid = GRID[0:53, 0:71]
    z = np.cumsum(rng.normal(0, 1, (53, 71)), axis=1).astype(np.float32)
    z[rng.random(z.shape) < holes] = np.nan
    levels = [-3.0, -1.0, 0.5, 2.0, 6.0]
    whole = contours(reader(z, grid), grid, levels, tile=1000)
    cut = contours(reader(z, grid), grid, levels, tile=tile)
    assert [c.level_m for c in whole] == [c.level_m for c in cut]
    for one, other in zip(whole, cut, strict=True):
        np.testing.assert_array_equal(one.line, other.line)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 61))
@example(596, 3)
def test_tiles_change_nothing_where_ground_is_as_high_as_the_level(seed, tile):
    """Heights in quarters of a metre: lines run through centres of cells, meet in them and part again."""
    grid = GRID[0:53, 0:71]
    z = np.cumsum(np.random.default_rng(seed).normal(0, 1, (53, 71)), axis=1)
    for heights in (np.round(z * 4) / 4, z):
        levels = [-1.0, 0.5, 2.0]
        whole = contours(reader(heights.astype(np.float32), grid), grid, levels, tile=1000)
        cut = contours(reader(heights.astype(np.float32), grid), grid, levels, tile=tile)
        assert [c.level_m for c in whole] == [c.level_m for c in cut]
        for one, other in zip(whole, cut, strict=True):
            np.testing.assert_array_equal(one.line, other.line)


def test_lines_end_at_ground_that_was_not_measured():
    z = cone()
    z[:, 100] = np.nan
    lines = contours(reader(z), GRID, [98.0])
    assert len(lines) == 2
    assert not any(line.closed for line in lines)
    gap_west, gap_east = 500_000 + 100 * 0.5, 500_000 + 101 * 0.5
    for line in lines:
        assert not ((line.line[:, 0] > gap_west - 0.24) & (line.line[:, 0] < gap_east + 0.24)).any()


def test_a_piece_of_a_larger_grid_lies_where_the_piece_lies():
    z = cone()
    piece = GRID[20:150, 30:190]
    inside = contours(lambda p: z[p.row0 : p.row0 + p.height, p.col0 : p.col0 + p.width], piece, [98.0])
    whole = contours(reader(z), GRID, [98.0])
    np.testing.assert_allclose(inside[0].line, whole[0].line, atol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "interval", "levels"),
    [(0.2, 2.9, 1.0, [1.0, 2.0]), (-1.5, 1.0, 0.5, [-1.0, -0.5, 0.0, 0.5, 1.0]), (5.0, 5.0, 1.0, [])],
)
def test_levels_are_whole_multiples(low, high, interval, levels):
    assert levels_between(low, high, interval) == levels


def test_nothing_measured_gives_nothing():
    assert levels_between(math.nan, math.nan, 1.0) == []
    assert contours(reader(np.full(GRID.shape, np.nan, np.float32)), GRID, [1.0]) == []


@pytest.mark.parametrize(
    ("relief", "noise", "interval"), [(10, 0.1, 0.5), (100, 0.1, 1), (400, 0.1, 5), (10, 0.4, 1)]
)
def test_the_interval_suits_relief_and_noise(relief, noise, interval):
    assert fitting_interval(relief, noise) == interval


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 3.0), st.booleans())
def test_thinning_keeps_within_its_tolerance(seed, tolerance, closed):
    import shapely

    rng = np.random.default_rng(seed)
    line = np.cumsum(rng.normal(0, 1, (80, 2)), axis=0)
    if closed:
        line = np.concatenate([line, line[:1]])
    thin = thinned(line, tolerance)
    np.testing.assert_array_equal(thin[[0, -1]], line[[0, -1]])
    drawn = shapely.linestrings(thin)
    assert max(drawn.distance(shapely.points(p)) for p in line) <= tolerance + 1e-9
    assert {tuple(p) for p in thin} <= {tuple(p) for p in line}
