"""A triangulated surface with as few points as a stated tolerance allows, for CAD and LandXML.

Greedy insertion after Garland & Heckbert (1995), "Fast polygonal approximation of terrains and height
fields": triangulate, look in every triangle for the cell that lies farthest off, add those cells, repeat.
All triangles are served in one pass, so a few passes suffice. The points are cells of the surface as they
are: nothing is averaged, and the largest distance left is measured on every cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.grid import Grid
from survey.jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Tin:
    """``points``: (n, 3) east, north, height. ``triangles``: (m, 3) indices, anticlockwise from above.

    ``worst_m`` is the largest vertical distance between the triangles and the cells they cover, at most
    ``tolerance_m``.
    """

    points: NDArray[np.float64]
    triangles: NDArray[np.int64]
    tolerance_m: float
    worst_m: float


@kernel
def _scan(row, col, z, triangles, heights, worst, at_row, at_col, seen, holes):  # type: ignore[no-untyped-def]
    """For each triangle: the cell farthest off, its distance, and how many cells it covers and misses."""
    rows, cols = heights.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        r0, r1, r2 = row[a], row[b], row[c]
        c0, c1, c2 = col[a], col[b], col[c]
        area = (c1 - c0) * (r2 - r0) - (c2 - c0) * (r1 - r0)
        worst[t], at_row[t], at_col[t], seen[t], holes[t] = 0.0, -1, -1, 0, 0
        if area == 0:
            continue
        # Plane through the corners: z = z0 + p·(row − r0) + q·(col − c0).
        p = ((z[b] - z[a]) * (c2 - c0) - (z[c] - z[a]) * (c1 - c0)) / -area
        q = ((z[b] - z[a]) * (r2 - r0) - (z[c] - z[a]) * (r1 - r0)) / area
        for r in range(max(min(r0, r1, r2), 0), min(max(r0, r1, r2), rows - 1) + 1):
            for k in range(max(min(c0, c1, c2), 0), min(max(c0, c1, c2), cols - 1) + 1):
                u = (c1 - c0) * (r - r0) - (k - c0) * (r1 - r0)
                v = (c2 - c1) * (r - r1) - (k - c1) * (r2 - r1)
                w = (c0 - c2) * (r - r2) - (k - c2) * (r0 - r2)
                if not ((u >= 0 and v >= 0 and w >= 0) or (u <= 0 and v <= 0 and w <= 0)):
                    continue
                h = heights[r, k]
                if np.isnan(h):
                    holes[t] += 1
                    continue
                seen[t] += 1
                off = abs(z[a] + p * (r - r0) + q * (k - c0) - h)
                if off > worst[t]:
                    worst[t], at_row[t], at_col[t] = off, r, k


def thin(
    heights: NDArray[np.float32],
    grid: Grid,
    *,
    tolerance_m: float,
    most_points: int = 30_000,
    first_cells: int = 64,
) -> Tin:
    """Triangles over the measured cells of ``heights`` (rows, cols) of ``grid``.

    No cell lies farther off than the tolerance of the result: ``tolerance_m``, or half as much again, and so
    on, where ``most_points`` would not do. Triangles that cover more unmeasured than measured cells are
    left out: a hole stays a hole. Surfaces with fewer than three measured cells give no triangles.
    """
    z = np.asarray(heights, np.float64)
    known = np.isfinite(z)
    corner = _seeds(known, first_cells)
    if len(corner) < 3:
        return Tin(np.empty((0, 3)), np.empty((0, 3), np.int64), tolerance_m, 0.0)
    chosen = np.zeros(z.shape, bool)
    chosen[corner[:, 0], corner[:, 1]] = True
    while (found := _refined(chosen.copy(), z, tolerance_m, most_points)) is None:
        tolerance_m *= 1.5
    row, col, triangles, worst = found
    east, north = grid.east_north(row, col)
    return Tin(
        np.column_stack([east, north, z[row, col]]),
        triangles,
        tolerance_m,
        float(worst.max()) if len(worst) else 0.0,
    )


def _refined(
    chosen: NDArray[np.bool_], z: NDArray[np.float64], tolerance_m: float, most_points: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]] | None:
    """Rows, columns, triangles and their worst distance; None if the points allowed are not enough."""
    while True:
        row, col = np.nonzero(chosen)
        triangles = _delaunay(row, col)
        n = len(triangles)
        worst = np.zeros(n)
        at_row, at_col, seen, holes = (np.zeros(n, np.int64) for _ in range(4))
        _scan(row, col, z[row, col], triangles, z, worst, at_row, at_col, seen, holes)
        keep = seen >= holes
        off = np.flatnonzero((worst > tolerance_m) & keep & (at_row >= 0))
        if not len(off):
            return row, col, triangles[keep], worst[keep]
        if len(row) + len(off) > most_points:
            return None
        chosen[at_row[off], at_col[off]] = True


def _seeds(known: NDArray[np.bool_], every: int) -> NDArray[np.int64]:
    """A coarse lattice over the measured cells, and the ends of measured runs in rows and columns between."""
    rows, cols = known.shape
    often = max(every // 4, 1)
    lattice_r = np.unique(np.append(np.arange(0, rows, every), rows - 1)) if rows else np.empty(0, int)
    lattice_c = np.unique(np.append(np.arange(0, cols, every), cols - 1)) if cols else np.empty(0, int)
    picked = np.zeros(known.shape, bool)
    picked[np.ix_(lattice_r, lattice_c)] = True
    for r in np.unique(np.append(np.arange(0, rows, often), rows - 1)):
        edge = np.flatnonzero(np.diff(np.concatenate([[0], known[r].astype(np.int8), [0]])))
        picked[r, np.minimum(edge[0::2], cols - 1)] = True
        picked[r, np.maximum(edge[1::2] - 1, 0)] = True
    for c in np.unique(np.append(np.arange(0, cols, often), cols - 1)):
        edge = np.flatnonzero(np.diff(np.concatenate([[0], known[:, c].astype(np.int8), [0]])))
        picked[np.minimum(edge[0::2], rows - 1), c] = True
        picked[np.maximum(edge[1::2] - 1, 0), c] = True
    return np.argwhere(picked & known)


def _delaunay(row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.int64]:
    """Delaunay triangles of lattice points, anticlockwise on the ground, in a fixed order."""
    from scipy.spatial import Delaunay, QhullError

    try:
        simplices = Delaunay(np.column_stack([col, -row]).astype(np.float64)).simplices.astype(np.int64)
    except QhullError:  # all points on one line
        return np.empty((0, 3), np.int64)
    a, b, c = simplices.T
    turn = (col[b] - col[a]) * (row[a] - row[c]) - (col[c] - col[a]) * (row[a] - row[b])
    simplices[turn < 0] = simplices[turn < 0][:, [0, 2, 1]]
    first = np.argmin(simplices, axis=1)
    simplices = np.take_along_axis(simplices, (first[:, None] + np.arange(3)) % 3, axis=1)
    return simplices[np.lexsort(simplices.T[::-1])]
