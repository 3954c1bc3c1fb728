"""Which cells belong to a real change: hysteresis on the smoothed rise, outlined by the cells' own rise.

A single cell says little: its noise is large. The mean of a small square around it says more, and its noise
is the *correlated* part of the survey error. A cell is

* **low** where that mean stands out of the noise a little (its outline must reach the rim),
* a **seed** where it stands out so far that noise seldom does it.

Regions are connected low cells with a seed among them. Smoothing smears a steep wall outwards by the
radius of the square; so a low cell must also have at least half of the smoothed rise found one radius
farther in, or stand out of the noise of a single cell by itself. The first keeps shallow changes whole,
the second keeps the cells that a wall crosses and the gentle fringe of a deep change.

All sums are over whole numbers, so a cell's verdict does not depend on the tile it was computed in.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What makes a cell low or a seed.

    ``low_m`` and ``seed_m`` hold on flat ground; on a slope both grow as √(1 + (slope_gain·tan s)²), where
    ``slope_gain`` is the growth of the smoothed error with slope as seen on stable ground. ``cell_m`` and
    ``cell_gain`` say the same of what a single cell's own rise must reach. ``radius`` is in cells.
    """

    low_m: float
    seed_m: float
    slope_gain: float
    radius: int
    cell_m: float = math.inf
    cell_gain: float = 0.0

    @property
    def halo(self) -> int:
        """Cells that a piece needs beyond its own for the same verdict as in the whole."""
        return 2 * self.radius + 1


