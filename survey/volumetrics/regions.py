"""Regions of real change, with everything about them that could be added up during the sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from survey.dem.contrast import Nodes
from survey.dem.rise import GRAINS_PER_M
from survey.grid import Grid
from survey.jit import kernel
from survey.volumetrics.runs import Parts, Runs, exact_sums, join

FULL = 4096
N = TypeVar("N", bound=np.generic)
PER_REGION = (
    "sign", "cells", "seeds", "rise_m3", "layer_m3", "layer_m2", "levels_m3",
    "shallow_m", "deep_m", "deepest", "first", "box",
)  # fmt: skip
"""The fields of ``Regions`` that have a row per region, in their order."""


@dataclass(frozen=True)
class Regions:
    """Joined regions, numbered by their first cell in reading order. Arrays are (n,) unless said otherwise.

    ``rise_m3`` is signed: negative for cut. ``layer_m3`` and ``layer_m2`` are (n, layers).
    """

    job: Grid
    runs: Runs
    starts: NDArray[np.int64]  # (n + 1,) runs of region k are order[starts[k]:starts[k + 1]]
    order: NDArray[np.int64]
    sign: NDArray[np.int8]
    cells: NDArray[np.int64]
    seeds: NDArray[np.int64]
    rise_m3: NDArray[np.float64]
    layer_m3: NDArray[np.float64]
    layer_m2: NDArray[np.float64]
    levels_m3: NDArray[np.float64]  # (n, slabs)
    shallow_m: NDArray[np.float64]
    deep_m: NDArray[np.float64]
    deepest: NDArray[np.int64]  # (n, 2)
    first: NDArray[np.int64]  # (n, 2) first cell in reading order
    box: NDArray[np.int64]  # (n, 4) row0, row1, col0, col1

    @property
    def count(self) -> int:
        return int(self.sign.size)

    @property
    def area_m2(self) -> NDArray[np.float64]:
        return self.cells.astype(np.float64) * self.job.cell_area_m2

    def runs_of(self, k: int) -> Runs:
        return self.runs[self.order[self.starts[k] : self.starts[k + 1]]]

    def keep(self, wanted: NDArray[np.bool_]) -> Regions:
        """Only the wanted regions, in the same order."""
        number = np.cumsum(wanted) - 1
        runs = self.runs[wanted[self.runs[:, 3]]].copy()
        runs[:, 3] = number[runs[:, 3]]
        order, starts = _by_region(runs, int(wanted.sum()))
        return Regions(self.job, runs, starts, order, *(getattr(self, f)[wanted] for f in PER_REGION))

    def merged(self, group: NDArray[np.int64]) -> Regions:
        """Regions of one group as one; ``group[k]`` is the smallest number of its group."""
        heads, into = np.unique(group, return_inverse=True)
        n = heads.size

        def added(values: NDArray[N]) -> NDArray[N]:
            out = np.zeros((n, *values.shape[1:]), values.dtype)
            np.add.at(out, into, values)
            return out

        runs = self.runs.copy()
        runs[:, 3] = into[runs[:, 3]]
        order, starts = _by_region(runs, n)
        shallow, deep = np.full(n, np.inf), np.zeros(n)
        np.minimum.at(shallow, into, self.shallow_m)
        np.maximum.at(deep, into, self.deep_m)
        deepest = np.zeros((n, 2), np.int64)
        for k in reversed(range(self.count)):
            if self.deep_m[k] == deep[into[k]]:
                deepest[into[k]] = self.deepest[k]
        box, first = _boxes(runs, n)
        return Regions(
            self.job,
            runs,
            starts,
            order,
            self.sign[heads],
            added(self.cells),
            added(self.seeds),
            added(self.rise_m3),
            added(self.layer_m3),
            added(self.layer_m2),
            added(self.levels_m3),
            shallow,
            deep,
            deepest,
            first,
            box,
        )

    def widened(self, by: Regions, of: NDArray[np.int64]) -> Regions:
        """The same regions under the same numbers, each with what it is widened by.

        ``of``: (by.count,) which region each of ``by`` is added to. They share no cell. How shallow and how
        deep a region is remains what it was where it stands out.
        """

        def more(values: NDArray[N], added: NDArray[N]) -> NDArray[N]:
            out = values.copy()
            np.add.at(out, of, added)
            return out

        extra = by.runs.copy()
        extra[:, 3] = of[extra[:, 3]]
        runs = np.concatenate([self.runs, extra])
        runs = np.ascontiguousarray(runs[np.lexsort((runs[:, 1], runs[:, 0]))])
        order, starts = _by_region(runs, self.count)
        box, first = _boxes(runs, self.count)
        return replace(
            self,
            runs=runs,
            starts=starts,
            order=order,
            cells=more(self.cells, by.cells),
            rise_m3=more(self.rise_m3, by.rise_m3),
            layer_m3=more(self.layer_m3, by.layer_m3),
            layer_m2=more(self.layer_m2, by.layer_m2),
            levels_m3=more(self.levels_m3, by.levels_m3),
            first=first,
            box=box,
        )

    def piece(self, k: int, margin_cells: int = 0) -> Grid:
        """The job grid around one region."""
        r0, r1, c0, c1 = self.box[k]
        j = self.job
        r0, c0 = max(r0 - margin_cells - j.row0, 0), max(c0 - margin_cells - j.col0, 0)
        r1, c1 = min(r1 + margin_cells - j.row0, j.height), min(c1 + margin_cells - j.col0, j.width)
        return j[int(r0) : int(r1), int(c0) : int(c1)]

    def mask(self, k: int, piece: Grid) -> NDArray[np.bool_]:
        """Cells of region ``k`` within ``piece``."""
        out = np.zeros(piece.shape, np.bool_)
        _paint(self.runs_of(k), piece.row0, piece.col0, out)
        return out

    def owners(self, piece: Grid) -> NDArray[np.int32]:
        """(rows, cols) number of the region that each cell of a piece belongs to, -1 where none."""
        out = np.full(piece.shape, -1, np.int32)
        r0, c0 = piece.row0, piece.col0
        low, high = np.searchsorted(self.runs[:, 0], (r0, r0 + piece.height))
        _paint_numbers(self.runs[low:high], r0, c0, out)
        return out

    def node_areas(self, nodes: Nodes) -> NDArray[np.float64]:
        """(n, nodes) square metres of each region in each node of a coarse lattice."""
        out = np.zeros((self.count, nodes.count))
        j = nodes.job
        _spread(self.runs, j.row0, j.col0, nodes.side, nodes.cols, out)
        return out * self.job.cell_area_m2

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.count))


def gather(
    parts: list[Parts], job: Grid, least_seeds: int = 1, *, layers: int = 0, slabs: int = 0
) -> Regions:
    """Join the parts that the tiles found; what holds no seed is noise and is left out.

    ``layers`` and ``slabs``: how many there are where no tile found a part that could tell.
    """
    runs, region = join(parts)
    n = int(runs[:, 3].max()) + 1 if runs.size else 0
    layers = parts[0].weighted.shape[1] if parts else layers
    slabs = parts[0].levels.shape[1] if parts else slabs

    def column(name: str) -> NDArray[np.int64]:
        return np.concatenate([getattr(p, name) for p in parts]) if parts else np.empty(0, np.int64)

    def volumes(values: NDArray[np.int64], unit: int) -> NDArray[np.float64]:
        return exact_sums(values, region, n) * (job.cell_area_m2 / unit)

    weighted, covered, levels = (
        np.concatenate([getattr(p, name) for p in parts]) if parts else np.empty((0, width), np.int64)
        for name, width in (("weighted", layers), ("covered", layers), ("levels", slabs))
    )
    cells, seeds = (
        np.bincount(region, weights=column(c), minlength=n).astype(np.int64) for c in ("cells", "seeds")
    )
    sign = np.zeros(n, np.int8)
    shallow, deep = np.full(n, np.inf), np.zeros(n)
    deepest = np.zeros((n, 2), np.int64)
    if n:
        sign[region] = column("sign")
        np.minimum.at(shallow, region, column("shallow_m").astype(np.float64))
        here = column("deep_m").astype(np.float64)
        np.maximum.at(deep, region, here)
        spots = column("deepest")
        # Of equally deep cells the first in reading order, whichever tile saw it.
        at = np.lexsort((spots[:, 1], spots[:, 0]))[::-1]
        at = at[here[at] == deep[region[at]]]
        deepest[region[at]] = spots[at]
    order, starts = _by_region(runs, n)
    box, first = _boxes(runs, n)
    found = Regions(
        job,
        runs,
        starts,
        order,
        sign,
        cells,
        seeds,
        volumes(column("sums"), GRAINS_PER_M) if n else np.empty(0),
        np.stack([volumes(weighted[:, c], GRAINS_PER_M * FULL) for c in range(layers)], axis=1)
        if n and layers
        else np.empty((n, layers)),
        np.stack([volumes(covered[:, c], FULL) for c in range(layers)], axis=1)
        if n and layers
        else np.empty((n, layers)),
        np.stack([volumes(levels[:, c], GRAINS_PER_M * FULL) for c in range(slabs)], axis=1)
        if n and slabs
        else np.empty((n, slabs)),
        shallow,
        deep,
        deepest,
        first,
        box,
    )
    return found.keep(found.seeds >= least_seeds)


def together(*lists: Regions) -> Regions:
    """Regions of lists that share no cell as one list, numbered anew by their first cells."""
    found = [a for a in lists if a.count] or [lists[0]]
    offsets = np.cumsum([0, *(a.count for a in found)])
    runs = np.concatenate([a.runs for a in found])
    runs[:, 3] += np.repeat(offsets[:-1], [len(a.runs) for a in found]).astype(runs.dtype)
    first = np.concatenate([a.first for a in found])
    order = np.lexsort((first[:, 1], first[:, 0]))
    number = np.empty(order.size, np.int64)
    number[order] = np.arange(order.size)
    runs[:, 3] = number[runs[:, 3]]
    runs = np.ascontiguousarray(runs[np.lexsort((runs[:, 1], runs[:, 0]))])
    by_region, starts = _by_region(runs, order.size)
    return Regions(
        found[0].job,
        runs,
        starts,
        by_region,
        *(np.concatenate([getattr(a, f) for a in found])[order] for f in PER_REGION),
    )


def _by_region(runs: Runs, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of the runs region by region, each in reading order, and where each region's begin."""
    starts = np.zeros(n + 1, np.int64)
    np.cumsum(np.bincount(runs[:, 3], minlength=n), out=starts[1:])
    order = np.empty(len(runs), np.int64)
    _deal(runs, starts[:-1].copy(), order)
    return order, starts


