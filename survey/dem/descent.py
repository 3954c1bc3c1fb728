"""Walks down the line of steepest descent: from the crest of a face to its foot, and on over its berm."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid

Points = NDArray[np.float64]
Sample = Callable[[Points], NDArray[np.float64]]

STEP = 0.5  # of a cell
_LEVEL_RUN = 1.5  # cells of ground flatter than a face that end it
_NO_LOWER = 4  # steps without coming lower that end a walk: it goes to and fro in a gully
_LONGEST_M = 500.0


@dataclass(frozen=True, slots=True)
class Walks:
    """One walk a row. ``foot``: (n, 2) row, col, NaN where a walk was lost (it met unmeasured ground).

    ``height`` of the face in m, ``angle`` in degrees between 15 % and 85 % of the drop, ``berm``: level
    distance from the foot straight on to where the ground falls away again; NaN where there is none.
    """

    foot: Points
    height: NDArray[np.float64]
    angle: NDArray[np.float64]
    berm: NDArray[np.float64]


def sampler(heights: NDArray[np.float32]) -> Sample:
    """Bilinear heights at (n, 2) row, col; NaN beside cells that were not measured and outside."""
    rows, cols = heights.shape

    def sample(at: Points) -> NDArray[np.float64]:
        # Where the ground has no fall there is no way uphill either: such places are not measured.
        at = np.where(np.isfinite(at), at, -2.0)
        row = np.minimum(np.maximum(at[:, 0], 0), rows - 1)
        col = np.minimum(np.maximum(at[:, 1], 0), cols - 1)
        inside = (np.abs(at[:, 0] - row) <= 0.5) & (np.abs(at[:, 1] - col) <= 0.5)
        r = np.minimum(row.astype(np.intp), max(rows - 2, 0))
        c = np.minimum(col.astype(np.intp), max(cols - 2, 0))
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


def falling(at: Points, grid: Grid, sample: Sample) -> Points:
    """(n, 2) ∂z/∂east, ∂z/∂north by central differences over one cell each way."""
    right, down = np.array([0.0, 1.0]), np.array([1.0, 0.0])
    east = (sample(at + right) - sample(at - right)) / (2 * grid.cell_east)
    north = (sample(at - down) - sample(at + down)) / (2 * grid.cell_north)
    return np.column_stack([east, north])


def descend(
    top: Points, heights: NDArray[np.float32], grid: Grid, least_slope_deg: float, widest_berm_m: float
) -> Walks:
    """Walk from each of ``top`` (n, 2: row, col) as long as the ground is steeper than a face."""
    sample = sampler(heights)
    limit = math.tan(math.radians(least_slope_deg))
    n = len(top)
    foot, reached = top.copy(), np.zeros(n, bool)
    heading, lost = np.zeros((n, 2)), np.zeros(n, bool)
    level, stuck = np.zeros(n), np.zeros(n, int)
    at, lowest = top.copy(), sample(top)
    lost[~np.isfinite(lowest)] = True
    alive = np.flatnonzero(~lost)
    trail: list[tuple[NDArray[np.intp], int, NDArray[np.float64]]] = [(alive, 0, lowest[alive])]
    for step in range(1, math.ceil(_LONGEST_M / (STEP * grid.cell_m)) + 1):
        if not len(alive):
            break
        slope = falling(at[alive], grid, sample)
        steep = np.hypot(slope[:, 0], slope[:, 1])
        on_face = steep >= limit
        # On level ground the walk keeps its heading, to see whether the face goes on.
        turn = on_face | ((heading[alive] == 0).all(axis=1) & (steep > 0))
        heading[alive[turn]] = -slope[turn] / steep[turn, None]
        at[alive] += _move(heading[alive], grid)
        z = sample(at[alive])
        blind = ~np.isfinite(steep) | ~np.isfinite(z)
        lost[alive[blind]] = True
        foot[alive[on_face]], reached[alive[on_face]] = at[alive[on_face]], True
        level[alive] = np.where(on_face, 0.0, level[alive] + STEP)
        stuck[alive] = np.where(z < lowest[alive], 0, stuck[alive] + 1)
        lowest[alive] = np.fmin(lowest[alive], z)
        trail.append((alive[~blind], step, z[~blind]))
        alive = alive[~blind & (level[alive] <= _LEVEL_RUN) & (stuck[alive] <= _NO_LOWER)]
    ended = ~lost & reached
    # The outline cuts the rounded brow and foot: the level of the berms is met one cell further on.
    uphill = falling(top, grid, sample)
    uphill /= np.maximum(np.hypot(uphill[:, 0], uphill[:, 1]), 1e-12)[:, None]
    z_top = np.fmax(sample(top), sample(top + np.column_stack([-uphill[:, 1], uphill[:, 0]])))
    z_foot = np.fmin(sample(foot), sample(foot + np.column_stack([-heading[:, 1], heading[:, 0]])))
    drop = np.where(ended, z_top - z_foot, np.nan)
    angle = _face_angles(trail, STEP * grid.cell_m, z_top, drop)
    berm = _berms(foot, heading, grid, limit, widest_berm_m, ended, sample)
    return Walks(np.where(ended[:, None], foot, np.nan), drop, angle, berm)


def _move(heading: Points, grid: Grid) -> Points:
    """One step of that heading (east, north) in rows and columns."""
    step_m = STEP * grid.cell_m
    return np.column_stack([-heading[:, 1] / grid.cell_north, heading[:, 0] / grid.cell_east]) * step_m


def _face_angles(
    trail: list[tuple[NDArray[np.intp], int, NDArray[np.float64]]],
    step_m: float,
    z_top: NDArray[np.float64],
    drop: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Angle of the straight line between 15 % and 85 % of each drop, degrees."""
    who = np.concatenate([walkers for walkers, _, _ in trail])
    far = np.concatenate([np.full(len(walkers), step * step_m) for walkers, step, _ in trail])
    z = np.concatenate([heights for _, _, heights in trail])
    order = np.lexsort((far, who))
    who, far, z = who[order], far[order], z[order]
    angle = np.full(len(drop), np.nan)
    first = np.searchsorted(who, np.arange(len(drop)))
    last = np.searchsorted(who, np.arange(len(drop)), side="right")
    for k in np.flatnonzero(np.isfinite(drop) & (drop > 0)):
        fallen = np.maximum.accumulate(z_top[k] - z[first[k] : last[k]])
        a, b = np.interp([0.15 * drop[k], 0.85 * drop[k]], fallen, far[first[k] : last[k]])
        if b > a:
            angle[k] = math.degrees(math.atan2(0.7 * drop[k], b - a))
    return angle


def _berms(
    foot: Points,
    heading: Points,
    grid: Grid,
    limit: float,
    widest_m: float,
    ended: NDArray[np.bool_],
    sample: Sample,
) -> NDArray[np.float64]:
    """Level distance from each foot, straight on, to where the ground falls away; NaN if it does not."""
    width = np.full(len(foot), np.nan)
    step_m = STEP * grid.cell_m
    looking = np.flatnonzero(ended)
    move = _move(heading, grid)
    at = foot + 2 * move
    for k in range(2, math.ceil(widest_m / step_m) + 1):
        if not len(looking):
            break
        slope = falling(at[looking], grid, sample)
        ahead = (slope * heading[looking]).sum(axis=1)
        steep = np.hypot(slope[:, 0], slope[:, 1])
        falls = (steep >= limit) & (ahead < 0)
        width[looking[falls]] = k * step_m
        # A wall that rises ahead, or the edge of the data, ends the berm without a crest.
        looking = looking[~falls & np.isfinite(steep) & ~((steep >= limit) & (ahead > 0))]
        at[looking] += move[looking]
    return width
