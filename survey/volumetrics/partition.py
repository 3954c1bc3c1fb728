"""Which cells make up one body: weak lobes that leaked onto it, pieces and ground that it surrounds.

Pure functions on masks. Who decides between two ways to cut, and counts again, stands in
:mod:`survey.pipelines.change.workings`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.jit import kernel
from survey.volumetrics.regions import Regions

Bools = NDArray[np.bool_]

TAPER = 0.15
"""The slope with which a real change is taken to run out at its rim, as a tangent."""
BAND_M = 12.0
BAND_ELONGATION = 4.0
"""A region no wider than this and so many times as long is taken for the face of a bench."""
LATTICE_CELLS = 400_000
"""Regions are looked at for what they surround on a lattice of at most so many cells."""


def reach_m(certain_m: float, low_m: float, side_m: float) -> float:
    """How far from a certain change its rim may lie: it runs out at ``TAPER``, and smoothing smears it."""
    return max(certain_m - low_m, 0.0) / TAPER + side_m / 2


def core_of(strong: Bools, inside: Bools, reach_cells: float) -> Bools:
    """Cells of a region within reach of its certain ones; farther out lies what noise joined on."""
    from scipy.ndimage import distance_transform_edt

    if not strong.any():
        return inside
    return inside & (distance_transform_edt(~strong) <= reach_cells)


@dataclass(frozen=True)
class Enclosure:
    """What a region's outline encloses, on a lattice of ``step`` × ``step`` cells from (row0, col0)."""

    row0: int
    col0: int
    step: int
    own: Bools
    whole: Bools

    @property
    def open_cells(self) -> int:
        """Cells of the lattice that are enclosed and not the region's own."""
        return int(self.whole.sum()) - int(self.own.sum())


def enclosure(regions: Regions, k: int, closed_cells: int = 0, bands: bool = False) -> Enclosure:
    """Fill region ``k``, after closing gaps of up to twice ``closed_cells`` cells in its ring.

    ``bands``: of a long narrow region, a face that went back, all that lies within its bow is enclosed: where
    benches meet the open hillside their rings are not closed.
    """
    from scipy.ndimage import binary_fill_holes, distance_transform_edt

    r0, r1, c0, c1 = (int(v) for v in regions.box[k])
    step = max(1, math.ceil(math.sqrt((r1 - r0) * (c1 - c0) / LATTICE_CELLS)))
    radius = closed_cells / step
    pad = math.ceil(radius) + 1
    row0, col0 = r0 - pad * step, c0 - pad * step
    own = np.zeros((-(-(r1 - r0) // step) + 2 * pad, -(-(c1 - c0) // step) + 2 * pad), np.bool_)
    _paint_lattice(regions.runs_of(k), row0, col0, step, own)
    wide = own
    if radius >= 1:
        wide = distance_transform_edt(~own) <= radius
    whole = binary_fill_holes(wide)
    if radius >= 1:
        whole = distance_transform_edt(whole) > radius
    whole = whole | own
    if bands:
        width = 4.0 * float(distance_transform_edt(own)[own].mean())
        narrow = width * step * regions.job.cell_m <= BAND_M
        if narrow and own.sum() > BAND_ELONGATION * width**2:
            whole = whole | _bow(own)
    return Enclosure(row0, col0, step, own, whole)


def _bow(own: Bools) -> Bools:
    """Cells of the convex hull of a mask."""
    from scipy.spatial import ConvexHull, QhullError

    rows, cols = np.nonzero(own)
    try:
        sides = ConvexHull(np.stack([rows, cols], axis=1).astype(float)).equations
    except QhullError:  # on one line
        return own
    out = np.ones(own.shape, np.bool_)
    rr, cc = np.arange(own.shape[0])[:, None], np.arange(own.shape[1])[None, :]
    for a, b, c in sides:
        out &= a * rr + b * cc + c <= 1e-9
    return out


def share_within(regions: Regions, k: int, of: Enclosure) -> float:
    """Share of region ``k``'s cells that lie in an enclosure."""
    inside = _count_within(regions.runs_of(k), of.row0, of.col0, of.step, of.whole)
    return float(inside) / max(int(regions.cells[k]), 1)


def surrounded(regions: Regions, k: int, others_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the regions ``others_of``, those of the same sign most of whose box lies in that of region ``k``."""
    b = regions.box[k]
    o = regions.box[others_of]
    tall = np.minimum(o[:, 1], b[1]) - np.maximum(o[:, 0], b[0])
    wide = np.minimum(o[:, 3], b[3]) - np.maximum(o[:, 2], b[2])
    common = np.maximum(tall, 0) * np.maximum(wide, 0)
    within = 2 * common > (o[:, 1] - o[:, 0]) * (o[:, 3] - o[:, 2])
    return others_of[within & (regions.sign[others_of] == regions.sign[k]) & (others_of != k)]


def inner_cells(of: Enclosure, piece: Grid) -> Bools:
    """Cells of a piece of the grid that an enclosure holds, but for the lattice's cells along its rim."""
    from scipy.ndimage import binary_erosion

    whole = binary_erosion(of.whole) if of.step > 1 else of.whole
    rows = (np.arange(piece.height) + piece.row0 - of.row0) // of.step
    cols = (np.arange(piece.width) + piece.col0 - of.col0) // of.step
    inside = np.outer((rows >= 0) & (rows < whole.shape[0]), (cols >= 0) & (cols < whole.shape[1]))
    taken = whole[np.clip(rows, 0, whole.shape[0] - 1)][:, np.clip(cols, 0, whole.shape[1] - 1)]
    return inside & taken


@kernel
def _paint_lattice(runs, row0, col0, step, out):  # type: ignore[no-untyped-def]
    for r in range(runs.shape[0]):
        i = (runs[r, 0] - row0) // step
        for j in range((runs[r, 1] - col0) // step, (runs[r, 2] - 1 - col0) // step + 1):
            out[i, j] = True


@kernel
def _count_within(runs, row0, col0, step, whole):  # type: ignore[no-untyped-def]
    total = 0
    rows, cols = whole.shape
    for r in range(runs.shape[0]):
        i = (runs[r, 0] - row0) // step
        if i < 0 or i >= rows:
            continue
        for c in range(runs[r, 1], runs[r, 2]):
            j = (c - col0) // step
            if 0 <= j < cols and whole[i, j]:
                total += 1
    return total
