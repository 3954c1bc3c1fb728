"""Do residuals at check points look like those of independent points?"""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
from numpy.typing import NDArray

from survey.forensics.flag import Flag, Outcome

TEST = "real.residuals"
FINEST_M = 0.001
_USUAL_M = (1.0, 0.5, 0.25, 0.1, 0.05, 0.01, 0.005)


def rounding_of(heights: NDArray[np.float64]) -> float:
    """The coarsest usual step, metres, of which each of a handful of heights is a multiple; ``FINEST_M`` if
    none is. (Of whole surfaces ``dem.steps`` finds any step; a dozen points are too few for that.)
    """
    known = heights[np.isfinite(heights)]
    if known.size == 0:
        return FINEST_M
    # Heights on the surface come from 32-bit floats.
    slack = 2 * float(np.spacing(np.float32(np.abs(known).max())))
    for step in _USUAL_M:
        if slack <= step / 8 and np.all(np.abs(known - np.round(known / step) * step) <= slack):
            return step
    return FINEST_M


def judge_residuals(
    residual_m: NDArray[np.float64],
    *,
    noise_m: float = math.nan,
    rounding_m: float = FINEST_M,
) -> Outcome:
    """Flags for residuals (surface − point) at points called independent checks.

    Parameters
    ----------
    residual_m:
        (n,) metres; NaN = the surface was not measured there.
    noise_m:
        Noise of the surface from cell to cell, 1 σ: residuals of a measured point cannot be smaller than it.
    rounding_m:
        The coarser rounding of the surface's heights at the points and of the points' elevations.
    """
    known = residual_m[np.isfinite(residual_m)]
    n = int(known.size)
    if n < 4:
        return Outcome(
            TEST, no_power=f"there are only {n} check points on the surface", evidence={"points": n}
        )
    rounding = max(rounding_m, FINEST_M)
    spread = float(np.sqrt(np.mean(known**2)))
    evidence = {"points": n, "rmse_m": spread, "noise_m": noise_m}
    # An elevation read off the surface itself differs from it by rounding alone.
    zero = np.abs(known) <= 0.51 * rounding + 1e-4
    zeros = int(zero.sum())
    flags = []
    expected = noise_m if math.isfinite(noise_m) and noise_m > 0 else 0.01
    chance = math.erf((0.51 * rounding + 1e-4) / (expected * math.sqrt(2)))
    if zeros >= 3 and chance < 0.5 and _at_least(n, zeros, chance) < 1e-4:
        flags.append(
            Flag(
                TEST,
                "residuals exactly zero",
                "strong" if zeros == n else "moderate",
                f"{zeros} of {n} residuals are zero to {(0.51 * rounding + 1e-4) * 1000:.1f} mm: "
                f"elevations of these "
                f"points agree with the surface better than its own noise allows.",
                evidence | {"zero_residuals": zeros, "chance_each": chance},
                (),
                ("the points were control of the adjustment and are not independent checks",),
            )
        )
    # The same residual again and again, other than zero: a constant typed in, or one value copied down.
    rounded = Counter(np.round(known[~zero] / rounding).astype(int).tolist())
    if rounded:
        value, times = max(rounded.items(), key=lambda item: (item[1], -abs(item[0])))
        scale = max(expected, rounding)
        each = min(1.0, rounding / (scale * math.sqrt(2 * math.pi)))
        if times >= 4 and _at_least(n, times, each) * len(rounded) < 1e-4:
            flags.append(
                Flag(
                    TEST,
                    "residuals repeat",
                    "strong" if times > 0.6 * n else "moderate",
                    f"{times} of {n} residuals are {value * rounding:+.3f} m to the last digit.",
                    evidence | {"repeated": times, "value_m": value * rounding},
                    (),
                    ("the surface was moved as a whole after the points were taken from it",),
                )
            )
    if not flags and math.isfinite(noise_m) and noise_m > 3 * rounding and n >= 5 and spread < 0.2 * noise_m:
        flags.append(
            Flag(
                TEST,
                "residuals too small",
                "moderate",
                f"The residuals at {n} check points have an RMSE of {spread * 1000:.1f} mm on a surface "
                f"whose cells "
                f"scatter by {noise_m * 1000:.1f} mm.",
                evidence,
                (),
                ("the points were control of the adjustment and are not independent checks",),
            )
        )
    return Outcome(TEST, tuple(flags), evidence=evidence)


def _at_least(n: int, k: int, p: float) -> float:
    """Probability of k or more successes in n trials."""
    return sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k, n + 1))
