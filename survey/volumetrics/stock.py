"""The volume between a surface and its base under an outline, and how sure it is.

Heights are counted in whole 2⁻¹⁶ m and weights in 1/4096, so that the sums are exact whole numbers and do not
depend on the order of cells. Cut is what is missing below the base, fill what lies above it; both are always
given, and net = fill − cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.quantity import Measured

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRAINS_PER_M = 65536
FULL = 4096
"""Weight of a cell that lies wholly inside."""


@dataclass(frozen=True, slots=True)
class Amount:
    """What lies between surface and base. Volumes in m³, areas in m², depths in m, from base to surface.

    ``least_m``, ``mean_m``, ``greatest_m``: distance from the base on the site's own side (below it for a
    pit), over the measured cells inside; ``deepest``: (row, col) of the greatest. ``missing_m2`` was not
    measured and is in no volume.
    """

    cut_m3: float
    fill_m3: float
    area_m2: float
    missing_m2: float
    cut_m2: float
    fill_m2: float
    least_m: float
    mean_m: float
    greatest_m: float
    deepest: tuple[int, int] | None
    pit: bool

    @property
    def net_m3(self) -> float:
        return self.fill_m3 - self.cut_m3

    @property
    def measured_m2(self) -> float:
        return self.area_m2 - self.missing_m2


def amount(
    surface: NDArray[np.floating],
    base: NDArray[np.floating],
    weight: NDArray[np.integer],
    cell_area_m2: float,
    *,
    pit: bool | None = None,
) -> Amount:
    """Add up the ground between a surface and its base.

    Parameters
    ----------
    surface, base:
        Heights, metres, (rows, cols); NaN = not measured.
    weight:
        Part of each cell inside the outline, in 1/4096.
    pit:
        Which side counts for the depths; by the larger volume if not given.
    """
    inside = weight > 0
    known = inside & np.isfinite(surface) & np.isfinite(base)
    grains = np.rint((surface[known].astype(np.float64) - base[known]) * GRAINS_PER_M).astype(np.int64)
    part = weight[known].astype(np.int64)
    below, above = grains < 0, grains > 0
    cubic = cell_area_m2 / (GRAINS_PER_M * FULL)
    square = cell_area_m2 / FULL
    cut = -int((grains[below] * part[below]).sum()) * cubic
    fill = int((grains[above] * part[above]).sum()) * cubic
    if pit is None:
        pit = cut >= fill
    total = int(weight[inside].astype(np.int64).sum())
    measured = int(part.sum())
    # Cells on the outline lie half on the ground beside it; their depth is not the site's.
    whole = part == FULL if (part == FULL).any() else part > 0
    side = (-grains if pit else grains)[whole] / GRAINS_PER_M
    deepest = None
    if side.size:
        rows, cols = np.nonzero(known)
        at = np.flatnonzero(whole)[int(np.argmax(side))]
        deepest = (int(rows[at]), int(cols[at]))
    own = cut if pit else fill
    return Amount(
        cut_m3=cut,
        fill_m3=fill,
        area_m2=total * square,
        missing_m2=(total - measured) * square,
        cut_m2=int(part[below].sum()) * square,
        fill_m2=int(part[above].sum()) * square,
        least_m=max(float(side.min()), 0.0) if side.size else math.nan,
        mean_m=own / (measured * square) if measured else math.nan,
        greatest_m=max(float(side.max()), 0.0) if side.size else math.nan,
        deepest=deepest,
        pit=pit,
    )


@dataclass(frozen=True, slots=True)
class Doubt:
    """One independent source of error of a net volume: 1 σ in m³ and its degrees of freedom."""

    name: str  # base | survey | outline | points | spacing
    sigma_m3: float
    dof: float = math.inf


@dataclass(frozen=True, slots=True)
class Volumes:
    """Cut, fill and net with their 95 % intervals, and what the doubt is made of."""

    cut: Measured
    fill: Measured
    net: Measured
    sigma_m3: float
    dof: float
    doubts: tuple[Doubt, ...]


def volumes(
    parts: Amount, doubts: tuple[Doubt, ...], *, blurred: tuple[float, float] = (0.0, 0.0)
) -> Volumes:
    """Intervals from independent doubts (Welch–Satterthwaite degrees of freedom).

    The error of the net volume is spread over the outline. The part of the ground on one side of the base
    carries its share: between that share of σ, if the error is one level over the whole outline, and the
    root of the share, if it is not; the root, which is larger, is taken. ``blurred`` are the m³ that noise
    alone may have put on the side of cut and of fill (see ``rectified``); they lower the interval only.
    """
    variance = sum(d.sigma_m3**2 for d in doubts)
    sigma = math.sqrt(variance)
    denominator = sum(d.sigma_m3**4 / d.dof for d in doubts if d.sigma_m3 > 0 and math.isfinite(d.dof))
    dof = variance**2 / denominator if denominator > 0 else math.inf
    t = quantile95(dof)
    worked = parts.cut_m2 + parts.fill_m2

    def side(value: float, area: float, spurious: float) -> Measured:
        if parts.measured_m2 <= 0:
            return Measured.missing("m³")
        half = t * sigma * math.sqrt(area / worked if worked > 0 else 0.0)
        return Measured(value, min(max(value - half - spurious, 0.0), value), value + half, "m³")

    net = Measured.missing("m³")
    if parts.measured_m2 > 0:
        net = Measured.from_sigma(parts.net_m3, sigma, "m³", t=t)
    return Volumes(
        cut=side(parts.cut_m3, parts.cut_m2, blurred[0]),
        fill=side(parts.fill_m3, parts.fill_m2, blurred[1]),
        net=net,
        sigma_m3=sigma,
        dof=dof,
        doubts=doubts,
    )


def quantile95(dof: float) -> float:
    """Two-sided 95 % quantile of Student's t."""
    from scipy.special import stdtrit

    from survey.quantity import Z95

    return float(stdtrit(dof, 0.975)) if math.isfinite(dof) else Z95


def rectified(
    surface: NDArray[np.floating],
    base: NDArray[np.floating],
    weight: NDArray[np.integer],
    cell_area_m2: float,
    sigma_m: float,
) -> tuple[float, float]:
    """m³ that noise of ``sigma_m`` puts into cut and into fill where the surface lies near its base.

    E[max(h + e, 0)] − max(h, 0) = σ·φ(h/σ) − |h|·Φ(−|h|/σ) on either side, summed over the outline.
    """
    from scipy.special import ndtr

    if sigma_m <= 0:
        return 0.0, 0.0
    known = (weight > 0) & np.isfinite(surface) & np.isfinite(base)
    h = np.abs(surface[known].astype(np.float64) - base[known]) / sigma_m
    each = np.exp(-0.5 * h * h) / math.sqrt(2 * math.pi) - h * ndtr(-h)
    total = float(np.sum(each * weight[known]) * sigma_m * cell_area_m2 / FULL)
    return total, total


def steep_wall_sigma(edge_m: float, height_m: float, cell_m: float) -> float:
    """1 σ, m³, of a volume whose wall of ``height_m`` along ``edge_m`` is sampled by square cells.

    σ = h·√(0.0724·s³·P): the area of a cell-sampled outline scatters so, wherever the wall crosses its cells.
    """
    return abs(height_m) * math.sqrt(0.0724 * cell_m**3 * edge_m)
