"""Ground within a distance of a boundary: around a polygon, inside it, and in front of single sides."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from shapely import Geometry, Polygon

_QUARTER = 256
"""Chords to a quarter circle: an arc of 100 m is off by 0.5 mm, the area of a sector by 6e-6 of itself."""


def grown(polygon: Geometry, metres: float) -> Geometry:
    """A polygon and all ground within ``metres`` of it, in its holes as well as around it."""
    import shapely

    if polygon.is_empty or metres <= 0:
        return polygon
    # The union keeps the polygon itself inside, however the buffer was rounded.
    return shapely.union(polygon, shapely.buffer(polygon, metres, quad_segs=_QUARTER))


def shrunk(polygon: Geometry, metres: float) -> Geometry:
    """What of a polygon lies farther than ``metres`` from its boundary; possibly empty."""
    import shapely

    if polygon.is_empty or metres <= 0:
        return polygon
    return shapely.buffer(polygon, -metres, quad_segs=_QUARTER)


def polygonal(geometry: Geometry) -> Geometry:
    """Only the areas of a geometry: what an overlay leaves of touching lines and points is dropped."""
    import shapely

    if geometry.geom_type in ("Polygon", "MultiPolygon"):
        return geometry
    parts = [p for p in shapely.get_parts(geometry) if p.geom_type in ("Polygon", "MultiPolygon")]
    return shapely.union_all(parts) if parts else shapely.Polygon()


def rings_of(polygon: Geometry) -> list[NDArray[np.float64]]:
    """All closed rings with the polygon's inside on their left, without repeated vertices."""
    import shapely

    rings = []
    for part in shapely.get_parts(polygon):
        for index, ring in enumerate((part.exterior, *part.interiors)):
            xy = shapely.get_coordinates(ring)
            xy = xy[np.r_[True, (np.diff(xy, axis=0) != 0).any(axis=1)]]
            rings.append(xy if shapely.is_ccw(ring) == (index == 0) else xy[::-1])
    return rings


def in_front_of(
    ring: NDArray[np.float64], sides: Iterable[int], metres: float, *, corners: bool = True
) -> list[Polygon]:
    """The ground on the right of some sides of a closed ring, up to a distance.

    A rectangle for each side; with ``corners`` also the sector between two wanted sides that follow each
    other, whose nearest boundary point is the corner.
    """
    import shapely

    start, end = ring[:-1], ring[1:]
    wanted = np.zeros(len(start), bool)
    wanted[list(sides)] = True
    along = end - start
    right = np.column_stack([along[:, 1], -along[:, 0]]) / np.hypot(*along.T)[:, None]
    outlines = np.stack([start, end, end + right * metres, start + right * metres], axis=1)
    pieces = list(shapely.polygons(outlines[wanted]))
    if not corners:
        return pieces
    onward = np.roll(right, -1, axis=0)
    turn = np.arctan2(right[:, 0] * onward[:, 1] - right[:, 1] * onward[:, 0], np.sum(right * onward, axis=1))
    for k in np.flatnonzero((turn > 0) & wanted & np.roll(wanted, -1)):
        count = max(math.ceil(turn[k] / (math.pi / 2 / _QUARTER)), 1)
        angles = math.atan2(right[k, 1], right[k, 0]) + turn[k] * np.arange(1, count) / count
        arc = metres * np.column_stack([np.cos(angles), np.sin(angles)])
        rim = np.vstack([right[k] * metres, arc, onward[k] * metres])
        pieces.append(shapely.Polygon(np.vstack([end[k : k + 1], end[k] + rim])))
    return pieces
