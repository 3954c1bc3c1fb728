"""Connected regions as runs: stretches of neighbouring cells in one row.

A tile's regions are found in the tile; regions that cross tiles are joined afterwards over the runs alone,
so the result is that of labelling the whole scene at once, at a memory that grows with the outlines of what
changed and not with the scene. Cells are neighbours if they share a side or a corner.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel

Runs = NDArray[np.int32]
"""(n, 4): absolute row, first column, one past the last column, index of the part it belongs to."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What one tile found: runs, and the exact tallies of each connected part.

    ``sums`` are Σ grains, ``weighted`` are Σ grains·weight per layer (weights in 1/4096) and ``covered`` are
    Σ weight per layer.
    """

    runs: Runs
    sign: NDArray[np.int8]  # (k,)
    cells: NDArray[np.int64]  # (k,)
    seeds: NDArray[np.int64]  # (k,)
    sums: NDArray[np.int64]  # (k,)
    weighted: NDArray[np.int64]  # (k, layers)
    covered: NDArray[np.int64]  # (k, layers)
    shallow_m: NDArray[np.float32]  # (k,) least and greatest |smoothed rise|
    deep_m: NDArray[np.float32]  # (k,)
    deepest: NDArray[np.int64]  # (k, 2) absolute cell of the greatest
    levels: NDArray[np.int64]  # (k, slabs) Σ grains within each slab of height, weighted by layer 0

    @property
    def count(self) -> int:
        return int(self.sign.size)


def find_runs(mask: NDArray[np.int8], row0: int, col0: int) -> tuple[Runs, NDArray[np.int8]]:
    """Connected parts of equal sign in a tile's mask; part indices are in reading order of first cells."""
    # No row can hold more runs than cells; memory that is not written to is never taken.
    most = mask.size
    runs, sign = np.empty((most, 4), np.int32), np.empty(most, np.int8)
    n = _fill_runs(mask, row0, col0, runs, sign)
    runs, sign = runs[:n].copy(), sign[:n]
    k = _number(runs, sign)
    signs = np.empty(k, np.int8)
    signs[runs[:, 3]] = sign
    return runs, signs


@kernel
def _root(parent, a):  # type: ignore[no-untyped-def]
    while parent[a] != a:
        parent[a] = parent[parent[a]]
        a = parent[a]
    return a


@kernel
def _unite(parent, a, b):  # type: ignore[no-untyped-def]
    """Join two sets; the smaller index stays the root, so roots are first in reading order."""
    a, b = _root(parent, a), _root(parent, b)
    if a < b:
        parent[b] = a
    elif b < a:
        parent[a] = b


