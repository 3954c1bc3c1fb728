"""Laying a file that is rotated, in degrees or in an unfit projection onto metric, north-up cells.

Bilinear interpolation in the file's own cells; a cell is NaN where any of the up to four cells it needs is.
The exact transformation is computed at the nodes of a lattice that is fixed to absolute cell indices, and
taken as linear in between, so the heights do not depend on how the surface is cut for reading.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.jit import kernel
from survey.rasters.crs import transformer
from survey.rasters.georef import Affine6

LARGEST_ERROR_CELLS = 0.005
"""How far the lattice may lead astray, in cells of the file."""


@dataclass(frozen=True, slots=True)
class Lay:
    """``inverse``: affine terms from coordinates in ``crs_wkt`` to (col, row) of cell corners of the file.

    ``node``: spacing of the lattice in cells of the grid.
    """

    crs_wkt: str
    inverse: Affine6
    node: int

    def source(
        self, grid: Grid, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Fractional (row, col) in the file of cell centres given by absolute indices of ``grid``."""
        east = grid.west + (col + 0.5) * grid.cell_east
        north = grid.north - (row + 0.5) * grid.cell_north
        if self.crs_wkt != grid.crs_wkt:
            east, north = transformer(grid.crs_wkt, self.crs_wkt).transform(east, north)
        a, b, c, d, e, f = self.inverse
        return d * east + e * north + f - 0.5, a * east + b * north + c - 0.5

    def nodes(
        self, grid: Grid, r0: int, r1: int, c0: int, c1: int
    ) -> tuple[int, int, NDArray[np.float64], NDArray[np.float64]]:
        """First node's absolute (row, col), and file rows and cols at all nodes around a window."""
        first_row, first_col = r0 // self.node * self.node, c0 // self.node * self.node
        rows = np.arange(first_row, r1 + self.node, self.node, dtype=np.float64)
        cols = np.arange(first_col, c1 + self.node, self.node, dtype=np.float64)
        row, col = self.source(grid, *np.meshgrid(rows, cols, indexing="ij"))
        return first_row, first_col, np.ascontiguousarray(row), np.ascontiguousarray(col)


def invert(transform: Affine6) -> Affine6:
    """The inverse of affine terms (a, b, c, d, e, f). Raises ValueError if the cells have no area."""
    a, b, c, d, e, f = transform
    determinant = a * e - b * d
    if determinant == 0 or not math.isfinite(determinant):
        raise ValueError("the cells have no area")
    ia, ib, id_, ie = e / determinant, -b / determinant, -d / determinant, a / determinant
    return ia, ib, -(ia * c + ib * f), id_, ie, -(id_ * c + ie * f)


def lay_on(transform: Affine6, crs_wkt: str, target_wkt: str, width: int, height: int) -> tuple[Grid, Lay]:
    """Choose the grid for a file of ``width × height`` cells, and how to fill it.

    Cells are square, as small as the shorter side of the file's cell at its centre, on whole multiples.

    Raises
    ------
    ValueError
        The corners do not land anywhere.
    """
    a, b, c, d, e, f = transform
    steps = np.linspace(0.0, 1.0, 21)
    edge = np.concatenate(
        [
            np.stack([steps * width, np.zeros(21)]),
            np.stack([steps * width, np.full(21, float(height))]),
            np.stack([np.zeros(21), steps * height]),
            np.stack([np.full(21, float(width)), steps * height]),
            # The centre, one cell right of it, one cell below it.
            np.array(
                [[0.5 * width, 0.5 * width + 1, 0.5 * width], [0.5 * height, 0.5 * height, 0.5 * height + 1]]
            ),
        ],
        axis=1,
    )
    x, y = a * edge[0] + b * edge[1] + c, d * edge[0] + e * edge[1] + f
    if crs_wkt != target_wkt:
        x, y = transformer(crs_wkt, target_wkt).transform(x, y)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("the corners of the file do not land anywhere")
    across = math.hypot(x[-2] - x[-3], y[-2] - y[-3])
    down = math.hypot(x[-1] - x[-3], y[-1] - y[-3])
    # The smaller side loses nothing; rounding to about 0.1 % makes a number that people can quote.
    cell = min(across, down)
    grain = 10.0 ** (math.floor(math.log10(cell)) - 3)
    cell = round(math.floor(cell / grain + 1e-6) * grain, 9)
    west, north = math.floor(x.min() / cell) * cell, math.ceil(y.max() / cell) * cell
    grid = Grid(
        target_wkt,
        west,
        north,
        cell,
        cell,
        math.ceil((north - y.min()) / cell - 1e-6),
        math.ceil((x.max() - west) / cell - 1e-6),
    )
    inverse = invert(transform)
    for node in (64, 32, 16, 8, 4):
        lay = Lay(crs_wkt, inverse, node)
        if _lattice_error(lay, grid) <= LARGEST_ERROR_CELLS:
            break
    return grid, lay


