"""How noise at one place goes with noise at another: correlation models, and their averages over areas.

The scale of every model is its *practical range* ``a``: the distance at which 5 % of the correlation is
left (spherical: none). Closed forms for a disc after Rolstad et al. (2009), integrated for each model.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Model = Literal["spherical", "exponential", "gaussian"]


def correlation(lag_m: ArrayLike, range_m: float, model: Model) -> NDArray[np.float64]:
    """ρ at a distance, 1 at zero. ``lag_m`` of any shape, metres."""
    h = np.asarray(lag_m, np.float64) / range_m
    if model == "spherical":
        return np.where(h < 1, 1 - 1.5 * h + 0.5 * h**3, 0.0)
    if model == "exponential":
        return np.exp(-3 * h)
    return np.exp(-4 * h * h)


def disc_mean(area_m2: ArrayLike, range_m: float, model: Model) -> NDArray[np.float64]:
    """Variance of the mean over a disc, for unit sill: the average of ρ from the disc's centre.

    With L = √(area/π): spherical, L > a: a²/(5L²); L ≤ a: 1 - L/a + (L/a)³/5. Exponential, e = a/3:
    2(e/L)²[1 - e^(-L/e)(1 + L/e)]. Gaussian, g = a/2: (g/L)²(1 - e^(-L²/g²)).
    """
    length = np.sqrt(np.maximum(np.asarray(area_m2, np.float64), 1e-12) / np.pi)
    t = length / range_m
    if model == "spherical":
        return np.where(t > 1, 1 / (5 * t * t), 1 - t + t**3 / 5)
    if model == "exponential":
        x = 3 * t
        return np.where(x < 1e-4, 1 - 2 * x / 3, 2 / x**2 * (1 - np.exp(-x) * (1 + x)))
    x = 2 * t
    return np.where(x < 1e-4, 1 - x * x / 2, (1 - np.exp(-(x * x))) / x**2)
