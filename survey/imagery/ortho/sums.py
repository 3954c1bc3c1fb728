"""Sums of fine cells in coarse ones: exact by area, or over a lattice of samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def overlaps(
    edges: NDArray[np.floating], start: int, stop: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """For intervals between ``edges``: which cells of ``start … stop`` each touches, and by how much.

    Returns indices from ``start`` and overlaps in cells, both (n, k).
    """
    lo, hi = edges[:-1], edges[1:]
    first = np.floor(lo).astype(np.intp)
    most = int((np.ceil(hi).astype(np.intp) - first).max())
    index = first[:, None] + np.arange(max(most, 1))
    overlap = np.minimum(hi[:, None], index + 1) - np.maximum(lo[:, None], index)
    overlap = np.where((index >= start) & (index < stop), np.maximum(overlap, 0.0), 0.0)
    return np.clip(index - start, 0, stop - start - 1), overlap


def box(
    values: NDArray[np.floating],
    by_row: tuple[NDArray[np.intp], NDArray[np.float64]],
    by_col: tuple[NDArray[np.intp], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Sums of ``values`` weighted by overlap, rows first; each cell's sum is taken in the same order."""
    index, overlap = by_row
    across, share = by_col
    out = np.zeros((index.shape[0], across.shape[0]), np.float64)
    # Some rows at a time: what is added up stays in the cache.
    high = max(1, 100_000 // max(values.shape[1], 1))
    for r in range(0, index.shape[0], high):
        rows = slice(r, r + high)
        partial = np.zeros((len(index[rows]), values.shape[1]), np.float64)
        for k in range(index.shape[1]):
            partial += np.take(values, index[rows, k], axis=0) * overlap[rows, k, None]
        for k in range(across.shape[1]):
            out[rows] += np.take(partial, across[:, k], axis=1) * share[:, k]
    return out


def gather(values: NDArray[np.float32], side: int) -> NDArray[np.float64]:
    """Sums over squares of ``side`` by ``side`` samples."""
    rows, cols = values.shape[0] // side, values.shape[1] // side
    return values.reshape(rows, side, cols, side).sum(axis=(1, 3), dtype=np.float64)
