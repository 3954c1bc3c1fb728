"""The volume of a site measured by points, its doubt, and where to measure more.

Precision: the volume is a weighted sum of the measured heights; their errors go through it. A common error of
all heights cancels, because the same survey measured the outline.

Spacing: between the points the ground is not known. What they miss is seen by leaving half of them out, in
two ways that complete each other: triangles miss about twice as much with half the points, so the change from
half to all is about what all still miss. Where points are badly spread that sees too little; so the bend of
the ground round each triangle is also fitted, and what flat triangles miss of it summed. The larger counts.
The outline's bends are treated like the points. Nothing is added to the volume itself: it is the triangles',
as any officer can check.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.volumetrics.points.between import over_function, over_planes
from survey.volumetrics.points.foot import missed_at_the_foot
from survey.volumetrics.points.mesh import Mesh, make_mesh
from survey.volumetrics.points.site import SiteLines
from survey.volumetrics.stock import Amount, Doubt

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW_OUTLINE, FEW_INNER = 8, 5
_SHARP_DEG = 30.0  # a bend of the outline that was measured as a corner
_SIGNIFICANT = 0.01  # chance of a curvature of the ground that is not there
_RINGS = 3  # of triangles round a triangle, whose points show how the ground bends there
_LEAST_FOR_BEND = 9
_TOLD = 0.06  # least singular value, of the greatest, from which a bend is told
_DOF = 4.0  # of a scatter seen in two halves


@dataclass(frozen=True)
class Advice:
    """A place to measure. ``gain_m3``: what the doubt there amounts to, 1 σ."""

    east: float
    north: float
    why: str
    gain_m3: float


@dataclass(frozen=True)
class PointVolume:
    """What the points say of a site."""

    amount: Amount
    doubts: tuple[Doubt, ...]
    base: str  # TIN | smooth trend | plane | mean rim level | lowest rim level | given level
    polygon: Any
    surface: Mesh
    base_heights: NDArray[np.float64]  # at the vertices of the surface
    advice: tuple[Advice, ...]
    remarks: tuple[str, ...]
    deepest: tuple[float, float, float] | None  # east, north, up of the point farthest from the base
    base_at: Callable[[NDArray[np.float64]], NDArray[np.float64]]  # heights of the base anywhere

    def clipped(self, shape: Any) -> Mesh | None:
        """The surface inside a polygon, as triangles; None if nothing of it lies there."""
        return clipped(self.surface, shape)


@dataclass(frozen=True)
class _Ground:
    """A base: its heights anywhere, its weights on the measured heights, and its mesh if it is one."""

    name: str
    at: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    mesh: Mesh | None
    used: NDArray[np.intp]  # points that carry it
    weights: NDArray[np.float64]  # ∂(∫ base dA)/∂z of them, m²


def point_volume(site: SiteLines, base: str = "auto", *, level_m: float | None = None) -> PointVolume:
    """Measure a site.

    Parameters
    ----------
    base:
        ``auto``, ``TIN``, ``plane``, ``smooth trend``, ``mean rim level``, ``lowest rim level`` or
        ``given level`` (with ``level_m``). ``auto`` is the TIN of outline and ground points, or the smooth
        trend through them with the TIN of what it leaves, if they show that the ground is curved.

    Raises
    ------
    InputRefused
        The points cannot carry the base that was asked for.
    """
    mesh, used = site.surface()
    if not len(mesh.triangles):
        raise InputRefused(
            "the outline encloses no ground", mend="Check the order and codes of the rim points."
        )
    ground = _ground(site, base, level_m)
    fill, cut, common = _between(mesh, ground)
    area = float(mesh.areas_m2.sum())
    remarks = list(site.remarks)
    doubts = [_precision(site, mesh, used, ground)]
    halves, spread = _left_out(site, base, level_m, fill - cut, "inner")
    base_heights = ground.at(mesh.xyz[:, :2])
    foot = missed_at_the_foot(mesh, *_lines(site, mesh, used), pit=site.pit, base=base_heights)
    between = max(halves, float(abs(missed_by_bends(mesh))))
    # Where a foot may be is a range that is known, not a scatter that was seen in two halves.
    doubts.append(Doubt("spacing of points", max(between, foot), spread if between >= foot else math.inf))
    bends, spread = _left_out(site, base, level_m, fill - cut, "outline")
    doubts.append(Doubt("spacing of the outline", bends, spread))
    doubts.append(_base_doubt(site, ground, fill - cut, mesh))
    depth = (base_heights - mesh.xyz[:, 2]) if site.pit else (mesh.xyz[:, 2] - base_heights)
    inner = np.flatnonzero(np.isin(used, site.inner))
    k = int(inner[np.argmax(depth[inner])]) if len(inner) else int(np.argmax(depth[: mesh.measured]))
    own = cut if site.pit else fill
    side = _share(mesh, base_heights)
    amount = Amount(
        cut_m3=cut,
        fill_m3=fill,
        area_m2=area,
        missing_m2=max(area - common, 0.0) if ground.mesh is not None else 0.0,
        cut_m2=side[0],
        fill_m2=side[1],
        least_m=max(float(depth[inner].min()), 0.0) if len(inner) else math.nan,
        mean_m=own / area,
        greatest_m=max(float(depth[k]), 0.0),
        deepest=None,
        pit=site.pit,
    )
    advice = _advice(site, mesh, used, remarks)
    return PointVolume(
        amount=amount,
        doubts=tuple(doubts),
        base=ground.name,
        polygon=site.polygon,
        surface=mesh,
        base_heights=base_heights,
        advice=advice,
        remarks=tuple(remarks),
        deepest=tuple(float(v) for v in mesh.xyz[k]),  # type: ignore[arg-type]
        base_at=ground.at,
    )


def _lines(
    site: SiteLines, mesh: Mesh, used: NDArray[np.intp]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which vertices of the surface lie on the outline, and which on a line measured inside it."""
    on_outline, on_line = (np.zeros(len(mesh.xyz), bool) for _ in range(2))
    on_outline[: len(used)] = np.isin(used, site.outline)
    inside = np.concatenate(site.breaks) if site.breaks else np.empty(0, np.intp)
    on_line[: len(used)] = np.isin(used, inside)
    # Vertices that the mesh added lie on the lines that they part.
    added = mesh.parents[len(used) :]
    on_outline[len(used) :] = on_outline[added].all(axis=1)
    on_line[len(used) :] = on_line[added].all(axis=1) & ~on_outline[len(used) :]
    return on_outline, on_line


