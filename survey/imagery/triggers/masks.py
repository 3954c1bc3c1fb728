"""Loops over yes-or-no cells: shares of a neighbourhood, and widening. All counts are whole numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

Mask = NDArray[np.bool_]


@kernel
def counted_from_corner(mask: Mask) -> NDArray[np.int32]:
    """(row + 1, col + 1) number of set cells above and left."""
    height, width = mask.shape
    total = np.zeros((height + 1, width + 1), np.int32)
    for r in range(height):
        run = np.int32(0)
        for c in range(width):
            run += np.int32(mask[r, c])
            total[r + 1, c + 1] = total[r, c + 1] + run
    return total


@kernel
def _share(total: NDArray[np.int32], r: int, c: int, reach: int) -> np.float32:
    height, width = total.shape[0] - 1, total.shape[1] - 1
    r0, r1 = max(r - reach, 0), min(r + reach + 1, height)
    c0, c1 = max(c - reach, 0), min(c + reach + 1, width)
    count = total[r1, c1] - total[r0, c1] - total[r1, c0] + total[r0, c0]
    return np.float32(count) / np.float32((r1 - r0) * (c1 - c0))


@kernel
def box_shares(total: NDArray[np.int32], reach: int) -> NDArray[np.float32]:
    """Share of set cells in the square of 2·reach + 1 around each cell; ``total`` from
    ``counted_from_corner``."""
    height, width = total.shape[0] - 1, total.shape[1] - 1
    out = np.empty((height, width), np.float32)
    for r in range(height):
        for c in range(width):
            out[r, c] = _share(total, r, c, reach)
    return out


@kernel
def crowded(mask: Mask, near: int, near_share: float, far: int, far_share: float) -> Mask:
    """Set cells whose squares of reach ``near`` and ``far`` both hold more than the given share of set
    cells."""
    height, width = mask.shape
    total = counted_from_corner(mask)
    least_near, least_far = np.float32(near_share), np.float32(far_share)
    out = np.zeros((height, width), np.bool_)
    for r in range(height):
        for c in range(width):
            if mask[r, c] and _share(total, r, c, near) > least_near:
                out[r, c] = _share(total, r, c, far) > least_far
    return out


@kernel
def widened(mask: Mask, radius: int) -> Mask:
    """Cells within ``radius`` of a set cell (x² + y² ≤ radius² + ½).

    A disc is convex: what a cell with four set neighbours reaches, a cell of the rim reaches too.
    """
    height, width = mask.shape
    out = mask.copy()
    most = radius * radius + 0.5
    for r in range(height):
        for c in range(width):
            if not mask[r, c]:
                continue
            if (
                (r == 0 or mask[r - 1, c])
                and (r == height - 1 or mask[r + 1, c])
                and (c == 0 or mask[r, c - 1])
                and (c == width - 1 or mask[r, c + 1])
            ):
                continue
            for y in range(-radius, radius + 1):
                rr = r + y
                if rr < 0 or rr >= height:
                    continue
                for x in range(-radius, radius + 1):
                    cc = c + x
                    if 0 <= cc < width and x * x + y * y <= most:
                        out[rr, cc] = True
    return out
