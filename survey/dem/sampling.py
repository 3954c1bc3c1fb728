"""The cells from which alignment and noise are learnt: a lattice of windows over the common ground.

A small scene is read whole; of a large one a few dozen windows are enough: 10,000 cells recover a sub-cell
shift to a millimetre, and correlated noise is limited by how far apart the windows lie, not by how many cells
they hold. Windows are fixed to absolute cells of the job grid, so neither tiles nor workers change them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from survey.dem.mapping import Lattice, Separable, map_onto, source_window
from survey.grid import Grid
from survey.jit import kernel

WINDOW_CELLS = 256
WINDOWS_A_SIDE = 8
WHOLE_CELLS = 2304
"""Scenes up to this many cells a side are read whole."""
REACH_M = 8.0
"""The later survey is read this far around each window, so that it can be moved without reading again."""
MOST_MARGIN_CELLS = 96
SLOPE_REACH_M = 0.75
"""Slopes are taken over this distance to both sides: wide enough to see ground rather than texture."""


class Readable(Protocol):
    @property
    def grid(self) -> Grid: ...
    @property
    def block(self) -> tuple[int, int]: ...
    def read(self, piece: Grid) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Window:
    """Both surveys on one window of the job grid; the later with a margin, on its own cells."""

    piece: Grid
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    after_grid: Grid


def read_whole(job: Grid) -> bool:
    return job.height <= WHOLE_CELLS and job.width <= WHOLE_CELLS


def windows(job: Grid) -> list[list[Grid]]:
    """Where to look: a small grid as one window, or a lattice of windows over a large one, row by row."""
    if read_whole(job):
        return [[job]]
    side = WINDOW_CELLS
    columns = _spread(job.width, side)
    return [[job[r : r + side, c : c + side] for c in columns] for r in _spread(job.height, side)]


def _spread(length: int, side: int) -> list[int]:
    """Starts of windows over ``length`` cells: all of them if few fit, else evenly spread."""
    fit = -(-length // side)
    if fit <= WINDOWS_A_SIDE:
        return [k * side for k in range(fit)]
    step = (length - side) / (WINDOWS_A_SIDE - 1)
    return [min(round(k * step / side) * side, length - side) for k in range(WINDOWS_A_SIDE)]


def load(before: Readable, after: Readable, row: list[Grid]) -> list[Window]:
    """Read a row of windows of both surveys."""
    there = [_around(after.grid, piece) for piece in row]
    read = zip(row, _side_by_side(before, row), _side_by_side(after, there), there, strict=True)
    return [Window(*window) for window in read]


def _around(after: Grid, piece: Grid) -> Grid:
    """The piece of the later survey's grid under a window, with its margin."""
    r0, r1, c0, c1 = source_window(map_onto(piece, after), piece)
    margin = min(math.ceil(REACH_M / after.cell_m) + 2, MOST_MARGIN_CELLS)
    return after.at(r0 - margin, r1 + margin, c0 - margin, c1 + margin)


def _side_by_side(surface: Readable, pieces: list[Grid]) -> list[NDArray[np.float32]]:
    """Pieces of much the same rows. Strips run across the file: each is decoded once for all of them."""
    if len(pieces) == 1 or surface.block[1] < surface.grid.width:
        return [surface.read(piece) for piece in pieces]
    r0, c0 = min(p.row0 for p in pieces), min(p.col0 for p in pieces)
    r1, c1 = max(p.row0 + p.height for p in pieces), max(p.col0 + p.width for p in pieces)
    whole = surface.read(surface.grid.at(r0, r1, c0, c1))
    return [
        whole[p.row0 - r0 : p.row0 - r0 + p.height, p.col0 - c0 : p.col0 - c0 + p.width].copy()
        for p in pieces
    ]


@dataclass(frozen=True)
class Points:
    """Sampled cells, window by window in reading order. All arrays are (n,).

    ``slope_east``/``slope_north`` are the rise per metre of the earlier ground.
    """

    row: NDArray[np.float64]
    col: NDArray[np.float64]
    east: NDArray[np.float64]
    north: NDArray[np.float64]
    before: NDArray[np.float64]
    slope_east: NDArray[np.float64]
    slope_north: NDArray[np.float64]
    window: NDArray[np.int32]

    @property
    def count(self) -> int:
        return int(self.row.size)

    @property
    def slope(self) -> NDArray[np.float64]:
        return np.hypot(self.slope_east, self.slope_north)


