"""Crest and toe lines of faces, with height, face angle and berm width, from a height field.

A face is ground steeper than ``least_slope_deg``. Its outline is traced as the contour of slope at that
angle, to parts of a cell. Where the ground falls into the face the outline is a *crest*, where it falls out
of it a *toe*; along the flanks it is neither. Height and angle are measured along the line of steepest
descent from points of the crest; the angle between 15 % and 85 % of the drop, because the rounded brow and
the scree at the foot belong to neither; the berm's width straight on from the toe to the next crest below.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from survey.dem.contours import contours
from survey.dem.descent import Sample, Walks, descend, falling, sampler
from survey.dem.terrain import slope_deg
from survey.grid import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.dem.terrain import Heights

Kind = Literal["crest", "toe"]

_TOE_REACH = 3.0  # cells within which a walk's foot belongs to a toe line
_LEAST_ROUND = 4.0  # lengths of a line that the outline of a face is long, at least
_FACING = 0.35  # cosine between outline's normal and the slope, below which the outline is a flank


@dataclass(frozen=True, slots=True)
class BenchLine:
    """A crest or toe. ``line``: (n, 3) east, north, height. Medians along it; NaN where nobody could measure.

    ``height_m`` and ``face_angle_deg`` are those of the face below the crest (above the toe);
    ``berm_width_m`` of the level ground between this toe and the next crest below, NaN for crests.
    """

    kind: Kind
    line: NDArray[np.float64]
    height_m: float
    face_angle_deg: float
    berm_width_m: float

    @property
    def length_m(self) -> float:
        return float(np.hypot(*np.diff(self.line[:, :2], axis=0).T).sum())


def bench_lines(
    heights: NDArray[np.float32],
    grid: Grid,
    *,
    least_slope_deg: float = 30.0,
    least_height_m: float = 2.0,
    least_length_m: float = 10.0,
    widest_berm_m: float = 60.0,
) -> list[BenchLine]:
    """Crests and toes of faces at least ``least_height_m`` high, in a fixed order.

    Parameters
    ----------
    heights:
        (rows, cols) of ``grid``, NaN = not measured. Cells should be a third of a face's width or finer.
    widest_berm_m:
        A toe with no crest below it within this distance lies on a floor: its berm has no width.
    """
    cell = grid.cell_m

    def slopes(piece: Grid) -> Heights:
        r0, c0 = piece.row0 - grid.row0, piece.col0 - grid.col0
        r1, c1 = r0 + piece.height, c0 + piece.width
        # One cell more on each side: the slope of a tile's edge needs its neighbours.
        top, left = max(r0 - 1, 0), max(c0 - 1, 0)
        part = heights[top : r1 + 1, left : c1 + 1]
        return slope_deg(part, grid.cell_east, grid.cell_north)[r0 - top : r1 - top, c0 - left : c1 - left]

    sample = sampler(heights)
    crests: list[NDArray[np.float64]] = []
    toes: list[NDArray[np.float64]] = []
    for outline in contours(slopes, grid, [least_slope_deg], least_length_m=4 * cell):
        # A steep thing with a short way round it is a tree, a shed or a boulder, not a face.
        if outline.closed and outline.length_m < _LEAST_ROUND * least_length_m:
            continue
        row, col = grid.row_col(outline.line[:, 0], outline.line[:, 1])
        for kind, part in _crests_and_toes(np.column_stack([row, col]), outline.closed, grid, sample):
            (crests if kind == "crest" else toes).append(part)

    tops = [_every_other_cell(part) for part in crests]
    if not tops:
        return []
    # All faces are walked at once: a step costs the same for one walker as for a thousand.
    walks = descend(np.concatenate(tops), heights, grid, least_slope_deg, widest_berm_m)
    measured: list[BenchLine] = []
    ends = np.cumsum([len(t) for t in tops])
    for part, end, count in zip(crests, ends, (len(t) for t in tops), strict=True):
        height, angle = walks.height[end - count : end], walks.angle[end - count : end]
        good = np.isfinite(height)
        # A face that runs out of the data, or is lower than asked for, is no bench.
        if not good.any() or np.median(height[good]) < least_height_m:
            continue
        line = _on_ground(part, grid, sample)
        bench = BenchLine("crest", line, float(np.median(height[good])), _median(angle[good]), math.nan)
        if bench.length_m >= least_length_m:
            measured.append(bench)
    measured += _toes(toes, walks, grid, sample, least_height_m, least_length_m)
    measured.sort(key=lambda b: (b.kind, -b.line[0, 1], b.line[0, 0]))
    return measured


def _toes(
    toes: list[NDArray[np.float64]],
    walks: Walks,
    grid: Grid,
    sample: Sample,
    least_height_m: float,
    least_length_m: float,
) -> list[BenchLine]:
    """Toes take their figures from the walks that ended on them."""
    from scipy.spatial import cKDTree

    foot = walks.foot
    figures = np.column_stack([walks.height, walks.angle, walks.berm])
    good = np.isfinite(foot).all(axis=1) & np.isfinite(figures[:, 0])
    if not good.any():
        return []
    tree, figures = cKDTree(foot[good]), figures[good]
    found: list[BenchLine] = []
    for part in toes:
        distance, nearest = tree.query(part)
        near = distance <= _TOE_REACH
        if not near.any():
            continue
        mine = figures[np.unique(nearest[near])]
        if np.median(mine[:, 0]) < least_height_m:
            continue
        line = _on_ground(part, grid, sample)
        berm = mine[:, 2]
        # Most of a berm must end at a crest for its width to be a berm's.
        width = _median(berm[np.isfinite(berm)]) if np.isfinite(berm).mean() >= 0.5 else math.nan
        bench = BenchLine("toe", line, float(np.median(mine[:, 0])), _median(mine[:, 1]), width)
        if bench.length_m >= least_length_m:
            found.append(bench)
    return found


def _every_other_cell(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points along a line (row, col), two cells apart."""
    gap = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    at = np.arange(0.0, gap[-1] + 1e-9, 2.0)
    return np.column_stack([np.interp(at, gap, line[:, axis]) for axis in (0, 1)])


