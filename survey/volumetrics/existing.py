"""Where one survey alone shows disturbed ground: slopes that break within a few metres.

Natural ground bends over tens of metres. Whoever digs or heaps leaves rims and toes, where the slope changes
within a step. At a distance s around a cell every pair of opposite points gives a mean height; over the
pairs, the median of these means is what a plane through the surroundings would have here, however it
slopes, and a third of the pairs may lie on something else without a say. What the cell differs from it, as a
share of s, is the *break* at that distance: about 0.35 of the change of slope at a straight rim. Each
distance has its own limit, from how much the breaks of this survey scatter.

Everything here looks a fixed distance around a cell, so that no cutting of a survey changes any cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.jit import kernel
from survey.volumetrics import runs as _runs

Floats = NDArray[np.float32]

PAIRS = 8
BINS = 4096
_PER_BIN = 1 / 2048  # of a break


@dataclass(frozen=True)
class Look:
    """How disturbed ground is looked for. All of it is printed in the record.

    ``cell_m``: heights are averaged over blocks to cells of about this size. ``distances_m``: of the pairs.
    ``least_breaks``: limits below which no break counts, per distance. ``spreads``: how many robust standard
    deviations of this survey's breaks a break must reach.
    """

    cell_m: float = 0.5
    distances_m: tuple[float, ...] = (2.0, 4.0, 8.0)
    least_breaks: tuple[float, ...] = (0.09, 0.055, 0.04)
    spreads: float = 3.2

    def block(self, grid: Grid) -> int:
        """Cells of the survey a side of a working cell."""
        return max(1, math.ceil(self.cell_m / grid.cell_m - 0.1))

    def reach(self, cell_m: float) -> int:
        """Working cells around a cell that decide on it."""
        return max(_cells(s, cell_m) + _half(s, cell_m) for s in self.distances_m) + 1

    def public(self) -> dict[str, Any]:
        return asdict(self)


def _cells(distance_m: float, cell_m: float) -> int:
    return max(2, round(distance_m / cell_m))


def _half(distance_m: float, cell_m: float) -> int:
    """Half width, in cells, of the square that is averaged before looking that far."""
    return max(0, round(distance_m / 8 / cell_m))


def breaks(z: Floats, cell_m: float, distance_m: float) -> Floats:
    """Breaks at one distance, positive on rims and crests, negative at toes; NaN where not measured."""
    smooth = _averaged(z, _half(distance_m, cell_m))
    far = _cells(distance_m, cell_m)
    angle = np.pi * np.arange(PAIRS) / PAIRS
    rows = np.rint(far * np.sin(angle)).astype(np.int64)
    cols = np.rint(far * np.cos(angle)).astype(np.int64)
    out = np.empty_like(smooth)
    _break(smooth, rows, cols, np.float32(1.0 / (far * cell_m)), out)
    out[np.isnan(z)] = np.nan
    return out


@kernel
def _averaged_into(z, half, out):  # type: ignore[no-untyped-def]
    rows, cols = z.shape
    every = (2 * half + 1) ** 2
    for i in range(rows):
        inner = half <= i < rows - half
        for j in range(cols):
            if inner and half <= j < cols - half:
                # The same sum in the same order as below where all is measured; any gap makes it NaN.
                total = 0.0
                for a in range(i - half, i + half + 1):
                    for b in range(j - half, j + half + 1):
                        total += np.float64(z[a, b])
                if not np.isnan(total):
                    out[i, j] = total / every
                    continue
            total = 0.0
            n = 0
            for a in range(max(i - half, 0), min(i + half + 1, rows)):
                for b in range(max(j - half, 0), min(j + half + 1, cols)):
                    c, d = 2 * i - a, 2 * j - b
                    if c < 0 or c >= rows or d < 0 or d >= cols or np.isnan(z[c, d]):
                        continue  # only with its opposite: else a slope would tip the mean
                    if not np.isnan(z[a, b]):
                        total += np.float64(z[a, b])
                        n += 1
            out[i, j] = total / n if n > 0 else np.nan


def _averaged(z: Floats, half: int) -> Floats:
    if half == 0:
        return z
    out = np.empty_like(z)
    _averaged_into(z, half, out)
    return out


_NETWORK = (
    (0, 2), (1, 3), (4, 6), (5, 7), (0, 4), (1, 5), (2, 6), (3, 7), (0, 1), (2, 3), (4, 5), (6, 7),
    (2, 4), (3, 5), (1, 4), (3, 6), (1, 2), (3, 4), (5, 6),
)  # fmt: skip
"""Sorts eight numbers (Knuth 1998, vol. 3, 5.3.4) by the same exchanges for each cell of a row."""
_EXCHANGES = np.array(_NETWORK)


@kernel
def _middle_of_row(z, rows, cols, i, aside, means, scale, out):  # type: ignore[no-untyped-def]
    """Breaks of one row where all eight pairs lie in the array; NaN where any of them is not measured."""
    n = means.shape[1]
    for k in range(rows.size):
        a, c = i + rows[k], i - rows[k]
        b, d = aside + cols[k], aside - cols[k]
        up, down, here, mean = z[a, b : b + n], z[c, d : d + n], z[i, aside : aside + n], means[k]
        for j in range(n):
            mean[j] = here[j] - np.float32(0.5) * (up[j] + down[j])
    known = out[i, aside : aside + n]
    for j in range(n):
        known[j] = np.float32(0.0)
    for k in range(rows.size):
        mean = means[k]
        for j in range(n):
            known[j] += mean[j]
    for e in range(_EXCHANGES.shape[0]):
        low, high = means[_EXCHANGES[e, 0]], means[_EXCHANGES[e, 1]]
        for j in range(n):
            one, other = low[j], high[j]
            low[j] = one if one < other else other
            high[j] = other if one < other else one
    low, high = means[3], means[4]
    for j in range(n):
        if not np.isnan(known[j]):
            known[j] = np.float32(0.5) * (low[j] + high[j]) * scale


@kernel
def _break(z, rows, cols, scale, out):  # type: ignore[no-untyped-def]
    height, width = z.shape
    n = rows.size
    held = np.empty(n, np.float32)
    over, aside = np.abs(rows).max(), np.abs(cols).max()
    means = np.empty((n, max(width - 2 * aside, 0)), np.float32)
    for i in range(height):
        first, last = width, width
        if over <= i < height - over and width > 2 * aside:
            first, last = aside, width - aside
            _middle_of_row(z, rows, cols, i, aside, means, scale, out)
        for j in range(width):
            if first <= j < last and not np.isnan(out[i, j]):
                continue
            here = z[i, j]
            m = 0
            for k in range(n):
                a, b = i + rows[k], j + cols[k]
                c, d = i - rows[k], j - cols[k]
                if a < 0 or a >= height or b < 0 or b >= width or c < 0 or c >= height or d < 0 or d >= width:
                    continue
                mean = here - np.float32(0.5) * (z[a, b] + z[c, d])
                if np.isnan(mean):
                    continue
                at = m
                while at > 0 and held[at - 1] > mean:
                    held[at] = held[at - 1]
                    at -= 1
                held[at] = mean
                m += 1
            # With half of the pairs off the measured ground nothing is said.
            if m * 2 < n:
                out[i, j] = np.float32(0.0)
            elif m % 2 == 1:
                out[i, j] = held[m // 2] * scale
            else:
                out[i, j] = np.float32(0.5) * (held[m // 2 - 1] + held[m // 2]) * scale


def histogram(values: Floats) -> NDArray[np.int64]:
    """Counts of |break|, which add up over tiles to the last digit."""
    known = np.abs(values[np.isfinite(values)])
    return np.bincount(np.minimum((known / _PER_BIN).astype(np.int64), BINS - 1), minlength=BINS)


def spread_of(counts: NDArray[np.int64]) -> float:
    """Robust standard deviation from a histogram: 1.4826 times the median of |break|."""
    total = int(counts.sum())
    if total == 0:
        return 0.0
    at = int(np.searchsorted(np.cumsum(counts), (total + 1) // 2))
    return 1.4826 * (at + 0.5) * _PER_BIN


def limits(look: Look, histograms: Sequence[NDArray[np.int64]]) -> tuple[float, ...]:
    """The break that counts, per distance."""
    return tuple(
        max(least, look.spreads * spread_of(counts))
        for least, counts in zip(look.least_breaks, histograms, strict=True)
    )


def disturbed(z: Floats, cell_m: float, look: Look, at_least: Sequence[float]) -> NDArray[np.bool_]:
    """Cells on or beside a break. Cells within ``look.reach`` of the array's edge lack their surroundings."""
    out = np.zeros(z.shape, np.bool_)
    for distance, limit in zip(look.distances_m, at_least, strict=True):
        with np.errstate(invalid="ignore"):
            out |= np.abs(breaks(z, cell_m, distance)) > limit
    return out


def parts_of(mask: NDArray[np.bool_], row0: int, col0: int) -> _runs.Parts:
    """Connected parts of a tile's mask, for joining over tiles."""
    found, sign = _runs.find_runs(mask.astype(np.int8), row0, col0)
    k = sign.size
    none = np.zeros(k, np.int64)
    cells = np.bincount(found[:, 3], weights=found[:, 2] - found[:, 1], minlength=k).astype(np.int64)
    return _runs.Parts(
        found, sign, cells, none, none, np.zeros((k, 0), np.int64), np.zeros((k, 0), np.int64),
        np.zeros(k, np.float32), np.zeros(k, np.float32), np.zeros((k, 2), np.int64),
        np.zeros((k, 0), np.int64),
    )  # fmt: skip
