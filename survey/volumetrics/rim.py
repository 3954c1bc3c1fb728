"""From where a change stands out of the noise to where it ends: the strip along its outline.

An outline ends where single cells sink into their noise, at a level T. A side that runs out with the slope s
goes on from there for T/s, and a wedge of T²/2s for each metre of outline is left out: little of a large pit,
per cents of a small one, and always too little. How steep a side is shows inside the outline: the rise of its
outermost cells, against that of those two to three cells in, over a stretch of it. What the strip holds is
then summed with its sign: its width was not chosen by what lies in it, so noise there adds to the error of
the sum, and nothing to the sum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.jit import kernel
from survey.volumetrics.change_mask import Thresholds
from survey.volumetrics.partition import TAPER

STRETCH_M = 1.5
"""Slopes are learnt from so much of the outline to both sides of a cell."""
NEAR_CELLS, FAR_FROM_CELLS, FAR_TO_CELLS = 1.5, 2.0, 3.5
"""Depths below the outline of the outermost cells, and of those that they are held against."""
TOUCHED = 0.25
"""A cell of which a side covers a quarter belongs to it: the others hold s/32 of a cell's area or less for
each metre of outline. With a half areas would be right and volumes too small, with none the other way."""
FRINGE_SIGMAS = 1.5
"""Three σ of the smoothed rise, in units of the lower level, which is two."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Reach:
    """How far, in cells, any cell's verdict looks: what a window needs around the cells it answers for."""

    strip: int
    stretch_rows: int
    stretch_cols: int
    fringe: int

    @property
    def halo(self) -> int:
        return max(2 * self.strip, self.strip + self.fringe) + max(self.stretch_rows, self.stretch_cols) + 6


def reach_of(cell_east: float, cell_north: float, thresholds: Thresholds) -> Reach:
    """The widest strip runs out as gently as any change is taken to (``TAPER``)."""
    small = min(cell_east, cell_north)
    most = _most_m(math.sqrt(cell_east * cell_north), thresholds)
    return Reach(
        math.ceil(most / small),
        max(1, round(STRETCH_M / cell_north)),
        max(1, round(STRETCH_M / cell_east)),
        math.ceil((thresholds.radius + 1) * math.sqrt(cell_east * cell_north) / small),
    )


def _most_m(cell_m: float, t: Thresholds) -> float:
    level = t.cell_m if math.isfinite(t.cell_m) else t.low_m
    return max(level / TAPER, 0.5 * cell_m) + 0.5 * cell_m


def strip_along(
    grains: NDArray[np.int32],
    before: NDArray[np.float32],
    owner: NDArray[np.int32],
    k: int,
    sign: int,
    cell_east: float,
    cell_north: float,
    thresholds: Thresholds,
) -> tuple[Bools, NDArray[np.int32]]:
    """The strip that belongs to region ``k``, and what lies beyond it within the reach of the smoothing.

    Parameters
    ----------
    grains, before : (rows, cols) rise in grains and earlier heights in metres.
    owner : (rows, cols) number of the region that each cell belongs to, -1 where none.
    sign : of the region's rise.

    Returns
    -------
    strip : (rows, cols) cells of no region, measured, within reach of the outline, and nearer to region ``k``
        than to any other; of equally near ones the first has it.
    fringe : (rows, cols) grains, turned so that the region's are positive, of cells of no region that
        lie beyond, no more than three σ each; 0 elsewhere.
    """
    cell = math.sqrt(cell_east * cell_north)
    depth = np.zeros(owner.shape, np.float32)
    at = _outermost(owner, k, depth, cell_east / cell, cell_north / cell)
    strip = np.zeros(owner.shape, np.bool_)
    fringe = np.zeros(owner.shape, np.int32)
    if not len(at):
        return strip, fringe
    r = reach_of(cell_east, cell_north, thresholds)
    level = thresholds.cell_m if math.isfinite(thresholds.cell_m) else thresholds.low_m
    reach = np.empty(len(at))
    factor = np.empty(len(at))
    _reaches(
        grains, before, depth, at, sign, cell, cell_east, cell_north, r.stretch_rows, r.stretch_cols,
        thresholds.radius, level, thresholds.cell_gain**2, thresholds.slope_gain**2,
        _most_m(cell, thresholds), reach, factor,
    )  # fmt: skip
    _lay(grains, owner, at, reach, cell_east, cell_north, r.strip, strip)
    _leave_to_nearer(owner, k, strip, cell_east, cell_north, r.strip)
    limit = np.minimum(FRINGE_SIGMAS * thresholds.low_m * factor * 65536.0, 2.0**30)
    _beyond(
        grains, owner, strip, at, sign, (thresholds.radius + 1) * cell * 1.001, cell_east, cell_north,
        r.fringe, limit.astype(np.int32), fringe,
    )  # fmt: skip
    return strip, fringe


