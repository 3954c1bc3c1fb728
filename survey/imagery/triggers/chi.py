"""The χ² law, straight from its special functions: ``scipy.stats`` takes over a second to import."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special


def quantile(share: ArrayLike, freedom: ArrayLike) -> NDArray[np.float64]:
    """The value below which ``share`` of χ² with ``freedom`` degrees lies."""
    return np.asarray(2.0 * special.gammaincinv(np.asarray(freedom) / 2, share))


def upper_quantile(share: ArrayLike, freedom: ArrayLike) -> NDArray[np.float64]:
    """The value above which ``share`` lies."""
    return np.asarray(special.chdtri(freedom, share))


def below(value: ArrayLike, freedom: ArrayLike) -> NDArray[np.float64]:
    """The share below ``value``."""
    return np.asarray(special.chdtr(freedom, value))


def log_above(value: NDArray[np.float64], freedom: float) -> NDArray[np.float64]:
    """ln of the share above each value (n,); each side of the median by the tail that keeps its digits."""
    upper = value > quantile(0.5, freedom)
    out = np.empty(value.shape, np.float64)
    with np.errstate(divide="ignore"):
        out[upper] = np.log(special.chdtrc(freedom, value[upper]))
        out[~upper] = np.log1p(-special.chdtr(freedom, value[~upper]))
    return out
