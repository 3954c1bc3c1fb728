"""Lines through points: as they were measured where that makes sense, else the shortest way round."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DETOUR = 1.35  # a measured order is believed while it is no longer than this times the shortest way found
_MOST_FOR_TOUR = 2000


def ring_order(xy: NDArray[np.float64]) -> tuple[NDArray[np.intp], bool]:
    """Order of the points of a closed line, and whether it is the order in which they were measured.

    Points walked round an edge are in order. Where that order crosses itself, or is far longer than the
    shortest way found, they were taken to and fro, and the shortest way is taken.
    """
    n = len(xy)
    measured = np.arange(n)
    if n <= 3:
        return measured, True
    tour = _tour(xy, closed=True)
    simple = not _crosses(xy)
    if simple and _length(xy, measured, True) <= _DETOUR * _length(xy, tour, True):
        return measured, True
    return tour, False


def path_order(xy: NDArray[np.float64]) -> tuple[NDArray[np.intp], bool]:
    """As :func:`ring_order`, for an open line."""
    n = len(xy)
    measured = np.arange(n)
    if n <= 3:
        return measured, True
    tour = _tour(xy, closed=False)
    if _length(xy, measured, False) <= _DETOUR * _length(xy, tour, False):
        return measured, True
    return tour, False


def closes(xy: NDArray[np.float64]) -> bool:
    """Whether the line comes back to where it began: the step home is at most twice its longest step."""
    steps = np.hypot(*np.diff(xy, axis=0).T)
    home = float(np.hypot(*(xy[-1] - xy[0])))
    return len(xy) >= 4 and home <= 2.0 * float(np.max(steps)) and home < 0.35 * float(steps.sum())


def _crosses(xy: NDArray[np.float64]) -> bool:
    import shapely

    return not shapely.is_simple(shapely.linearrings(np.vstack([xy, xy[:1]])))


def _length(xy: NDArray[np.float64], order: NDArray[np.intp], closed: bool) -> float:
    line = xy[order]
    if closed:
        line = np.vstack([line, line[:1]])
    return float(np.hypot(*np.diff(line, axis=0).T).sum())


def _tour(xy: NDArray[np.float64], *, closed: bool) -> NDArray[np.intp]:
    """A short way through all points: nearest neighbour, then 2-opt until nothing improves.

    A closed tour that 2-opt cannot shorten does not cross itself. Deterministic: ties go to the lower index.
    """
    n = len(xy)
    if n > _MOST_FOR_TOUR:
        return np.arange(n)
    apart = np.hypot(xy[:, None, 0] - xy[None, :, 0], xy[:, None, 1] - xy[None, :, 1])
    start = 0 if closed else int(np.argmax(apart.sum(axis=1)))
    left = np.ones(n, bool)
    order = [start]
    left[start] = False
    while left.any():
        candidates = np.flatnonzero(left)
        order.append(int(candidates[np.argmin(apart[order[-1], candidates])]))
        left[order[-1]] = False
    tour = np.array(order, np.intp)
    improved = True
    while improved:
        improved = False
        for i in range(n - 1):
            a, b = tour[i], tour[i + 1]
            j = np.arange(i + 2, n if closed else n - 1)
            if closed and i == 0:
                j = j[:-1]
            if not len(j):
                continue
            c, d = tour[j], tour[(j + 1) % n]
            gain = apart[a, b] + apart[c, d] - apart[a, c] - apart[b, d]
            best = int(np.argmax(gain))
            if gain[best] > 1e-9:
                tour[i + 1 : j[best] + 1] = tour[i + 1 : j[best] + 1][::-1]
                improved = True
        if not closed:
            # Turning either end round may shorten an open way.
            for k in range(1, n - 1):
                if apart[tour[0], tour[k + 1]] + 1e-9 < apart[tour[k], tour[k + 1]]:
                    tour[: k + 1] = tour[: k + 1][::-1]
                    improved = True
    return tour
