"""Where the cells of the job grid fall in the other survey's file.

Two cases, told apart once:

* the same reference system: rows map to rows and columns to columns, so resampling is *separable*:
  each target row (column) is a short weighted sum of source rows (columns). Cells as large as the source's
  or larger average what they overlap, about their own centre, which for equal cells *is* bilinear
  interpolation; smaller ones interpolate linearly. Either way a plane stays that plane.
* another reference system: the exact transformation at the nodes of a lattice, fixed to absolute cell
  indices so that no tiling can change it, and linear in between.

All results depend on absolute indices of the job grid only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid

if TYPE_CHECKING:
    from pyproj import Transformer

NODE_CELLS = 64
"""Spacing of the lattice. Between nodes the transformation is taken as linear; `Lattice` checks the error."""


@dataclass(frozen=True, slots=True)
class Taps:
    """For each target index: first source index and weights, which sum to one. Unused taps weigh zero.

    The arrays are shared: tiles of one row or column ask for the same. Nobody writes to them.
    """

    first: NDArray[np.int64]  # (n,)
    count: NDArray[np.int64]  # (n,)
    weight: NDArray[np.float64]  # (n, k)

    @property
    def low(self) -> int:
        return int(self.first.min())

    @property
    def high(self) -> int:
        """One past the last source index touched."""
        return int((self.first + self.count).max())

    @property
    def unit(self) -> bool:
        """Whether every target cell takes the same share of the next source cells."""
        return bool((np.diff(self.first) == 1).all() and (self.weight == self.weight[0]).all())


@lru_cache(maxsize=256)
def taps(target0: int, n: int, origin: float, ratio: float) -> Taps:
    """Weights of source samples for ``n`` target cells from absolute index ``target0``.

    ``origin`` is the position of the *edge* of target cell 0 in source cells (0 = edge of source cell 0), and
    ``ratio`` the target cell's size in source cells.
    """
    index = np.arange(target0, target0 + n, dtype=np.float64)
    # Positions are rounded to 2⁻²⁰ of a source cell: surveys on one lattice then meet cell on cell exactly.
    grain = float(1 << 20)
    if ratio >= 1 - 1e-9:
        left = np.round((origin + index * ratio) * grain) / grain
        right = np.round((origin + (index + 1) * ratio) * grain) / grain
        first = np.floor(left).astype(np.int64)
        last = np.ceil(right).astype(np.int64)  # exclusive
        k = max(1, int((last - first).max()))
        source = first[:, None] + np.arange(k)[None, :]
        overlap = np.minimum(right[:, None], source + 1) - np.maximum(left[:, None], source)
        weight = np.maximum(overlap, 0.0)
        weight /= weight.sum(axis=1, keepdims=True)
        # Source cells cut by the target's edge pull its mean off centre, which on a slope is height: the two
        # outermost cells make up for it, so that a plane stays a plane.
        count = last - first
        centre = (weight * (source + 0.5)).sum(axis=1)
        off = (left + right) / 2 - centre
        ends = np.where(count > 1, off / np.maximum(count - 1, 1), 0.0)
        weight[:, 0] -= ends
        weight[np.arange(n), count - 1] += ends
        return Taps(first, count, weight)
    centre = np.round((origin + (index + 0.5) * ratio - 0.5) * grain) / grain
    first = np.floor(centre).astype(np.int64)
    part = centre - first
    weight = np.stack([1 - part, part], axis=1)
    return Taps(first, np.where(part > 0, 2, 1).astype(np.int64), weight)


@dataclass(frozen=True, slots=True)
class Separable:
    """Both surveys in one reference system. ``*_origin``/``*_ratio`` as in :func:`taps`."""

    row_origin: float
    row_ratio: float
    col_origin: float
    col_ratio: float

    def rows(self, piece: Grid) -> Taps:
        return taps(piece.row0, piece.height, self.row_origin, self.row_ratio)

    def cols(self, piece: Grid) -> Taps:
        return taps(piece.col0, piece.width, self.col_origin, self.col_ratio)


@dataclass(frozen=True, slots=True)
class Lattice:
    """Two reference systems: fractional source (row, col) of cell *centres*, at nodes of absolute indices.

    ``oversample`` target sub-samples a side are averaged when the source's cells are much smaller.
    """

    job: Grid
    source: Grid
    east_shift: float
    north_shift: float
    oversample: int

    def nodes(self, piece: Grid) -> tuple[int, int, NDArray[np.float64], NDArray[np.float64]]:
        """First node's absolute (row, col), and source rows and cols at the nodes that enclose ``piece``."""
        # One node more on each side than the cells need: sub-samples reach half a cell beyond them.
        r0 = (piece.row0 // NODE_CELLS - 1) * NODE_CELLS
        c0 = (piece.col0 // NODE_CELLS - 1) * NODE_CELLS
        nr = (piece.row0 + piece.height - r0) // NODE_CELLS + 2
        nc = (piece.col0 + piece.width - c0) // NODE_CELLS + 2
        rows = r0 + NODE_CELLS * np.arange(nr, dtype=np.float64)
        cols = c0 + NODE_CELLS * np.arange(nc, dtype=np.float64)
        row, col = self.at(*np.meshgrid(rows, cols, indexing="ij"))
        return r0, c0, row, col

    def at(
        self, row: NDArray[np.float64], col: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Exact source (row, col) of absolute job cells."""
        east = self.job.west + (col + 0.5) * self.job.cell_east - self.east_shift
        north = self.job.north - (row + 0.5) * self.job.cell_north - self.north_shift
        east, north = transformer(self.job.crs_wkt, self.source.crs_wkt).transform(east, north)
        return self.source.row_col(east, north)


@lru_cache(maxsize=16)
def transformer(from_wkt: str, to_wkt: str) -> Transformer:
    """A pyproj transformer that refuses to be approximately right."""
    from pyproj import Transformer

    return Transformer.from_crs(from_wkt, to_wkt, always_xy=True, allow_ballpark=False, only_best=True)


Mapping = Separable | Lattice


def map_onto(job: Grid, source: Grid, east_shift: float = 0.0, north_shift: float = 0.0) -> Mapping:
    """How ``source``, moved by the shift in metres of the job's system, is read on the job grid."""
    if job.crs == source.crs:
        return Separable(
            row_origin=(source.north - job.north + north_shift) / source.cell_north - source.row0,
            row_ratio=job.cell_north / source.cell_north,
            col_origin=(job.west - source.west - east_shift) / source.cell_east - source.col0,
            col_ratio=job.cell_east / source.cell_east,
        )
    ratio = max(job.cell_east / source.cell_east, job.cell_north / source.cell_north)
    oversample = 1 if ratio < 1.5 else min(8, math.ceil(ratio))
    return Lattice(job, source, east_shift, north_shift, oversample)


def source_window(mapping: Mapping, piece: Grid) -> tuple[int, int, int, int]:
    """Source rows [r0, r1) and columns [c0, c1) that the cells of ``piece`` need; may overhang the source."""
    if isinstance(mapping, Separable):
        rows, cols = mapping.rows(piece), mapping.cols(piece)
        return rows.low, rows.high, cols.low, cols.high
    _, _, row, col = mapping.nodes(piece)
    # One cell for interpolation, half a target cell for sub-samples.
    reach = 2 + mapping.oversample
    return (
        math.floor(row.min()) - reach,
        math.ceil(row.max()) + reach + 1,
        math.floor(col.min()) - reach,
        math.ceil(col.max()) + reach + 1,
    )
