"""The volume between two triangulated surfaces, exactly.

Where both are plane their difference is plane, and the integrals over a triangle, of the whole and of its
positive part, have closed forms. The two triangulations are cut with each other so that both are plane on
every piece.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from survey.volumetrics.points.mesh import Mesh

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FINE = 8  # pieces a side of a triangle over a curved base


def positive_part(
    area: NDArray[np.float64], d: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """∫ max(d, 0) and ∫ max(−d, 0) over triangles on which d is linear; ``d``: (n, 3) at the corners.

    The corner with the odd sign, d₀, cuts off the volume A·|d₀|³ / (3·|d₀ − d₁|·|d₀ − d₂|).
    """
    whole = area * d.mean(axis=1)
    positive = (d > 0).sum(axis=1)
    negative = (d < 0).sum(axis=1)
    up = np.where(negative == 0, whole, 0.0)
    down = np.where(positive == 0, -whole, 0.0)
    mixed = (positive > 0) & (negative > 0)
    for sign in (1.0, -1.0):
        # One corner on this side, the others on the other side or on the line between.
        odd = mixed & (((d * sign) > 0).sum(axis=1) == 1)
        if not odd.any():
            continue
        e = d[odd] * sign
        k = np.argmax(e, axis=1)
        e0 = np.take_along_axis(e, k[:, None], axis=1)[:, 0]
        rest = np.take_along_axis(e, np.stack([(k + 1) % 3, (k + 2) % 3], axis=1), axis=1)
        tip = area[odd] * e0**3 / (3 * (e0 - rest[:, 0]) * (e0 - rest[:, 1]))
        one, other = tip, tip - sign * whole[odd]
        # ∫d⁺ − ∫d⁻ = ∫d, whichever of the two the tip is.
        up[odd], down[odd] = (one, other) if sign > 0 else (other, one)
    return up, np.maximum(down, 0.0)


def over_planes(surface: Mesh, base: Mesh) -> tuple[float, float, float]:
    """(fill, cut, common area) between two meshes: m³ of surface above base, below it, and m²."""
    import shapely

    tops = shapely.polygons(surface.xyz[surface.triangles[:, [0, 1, 2, 0]], :2])
    feet = shapely.polygons(base.xyz[base.triangles[:, [0, 1, 2, 0]], :2])
    i, j = shapely.STRtree(feet).query(tops, predicate="intersects")
    order = np.lexsort((j, i))
    i, j = i[order], j[order]
    pieces = shapely.intersection(tops[i], feet[j])
    polygonal = shapely.get_type_id(pieces) == 3
    pieces, i, j = pieces[polygonal], i[polygonal], j[polygonal]
    corners, owner = shapely.get_coordinates(pieces, return_index=True)
    if not len(corners):
        return 0.0, 0.0, 0.0
    # A convex piece is a fan from its first corner; the closing corner repeats it.
    start = np.searchsorted(owner, np.arange(len(pieces)))
    first = start[owner]
    at = np.arange(len(corners))
    last = np.append(start[1:], len(corners))[owner] - 1
    middle = at[(at > first) & (at < last - 0) & (at + 1 < last)]
    fan = np.stack([first[middle], middle, middle + 1], axis=1)
    which = owner[middle]
    planes_top, planes_foot = planes_of(surface), planes_of(base)
    xy = corners[fan]
    difference = height_on(planes_top[i[which]], xy) - height_on(planes_foot[j[which]], xy)
    area = 0.5 * np.abs(
        (xy[:, 1, 0] - xy[:, 0, 0]) * (xy[:, 2, 1] - xy[:, 0, 1])
        - (xy[:, 1, 1] - xy[:, 0, 1]) * (xy[:, 2, 0] - xy[:, 0, 0])
    )
    up, down = positive_part(area, difference)
    return float(up.sum()), float(down.sum()), float(area.sum())


def over_function(
    surface: Mesh, base: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[float, float, float]:
    """(fill, cut, area) over a smooth base: each triangle in 64, on which the base is taken as plane."""
    k = _FINE
    lattice = [(a / k, b / k) for a in range(k) for b in range(k - a)]
    small = []
    for u, v in lattice:
        small.append([(u, v), (u + 1 / k, v), (u, v + 1 / k)])
        if u + v < 1 - 1.5 / k:
            small.append([(u + 1 / k, v), (u + 1 / k, v + 1 / k), (u, v + 1 / k)])
    where = np.array(small)
    bary = np.concatenate([1 - where.sum(axis=2, keepdims=True), where], axis=2)
    corners = surface.xyz[surface.triangles]
    points = np.einsum("skc,tcx->tskx", bary, corners).reshape(-1, 3, 3)
    d = points[..., 2] - base(points[..., :2].reshape(-1, 2)).reshape(-1, 3)
    area = np.repeat(surface.areas_m2 / k**2, k**2)
    up, down = positive_part(area, d)
    return float(up.sum()), float(down.sum()), float(area.sum())


def planes_of(mesh: Mesh) -> NDArray[np.float64]:
    """(m, 5): corner (x, y, z) and slopes of each triangle, so that heights keep their digits."""
    a, b, c = (mesh.xyz[mesh.triangles[:, k]] for k in range(3))
    u, v = b - a, c - a
    det = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
    east = (u[:, 2] * v[:, 1] - v[:, 2] * u[:, 1]) / det
    north = (u[:, 0] * v[:, 2] - v[:, 0] * u[:, 2]) / det
    return np.column_stack([a, east, north])


def height_on(planes: NDArray[np.float64], xy: NDArray[np.float64]) -> NDArray[np.float64]:
    p = planes[:, None, :]
    return p[..., 2] + p[..., 3] * (xy[..., 0] - p[..., 0]) + p[..., 4] * (xy[..., 1] - p[..., 1])
