"""Fragments of one working, put together again.

Where a pit's floor was already deep, or a face was hit by noise, a change falls into pieces that lie within
the reach of the smoothing of each other. A piece that is small, or a shallow narrow fringe, beside its
neighbour of the same sign is part of it; two workings of their own size stay two, however near. A wide
shallow piece (a scraping beside a field that was cut) may be anything: evidence judges that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel
from survey.volumetrics.regions import Regions

SHALLOW_SHARE = 0.3
"""A piece with less than this share of its neighbour's depth may be the neighbour's fringe."""


def absorb(regions: Regions, gap_cells: int, min_area_m2: float) -> Regions:
    """Join each fragment with the largest region of its sign within ``gap_cells``.

    A fragment is smaller than ``min_area_m2``, or shallow beside that region and no wider than the gap twice.
    """
    if regions.count < 2:
        return regions
    a, b = near_pairs(regions, gap_cells)
    small = np.where(regions.cells[a] < regions.cells[b], a, b)
    large = a + b - small
    narrow = width_cells(regions)[small] <= 2 * gap_cells
    fragment = (regions.area_m2[small] < min_area_m2) | (shallow_beside(regions, small, large) & narrow)
    group = np.arange(regions.count)
    # The largest neighbours first; a fragment goes to one region only, so it cannot bridge two.
    taken = np.zeros(regions.count, np.bool_)
    order = np.lexsort((large, small, -regions.cells[large]))
    for k in order[fragment[order]]:
        s, big = int(small[k]), int(large[k])
        if not taken[s]:
            taken[s] = True
            group[s] = big
    for k in range(regions.count):
        head = k
        seen = 0
        while group[head] != head and seen <= regions.count:
            head = int(group[head])
            seen += 1
        group[k] = head
    smallest = np.full(regions.count, regions.count)
    np.minimum.at(smallest, group, np.arange(regions.count))
    return regions.merged(smallest[group])


def shallow_beside(regions: Regions, small: NDArray[np.int64], large: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which pieces have little of the depth of their neighbours."""
    return regions.deep_m[small] < SHALLOW_SHARE * regions.deep_m[large]


def width_cells(regions: Regions) -> NDArray[np.float64]:
    """(count,) cells of each region over the longer side of its box: a fringe is long for its cells."""
    b = regions.box
    return regions.cells / np.maximum(np.maximum(b[:, 1] - b[:, 0], b[:, 3] - b[:, 2]), 1)


def near_pairs(regions: Regions, gap_cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs (a < b) of regions of one sign with cells at most ``gap_cells`` apart along rows and columns."""
    runs = regions.runs
    starts = np.searchsorted(runs[:, 0], np.arange(runs[0, 0], runs[-1, 0] + 2)) if runs.size else np.zeros(1)
    pairs = np.unique(_near(runs, starts.astype(np.int64), regions.sign, gap_cells))
    return pairs >> 32, pairs & 0xFFFFFFFF


@kernel
def _near(runs, starts, sign, gap):  # type: ignore[no-untyped-def]
    """Pairs as a·2³² + b, many of them more than once."""
    out = []
    for row in range(starts.size - 1):
        for below in range(min(gap + 1, starts.size - 1 - row)):
            # Runs of a row are in order and do not overlap: the first near one never goes back.
            first, high = starts[row + below], starts[row + below + 1]
            last = np.int64(-1)
            for r in range(starts[row], starts[row + 1]):
                while first < high and runs[first, 2] + gap < runs[r, 1]:
                    first += 1
                i = np.int64(runs[r, 3])
                q = first
                while q < high and runs[q, 1] <= runs[r, 2] + gap:
                    j = np.int64(runs[q, 3])
                    if i != j and sign[i] == sign[j]:
                        pair = (min(i, j) << 32) + max(i, j)
                        if pair != last:
                            out.append(pair)
                            last = pair
                    q += 1
    pairs = np.empty(len(out), np.int64)
    for k in range(len(out)):
        pairs[k] = out[k]
    return pairs