@kernel
def _deal(runs, at, order):  # type: ignore[no-untyped-def]
    for r in range(runs.shape[0]):
        k = runs[r, 3]
        order[at[k]] = r
        at[k] += 1


def _boxes(runs: Runs, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(n, 4) first and one past the last row, the same of columns; (n, 2) first cell in reading order."""
    big = np.iinfo(np.int64).max
    box = np.tile(np.array([big, 0, big, 0]), (n, 1))
    first = np.zeros((n, 2), np.int64)
    _bound(runs, box, first)
    return box, first


@kernel
def _bound(runs, box, first):  # type: ignore[no-untyped-def]
    for r in range(runs.shape[0]):
        k, row = runs[r, 3], runs[r, 0]
        if box[k, 1] == 0:
            first[k, 0] = row
            first[k, 1] = runs[r, 1]
        box[k, 0] = min(box[k, 0], row)
        box[k, 1] = max(box[k, 1], row + 1)
        box[k, 2] = min(box[k, 2], runs[r, 1])
        box[k, 3] = max(box[k, 3], runs[r, 2])


@kernel
def _paint(runs, row0, col0, out):  # type: ignore[no-untyped-def]
    rows, cols = out.shape
    for r in range(runs.shape[0]):
        i = runs[r, 0] - row0
        if 0 <= i < rows:
            for j in range(max(runs[r, 1] - col0, 0), min(runs[r, 2] - col0, cols)):
                out[i, j] = True


@kernel
def _paint_numbers(runs, row0, col0, out):  # type: ignore[no-untyped-def]
    for r in range(runs.shape[0]):
        i = runs[r, 0] - row0
        for j in range(max(runs[r, 1] - col0, 0), min(runs[r, 2] - col0, out.shape[1])):
            out[i, j] = runs[r, 3]


@kernel
def _spread(runs, row0, col0, side, node_cols, out):  # type: ignore[no-untyped-def]
    for r in range(runs.shape[0]):
        node_row = (runs[r, 0] - row0) // side
        at = runs[r, 1]
        while at < runs[r, 2]:
            node_col = (at - col0) // side
            end = min(runs[r, 2], col0 + (node_col + 1) * side)
            out[runs[r, 3], node_row * node_cols + node_col] += end - at
            at = end
