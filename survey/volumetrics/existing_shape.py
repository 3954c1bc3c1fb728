"""What a body's form says of its maker: numbers that a reader can check on the pictures."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from survey.volumetrics.existing_cells import distance_to, edge_of, window_of
from survey.volumetrics.existing_ground import Bools, Floats

_ON_BREAK = 0.4
SECTORS = 8
_AROUND_M = (3.0, 12.0)  # ground beside a body, whose roughness is held against its own


@dataclass(frozen=True)
class Form:
    """Shares are 0…1; slopes are tangents; lengths in metres.

    ``closed``: share of the outline on a break of slope of the right kind; ``least_closed``: that of the
    second least closed of eight sectors; ``ends``: that of the two ends of the longest axis. ``score``: mean
    strength of the break. ``stands_out``: greatest depth over the scatter of the ring. ``face``: slope from
    the outline to a metre and a half inside (upper quartile). ``wall``: how much of the typical depth is
    reached at the outline itself. ``level``: scatter of heights inside over the depth. ``rough``: small
    roughness inside, metres; ``rougher``: over that outside, natural logarithm. ``still``: share of the body
    that is level to a centimetre or two, as water is. ``missing``: share not measured. ``at_edge``: share of
    the outline where data end.
    """

    sign: int
    area_m2: float
    depth_m: float
    mean_m: float
    score: float
    closed: float
    least_closed: float
    ends: float
    stands_out: float
    width_m: float
    elongation: float
    rectangular: float
    face: float
    wall: float
    level: float
    rough: float
    rougher: float
    still: float
    missing: float
    at_edge: float

    def public(self) -> dict[str, float]:
        return asdict(self)


def form_of(
    z: Floats, ground: Floats, cells: Bools, rim: Floats, sign: int, cell_m: float, sigma_m: float
) -> Form:
    """Describe a body.

    Parameters
    ----------
    z, ground : heights of the survey and of the ground drawn under the body, (rows, cols) with a margin.
    cells : the body's cells.
    rim : breaks of slope in units of their limit: positive on rims, negative at toes.
    """
    from scipy.ndimage import maximum_filter, uniform_filter

    near = window_of(cells, math.ceil(_AROUND_M[1] / cell_m) + 2)
    z, ground, cells, rim = z[near], ground[near], cells[near], rim[near]
    known = np.isfinite(z)
    rise = np.where(known, sign * (z - ground), np.nan)
    inside = cells & known
    n = max(int(inside.sum()), 1)
    depth = rise[inside] if inside.any() else np.zeros(1)
    deep = float(np.quantile(depth, 0.99))
    typical = max(float(np.median(depth)), 1e-3)
    padded = np.pad(cells, 1)
    to_edge = distance_to(~padded)[1:-1, 1:-1] * cell_m
    width = 4.0 * float(to_edge[cells].mean())
    area = float(cells.sum()) * cell_m**2
    edge = edge_of(cells)
    strength = maximum_filter(np.clip(-sign * rim, 0.0, 2.0) / 2.0, size=3)[edge]
    on = strength > _ON_BREAK
    rows, cols = np.nonzero(edge)
    least, ends = _around(rows, cols, on)
    facing = []
    for inner in (1.5, 3.0):
        band = inside & (to_edge > inner - 0.75 * cell_m) & (to_edge <= inner + 0.75 * cell_m)
        if band.any():
            facing.append(float(np.quantile(rise[band], 0.75)) / inner)
    at_rim = inside & (to_edge <= 1.5 * cell_m)
    wall = float(np.median(rise[at_rim])) / typical if at_rim.any() else 0.0
    filled = np.where(known, z, ground)
    lap = np.abs(filled - uniform_filter(filled, 3))
    away = distance_to(cells) * cell_m
    outside = known & (away > _AROUND_M[0]) & (away < _AROUND_M[1])
    core = inside & (to_edge > 2.0 * cell_m)
    core = core if core.sum() >= 9 else inside
    rough = float(np.median(lap[core])) if core.any() else 0.0
    plain = float(np.median(lap[outside])) if outside.any() else rough
    still = (lap < 0.012) & core
    return Form(
        sign=sign,
        area_m2=area,
        depth_m=deep,
        mean_m=float(depth.mean()),
        score=float(strength.mean()),
        closed=float(on.mean()),
        least_closed=least,
        ends=ends,
        stands_out=deep / max(sigma_m, 0.02),
        width_m=width,
        elongation=area / max(width, cell_m) ** 2,
        rectangular=_rectangular(cells, area, cell_m),
        face=max(facing, default=0.0),
        wall=float(np.clip(wall, -1, 2)),
        level=float(np.std(z[inside]) / max(deep, 0.05)) if n > 3 else 0.0,
        rough=rough,
        rougher=math.log((rough + 0.003) / (plain + 0.003)),
        still=float(still.sum() / max(core.sum(), 1)),
        missing=float((cells & ~known).sum()) / max(int(cells.sum()), 1),
        at_edge=float((maximum_filter(~known, size=3)[edge]).mean()),
    )


def _around(rows: NDArray[np.int64], cols: NDArray[np.int64], on: Bools) -> tuple[float, float]:
    """(share on a break in the second weakest of eight sectors, share at the ends of the longest axis)."""
    r, c = rows - rows.mean(), cols - cols.mean()
    turn = np.floor((np.arctan2(r, c) + np.pi) / (2 * np.pi) * SECTORS).astype(int) % SECTORS
    held = sorted(float(on[turn == k].mean()) for k in range(SECTORS) if (turn == k).any())
    least = held[min(1, len(held) - 1)]
    spread = np.cov(np.stack([r, c])) if r.size > 2 else np.eye(2)
    axis = np.linalg.eigh(spread)[1][:, 1]
    along = r * axis[0] + c * axis[1]
    low, high = np.quantile(along, [0.0, 1.0])
    reach = 0.12 * (high - low) + 1
    first, last = along <= low + reach, along >= high - reach
    return least, float(min(on[first].mean(), on[last].mean()))


def _rectangular(cells: Bools, area_m2: float, cell_m: float) -> float:
    """Area over that of the smallest rectangle around."""
    from scipy.spatial import ConvexHull, QhullError

    rows, cols = np.nonzero(cells)
    corners = np.concatenate([np.stack([rows + a, cols + b], axis=1) for a in (0, 1) for b in (0, 1)])
    try:
        hull = corners[ConvexHull(corners).vertices].astype(float)
    except QhullError:
        return 1.0
    sides = np.diff(np.vstack([hull, hull[:1]]), axis=0)
    best = math.inf
    for angle in np.unique(np.round(np.arctan2(sides[:, 0], sides[:, 1]) % (np.pi / 2), 4)):
        u, v = np.cos(angle), np.sin(angle)
        a, b = hull[:, 1] * u + hull[:, 0] * v, hull[:, 0] * u - hull[:, 1] * v
        best = min(best, float(np.ptp(a) * np.ptp(b)))
    return float(np.clip(area_m2 / (best * cell_m**2), 0, 1))
