"""Where to measure more, so that the volume of a site becomes surer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.volumetrics.points.doubt import FEW_OUTLINE
from survey.volumetrics.points.mesh import Mesh
from survey.volumetrics.points.site import SiteLines

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW_INNER = 5


@dataclass(frozen=True)
class Advice:
    """A place to measure. ``gain_m3``: what the doubt there amounts to, 1 σ."""

    east: float
    north: float
    why: str
    gain_m3: float


def advise(site: SiteLines, mesh: Mesh, used: NDArray[np.intp], remarks: list[str]) -> tuple[Advice, ...]:
    """The places, the most telling first; ``remarks`` is told of what is too little altogether."""
    p = site.points
    out: list[Advice] = []
    ring = np.column_stack([p.east, p.north])[site.outline]
    after = np.roll(ring, -1, axis=0)
    step = np.hypot(*(after - ring).T)
    if len(ring) < FEW_OUTLINE:
        remarks.append(
            f"The outline has only {len(ring)} points; measure at least {FEW_OUTLINE}, and every bend of the "
            "edge."
        )
    inner = int(np.isin(used, site.inner).sum())
    if inner < FEW_INNER:
        remarks.append(
            f"Only {inner} points were measured inside the outline; the volume rests on too little. Measure "
            "toe and floor (or crest and top) all over the site."
        )
    usual = float(np.median(step))
    for k in np.argsort(-step, kind="stable")[:2].tolist():
        if step[k] > 3 * usual and len(ring) > 3:
            middle = (ring[k] + after[k]) / 2
            one, two = p.ids[site.outline[k]], p.ids[site.outline[(k + 1) % len(ring)]]
            out.append(
                Advice(
                    float(middle[0]), float(middle[1]),
                    f"the outline between {one} and {two} is {step[k]:.0f} m long without a point", 0.0,
                )
            )  # fmt: skip
    gain = _triangle_doubt(mesh)
    total = float(np.sqrt(np.sum(gain**2)))
    middles = mesh.xyz[mesh.triangles].mean(axis=1)
    spaced: list[int] = []
    reach = 0.5 * math.sqrt(float(mesh.areas_m2.sum()) / max(inner, 1))
    for k in np.argsort(-gain, kind="stable").tolist():
        if len(spaced) == 3 or total == 0 or gain[k] < 0.15 * total:
            break
        if all(np.hypot(*(middles[k, :2] - middles[o, :2])) > reach for o in spaced):
            spaced.append(k)
            corners = mesh.xyz[mesh.triangles[k], :2]
            side = float(np.hypot(*(corners - np.roll(corners, 1, axis=0)).T).max())
            out.append(
                Advice(
                    float(middles[k, 0]), float(middles[k, 1]),
                    f"a triangle {side:.0f} m wide stands for ground that bends", float(gain[k]),
                )
            )  # fmt: skip
    return tuple(out)


def _triangle_doubt(mesh: Mesh) -> NDArray[np.float64]:
    """What each triangle may miss, m³: its area times how far points near it lie off those round them."""
    from scipy.spatial import Delaunay, QhullError

    off = np.full(len(mesh.xyz), np.nan)
    around: dict[int, set[int]] = {}
    for a, b, c in mesh.triangles.tolist():
        for u, v, w in ((a, b, c), (b, c, a), (c, a, b)):
            around.setdefault(u, set()).update((v, w))
    for i, others in around.items():
        near = np.array(sorted(others))
        try:
            link = Delaunay(mesh.xyz[near, :2] - mesh.xyz[i, :2])
        except (QhullError, ValueError):
            continue
        simplex = int(link.find_simplex(np.zeros((1, 2)))[0])
        if simplex < 0:
            continue
        move = link.transform[simplex]
        two = move[:2] @ -move[2]
        share = np.append(two, 1 - two.sum())
        off[i] = abs(float(share @ mesh.xyz[near[link.simplices[simplex]], 2]) - mesh.xyz[i, 2])
    usual = float(np.nanmean(off)) if np.isfinite(off).any() else 0.0
    off = np.where(np.isfinite(off), off, 0.5 * usual)
    # Half the spacing that leaving a point out makes, and a quarter of the bend over it.
    return mesh.areas_m2 * off[mesh.triangles].mean(axis=1) / 4
