"""Bringing scenes to one radiometry: a robust line per band over ground that did not change.

Reflectances are compared as ln(ρ + ρ₀). The logarithm turns sun, slope and gain into shifts; ρ₀ keeps a
hundredth of haze over dark water or leaves from looking like a change of the ground.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from survey.imagery.triggers import cells, chi
from survey.imagery.triggers.kernels import MOST_COUNTS, UNIT

FLOOR = 0.03
"""ρ₀, reflectance. About the path radiance that atmospheric correction leaves in the visible."""


def to_log(reflectance: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.log(np.maximum(reflectance, 0.0) + np.float32(FLOOR))


@dataclass(frozen=True)
class Line:
    """now = gain · reference + offset, per band."""

    gain: tuple[float, ...]
    offset: tuple[float, ...]
    residual: tuple[float, ...]  # robust 1 σ about the line, reflectance
    cells: int

    @classmethod
    def none(cls, bands: int) -> Line:
        return cls((1.0,) * bands, (0.0,) * bands, (float("nan"),) * bands, 0)

    def undo(self, now: NDArray[np.float32]) -> NDArray[np.float32]:
        """(band, …) reflectance of the scene as the reference would have seen it."""
        shape = (-1,) + (1,) * (now.ndim - 1)
        gain = np.array(self.gain, np.float32).reshape(shape)
        return (now - np.array(self.offset, np.float32).reshape(shape)) / gain


PRIOR_GAIN, PRIOR_OFFSET, PRIOR_CELLS = 0.10, 0.015, 200.0
"""Atmospherically corrected scenes differ by about this much (1 σ); the data must outweigh ``PRIOR_CELLS``
cells."""


def robust_line(now: NDArray[np.float32], reference: NDArray[np.float32]) -> tuple[float, float, float]:
    """(gain, offset, residual σ) of now = gain·reference + offset; Tukey's biweight, shrunk to (1, 0).

    Iterated from the median ratio, so that the commonest relation wins and not the mean of all.
    """
    x, y = reference.astype(np.float64), now.astype(np.float64)
    gain, offset = 1.0, float(np.median(y - x))
    offset = float(np.clip(offset, -3 * PRIOR_OFFSET, 3 * PRIOR_OFFSET))
    sigma = float("nan")
    for _ in range(12):
        residual = y - gain * x - offset
        sigma = max(1.4826 * float(np.median(np.abs(residual))), 1e-4)
        u = residual / (4.0 * sigma)
        w = np.where(np.abs(u) < 1, (1 - u * u) ** 2, 0.0)
        total = w.sum()
        if total < 10:
            break
        # Ridge towards gain 1, offset 0. Neighbouring cells err alike: they are worth PRIOR_CELLS together.
        strength = max(1.0, total / PRIOR_CELLS)
        kg = strength * (sigma / PRIOR_GAIN) ** 2
        ko = strength * (sigma / PRIOR_OFFSET) ** 2
        sxx, sx, s1 = (w * x * x).sum() + kg, (w * x).sum(), total + ko
        sxy, sy = (w * x * y).sum() + kg * 1.0, (w * y).sum()
        det = sxx * s1 - sx * sx
        if det <= 0:
            break
        new_gain, new_offset = (sxy * s1 - sx * sy) / det, (sxx * sy - sx * sxy) / det
        done = abs(new_gain - gain) < 1e-5 and abs(new_offset - offset) < 1e-6
        gain, offset = float(np.clip(new_gain, 0.6, 1.6)), float(np.clip(new_offset, -0.06, 0.06))
        if done:
            break
    return gain, offset, sigma


def fit_line(now: NDArray[np.float32], reference: NDArray[np.float32]) -> Line:
    """``now`` and ``reference`` (band, n) reflectances of the same cells, most of which did not change."""
    parts = [robust_line(a, b) for a, b in zip(now, reference, strict=True)]
    gain, offset, sigma = zip(*parts, strict=True)
    return Line(tuple(gain), tuple(offset), tuple(sigma), int(now.shape[1]))


def whitener(residuals: NDArray[np.float32], floor: float = 0.012) -> NDArray[np.float32]:
    """(band, band) matrix W with W·r of unit covariance for the residuals (n, band) of unchanged ground.

    The covariance is taken over the least 80 % by size, twice, so that change does not widen it; ``floor``
    (ln reflectance) is added to every direction: no sensor repeats better than about one per cent.
    """
    r = residuals.astype(np.float64)
    bands = r.shape[1]
    keep = np.ones(len(r), bool)
    cov = np.eye(bands) * 0.05**2
    for _ in range(3):
        inverse = np.linalg.inv(cov)
        d2 = np.einsum("ni,ij,nj->n", r, inverse, r)
        keep = d2 <= np.quantile(d2, 0.8)
        cov = np.cov(r[keep], rowvar=False) + np.eye(bands) * floor**2
    # The trimmed covariance is too small by a factor that the χ² law gives; scale it back.
    cut = chi.quantile(0.8, bands)
    cov /= chi.below(cut, bands + 2) / 0.8
    values, vectors = np.linalg.eigh(cov)
    return (vectors / np.sqrt(values)).T.astype(np.float32)


@lru_cache(maxsize=80)
def log_tables(line: Line) -> NDArray[np.float32]:
    """(band, count): ln(ρ' + ρ₀) of every count, ρ' being the reflectance as the reference would have seen
    it."""
    return to_log(reflectance_tables(line))


@lru_cache(maxsize=80)
def reflectance_tables(line: Line) -> NDArray[np.float32]:
    """(band, count): normalised reflectance of every count, never negative."""
    counts = np.arange(MOST_COUNTS + 1, dtype=np.float32) * np.float32(UNIT)
    bands = len(line.gain)
    return np.maximum(line.undo(np.broadcast_to(counts, (bands, len(counts)))), 0.0).astype(np.float32)


def unwhitened(value: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reflectance (…, band) of whitened spectra (…, band)."""
    inverse = np.linalg.inv(matrix.astype(np.float64)).astype(np.float32)
    flat = np.ascontiguousarray(value).reshape(-1, value.shape[-1])
    return cells.unwhitened(flat, inverse, FLOOR).reshape(value.shape)
