"""Loops over the cells of one object: objects are many and small, and NumPy costs more in calls than in
work."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

Whole = NDArray[np.integer]
F64 = NDArray[np.float64]


@kernel
def axes(rows: Whole, cols: Whole) -> tuple[float, float]:
    """Variances along the short and the long axis of cells that are unit squares, cells²."""
    n = len(rows)
    row, col = 0, 0
    for i in range(n):
        row += rows[i] - rows[0]
        col += cols[i] - cols[0]
    middle_row, middle_col = row / n, col / n
    rr, cc, rc = 0.0, 0.0, 0.0
    for i in range(n):
        y, x = rows[i] - rows[0] - middle_row, cols[i] - cols[0] - middle_col
        rr += y * y
        cc += x * x
        rc += y * x
    # Each cell is a unit square: its own moment of inertia keeps a line of cells from being infinitely thin.
    rr, cc, rc = rr / n + 1.0 / 12.0, cc / n + 1.0 / 12.0, rc / n
    half = np.sqrt((0.5 * (rr - cc)) ** 2 + rc * rc)
    high = 0.5 * (rr + cc) + half
    # The product of the two is the determinant: no digits are lost on long shapes.
    return (rr * cc - rc * rc) / high, high


@kernel
def smallest_box(rows: Whole, cols: Whole, cos: F64, sin: F64) -> float:
    """Area of the smallest rectangle, turned by any of the given angles, around cells that are unit
    squares."""
    first, last = rows[0], rows[0]
    for i in range(len(rows)):
        first, last = min(first, rows[i]), max(last, rows[i])
    # Only the ends of each row of cells can be corners of the hull.
    west = np.full(last - first + 1, np.int64(2**62))
    east = np.full(last - first + 1, np.int64(-(2**62)))
    for i in range(len(rows)):
        r = rows[i] - first
        west[r], east[r] = min(west[r], cols[i]), max(east[r], cols[i] + 1)
    best = np.inf
    for k in range(len(cos)):
        u0, u1, v0, v1 = np.inf, -np.inf, np.inf, -np.inf
        for r in range(len(west)):
            if east[r] < west[r]:
                continue
            for down in range(2):
                y = float(first + r + down)
                for end in range(2):
                    x = float(west[r] if end == 0 else east[r])
                    u, v = cos[k] * y + sin[k] * x, cos[k] * x - sin[k] * y
                    u0, u1, v0, v1 = min(u0, u), max(u1, u), min(v0, v), max(v1, v)
        best = min(best, (u1 - u0) * (v1 - v0))
    return best
