"""One pass over the pixels that decides everything.

A *band* of the job grid is read from both files in chunks of whole file blocks, each block decoded once;
rise, verdict, regions and tallies of a chunk are made while it is in the cache, and only runs and whole
numbers are kept. Bands are independent of each other: they may be handed to threads, processes or machines.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from survey.dem.mapping import Mapping, source_window
from survey.dem.rise import GRAINS_PER_M, MISSING, Correction, rise
from survey.grid import Grid
from survey.jit import kernel
from survey.volumetrics import runs as _runs
from survey.volumetrics.change_mask import Thresholds, change_mask
from survey.volumetrics.coarse_sums import CoarseSums, blank, gather_chunk
from survey.volumetrics.settle import Settling

FULL = 4096
"""Weight of a cell that lies wholly inside."""
TILE_COLS = 512

Weights = NDArray[np.uint16] | int
"""Weights of one layer on a piece: an array, or one number where the layer is constant there."""


class Readable(Protocol):
    """A surface as the sweep sees it: a grid, blocks, and float32 heights with NaN of any piece."""

    @property
    def grid(self) -> Grid: ...
    @property
    def block(self) -> tuple[int, int]: ...
    def read_into(self, piece: Grid, out: NDArray[np.float32]) -> None: ...


class Layers(Protocol):
    """Named weights: which part of each cell lies in each zone or polygon."""

    @property
    def names(self) -> tuple[str, ...]: ...
    def weights(self, piece: Grid) -> tuple[Weights, ...]: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a band needs to know. Small, and made of plain values: it travels to other machines."""

    before: Readable
    after: Readable
    mapping: Mapping
    correction: Correction
    job: Grid
    thresholds: Thresholds
    layers: Layers
    level_edges: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    first_ranged: int = 0
    """Layers from this one on are asked for their lowest and highest level, which costs a pass of its own."""
    coarse_block: int = 0
    """Cells a side of the blocks whose means are kept for drawings; 0 keeps none."""


@dataclass(frozen=True, slots=True)
class LayerTotals:
    """Exact sums over everything measured, per layer; the last layer is the whole extent (weight FULL).

    ``rise`` are Σ grains·weight, ``weight`` are Σ weight of measured cells, ``lowest``/``highest`` the later
    heights in metres where any of the layer lies, NaN for layers that are not asked for them.
    """

    rise: tuple[int, ...]
    weight: tuple[int, ...]
    lowest: tuple[float, ...]
    highest: tuple[float, ...]

    def __add__(self, other: LayerTotals) -> LayerTotals:
        return LayerTotals(
            tuple(a + b for a, b in zip(self.rise, other.rise, strict=True)),
            tuple(a + b for a, b in zip(self.weight, other.weight, strict=True)),
            tuple(float(np.fmin(a, b)) for a, b in zip(self.lowest, other.lowest, strict=True)),
            tuple(float(np.fmax(a, b)) for a, b in zip(self.highest, other.highest, strict=True)),
        )


@dataclass(frozen=True, slots=True)
class BandResult:
    """What one band found; results of bands add up."""

    totals: LayerTotals
    parts: tuple[_runs.Parts, ...]
    coarse: CoarseSums | None = None


Sink = Callable[[Grid, NDArray[np.int32]], None]
"""Receives each tile's rise, to be written away."""


