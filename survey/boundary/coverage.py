"""How much of each cell lies in a polygon, as an integer in 1/4096 that does not depend on the cutting.

The outline is snapped to 1/65536 of a cell, in absolute cells of the grid (not of the piece). Each edge is
cut at the rows and columns that it crosses; a crossing is rounded to the same lattice by a formula that
knows only the edge and the line crossed. From there on all is whole numbers: an edge adds to the cell that
it passes the area on its right, and to all cells farther right its height, and a running sum along the row
gives the covered area of every cell in units of 2⁻³³ cells, exactly. (The idea is that of the analytic
rasterisers of fonts: Raph Levien, *font-rs*, 2016; FreeType's ``ftgrays.c``.)

What this guarantees
--------------------
* **No cutting shows.** The weight of a cell is a function of the edges and of the cell's absolute index.
* **An edge weighs the same from both sides.** It is always walked downwards and counted with a sign, so its
  two sides cancel to the last bit. Halves are rounded to even, and round(x) + round(4096 − x) = 4096 for
  that rule: a polygon and its complement, or two polygons with a common chain of vertices, give 4096 in
  each cell that they fill together.
* **Any number of neighbours** that meet in one cell sum to 4096 if their weights are taken by
  :func:`shares`, which rounds running sums; rounded one by one, n neighbours could miss by (n − 2) / 2.
* **Area.** Snapping moves the outline by at most 2⁻¹⁷ cells in each axis, cutting by as much again.
  Rounding adds 2⁻¹³ of a cell at most, without bias, in cells on the outline only.

Two outlines that run along the same line without sharing its vertices are snapped differently and may
differ by one unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.boundary import raster_kernels as kernels
from survey.grid import Grid

if TYPE_CHECKING:
    from shapely import Geometry

Weights = NDArray[np.uint16] | int

FULL = 4096
"""The weight of a cell that lies wholly inside."""

# Farther out than this the products of crossings would leave int64; nothing there can matter to a grid.
_FARTHEST_CELLS = float(1 << 27)


@dataclass(frozen=True, slots=True)
class Edges:
    """The outline as edges that run down the grid: ``row0 < row1``, in 1/65536 cells.

    ``sign`` is +1 where the ground to the right (east) of the edge lies inside.
    """

    col0: NDArray[np.int64]
    row0: NDArray[np.int64]
    col1: NDArray[np.int64]
    row1: NDArray[np.int64]
    sign: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.sign)


class Coverage:
    """A polygon laid on a grid, ready to be asked for any piece of it. Picklable; safe in threads.

    Parameters
    ----------
    polygon:
        A valid shapely Polygon or MultiPolygon (holes allowed) in the grid's reference system, or an empty
        geometry. Rings may turn either way.
    grid:
        The grid, or any piece of it: only origin and cell size are used.
    """

    __slots__ = ("_bounds", "_edges", "_frame")

    def __init__(self, polygon: Geometry, grid: Grid) -> None:
        self._frame = (grid.west, grid.north, grid.cell_east, grid.cell_north)
        self._edges = _edges_of(polygon, grid)
        e = self._edges
        self._bounds = (
            (
                int(e.row0.min()) >> kernels.SHIFT,
                -(-int(e.row1.max()) >> kernels.SHIFT),
                int(min(e.col0.min(), e.col1.min())) >> kernels.SHIFT,
                -(-int(max(e.col0.max(), e.col1.max())) >> kernels.SHIFT),
            )
            if len(e)
            else (0, 0, 0, 0)
        )

    def weights(self, piece: Grid) -> Weights:
        """Weights of a piece's cells in 1/4096.

        Returns
        -------
        ``uint16`` array (rows, cols), or a plain 0 or 4096 where no edge passes through the piece.
        """
        return self._rasterise(piece, exact=False)

    def exact(self, piece: Grid) -> NDArray[np.int64] | int:
        """Covered area in units of 2⁻³³ cells, before rounding: 0 … 2³³."""
        return self._rasterise(piece, exact=True)

    def _rasterise(self, piece: Grid, *, exact: bool):  # type: ignore[no-untyped-def]
        if (piece.west, piece.north, piece.cell_east, piece.cell_north) != self._frame:
            raise ValueError("the piece was not cut from the grid that this coverage was made for")
        first_row, last_row, first_col, last_col = self._bounds
        r0, r1 = piece.row0, piece.row0 + piece.height
        c0, c1 = piece.col0, piece.col0 + piece.width
        if r0 >= last_row or r1 <= first_row or c0 >= last_col or c1 <= first_col or r0 >= r1 or c0 >= c1:
            return 0
        e = self._edges
        table = (e.col0, e.row0, e.col1, e.row1, e.sign)
        passing, heights, level = kernels.passing_edges(*table, r0, r1, c0, c1)
        if len(passing) == 0 and level:
            area = min(max(int(heights[0]), 0), kernels.ONE) << (kernels.SHIFT + 1)
            return area if exact else kernels.round_weights(area)
        if exact:
            out = np.empty(piece.shape, np.int64)
            kernels.cover_exact(*table, passing, heights, r0, c0, out)
        else:
            out = np.empty(piece.shape, np.uint16)
            kernels.cover(*table, passing, heights, r0, c0, out)
        return out


def coverage(polygon: Geometry, piece: Grid) -> Weights:
    """Weights of ``polygon`` on one piece. For many pieces make a :class:`Coverage` once."""
    return Coverage(polygon, piece).weights(piece)


def shares(parts: Sequence[Coverage], piece: Grid) -> list[Weights]:
    """Weights of polygons that do not overlap, such that neighbours sum exactly however many meet in a cell.

    The running sum of the exact areas is rounded and the differences are handed out, so the sum of all is
    the rounded area of their union.
    """
    total: NDArray[np.int64] | int = 0
    before: NDArray[np.int64] | int = 0
    handed: list[Weights] = []
    for part in parts:
        area = part.exact(piece)
        if isinstance(area, int) and area == 0:
            handed.append(0)
            continue
        total = total + area
        now = kernels.round_weights(total)
        weight = now - before
        before = now
        handed.append(weight if isinstance(weight, int) else weight.astype(np.uint16))
    return handed


def _edges_of(polygon: Geometry, grid: Grid) -> Edges:
    import shapely

    if polygon is not None and not polygon.is_empty:
        far_east, far_north = _FARTHEST_CELLS * grid.cell_east, _FARTHEST_CELLS * grid.cell_north
        box = (grid.west - far_east, grid.north - far_north, grid.west + far_east, grid.north + far_north)
        bounds = polygon.bounds
        if bounds[0] < box[0] or bounds[1] < box[1] or bounds[2] > box[2] or bounds[3] > box[3]:
            polygon = shapely.intersection(polygon, shapely.box(*box))
    columns: list[NDArray[np.int64]] = []
    for part in shapely.get_parts(np.atleast_1d(np.asarray(polygon, object))):
        if part is None or part.is_empty or part.geom_type != "Polygon":
            continue
        for index, ring in enumerate((part.exterior, *part.interiors)):
            xy = shapely.get_coordinates(ring)
            col = np.rint((xy[:, 0] - grid.west) / grid.cell_east * kernels.ONE).astype(np.int64)
            row = np.rint((grid.north - xy[:, 1]) / grid.cell_north * kernels.ONE).astype(np.int64)
            columns.append(_ring_edges(col, row, hole=index > 0))
    if not columns:
        empty = np.empty(0, np.int64)
        return Edges(empty, empty, empty, empty, empty)
    table = np.concatenate(columns, axis=1)
    return Edges(*(np.ascontiguousarray(line) for line in table))


def _ring_edges(col: NDArray[np.int64], row: NDArray[np.int64], *, hole: bool) -> NDArray[np.int64]:
    """Edges (5, n) of one closed ring; level ones bound no area and are left out."""
    # Only the sense of turning is wanted, so the rounding of floats does no harm away from area zero.
    x = (col - col[0]).astype(np.float64)
    y = (row - row[0]).astype(np.float64)
    clockwise_on_screen = np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) > 0
    c0, c1, r0, r1 = col[:-1], col[1:], row[:-1], row[1:]
    # Rows grow downwards: on a ring that turns clockwise on the screen an edge that runs up has the
    # inside on its right.
    sign = np.where((r1 < r0) == clockwise_on_screen, 1, -1)
    if hole:
        sign = -sign
    down = r1 > r0
    table = np.stack(
        [np.where(down, c0, c1), np.where(down, r0, r1), np.where(down, c1, c0), np.where(down, r1, r0), sign]
    )
    return table[:, r0 != r1]
