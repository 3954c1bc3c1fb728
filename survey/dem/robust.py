"""Location and spread that a changed half of the scene cannot pull."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

NORMAL_MAD = 1.482602218505602
"""1 / Φ⁻¹(3/4): the median absolute deviation of a normal variable times this is its σ."""


def nmad(x: NDArray[np.float64]) -> float:
    """Normalised median absolute deviation (Höhle & Höhle 2009); NaN for an empty array."""
    x = x[np.isfinite(x)]
    return float(NORMAL_MAD * np.median(np.abs(x - np.median(x)))) if x.size else float("nan")


def shorth(x: NDArray[np.float64], share: float = 0.3) -> tuple[float, float]:
    """Middle of the shortest interval that holds ``share`` of the values, and the σ it implies for a normal.

    The mode of the unchanged ground, even where most of the scene changed: what was dug spreads over metres,
    what was not lies within centimetres.
    """
    from scipy.special import ndtri

    x = np.sort(x[np.isfinite(x)])
    n = x.size
    k = max(2, int(np.ceil(share * n)))
    if n < k or n < 2:
        return (float(x.mean()) if n else float("nan")), float("nan")
    width = x[k - 1 :] - x[: n - k + 1]
    at = int(np.argmin(width))
    sigma = width[at] / (2 * ndtri(0.5 + share / 2))
    return float((x[at] + x[at + k - 1]) / 2), float(sigma)


def tukey(r: NDArray[np.float64], c: float) -> NDArray[np.float64]:
    """Tukey's biweight: 1 at zero, 0 from ``c`` on and for NaN."""
    with np.errstate(invalid="ignore"):
        u = (r / c) ** 2
        return np.where(u < 1, (1 - u) ** 2, 0.0)