@kernel
def _outermost(owner, k, depth, east, north):  # type: ignore[no-untyped-def]
    """Cells of region ``k`` along its outline; the depth of these and of some farther in goes to ``depth``.

    Depths are distances to the nearest cell that is not the region's, in cells; beyond the window none is.
    """
    rows, cols = owner.shape
    at = []
    for i in range(rows):
        for j in range(cols):
            if owner[i, j] != k:
                continue
            for a in range(i - 1, i + 2):
                for b in range(j - 1, j + 2):
                    if a < 0 or a >= rows or b < 0 or b >= cols or owner[a, b] != k:
                        depth[i, j] = -1.0
            if depth[i, j] < 0.0:
                at.append((i, j))
    out = np.empty((len(at), 2), np.int64)
    for n in range(len(at)):
        out[n, 0], out[n, 1] = at[n]
        for i in range(max(at[n][0] - 3, 0), min(at[n][0] + 4, rows)):
            for j in range(max(at[n][1] - 3, 0), min(at[n][1] + 4, cols)):
                if owner[i, j] != k or depth[i, j] > 0.0:
                    continue
                nearest = np.inf
                for a in range(i - 4, i + 5):
                    for b in range(j - 4, j + 5):
                        if a < 0 or a >= rows or b < 0 or b >= cols or owner[a, b] != k:
                            y, x = (a - i) * north, (b - j) * east
                            nearest = min(nearest, y * y + x * x)
                depth[i, j] = np.float32(np.sqrt(nearest))
    return out


@kernel
def _reaches(  # type: ignore[no-untyped-def]
    grains, before, depth, at, sign, cell, cell_east, cell_north, tall, wide, radius, level, own_gain2, gain2,
    most_m, reach, factor,
):  # fmt: skip
    """How far each outermost cell's side runs on from its centre, metres; how much noise grows with slope.

    With a mean rise m of the outermost cells of the stretch and a slope s, the side ends m/s from their
    centres, and beyond the outline it is lower than the level T, so that it ends within T/s of the outline.
    Where nothing falls off towards the outline, a wall stands between two cells. What is too narrow to show a
    slope has the cells beside it.
    """
    rows, cols = grains.shape
    for n in range(at.shape[0]):
        i, j = at[n]
        near, far = np.int64(0), np.int64(0)
        near_n, far_n = 0, 0
        near_deep, far_deep = 0.0, 0.0
        for a in range(max(i - tall, 0), min(i + tall + 1, rows)):
            for b in range(max(j - wide, 0), min(j + wide + 1, cols)):
                d = depth[a, b]
                if d <= 0.0 or grains[a, b] == -2147483648:
                    continue
                if d < NEAR_CELLS:
                    near += sign * np.int64(grains[a, b])
                    near_deep += d
                    near_n += 1
                elif FAR_FROM_CELLS <= d < FAR_TO_CELLS:
                    far += sign * np.int64(grains[a, b])
                    far_deep += d
                    far_n += 1
        top, bottom = max(i - radius, 0), min(i + radius, rows - 1)
        left, right = max(j - radius, 0), min(j + radius, cols - 1)
        gx, gy = 0.0, 0.0
        if right > left:
            gx = (before[i, right] - before[i, left]) / ((right - left) * cell_east)
        if bottom > top:
            gy = (before[bottom, j] - before[top, j]) / ((bottom - top) * cell_north)
        slope2 = gx * gx + gy * gy
        if slope2 != slope2:
            slope2 = 0.0
        factor[n] = np.sqrt(1.0 + gain2 * slope2)
        reach[n] = cell
        if near_n == 0 or far_n == 0:
            continue
        here, there = near / (65536.0 * near_n), far / (65536.0 * far_n)
        fall = (there - here) / ((far_deep / far_n - near_deep / near_n) * cell)
        if fall > 0.0:
            low = level * np.sqrt(1.0 + own_gain2 * slope2)
            ends = min(here / fall, low / fall + 0.5 * cell)
            reach[n] = min(ends + TOUCHED * cell, most_m)
        else:
            reach[n] = 0.0


