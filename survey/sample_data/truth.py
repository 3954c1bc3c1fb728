"""What really happened: volumes by fine quadrature of the world, outlines, zones, errors put in.

Every figure is an integral of *ground after − ground before* over the plane of the earlier survey's
reference system, by the midpoint rule on points far denser than the cells; the difference to the same
rule with half as many points a side bounds its error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from ..grid import Grid
from .artefacts import Patch
from .fields import Floats
from .materials import DIGGING, WATER, Change, Thing
from .outlines import Box
from .render import compose
from .survey_error import ErrorModel, alignment_truth, pair_sigma_m
from .world import BUFFER_M, World

ZONES = ("lease", "buffer", "beyond")
TOUCHED_M = 0.02  # an outline runs where the ground moved by this much


@dataclass(frozen=True, eq=False)
class SiteTruth:
    """A pit, heap or backfill. Volumes in m³ are positive."""

    id: str
    kind: str
    shape: str
    zone: str  # that of the larger part of its volume
    outline: BaseGeometry
    area_m2: float
    volume_m3: float
    quadrature_m3: float  # bound of the integral's own error
    max_depth_m: float
    mean_depth_m: float
    zone_m3: dict[str, float]
    neighbour: str | None
    neighbour_m3: float
    distance_m: float  # of the nearest point of the outline from the lease; 0 if they touch
    measured_share: float  # of the outline, in both surveys

    @property
    def outside_m3(self) -> float:
        return self.zone_m3["buffer"] + self.zone_m3["beyond"]


@dataclass(frozen=True, eq=False)
class DismissedTruth:
    id: str
    reason: str
    zone: str
    outline: BaseGeometry
    area_m2: float
    cut_m3: float
    fill_m3: float
    zone_net_m3: dict[str, float]


@dataclass(frozen=True, eq=False)
class ZoneTruth:
    """Digging only in cut, fill and net; what is no digging in ``dismissed_*``. All of the zone that both
    grids reach, gaps included."""

    zone: str
    area_m2: float
    cut_m3: float
    fill_m3: float
    dismissed_cut_m3: float
    dismissed_fill_m3: float

    @property
    def net_m3(self) -> float:
        return self.fill_m3 - self.cut_m3


@dataclass(frozen=True, eq=False)
class Truth:
    sites: tuple[SiteTruth, ...]
    dismissed: tuple[DismissedTruth, ...]
    existing: tuple[SiteTruth, ...]
    zones: dict[str, ZoneTruth]
    alignment: dict[str, float]
    centre: tuple[float, float]
    sigma_m: float
    errors: tuple[ErrorModel, ErrorModel]
    patches: tuple[tuple[Patch, ...], tuple[Patch, ...]]


def points_over(box: Box, count: int) -> tuple[Floats, Floats, float]:
    """Midpoints of ``count`` or more equal rectangles (a row, a column) and the area of one."""
    w, s, e, n = box
    area = (e - w) * (n - s)
    step = math.sqrt(area / min(max(count, area / 0.25), 25 * count))  # large bodies: no coarser than 0.5 m
    cols, rows = max(8, math.ceil((e - w) / step)), max(8, math.ceil((n - s) / step))
    de, dn = (e - w) / cols, (n - s) / rows
    return w + de * (np.arange(cols) + 0.5)[None, :], s + dn * (np.arange(rows) + 0.5)[:, None], de * dn


def _coarser(box: Box, shape: tuple[int, ...]) -> tuple[Floats, Floats, float]:
    """The midpoints of a rule with half as many points a side."""
    w, s, e, n = box
    rows, cols = (max(4, k // 2) for k in shape)
    de, dn = (e - w) / cols, (n - s) / rows
    return w + de * (np.arange(cols) + 0.5)[None, :], s + dn * (np.arange(rows) + 0.5)[:, None], de * dn


def overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


class _Steps:
    """The world changed one thing after the other, so that the parts sum to the whole."""

    def __init__(self, world: World) -> None:
        self.world = world

    def things(self, upto: int, box: Box) -> list[Thing]:
        of = [t for t in self.world.standing if overlap(t.body.box, box)]
        for k, change in enumerate(self.world.changes):
            of += [t for t in (change.after if k < upto else change.before) if overlap(t.body.box, box)]
        for stand in self.world.stands:
            of += [t for t in stand.before if overlap(t.body.box, box)]
        return [t for t in of if not t.canopy] + [t for t in of if t.canopy]

    def rise(self, k: int, east: Floats, north: Floats) -> Floats:
        box = self.world.changes[k].box
        _, before, _ = compose(self.world, self.things(k, box), east, north)
        _, after, _ = compose(self.world, self.things(k + 1, box), east, north)
        return after - before


def outline_of(east: Floats, north: Floats, moved: Floats) -> BaseGeometry:
    """Polygons where ``moved`` (≥ 0, metres, at the points of a row and a column) exceeds TOUCHED_M."""
    import contourpy

    e = np.concatenate([[2 * east[0, 0] - east[0, 1]], east[0], [2 * east[0, -1] - east[0, -2]]])
    n = np.concatenate([[2 * north[0, 0] - north[1, 0]], north[:, 0], [2 * north[-1, 0] - north[-2, 0]]])
    z = np.pad(moved, 1)
    lines = contourpy.contour_generator(e, n, z, fill_type=contourpy.FillType.OuterOffset)
    rings, offsets = lines.filled(TOUCHED_M, np.inf)[:2]
    polygons = []
    for points, offset in zip(rings, offsets, strict=True):
        assert points is not None
        assert offset is not None
        parts = [points[a:b] for a, b in pairwise(offset)]
        polygon = Polygon(parts[0], [p for p in parts[1:] if Polygon(p).area > 1.0]).buffer(0)
        if polygon.area >= 0.25:
            polygons.append(polygon)
    if not polygons:
        return Polygon()
    pixel = float(abs(east[0, 1] - east[0, 0]))
    whole = shapely.union_all(polygons).simplify(pixel / 4)
    return whole if isinstance(whole, (Polygon, MultiPolygon)) else Polygon()


def zone_shares(world: World, east: Floats, north: Floats) -> dict[str, NDArray[np.bool_]]:
    """Which zone each point (flat arrays) lies in."""
    points = shapely.points(east, north)
    shapely.prepare(world.lease)
    lease = shapely.contains(world.lease, points)
    near = shapely.dwithin(world.lease, points, BUFFER_M)
    return {"lease": lease, "buffer": near & ~lease, "beyond": ~near}


class _Split:
    """Amounts at flat points, summed per zone; asks only what the points' box leaves open."""

    def __init__(self, world: World, east: Floats, north: Floats) -> None:
        box = shapely.box(east.min(), north.min(), east.max(), north.max())
        reach = math.hypot(east.max() - east.min(), north.max() - north.min()) / 2
        away = world.lease.distance(box)
        self.one: str | None = None
        if world.lease.contains(box):
            self.one = "lease"
        elif away > BUFFER_M:
            self.one = "beyond"
        elif away > 0 and world.lease.distance(box.centroid) + reach <= BUFFER_M:
            self.one = "buffer"
        else:
            self.shares = zone_shares(world, east, north)

    def __call__(self, amount: Floats) -> dict[str, float]:
        if self.one:
            return dict.fromkeys(ZONES, 0.0) | {self.one: float(amount.sum())}
        return {z: float(amount[inside].sum()) for z, inside in self.shares.items()}


