"""The lease: its ground, its pillars, and everything that had to be decided to read them."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.choose import choose_lease
from survey.boundary.crs import LON_LAT, crs_from, home_crs, move, move_points
from survey.boundary.features import Drawing, metres_per_unit, refuse_wild
from survey.boundary.formats import read_drawing
from survey.boundary.order import Corner, ring_of
from survey.boundary.placing import Placed, place
from survey.boundary.rings import polygon_of, remarks
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

MAX_AREA_HA = 1_000_000.0
"""10,000 km²: no lease is larger, so the numbers would be wrong."""

MIN_AREA_M2 = 1.0
PILLAR_REACH_M = 2.0
"""How far from a vertex of the boundary a named point may stand and still be its pillar."""


@dataclass(frozen=True, slots=True)
class Pillar:
    """A named corner: metres in the lease's system, degrees on WGS 84."""

    name: str
    east: float
    north: float
    lon: float
    lat: float


@dataclass(frozen=True)
class Lease:
    """The ground of a lease in a metric system.

    ``sigma_m`` is the standard deviation of the boundary's position, if somebody stated it. ``source_crs``
    is what the file was in, for the record.
    """

    polygon: Polygon | MultiPolygon
    crs_wkt: str
    pillars: tuple[Pillar, ...] = ()
    notes: tuple[Remark, ...] = ()
    lease_id: str | None = None
    sigma_m: float | None = None
    name: str | None = None
    source_crs: str | None = None

    def to_crs(self, crs_wkt: str) -> Lease:
        """The same ground in another system; sides stay where they were to a millimetre."""
        from pyproj import CRS

        if crs_wkt == self.crs_wkt:
            return self
        if CRS.from_user_input(crs_wkt) == CRS.from_user_input(self.crs_wkt):
            return replace(self, crs_wkt=crs_wkt)
        near = self.lon_lat
        polygon = move(self.polygon, self.crs_wkt, crs_wkt, near=near)
        xy = np.array([(p.east, p.north) for p in self.pillars]).reshape(-1, 2)
        moved = move_points(xy, self.crs_wkt, crs_wkt, near)
        pillars = tuple(
            Pillar(p.name, float(e), float(n), p.lon, p.lat)
            for p, (e, n) in zip(self.pillars, moved, strict=True)
        )
        return replace(self, polygon=polygon, crs_wkt=crs_wkt, pillars=pillars)

    @property
    def lon_lat(self) -> tuple[float, float]:
        """A point inside, in degrees on WGS 84."""
        point = self.polygon.representative_point()
        lon, lat = move_points(np.array([[point.x, point.y]]), self.crs_wkt, LON_LAT)[0]
        return float(lon), float(lat)

    @property
    def area_ha(self) -> float:
        """Area on the ellipsoid: what a deed means, whatever the projection."""
        return geodesic_area_m2(self.polygon, self.crs_wkt) / 1e4

    @property
    def grid_area_ha(self) -> float:
        """Area on the map, whose scale is not quite one: 0.08 % less in the middle of a UTM zone."""
        return float(self.polygon.area) / 1e4


def geodesic_area_m2(polygon: Polygon | MultiPolygon, crs_wkt: str) -> float:
    """Area on the WGS 84 ellipsoid (Karney 2013, through PROJ), holes taken off."""
    import shapely
    from pyproj import Geod

    # Chords of a bent side all err to one side, so an area wants a finer cut than a position.
    on_earth = move(polygon, crs_wkt, LON_LAT, straight_m=5e-5)
    geod = Geod(ellps="WGS84")
    total = 0.0
    for part in shapely.get_parts(on_earth):
        for sign, ring in ((1, part.exterior), *((-1, hole) for hole in part.interiors)):
            lon, lat = shapely.get_coordinates(ring).T
            total += sign * abs(geod.polygon_area_perimeter(lon, lat)[0])
    return float(total)