def _median(values: NDArray[np.float64]) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else math.nan


def _crests_and_toes(
    outline: NDArray[np.float64],
    closed: bool,
    grid: Grid,
    sample: Sample,
) -> list[tuple[Kind, NDArray[np.float64]]]:
    """Cut an outline (row, col; the face to the left on the ground) into its crests and toes."""
    points = outline[:-1] if closed else outline
    if len(points) < 4:
        return []
    if closed:
        before, after = np.roll(points, 1, axis=0), np.roll(points, -1, axis=0)
    else:
        before = np.concatenate([points[:1], points[:-1]])
        after = np.concatenate([points[1:], points[-1:]])
    along_east = (after[:, 1] - before[:, 1]) * grid.cell_east
    along_north = -(after[:, 0] - before[:, 0]) * grid.cell_north
    length = np.maximum(np.hypot(along_east, along_north), 1e-12)
    out_east, out_north = along_north / length, -along_east / length  # the right-hand normal leaves the face
    slope = falling(points, grid, sample)
    steep = np.maximum(np.hypot(slope[:, 0], slope[:, 1]), 1e-12)
    facing = (slope[:, 0] * out_east + slope[:, 1] * out_north) / steep
    facing = np.where(np.isfinite(facing), facing, 0.0)
    facing = _smoothed(facing, closed)
    sign = np.where(facing > _FACING, 1, np.where(facing < -_FACING, -1, 0))
    found: list[tuple[Kind, NDArray[np.float64]]] = []
    for value, run in _runs(sign, closed):
        if value and len(run) >= 3:
            found.append(("crest" if value > 0 else "toe", points[run]))
    return found


def _smoothed(values: NDArray[np.float64], closed: bool, reach: int = 3) -> NDArray[np.float64]:
    """Running mean over 2·reach + 1 vertices: one ragged vertex must not cut a crest in two."""
    mode = "wrap" if closed else "edge"
    if len(values) <= 2 * reach + 1:
        return values
    padded = np.pad(values, reach, mode=mode)  # type: ignore[call-overload]
    return np.convolve(padded, np.full(2 * reach + 1, 1 / (2 * reach + 1)), mode="valid")


def _runs(sign: NDArray[np.int_], closed: bool) -> list[tuple[int, NDArray[np.intp]]]:
    """Index runs of equal sign; on a ring a run may pass the seam, and a whole ring comes back closed."""
    n = len(sign)
    order = np.arange(n)
    if closed:
        breaks = np.flatnonzero(sign != np.roll(sign, 1))
        if not len(breaks):
            return [(int(sign[0]), np.concatenate([order, order[:1]]))]
        order = np.roll(order, -int(breaks[0]))
    cuts = np.flatnonzero(np.diff(sign[order])) + 1
    return [(int(sign[run[0]]), run) for run in np.split(order, cuts)]


def _on_ground(
    part: NDArray[np.float64],
    grid: Grid,
    sample: Sample,
) -> NDArray[np.float64]:
    east, north = grid.east_north(part[:, 0], part[:, 1])
    z = sample(part)
    good = np.isfinite(z)
    z = np.interp(np.arange(len(z)), np.flatnonzero(good), z[good]) if good.any() else z
    return np.column_stack([east, north, z])