def make_truth(
    world: World,
    grids: tuple[Grid, Grid],
    measured: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    errors: tuple[ErrorModel, ErrorModel],
    patches: tuple[tuple[Patch, ...], tuple[Patch, ...]],
) -> Truth:
    steps = _Steps(world)
    sites: list[SiteTruth] = []
    dismissed: list[DismissedTruth] = []
    sums = {z: dict.fromkeys(("cut", "fill", "dcut", "dfill"), 0.0) for z in ZONES}
    for k, change in enumerate(world.changes):
        east, north, area = points_over(change.box, world.options.quad_points)
        rise = steps.rise(k, east, north)
        digging = change.kind in DIGGING
        flat_e, flat_n = (a.ravel() for a in np.broadcast_arrays(east, north))
        touched = np.abs(rise).ravel() > 0
        if not touched.any():
            continue
        e, n, r = flat_e[touched], flat_n[touched], rise.ravel()[touched]
        split = _Split(world, e, n)
        cut, fill = split(np.maximum(-r, 0) * area), split(np.maximum(r, 0) * area)
        for z in ZONES:
            sums[z]["cut" if digging else "dcut"] += cut[z]
            sums[z]["fill" if digging else "dfill"] += fill[z]
        if digging:
            sites.append(_site(world, change, rise, east, north, area, steps, k, cut, fill, grids, measured))
        else:
            outline = outline_of(east, north, np.abs(rise))
            net = {z: fill[z] - cut[z] for z in ZONES}
            both = {z: fill[z] + cut[z] for z in ZONES}
            dismissed.append(
                DismissedTruth(
                    change.id, change.kind, max(ZONES, key=lambda z: both[z]), outline, outline.area,
                    sum(cut.values()), sum(fill.values()), net,
                )
            )  # fmt: skip
    reach = shapely.box(*world.box)
    areas = {
        "lease": world.lease.intersection(reach).area,
        "buffer": world.buffer.intersection(reach).area,
    }
    areas["beyond"] = reach.area - sum(areas.values())
    zones = {z: ZoneTruth(z, areas[z], s["cut"], s["fill"], s["dcut"], s["dfill"]) for z, s in sums.items()}
    return Truth(
        tuple(sites), tuple(dismissed), _existing(world), zones,
        alignment_truth(*errors), world.centre, pair_sigma_m(*errors), errors, patches,
    )  # fmt: skip