def _lattice_error(lay: Lay, grid: Grid) -> float:
    """Largest error of linear interpolation at mid-lattice, at nine places of the grid, in file cells."""
    rows, cols = (np.array([0.0, 0.5, 1.0]) * max(n - lay.node, 0) for n in (grid.height, grid.width))
    row, col = (v.ravel() for v in np.meshgrid(np.floor(rows), np.floor(cols), indexing="ij"))
    corners = [
        np.stack(lay.source(grid, row + i * lay.node, col + j * lay.node)) for i in (0, 1) for j in (0, 1)
    ]
    middle = np.stack(lay.source(grid, row + lay.node / 2, col + lay.node / 2))
    return float(np.abs(sum(corners) / 4 - middle).max())


@kernel
def interpolate(
    source: NDArray[np.float32],
    source_row0: int,
    source_col0: int,
    node_row: NDArray[np.float64],
    node_col: NDArray[np.float64],
    first_row: int,
    first_col: int,
    node: int,
    r0: int,
    c0: int,
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` (cells from absolute (r0, c0)) by bilinear interpolation in ``source``.

    ``source`` holds file cells from (source_row0, source_col0). A neighbour with no weight is not asked.
    """
    rows, cols = out.shape
    height, width = source.shape
    step = 1.0 / node
    for i in range(rows):
        ni = (r0 + i - first_row) // node
        v = (r0 + i - first_row - ni * node) * step
        j = 0
        while j < cols:
            nj = (c0 + j - first_col) // node
            start = first_col + nj * node - c0  # the node's own place in ``out``
            stop = min(cols, start + node)
            west_row = node_row[ni, nj] * (1 - v) + node_row[ni + 1, nj] * v
            west_col = node_col[ni, nj] * (1 - v) + node_col[ni + 1, nj] * v
            row_step = (node_row[ni, nj + 1] * (1 - v) + node_row[ni + 1, nj + 1] * v - west_row) * step
            col_step = (node_col[ni, nj + 1] * (1 - v) + node_col[ni + 1, nj + 1] * v - west_col) * step
            for k in range(j, stop):
                # A grain of 2⁻¹⁶ cell keeps cells that fall on cells from asking their neighbours. It is
                # taken of absolute positions, so that it is the same however the surface is cut.
                row = np.floor((west_row + (k - start) * row_step) * 65536.0 + 0.5) / 65536.0 - source_row0
                col = np.floor((west_col + (k - start) * col_step) * 65536.0 + 0.5) / 65536.0 - source_col0
                if not (row >= 0 and col >= 0 and row <= height - 1 and col <= width - 1):
                    out[i, k] = np.nan
                    continue
                y, x = int(row), int(col)
                fy, fx = row - y, col - x
                # The last row and column have no neighbour beyond, and need none: their fraction is zero.
                below, right = min(y + 1, height - 1), min(x + 1, width - 1)
                upper = source[y, x] * (1 - fx)
                lower = source[below, x] * (1 - fx)
                if fx > 0:
                    upper += source[y, right] * fx
                    lower += source[below, right] * fx
                out[i, k] = upper * (1 - fy) + lower * fy if fy > 0 else upper
            j = stop
