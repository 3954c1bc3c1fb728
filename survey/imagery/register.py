"""Do an elevation model and an orthomosaic of one flight lie on each other?

The two show the same ground in different ways, so they are compared by what both must have:

*Shading.* Sunlit slopes are bright. The light of a matt surface follows its slope towards the sun, so the
fine structure of the picture correlates with the slope east and the slope north, in a mixture that is the
direction of the sun and need not be known: the length of the pair of correlations is largest where the two
fit.

*Edges.* Faces, berms and walls are edges in both, whatever the colours.

Correlations of many windows are added before the peak is looked for, so that a truck or a shadow does not
decide. The spread of the peak over parts of the windows gives its uncertainty.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

WINDOW = 128
"""Side of a window, cells."""
_GROUPS = 8
# (height of the peak in standard deviations of its surroundings, wander of the peak in cells when parts of
# the windows are left out): beyond either pair it is no chance. Pictures of other places reach 4.5, and their
# peaks wander by ten cells and more.
_SURE = ((6.0, 1.5), (4.5, 0.4))


@dataclass(frozen=True)
class Correlations:
    """Sums over windows, per group of windows: (groups, 2·reach + 1, 2·reach + 1). Can be added."""

    east: Floats  # picture against slope east
    north: Floats
    edges: Floats
    windows: NDArray[np.int64]  # per group

    @property
    def reach(self) -> int:
        return (self.east.shape[-1] - 1) // 2

    def __add__(self, other: Correlations) -> Correlations:
        return Correlations(
            self.east + other.east,
            self.north + other.north,
            self.edges + other.edges,
            self.windows + other.windows,
        )


@dataclass(frozen=True)
class Registration:
    """Where the picture lies with regard to the heights; metres, east and north positive.

    ``known`` is False where nothing in the two tells. ``sun_deg`` is the direction from which the picture
    is lit as the slopes see it (clockwise from north), NaN if edges decided.
    """

    east_m: float
    north_m: float
    sigma_m: float
    height: float  # of the peak, standard deviations
    by: str  # shading | edges
    windows: int
    sun_deg: float
    known: bool
    at_rim: bool  # the peak lies at the limit of the search: the offset is at least this

    @property
    def distance_m(self) -> float:
        return math.hypot(self.east_m, self.north_m)


def nothing(reach: int) -> Correlations:
    """The neutral element of addition."""
    shape = (_GROUPS, 2 * reach + 1, 2 * reach + 1)
    return Correlations(np.zeros(shape), np.zeros(shape), np.zeros(shape), np.zeros(_GROUPS, np.int64))


def correlate(
    heights: NDArray[np.floating], light: NDArray[np.floating], reach: int, *, first_window: int = 0
) -> Correlations:
    """Correlations of all whole windows of a tile.

    Parameters
    ----------
    heights:
        (rows, cols) metres, NaN = not measured.
    light:
        Brightness on the same cells, any unit, NaN = not photographed.
    reach:
        How far the picture may be off, cells.
    first_window:
        Number of the tile's first window, which puts it into its group.
    """
    from scipy import fft

    total = nothing(reach)
    side = fft.next_fast_len(WINDOW + 2 * reach, real=True)
    number = first_window
    rows, cols = heights.shape
    for row in range(0, rows - WINDOW + 1, WINDOW):
        for col in range(0, cols - WINDOW + 1, WINDOW):
            here = (slice(row, row + WINDOW), slice(col, col + WINDOW))
            group = number % _GROUPS
            number += 1
            z, bright = heights[here], light[here]
            known = np.isfinite(z) & np.isfinite(bright)
            if known.mean() < 0.5:
                continue
            features = _features(np.asarray(z, np.float64), np.asarray(bright, np.float64))
            if features is None:
                continue
            slope_east, slope_north, steep, shade, outline = (fft.rfft2(f, s=(side, side)) for f in features)

            def surface(picture: NDArray[np.complex128], ground: NDArray[np.complex128]) -> Floats:
                whole = fft.irfft2(picture * np.conj(ground), s=(side, side))
                return np.asarray(
                    np.roll(whole, (reach, reach), axis=(0, 1))[: 2 * reach + 1, : 2 * reach + 1]
                )

            total.east[group] += surface(shade, slope_east)
            total.north[group] += surface(shade, slope_north)
            total.edges[group] += surface(outline, steep)
            total.windows[group] += 1
    return total


def _features(z: Floats, bright: Floats) -> tuple[Floats, ...] | None:
    """Slopes, steepness, shade and outlines, each of zero mean, cut at three robust sigmas and of unit
    energy.
    """
    from scipy import ndimage

    known = np.isfinite(z) & np.isfinite(bright)
    z = np.where(known, z, float(np.mean(z[known])))
    bright = np.where(known, bright, float(np.median(bright[known])))
    # One cell of blur: what is finer is noise in both.
    z, bright = ndimage.gaussian_filter(z, 1.0), ndimage.gaussian_filter(bright, 1.0)
    down, east = np.gradient(z)
    across, along = np.gradient(bright)
    inside = ndimage.binary_erosion(known, iterations=3, border_value=1)
    edge = 4
    inside[:edge] = inside[-edge:] = False
    inside[:, :edge] = inside[:, -edge:] = False
    found = []
    for feature in (east, -down, np.hypot(east, down), bright, np.hypot(across, along)):
        fine = feature - ndimage.gaussian_filter(feature, 6.0)
        values = fine[inside]
        if values.size == 0:
            return None
        limit = 3 * 1.4826 * float(np.median(np.abs(values - np.median(values))))
        if limit <= 0:
            return None
        fine = np.where(inside, np.clip(fine - float(np.median(values)), -limit, limit), 0.0)
        fine -= np.where(inside, float(fine[inside].mean()), 0.0)
        energy = math.sqrt(float((fine * fine).sum()))
        if energy == 0:
            return None
        found.append(fine / energy)
    return tuple(found)


def judge(c: Correlations, cell_m: float) -> Registration:
    """The offset of the picture and how sure it is. ``cell_m``: side of a cell, metres."""
    windows = int(c.windows.sum())
    blank = Registration(math.nan, math.nan, math.nan, 0.0, "shading", windows, math.nan, False, False)
    if windows == 0:
        return blank
    best = blank
    shading = np.hypot(c.east.sum(axis=0), c.north.sum(axis=0))
    for by, whole in (("shading", shading), ("edges", c.edges.sum(axis=0))):
        if not np.any(whole):
            continue
        row, col, height = _peak(whole)
        if height <= best.height:
            continue
        parts = []
        for left_out in range(_GROUPS):
            if c.windows[left_out] == 0:
                continue
            keep = np.arange(_GROUPS) != left_out
            if by == "shading":
                rest = np.hypot(c.east[keep].sum(axis=0), c.north[keep].sum(axis=0))
            else:
                rest = c.edges[keep].sum(axis=0)
            if np.any(rest):
                r, k, _ = _peak(rest)
                parts.append((r, k))
        n = len(parts)
        spread = float(np.sqrt(np.sum(np.var(np.array(parts), axis=0)) * (n - 1))) if n > 1 else math.inf
        peak_row, peak_col = round(row), round(col)
        sun = math.nan
        if by == "shading":
            # Slopes that rise towards the sun's far side are dark: light comes from where the slope falls to.
            sun = math.degrees(
                math.atan2(
                    -float(c.east.sum(axis=0)[peak_row, peak_col]),
                    -float(c.north.sum(axis=0)[peak_row, peak_col]),
                )
            )
        reach = c.reach
        best = Registration(
            east_m=(col - reach) * cell_m,
            north_m=-(row - reach) * cell_m,
            sigma_m=math.hypot(spread, 0.1) * cell_m,
            height=height,
            by=by,
            windows=windows,
            sun_deg=sun % 360,
            known=n >= 3 and any(height >= least and spread < most for least, most in _SURE),
            at_rim=max(abs(row - reach), abs(col - reach)) > reach - 1.5,
        )
    return best


def _peak(surface: Floats) -> tuple[float, float, float]:
    """(row, col, height over the rest in robust standard deviations) of the highest place, to a part of a
    cell.
    """
    row, col = (int(v) for v in np.unravel_index(int(np.argmax(surface)), surface.shape))
    middle = float(np.median(surface))
    spread = 1.4826 * float(np.median(np.abs(surface - middle)))
    height = (float(surface[row, col]) - middle) / spread if spread > 0 else 0.0

    def part(before: float, here: float, after: float) -> float:
        bend = before - 2 * here + after
        return 0.5 * (before - after) / bend if bend < 0 else 0.0

    r, c = float(row), float(col)
    if 0 < row < surface.shape[0] - 1:
        r += part(*(float(v) for v in surface[row - 1 : row + 2, col]))
    if 0 < col < surface.shape[1] - 1:
        c += part(*(float(v) for v in surface[row, col - 1 : col + 2]))
    return r, c, height
