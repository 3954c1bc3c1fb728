"""What distance ordinary ground shows, and how rare a distance is: the p-value of a novelty.

Every baseline scene is held against all the others, as if it were new. That is the law of ordinary novelty
for this place, sensor and length of history, per kind of land; no distribution is assumed. Counts are whole
numbers, so that tables of pieces add up exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers import chi

STEP, TOP = 0.125, 64.0
BINS = int(TOP / STEP)


@dataclass(frozen=True)
class NullTable:
    """Counts of distances in steps of ``STEP``, (kind of land, bin); the last bin is open."""

    counts: NDArray[np.int64]

    @classmethod
    def empty(cls, kinds: int) -> NullTable:
        return cls(np.zeros((kinds, BINS), np.int64))

    def with_sample(self, distance: NDArray[np.float32], land: NDArray[np.int8]) -> NullTable:
        """``distance`` and ``land`` of any one shape; NaN is left out."""
        ok = np.isfinite(distance)
        bins = np.minimum((distance[ok] / STEP).astype(np.int64), BINS - 1)
        flat = land[ok].astype(np.int64) * BINS + bins
        return NullTable(
            self.counts + np.bincount(flat, minlength=self.counts.size).reshape(self.counts.shape)
        )

    def pooled(self, least: int = 3000) -> NullTable:
        """Kinds of land with few cells borrow the law of all: their own counts on top of the common ones."""
        total = self.counts.sum(0)
        out = self.counts.copy()
        for kind in range(len(out)):
            own = out[kind].sum()
            if own < least and total.sum() > 0:
                out[kind] += (total * max(0.0, least - own) / total.sum()).astype(np.int64)
        return NullTable(out)

    def quantile(self, q: float) -> NDArray[np.float64]:
        """Distance at ``q`` per kind of land (upper edge of the bin)."""
        cumulative = np.cumsum(self.counts, 1)
        total = np.maximum(cumulative[:, -1:], 1)
        return (np.argmax(cumulative >= q * total, axis=1) + 1) * STEP

    def log10_p(self) -> NDArray[np.float64]:
        """(kind, bin) log10 of the share of ordinary looks that are at least so far; the tail beyond the data
        is continued as the straight line (in log p against distance) of its last hundredth, never above it.

        The share is (count + 1) / (n + 1): valid for any exchangeable history (conformal p-value).
        """
        kinds = len(self.counts)
        out = np.zeros((kinds, BINS))
        for kind in range(kinds):
            n = int(self.counts[kind].sum())
            if n == 0:
                continue
            above = np.cumsum(self.counts[kind][::-1])[::-1]
            out[kind] = np.log10((above + 1.0) / (n + 1.0))
        return out


def scene_law(distance: NDArray[np.float32], bands: int) -> tuple[float, float]:
    """(scale, degrees of freedom) of the χ law of unchanged ground, from the lower part of one scene's
    distances.

    With a single earlier scene there is no history to learn from. Most ground did not change, so the quartile
    and the median of the scene's own distances tell their law (an empirical null, Efron 2004):
    distance² / scale² is χ² with that many degrees of freedom.
    """
    d = distance[np.isfinite(distance)]
    if d.size < 50:
        return 1.0, float(bands)
    low, middle = np.quantile(d, [0.25, 0.5])
    want = float((middle / max(low, 1e-6)) ** 2)
    grid = np.linspace(0.8, 2.0 * bands, 200)
    ratio = chi.quantile(0.5, grid) / chi.quantile(0.25, grid)
    freedom = float(grid[int(np.argmin(np.abs(ratio - want)))])
    return float(middle / np.sqrt(chi.quantile(0.5, freedom))), freedom
