"""Means over square blocks of cells, gathered during the sweep, for whatever is drawn afterwards.

Drawings need neither every cell nor a second pass over the files. Sums are whole numbers, so the means do
not depend on how the pass was cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.jit import kernel


@dataclass(frozen=True)
class CoarseSums:
    """Sums over ``block`` × ``block`` cells, blocks counted from absolute cell (0, 0) of the job's origin.

    ``row0``, ``col0``: the first block held. Arrays (rows, cols): Σ grains of rise, Σ grains of the earlier
    height where the rise is known, and the count of such cells.
    """

    block: int
    row0: int
    col0: int
    rise: NDArray[np.int64]
    before: NDArray[np.int64]
    count: NDArray[np.int32]


def blank(band: Grid, block: int) -> CoarseSums:
    row0, col0 = band.row0 // block, band.col0 // block
    rows = (band.row0 + band.height - 1) // block - row0 + 1
    cols = (band.col0 + band.width - 1) // block - col0 + 1
    return CoarseSums(
        block,
        row0,
        col0,
        np.zeros((rows, cols), np.int64),
        np.zeros((rows, cols), np.int64),
        np.zeros((rows, cols), np.int32),
    )


def gather_chunk(
    sums: CoarseSums,
    grains: NDArray[np.int32],
    before: NDArray[np.float32],
    row0: int,
    col0: int,
    left: int = 0,
    width: int | None = None,
) -> None:
    """Add a chunk whose cell (0, ``left``) is the absolute cell (row0, col0), and which is ``width`` wide.

    ``grains`` and ``before`` lie whole in memory.
    """
    cols = grains.shape[1] - left if width is None else width
    own = sums.rise, sums.before, sums.count
    _add(grains, before, row0, col0, left, cols, sums.block, sums.row0, sums.col0, *own)


@kernel
def _add(grains, before, row0, col0, left, cols, block, block_row0, block_col0, rise, height, count):  # type: ignore[no-untyped-def]
    rows = grains.shape[0]
    up, level = np.zeros(cols, np.int64), np.zeros(cols, np.int64)
    known = np.zeros(cols, np.int32)
    i = 0
    while i < rows:
        block_row = (row0 + i) // block
        end = min(rows, (block_row + 1) * block - row0)
        up[:] = 0
        level[:] = 0
        known[:] = 0
        for k in range(i, end):
            _row(grains[k][left : left + cols], before[k][left : left + cols], up, level, known)
        j = 0
        while j < cols:
            block_col = (col0 + j) // block
            stop = min(cols, (block_col + 1) * block - col0)
            s, h, n = np.int64(0), np.int64(0), 0
            for k in range(j, stop):
                s += up[k]
                h += level[k]
                n += known[k]
            rise[block_row - block_row0, block_col - block_col0] += s
            height[block_row - block_row0, block_col - block_col0] += h
            count[block_row - block_row0, block_col - block_col0] += n
            j = stop
        i = end


@kernel
def _row(grains, before, up, level, known):  # type: ignore[no-untyped-def]
    """Without branches, so that several columns are added at a time. Heights fit 32 bits up to 32 km."""
    for j in range(up.size):
        q = grains[j]
        ok = q != -2147483648
        z = np.int32(np.floor(np.float64(before[j]) * 65536.0 + 0.5) if ok else 0.0)
        up[j] += np.int64(q) if ok else np.int64(0)
        level[j] += np.int64(z)
        known[j] += np.int32(ok)


def means(
    pieces: Sequence[CoarseSums], job: Grid
) -> tuple[Grid, NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The coarse grid, and on it earlier heights, later heights and rise in metres; NaN where nothing was."""
    block = pieces[0].block
    row0, col0 = job.row0 // block, job.col0 // block
    rows = (job.row0 + job.height - 1) // block - row0 + 1
    cols = (job.col0 + job.width - 1) // block - col0 + 1
    rise, before = np.zeros((rows, cols), np.int64), np.zeros((rows, cols), np.int64)
    count = np.zeros((rows, cols), np.int64)
    for p in pieces:
        at = (
            slice(p.row0 - row0, p.row0 - row0 + p.rise.shape[0]),
            slice(p.col0 - col0, p.col0 - col0 + p.rise.shape[1]),
        )
        rise[at] += p.rise
        before[at] += p.before
        count[at] += p.count
    earlier, later, change = (np.empty((rows, cols), np.float32) for _ in range(3))
    _divide(rise, before, count, earlier, later, change)
    grid = Grid(
        job.crs_wkt,
        job.west + col0 * block * job.cell_east,
        job.north - row0 * block * job.cell_north,
        job.cell_east * block,
        job.cell_north * block,
        rows,
        cols,
    )
    return grid, earlier, later, change


@kernel
def _divide(rise, before, count, earlier, later, change):  # type: ignore[no-untyped-def]
    """Three means from three sums, without the temporaries that would be larger than all of them."""
    for i in range(count.shape[0]):
        for j in range(count.shape[1]):
            n = count[i, j]
            if n > 0:
                dh = rise[i, j] / n / 65536.0
                z = before[i, j] / n / 65536.0
                earlier[i, j], later[i, j], change[i, j] = z, z + dh, dh
            else:
                earlier[i, j], later[i, j], change[i, j] = np.nan, np.nan, np.nan