def stride(sample: list[Window], most: int) -> int:
    """Cells between sampled ones so that about ``most`` are taken in all."""
    total = sum(w.piece.height * w.piece.width for w in sample)
    return max(1, math.isqrt(max(1, total // most)))


def points(sample: list[Window], job: Grid, most: int) -> Points:
    """Cells on a regular stride through all windows, measured in the earlier survey."""
    step = stride(sample, most)
    reach = max(1, round(SLOPE_REACH_M / job.cell_m))
    columns: list[list[NDArray[np.float64]]] = [[] for _ in range(8)]
    for index, w in enumerate(sample):
        z = w.before.astype(np.float64)
        if min(z.shape) < 3:
            continue
        slope_east, slope_north = _gradient(z, job.cell_east, job.cell_north, reach)
        # Anchored at absolute indices: the same cells are taken whatever the windows.
        r = np.arange(-w.piece.row0 % step, w.piece.height, step)
        c = np.arange(-w.piece.col0 % step, w.piece.width, step)
        rr, cc = (a.ravel() for a in np.meshgrid(r, c, indexing="ij"))
        ok = np.isfinite(z[rr, cc] + slope_east[rr, cc] + slope_north[rr, cc])
        rr, cc = rr[ok], cc[ok]
        east, north = w.piece.east_north(rr, cc)
        here = (
            rr + w.piece.row0,
            cc + w.piece.col0,
            east,
            north,
            z[rr, cc],
            slope_east[rr, cc],
            slope_north[rr, cc],
            np.full(rr.size, index),
        )
        for store, values in zip(columns, here, strict=True):
            store.append(np.asarray(values, np.float64))
    joined = [np.concatenate(store) if store else np.empty(0) for store in columns]
    row, col, east, north, z, slope_east, slope_north, window = joined
    return Points(row, col, east, north, z, slope_east, slope_north, window.astype(np.int32))


def _gradient(
    z: NDArray[np.float64], cell_east: float, cell_north: float, reach: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Central differences over ``2·reach`` cells (fewer at the edge): rise per metre east and north."""
    rows, cols = z.shape
    up = np.maximum(np.arange(rows) - reach, 0)
    down = np.minimum(np.arange(rows) + reach, rows - 1)
    left = np.maximum(np.arange(cols) - reach, 0)
    right = np.minimum(np.arange(cols) + reach, cols - 1)
    north = (z[up] - z[down]) / ((down - up) * cell_north)[:, None]
    east = (z[:, right] - z[:, left]) / ((right - left) * cell_east)[None, :]
    return east, north


class Resampler:
    """The later survey at the sampled cells, for any shift, from what was read once."""

    def __init__(self, sample: list[Window], at: Points, job: Grid, after_grid: Grid) -> None:
        self._blocks = []
        self.n = at.count
        mapping = map_onto(job, after_grid)
        for index, w in enumerate(sample):
            inside = np.flatnonzero(at.window == index)
            if inside.size == 0:
                continue
            if isinstance(mapping, Separable):
                row = mapping.row_origin + (at.row[inside] + 0.5) * mapping.row_ratio - 0.5
                col = mapping.col_origin + (at.col[inside] + 0.5) * mapping.col_ratio - 0.5
                per_cell = np.array([[0.0, -mapping.row_ratio], [mapping.col_ratio, 0.0]])
            else:
                row, col, per_cell = _linearised(mapping, w.piece, at.row[inside], at.col[inside])
            # Source rows and columns per metre east and north.
            per_m = per_cell / np.array([job.cell_east, job.cell_north])
            z, off = _matched(w.after, job, after_grid)
            row, col = row - w.after_grid.row0 + off, col - w.after_grid.col0 + off
            self._blocks.append((inside, z, row, col, per_m))

    def at(
        self, east_shift: float, north_shift: float, index: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """(n,) heights of the later survey, moved by the shift in metres; NaN = not measured there.

        Only the points of ``index`` (ascending), if it is given.
        """
        out = np.full(self.n if index is None else index.size, np.nan)
        for inside, after, row, col, per_m in self._blocks:
            move = per_m @ np.array([east_shift, north_shift])
            if index is None:
                _bilinear(after, row, col, move[0], move[1], inside, out)
                continue
            # ``inside`` is a stretch of consecutive points, since points are made window by window.
            a, b = np.searchsorted(index, [inside[0], inside[-1] + 1])
            k = index[a:b] - inside[0]
            _bilinear(after, row[k], col[k], move[0], move[1], np.arange(a, b), out)
        return out


def _linearised(
    mapping: Lattice, piece: Grid, row: NDArray[np.float64], col: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Exact source positions, and their change per job cell east and north at the window's centre."""
    r, c = mapping.at(row, col)
    mid_row, mid_col = piece.row0 + piece.height / 2, piece.col0 + piece.width / 2
    rr, cc = mapping.at(np.array([mid_row, mid_row, mid_row - 1]), np.array([mid_col, mid_col + 1, mid_col]))
    return r, c, np.array([[rr[1] - rr[0], rr[2] - rr[0]], [cc[1] - cc[0], cc[2] - cc[0]]])


def _matched(after: NDArray[np.float32], job: Grid, source: Grid) -> tuple[NDArray[np.float64], float]:
    """The later heights averaged to about the job's cell where its own cells are much smaller.

    Also what is to be added to a row or column to find its mean: that of an even number of cells belongs to a
    corner between cells, and stands half a cell farther on.
    """
    from scipy.ndimage import uniform_filter

    size = max(1, round(job.cell_m / source.cell_m))
    z = after.astype(np.float64)
    if size == 1:
        return z, 0.0
    known = np.isfinite(z)
    share = uniform_filter(known.astype(np.float64), size, mode="nearest")
    # Heights are counted from a level near their own, so that the running sums keep their digits.
    level = float(np.median(z[known])) if known.any() else 0.0
    mean = uniform_filter(np.where(known, z - level, 0.0), size, mode="nearest")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(known & (share > 0.5), mean / share + level, np.nan), 0.5 * (size % 2 == 0)


@kernel
def _bilinear(z, row, col, move_row, move_col, place, out):  # type: ignore[no-untyped-def]
    """Heights at (row - move_row, col - move_col), written to ``out[place]``; NaN beyond the window."""
    rows, cols = z.shape
    for k in range(row.size):
        v = row[k] - move_row
        u = col[k] - move_col
        i = int(np.floor(v))
        j = int(np.floor(u))
        if i < 0 or j < 0 or i + 1 >= rows or j + 1 >= cols:
            out[place[k]] = np.nan
            continue
        a = v - i
        b = u - j
        upper = (1 - b) * z[i, j] + b * z[i, j + 1]
        lower = (1 - b) * z[i + 1, j] + b * z[i + 1, j + 1]
        out[place[k]] = (1 - a) * upper + a * lower