def mesh_heights(mesh: Mesh, at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heights of a mesh at points (n, 2); beyond its edge those of the nearest triangle's plane."""
    return _reader(mesh)(at)


def clipped(mesh: Mesh, shape: Any) -> Mesh | None:
    """The part of a mesh inside a polygon, its triangles cut at the polygon's edge."""
    import shapely

    flat = shapely.polygons(mesh.xyz[mesh.triangles[:, [0, 1, 2, 0]], :2])
    pieces = shapely.constrained_delaunay_triangles(shapely.intersection(flat, shape))
    corners: list[NDArray[np.float64]] = []
    for k, found in enumerate(pieces):
        for part in shapely.get_parts(found):
            xy = shapely.get_coordinates(part)[:3]
            if len(xy) == 3:
                corners.append(np.column_stack([xy, _plane_heights(mesh, k, xy)]))
    if not corners:
        return None
    xyz = np.vstack(corners)
    triangles = np.arange(len(xyz)).reshape(-1, 3)
    a, b, c = (xyz[triangles[:, k], :2] for k in range(3))
    turned = (b - a)[:, 0] * (c - a)[:, 1] < (b - a)[:, 1] * (c - a)[:, 0]
    triangles[turned] = triangles[turned][:, ::-1]
    own = np.column_stack([np.arange(len(xyz))] * 2)
    return Mesh(xyz, triangles, len(xyz), own, np.tile([1.0, 0.0], (len(xyz), 1)))


def _plane_heights(mesh: Mesh, k: int, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c = mesh.xyz[mesh.triangles[k]]
    u, v = b - a, c - a
    det = u[0] * v[1] - u[1] * v[0]
    east, north = (u[2] * v[1] - v[2] * u[1]) / det, (u[0] * v[2] - v[0] * u[2]) / det
    return a[2] + east * (xy[:, 0] - a[0]) + north * (xy[:, 1] - a[1])


# -- the ground before ---------------------------------------------------------------------------------
def _terms(
    xy: NDArray[np.float64], middle: NDArray[np.float64], span: float, order: int
) -> NDArray[np.float64]:
    x, y = ((xy - middle) / span).T
    columns = [np.ones(len(xy)), x, y] if order else [np.ones(len(xy))]
    return np.column_stack([*columns, x * x, x * y, y * y]) if order == 2 else np.column_stack(columns)


def _ground(site: SiteLines, base: str, level_m: float | None) -> _Ground:
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
        return _Ground(base, lambda at: np.full(len(at), level_m), None, carriers[:0], np.empty(0))
    if base in ("mean rim level", "lowest rim level"):
        rim = site.outline
        if base == "lowest rim level":
            k = int(np.argmin(p.up[rim]))
            low = float(p.up[rim[k]])
            return _Ground(base, lambda at: np.full(len(at), low), None, rim[k : k + 1], np.array([area]))
        # Each point stands for half the outline to its neighbours: crowded points do not draw the mean.
        ring = np.column_stack([p.east, p.north])[np.append(rim, rim[0])]
        step = np.hypot(*np.diff(ring, axis=0).T)
        share = (step + np.roll(step, 1)) / (2 * step.sum())
        mean = float(np.sum(share * p.up[rim]))
        return _Ground(base, lambda at: np.full(len(at), mean), None, rim, share * area)
    mesh = _rim_mesh(site, carriers, xy, z)
    if base == "TIN":
        return _Ground(base, _reader(mesh), mesh, carriers, mesh.integral_weights())
    order = {"plane": 1, "smooth trend": 2}.get(base)
    if order is None:
        raise InputRefused(
            f"the base {base!r} cannot be made from points",
            expected="auto, TIN, plane, smooth trend, mean or lowest rim level, given level",
        )
    middle, span = xy.mean(axis=0), max(float(np.ptp(xy, axis=0).max()) / 2, 1e-3)
    terms = _terms(xy, middle, span, order)
    if len(xy) < terms.shape[1] + 1 or np.linalg.matrix_rank(terms, tol=1e-6 * len(xy)) < terms.shape[1]:
        raise InputRefused(
            f"{len(xy)} points cannot carry a {base}", mend="Measure more rim and ground points."
        )
    inverse = np.linalg.pinv(terms)
    fit = inverse @ (z - z.mean())

    def trend(at: NDArray[np.float64]) -> NDArray[np.float64]:
        return _terms(at, middle, span, order) @ fit + z.mean()

    moments = _moments(polygon, middle, span, order)
    weights = inverse.T @ moments
    weights += (area - weights.sum()) / len(z) if order else 0.0
    if base == "plane":
        return _Ground(base, trend, None, carriers, weights)
    # The trend misses the rim by what it cannot bend to; triangles of the rest bring it through the rim.
    left = z - trend(xy)
    rest = _reader(_rim_mesh(site, carriers, xy, left))
    hat = np.eye(len(z)) - terms @ inverse
    return _Ground(
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


def _reader(mesh: Mesh) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    """Heights of a mesh; beyond its edge that of its nearest triangle's plane."""
    import shapely

    shapes = shapely.polygons(mesh.xyz[mesh.triangles[:, [0, 1, 2, 0]], :2])
    tree = shapely.STRtree(shapes)

    def read(at: NDArray[np.float64]) -> NDArray[np.float64]:
        from survey.volumetrics.points.between import _height, _planes

        which = tree.query_nearest(shapely.points(at), all_matches=False)[1]
        return _height(_planes(mesh)[which], at[:, None, :])[:, 0]

    return read


def _moments(polygon: Any, middle: NDArray[np.float64], span: float, order: int) -> NDArray[np.float64]:
    """∫ of each polynomial term over the polygon, m²: exact, by the midpoints of its triangles' edges."""
    ring = np.asarray(polygon.exterior.coords)[:-1, :2]
    mesh = make_mesh(
        np.column_stack([ring, np.zeros(len(ring))]), [np.append(np.arange(len(ring)), 0)], polygon
    )
    corners = mesh.xyz[mesh.triangles][:, :, :2]
    edges = (corners + np.roll(corners, -1, axis=1)) / 2
    values = _terms(edges.reshape(-1, 2), middle, span, order).reshape(len(corners), 3, -1).mean(axis=1)
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
        terms = _terms(xy, middle, span, order)
        if np.linalg.matrix_rank(terms, tol=1e-6 * len(at)) < terms.shape[1]:
            return False
        residual = z - z.mean() - terms @ np.linalg.lstsq(terms, z - z.mean(), rcond=1e-8)[0]
        squares.append(float(np.sum(residual**2)))
    free = len(at) - 6
    # Heights that agree to better than their own precision prove nothing.
    noise = float(np.mean(p.sigma[at] ** 2)) * free
    ratio = (squares[0] - squares[1]) / 3 / (max(squares[1], noise) / free)
    return bool(fdtrc(3, free, max(ratio, 0.0)) < _SIGNIFICANT)


# -- volume --------------------------------------------------------------------------------------------
def _between(mesh: Mesh, ground: _Ground) -> tuple[float, float, float]:
    return over_planes(mesh, ground.mesh) if ground.mesh is not None else over_function(mesh, ground.at)


def _share(mesh: Mesh, base_heights: NDArray[np.float64]) -> tuple[float, float]:
    """m² of the surface below and above its base, by the mean of each triangle."""
    over = (mesh.xyz[:, 2] - base_heights)[mesh.triangles].mean(axis=1)
    area = mesh.areas_m2
    return float(area[over < 0].sum()), float(area[over > 0].sum())


def _precision(site: SiteLines, mesh: Mesh, used: NDArray[np.intp], ground: _Ground) -> Doubt:
    lever = np.zeros(len(site.points))
    np.add.at(lever, used, mesh.integral_weights())
    np.add.at(lever, ground.used, -ground.weights)
    return Doubt("precision of points", float(np.sqrt(np.sum((lever * site.points.sigma) ** 2))))


def _left_out(
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
            fill, cut, _ = _between(mesh, _ground(fewer, base, level_m))
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


def _base_doubt(site: SiteLines, ground: _Ground, net: float, mesh: Mesh) -> Doubt:
    """Half the difference to the other way of laying the ground, and what the rim itself scatters."""
    if ground.name == "given level":
        return Doubt("base", 0.0)
    others = []
    for name in ("TIN", "smooth trend", "plane"):
        if name == ground.name:
            continue
        try:
            fill, cut, _ = _between(mesh, _ground(site, name, None))
        except InputRefused:
            continue
        others.append(abs(fill - cut - net))
    area = float(mesh.areas_m2.sum())
    p = site.points
    carriers = np.concatenate([site.outline, site.ground])
    xy = np.column_stack([p.east, p.north])[carriers]
    middle, span = xy.mean(axis=0), max(float(np.ptp(xy, axis=0).max()) / 2, 1e-3)
    order = 2 if ground.name == "smooth trend" else 1
    terms = _terms(xy, middle, span, order)
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


# -- where to measure more -------------------------------------------------------------------------------
def _advice(site: SiteLines, mesh: Mesh, used: NDArray[np.intp], remarks: list[str]) -> tuple[Advice, ...]:
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