def bands(
    job: Grid,
    block: tuple[int, int],
    workers: int,
    tile: int | None = None,
    widest: int = 16384,
    unit: int | None = None,
) -> list[Grid]:
    """Cut the job grid into bands, on block borders, for ``workers`` to share.

    Each border between bands costs one block row decoded twice, so there are as few as keep everyone busy;
    none is wider than memory allows or longer than can be afforded to lose with a worker. With a ``unit``
    they begin at multiples of so many cells from the job's first instead.
    """
    if tile is not None:
        width, height = tile * 4, tile * 4
        unit_rows = unit_cols = tile
    else:
        unit_rows, unit_cols = block[0] * -(-512 // block[0]), block[1]
        width = max(unit_cols, widest // unit_cols * unit_cols)
        height = max(unit_rows, -(-job.height // max(1, workers)))
        height = min(height, max(unit_rows, (1 << 28) // max(1, min(width, job.width))))
    row, col = 0, 0
    if unit is not None:
        unit_rows = unit_cols = unit
        row, col = job.row0, job.col0
    out = []
    for r0, r1 in _cuts(job.row0, job.row0 + job.height, height, unit_rows, row):
        for c0, c1 in _cuts(job.col0, job.col0 + job.width, width, unit_cols, col):
            out.append(job[r0 - job.row0 : r1 - job.row0, c0 - job.col0 : c1 - job.col0])
    return out


def _cuts(low: int, high: int, size: int, unit: int, origin: int = 0) -> Iterator[tuple[int, int]]:
    """Stretches of about ``size`` that begin at ``origin`` + k·``unit``, as even as that allows."""
    pieces = max(1, -(-(high - low) // size))
    marks = {low, high}
    for k in range(1, pieces):
        mark = low + (high - low) * k // pieces
        mark = origin + (mark - origin + unit // 2) // unit * unit
        if low < mark < high:
            marks.add(mark)
    ordered = sorted(marks)
    yield from itertools.pairwise(ordered)


def chunks(band: Grid, rows: int, lead: int = 0) -> Iterator[Grid]:
    """Cut a band into chunks that end ``lead`` rows before multiples of ``rows`` in absolute indices."""
    at = band.row0
    end = band.row0 + band.height
    while at < end:
        nxt = min(end, ((at + lead) // rows + 1) * rows - lead)
        yield band[at - band.row0 : nxt - band.row0, :]
        at = nxt


def tiles(chunk: Grid, cols: int) -> Iterator[Grid]:
    """Cut a chunk into tiles whose sides are multiples of ``cols`` in absolute indices."""
    at, end = chunk.col0, chunk.col0 + chunk.width
    while at < end:
        nxt = min(end, (at // cols + 1) * cols)
        yield chunk[:, at - chunk.col0 : nxt - chunk.col0]
        at = nxt


class RowFeed:
    """Rows of a surface, asked for from north to south, each file block decoded once, into memory kept.

    Columns beyond the surface are not held: ``col0`` says where the held ones begin.
    """

    def __init__(self, surface: Readable, col0: int, col1: int, last_row: int, most_rows: int) -> None:
        grid = surface.grid
        self.surface = surface
        self.col0 = min(max(col0, grid.col0), grid.col0 + grid.width)
        self.col1 = max(self.col0, min(col1, grid.col0 + grid.width))
        self.last_row = min(last_row, grid.row0 + grid.height)
        self.row0 = self.row1 = grid.row0
        self.held = np.empty((most_rows + 2 * surface.block[0], self.col1 - self.col0), np.float32)

    def rows(self, row0: int, row1: int) -> tuple[int, NDArray[np.float32]]:
        """Rows [row0, row1) as far as there are any, and the first row's index; ``row0`` never goes back."""
        grid = self.surface.grid
        row0 = min(max(row0, grid.row0), grid.row0 + grid.height)
        row1 = max(row0, min(row1, grid.row0 + grid.height))
        if self.col1 == self.col0:
            return row0, np.empty((row1 - row0, 0), np.float32)
        if row0 >= self.row1:
            self.row0 = self.row1 = row0
        elif row0 > self.row0:
            keep = self.held[row0 - self.row0 : self.row1 - self.row0]
            self.held[: keep.shape[0]] = keep.copy()
            self.row0 = row0
        if row1 > self.row1:
            block = self.surface.block[0]
            # Whole blocks: what is decoded now is not decoded again.
            upto = max(row1, min(self.last_row, -(-row1 // block) * block))
            need = upto - self.row0
            if need > self.held.shape[0]:
                bigger = np.empty((need, self.held.shape[1]), np.float32)
                bigger[: self.row1 - self.row0] = self.held[: self.row1 - self.row0]
                self.held = bigger
            piece = grid.at(self.row1, upto, self.col0, self.col1)
            self.surface.read_into(piece, self.held[self.row1 - self.row0 : need])
            self.row1 = upto
        return row0, self.held[row0 - self.row0 : row1 - self.row0]


def grown(piece: Grid, job: Grid, halo: int) -> Grid:
    """``piece`` with ``halo`` cells around it, as far as the job grid goes."""
    r0, r1 = max(job.row0, piece.row0 - halo), min(job.row0 + job.height, piece.row0 + piece.height + halo)
    c0, c1 = max(job.col0, piece.col0 - halo), min(job.col0 + job.width, piece.col0 + piece.width + halo)
    return job.at(r0, r1, c0, c1)


class _Memory:
    """Earlier heights, rise, verdict and smoothed rise of a tile and what is needed around it.

    What is added up of them later is handed over as windows: copies of them cost as much as a kernel.
    """

    def __init__(self, room: int) -> None:
        self.held, self.grains = np.empty(room, np.float32), np.empty(room, np.int32)
        self.mask, self.smooth = np.empty(room, np.int8), np.empty(room, np.float32)
        self._verdict = np.empty(room, np.int8)

    def verdict(self, window: NDArray[np.int8]) -> NDArray[np.int8]:
        """A copy without gaps: runs are looked for eight cells at a time."""
        own = self._verdict[: window.size].reshape(window.shape)
        own[...] = window
        return own

    def of(
        self, shape: tuple[int, int]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int8], NDArray[np.float32]]:
        n = shape[0] * shape[1]
        return (
            self.held[:n].reshape(shape),
            self.grains[:n].reshape(shape),
            self.mask[:n].reshape(shape),
            self.smooth[:n].reshape(shape),
        )


def sweep_band(
    plan: Plan,
    band: Grid,
    chunk_rows: int | None = None,
    advance: Callable[[int], None] | None = None,
    sink: Sink | None = None,
) -> BandResult:
    """Rise, regions and tallies of one band.

    ``chunk_rows`` changes memory and speed, never the result. ``advance`` is told of cells done.
    """
    halo = plan.thresholds.halo
    block = plan.before.block[0]
    chunk_rows = chunk_rows or block * -(-512 // block)
    wide = grown(band, plan.job, halo)
    most = min(chunk_rows, band.height) + 2 * halo
    _, last, c0, c1 = source_window(plan.mapping, wide)
    r0, r1, _, _ = source_window(plan.mapping, wide[: min(most, wide.height), :])
    first = RowFeed(plan.before, wide.col0, wide.col0 + wide.width, wide.row0 + wide.height, most)
    second = RowFeed(plan.after, c0, c1, last, r1 - r0)
    polynomial = plan.correction.polynomial(plan.job)
    # Kept from tile to tile: the pages of fresh memory cost more than the arithmetic done on them.
    room = most * min(TILE_COLS + 2 * halo, wide.width)
    memory = _Memory(room)
    totals: LayerTotals | None = None
    settling = Settling(plan.job, band)
    coarse = blank(band, plan.coarse_block) if plan.coarse_block else None
    # A chunk with what it needs around it ends where a row of blocks ends, so that little is kept for the
    # next.
    lead = halo + 2 if chunk_rows > 2 * halo + 4 else 0
    for chunk in chunks(band, chunk_rows, lead):
        piece = grown(chunk, plan.job, halo)
        _, a = first.rows(piece.row0, piece.row0 + piece.height)
        r0, r1, _, _ = source_window(plan.mapping, piece)
        b_row0, b = second.rows(r0, r1)
        # Tiles of this size stay in the cache from the first kernel to the last, and most layers are
        # constant on them, which costs nothing.
        for tile in tiles(chunk, TILE_COLS):
            piece = grown(tile, plan.job, halo)
            held, grains, mask, smooth = memory.of(piece.shape)
            held[...] = a[:, piece.col0 - first.col0 : piece.col0 - first.col0 + piece.width]
            rise(piece, held, b, b_row0, second.col0, plan.mapping, polynomial, grains)
            change_mask(grains, held, plan.job.cell_east, plan.job.cell_north, plan.thresholds, mask, smooth)
            core = (
                slice(tile.row0 - piece.row0, tile.row0 - piece.row0 + tile.height),
                slice(tile.col0 - piece.col0, tile.col0 - piece.col0 + tile.width),
            )
            if coarse is not None:
                gather_chunk(
                    coarse, grains[core[0]], held[core[0]], tile.row0, tile.col0, core[1].start, tile.width
                )
            whole, cells = _whole(grains[core[0]], core[1].start, tile.width)
            held, grains, smooth = held[core], grains[core], smooth[core]
            mask = memory.verdict(mask[core])
            weights = plan.layers.weights(tile)
            here = _totals(int(whole), int(cells), grains, held, weights, plan.first_ranged)
            totals = here if totals is None else totals + here
            settling.add(tile_parts(plan, tile, grains, mask, smooth, held, weights))
            if sink is not None:
                sink(tile, np.ascontiguousarray(grains))
        settling.row_done(chunk.row0 + chunk.height)
        if advance is not None:
            advance(chunk.height * chunk.width)
    assert totals is not None
    return BandResult(totals, settling.parts(), coarse)


def _totals(
    whole: int,
    cells: int,
    grains: NDArray[np.int32],
    before: NDArray[np.float32],
    weights: tuple[Weights, ...],
    first_ranged: int,
) -> LayerTotals:
    """``whole``, ``cells``: Σ grains of the tile, and its measured cells."""
    sums: list[int] = []
    measured: list[int] = []
    low: list[float] = []
    high: list[float] = []
    for index, w in enumerate(weights):
        ranges = index >= first_ranged
        if isinstance(w, int) and w == 0:
            s, n, a, b = 0, 0, math.nan, math.nan
        elif isinstance(w, int):
            a, b = _range(grains, before) if ranges else (math.nan, math.nan)
            s, n = whole * w, cells * w
        else:
            s, n, a, b = _weighted(grains, before, w)
        sums.append(int(s))
        measured.append(int(n))
        low.append(float(a))
        high.append(float(b))
    return LayerTotals((*sums, whole * FULL), (*measured, cells * FULL), (*low, math.nan), (*high, math.nan))


@kernel
def _whole(grains, left, width):  # type: ignore[no-untyped-def]
    """Σ grains and measured cells of ``width`` columns from ``left`` on; ``grains`` lies whole in memory."""
    total = np.int64(0)
    cells = np.int64(0)
    for i in range(grains.shape[0]):
        q = grains[i][left : left + width]
        for j in range(q.size):
            ok = q[j] != -2147483648
            total += q[j] if ok else 0
            cells += 1 if ok else 0
    return total, cells


@kernel
def _range(grains, before):  # type: ignore[no-untyped-def]
    """Lowest and highest later height."""
    low = np.float32(np.inf)
    high = np.float32(-np.inf)
    for i in range(grains.shape[0]):
        q = grains[i]
        a = before[i]
        for j in range(q.size):
            z = a[j] + np.float32(q[j]) * np.float32(1.0 / 65536.0)
            ok = q[j] != -2147483648
            low = z if ok and z < low else low
            high = z if ok and z > high else high
    return (low, high) if low <= high else (np.float32(np.nan), np.float32(np.nan))


@kernel
def _weighted(grains, before, weights):  # type: ignore[no-untyped-def]
    total = np.int64(0)
    covered = np.int64(0)
    low = np.nan
    high = np.nan
    for i in range(grains.shape[0]):
        for j in range(grains.shape[1]):
            q = grains[i, j]
            w = np.int64(weights[i, j])
            if q != -2147483648 and w > 0:
                total += q * w
                covered += w
                z = before[i, j] + np.float32(q) * np.float32(1.0 / 65536.0)
                if not low <= z:
                    low = z
                if not high >= z:
                    high = z
    return total, covered, low, high


def tile_parts(
    plan: Plan,
    chunk: Grid,
    grains: NDArray[np.int32],
    mask: NDArray[np.int8],
    smooth: NDArray[np.float32],
    before: NDArray[np.float32],
    weights: tuple[Weights, ...],
) -> _runs.Parts:
    runs, sign = _runs.find_runs(mask, chunk.row0, chunk.col0)
    k, layers = sign.size, len(weights)
    cells, seeds, sums = (np.zeros(k, np.int64) for _ in range(3))
    shallow, deep = np.full(k, np.inf, np.float32), np.zeros(k, np.float32)
    deepest = np.zeros((k, 2), np.int64)
    _runs.tally_runs(
        runs, chunk.row0, chunk.col0, grains, smooth, mask, cells, seeds, sums, shallow, deep, deepest
    )
    blank = np.zeros((k, layers), np.int64)
    slabs = max(0, plan.level_edges.size - 1)
    found = _runs.Parts(
        runs, sign, cells, seeds, sums, blank, blank, shallow, deep, deepest, np.zeros((k, slabs), np.int64)
    )
    # Noise leaves many small parts: those that cannot become a region end here, before anything costs.
    alive = (seeds > 0) | _runs.touching(
        runs, k, chunk.row0, chunk.row0 + chunk.height, chunk.col0, chunk.col0 + chunk.width
    )
    found = _runs.keep(found, alive)
    weighted = np.zeros((found.count, layers), np.int64)
    covered = np.zeros((found.count, layers), np.int64)
    for index, w in enumerate(weights):
        if isinstance(w, int):
            weighted[:, index] = found.sums * w
            covered[:, index] = found.cells * w
        else:
            s, c = np.zeros(found.count, np.int64), np.zeros(found.count, np.int64)
            _runs.tally_layer(found.runs, chunk.row0, chunk.col0, grains, w, s, c)
            weighted[:, index], covered[:, index] = s, c
    levels = np.zeros((found.count, slabs), np.int64)
    if slabs and found.count:
        lease = weights[0] if weights else FULL
        if isinstance(lease, int):
            lease = np.full(grains.shape, lease, np.uint16)
        _runs.tally_levels(
            found.runs, chunk.row0, chunk.col0, grains, before, lease, plan.level_edges, levels
        )
    return _runs.Parts(
        found.runs,
        found.sign,
        found.cells,
        found.seeds,
        found.sums,
        weighted,
        covered,
        found.shallow_m,
        found.deep_m,
        found.deepest,
        levels,
    )


__all__ = ["FULL", "GRAINS_PER_M", "MISSING", "BandResult", "LayerTotals", "Plan", "bands", "sweep_band"]
