"""How far a volume from points may be off: by their precision, their spacing, and the ground before.

Precision: the volume is a weighted sum of the measured heights; their errors go through it. A common error of
all heights cancels, because the same survey measured the outline.

Spacing: between the points the ground is not known. What they miss is seen by leaving half of them out, in
two ways that complete each other: triangles miss about twice as much with half the points, so the change from
half to all is about what all still miss. Where points are badly spread that sees too little; so the bend of
the ground round each triangle is also fitted, and what flat triangles miss of it summed. The larger counts.
The outline's bends are treated like the points.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused
from survey.volumetrics.points.before import Ground, between, ground_before, terms_of
from survey.volumetrics.points.mesh import Mesh
from survey.volumetrics.points.site import SiteLines
from survey.volumetrics.stock import Doubt

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW_OUTLINE = 8
_SHARP_DEG = 30.0  # a bend of the outline that was measured as a corner
_RINGS = 3  # of triangles round a triangle, whose points show how the ground bends there
_LEAST_FOR_BEND = 9
_TOLD = 0.06  # least singular value, of the greatest, from which a bend is told
_DOF = 4.0  # of a scatter seen in two halves


def of_precision(site: SiteLines, mesh: Mesh, used: NDArray[np.intp], ground: Ground) -> Doubt:
    """From the points' own precision, through their weights on the volume."""
    lever = np.zeros(len(site.points))
    np.add.at(lever, used, mesh.integral_weights())
    np.add.at(lever, ground.used, -ground.weights)
    return Doubt("precision of points", float(np.sqrt(np.sum((lever * site.points.sigma) ** 2))))


def of_spacing(
    site: SiteLines, base: str, level_m: float | None, net: float, what: str
) -> tuple[float, float]:
    """(1 σ m³, degrees of freedom) from volumes with half of the points left out, in two ways."""
    halves = _halves(site) if what == "inner" else _outline_halves(site)
    found = []
    for dropped in halves:
        if not len(dropped):
            continue
        fewer = site.without(dropped)
        try:
            mesh, _ = fewer.surface()
            fill, cut, _ = between(mesh, ground_before(fewer, base, level_m))
        except InputRefused:
            continue
        found.append(fill - cut - net)
    if not found:
        # Too few to leave any out: a quarter of the whole is as good as unknown.
        return (0.25 * abs(net), 2.0) if what == "inner" else (0.0, math.inf)
    missed = math.sqrt(float(np.mean(np.square(found))))
    # Chords miss four times as much with half the points: a third of the change is what all miss.
    return (missed if what == "inner" else missed / 2), _DOF


def _halves(site: SiteLines) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every second point inside: along each line, and of the others along a curve that fills the plane."""
    on_line = np.zeros(len(site.points), bool)
    one: list[int] = []
    two: list[int] = []
    for line in site.breaks:
        unique = list(dict.fromkeys(int(i) for i in line))
        for k, i in enumerate(unique):
            if not on_line[i]:
                (one if k % 2 else two).append(i)
        on_line[unique] = True
    rest = site.inner[~on_line[site.inner]]
    if len(rest):
        p = site.points
        order = rest[np.argsort(_morton(p.east[rest], p.north[rest]), kind="stable")]
        one += order[0::2].tolist()
        two += order[1::2].tolist()
    return np.array(sorted(one), np.intp), np.array(sorted(two), np.intp)


def _morton(east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.uint64]:
    def spread(v: NDArray[np.float64]) -> NDArray[np.uint64]:
        span = max(float(np.ptp(east)), float(np.ptp(north)), 1e-9)
        x = np.clip((v - v.min()) / span * 65535, 0, 65535).astype(np.uint64)
        for shift, mask in ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)):
            x = (x | (x << np.uint64(shift))) & np.uint64(mask)
        return x

    return spread(east) | (spread(north) << np.uint64(1))


def _outline_halves(site: SiteLines) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Every second point of the outline that is not a corner."""
    p = site.points
    ring = np.column_stack([p.east, p.north])[site.outline]
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turn = np.degrees(
        np.abs(
            np.arctan2(
                before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0], np.sum(before * after, axis=1)
            )
        )
    )
    limit = max(_SHARP_DEG, 2.0 * 360 / len(ring))
    bends = site.outline[turn < limit]
    if len(site.outline) < FEW_OUTLINE:
        bends = site.outline if len(site.outline) > 4 else bends[:0]
    return bends[0::2], bends[1::2]


