"""Rise = after - before on the job grid, in whole numbers of 2⁻¹⁶ m.

Whole numbers because their sums do not depend on the order of adding: any tiling, any number of workers
gives the same total to the last digit. The grain of 15 µm is a thousandth of the best survey's noise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.mapping import NODE_CELLS, Mapping, Separable
from survey.grid import Grid
from survey.jit import kernel

GRAINS_PER_M = 65536
MISSING = np.int32(-(2**31))
"""Rise of a cell that one of the surveys did not measure."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What is added to the later heights: up + tilt·d + dome·d², d from a centre, all in metres.

    ``dome`` is in 1/m: metres of height per square metre of squared distance.
    """

    up: float = 0.0
    tilt_east: float = 0.0
    tilt_north: float = 0.0
    dome: float = 0.0
    centre_east: float = 0.0
    centre_north: float = 0.0

    def at(self, east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = east - self.centre_east, north - self.centre_north
        return self.up + self.tilt_east * x + self.tilt_north * y + self.dome * (x * x + y * y)

    def polynomial(self, job: Grid) -> NDArray[np.float64]:
        """Coefficients (k0, c1, c2, r1, r2) in absolute cell indices: k0 + c1·c + c2·c² + r1·r + r2·r²."""
        x0 = job.west + 0.5 * job.cell_east - self.centre_east
        y0 = job.north - 0.5 * job.cell_north - self.centre_north
        dx, dy = job.cell_east, -job.cell_north
        return np.array(
            [
                self.up + self.tilt_east * x0 + self.tilt_north * y0 + self.dome * (x0 * x0 + y0 * y0),
                self.tilt_east * dx + 2 * self.dome * x0 * dx,
                self.dome * dx * dx,
                self.tilt_north * dy + 2 * self.dome * y0 * dy,
                self.dome * dy * dy,
            ]
        )


def rise(
    piece: Grid,
    before: NDArray[np.float32],
    after: NDArray[np.float32],
    after_row0: int,
    after_col0: int,
    mapping: Mapping,
    polynomial: NDArray[np.float64],
    out: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Rise of each cell of ``piece`` in grains, ``MISSING`` where a survey has no value.

    Parameters
    ----------
    before : (rows, cols) heights on ``piece``, NaN = not measured.
    after : a window of the later survey that holds ``source_window(mapping, piece)``; its cell (0, 0) is the
        later file's (``after_row0``, ``after_col0``).
    polynomial : from :meth:`Correction.polynomial`.
    out : where to write; fresh memory costs as much as the arithmetic.
    """
    out = np.empty(piece.shape, np.int32) if out is None else out
    if isinstance(mapping, Separable):
        rows, cols = mapping.rows(piece), mapping.cols(piece)
        unit = mapping.col_ratio == 1.0 and cols.unit
        _rise_separable(
            before,
            after,
            rows.first - after_row0,
            rows.count,
            rows.weight,
            cols.first - after_col0,
            cols.count,
            cols.weight,
            unit,
            piece.row0,
            piece.col0,
            polynomial,
            out,
        )
    else:
        r0, c0, row, col = mapping.nodes(piece)
        _rise_lattice(
            before,
            after,
            row - after_row0,
            col - after_col0,
            piece.row0 - r0,
            piece.col0 - c0,
            mapping.oversample,
            piece.row0,
            piece.col0,
            polynomial,
            out,
        )
    return out


@kernel
def _scaled(line, weight, source):  # type: ignore[no-untyped-def]
    for j in range(line.size):
        line[j] = weight * source[j]


@kernel
def _added(line, weight, source):  # type: ignore[no-untyped-def]
    for j in range(line.size):
        line[j] += weight * source[j]


@kernel
def _shifted(first, upper, lower, r0, r1, w0, w1, col0, fixed, k1, k2, out):  # type: ignore[no-untyped-def]
    """Bilinear interpolation between equal cells, difference and correction in one pass over a row."""
    for j in range(out.size):
        c = float(col0 + j)
        moved = w0 * (r0 * upper[j] + r1 * lower[j]) + w1 * (r0 * upper[j + 1] + r1 * lower[j + 1])
        value = (moved - first[j]) + (fixed + (k1 + k2 * c) * c)
        grains = np.floor(value * 65536.0 + 0.5)
        out[j] = np.int32(grains if grains == grains else -2147483648.0)


@kernel
def _grains(moved, first, col0, fixed, k1, k2, out):  # type: ignore[no-untyped-def]
    for j in range(out.size):
        c = float(col0 + j)
        value = (moved[j] - first[j]) + (fixed + (k1 + k2 * c) * c)
        grains = np.floor(value * 65536.0 + 0.5)
        # Written without a branch so that the loop runs several cells at a time.
        out[j] = np.int32(grains if grains == grains else -2147483648.0)


