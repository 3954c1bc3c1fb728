"""A coarser surface for drawing: means over whole blocks of cells."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from survey.grid import Bounds, Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray


def block_size(grid: Grid, *, finest_m: float, most_cells: int) -> int:
    """Cells a side of the smallest block that is at least ``finest_m`` wide and keeps to ``most_cells``."""
    by_size = math.ceil(finest_m / grid.cell_m - 1e-6)
    by_count = math.ceil(math.sqrt(grid.height * grid.width / most_cells))
    return max(by_size, by_count, 1)


def coarsened(grid: Grid, block: int) -> Grid:
    """Cells of ``block`` × ``block``, from the same corner; the last ones may overhang ``grid``."""
    return replace(
        grid.origin_here(),
        cell_east=grid.cell_east * block,
        cell_north=grid.cell_north * block,
        height=math.ceil(grid.height / block),
        width=math.ceil(grid.width / block),
    )


def block_mean(values: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """Mean of the measured cells of each block; NaN where less than half of a block was measured.

    The last blocks may be cut off by the array's edge; what is outside was not measured.
    """
    if block == 1:
        return np.asarray(values, np.float32)
    rows, cols = (math.ceil(n / block) for n in values.shape)
    padded = np.full((rows * block, cols * block), np.nan, np.float32)
    padded[: values.shape[0], : values.shape[1]] = values
    blocks = padded.reshape(rows, block, cols, block)
    known = np.isfinite(blocks)
    count = known.sum(axis=(1, 3))
    # Sums of heights in double precision: a block may hold ten thousand cells of 1,000 m each.
    total = np.where(known, blocks, 0.0).sum(axis=(1, 3), dtype=np.float64)
    mean = total / np.maximum(count, 1)
    return np.where(2 * count >= block * block, mean, np.nan).astype(np.float32)


def around(grid: Grid, bounds: Bounds | None) -> Grid:
    """The piece of ``grid`` that touches ``bounds``; the whole if there are none or they do not meet."""
    if bounds is None:
        return grid
    piece = grid.covering(bounds)
    return piece if piece.height and piece.width else grid
