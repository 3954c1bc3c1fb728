"""Objects from cells: connected evidence with hysteresis, at least a mapping unit large."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

I64 = NDArray[np.int64]


@kernel
def _root(parent: NDArray[np.int32], i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@kernel
def _labels(rows: I64, cols: I64, reach: int) -> NDArray[np.int32]:
    """(n,) the number of the connected group of each cell, groups numbered by their first cell.

    Cells come in reading order; they belong together if they lie within ``reach`` rows and columns of one
    another. Disjoint sets (Tarjan 1975): the smaller number becomes the root.
    """
    n = len(rows)
    parent = np.arange(n).astype(np.int32)
    for down in range(reach + 1):
        first = 0
        for i in range(n):
            row, west, east = rows[i] + down, cols[i] - reach, cols[i] + reach
            # Both lists ascend: the one is never gone back in.
            while first < n and (rows[first] < row or (rows[first] == row and cols[first] < west)):
                first += 1
            j = first
            while j < n and rows[j] == row and cols[j] <= east:
                a, b = _root(parent, i), _root(parent, j)
                if a < b:
                    parent[b] = a
                elif b < a:
                    parent[a] = b
                j += 1
    out = np.empty(n, np.int32)
    used = np.int32(0)
    for i in range(n):
        if parent[i] == i:
            out[i] = used
            used += np.int32(1)
        else:
            # The root came before, and has its number.
            out[i] = out[_root(parent, i)]
    return out


class Neighbours:
    """Which cells of a support lie within ``reach`` cells of one another."""

    def __init__(self, cell: I64, width: int, reach: int) -> None:
        """``cell``: flat indices in a grid of ``width`` columns, ascending."""
        self._cell, self._width, self._reach = cell, width, reach

    def labels(self, index: NDArray[np.intp]) -> NDArray[np.int32]:
        """(n,) the connected group of each of some cells (support indices, ascending), by first cell."""
        rows, cols = np.divmod(self._cell[index], self._width)
        return _labels(rows, cols, self._reach)

    def components(self, active: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
        """Connected groups of active cells, each sorted, in the order of their first cell."""
        index = np.nonzero(active)[0]
        return _groups(index, self.labels(index))


def _groups(index: NDArray[np.intp], label: NDArray[np.int32]) -> list[NDArray[np.intp]]:
    if not len(index):
        return []
    order = np.argsort(label, kind="stable")
    return np.split(index[order], np.nonzero(np.diff(label[order]))[0] + 1)


def grown_objects(
    evidence: NDArray[np.float32],
    neighbours: Neighbours,
    *,
    grow: float,
    seed: float,
    least_cells: int,
) -> list[NDArray[np.intp]]:
    """Groups of cells with evidence ≥ ``grow`` that hold a cell ≥ ``seed`` and are large enough."""
    index = np.nonzero(evidence >= grow)[0]
    label = neighbours.labels(index)
    # Most groups are a cell or two: they are left out before anything is done for each.
    count = np.bincount(label)
    seeded = np.bincount(label, weights=evidence[index] >= seed, minlength=len(count)) > 0
    kept = ((count >= least_cells) & seeded)[label]
    return _groups(index[kept], label[kept])
