"""A coarser surface for drawing: means over whole blocks of cells."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

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
    out = np.empty((rows, cols), np.float32)
    high = max(1, 65536 // max(block * values.shape[1], 1))
    for r in range(0, rows, high):
        part = values[r * block : (r + high) * block]
        out[r : r + high] = _means(part, block, min(high, rows - r), cols)
    return out


def _means(part: NDArray[np.float32], block: int, rows: int, cols: int) -> NDArray[np.float64]:
    """Means of some rows of blocks, few enough to stay in the cache."""
    if part.shape != (rows * block, cols * block):
        padded = np.full((rows * block, cols * block), np.nan, np.float32)
        padded[: part.shape[0], : part.shape[1]] = part
        part = padded
    known = np.isfinite(part)
    # Sums of heights in double precision: a block may hold ten thousand cells of 1,000 m each.
    if known.all():
        return _sums(part.astype(np.float64), block) / block**2
    total = _sums(np.where(known, part, 0.0).astype(np.float64), block)
    count = _sums(known.astype(np.int32), block)
    return np.where(2 * count >= block * block, total / np.maximum(count, 1), np.nan)


def _sums(values: NDArray[Any], block: int) -> NDArray[Any]:
    """Sums over blocks: column by column, then row by row. NumPy's sum over short axes is slow."""
    across = values[:, ::block].copy()
    for k in range(1, block):
        across += values[:, k::block]
    down = across[::block].copy()
    for k in range(1, block):
        down += across[k::block]
    return down


def around(grid: Grid, bounds: Bounds | None) -> Grid:
    """The piece of ``grid`` that touches ``bounds``; the whole if there are none or they do not meet."""
    if bounds is None:
        return grid
    piece = grid.covering(bounds)
    return piece if piece.height and piece.width else grid