@kernel
def _rise_separable(before, after, rf, rn, rw, cf, cn, cw, unit, row0, col0, k, out):  # type: ignore[no-untyped-def]
    """The window ``after`` may hold less than is asked of it: what it lacks is not measured."""
    height, width = out.shape
    rows_after, cols_after = after.shape
    left = cf[0]
    right = left
    for j in range(width):
        right = max(right, cf[j] + cn[j])
    line = np.full(right - left, np.nan)
    moved = np.empty(width, np.float64)
    # The part of the line that the window holds, and the target columns that need nothing beyond it.
    a, b = min(max(left, 0), cols_after), max(min(right, cols_after), 0)
    held = line[a - left : b - left] if b > a else line[:0]
    j0 = min(max(0, a - left), width)
    j1 = max(j0, min(width, width - (right - b)))
    for i in range(height):
        if rf[i] < 0 or rf[i] + rn[i] > rows_after or b <= a:
            out[i, :] = -2147483648
            continue
        r = float(row0 + i)
        fixed = k[0] + k[3] * r + k[4] * r * r
        if unit and cn[0] <= 2 and rn[i] <= 2:
            # A single tap is the pair of which the second weighs nothing; it must not be read twice as NaN.
            upper = after[rf[i]][a : min(cols_after, b + 1)]
            lower = after[rf[i] + rn[i] - 1][a : min(cols_after, b + 1)]
            r1 = rw[i, 1] if rn[i] == 2 else 0.0
            out[i, :j0] = -2147483648
            out[i, j1:] = -2147483648
            if cn[0] == 2:
                _shifted(
                    before[i][j0:j1], upper, lower, rw[i, 0], r1, cw[0, 0], cw[0, 1],
                    col0 + j0, fixed, k[1], k[2], out[i][j0:j1],
                )  # fmt: skip
            else:
                _scaled(held, rw[i, 0], upper)
                if r1 > 0.0:
                    _added(held, r1, lower)
                _grains(line, before[i], col0, fixed, k[1], k[2], out[i])
            continue
        _scaled(held, rw[i, 0], after[rf[i]][a:b])
        for t in range(1, rn[i]):
            _added(held, rw[i, t], after[rf[i] + t][a:b])
        for j in range(width):
            at = cf[j] - left
            total = 0.0
            for t in range(cn[j]):
                total += cw[j, t] * line[at + t]
            moved[j] = total
        _grains(moved, before[i], col0, fixed, k[1], k[2], out[i])


@kernel
def _rise_lattice(before, after, row, col, dr, dc, oversample, row0, col0, k, out):  # type: ignore[no-untyped-def]
    height, width = out.shape
    rows_after, cols_after = after.shape
    step = 1.0 / oversample
    scale = 1.0 / (oversample * oversample)
    for i in range(height):
        r = float(row0 + i)
        fixed = k[0] + k[3] * r + k[4] * r * r
        for j in range(width):
            total = 0.0
            for a in range(oversample):
                y = (dr + i + (a + 0.5) * step - 0.5) / NODE_CELLS
                ny = math.floor(y)
                ny = min(max(ny, 0), row.shape[0] - 2)
                fy = y - ny
                for b in range(oversample):
                    x = (dc + j + (b + 0.5) * step - 0.5) / NODE_CELLS
                    nx = math.floor(x)
                    nx = min(max(nx, 0), row.shape[1] - 2)
                    fx = x - nx
                    v = (1 - fy) * ((1 - fx) * row[ny, nx] + fx * row[ny, nx + 1]) + fy * (
                        (1 - fx) * row[ny + 1, nx] + fx * row[ny + 1, nx + 1]
                    )
                    u = (1 - fy) * ((1 - fx) * col[ny, nx] + fx * col[ny, nx + 1]) + fy * (
                        (1 - fx) * col[ny + 1, nx] + fx * col[ny + 1, nx + 1]
                    )
                    iv = math.floor(v)
                    iu = math.floor(u)
                    if iv < 0 or iu < 0 or iv + 1 >= rows_after or iu + 1 >= cols_after:
                        total = np.nan
                    else:
                        gv = v - iv
                        gu = u - iu
                        total += (1 - gv) * ((1 - gu) * after[iv, iu] + gu * after[iv, iu + 1]) + gv * (
                            (1 - gu) * after[iv + 1, iu] + gu * after[iv + 1, iu + 1]
                        )
            c = float(col0 + j)
            value = (total * scale - before[i, j]) + (fixed + (k[1] + k[2] * c) * c)
            if value == value:
                out[i, j] = np.int32(math.floor(value * 65536.0 + 0.5))
            else:
                out[i, j] = -2147483648


def metres(grains: NDArray[np.int32]) -> NDArray[np.float32]:
    """Grains as float32 metres, NaN where missing."""
    out = (grains * np.float32(1 / GRAINS_PER_M)).astype(np.float32)
    out[grains == MISSING] = np.nan
    return out
