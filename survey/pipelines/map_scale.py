"""How areas on the map differ from those on the ground.

A map projection keeps shapes, not areas (Snyder 1987, Map Projections, USGS Professional Paper 1395): in the
middle of a UTM zone a hectare of map is 1.0008 hectares of ground. Volumes are measured on the map, as every
plan and every other program does; but their intervals can be narrower than that, so a reader must be told.
"""

from __future__ import annotations

from survey.grid import Grid
from survey.rasters.crs import areal_scale
from survey.remark import Remark

LEAST_DIFFERENCE = 1e-5
"""A map whose areas differ from the ground's by a smaller part is not spoken of."""


def map_scale(grid: Grid) -> float:
    """Square metres of the map per square metre of the ellipsoid, in the middle of the grid."""
    b = grid.bounds
    return round(areal_scale(grid.crs_wkt, (b.west + b.east) / 2, (b.south + b.north) / 2), 8)


def map_remarks(grid: Grid) -> list[Remark]:
    """That figures are those of the map, where that makes a difference."""
    ground = 1 / map_scale(grid) - 1
    if not abs(ground) >= LEAST_DIFFERENCE:
        return []
    message = (
        f"areas and volumes are those of the map ({grid.crs.name}), as plans and other programs give them; "
        f"at the level of the ellipsoid, those on the ground are {100 * abs(ground):.3f} % "
        f"{'larger' if ground > 0 else 'smaller'} here"
    )
    return [Remark("map-scale", message, "info")]
