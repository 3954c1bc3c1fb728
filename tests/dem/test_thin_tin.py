"""A thinned surface keeps its promise on every cell, leaves holes open, and spends no points on planes."""

from __future__ import annotations

import numpy as np
import pytest

from survey.dem.thin import thin
from survey.grid import Grid

GRID = Grid("EPSG:32643", 500_000.0, 2_500_000.0, 0.5, 0.5, 150, 180)


def heights(seed: int = 0) -> np.ndarray:
    rows, cols = np.mgrid[0:150, 0:180]
    z = 8 * np.sin(rows / 23.0) * np.cos(cols / 31.0) + 0.02 * cols
    z += np.random.default_rng(seed).normal(0, 0.03, z.shape)
    return (300 + z).astype(np.float32)


def off_cells(z: np.ndarray, tin) -> np.ndarray:
    """Distance of each cell from the triangles, found by shapely's tree over the same triangles."""
    import shapely

    rows, cols = np.nonzero(np.isfinite(z))
    east, north = GRID.east_north(rows, cols)
    corners = tin.points[tin.triangles]
    tree = shapely.STRtree(shapely.polygons(corners[:, [0, 1, 2, 0], :2]))
    cell, triangle = tree.query(shapely.points(east, north), predicate="intersects")
    a, b, c = corners[triangle].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    z_at = (
        a[:, 2]
        - (normal[:, 0] * (east[cell] - a[:, 0]) + normal[:, 1] * (north[cell] - a[:, 1])) / normal[:, 2]
    )
    return np.abs(z_at - z[rows, cols][cell])


@pytest.mark.parametrize("tolerance", [0.15, 0.5])
def test_no_cell_lies_farther_off_than_stated(tolerance):
    z = heights()
    tin = thin(z, GRID, tolerance_m=tolerance)
    assert tin.worst_m <= tin.tolerance_m == tolerance
    assert off_cells(z, tin).max() == pytest.approx(tin.worst_m, abs=1e-4)
    assert len(tin.points) < z.size / 4


def test_points_are_cells_and_triangles_turn_left_and_cover_the_ground_once():
    z = heights()
    tin = thin(z, GRID, tolerance_m=0.3)
    row, col = GRID.row_col(tin.points[:, 0], tin.points[:, 1])
    np.testing.assert_allclose(
        tin.points[:, 2], z[row.round().astype(int), col.round().astype(int)], atol=1e-4
    )
    a, b, c = tin.points[tin.triangles].transpose(1, 0, 2)
    area = ((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])) / 2
    assert area.min() > 0
    assert area.sum() == pytest.approx(149 * 0.5 * 179 * 0.5)


def test_a_plane_needs_only_its_seeds_and_where_points_are_few_the_tolerance_says_so():
    rows, cols = np.mgrid[0:150, 0:180]
    flat = (0.2 * rows + 0.1 * cols).astype(np.float32)
    seeds = len(thin(flat, GRID, tolerance_m=0.01).points)
    assert seeds <= 64
    tin = thin(heights(), GRID, tolerance_m=0.02, most_points=500)
    assert len(tin.points) <= 500
    assert tin.tolerance_m > 0.02
    assert off_cells(heights(), tin).max() <= tin.tolerance_m + 1e-4


def test_a_hole_stays_a_hole():
    z = heights()
    z[40:90, 50:120] = np.nan
    tin = thin(z, GRID, tolerance_m=0.2)
    a, b, c = tin.points[tin.triangles].transpose(1, 0, 2)
    area = ((b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (c[:, 0] - a[:, 0]) * (b[:, 1] - a[:, 1])).sum() / 2
    whole, hole = 149 * 0.5 * 179 * 0.5, 50 * 0.5 * 70 * 0.5
    assert area == pytest.approx(whole - hole, rel=0.01)


def test_nothing_measured_gives_no_triangles():
    tin = thin(np.full(GRID.shape, np.nan, np.float32), GRID, tolerance_m=0.1)
    assert len(tin.triangles) == 0
    one_row = np.full(GRID.shape, np.nan, np.float32)
    one_row[10] = 5.0
    assert len(thin(one_row, GRID, tolerance_m=0.1).triangles) == 0