def of_base(site: SiteLines, ground: Ground, net: float, mesh: Mesh) -> Doubt:
    """Half the difference to the other way of laying the ground, and what the rim itself scatters."""
    if ground.name == "given level":
        return Doubt("base", 0.0)
    others = []
    for name in ("TIN", "smooth trend", "plane"):
        if name == ground.name:
            continue
        try:
            fill, cut, _ = between(mesh, ground_before(site, name, None))
        except InputRefused:
            continue
        others.append(abs(fill - cut - net))
    area = float(mesh.areas_m2.sum())
    p = site.points
    carriers = np.concatenate([site.outline, site.ground])
    xy = np.column_stack([p.east, p.north])[carriers]
    middle, span = xy.mean(axis=0), max(float(np.ptp(xy, axis=0).max()) / 2, 1e-3)
    order = 2 if ground.name == "smooth trend" else 1
    terms = terms_of(xy, middle, span, order)
    free = len(xy) - terms.shape[1]
    if free > 0:
        residual = p.up[carriers] - p.up[carriers].mean()
        residual = residual - terms @ np.linalg.lstsq(terms, residual, rcond=1e-8)[0]
        rough = float(np.sqrt(np.sum(residual**2) / free))
        scatter = area * rough / math.sqrt(max(len(xy) / 2, 1.0))
    else:
        scatter = area * float(np.std(p.up[carriers])) / 2
    near = 0.5 * min(others) if ground.name == "TIN" and others else 0.5 * max(others, default=0.0)
    if ground.name == "smooth trend":
        # The curvature was shown by the points: what is open is how much of it, not whether.
        near = scatter
    return Doubt("base", math.hypot(near, scatter), 6.0)


def missed_by_bends(mesh: Mesh) -> float:
    """m³ that flat triangles miss of a bent surface: over each, −A/24 · Σ eᵀ H e of its edges e.

    H is the curvature fitted to the points round the triangle, as far as they can be reached without crossing
    a measured line: a break that was measured is no bend.
    """
    neighbours = _neighbours(mesh)
    xyz, areas = mesh.xyz, mesh.areas_m2
    total = 0.0
    for k, triangle in enumerate(mesh.triangles):
        found, front = {k}, [k]
        for _ in range(_RINGS):
            front = [n for f in front for n in neighbours[f] if n not in found and not found.add(n)]  # type: ignore[func-returns-value]
        near = np.unique(mesh.triangles[sorted(found)])
        if len(near) < _LEAST_FOR_BEND:
            continue
        middle = xyz[triangle].mean(axis=0)
        at = xyz[near] - middle
        span = float(np.abs(at[:, :2]).max())
        x, y = at[:, 0] / span, at[:, 1] / span
        terms = np.column_stack([np.ones(len(x)), x, y, x * x, x * y, y * y])
        left, scales, right = np.linalg.svd(terms, full_matrices=False)
        if scales[-1] < _TOLD * scales[0]:
            continue  # two rows of points along a face do not tell how it bends between them
        fit = right.T @ ((left.T @ at[:, 2]) / scales)
        corners = xyz[triangle, :2] / span
        edge = np.roll(corners, -1, axis=0) - corners
        bend = (
            2 * fit[3] * edge[:, 0] ** 2 + 2 * fit[4] * edge[:, 0] * edge[:, 1] + 2 * fit[5] * edge[:, 1] ** 2
        )
        total -= areas[k] / 24 * float(bend.sum())
    return total


def _neighbours(mesh: Mesh) -> list[list[int]]:
    """Triangles that share an edge which is not on a measured line."""
    sides: dict[tuple[int, int], list[int]] = {}
    for k, (a, b, c) in enumerate(mesh.triangles.tolist()):
        for i, j in ((a, b), (b, c), (c, a)):
            sides.setdefault((min(i, j), max(i, j)), []).append(k)
    out: list[list[int]] = [[] for _ in range(len(mesh.triangles))]
    for edge, both in sides.items():
        if len(both) == 2 and edge not in mesh.kept:
            out[both[0]].append(both[1])
            out[both[1]].append(both[0])
    return out
