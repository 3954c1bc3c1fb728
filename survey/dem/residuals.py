"""What stable ground says before and after alignment, in numbers few enough to keep and to plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BINS = 41
_SECTORS = 16


def residual_summary(
    before_m: NDArray[np.float64],
    after_m: NDArray[np.float64],
    slope_tan: NDArray[np.float64],
    aspect_deg: NDArray[np.float64],
) -> dict[str, Any]:
    """Histograms of the difference on stable ground, and its median by aspect, before and after alignment.

    Parameters
    ----------
    before_m, after_m:
        later − earlier at stable cells, metres, without and with the alignment.
    slope_tan, aspect_deg:
        of the earlier surface at those cells; aspect is the way water runs, clockwise from north.

    Returns
    -------
    dict
        ``edges_m`` (n + 1), ``before`` and ``after`` (counts, n); ``sectors``: for sixteen directions the
        median of rise / slope before and after (metres of horizontal shift seen in that direction) and the
        cells, on ground steeper than 5 %. Cells that are NaN anywhere are left out.
    """
    good = np.isfinite(before_m) & np.isfinite(after_m)
    before, after = before_m[good], after_m[good]
    if not len(before):
        return {"edges_m": [], "before": [], "after": [], "sectors": []}
    both = np.concatenate([before, after])
    low, high = np.percentile(both, (0.5, 99.5))
    if high <= low:
        low, high = low - 0.01, high + 0.01
    edges = np.linspace(low, high, _BINS + 1)
    sectors = []
    steep = good & (slope_tan > 0.05) & np.isfinite(aspect_deg)
    where = np.floor((aspect_deg[steep] + 180 / _SECTORS) % 360 / (360 / _SECTORS)).astype(int) % _SECTORS
    by_slope = before_m[steep] / slope_tan[steep], after_m[steep] / slope_tan[steep]
    for k in range(_SECTORS):
        mine = where == k
        n = int(mine.sum())
        sectors.append(
            {
                "aspect_deg": k * 360 / _SECTORS,
                "before_m": float(np.median(by_slope[0][mine])) if n else None,
                "after_m": float(np.median(by_slope[1][mine])) if n else None,
                "cells": n,
            }
        )
    return {
        "edges_m": [float(e) for e in edges],
        "before": [int(n) for n in np.histogram(before, edges)[0]],
        "after": [int(n) for n in np.histogram(after, edges)[0]],
        "sectors": sectors,
    }
