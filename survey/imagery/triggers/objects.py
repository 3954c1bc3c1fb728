"""Objects from cells: connected evidence with hysteresis, at least a mapping unit large."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


class Neighbours:
    """Which cells of a support lie within ``reach`` cells of one another."""

    def __init__(self, cell: NDArray[np.int64], width: int, reach: int) -> None:
        self.count = len(cell)
        rows, cols = cell // width, cell % width
        first, second = [], []
        for dr in range(reach + 1):
            for dc in range(-reach, reach + 1):
                if dr == 0 and dc <= 0:
                    continue
                wanted = cell + dr * width + dc
                inside = (cols + dc >= 0) & (cols + dc < width)
                at = np.searchsorted(cell, wanted)
                at = np.minimum(at, max(self.count - 1, 0))
                there = inside & (cell[at] == wanted) if self.count else np.zeros(0, bool)
                first.append(np.nonzero(there)[0])
                second.append(at[there])
        self._a = np.concatenate(first) if first else np.zeros(0, np.intp)
        self._b = np.concatenate(second) if second else np.zeros(0, np.intp)
        self.rows = rows

    def components(self, active: NDArray[np.bool_]) -> list[NDArray[np.intp]]:
        """Connected groups of active cells, each sorted, in the order of their first cell."""
        index = np.nonzero(active)[0]
        if not len(index):
            return []
        number = np.full(self.count, -1, np.intp)
        number[index] = np.arange(len(index))
        use = active[self._a] & active[self._b]
        a, b = number[self._a[use]], number[self._b[use]]
        graph = coo_matrix((np.ones(len(a), np.int8), (a, b)), shape=(len(index), len(index)))
        count, label = connected_components(graph, directed=False)
        order = np.argsort(label, kind="stable")
        parts = np.split(index[order], np.cumsum(np.bincount(label, minlength=count))[:-1])
        return sorted(parts, key=lambda part: int(part[0]))


def grown_objects(
    evidence: NDArray[np.float32],
    neighbours: Neighbours,
    *,
    grow: float,
    seed: float,
    least_cells: int,
) -> list[NDArray[np.intp]]:
    """Groups of cells with evidence ≥ ``grow`` that hold a cell ≥ ``seed`` and are large enough."""
    return [
        part
        for part in neighbours.components(evidence >= grow)
        if len(part) >= least_cells and evidence[part].max() >= seed
    ]
