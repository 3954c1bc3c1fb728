"""Where an object lies: lease, buffer, ring, beyond; nearest lease; and how much lies outside beyond
doubt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid

if TYPE_CHECKING:
    from shapely import Geometry

Zone = Literal["lease", "buffer", "ring", "beyond"]
ZONES: tuple[Zone, ...] = ("lease", "buffer", "ring", "beyond")
BUFFER_M = 100.0
CERTAIN_SIGMAS = 2.0
"""What lies within so many standard deviations of the boundary is not counted as surely outside."""


@dataclass(frozen=True)
class Permitted:
    """Ground on which digging is permitted, in the system of the watch grid."""

    lease_id: str
    polygon: Geometry
    name: str | None = None
    district: str | None = None


@dataclass(frozen=True)
class Placement:
    """Of one object. Areas sum to the object's."""

    zone: Zone
    lease_id: str | None
    district: str | None
    distance_m: float | None  # from the object's nearest edge to the nearest lease; 0 inside
    bearing_deg: float | None  # from the lease to the object
    areas_m2: dict[Zone, float]
    certain_area_m2: float


class Places:
    """The zones around all permitted areas, prepared once."""

    def __init__(self, permitted: Sequence[Permitted], ring_m: float, sigma_m: float) -> None:
        """``sigma_m``: 1 σ of where a cell lies against the boundary: boundary, registration, cell."""
        import shapely

        self.permitted = list(permitted)
        self.ring_m, self.sigma_m = ring_m, sigma_m
        whole = (
            shapely.union_all([p.polygon for p in self.permitted]) if self.permitted else shapely.Polygon()
        )
        self.lease = whole
        self.buffer = shapely.buffer(whole, BUFFER_M, quad_segs=32)
        self.ring = shapely.buffer(whole, max(ring_m, BUFFER_M), quad_segs=32)
        self.certain = shapely.buffer(whole, CERTAIN_SIGMAS * sigma_m, quad_segs=16)
        for part in (self.lease, self.buffer, self.ring):
            shapely.prepare(part)
        self._tree = shapely.STRtree([p.polygon for p in self.permitted]) if self.permitted else None

    def of(self, polygon: Geometry) -> Placement:
        """Zone by the largest share of the area; of equal shares the one nearer to the lease."""
        if not self.ring.intersects(polygon):
            return self._far(np.array([polygon], object))[0]
        lease = polygon.intersection(self.lease).area
        buffered = polygon.intersection(self.buffer).area
        ringed = polygon.intersection(self.ring).area
        areas: dict[Zone, float] = {
            "lease": lease,
            "buffer": max(buffered - lease, 0.0),
            "ring": max(ringed - buffered, 0.0),
            "beyond": max(polygon.area - ringed, 0.0),
        }
        zone = max(ZONES, key=lambda z: (round(areas[z], 3), -ZONES.index(z)))
        certain = polygon.difference(self.certain).area
        return self._placement(polygon, zone, areas, certain)

    def of_all(self, polygons: Sequence[Geometry]) -> list[Placement]:
        """``of`` each: those that meet no zone, mostly many, are asked for together."""
        import shapely

        shapes = np.array(polygons, object)
        if not len(shapes):
            return []
        near = shapely.intersects(self.ring, shapes)
        out: list[Placement] = [None] * len(shapes)  # type: ignore[list-item]
        for i in np.nonzero(near)[0]:
            out[i] = self.of(shapes[i])
        far = np.nonzero(~near)[0]
        for i, placement in zip(far, self._far(shapes[far]), strict=True):
            out[i] = placement
        return out

    def _far(self, shapes: NDArray[np.object_]) -> list[Placement]:
        """Of polygons that are known to meet no zone."""
        import shapely

        areas = shapely.area(shapes).tolist()
        beyond: list[dict[Zone, float]] = [
            {"lease": 0.0, "buffer": 0.0, "ring": 0.0, "beyond": area} for area in areas
        ]
        if self._tree is None or not len(shapes):
            return [
                Placement("beyond", None, None, None, None, *said) for said in zip(beyond, areas, strict=True)
            ]
        which = self._tree.nearest(shapes)
        leases = self._tree.geometries[which]
        distance = shapely.distance(shapes, leases).tolist()
        ends = shapely.get_coordinates(shapely.shortest_line(leases, shapes)).reshape(-1, 4).tolist()
        out = []
        for k, away, (x0, y0, x1, y1), said, area in zip(
            which.tolist(), distance, ends, beyond, areas, strict=True
        ):
            lease = self.permitted[k]
            bearing = math.degrees(math.atan2(x1 - x0, y1 - y0)) % 360.0
            out.append(Placement("beyond", lease.lease_id, lease.district, away, bearing, said, area))
        return out

    def _placement(
        self, polygon: Geometry, zone: Zone, areas: dict[Zone, float], certain: float
    ) -> Placement:
        import shapely

        if self._tree is None:
            return Placement(zone, None, None, None, None, areas, certain)
        near = self.permitted[int(self._tree.nearest(polygon))]
        hits = self._tree.query(polygon, predicate="intersects")
        inside = [self.permitted[int(i)] for i in sorted(hits)]
        if inside:
            near = max(inside, key=lambda p: (p.polygon.intersection(polygon).area, p.lease_id))
        distance = float(shapely.distance(polygon, near.polygon))
        if distance > 0:
            line = shapely.shortest_line(near.polygon, polygon)
            (x0, y0), (x1, y1) = shapely.get_coordinates(line)[[0, -1]]
        else:
            a, b = near.polygon.centroid, polygon.centroid
            x0, y0, x1, y1 = a.x, a.y, b.x, b.y
        bearing = math.degrees(math.atan2(x1 - x0, y1 - y0)) % 360.0
        return Placement(zone, near.lease_id, near.district, distance, bearing, areas, certain)

    def in_lease(self, east: NDArray[np.float64], north: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which points lie in a permitted area."""
        import shapely

        found = np.zeros(np.shape(east), bool)
        if self.lease.is_empty:
            return found
        # Most of an area is nowhere near: only what lies in the box is asked for one by one.
        west, south, far_east, far_north = self.lease.bounds
        maybe = np.nonzero((east >= west) & (east <= far_east) & (north >= south) & (north <= far_north))
        shapely.prepare(self.lease)
        found[maybe] = shapely.contains_xy(self.lease, east[maybe], north[maybe])
        return found

    def mask(self, piece: Grid) -> NDArray[np.bool_]:
        """Cells of a piece whose centre lies in a permitted area."""
        import shapely

        if not self.permitted:
            return np.zeros(piece.shape, bool)
        bounds = piece.bounds
        if not shapely.box(bounds.west, bounds.south, bounds.east, bounds.north).intersects(self.lease):
            return np.zeros(piece.shape, bool)
        rows, cols = np.mgrid[0 : piece.height, 0 : piece.width]
        east, north = piece.east_north(rows, cols)
        shapely.prepare(self.lease)
        return shapely.contains_xy(self.lease, east, north)
