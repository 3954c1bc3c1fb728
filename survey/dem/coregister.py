"""Lay the later surface on the earlier one: horizontal shift, and a first guess of the height terms.

One regression does what Nuth & Kääb (2011) do with the cosine of the aspect, and weighs each cell by what
it can tell: where the ground slopes, a surface moved by (e, n) stands higher by -(e·∂z/∂x + n·∂z/∂y). The
regression is repeated on the moved surface until it no longer moves, with weights that forget what changed;
it starts from the mode of the rise, since more than half of a busy mine may have changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.robust import shorth, tukey
from survey.dem.sampling import SLOPE_REACH_M, Points, Resampler
from survey.jit import kernel

STEP_M = 1e-5
"""Converged when a step moves the surface by less than this."""
ROUGH_STEP_M = 1e-3
"""Good enough for a first fit, which only has to find the stable ground."""
MOST_STEPS = 40
STARTS_M = (0.0, -3.0, 3.0)
START_POINTS = 3000
FIRST_POINTS = 24_000
PARTS_A_SIDE = 4
CLUSTERS_A_SIDE = 8
LIKELY_SHIFT_M = 2.0
"""A first fit holds shifts back as if they were normal with this σ: flat ground cannot run away with them."""


@dataclass(frozen=True)
class Basis:
    """Height terms on normalised coordinates u = (east - centre)/scale: 1, u, v, u² + v²."""

    centre_east: float
    centre_north: float
    scale_m: float

    def columns(self, east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.float64]:
        u, v = (east - self.centre_east) / self.scale_m, (north - self.centre_north) / self.scale_m
        return np.stack([np.ones_like(u), u, v, u * u + v * v], axis=-1)


@dataclass(frozen=True)
class Fit:
    """A first robust fit; ``beta`` are what has to be *added* to the later heights, per basis column."""

    east_m: float
    north_m: float
    beta: NDArray[np.float64]
    scale_m: float  # spread of the residual's narrowest 30 %, as a σ
    steps: int
    converged: bool


def first_fit(
    points: Points,
    resampler: Resampler,
    basis: Basis,
    use: NDArray[np.bool_],
    *,
    horizontal: bool,
    reach_m: float,
) -> Fit:
    """The best of several starts, judged by the spread of the residual's narrowest part.

    Parameters
    ----------
    use : (n,) points that may be stable ground.
    reach_m : the largest shift for which ``resampler`` holds data.
    """
    columns = basis.columns(points.east, points.north)
    index = np.flatnonzero(use)
    few = index[:: max(1, index.size // START_POINTS)]
    index = index[:: max(1, index.size // FIRST_POINTS)]
    starts = [(0.0, 0.0)]
    if horizontal:
        starts = [(e, n) for e in STARTS_M for n in STARTS_M if max(abs(e), abs(n)) < reach_m]
    tried = [
        _descend(points, resampler.at, columns, few, start, horizontal, reach_m, terms=1, most=15)
        for start in starts
    ]
    best = min(tried, key=lambda fit: (fit.scale_m, abs(fit.east_m) + abs(fit.north_m)))
    start = (best.east_m, best.north_m)
    fits = [
        _descend(points, resampler.at, columns, index, start, horizontal, reach_m, terms=k, most=MOST_STEPS)
        for k in (1, 4)
    ]
    # Tilt and dome are taken along only to find the stable ground; whether they are applied is decided later.
    return fits[1] if fits[1].scale_m < 0.97 * fits[0].scale_m else fits[0]


def _descend(
    points: Points,
    moved: Callable[..., NDArray[np.float64]],
    columns: NDArray[np.float64],
    index: NDArray[np.int64],
    start: tuple[float, float],
    horizontal: bool,
    reach_m: float,
    *,
    terms: int,
    most: int,
) -> Fit:
    shift = np.array(start)
    beta = np.zeros(4)
    x = columns[index, :terms]
    slopes = np.stack([points.slope_east[index], points.slope_north[index]], axis=1)
    before = points.before[index]
    dh = moved(*shift, index) - before
    mode, sigma = shorth(dh)
    beta[0] = -mode
    converged = False
    step = 0
    for step in range(1, most + 1):  # noqa: B007
        r = dh + x @ beta[:terms]
        mode, sigma = shorth(r)
        if not np.isfinite(sigma):
            break
        weight = tukey(r - mode, max(4.0 * sigma, 1e-6))
        design = np.concatenate([x, -slopes], axis=1) if horizontal else x
        weighted = design * weight[:, None]
        normal = weighted.T @ design
        pull = -(weighted.T @ np.where(weight > 0, r, 0.0))
        if horizontal:
            hold = (sigma / LIKELY_SHIFT_M) ** 2
            normal[[-2, -1], [-2, -1]] += hold
            pull[-2:] -= hold * shift
        delta = np.linalg.lstsq(normal, pull, rcond=1e-12)[0]
        move = delta[terms:] if horizontal else np.zeros(2)
        # A step longer than the slopes are known to hold for is walked in pieces.
        length = float(np.hypot(*move))
        move = move * min(1.0, 2.0 / length) if length > 2.0 else move
        beta[:terms] += delta[:terms]
        shift = np.clip(shift + move, -reach_m, reach_m)
        if horizontal:
            dh = moved(*shift, index) - before
        if max(length, float(np.abs(delta[:terms]).max())) < ROUGH_STEP_M:
            converged = True
            break
    r = dh + x @ beta[:terms]
    _, sigma = shorth(r)
    return Fit(float(shift[0]), float(shift[1]), beta, sigma, step, converged)


def refine_shift(
    points: Points,
    resampler: Resampler,
    columns: NDArray[np.float64],
    stable: NDArray[np.bool_],
    block: Tiling,
    start: Fit,
    reach_m: float,
) -> tuple[float, float, NDArray[np.float64], NDArray[np.float64]]:
    """Shift from stable cells alone, with its covariance.

    Tilt, dome and a height of its own for each sixteenth of the scene are fitted along, so that none of them,
    nor noise that is correlated over the scene, can pass for a shift.

    Parameters
    ----------
    columns : (n, 4) height terms at the points. stable : (n,) the cells to use.
    block : the blocks that the points lie in; their noise is taken as independent two blocks apart.

    Returns
    -------
    east, north in metres, their 2×2 covariance (NaN where the ground cannot tell), and (n,) rise of all
    points at that shift.
    """
    shift = np.array([start.east_m, start.north_m])
    index = np.flatnonzero(stable)
    part, parts = block.numbers(index, PARTS_A_SIDE)
    cluster, clusters = block.numbers(index, CLUSTERS_A_SIDE)
    before = points.before[index]
    unknown = np.full((2, 2), np.nan)
    if clusters < 8:
        return shift[0], shift[1], unknown, resampler.at(shift[0], shift[1]) - points.before
    covariance = unknown
    instrument = -np.stack([points.slope_east[index], points.slope_north[index]], axis=1)
    # The slope of the *later* ground is what moving it changes; the earlier ground's slope is the instrument.
    # Their noises are independent, so rough texture cannot pass for relief and make the shift look certain.
    regressor = -_slopes(resampler, shift, index)
    chosen = columns[index]
    for _ in range(MOST_STEPS):
        r = resampler.at(shift[0], shift[1], index) - before
        ok = np.isfinite(r) & np.isfinite(regressor).all(axis=1)
        weight = ok.astype(np.float64)
        r = np.where(ok, r, 0.0)
        inner = _less_nuisance(r[:, None], chosen, weight, part, parts)[:, 0]
        sigma = shorth(inner[ok], 0.5)[1]
        weight *= tukey(inner, max(4.685 * sigma, 1e-6))
        everything = np.concatenate([r[:, None], instrument, np.where(ok[:, None], regressor, 0.0)], axis=1)
        cleaned = _less_nuisance(everything, chosen, weight, part, parts)
        y, z, x = cleaned[:, 0], cleaned[:, 1:3], cleaned[:, 3:]
        normal = (z * weight[:, None]).T @ x
        own = (z * weight[:, None]).T @ z
        if np.linalg.det(normal) < 1e-4 * np.linalg.det(own) or not np.linalg.det(own) > 0:
            # What looks like slope in one survey is not there in the other: there is no relief to hold on to.
            return shift[0], shift[1], unknown, resampler.at(shift[0], shift[1]) - points.before
        inverse = np.linalg.inv(normal)
        move = -inverse @ ((z * weight[:, None]).T @ y)
        left = (y + x @ move) * weight
        score = np.stack(
            [np.bincount(cluster, weights=z[:, k] * left, minlength=clusters) for k in (0, 1)], axis=1
        )
        covariance = inverse @ (score.T @ score) @ inverse.T * clusters / (clusters - 3)
        length = float(np.hypot(*move))
        move = move * min(1.0, 2.0 / length) if length > 2.0 else move
        shift = np.clip(shift + move, -reach_m, reach_m)
        if length < STEP_M:
            break
    return float(shift[0]), float(shift[1]), covariance, resampler.at(*shift) - points.before


@dataclass(frozen=True)
class Tiling:
    """Row and column of the block that each point lies in: (n,) each."""

    row: NDArray[np.int64]
    col: NDArray[np.int64]

    def numbers(self, index: NDArray[np.int64], a_side: int) -> tuple[NDArray[np.int64], int]:
        """Chosen points numbered by ``a_side`` × ``a_side`` compartments of blocks; how many hold any."""
        row, col = self.row[index], self.col[index]
        if index.size == 0:
            return np.empty(0, np.int64), 0
        side = [max(1, -(-(int(v.max()) - int(v.min()) + 1) // a_side)) for v in (self.row, self.col)]
        r, c = (row - self.row.min()) // side[0], (col - self.col.min()) // side[1]
        _, number = np.unique(r * (a_side + 1) + c, return_inverse=True)
        return number.astype(np.int64), int(number.max()) + 1


def _less_nuisance(
    x: NDArray[np.float64],
    columns: NDArray[np.float64],
    weight: NDArray[np.float64],
    part: NDArray[np.int64],
    parts: int,
) -> NDArray[np.float64]:
    """Columns of ``x`` less their parts' means and less what tilt and dome explain of them."""
    inner = _within(np.concatenate([columns[:, 1:], x], axis=1), weight, part, parts)
    terms, values = inner[:, :3], inner[:, 3:]
    weighted = terms * weight[:, None]
    solution = np.linalg.lstsq(weighted.T @ terms, weighted.T @ values, rcond=1e-10)[0]
    return values - terms @ solution


def _slopes(
    resampler: Resampler, shift: NDArray[np.float64], index: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(n, 2) rise per metre east and north of the later survey as it lies after the shift."""
    d = SLOPE_REACH_M
    east = resampler.at(shift[0] - d, shift[1], index) - resampler.at(shift[0] + d, shift[1], index)
    north = resampler.at(shift[0], shift[1] - d, index) - resampler.at(shift[0], shift[1] + d, index)
    return np.stack([east, north], axis=1) / (2 * d)


@kernel
def _within(x, weight, member, count):  # type: ignore[no-untyped-def]
    """Columns of ``x`` less their blocks' weighted means; added up in the order of the rows."""
    rows, cols = x.shape
    mean = np.zeros((count, cols))
    size = np.zeros(count)
    for i in range(rows):
        size[member[i]] += weight[i]
        for k in range(cols):
            mean[member[i], k] += x[i, k] * weight[i]
    for m in range(count):
        for k in range(cols):
            mean[m, k] = mean[m, k] / size[m] if size[m] > 0 else 0.0
    out = np.empty_like(x)
    for i in range(rows):
        for k in range(cols):
            out[i, k] = x[i, k] - mean[member[i], k]
    return out
