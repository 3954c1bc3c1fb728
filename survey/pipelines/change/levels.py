"""From this pair's own noise to the levels at which a change is told, and the words that say so."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from survey.dem.align import Alignment
from survey.dem.noise import Noise
from survey.dem.sampling import Window
from survey.errors import InputRefused
from survey.grid import Grid
from survey.volumetrics.change_mask import Thresholds

SMOOTH_RADIUS_M = 0.75
LOW_SIGMAS = 2.0
SEED_SIGMAS = 3.3
CELL_SIGMAS = 2.5


def correlated_part(alignment: Alignment, noise: Noise | None) -> tuple[float, float]:
    """σ of everything that is correlated, and its range: texture and long noise together, by variance."""
    if noise is None or alignment.trend is None:
        return math.nan, math.nan
    long, short = alignment.trend.correlated_m**2, noise.texture_m**2
    total = long + short
    if total <= 0:
        return 0.0, 0.0
    return math.sqrt(total), (long * alignment.trend.range_m + short * noise.texture_range_m) / total


def thresholds_of(
    job: Grid,
    radius: int,
    alignment: Alignment,
    noise: Noise | None,
    probability: float,
    min_area_m2: float,
) -> tuple[Thresholds, dict[str, Any]]:
    """Low and seed levels from this pair's own noise, and the words that say so."""
    from scipy.special import ndtri

    side = (2 * radius + 1) * job.cell_m
    squares = max(1.0, job.height * job.width * job.cell_area_m2 / side**2)
    if noise is None or not math.isfinite(noise.smooth_m):
        sigma = max(alignment.nmad_after_m, 0.02) if math.isfinite(alignment.nmad_after_m) else 0.10
        gain, cell, cell_gain = 0.0, sigma, 0.0
        source = "spread of the rise, for want of stable ground"
    else:
        sigma = max(noise.smooth_m, 1e-4)
        gain = noise.smooth_slope_m / sigma
        cell = max(noise.flat_m, sigma)
        cell_gain = noise.slope_m / cell
        source = "stable ground"
    sigma = max(sigma, 1e-4)
    low, seed = round(LOW_SIGMAS * sigma, 6), round(SEED_SIGMAS * sigma, 6)
    own = round(CELL_SIGMAS * cell, 6)
    # So many squares, and a chance of less than 1 - probability that random noise lifts any of them so far.
    certain = float(ndtri(1 - (1 - probability) / (2 * squares)))
    said = {
        "smoothing_side_m": side,
        "smooth_sigma_m": sigma,
        "smooth_sigma_from": source,
        "low_sigmas": LOW_SIGMAS,
        "low_m": low,
        "low_why": "reaches the rim; noise alone passes it in one cell of twenty, but seldom beside a seed",
        "seed_sigmas": SEED_SIGMAS,
        "seed_m": seed,
        "seed_why": "candidates only: whether a region is real is judged by its whole area and its edge",
        "independent_squares": round(squares),
        "certain_sigmas": certain,
        "certain_m": round(certain * sigma, 6),
        "certain_why": "noise lifts any of the independent squares so far with a chance of 1 - probability",
        "slope_gain": gain,
        "cell_sigmas": CELL_SIGMAS,
        "cell_m": own,
        "cell_slope_gain": cell_gain,
        "probability": probability,
        "min_area_m2": min_area_m2,
    }
    return Thresholds(low, seed, round(gain, 6), radius, own, round(cell_gain, 6)), said


def bench_edges(
    sample: Sequence[Window], bench_height_m: float | None, origin_m: float
) -> NDArray[np.float64]:
    """Levels of the benches that the sampled ground touches, with one to spare on both ends."""
    if bench_height_m is None:
        return np.empty(0)
    low = min(float(np.nanmin(z)) for w in sample for z in (w.before, w.after) if np.isfinite(z).any())
    high = max(float(np.nanmax(z)) for w in sample for z in (w.before, w.after) if np.isfinite(z).any())
    h, origin = bench_height_m, origin_m
    first = math.floor((low - origin) / h) - 1
    last = math.ceil((high - origin) / h) + 1
    if last - first > 2000:
        raise InputRefused(
            f"benches of {h} m over {high - low:.0f} m of height are {last - first} levels",
            mend="Give a larger measure.bench_height_m.",
        )
    return origin + h * np.arange(first, last + 1, dtype=np.float64)
