"""The volume of a site measured by points, its doubt, and where to measure more.

Nothing is added to the volume for what points may miss: it is the triangles', as any officer can check.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.volumetrics.points.advice import Advice, advise
from survey.volumetrics.points.before import between, ground_before, heights_of
from survey.volumetrics.points.doubt import missed_by_bends, of_base, of_precision, of_spacing
from survey.volumetrics.points.foot import missed_at_the_foot
from survey.volumetrics.points.mesh import Mesh
from survey.volumetrics.points.site import SiteLines
from survey.volumetrics.stock import Amount, Doubt

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
    ground = ground_before(site, base, level_m)
    fill, cut, common = between(mesh, ground)
    area = float(mesh.areas_m2.sum())
    remarks = list(site.remarks)
    doubts = [of_precision(site, mesh, used, ground)]
    halves, spread = of_spacing(site, base, level_m, fill - cut, "inner")
    base_heights = ground.at(mesh.xyz[:, :2])
    foot = missed_at_the_foot(mesh, *_lines(site, mesh, used), pit=site.pit, base=base_heights)
    missed = max(halves, float(abs(missed_by_bends(mesh))))
    # Where a foot may be is a range that is known, not a scatter that was seen in two halves.
    doubts.append(Doubt("spacing of points", max(missed, foot), spread if missed >= foot else math.inf))
    bends, spread = of_spacing(site, base, level_m, fill - cut, "outline")
    doubts.append(Doubt("spacing of the outline", bends, spread))
    doubts.append(of_base(site, ground, fill - cut, mesh))
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
    advice = advise(site, mesh, used, remarks)
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
    return heights_of(mesh)(at)


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


def _share(mesh: Mesh, base_heights: NDArray[np.float64]) -> tuple[float, float]:
    """m² of the surface below and above its base, by the mean of each triangle."""
    over = (mesh.xyz[:, 2] - base_heights)[mesh.triangles].mean(axis=1)
    area = mesh.areas_m2
    return float(area[over < 0].sum()), float(area[over > 0].sum())