def read_lease(
    path: str | os.PathLike[str],
    *,
    crs: str | None = None,
    wanted_crs: str | None = None,
    lease_id: str | None = None,
    sigma_m: float | None = None,
) -> Lease:
    """Read a lease boundary.

    Parameters
    ----------
    path:
        KML, KMZ, GeoJSON, GeoPackage, Shapefile, DXF, or a CSV of pillars.
    crs:
        The system of files that name none. A file that contradicts it is refused.
    wanted_crs:
        The metric system to give the lease in; without it the file's own if that is metric and true to
        scale, else the UTM zone of the lease.
    lease_id:
        Chooses among several leases in one file.
    sigma_m:
        Standard deviation of the boundary's position, passed on.

    Raises
    ------
    InputRefused
        Whenever the ground that is meant is in doubt; what was only doubtful is in ``notes``.
    """
    given = None if crs is None else crs_from(crs)
    drawing = read_drawing(path, crs=given)
    refuse_wild(drawing)
    metres = metres_per_unit(drawing)
    notes = list(drawing.notes)
    if not any(f.polygons or f.lines for f in drawing.features) and any(f.points for f in drawing.features):
        drawing = _from_points(drawing, metres, notes)
    chosen, said = choose_lease(drawing, metres, lease_id)
    notes += said
    placed = place(drawing, [ring for part in chosen.parts for ring in part], given)
    notes += placed.notes
    if any(f.had_heights for f in drawing.features):
        notes.append(Remark("heights-dropped", "Heights in the boundary file were not used.", "info"))

    mends: Counter[str] = Counter()
    drawn = polygon_of(
        [[placed.straightened(ring) for ring in part] for part in chosen.parts],
        file=drawing.file,
        label=f"the outline {chosen.label!r}",
        metres_per_unit=placed.metres_per_unit,
        mends=mends,
        counter_clockwise=drawing.format == "GeoJSON",
    )
    if chosen.by_line:
        notes.append(Remark("lease-from-line", "The outline was drawn as a closed line.", "info"))
    notes += remarks(mends)
    home = home_crs(crs_from(placed.crs_wkt), *placed.near)
    target = home if wanted_crs is None else crs_from(wanted_crs).to_wkt()
    polygon = move(drawn, placed.crs_wkt, target, near=placed.near)
    if not polygon.is_valid:
        raise InputRefused(
            "the outline touches itself so closely that it crosses when projected", file=drawing.file
        )
    area_m2 = geodesic_area_m2(polygon, target)
    if area_m2 < MIN_AREA_M2 or area_m2 / 1e4 > MAX_AREA_HA:
        raise InputRefused(
            f"the lease would have {area_m2 / 1e4:.6g} ha",
            expected=f"more than nothing and less than {MAX_AREA_HA / 100:,.0f} km²",
            file=drawing.file,
        )
    pillars, unused = _pillars(drawing, placed, drawn, target)
    if unused:
        names = ", ".join(unused[:10]) + (" …" if len(unused) > 10 else "")
        notes.append(
            Remark(
                "points-off-boundary",
                f"{len(unused)} named point(s) stand more than {PILLAR_REACH_M:g} m from every corner "
                f"and were not taken as pillars: {names}.",
                "info",
            )
        )
    return Lease(
        polygon,
        target,
        pillars,
        tuple(notes),
        chosen.lease_id or lease_id,
        sigma_m,
        chosen.label if chosen.label != "unnamed" else None,
        placed.crs_name,
    )


def _from_points(drawing: Drawing, metres: float, notes: list[Remark]) -> Drawing:
    """A file of points only: they are pillars, joined as those of a table are."""
    corners = [
        Corner(f.name, float(x), float(y), f"point {i + 1}")
        for i, f in enumerate(drawing.features)
        for points in f.points
        for x, y in points
    ]
    ring, kept, said = ring_of(corners, drawing.file, metres_per_unit=metres)
    notes.append(
        Remark(
            "lease-from-points",
            f"The file holds {len(kept)} points and no outline; they were joined in order.",
        )
    )
    notes += said
    outline = replace(drawing.features[0], name="", layer="", polygons=((ring,),), points=(), properties={})
    return replace(drawing, features=(outline, *drawing.features))


def _pillars(
    drawing: Drawing, placed: Placed, drawn: Any, target: str
) -> tuple[tuple[Pillar, ...], list[str]]:
    """Named points at the corners, in the order of the corners; and the names of points elsewhere."""
    import shapely

    named = [(f.name.strip(), xy) for f in drawing.features if f.name.strip() for xy in f.points]
    if not named:
        return (), []
    names = [name for name, xy in named for _ in range(len(xy))]
    points = placed.straightened(np.concatenate([xy for _, xy in named]))
    corners = shapely.get_coordinates(drawn)
    # Distances are taken on the map of the survey, whatever the file was in.
    near = placed.near
    points_m = move_points(points, placed.crs_wkt, target, near)
    corners_m = move_points(corners, placed.crs_wkt, target, near)
    lon_lat = move_points(points, placed.crs_wkt, LON_LAT, near)
    index = shapely.STRtree(shapely.points(corners_m)).query_nearest(
        shapely.points(points_m), all_matches=False
    )
    found: dict[str, tuple[int, Pillar]] = {}
    unused: list[str] = []
    for point, corner in zip(*index.tolist(), strict=True):
        name = names[point]
        if float(np.hypot(*(points_m[point] - corners_m[corner]))) > PILLAR_REACH_M or name in found:
            unused.append(name)
            continue
        pillar = Pillar(name, *map(float, points_m[point]), *map(float, lon_lat[point]))
        found[name] = (corner, pillar)
    return tuple(pillar for _, pillar in sorted(found.values(), key=lambda item: item[0])), unused
