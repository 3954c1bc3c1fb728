"""The noise of this pair of surveys, as its stable ground shows it.

Three parts: random from cell to cell (and growing with slope), correlated over metres (texture, matching) and
over tens of metres (image blocks; estimated with the height terms in :mod:`survey.dem.trend`). Nothing is
assumed of the instrument: the same drone over grass and over rock gives different numbers here.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.align import Alignment
from survey.dem.covariance import correlation, disc_mean
from survey.dem.mapping import map_onto
from survey.dem.rise import MISSING, metres, rise
from survey.dem.robust import NORMAL_MAD, nmad
from survey.dem.sampling import Window
from survey.grid import Grid

PATCH_CELLS = 128
MOST_PATCHES = 24
LAGS_CELLS = (1, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45, 64, 90)
SLOPE_BINS = 8


@dataclass(frozen=True)
class SlopeBin:
    slope_deg: float
    sigma_m: float
    cells: int


@dataclass(frozen=True)
class LagBin:
    lag_m: float
    semivariance: float
    model: float
    pairs: int


@dataclass(frozen=True)
class Noise:
    """1 σ in metres, variances in m²."""

    random_m: float
    texture_m: float  # correlated over a few metres
    texture_range_m: float
    flat_m: float  # one cell on flat ground, all parts
    slope_m: float  # σ² = flat² + (slope_m · tan s)²
    by_slope: tuple[SlopeBin, ...]
    variogram: tuple[LagBin, ...]
    cell_area_m2: float
    smooth_m: float  # of the mean over the detection square, on flat ground
    smooth_random_m: float  # its part that is not long correlation
    smooth_slope_m: float = 0.0  # σ² of that mean grows by (smooth_slope_m · tan s)²

    def fine_variance(self, area_m2: NDArray[np.float64]) -> NDArray[np.float64]:
        """Variance of a mean over ``area_m2`` from random and texture noise."""
        area = np.maximum(np.asarray(area_m2, np.float64), self.cell_area_m2)
        texture = disc_mean(area, max(self.texture_range_m, 1e-6), "exponential")
        return self.random_m**2 * self.cell_area_m2 / area + self.texture_m**2 * texture


def measure_noise(
    sample: list[Window], job: Grid, after_grid: Grid, alignment: Alignment, radius: int
) -> Noise:
    """Noise of the aligned rise on stable ground.

    Parameters
    ----------
    radius : of the square that detection averages over, in cells.

    Raises
    ------
    ValueError
        There is no stable ground to learn from.
    """
    at = alignment.points
    good = np.isfinite(alignment.residual)
    if not good.any() or alignment.trend is None:
        raise ValueError("no stable ground")
    by_slope, flat, slope_m = _slope_model(np.arctan(at.slope[good]), alignment.residual[good])
    pairs_of = _patches(sample, job, after_grid, alignment)
    patches = [r for r, _ in pairs_of]
    lags, semi, pairs = _variogram(patches)
    long_sill = alignment.trend.correlated_m**2
    hypotheses = alignment.trend.hypotheses
    cell = job.cell_m

    def long_part(h: NDArray[np.float64]) -> NDArray[np.float64]:
        return sum(
            (k.weight * k.sill * (1 - correlation(h, k.range_m, k.model)) for k in hypotheses),
            np.zeros_like(h),
        )

    distance = lags * cell
    random, texture, texture_range = _fit_fine(distance, semi, pairs, long_part(distance), cell)
    model = random + texture * (1 - correlation(distance, texture_range, "exponential")) + long_part(distance)
    smooth, smooth_slope = _smooth_sigma(pairs_of, job, radius)
    smooth_fine = math.sqrt(max(smooth**2 - long_sill, 0.1 * smooth**2))
    return Noise(
        random_m=math.sqrt(random),
        texture_m=math.sqrt(texture),
        texture_range_m=texture_range,
        flat_m=flat,
        slope_m=slope_m,
        by_slope=by_slope,
        variogram=tuple(
            LagBin(float(h), float(g), float(m), int(n))
            for h, g, m, n in zip(distance, semi, model, pairs, strict=True)
        ),
        cell_area_m2=job.cell_area_m2,
        smooth_m=smooth,
        smooth_random_m=smooth_fine,
        smooth_slope_m=smooth_slope,
    )


def _slope_model(
    slope: NDArray[np.float64], residual: NDArray[np.float64]
) -> tuple[tuple[SlopeBin, ...], float, float]:
    """σ² = flat² + (k·tan s)²: a survey moved sideways by k shows as height on a slope."""
    edges = np.unique(np.quantile(slope, np.linspace(0, 1, SLOPE_BINS + 1)))
    bins = []
    for low, high in itertools.pairwise(edges):
        inside = (slope >= low) & (slope <= high)
        if inside.sum() >= 50:
            bins.append(
                (float(np.tan(slope[inside]).mean()) ** 2, nmad(residual[inside]) ** 2, int(inside.sum()))
            )
    if not bins:
        return (), nmad(residual), 0.0
    x, y, n = (np.array(c, np.float64) for c in zip(*bins, strict=True))
    flat, growth = _line_of_variance(x, y, n)
    shown = tuple(
        SlopeBin(math.degrees(math.atan(math.sqrt(a))), math.sqrt(b), int(c))
        for a, b, c in zip(x, y, n, strict=True)
    )
    return shown, flat, growth


def _line_of_variance(
    x: NDArray[np.float64], y: NDArray[np.float64], n: NDArray[np.float64]
) -> tuple[float, float]:
    """(flat σ, k) of variances ``y`` = flat² + k²·``x`` at squared slopes ``x`` from ``n`` cells each."""
    if x.size == 0:
        return math.nan, 0.0
    # Spread of a variance grows with the variance: weights by its square.
    weight = n / np.maximum(y, 1e-12) ** 2
    k2 = 0.0
    if x.size > 1 and np.ptp(x) > 0:
        xm, ym = np.average(x, weights=weight), np.average(y, weights=weight)
        k2 = max(0.0, float((weight * (x - xm) * (y - ym)).sum() / (weight * (x - xm) ** 2).sum()))
    flat2 = max(float(np.average(y - k2 * x, weights=weight)), 0.25 * float(y.min()))
    return math.sqrt(flat2), math.sqrt(k2)


def _patches(
    sample: list[Window], job: Grid, after_grid: Grid, alignment: Alignment
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Square patches where most sampled points are stable: aligned rise (NaN elsewhere), earlier heights."""
    at = alignment.points
    mapping = map_onto(job, after_grid, alignment.east_m, alignment.north_m)
    polynomial = alignment.correction.polynomial(job)
    found: list[tuple[float, int, Grid, Window]] = []
    order = 0
    for index, w in enumerate(sample):
        here = np.flatnonzero(at.window == index)
        if here.size == 0:
            continue
        stable = alignment.stable[here]
        for piece in w.piece.pieces(PATCH_CELLS):
            inside = (
                (at.row[here] >= piece.row0)
                & (at.row[here] < piece.row0 + piece.height)
                & (at.col[here] >= piece.col0)
                & (at.col[here] < piece.col0 + piece.width)
            )
            n = int(inside.sum())
            order += 1
            if n >= 20 and min(piece.shape) >= 16:
                found.append((float(stable[inside].sum()) / n, order, piece, w))
    good = [f for f in found if f[0] >= 0.5]
    # Spread over the scene rather than the best few, which might all lie on one flat road.
    chosen = (
        good[:: max(1, len(good) // MOST_PATCHES)][:MOST_PATCHES]
        if good
        else sorted(found, key=lambda f: (-f[0], f[1]))[:4]
    )
    residual_sigma = max(alignment.nmad_after_m, 1e-6)
    out = []
    for _, _, piece, w in chosen:
        rows = slice(piece.row0 - w.piece.row0, piece.row0 - w.piece.row0 + piece.height)
        cols = slice(piece.col0 - w.piece.col0, piece.col0 - w.piece.col0 + piece.width)
        grains = rise(
            piece,
            np.ascontiguousarray(w.before[rows, cols]),
            w.after,
            w.after_grid.row0,
            w.after_grid.col0,
            mapping,
            polynomial,
        )
        r = metres(grains).astype(np.float64)
        r[np.abs(r) > 6 * residual_sigma] = np.nan
        if (grains != MISSING).any():
            out.append((r, w.before[rows, cols].astype(np.float64)))
    return out


def _variogram(
    patches: list[NDArray[np.float64]],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    """Robust semivariance by lag (cells) along rows and columns: ½·(1.4826·median|Δ|)²."""
    lags, semi, pairs = [], [], []
    for lag in LAGS_CELLS:
        parts = []
        for r in patches:
            if lag < r.shape[0] // 2 + 1:
                parts.append((r[lag:] - r[:-lag]).ravel())
            if lag < r.shape[1] // 2 + 1:
                parts.append((r[:, lag:] - r[:, :-lag]).ravel())
        d = np.concatenate(parts) if parts else np.empty(0)
        d = np.abs(d[np.isfinite(d)])
        if d.size >= 200:
            lags.append(float(lag))
            semi.append(0.5 * (NORMAL_MAD * float(np.median(d))) ** 2)
            pairs.append(d.size)
    return np.array(lags), np.array(semi), np.array(pairs, np.int64)


def _fit_fine(
    distance: NDArray[np.float64],
    semi: NDArray[np.float64],
    pairs: NDArray[np.int64],
    long_part: NDArray[np.float64],
    cell: float,
) -> tuple[float, float, float]:
    """Random variance, texture variance and texture range that best explain the short lags."""
    from scipy.optimize import nnls

    if distance.size < 3:
        level = float(semi.mean()) if semi.size else 0.0
        return level, 0.0, 4 * cell
    y = np.maximum(semi - long_part, 0.0)
    # The first lags decide: they hold the most, and long noise adds least to them.
    weight = 1 / (np.maximum(semi, 1e-12) * np.sqrt(np.arange(1, semi.size + 1)))
    best: tuple[float, float, float, float] | None = None
    for texture_range in np.geomspace(3 * cell, max(float(distance[-1]), 6 * cell), 10):
        x = np.stack(
            [np.ones_like(distance), 1 - correlation(distance, float(texture_range), "exponential")], axis=1
        )
        coefficients, misfit = nnls(x * weight[:, None], y * weight)
        if best is None or misfit < best[0]:
            best = (float(misfit), float(coefficients[0]), float(coefficients[1]), float(texture_range))
    assert best is not None
    return best[1], best[2], best[3]


def _smooth_sigma(
    patches: list[tuple[NDArray[np.float64], NDArray[np.float64]]], job: Grid, radius: int
) -> tuple[float, float]:
    """Spread about zero of means over the detection square: on flat ground, and its growth with slope.

    The growth is that of the *mean*, not of a cell: what is random from cell to cell on a slope averages
    out in the square, what a shift or the matching does to a whole face does not.
    """
    from scipy.ndimage import uniform_filter

    values, slopes = [], []
    step = max(1, radius)
    for r, before in patches:
        ok = np.isfinite(r)
        share = uniform_filter(ok.astype(np.float64), 2 * radius + 1, mode="constant")
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = uniform_filter(np.where(ok, r, 0.0), 2 * radius + 1, mode="constant") / share
        tan = _tan_slope(before, job, radius)
        inner = ok & (share > 0.8) & np.isfinite(tan)
        values.append(mean[inner][::step])
        slopes.append(tan[inner][::step])
    mean, tan = (np.concatenate(v) if v else np.empty(0) for v in (values, slopes))
    if mean.size == 0:
        return math.nan, 0.0
    overall = float(NORMAL_MAD * np.median(np.abs(mean)))
    if mean.size < 400:
        return overall, 0.0
    edges = np.unique(np.quantile(tan, np.linspace(0, 1, SLOPE_BINS + 1)))
    x, y, n = [], [], []
    for low, high in itertools.pairwise(edges):
        inside = (tan >= low) & (tan <= high)
        if inside.sum() >= 50:
            x.append(float(tan[inside].mean()) ** 2)
            y.append(float(NORMAL_MAD * np.median(np.abs(mean[inside]))) ** 2)
            n.append(int(inside.sum()))
    flat, slope = _line_of_variance(np.array(x), np.array(y), np.array(n, np.float64))
    return (flat, slope) if x else (overall, 0.0)


def _tan_slope(before: NDArray[np.float64], job: Grid, radius: int) -> NDArray[np.float64]:
    """Slope over the detection square, as the change mask takes it; NaN at the rim."""
    out = np.full(before.shape, np.nan)
    d = radius
    if min(before.shape) > 2 * d:
        east = (before[d:-d, 2 * d :] - before[d:-d, : -2 * d]) / (2 * d * job.cell_east)
        north = (before[2 * d :, d:-d] - before[: -2 * d, d:-d]) / (2 * d * job.cell_north)
        out[d:-d, d:-d] = np.hypot(east, north)
    return out
