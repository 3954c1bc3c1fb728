"""Distances and holes on small arrays of cells, compiled: the search of one survey asks for thousands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def distance_to(target: Bools) -> Floats:
    """Distance of each cell to the nearest of ``target``, in cells between middles; inf if there is none.

    Exact: whole squares until the last root (Meijster, Roerdink & Hesselink 2000).
    """
    out = np.empty(target.shape)
    _distances(np.ascontiguousarray(target), out)
    return out


@kernel
def _distances(target, out):  # type: ignore[no-untyped-def]
    rows, cols = target.shape
    far = rows + cols + 1
    down = np.empty((rows, cols), np.int64)  # to the nearest target cell in the same column
    for j in range(cols):
        down[0, j] = 0 if target[0, j] else far
    for i in range(1, rows):
        for j in range(cols):
            down[i, j] = 0 if target[i, j] else min(down[i - 1, j] + 1, far)
    for i in range(rows - 2, -1, -1):
        for j in range(cols):
            down[i, j] = min(down[i, j], down[i + 1, j] + 1)
    at = np.empty(cols, np.int64)  # columns whose parabola is the lowest somewhere …
    since = np.empty(cols, np.int64)  # … and from which column on
    for i in range(rows):
        g = down[i]
        q = -1
        for u in range(cols):
            if g[u] >= far:
                continue
            start = 0
            while q >= 0:
                s, x = at[q], since[q]
                if (x - s) ** 2 + g[s] ** 2 > (x - u) ** 2 + g[u] ** 2:
                    q -= 1
                    continue
                start = 1 + (u * u - s * s + g[u] ** 2 - g[s] ** 2) // (2 * (u - s))
                break
            if q < 0:
                start = 0
            if start < cols:
                q += 1
                at[q], since[q] = u, start
        if q < 0:
            out[i] = np.inf
            continue
        for u in range(cols - 1, -1, -1):
            s = at[q]
            out[i, u] = np.sqrt(np.float64((u - s) ** 2 + g[s] ** 2))
            if u == since[q]:
                q -= 1


def edge_of(mask: Bools) -> Bools:
    """Cells of ``mask`` of which a side lies outside it, or at the array's edge."""
    edge = mask.copy()
    inner = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    edge[1:-1, 1:-1] &= ~inner
    return edge


def window_of(mask: Bools, by: int = 0) -> tuple[slice, slice]:
    """The part of the array that holds all of ``mask`` and ``by`` cells around it."""
    rows, cols = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    height, width = mask.shape
    return (
        slice(max(int(rows[0]) - by, 0), min(int(rows[-1]) + 1 + by, height)),
        slice(max(int(cols[0]) - by, 0), min(int(cols[-1]) + 1 + by, width)),
    )


def filled(mask: Bools) -> Bools:
    """``mask`` with its holes: what no path over sides of cells outside it joins to the array's edge."""
    outside = np.zeros(mask.shape, np.bool_)
    _flood(np.ascontiguousarray(mask), outside)
    return ~outside


@kernel
def _flood(mask, outside):  # type: ignore[no-untyped-def]
    rows, cols = mask.shape
    stack = np.empty(rows * cols, np.int64)
    n = 0
    for i in range(rows):
        for j in range(cols):
            if (i == 0 or j == 0 or i == rows - 1 or j == cols - 1) and not mask[i, j]:
                outside[i, j] = True
                stack[n] = i * cols + j
                n += 1
    while n > 0:
        n -= 1
        i, j = stack[n] // cols, stack[n] % cols
        for k in range(4):
            a = i + (1 if k == 0 else -1 if k == 1 else 0)
            b = j + (1 if k == 2 else -1 if k == 3 else 0)
            if 0 <= a < rows and 0 <= b < cols and not mask[a, b] and not outside[a, b]:
                outside[a, b] = True
                stack[n] = a * cols + b
                n += 1
