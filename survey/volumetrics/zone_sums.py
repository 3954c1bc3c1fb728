"""Cut, fill and net of a zone, from regions and from the sums over everything, with their intervals.

Gross cut is the sum over regions of real change that were not dismissed; noise outside them is not summed
in absolute value, which would only count cells. What is left, the *rest*, keeps its sign: its net should
hold zero, and together the parts make up every cubic metre that was measured.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.quantity import Measured


@dataclass(frozen=True)
class Share:
    """How a zone shares in the regions and in the whole. (n,) per region, (nodes,) per node.

    ``rise_m3`` and ``area_m2`` are the zone's part of each region; ``total_m3`` and ``measured_m2`` its
    part of everything measured.
    """

    rise_m3: NDArray[np.float64]
    area_m2: NDArray[np.float64]
    node_share: NDArray[np.float64]
    total_m3: float
    measured_m2: float


@dataclass(frozen=True)
class ZoneSums:
    cut: Measured
    fill: Measured
    net: Measured
    rest_net: Measured
    dismissed_cut_m3: float
    dismissed_fill_m3: float
    worked_m2: float
    measured_m2: float


@dataclass(frozen=True)
class Part:
    """One sum whose error is asked for: its value, its area in each node, 1 σ of its outlines."""

    value_m3: float
    node_m2: NDArray[np.float64]
    outline_m3: float = 0.0

    @property
    def area_m2(self) -> float:
        return float(self.node_m2.sum())


def parts_of(
    share: Share,
    sign: NDArray[np.int8],
    dismissed: NDArray[np.bool_],
    node_areas: NDArray[np.float64],
    node_m2: float,
    outline_share: NDArray[np.float64] | None = None,
) -> dict[str, Part]:
    """The sums of a zone whose errors are wanted: cut, fill, net and rest.

    Parameters
    ----------
    node_areas : (n, nodes) m² of each region in each node. node_m2 : area of a node.
    outline_share : (n,) 1 σ of each region's volume from not knowing its outline better, as a share of it.
    """
    worked = ~dismissed
    area = _in_zone(share, node_areas)
    out = {}
    for name, chosen in (
        ("cut", worked & (sign < 0)),
        ("fill", worked & (sign > 0)),
        ("net", worked),
    ):
        doubt = (
            0.0 if outline_share is None else float(np.linalg.norm((outline_share * share.rise_m3)[chosen]))
        )
        out[name] = Part(float(share.rise_m3[chosen].sum()), area[chosen].sum(axis=0), doubt)
    rest = share.node_share * node_m2
    rest = rest * (share.measured_m2 / max(float(rest.sum()), 1e-12))
    rest = np.maximum(rest - area.sum(axis=0), 0.0)
    out["rest"] = Part(share.total_m3 - float(share.rise_m3.sum()), rest)
    return out


def _in_zone(share: Share, node_areas: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, nodes) m² of each region in each node within the zone, summing to ``share.area_m2`` exactly."""
    inside = node_areas * share.node_share[None, :]
    total = inside.sum(axis=1)
    # A region that only touches the zone may miss it at the lattice's resolution: spread it as it lies.
    missed = (total <= 0) & (share.area_m2 > 0)
    inside[missed] = node_areas[missed]
    total = inside.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(total > 0, share.area_m2 / total, 0.0)
    return inside * factor[:, None]


def zone_sums(
    share: Share,
    sign: NDArray[np.int8],
    dismissed: NDArray[np.bool_],
    parts: dict[str, Part],
    sigma_mean_m: dict[str, float],
    t: float,
    systematic_m: float = 0.0,
) -> ZoneSums:
    """Values and intervals. ``sigma_mean_m`` is the error of the mean rise of each part, NaN if unknown."""

    def measured(name: str, factor: float) -> Measured:
        part = parts[name]
        sigma = math.hypot(math.hypot(sigma_mean_m[name], systematic_m) * part.area_m2, part.outline_m3)
        if part.area_m2 == 0:
            return Measured(0.0, 0.0, 0.0, "m3")
        value = factor * part.value_m3
        if math.isnan(sigma):
            return Measured(value, -math.inf, math.inf, "m3")
        return Measured.from_sigma(value, sigma, "m3", t=t)

    cut, fill = measured("cut", -1.0), measured("fill", 1.0)
    return ZoneSums(
        cut=cut.non_negative(),
        fill=fill.non_negative(),
        net=measured("net", 1.0),
        rest_net=measured("rest", 1.0),
        dismissed_cut_m3=-float(share.rise_m3[dismissed & (sign < 0)].sum()) + 0.0,
        dismissed_fill_m3=float(share.rise_m3[dismissed & (sign > 0)].sum()),
        worked_m2=float(share.area_m2[~dismissed].sum()),
        measured_m2=share.measured_m2,
    )