def _site(
    world: World,
    change: Change,
    rise: Floats,
    east: Floats,
    north: Floats,
    area: float,
    steps: _Steps | None,
    k: int,
    cut: dict[str, float],
    fill: dict[str, float],
    grids: tuple[Grid, Grid] | None,
    measured: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None,
) -> SiteTruth:
    own = cut if change.kind == "pit" else fill
    volume = sum(own.values())
    quadrature = math.nan
    if steps is not None:
        ce, cn, carea = _coarser(change.box, rise.shape)
        coarse = steps.rise(k, ce, cn)
        sign = -1 if change.kind == "pit" else 1
        quadrature = abs(float(np.maximum(sign * coarse, 0).sum() * carea) - volume)
    depth = np.maximum(-rise, 0) if change.kind == "pit" else np.maximum(rise, 0)
    outline = outline_of(east, north, depth)
    other = max(world.neighbours, key=lambda o: o.polygon.intersection(outline).area, default=None)
    inside = 0.0
    if other is not None and other.polygon.intersects(outline):
        flat = [a.ravel() for a in np.broadcast_arrays(east, north)]
        there = shapely.contains(other.polygon, shapely.points(*flat))
        inside = float(depth.ravel()[there].sum() * area)
    share = 1.0
    if grids is not None and measured is not None:
        moved = depth.ravel() > TOUCHED_M
        flat = [a.ravel()[moved] for a in np.broadcast_arrays(east, north)]
        seen = np.ones(len(flat[0]), bool)
        for grid, mask in zip(grids, measured, strict=True):
            seen &= _lookup(grid, mask, world.epsg, *flat)
        share = float(seen.mean()) if len(seen) else 0.0
    return SiteTruth(
        id=change.id,
        kind=change.kind,
        shape=change.shape,
        zone=max(ZONES, key=lambda z: own[z]),
        outline=outline,
        area_m2=float(outline.area),
        volume_m3=volume,
        quadrature_m3=quadrature,
        max_depth_m=float(depth.max()),
        mean_depth_m=volume / outline.area if outline.area else 0.0,
        zone_m3=own,
        neighbour=other.lease_id if inside > 0.5 * volume and other is not None else None,
        neighbour_m3=inside,
        distance_m=float(world.lease.distance(outline)),
        measured_share=share,
    )


def _lookup(grid: Grid, mask: NDArray[np.bool_], epsg: int, east: Floats, north: Floats) -> NDArray[np.bool_]:
    if grid.crs.to_epsg() != epsg:
        from pyproj import Transformer

        east, north = Transformer.from_crs(epsg, grid.crs, always_xy=True).transform(east, north)
    row, col = grid.row_col(east, north)
    r, c = np.rint(row).astype(int), np.rint(col).astype(int)
    inside = (r >= 0) & (r < grid.height) & (c >= 0) & (c < grid.width)
    found = np.zeros(len(r), bool)
    found[inside] = mask[r[inside], c[inside]]
    return found


def _existing(world: World) -> tuple[SiteTruth, ...]:
    """All pits and heaps that stand in the later survey, old and new, against the natural ground."""
    grown = {c.id.replace("work", "old") for c in world.changes}
    digging = [c for c in world.changes if c.kind in DIGGING]
    found = []
    for item in (*(old for old in world.existing if old.id not in grown), *digging):
        east, north, area = points_over(item.box, world.options.quad_points // 4)
        natural = world.terrain.at(east, north)
        own = natural
        for thing in item.after:
            own = thing.body.on(east, north, own)
        things = [t for t in world.things(1) if not t.canopy and overlap(t.body.box, item.box)]
        _, now, _ = compose(world, [t for t in things if t.material != WATER], east, north)
        rise = np.where(np.abs(own - natural) > 0, now - natural, 0.0)
        if np.maximum(-rise if item.kind == "pit" else rise, 0).sum() * area < 1.0:
            continue  # filled back to the brim, or heaped below it
        flat = [a.ravel() for a in np.broadcast_arrays(east, north)]
        split = _Split(world, *flat)
        cut, fill = (split(np.maximum(s * rise, 0).ravel() * area) for s in (-1, 1))
        found.append(_site(world, item, rise, east, north, area, None, 0, cut, fill, None, None))
    return tuple(found)
