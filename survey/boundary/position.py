"""Where a site lies: how far and in which direction from the boundary and from the nearest pillar."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.boundary.crs import LON_LAT, move_points

if TYPE_CHECKING:
    from shapely import Geometry, Point

    from survey.boundary.lease import Lease, Pillar

_ON_THE_LINE_M = 0.001


@dataclass(frozen=True, slots=True)
class Position:
    """A site as a field party finds it.

    ``distance_m`` and ``bearing_deg`` lead from the boundary point (``boundary_*``) that is nearest to the
    site's representative point, to that point: along the ground (WGS 84 ellipsoid), clockwise from **true**
    north, 0 to 360. Inside the lease the distance counts from the boundary all the same and ``inside`` is
    true. ``gap_m`` is the least distance, on the map, between the boundary and the site's outline: 0 if it
    touches or straddles the boundary. On the line itself the bearing is NaN. The pillar is the one nearest
    to the representative point; distance and bearing lead from it.
    """

    east: float
    north: float
    lon: float
    lat: float
    inside: bool
    distance_m: float
    bearing_deg: float
    boundary_east: float
    boundary_north: float
    boundary_lon: float
    boundary_lat: float
    gap_m: float
    pillar: str | None
    pillar_distance_m: float
    pillar_bearing_deg: float


def representative_point(site: Geometry) -> Point:
    """The centroid where that lies in the site; else a point inside (Shapely's: middle of the widest run)."""
    import shapely

    centre = shapely.centroid(site)
    return centre if shapely.covers(site, centre) else shapely.point_on_surface(site)


def position_of(site: Geometry, lease: Lease, *, crs_wkt: str | None = None) -> Position:
    """Locate a site (polygon or point) against a lease.

    Parameters
    ----------
    site:
        In ``crs_wkt``, by default the lease's system.
    """
    import shapely

    here = lease if crs_wkt is None else lease.to_crs(crs_wkt)
    point = representative_point(site)
    boundary = shapely.boundary(here.polygon)
    foot = shapely.get_point(shapely.shortest_line(boundary, point), 0)
    east_north = np.array([[point.x, point.y], [foot.x, foot.y]])
    (lon, lat), (foot_lon, foot_lat) = move_points(east_north, here.crs_wkt, LON_LAT).tolist()
    distance, bearing = ground_line((foot_lon, foot_lat), (lon, lat))
    pillar, pillar_distance, pillar_bearing = nearest_pillar(here.pillars, (lon, lat))
    return Position(
        float(point.x),
        float(point.y),
        lon,
        lat,
        bool(shapely.covers(here.polygon, point)),
        distance,
        bearing,
        float(foot.x),
        float(foot.y),
        foot_lon,
        foot_lat,
        float(shapely.distance(boundary, site)),
        None if pillar is None else pillar.name,
        pillar_distance,
        pillar_bearing,
    )


def nearest_pillar(
    pillars: Sequence[Pillar], lon_lat: tuple[float, float]
) -> tuple[Pillar | None, float, float]:
    """The pillar nearest to a place, and the way from it; the first of equals. NaN without pillars."""
    if not pillars:
        return None, math.nan, math.nan
    ways = [ground_line((p.lon, p.lat), lon_lat) for p in pillars]
    best = min(range(len(ways)), key=lambda i: (ways[i][0], i))
    return pillars[best], *ways[best]


def ground_line(start: tuple[float, float], end: tuple[float, float]) -> tuple[float, float]:
    """Metres along the ellipsoid from ``start`` to ``end`` (lon, lat), and the azimuth at ``start``."""
    from pyproj import Geod

    azimuth, _, metres = Geod(ellps="WGS84").inv(*start, *end)
    if metres < _ON_THE_LINE_M:
        return float(metres), math.nan
    return float(metres), float(azimuth % 360.0)
