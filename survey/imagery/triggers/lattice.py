"""Slow fields over a scene: one robust value per block of cells, smoothed, and spread to the cells by
kernels.

Blocks are counted from the corner of the whole grid, so a tile that brings its neighbours' blocks as a halo
gets the very values that the whole scene would.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def smooth_known(lattice: NDArray[np.float32], otherwise: float) -> NDArray[np.float32]:
    """Mean of each block and its eight neighbours, weighted 4-2-1, over those that are known; ``otherwise``
    where none is. Takes (…, block row, block col)."""
    known = ~np.isnan(lattice)
    value = np.where(known, lattice, 0.0).astype(np.float64)
    weight = known.astype(np.float64)

    def blur(a: NDArray[np.float64]) -> NDArray[np.float64]:
        edges = [(0, 0)] * (a.ndim - 2) + [(1, 1), (1, 1)]
        p = np.pad(a, edges)
        rows = p[..., :-2, :] + 2.0 * p[..., 1:-1, :] + p[..., 2:, :]
        return rows[..., :, :-2] + 2.0 * rows[..., :, 1:-1] + rows[..., :, 2:]

    total, weights = blur(value), blur(weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(weights > 0, total / weights, otherwise).astype(np.float32)
