"""A small picture of a surface, made of all its cells.

Overviews embedded in a file are a second copy of the heights that nobody checks; a file can show one
picture in its overviews and hold another in its cells. So they are never read: the means are taken of the
cells themselves, a stretch of blocks at a time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.jit import kernel

if TYPE_CHECKING:
    from survey.dem.surface import Surface

STRETCH_CELLS = 4_000_000
"""Cells held at once: 16 MB."""


@dataclass(frozen=True)
class Thumbnail:
    """Means over ``factor × factor`` cells.

    ``heights``: float32, NaN where no cell was measured. ``measured``: float32, the measured fraction of
    the part of the coarse cell that lies on the surface.
    """

    grid: Grid
    factor: int
    heights: NDArray[np.float32]
    measured: NDArray[np.float32]


def coarsened(grid: Grid, factor: int) -> Grid:
    """``grid`` in cells ``factor`` times larger; the last row and column may overhang."""
    return replace(
        grid,
        west=grid.left,
        north=grid.top,
        cell_east=grid.cell_east * factor,
        cell_north=grid.cell_north * factor,
        height=-(-grid.height // factor),
        width=-(-grid.width // factor),
        row0=0,
        col0=0,
    )


@kernel
def add_means(
    heights: NDArray[np.float32],
    row0: int,
    col0: int,
    factor: int,
    total: NDArray[np.float64],
    count: NDArray[np.int64],
) -> None:
    """Add the cells of a piece that begins at absolute (row0, col0) to sums of coarse cells."""
    for i in range(heights.shape[0]):
        r = (row0 + i) // factor
        for j in range(heights.shape[1]):
            value = heights[i, j]
            if value == value:
                c = (col0 + j) // factor
                total[r, c] += value
                count[r, c] += 1


def factor_for(grid: Grid, max_side: int) -> int:
    return max(1, math.ceil(max(grid.height, grid.width) / max(1, max_side)))


def make_thumbnail(surface: Surface, max_side: int) -> Thumbnail:
    """Read the whole surface once; memory is that of a stretch and the result.

    The sums are added row by row, column by column, so the result does not depend on the stretch.
    """
    grid = surface.grid
    factor = factor_for(grid, max_side)
    coarse = coarsened(grid, factor)
    total = np.zeros(coarse.shape, np.float64)
    count = np.zeros(coarse.shape, np.int64)
    # Whole coarse rows, as many file blocks high as memory allows, so that no coarse cell is split.
    tall = max(1, STRETCH_CELLS // grid.width // factor) * factor
    wide = grid.width
    if tall < surface.block[0] and surface.tiled:
        # Tiles are taller than a stretch across the file may be: go tile column by tile column instead.
        tall = math.ceil(surface.block[0] / factor) * factor
        wide = max(1, STRETCH_CELLS // tall // factor) * factor
    for piece in grid.pieces((tall, wide)):
        add_means(surface.read(piece), piece.row0, piece.col0, factor, total, count)
    rows = np.minimum(factor, grid.height - factor * np.arange(coarse.height))
    cols = np.minimum(factor, grid.width - factor * np.arange(coarse.width))
    with np.errstate(invalid="ignore", divide="ignore"):
        heights = (total / count).astype(np.float32)
    measured = (count / np.outer(rows, cols)).astype(np.float32)
    return Thumbnail(coarse, factor, heights, measured)
