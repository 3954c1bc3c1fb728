"""The ground as it was before, as the points of a site carry it: triangles, a plane, a trend or a level.

Every base gives its heights anywhere and its weight on each measured height, so that a precision of points
becomes one of the volume.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.volumetrics.points.between import height_on, over_function, over_planes, planes_of
from survey.volumetrics.points.mesh import Mesh, make_mesh
from survey.volumetrics.points.site import SiteLines

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGNIFICANT = 0.01  # chance of a curvature of the ground that is not there


@dataclass(frozen=True)
class Ground:
    """A base: its heights anywhere, its weights on the measured heights, and its mesh if it is one."""

    name: str
    at: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    mesh: Mesh | None
    used: NDArray[np.intp]  # points that carry it
    weights: NDArray[np.float64]  # ∂(∫ base dA)/∂z of them, m²


def between(mesh: Mesh, ground: Ground) -> tuple[float, float, float]:
    """(fill, cut, area both cover) between a surface and the ground before, m³, m³ and m²."""
    return over_planes(mesh, ground.mesh) if ground.mesh is not None else over_function(mesh, ground.at)


def terms_of(
    xy: NDArray[np.float64], middle: NDArray[np.float64], span: float, order: int
) -> NDArray[np.float64]:
    """(n, 1 or 3 or 6) terms of a polynomial of ``order`` 0, 1 or 2, of points (n, 2) about their middle."""
    x, y = ((xy - middle) / span).T
    columns = [np.ones(len(xy)), x, y] if order else [np.ones(len(xy))]
    return np.column_stack([*columns, x * x, x * y, y * y]) if order == 2 else np.column_stack(columns)


def ground_before(site: SiteLines, base: str, level_m: float | None) -> Ground:
    """The base of that name; ``auto``: the smooth trend where points show curved ground, else the TIN.

    Raises
    ------
    InputRefused
        The points cannot carry it.
    """
    if base == "auto":
        base = "smooth trend" if _curved(site) else "TIN"
    p = site.points
    carriers = np.concatenate([site.outline, site.ground])
    xy = np.column_stack([p.east, p.north])[carriers]
    z = p.up[carriers]
    polygon = site.polygon
    area = float(polygon.area)
    if base == "given level":
        if level_m is None:
            raise InputRefused("no level was given for the base", mend="Give base_level_m.")
        return Ground(base, lambda at: np.full(len(at), level_m), None, carriers[:0], np.empty(0))
    if base in ("mean rim level", "lowest rim level"):
        rim = site.outline
        if base == "lowest rim level":
            k = int(np.argmin(p.up[rim]))
            low = float(p.up[rim[k]])
            return Ground(base, lambda at: np.full(len(at), low), None, rim[k : k + 1], np.array([area]))
        # Each point stands for half the outline to its neighbours: crowded points do not draw the mean.
        ring = np.column_stack([p.east, p.north])[np.append(rim, rim[0])]
        step = np.hypot(*np.diff(ring, axis=0).T)
        share = (step + np.roll(step, 1)) / (2 * step.sum())
        mean = float(np.sum(share * p.up[rim]))
        return Ground(base, lambda at: np.full(len(at), mean), None, rim, share * area)
    mesh = _rim_mesh(site, carriers, xy, z)
    if base == "TIN":
        return Ground(base, heights_of(mesh), mesh, carriers, mesh.integral_weights())
    order = {"plane": 1, "smooth trend": 2}.get(base)
    if order is None:
        raise InputRefused(
            f"the base {base!r} cannot be made from points",
            expected="auto, TIN, plane, smooth trend, mean or lowest rim level, given level",
        )
    middle, span = xy.mean(axis=0), max(float(np.ptp(xy, axis=0).max()) / 2, 1e-3)
    terms = terms_of(xy, middle, span, order)
    if len(xy) < terms.shape[1] + 1 or np.linalg.matrix_rank(terms, tol=1e-6 * len(xy)) < terms.shape[1]:
        raise InputRefused(
            f"{len(xy)} points cannot carry a {base}", mend="Measure more rim and ground points."
        )
    inverse = np.linalg.pinv(terms)
    fit = inverse @ (z - z.mean())

    def trend(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return terms_of(at, middle, span, order) @ fit + z.mean()

    moments = _moments(polygon, middle, span, order)
    weights = inverse.T @ moments
    weights += (area - weights.sum()) / len(z) if order else 0.0
    if base == "plane":
        return Ground(base, trend, None, carriers, weights)
    # The trend misses the rim by what it cannot bend to; triangles of the rest bring it through the rim.
    left = z - trend(xy)
    rest = heights_of(_rim_mesh(site, carriers, xy, left))
    hat = np.eye(len(z)) - terms @ inverse
    return Ground(
        base,
        lambda at: trend(at) + rest(at),
        None,
        carriers,
        weights + hat.T @ mesh.integral_weights(),
    )


def _rim_mesh(
    site: SiteLines, carriers: NDArray[np.intp], xy: NDArray[np.float64], z: NDArray[np.float64]
) -> Mesh:
    ring = np.append(np.arange(len(site.outline)), 0)
    return make_mesh(np.column_stack([xy, z]), [ring], site.polygon)


def heights_of(mesh: Mesh) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Heights of a mesh; beyond its edge that of its nearest triangle's plane."""
    import shapely

    shapes = shapely.polygons(mesh.xyz[mesh.triangles[:, [0, 1, 2, 0]], :2])
    tree = shapely.STRtree(shapes)

    def read(at: NDArray[np.float64]) -> NDArray[np.float64]:
        which = tree.query_nearest(shapely.points(at), all_matches=False)[1]
        return height_on(planes_of(mesh)[which], at[:, None, :])[:, 0]

    return read


def _moments(polygon: Any, middle: NDArray[np.float64], span: float, order: int) -> NDArray[np.float64]:
    """∫ of each polynomial term over the polygon, m²: exact, by the midpoints of its triangles' edges."""
    ring = np.asarray(polygon.exterior.coords)[:-1, :2]
    mesh = make_mesh(
        np.column_stack([ring, np.zeros(len(ring))]), [np.append(np.arange(len(ring)), 0)], polygon
    )
    corners = mesh.xyz[mesh.triangles][:, :, :2]
    edges = (corners + np.roll(corners, -1, axis=1)) / 2
    values = terms_of(edges.reshape(-1, 2), middle, span, order).reshape(len(corners), 3, -1).mean(axis=1)
    return mesh.areas_m2 @ values


def _curved(site: SiteLines) -> bool:
    """Whether rim and ground points show that the ground before was curved: an F-test against the plane."""
    from scipy.special import fdtrc

    p = site.points
    at = np.concatenate([site.outline, site.ground])
    if len(at) < 12:
        return False
    xy, z = np.column_stack([p.east, p.north])[at], p.up[at]
    middle, span = xy.mean(axis=0), max(float(np.ptp(xy, axis=0).max()) / 2, 1e-3)
    squares = []
    for order in (1, 2):
        terms = terms_of(xy, middle, span, order)
        if np.linalg.matrix_rank(terms, tol=1e-6 * len(at)) < terms.shape[1]:
            return False
        residual = z - z.mean() - terms @ np.linalg.lstsq(terms, z - z.mean(), rcond=1e-8)[0]
        squares.append(float(np.sum(residual**2)))
    free = len(at) - 6
    # Heights that agree to better than their own precision prove nothing.
    noise = float(np.mean(p.sigma[at] ** 2)) * free
    ratio = (squares[0] - squares[1]) / 3 / (max(squares[1], noise) / free)
    return bool(fdtrc(3, free, max(ratio, 0.0)) < _SIGNIFICANT)
