"""Slow fields over a scene: one robust value per block of cells, spread smoothly back to the cells.

Blocks are counted from the corner of the whole grid, so a tile that brings its neighbours' blocks as a halo
gets the very values that the whole scene would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def block_quantile(
    values: NDArray[np.float32], ok: NDArray[np.bool_], block: int, q: float, least: float = 0.1
) -> NDArray[np.float32]:
    """(block row, block col) quantile ``q`` of the ``ok`` cells; NaN where less than ``least`` of a block is ok.

    The array must begin on a block corner; its last blocks may be cut off by the edge.
    """
    height, width = values.shape
    rows, cols = -(-height // block), -(-width // block)
    padded = np.full((rows * block, cols * block), np.inf, np.float32)
    padded[:height, :width] = np.where(ok, values, np.inf)
    cells = padded.reshape(rows, block, cols, block).swapaxes(1, 2).reshape(rows, cols, block * block)
    cells = np.sort(cells, axis=2)
    count = np.isfinite(cells).sum(2)
    at = np.clip(np.floor(q * (count - 1)).astype(np.intp), 0, None)
    out = np.take_along_axis(cells, at[..., None], 2)[..., 0]
    return np.where(count >= max(1, least * block * block), out, np.nan).astype(np.float32)


def fill_gaps(lattice: NDArray[np.float32], reach: int, otherwise: float) -> NDArray[np.float32]:
    """Give blocks without a value the mean of those within ``reach`` blocks, else ``otherwise``."""
    gaps = np.isnan(lattice)
    if not gaps.any():
        return lattice
    value = np.where(gaps, 0.0, lattice).astype(np.float64)
    weight = (~gaps).astype(np.float64)
    v, w = np.zeros_like(value), np.zeros_like(weight)
    pv, pw = np.pad(value, reach), np.pad(weight, reach)
    for r in range(2 * reach + 1):
        for c in range(2 * reach + 1):
            v += pv[r : r + value.shape[0], c : c + value.shape[1]]
            w += pw[r : r + value.shape[0], c : c + value.shape[1]]
    near = np.where(w > 0, v / np.maximum(w, 1.0), otherwise)
    return np.where(gaps, near, lattice).astype(np.float32)


def smooth3(lattice: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean of each block and its eight neighbours, weighted 4-2-1; edges repeat."""
    p = np.pad(lattice.astype(np.float64), 1, mode="edge")
    rows = 0.25 * p[:-2] + 0.5 * p[1:-1] + 0.25 * p[2:]
    return (0.25 * rows[:, :-2] + 0.5 * rows[:, 1:-1] + 0.25 * rows[:, 2:]).astype(np.float32)


def spread(lattice: NDArray[np.float32], block: int, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Bilinear values at cells from values at block centres; constant beyond the outermost centres."""

    def weights(cells: int, blocks: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
        at = (np.arange(cells) + 0.5) / block - 0.5
        at = np.clip(at, 0.0, blocks - 1.0)
        low = np.minimum(at.astype(np.intp), max(blocks - 2, 0))
        return low, np.minimum(low + 1, blocks - 1), (at - low).astype(np.float32)

    r0, r1, fr = weights(shape[0], lattice.shape[0])
    c0, c1, fc = weights(shape[1], lattice.shape[1])
    rows = lattice[r0] * (1 - fr)[:, None] + lattice[r1] * fr[:, None]
    return rows[:, c0] * (1 - fc) + rows[:, c1] * fc