@kernel
def _fill_runs(mask, row0, col0, runs, sign):  # type: ignore[no-untyped-def]
    at = 0
    for i in range(mask.shape[0]):
        line = mask[i]
        # Most ground did not change: eight cells of nothing are passed over together.
        words = line[: line.size // 8 * 8].view(np.uint64)
        last = 0
        j = 0
        while j < line.size:
            if last == 0 and j % 8 == 0 and j // 8 < words.size and words[j // 8] == 0:
                j += 8
                continue
            value = line[j]
            now = 1 if value > 0 else (-1 if value < 0 else 0)
            if now != last:
                if last != 0:
                    runs[at, 2] = col0 + j
                    at += 1
                if now != 0:
                    runs[at, 0] = row0 + i
                    runs[at, 1] = col0 + j
                    sign[at] = now
                last = now
            j += 1
        if last != 0:
            runs[at, 2] = col0 + line.size
            at += 1
    return at


@kernel
def _number(runs, sign):  # type: ignore[no-untyped-def]
    """Write each run's part into its last column; how many parts there are."""
    n = runs.shape[0]
    parent = np.arange(n)
    above0, above1, start = 0, 0, 0
    while start < n:
        row = runs[start, 0]
        end = start
        while end < n and runs[end, 0] == row:
            end += 1
        if above1 > above0 and runs[above0, 0] != row - 1:
            above0 = above1
        p = above0
        for r in range(start, end):
            # Runs above that end left of this one cannot touch any later one either.
            while p < above1 and runs[p, 2] < runs[r, 1]:
                p += 1
            q = p
            while q < above1 and runs[q, 1] <= runs[r, 2]:
                if sign[q] == sign[r]:
                    _unite(parent, q, r)
                q += 1
        above0, above1 = start, end
        start = end
    k = 0
    for r in range(n):
        root = _root(parent, r)
        if root == r:
            runs[r, 3] = k
            k += 1
        else:
            runs[r, 3] = runs[root, 3]
    return k


@kernel
def tally_runs(runs, row0, col0, grains, smooth, mask, cells, seeds, sums, shallow, deep, deepest):  # type: ignore[no-untyped-def]
    """Cells, seeds, Σ grains and depths of each part. Arrays of the tile begin at (row0, col0)."""
    for r in range(runs.shape[0]):
        i = runs[r, 0] - row0
        k = runs[r, 3]
        for j in range(runs[r, 1] - col0, runs[r, 2] - col0):
            cells[k] += 1
            sums[k] += grains[i, j]
            if abs(mask[i, j]) == 2:
                seeds[k] += 1
            size = abs(smooth[i, j])
            if size < shallow[k]:
                shallow[k] = size
            if size > deep[k]:
                deep[k] = size
                deepest[k, 0] = runs[r, 0]
                deepest[k, 1] = j + col0


@kernel
def tally_layer(runs, row0, col0, grains, weights, weighted, covered):  # type: ignore[no-untyped-def]
    """Σ grains·weight and Σ weight of each part for one layer of weights."""
    for r in range(runs.shape[0]):
        i = runs[r, 0] - row0
        k = runs[r, 3]
        for j in range(runs[r, 1] - col0, runs[r, 2] - col0):
            w = np.int64(weights[i, j])
            weighted[k] += grains[i, j] * w
            covered[k] += w


@kernel
def tally_levels(runs, row0, col0, grains, before, weights, edges, levels):  # type: ignore[no-untyped-def]
    """Σ weight·(rise within each slab of height); ``edges`` ascend, in grains.

    Between two levels a cell's rise is clip(after) - clip(before); the slabs' sum is the whole rise.
    """
    slabs = edges.size - 1
    for r in range(runs.shape[0]):
        i = runs[r, 0] - row0
        k = runs[r, 3]
        for j in range(runs[r, 1] - col0, runs[r, 2] - col0):
            w = np.int64(weights[i, j])
            if w == 0:
                continue
            a = np.int64(np.floor(np.float64(before[i, j]) * 65536.0 + 0.5))
            b = a + grains[i, j]
            for s in range(slabs):
                low = edges[s] if s > 0 else min(a, b, edges[0])
                high = edges[s + 1] if s < slabs - 1 else max(a, b, edges[slabs])
                levels[k, s] += w * (min(max(b, low), high) - min(max(a, low), high))


def keep(parts: Parts, wanted: NDArray[np.bool_]) -> Parts:
    """Only the wanted parts, renumbered in order."""
    number = np.cumsum(wanted) - 1
    of_run = parts.runs[:, 3]
    runs = parts.runs[wanted[of_run]].copy()
    runs[:, 3] = number[runs[:, 3]]
    return Parts(
        runs,
        parts.sign[wanted],
        parts.cells[wanted],
        parts.seeds[wanted],
        parts.sums[wanted],
        parts.weighted[wanted],
        parts.covered[wanted],
        parts.shallow_m[wanted],
        parts.deep_m[wanted],
        parts.deepest[wanted],
        parts.levels[wanted],
    )


def touching(runs: Runs, count: int, row0: int, row1: int, col0: int, col1: int) -> NDArray[np.bool_]:
    """Parts with a run on the tile's outermost rows or columns: they may go on in a neighbour."""
    on_edge = (runs[:, 0] == row0) | (runs[:, 0] == row1 - 1) | (runs[:, 1] == col0) | (runs[:, 2] == col1)
    out = np.zeros(count, np.bool_)
    out[runs[on_edge, 3]] = True
    return out


def join(parts: list[Parts]) -> tuple[Runs, NDArray[np.int64]]:
    """Join parts across tiles.

    Returns
    -------
    runs : all runs in reading order, the last column holding the joined region's number.
    region : (all parts,) region number of each part, parts counted through the list in order.

    Regions are numbered by their first cell in reading order, which no tiling can change.
    """
    offsets = np.cumsum([0] + [p.count for p in parts])
    total = int(offsets[-1])
    if total == 0:
        return np.empty((0, 4), np.int32), np.empty(0, np.int64)
    runs = np.concatenate([p.runs for p in parts])
    part = np.concatenate([p.runs[:, 3].astype(np.int64) + o for p, o in zip(parts, offsets, strict=False)])
    sign = np.concatenate([p.sign for p in parts])
    # Stretches are in order already, which a merging sort of one key makes use of.
    order = np.argsort((runs[:, 0].astype(np.int64) << 32) + runs[:, 1], kind="stable")
    runs, part = np.ascontiguousarray(runs[order]), part[order]
    parent = np.arange(total)
    _join_rows(runs, part, sign, parent)
    roots = _roots(parent)
    number = np.full(total, -1, np.int64)
    _number_regions(runs, part, roots, number)
    return runs, number[roots]


@kernel
def _number_regions(runs, part, roots, number):  # type: ignore[no-untyped-def]
    """First appearance in reading order numbers the regions."""
    n = 0
    for r in range(runs.shape[0]):
        root = roots[part[r]]
        if number[root] < 0:
            number[root] = n
            n += 1
        runs[r, 3] = number[root]


@kernel
def _join_rows(runs, part, sign, parent):  # type: ignore[no-untyped-def]
    n = runs.shape[0]
    above0, above1 = 0, 0
    start = 0
    while start < n:
        row = runs[start, 0]
        end = start
        while end < n and runs[end, 0] == row:
            end += 1
        if above1 > above0 and runs[above0, 0] != row - 1:
            above0 = above1
        p = above0
        for r in range(start, end):
            # Two runs of one row touch where a tile's edge cut them.
            if r > start and runs[r - 1, 2] == runs[r, 1] and sign[part[r - 1]] == sign[part[r]]:
                _unite(parent, part[r - 1], part[r])
            while p < above1 and runs[p, 2] < runs[r, 1]:
                p += 1
            q = p
            while q < above1 and runs[q, 1] <= runs[r, 2]:
                if sign[part[q]] == sign[part[r]]:
                    _unite(parent, part[q], part[r])
                q += 1
        above0, above1 = start, end
        start = end


@kernel
def _roots(parent):  # type: ignore[no-untyped-def]
    out = np.empty_like(parent)
    for a in range(parent.size):
        out[a] = _root(parent, a)
    return out


def exact_sums(values: NDArray[np.int64], group: NDArray[np.int64], groups: int) -> NDArray[np.float64]:
    """Σ of 64-bit whole numbers by group: nothing overflows, and each sum is rounded once."""
    high, low = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    _sum_halves(np.ascontiguousarray(values), group, high, low)
    fits = (np.abs(high) < 1 << 37) & (low < 1 << 61)
    if fits.all():
        return ((high << 24) + low).astype(np.float64)
    return np.array([(int(h) << 24) + int(l) for h, l in zip(high, low, strict=True)], np.float64)


@kernel
def _sum_halves(values, group, high, low):  # type: ignore[no-untyped-def]
    for i in range(values.size):
        high[group[i]] += values[i] >> 24
        low[group[i]] += values[i] & 16777215
