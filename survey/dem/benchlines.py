"""Crest and toe lines of faces, with height, face angle and berm width, from a height field.

A face is ground steeper than ``least_slope_deg``. Its outline is traced as the contour of slope at that
angle, to parts of a cell. Where the ground falls into the face the outline is a *crest*, where it falls out
of it a *toe*; along the flanks it is neither. Height and angle are measured along the line of steepest
descent from points of the crest; the angle between 15 % and 85 % of the drop, because the rounded brow and
the scree at the foot belong to neither; the berm's width straight on from the toe to the next crest below.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from survey.dem.contours import contours
from survey.dem.terrain import slope_deg
from survey.grid import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sample = Callable[[NDArray[np.float64]], NDArray[np.float64]]

Kind = Literal["crest", "toe"]

_STEP = 0.5  # of a cell, when walking down a face
_LEVEL_RUN = 1.5  # cells of ground flatter than a face that end it
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


@dataclass(frozen=True, slots=True)
class _Walks:
    """Walks down faces, one a row: where they began and ended, and what they measured."""

    top: NDArray[np.float64]  # (n, 2) row, col
    foot: NDArray[np.float64]
    height: NDArray[np.float64]
    angle: NDArray[np.float64]
    berm: NDArray[np.float64]


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

    def slopes(piece: Grid) -> NDArray[np.float32]:
        r0, c0 = piece.row0 - grid.row0, piece.col0 - grid.col0
        r1, c1 = r0 + piece.height, c0 + piece.width
        # One cell more on each side: the slope of a tile's edge needs its neighbours.
        top, left = max(r0 - 1, 0), max(c0 - 1, 0)
        part = heights[top : r1 + 1, left : c1 + 1]
        return slope_deg(part, grid.cell_east, grid.cell_north)[r0 - top : r1 - top, c0 - left : c1 - left]

    sample = _sampler(heights, grid)
    crests: list[NDArray[np.float64]] = []
    toes: list[NDArray[np.float64]] = []
    for outline in contours(slopes, grid, [least_slope_deg], least_length_m=4 * cell):
        # A steep thing with a short way round it is a tree, a shed or a boulder, not a face.
        if outline.closed and outline.length_m < _LEAST_ROUND * least_length_m:
            continue
        row, col = grid.row_col(outline.line[:, 0], outline.line[:, 1])
        for kind, part in _crests_and_toes(np.column_stack([row, col]), outline.closed, grid, sample):
            (crests if kind == "crest" else toes).append(part)

    measured: list[BenchLine] = []
    walks = [_walk(part, heights, grid, least_slope_deg, widest_berm_m, sample) for part in crests]
    for part, walk in zip(crests, walks, strict=True):
        good = np.isfinite(walk.height)
        # A face that runs out of the data, or is lower than asked for, is no bench.
        if not good.any() or np.nanmedian(walk.height) < least_height_m:
            continue
        line = _on_ground(part, grid, sample)
        bench = BenchLine(
            "crest", line, float(np.median(walk.height[good])), _median(walk.angle[good]), math.nan
        )
        if bench.length_m >= least_length_m:
            measured.append(bench)

    if walks:
        measured += _toes(toes, walks, grid, sample, least_height_m, least_length_m)
    measured.sort(key=lambda b: (b.kind, -b.line[0, 1], b.line[0, 0]))
    return measured


def _toes(
    toes: list[NDArray[np.float64]],
    walks: list[_Walks],
    grid: Grid,
    sample: Sample,
    least_height_m: float,
    least_length_m: float,
) -> list[BenchLine]:
    """Toes take their figures from the walks that ended on them."""
    from scipy.spatial import cKDTree

    foot = np.concatenate([w.foot for w in walks])
    figures = np.column_stack(
        [
            np.concatenate([w.height for w in walks]),
            np.concatenate([w.angle for w in walks]),
            np.concatenate([w.berm for w in walks]),
        ]
    )
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


def _median(values: NDArray[np.float64]) -> float:
    values = values[np.isfinite(values)]
    return float(np.median(values)) if len(values) else math.nan


def _sampler(heights: NDArray[np.float32], grid: Grid) -> Sample:
    """Bilinear heights at (n, 2) row, col; NaN beside cells that were not measured."""
    rows, cols = heights.shape

    def sample(at: NDArray[np.float64]) -> NDArray[np.float64]:
        # Where the ground has no fall there is no way uphill either: such places are not measured.
        at = np.where(np.isfinite(at), at, -2.0)
        row, col = np.clip(at[:, 0], 0, rows - 1), np.clip(at[:, 1], 0, cols - 1)
        inside = (np.abs(at[:, 0] - row) <= 0.5) & (np.abs(at[:, 1] - col) <= 0.5)
        r = np.clip(np.floor(row), 0, max(rows - 2, 0)).astype(np.intp)
        c = np.clip(np.floor(col), 0, max(cols - 2, 0)).astype(np.intp)
        r2, c2 = np.minimum(r + 1, rows - 1), np.minimum(c + 1, cols - 1)
        down, right = row - r, col - c
        z = np.zeros(len(at))
        for rr, cc, weight in (
            (r, c, (1 - down) * (1 - right)),
            (r, c2, (1 - down) * right),
            (r2, c, down * (1 - right)),
            (r2, c2, down * right),
        ):
            # A cell that does not count must not spoil the sum by being unmeasured.
            z += np.where(weight > 0, heights[rr, cc].astype(np.float64), 0.0) * weight
        return np.where(inside, z, np.nan)

    return sample


def _falling(at: NDArray[np.float64], grid: Grid, sample: Sample) -> NDArray[np.float64]:
    """(n, 2) ∂z/∂east, ∂z/∂north by central differences over one cell each way."""
    right, down = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    east = (sample(at + right) - sample(at - right)) / (2 * grid.cell_east)
    north = (sample(at - down) - sample(at + down)) / (2 * grid.cell_north)
    return np.column_stack([east, north])


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
    slope = _falling(points, grid, sample)
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


def _walk(
    crest: NDArray[np.float64],
    heights: NDArray[np.float32],
    grid: Grid,
    least_slope_deg: float,
    widest_berm_m: float,
    sample: Sample,
) -> _Walks:
    """Walk down the line of steepest descent from every other cell of a crest."""
    gap = np.concatenate([[0.0], np.hypot(*np.diff(crest, axis=0).T).cumsum()])
    at = np.column_stack(
        [np.interp(np.arange(0.0, gap[-1] + 1e-9, 2.0), gap, crest[:, axis]) for axis in (0, 1)]
    )
    top = at.copy()
    n = len(at)
    limit = math.tan(math.radians(least_slope_deg))
    step_m = _STEP * grid.cell_m
    path_z, path_d = [sample(at)], [np.zeros(n)]
    alive = np.isfinite(path_z[0])
    level_run, distance = np.zeros(n), np.zeros(n)
    foot, foot_d = at.copy(), np.zeros(n)
    heading = np.zeros((n, 2))
    lost = ~alive
    for _ in range(2 * sum(heights.shape)):
        if not alive.any():
            break
        slope = _falling(at, grid, sample)
        steep = np.hypot(slope[:, 0], slope[:, 1])
        blind = alive & ~np.isfinite(steep)
        lost |= blind
        alive &= ~blind
        on_face = alive & (steep >= limit)
        # On level ground the walk keeps its heading, to see whether the face goes on.
        turn = on_face | (alive & (heading == 0).all(axis=1) & (steep > 0))
        heading[turn] = -slope[turn] / steep[turn, None]
        at = at + np.where(
            alive[:, None],
            np.column_stack([-heading[:, 1] / grid.cell_north, heading[:, 0] / grid.cell_east]) * step_m,
            0.0,
        )
        distance = distance + np.where(alive, step_m, 0.0)
        z = sample(at)
        blind = alive & ~np.isfinite(z)
        lost |= blind
        alive &= ~blind
        path_z.append(np.where(alive, z, np.nan))
        path_d.append(distance.copy())
        foot[on_face], foot_d[on_face] = at[on_face], distance[on_face]
        level_run = np.where(on_face, 0.0, level_run + _STEP)
        alive &= level_run <= _LEVEL_RUN
    ended = ~lost & (foot_d > 0)
    # The outline cuts the rounded brow and foot: the level of the berms is met one cell further on.
    uphill = _falling(top, grid, sample)
    uphill /= np.maximum(np.hypot(uphill[:, 0], uphill[:, 1]), 1e-12)[:, None]
    z_top = np.fmax(sample(top), sample(top + np.column_stack([-uphill[:, 1], uphill[:, 0]])))
    z_foot = np.fmin(sample(foot), sample(foot + np.column_stack([-heading[:, 1], heading[:, 0]])))
    drop = np.where(ended, z_top - z_foot, np.nan)
    angle = _face_angle(np.stack(path_z, axis=1), np.stack(path_d, axis=1), z_top, drop)
    berm = _berm(foot, heading, grid, limit, widest_berm_m, ended, sample)
    return _Walks(top, np.where(ended[:, None], foot, np.nan), drop, angle, berm)


def _face_angle(
    z: NDArray[np.float64], d: NDArray[np.float64], z_top: NDArray[np.float64], drop: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Angle of the straight line between 15 % and 85 % of the drop, degrees."""
    angle = np.full(len(z), np.nan)
    for k in np.flatnonzero(np.isfinite(drop) & (drop > 0)):
        fallen = z_top[k] - z[k]
        good = np.isfinite(fallen)
        fallen, far = np.maximum.accumulate(fallen[good]), d[k][good]
        a, b = np.interp([0.15 * drop[k], 0.85 * drop[k]], fallen, far)
        if b > a:
            angle[k] = math.degrees(math.atan2(0.7 * drop[k], b - a))
    return angle


def _berm(
    foot: NDArray[np.float64],
    heading: NDArray[np.float64],
    grid: Grid,
    limit: float,
    widest_m: float,
    ended: NDArray[np.bool_],
    sample: Sample,
) -> NDArray[np.float64]:
    """Level distance from each foot, straight on, to where the ground falls away; NaN if it does not."""
    width = np.full(len(foot), np.nan)
    looking = ended.copy()
    step_m = _STEP * grid.cell_m
    move = np.column_stack([-heading[:, 1] / grid.cell_north, heading[:, 0] / grid.cell_east]) * step_m
    at = np.where(looking[:, None], foot, 0.0) + 2 * move
    for k in range(2, math.ceil(widest_m / step_m) + 1):
        slope = _falling(at, grid, sample)
        ahead = slope[:, 0] * heading[:, 0] + slope[:, 1] * heading[:, 1]
        steep = np.hypot(slope[:, 0], slope[:, 1])
        falls = looking & (steep >= limit) & (ahead < 0)
        width[falls] = k * step_m
        # A wall that rises ahead, or the edge of the data, ends the berm without a crest.
        looking &= ~falls & np.isfinite(steep) & ~((steep >= limit) & (ahead > 0))
        if not looking.any():
            break
        at = at + move
    return width


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
