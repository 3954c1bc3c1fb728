"""Cell fractions: against closed forms, against exactextract, and against themselves cut in many ways."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import MultiPolygon, Point, Polygon, box

from survey.boundary.coverage import FULL, Coverage, coverage, shares
from survey.grid import Grid

GRID = Grid("EPSG:32643", 500_000.0, 2_700_000.0, 1.0, 1.0, 60, 80)
ODD = Grid("EPSG:32643", 412_345.37, 2_712_345.91, 0.517, 0.493, 61, 83, row0=13, col0=7)


def full(weights, shape) -> np.ndarray:
    return np.broadcast_to(np.asarray(weights, np.int64), shape)


def star(grid: Grid, angles: list[float], radii: list[float]) -> Polygon:
    """A star-shaped, hence simple, polygon around the middle of the grid."""
    b = grid.bounds
    reach = min(b.east - b.west, b.north - b.south)
    around = np.sort(np.asarray(angles))
    r = np.resize(np.asarray(radii), len(around)) * reach
    return Polygon(
        np.c_[(b.west + b.east) / 2 + r * np.cos(around), (b.south + b.north) / 2 + r * np.sin(around)]
    )


stars = st.builds(
    star,
    st.sampled_from([GRID, ODD]),
    st.lists(st.floats(0, 2 * math.pi), min_size=3, max_size=25, unique_by=lambda a: round(a, 3)),
    st.lists(st.floats(0.05, 0.9), min_size=3, max_size=25),
).filter(lambda shape: shape.is_valid)


def on(grid: Grid, east: float, north: float) -> tuple[float, float]:
    """A point given in cells from the upper left corner, as coordinates."""
    return grid.west + east * grid.cell_east, grid.north - north * grid.cell_north


# -- closed forms ---------------------------------------------------------------------------------------


def test_rectangle_with_fractional_corners():
    (w, n), (e, s) = on(GRID, 10.25, 20.5), on(GRID, 14.75, 22.125)
    got = full(coverage(box(w, s, e, n), GRID), GRID.shape)
    want = np.zeros(GRID.shape)
    want[20:23, 10:15] = np.outer([0.5, 1, 0.125], [0.75, 1, 1, 1, 0.75])
    np.testing.assert_array_equal(got, want * FULL)


def test_half_cells_of_a_triangle():
    # The diagonal from (10, 30) to (20, 20) cuts each cell on it in two equal halves.
    triangle = Polygon([on(GRID, 10, 30), on(GRID, 20, 30), on(GRID, 20, 20)])
    got = full(coverage(triangle, GRID), GRID.shape)
    rows, cols = np.indices(GRID.shape)
    inside = (rows < 30) & (cols < 20) & (rows + cols > 39)
    diagonal = (rows + cols == 39) & (cols >= 10) & (cols < 20)
    np.testing.assert_array_equal(got, np.where(inside, FULL, np.where(diagonal, FULL // 2, 0)))


def test_a_third_and_a_steep_edge_in_one_cell():
    # Area right of the line x = y / 3 in the unit cell, row 5, column 5: 1 - 1/6.
    shape = Polygon([on(GRID, 5, 5), on(GRID, 6, 5), on(GRID, 6, 6), on(GRID, 5 + 1 / 3, 6)])
    assert full(coverage(shape, GRID), GRID.shape)[5, 5] == round(FULL * 5 / 6)


@pytest.mark.parametrize("grid", [GRID, ODD])
@pytest.mark.parametrize("radius", [3.3, 9.7])
def test_circle_area(grid, radius):
    centre = Point(*on(grid, 40.3, 35.1))
    disc = centre.buffer(radius, quad_segs=4000)
    weights = full(coverage(disc, grid), grid.shape)
    area = weights.sum() / FULL * grid.cell_area_m2
    edge_cells = np.count_nonzero((weights > 0) & (weights < FULL))
    # Each cell on the line is rounded by at most half a unit; the sum of n such errors stays below 2 sqrt(n).
    assert abs(area - math.pi * radius**2) < 2 * math.sqrt(edge_cells) / FULL * grid.cell_area_m2


def test_holes_and_parts():
    outer = box(*on(GRID, 5, 30), *on(GRID, 25, 10))
    hole = box(*on(GRID, 10.5, 25), *on(GRID, 20, 15.25))
    island = box(*on(GRID, 12, 22), *on(GRID, 14, 20))
    far = box(*on(GRID, 50, 30), *on(GRID, 55, 10))
    shape = MultiPolygon([outer - hole, island, far])
    got = full(coverage(shape, GRID), GRID.shape)
    parts = [full(coverage(p, GRID), GRID.shape) for p in (outer, hole, island, far)]
    np.testing.assert_array_equal(got, parts[0] - parts[1] + parts[2] + parts[3])
    assert got.sum() == (400 - 9.5 * 9.75 + 4 + 100) * FULL


def test_direction_of_rings_does_not_matter():
    shape = box(*on(GRID, 5.2, 30), *on(GRID, 25, 10.7)) - box(*on(GRID, 10.5, 25), *on(GRID, 20, 15.25))
    turned = Polygon(shape.exterior.coords[::-1], [ring.coords[::-1] for ring in shape.interiors])
    half = Polygon(shape.exterior.coords[::-1], [ring.coords for ring in shape.interiors])
    for other in (turned, half):
        np.testing.assert_array_equal(coverage(shape, GRID), coverage(other, GRID))


def test_constant_pieces_are_plain_numbers():
    big = Coverage(box(*on(GRID, 10, 50), *on(GRID, 70, 10)), GRID)
    assert big.weights(GRID[20:30, 20:30]) == FULL
    assert big.weights(GRID[0:10, 0:80]) == 0
    assert big.weights(GRID[10:50, 10:70]) == FULL  # edges on the rim of the piece do not pass through it
    assert big.weights(GRID[20:20, 5:9]) == 0
    for weights in (big.weights(GRID[20:30, 20:30]), big.weights(GRID[0:5, 0:5])):
        assert type(weights) is int
    ring = Coverage(box(*on(GRID, 0, 60), *on(GRID, 80, 0)) - box(*on(GRID, 10, 50), *on(GRID, 70, 10)), GRID)
    assert ring.weights(GRID[12:48, 12:68]) == 0


def test_level_edge_through_a_piece_far_from_any_steep_one():
    # Only the carried height tells that row 20 is half covered here.
    half = Coverage(box(*on(GRID, 1, 50), *on(GRID, 79, 20.5)), GRID)
    got = half.weights(GRID[15:25, 40:44])
    np.testing.assert_array_equal(got[:, 0], [0] * 5 + [FULL // 2] + [FULL] * 4)
    np.testing.assert_array_equal(half.weights(GRID[20:21, 40:44]), FULL // 2)


def test_empty_and_foreign():
    assert coverage(Polygon(), GRID) == 0
    assert coverage(shapely.from_wkt("LINESTRING (500010 2699990, 500020 2699980)"), GRID) == 0
    with pytest.raises(ValueError, match="not cut from the grid"):
        Coverage(Polygon(), GRID).weights(ODD)


def test_far_larger_than_any_grid():
    huge = box(-1e12, -1e12, 1e12, 1e12)
    assert coverage(huge, GRID) == FULL
    # A corner on the grid and the rest 100,000 km away; near by it looks like this smaller wedge.
    corner = (500_040.0, 2_699_970.0)
    wedge = Polygon([corner, (corner[0] + 1e8, corner[1] - 1e8), (corner[0] + 1e8, corner[1] + 1e8)])
    near = Polygon([corner, (corner[0] + 200, corner[1] - 200), (corner[0] + 200, corner[1] + 200)])
    np.testing.assert_array_equal(coverage(wedge, GRID), coverage(near, GRID))


# -- an independent oracle ------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("grid", [GRID, ODD])
def test_agrees_with_exactextract(grid, seed):
    from exactextract import exact_extract
    from exactextract.feature import JSONFeatureSource
    from exactextract.raster import NumPyRasterSource

    rng = np.random.default_rng(seed)
    shape = star(grid, rng.uniform(0, 2 * np.pi, 60).tolist(), rng.uniform(0.1, 0.7, 60).tolist())
    b = grid.bounds
    raster = NumPyRasterSource(
        np.zeros(grid.shape), xmin=b.west, ymin=b.south, xmax=b.east, ymax=b.north, name="v"
    )
    feature = JSONFeatureSource(
        [{"type": "Feature", "properties": {}, "geometry": shapely.geometry.mapping(shape)}]
    )
    found = exact_extract(raster, feature, ["cell_id", "coverage"])[0]["properties"]
    want = np.zeros(grid.shape)
    want.flat[np.asarray(found["cell_id"], int)] = found["coverage"]
    got = full(coverage(shape, grid), grid.shape) / FULL
    # Half a unit of rounding, the float32 of the oracle, and what snapping can move.
    assert np.abs(got - want).max() < 0.5 / FULL + 1e-4


@settings(max_examples=40, deadline=None)
@given(shape=stars, grid=st.sampled_from([GRID, ODD]))
def test_total_area(shape, grid):
    clipped = shape & box(*(getattr(grid.bounds, side) for side in ("west", "south", "east", "north")))
    weights = full(coverage(shape, grid), grid.shape)
    on_line = np.count_nonzero((weights > 0) & (weights < FULL)) + 1
    assert abs(weights.sum() / FULL - clipped.area / grid.cell_area_m2) <= on_line * (0.5 / FULL + 1e-4)


# -- laws -----------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(shape=stars, grid=st.sampled_from([GRID, ODD]), rows=st.integers(1, 70), cols=st.integers(1, 90))
def test_cutting_changes_nothing(shape, grid, rows, cols):
    prepared = Coverage(shape, grid)
    whole = full(prepared.weights(grid), grid.shape)
    pieced = np.zeros(grid.shape, np.int64)
    for piece in grid.pieces((rows, cols)):
        r, c = piece.row0 - grid.row0, piece.col0 - grid.col0
        pieced[r : r + piece.height, c : c + piece.width] = prepared.weights(piece)
    np.testing.assert_array_equal(pieced, whole)


@settings(max_examples=40, deadline=None)
@given(shape=stars, grid=st.sampled_from([GRID, ODD]))
def test_polygon_and_complement_fill_every_cell(shape, grid):
    b = grid.bounds
    frame = box(b.west - 500, b.south - 500, b.east + 500, b.north + 500)
    complement = Polygon(frame.exterior, [shape.exterior])
    both = full(coverage(shape, grid), grid.shape) + full(coverage(complement, grid), grid.shape)
    assert (both == FULL).all()


@settings(max_examples=40, deadline=None)
@given(
    wiggle=st.lists(st.tuples(st.floats(-0.4, 0.4), st.floats(-9, 9)), min_size=1, max_size=30),
    grid=st.sampled_from([GRID, ODD]),
)
def test_neighbours_with_a_common_side_fill_every_cell(wiggle, grid):
    b = grid.bounds
    middle = (b.west + b.east) / 2
    steps = np.linspace(b.north + 50, b.south - 50, len(wiggle) + 2)
    line = [(middle + w, float(n) + v) for (v, w), n in zip(wiggle, steps[1:-1], strict=True)]
    chain = [(middle, b.north + 50), *line, (middle, b.south - 50)]
    west = Polygon([(b.west - 50, b.north + 50), *chain, (b.west - 50, b.south - 50)])
    east = Polygon([(b.east + 50, b.north + 50), *chain, (b.east + 50, b.south - 50)])
    if not (west.is_valid and east.is_valid):
        return
    both = full(coverage(west, grid), grid.shape) + full(coverage(east, grid), grid.shape)
    assert (both == FULL).all()


@settings(max_examples=25, deadline=None)
@given(
    centre=st.tuples(st.floats(20, 60), st.floats(15, 45)),
    angles=st.lists(st.floats(0, 2 * math.pi), min_size=3, max_size=12, unique_by=lambda a: round(a, 2)),
)
def test_shares_of_many_neighbours_sum_exactly(centre, angles):
    # Slices of a cake: all meet in one cell, and every cell of the grid belongs to the cake.
    angles = sorted(angles)
    x, y = on(GRID, *centre)
    slices = []
    for first, second in zip(angles, [*angles[1:], angles[0] + 2 * math.pi], strict=True):
        steps = max(2, math.ceil((second - first) / 0.5))
        turn = [first + (second - first) * t / steps for t in range(1, steps)]
        turn = [first % (2 * math.pi), *turn, second % (2 * math.pi)]
        slices.append(Polygon([(x, y), *((x + 300 * math.cos(a), y + 300 * math.sin(a)) for a in turn)]))
    prepared = [Coverage(part, GRID) for part in slices]
    total = sum(full(part, GRID.shape) for part in shares(prepared, GRID))
    np.testing.assert_array_equal(total, FULL)
    for alone, shared in zip(prepared, shares(prepared, GRID), strict=True):
        assert np.abs(full(alone.weights(GRID), GRID.shape) - full(shared, GRID.shape)).max() <= 1


@settings(max_examples=25, deadline=None)
@given(shape=stars, grow=st.floats(0.01, 20))
def test_larger_ground_never_weighs_less(shape, grow):
    inner = full(coverage(shape, GRID), GRID.shape)
    outer = full(coverage(shape.buffer(grow), GRID), GRID.shape)
    assert (outer >= inner).all()


def test_moving_the_world_by_whole_cells_moves_the_weights():
    shape = star(GRID, [0.1, 1, 2.2, 3, 4.4, 5.5], [0.3, 0.5, 0.2, 0.6])
    moved = shapely.transform(shape, lambda xy: xy + np.array([16.0, -32.0]))
    there = replace(GRID, west=GRID.west + 16, north=GRID.north - 32)
    np.testing.assert_array_equal(coverage(shape, GRID), coverage(moved, there))


def test_survives_the_way_to_a_worker():
    prepared = Coverage(star(GRID, [0.1, 1, 2.2, 3, 4.4, 5.5], [0.3, 0.5]), GRID)
    again = pickle.loads(pickle.dumps(prepared))
    np.testing.assert_array_equal(again.weights(GRID), prepared.weights(GRID))


def test_a_boundary_of_thousands_of_vertices_in_one_cell():
    # A comb finer than the cells: the sum is still the area.
    (x, y) = on(GRID, 40, 30)
    teeth = np.arange(4000)
    comb = np.c_[x + 2.0 * teeth / 3999, y + np.where(teeth % 2, 0.75, 0.25)]
    shape = Polygon([*comb.tolist(), (x + 2.0, y - 1), (x, y - 1)])
    assert shape.is_valid
    got = full(coverage(shape, GRID), GRID.shape)
    np.testing.assert_allclose(got[29, 40:42], FULL / 2, atol=4)
    np.testing.assert_array_equal(got[30, 40:42], FULL)
