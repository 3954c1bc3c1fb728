"""Do two surveys, once aligned, show the same ground at all?

Alignment always finds something to lay on something. What it leaves is held against the relief of the ground
itself: two views of one ground differ by far less than the ground does from a plane, two different grounds by
more.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.dem.robust import nmad

if TYPE_CHECKING:
    from survey.dem.align import Alignment

LEAST_POINTS = 500
MISFIT_M = 1.0
"""Below this a misfit may be noise of an honest, coarse survey on flat ground."""
MISFIT_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Fit:
    """``residual_m``: NMAD of what alignment leaves; ``relief_m``: NMAD of the earlier ground about a plane.

    ``stretch``: by how much the later heights grow with the earlier ones beyond equality; 0.3 means that a
    hill of 10 m stands 13 m high. ``unstretched_m``: the residual without that.
    """

    points: int
    residual_m: float
    relief_m: float
    stretch: float
    unstretched_m: float

    @property
    def none(self) -> bool:
        """The two do not show the same ground."""
        return (
            self.points >= LEAST_POINTS
            and self.residual_m > MISFIT_M
            and self.residual_m > MISFIT_SHARE * self.relief_m
        )

    @property
    def stretched(self) -> bool:
        """One survey's heights are a multiple of the other's, which explains most of what is left."""
        return (
            self.points >= LEAST_POINTS
            and abs(self.stretch) > 0.03
            and self.residual_m > 0.1
            and self.unstretched_m < 0.5 * self.residual_m
        )


def fit_of(alignment: Alignment) -> Fit:
    """How the surveys fit on the ground that alignment took for stable."""
    at = alignment.points
    use = alignment.stable & np.isfinite(alignment.residual)
    n = int(use.sum())
    if n < LEAST_POINTS:
        return Fit(n, math.nan, math.nan, 0.0, math.nan)
    left = alignment.residual[use]
    east, north = at.east[use], at.north[use]
    plane = np.stack([np.ones(n), east - east.mean(), north - north.mean()], axis=1)
    relief = at.before[use] - plane @ np.linalg.lstsq(plane, at.before[use], rcond=None)[0]
    stretch = _slope(relief, left)
    return Fit(n, nmad(left), nmad(relief), stretch, nmad(left - stretch * relief))


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Of y on x, by least squares with Huber's weights."""
    x, y = x - np.median(x), y - np.median(y)
    if not (x * x).sum() > 0:
        return 0.0
    weight = np.ones(x.size)
    slope = 0.0
    for _ in range(8):
        slope = float((weight * x * y).sum() / (weight * x * x).sum())
        off = np.abs(y - slope * x)
        limit = 1.5 * max(1.4826 * float(np.median(off)), 1e-9)
        weight = np.minimum(1.0, limit / np.maximum(off, 1e-12))
    return slope
