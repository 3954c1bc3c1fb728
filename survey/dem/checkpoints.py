"""A surface against points measured on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class HeightCheck:
    """Surface minus check points, metres. ASPRS (edition 2) asks for 30 points; ``n`` is always shown.

    ``rmse_m`` is of the fit; ``rmse_with_points_m`` adds the points' own error: √(rmse² + σ²).
    """

    n: int
    mean_m: float
    rmse_m: float
    rmse_with_points_m: float
    sigma_of_mean_m: float
    residuals_m: NDArray[np.float64]


def check_heights(
    surface_m: NDArray[np.float64], points_m: NDArray[np.float64], sigma_m: NDArray[np.float64]
) -> HeightCheck | None:
    """Compare (n,) surface heights at the points with the points' own; NaN pairs are left out.

    The mean's σ holds the residuals' spread and the points' own error; with one point it is the point's σ
    alone. None if no point lies on the surface.
    """
    r = surface_m - points_m
    ok = np.isfinite(r)
    n = int(ok.sum())
    if n == 0:
        return None
    mean = float(r[ok].mean())
    rmse = float(np.sqrt((r[ok] ** 2).mean()))
    own = float(np.sqrt(np.nanmean(sigma_m[ok] ** 2))) if np.isfinite(sigma_m[ok]).any() else 0.0
    spread = float(r[ok].std(ddof=1)) if n > 1 else own
    return HeightCheck(n, mean, rmse, math.hypot(rmse, own), math.hypot(spread, own) / math.sqrt(n), r)


def bilinear_at(
    z: NDArray[np.float32], row: NDArray[np.float64], col: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Heights of an array at fractional cells; NaN outside or beside a missing cell."""
    rows, cols = z.shape
    i, j = np.floor(row).astype(int), np.floor(col).astype(int)
    out = np.full(row.shape, np.nan)
    ok = (i >= 0) & (j >= 0) & (i + 1 < rows) & (j + 1 < cols)
    i, j, a, b = i[ok], j[ok], row[ok] - i[ok], col[ok] - j[ok]
    out[ok] = (1 - a) * ((1 - b) * z[i, j] + b * z[i, j + 1]) + a * (
        (1 - b) * z[i + 1, j] + b * z[i + 1, j + 1]
    )
    return out