def change_mask(
    grains: NDArray[np.int32],
    before: NDArray[np.float32],
    cell_east: float,
    cell_north: float,
    thresholds: Thresholds,
    mask: NDArray[np.int8] | None = None,
    smooth: NDArray[np.float32] | None = None,
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Verdict and smoothed rise of each cell, written to ``mask`` and ``smooth`` where they are given.

    Returns
    -------
    mask : (rows, cols) int8; 0 nothing, ±1 low, ±2 seed; the sign is that of the rise.
    smooth : (rows, cols) float32 metres, NaN where fewer than half of the square's cells were measured.
    """
    smooth = np.empty(grains.shape, np.float32) if smooth is None else smooth
    mask = np.empty(grains.shape, np.int8) if mask is None else mask
    mask[...] = 0
    _box_mean(grains, thresholds.radius, smooth)
    _verdict(
        grains,
        smooth,
        before,
        cell_east,
        cell_north,
        np.float32(thresholds.low_m),
        np.float32(thresholds.seed_m),
        thresholds.slope_gain**2,
        (thresholds.cell_m * 65536.0) ** 2,
        thresholds.cell_gain**2,
        thresholds.radius,
        mask,
    )
    return mask, smooth


@kernel
def _enter(total, count, line, sign):  # type: ignore[no-untyped-def]
    """Add (sign 1) or take away (sign -1) a row of cells from the column sums."""
    for j in range(line.size):
        q = line[j]
        ok = q != -2147483648
        total[j] += sign * (q if ok else 0)
        count[j] += sign if ok else 0


@kernel
def _exchange(total, enters, leaves):  # type: ignore[no-untyped-def]
    """The next row comes in, another goes out; neither lacks a cell."""
    for j in range(total.size):
        total[j] += np.int64(enters[j]) - np.int64(leaves[j])


@kernel
def _slide(s, leaves, enters, scale, out):  # type: ignore[no-untyped-def]
    """Move the square along a row; the sum it ends with."""
    for j in range(leaves.size):
        s += enters[j] - leaves[j]
        out[j] = s * scale
    return s


@kernel
def _lacks(line):  # type: ignore[no-untyped-def]
    missing = np.int32(0)
    for j in range(line.size):
        missing += np.int32(line[j] == -2147483648)
    return missing > 0


@kernel
def _box_mean(grains, radius, out):  # type: ignore[no-untyped-def]
    """Mean over the (2·radius + 1)² square, metres; NaN where half of it, or the cell, is missing."""
    rows, cols = grains.shape
    side = 2 * radius + 1
    inverse = np.empty(side * side + 1, np.float64)
    # At the edge of the data the square is cut; half of the *whole* square still has to be there.
    least = (side * side + 1) // 2
    for measured in range(side * side + 1):
        inverse[measured] = 1.0 / (65536.0 * measured) if measured >= least else np.nan
    total = np.zeros(cols + 2 * radius + 1, np.int64)
    count = np.zeros(cols + 2 * radius + 1, np.int32)
    inner_total = total[radius + 1 : radius + 1 + cols]
    inner_count = count[radius + 1 : radius + 1 + cols]
    lacks = np.empty(rows, np.bool_)
    for i in range(rows):
        lacks[i] = _lacks(grains[i])
    lacking = np.int64(0)  # of the rows in the square
    for i in range(min(radius, rows)):
        _enter(inner_total, inner_count, grains[i], 1)
        lacking += lacks[i]
    for i in range(rows):
        comes, goes = i + radius, i - radius - 1
        if comes < rows and goes >= 0 and not lacks[comes] and not lacks[goes]:
            _exchange(inner_total, grains[comes], grains[goes])
        else:
            if comes < rows:
                _enter(inner_total, inner_count, grains[comes], 1)
                lacking += lacks[comes]
            if goes >= 0:
                _enter(inner_total, inner_count, grains[goes], -1)
                lacking -= lacks[goes]
        line = out[i]
        # Where nothing is missing, the count depends on the column only.
        whole = lacking == 0
        high = min(rows, i + radius + 1) - max(0, i - radius)
        s = np.int64(0)
        n = np.int32(0)
        for j in range(side):
            s += total[j]
            n += count[j]
        inner = max(0, cols - 2 * radius) if whole else 0
        for j in range(min(radius, cols) if whole else cols):
            s += total[j + side] - total[j]
            n += count[j + side] - count[j]
            line[j] = s * inverse[n]
        if whole:
            s = _slide(
                s, total[radius : radius + inner], total[radius + side :], inverse[high * side], line[radius:]
            )
            for j in range(max(radius + inner, min(radius, cols)), cols):
                s += total[j + side] - total[j]
                line[j] = s * inverse[high * (min(cols, j + radius + 1) - max(0, j - radius))]
        else:
            q = grains[i]
            for j in range(cols):
                line[j] = line[j] if q[j] != -2147483648 else np.nan


@kernel
def _stands_out(line, low, out):  # type: ignore[no-untyped-def]
    for j in range(line.size):
        out[j] = np.uint8(abs(line[j]) > low)


@kernel
def _which(flags, words, where):  # type: ignore[no-untyped-def]
    """Write to ``where`` which flags are up, looking at eight at a time; how many are."""
    n = 0
    for w in range(words.size):
        if words[w] != 0:
            for j in range(8 * w, 8 * w + 8):
                where[n] = j
                n += flags[j]
    return n


@kernel
def _verdict(grains, smooth, before, cell_east, cell_north, low, seed, gain2, own2, own_gain2, radius, mask):  # type: ignore[no-untyped-def]
    rows, cols = smooth.shape
    flags = np.zeros(-(-cols // 8) * 8, np.uint8)
    words = flags.view(np.uint64)
    where = np.empty(flags.size + 1, np.int64)
    sloped = gain2 > 0.0 or own_gain2 > 0.0
    none = np.full(cols, np.nan, np.float32)
    for i in range(rows):
        line, cells, verdict = smooth[i], grains[i], mask[i]
        # Most ground did not change, and costs a comparison here.
        _stands_out(line, low, flags)
        count = _which(flags, words, where)
        if count == 0:
            continue
        upper = smooth[i - radius] if i >= radius else none
        lower = smooth[i + radius] if i + radius < rows else none
        iu, id_ = max(i - radius, 0), min(i + radius, rows - 1)
        level, above, below = before[i], before[iu], before[id_]
        for k in range(count):
            j = where[k]
            value = line[j]
            size = abs(value)
            factor = 1.0
            slope2 = 0.0
            if sloped:
                jl, jr = max(j - radius, 0), min(j + radius, cols - 1)
                gx = (level[jr] - level[jl]) / ((jr - jl) * cell_east) if jr > jl else 0.0
                gy = (below[j] - above[j]) / ((id_ - iu) * cell_north) if id_ > iu else 0.0
                slope2 = gx * gx + gy * gy
                if slope2 != slope2:
                    slope2 = 0.0
                factor = np.sqrt(1.0 + gain2 * slope2)
                if not size > low * factor:
                    continue
            sign = np.float32(1.0) if value > 0 else np.float32(-1.0)
            inner = np.float32(0.0)
            first = j - radius if j >= radius else j
            last = j + radius if j + radius < cols else j
            for x in range(first, last + 1, radius):
                near = sign * upper[x]
                inner = near if near > inner else inner
                near = sign * line[x]
                inner = near if near > inner else inner
                near = sign * lower[x]
                inner = near if near > inner else inner
            if size < 0.52 * inner:  # just outside a straight wall it is exactly one half
                own = np.float64(cells[j])
                if own * sign <= 0.0 or own * own < own2 * (1.0 + own_gain2 * slope2):
                    continue
            mark = np.int8(2) if size > seed * factor else np.int8(1)
            verdict[j] = mark if value > 0 else -mark


def scale_of(cell_m: float, radius_m: float) -> int:
    """The square's radius in cells: at least one, at most eight."""
    return int(min(8, max(1, round(radius_m / cell_m))))
