"""Both surveys around one region, read again where something has to be looked at closely."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from survey.dem.mapping import Mapping, source_window
from survey.dem.rise import Correction, metres, rise
from survey.grid import Grid
from survey.jit import kernel
from survey.volumetrics.regions import Regions


class Readable(Protocol):
    @property
    def grid(self) -> Grid: ...
    def read(self, piece: Grid) -> NDArray[np.float32]: ...


MOST_CELLS = 150_000
"""Larger windows are looked at in blocks of cells: a region of that size has no need of finer ones."""
STRIP_CELLS = 4_000_000


@dataclass(frozen=True)
class RegionWindow:
    """(rows, cols) of blocks of ``step`` × ``step`` cells; heights in metres, NaN = not measured."""

    piece: Grid
    step: int
    before: NDArray[np.float64]
    rise: NDArray[np.float64]
    inside: NDArray[np.bool_]

    @property
    def cell_m(self) -> tuple[float, float]:
        """Height and width of a block."""
        return self.piece.cell_north * self.step, self.piece.cell_east * self.step

    @property
    def grid(self) -> Grid:
        """The blocks as a grid of their own."""
        p = self.piece
        bounds = p.bounds
        north, east = self.cell_m
        return Grid(p.crs_wkt, bounds.west, bounds.north, east, north, *self.inside.shape)


def margin_cells(regions: Regions, k: int) -> int:
    """A margin as wide as half the region, between 6 and 25 m: the surroundings that it is held against."""
    wide = 0.5 * math.sqrt(float(regions.area_m2[k]))
    return max(4, math.ceil(min(max(wide, 6.0), 25.0) / regions.job.cell_m))


def look_at(
    regions: Regions, k: int, before: Readable, after: Readable, mapping: Mapping, correction: Correction
) -> RegionWindow:
    """Read both surveys on region ``k`` and its surroundings."""
    job = regions.job
    piece = regions.piece(k, margin_cells(regions, k))
    polynomial = correction.polynomial(job)
    step = max(1, math.ceil(math.sqrt(piece.height * piece.width / MOST_CELLS)))
    rows = max(step, STRIP_CELLS // max(piece.width, 1) // step * step)
    parts = []
    for r in range(0, piece.height, rows):
        strip = piece[r : min(r + rows, piece.height), :]
        first = before.read(strip)
        r0, r1, c0, c1 = source_window(mapping, strip)
        second = after.read(after.grid.at(r0, r1, c0, c1))
        up = metres(rise(strip, first, second, r0, c0, mapping, polynomial))
        inside = regions.mask(k, strip)
        if step > 1:
            inside = block_means(inside.astype(np.float32), step) >= 0.5
        parts.append((block_means(first, step), block_means(up, step), inside))
    return RegionWindow(piece, step, *(np.concatenate(values) for values in zip(*parts, strict=True)))


def block_means(values: NDArray[np.float32], step: int) -> NDArray[np.float64]:
    """Means of blocks of cells; NaN where less than half of a block is known. What overhangs is left out."""
    if step == 1:
        return values.astype(np.float64)
    out = np.empty((values.shape[0] // step, values.shape[1] // step))
    _block_means(np.ascontiguousarray(values), step, out)
    return out


@kernel
def _block_means(values, step, out):  # type: ignore[no-untyped-def]
    total = np.empty(out.shape[1])
    count = np.empty(out.shape[1], np.int64)
    for r in range(out.shape[0]):
        total[:] = 0.0
        count[:] = 0
        for i in range(r * step, (r + 1) * step):
            line = values[i]
            for c in range(total.size):
                for j in range(c * step, (c + 1) * step):
                    value = line[j]
                    if value == value:
                        total[c] += value
                        count[c] += 1
        for c in range(total.size):
            out[r, c] = total[c] / count[c] if 2 * count[c] >= step * step else np.nan