@kernel
def _lay(grains, owner, at, reach, cell_east, cell_north, most, strip):  # type: ignore[no-untyped-def]
    rows, cols = owner.shape
    for n in range(at.shape[0]):
        i, j = at[n]
        r = reach[n] * (1.0 + 1e-9)
        r2 = r * r
        tall, wide = min(int(r / cell_north), most), min(int(r / cell_east), most)
        for a in range(max(i - tall, 0), min(i + tall + 1, rows)):
            y = (a - i) * cell_north
            for b in range(max(j - wide, 0), min(j + wide + 1, cols)):
                x = (b - j) * cell_east
                if owner[a, b] < 0 and grains[a, b] != -2147483648 and y * y + x * x <= r2:
                    strip[a, b] = True


@kernel
def _leave_to_nearer(owner, k, strip, cell_east, cell_north, most):  # type: ignore[no-untyped-def]
    """A cell belongs to the region whose cells are nearest, whichever asks for it."""
    rows, cols = owner.shape
    small = min(cell_east, cell_north)
    others = False
    for i in range(rows):
        for j in range(cols):
            others = others or (owner[i, j] >= 0 and owner[i, j] != k)
    if not others:
        return
    for i in range(rows):
        for j in range(cols):
            if not strip[i, j]:
                continue
            best = np.inf
            whose = k
            for ring in range(1, most + 1):
                if (ring * small) ** 2 > best:
                    break
                for at in range(8 * ring):
                    # Around the square of this ring, a side at a time.
                    side, along = at // (2 * ring), at % (2 * ring) - ring
                    a = i + (-ring if side == 0 else ring if side == 2 else along if side == 1 else -along)
                    b = j + (along if side == 0 else -along if side == 2 else ring if side == 1 else -ring)
                    if a < 0 or a >= rows or b < 0 or b >= cols:
                        continue
                    o = owner[a, b]
                    if o >= 0:
                        y = (a - i) * cell_north
                        x = (b - j) * cell_east
                        d = y * y + x * x
                        if d < best or (d == best and o < whose):
                            best = d
                            whose = o
            strip[i, j] = whose == k


@kernel
def _beyond(  # type: ignore[no-untyped-def]
    grains, owner, strip, at, sign, reach_m, cell_east, cell_north, most, limit, fringe
):
    rows, cols = owner.shape
    for n in range(at.shape[0]):
        i, j = at[n]
        for a in range(max(i - most, 0), min(i + most + 1, rows)):
            y = (a - i) * cell_north
            for b in range(max(j - most, 0), min(j + most + 1, cols)):
                x = (b - j) * cell_east
                if owner[a, b] >= 0 or strip[a, b] or y * y + x * x > reach_m * reach_m:
                    continue
                q = grains[a, b]
                if q != -2147483648:
                    fringe[a, b] = min(max(sign * q, -limit[n]), limit[n])
