"""The files of a watch for its neighbours: GeoJSON, CSV, KML, and a feed that a portal can poll."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, Protocol
from xml.sax.saxutils import escape

import numpy as np

from survey.record import canonical, indented

if TYPE_CHECKING:
    from shapely import Geometry

    from survey.grid import Grid
    from survey.imagery.triggers.places import Places


class Drawn(Protocol):
    """What the files show of a trigger."""

    @property
    def id(self) -> str: ...
    @property
    def shape(self) -> Geometry: ...
    @property
    def properties(self) -> dict[str, Any]:
        """Plain types, as ``record.canonical`` makes them: several files hold them."""
        ...


FEED_SCHEMA = "mine-survey-trigger-feed/1"
COLUMNS = (
    "id", "state", "class", "probability", "excavation_probability", "zone", "lease_id", "district",
    "distance_m", "bearing_deg", "area_m2", "outside_m2", "certain_area_m2", "first_seen", "last_seen",
    "confirmed_on", "detections", "observations", "outcome", "lon", "lat", "trips", "tonnes_t", "reasons",
)  # fmt: skip


@dataclass(frozen=True)
class _InDegrees:
    """A shape on WGS 84, seven decimals (a centimetre)."""

    of: Geometry
    outline: Geometry
    mapped: dict[str, Any]  # as GeoJSON; two files hold it, so it is not to be changed
    centre: tuple[float, float] | None  # a point inside; of nothing there is none


_kept: dict[tuple[int, str], _InDegrees] = {}
"""By the identity of the shape, which is kept with it."""


def settle(shapes: Sequence[Geometry], crs_wkt: str) -> None:
    """Move shapes into degrees, all at once: each stands in several files, and a call costs more than what is
    done in it for one."""
    import shapely

    from survey.boundary.crs import LON_LAT, move_points

    new = list({id(s): s for s in shapes if (id(s), crs_wkt) not in _kept}.values())
    own = np.empty(len(new), object)
    own[:] = new
    copies = shapely.from_wkb(shapely.to_wkb(own))
    moved = move_points(shapely.get_coordinates(own), crs_wkt, LON_LAT)
    outlines = shapely.set_coordinates(copies, np.round(moved, 7))
    empty = shapely.is_empty(own)
    points = shapely.get_coordinates(shapely.point_on_surface(own[~empty]))
    inside = iter(move_points(points, crs_wkt, LON_LAT).tolist())
    for shape, outline, text, nothing in zip(
        new, outlines, shapely.to_geojson(outlines), empty.tolist(), strict=True
    ):
        centre = None
        if not nothing:
            lon, lat = next(inside)
            centre = round(lon, 7), round(lat, 7)
        _kept[id(shape), crs_wkt] = _InDegrees(shape, outline, json.loads(text), centre)


def _in_degrees(shape: Geometry, crs_wkt: str) -> _InDegrees:
    found = _kept.get((id(shape), crs_wkt))
    if found is None:
        settle([shape], crs_wkt)
        found = _kept[id(shape), crs_wkt]
    return found


def lon_lat(shape: Geometry, crs_wkt: str) -> Geometry:
    """The shape in degrees on WGS 84, seven decimals (a centimetre)."""
    return _in_degrees(shape, crs_wkt).outline


def centre(shape: Geometry, crs_wkt: str) -> tuple[float, float]:
    """(longitude, latitude) of a point inside a shape that is not empty."""
    found = _in_degrees(shape, crs_wkt).centre
    assert found is not None
    return found


def forget() -> None:
    """Let the outlines go that were kept for the next file."""
    _kept.clear()


def feature(alert: Drawn, crs_wkt: str) -> dict[str, Any]:
    return {
        "type": "Feature",
        "id": alert.id,
        "properties": alert.properties,
        "geometry": _in_degrees(alert.shape, crs_wkt).mapped,
    }


def whereabouts(shape: Geometry, crs_wkt: str) -> dict[str, Any]:
    """Geometry and a point inside it, in degrees, as an item of the feed carries them."""
    if shape.is_empty:
        return {"lon": None, "lat": None, "geometry": None}
    lon, lat = centre(shape, crs_wkt)
    return {"lon": lon, "lat": lat, "geometry": _in_degrees(shape, crs_wkt).mapped}


def places_geojson(places: Places, grid: Grid) -> str:
    """Permitted areas with their buffer and ring, as far as the watch reaches."""
    import shapely
    from shapely.geometry import mapping

    b = grid.bounds
    reach = shapely.box(b.west, b.south, b.east, b.north)
    features = []
    for kind, shape in (("ring", places.ring), ("buffer", places.buffer)):
        part = shape.intersection(reach)
        if not part.is_empty:
            features.append(
                {
                    "type": "Feature",
                    "properties": {"kind": kind},
                    "geometry": mapping(lon_lat(part, grid.crs_wkt)),
                }
            )
    for one in places.permitted:
        if one.polygon.intersects(reach):
            told = {"kind": "lease", "lease_id": one.lease_id, "name": one.name, "district": one.district}
            features.append(
                {
                    "type": "Feature",
                    "properties": told,
                    "geometry": mapping(lon_lat(one.polygon, grid.crs_wkt)),
                }
            )
    collection = {"type": "FeatureCollection", "features": features}
    return json.dumps(collection, ensure_ascii=False, allow_nan=False) + "\n"


def geojson(alerts: Sequence[Drawn], crs_wkt: str) -> str:
    collection = {"type": "FeatureCollection", "features": [feature(a, crs_wkt) for a in alerts]}
    return json.dumps(collection, ensure_ascii=False, allow_nan=False) + "\n"


def rows(alerts: Sequence[Drawn], crs_wkt: str, near: dict[str, dict[str, Any]]) -> list[list[object]]:
    out: list[list[object]] = []
    for alert in alerts:
        lon, lat = centre(alert.shape, crs_wkt)
        joined = near.get(alert.id, {})
        values = {
            **alert.properties,
            "lon": lon,
            "lat": lat,
            "trips": joined.get("trips"),
            "tonnes_t": None if not joined else round(joined["tonnes_t"], 3),
            "reasons": "; ".join(alert.properties["reasons"]),
        }
        out.append(["" if values.get(c) is None else values[c] for c in COLUMNS])
    return out


_KML_COLOURS = {
    "confirmed": "ff2222dd",
    "provisional": "ff00a5ff",
    "fading": "ff999999",
    "closed": "ff666666",
}


def kml(alerts: Sequence[Drawn], crs_wkt: str, title: str) -> str:
    """For the phone: a polygon and a pin for each trigger, a folder for each state; times of first sight."""
    import shapely

    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<kml xmlns="http://www.opengis.net/kml/2.2"><Document>',
    ]
    lines.append(f"<name>{_text(title)}</name>")
    for state, colour in _KML_COLOURS.items():
        lines.append(
            f'<Style id="{state}"><LineStyle><color>{colour}</color><width>2</width></LineStyle>'
            f"<PolyStyle><color>40{colour[2:]}</color></PolyStyle></Style>"
        )
    for state in _KML_COLOURS:
        chosen = [a for a in alerts if a.properties["state"] == state]
        if not chosen:
            continue
        lines.append(f"<Folder><name>{state} ({len(chosen)})</name>")
        for alert in chosen:
            p = alert.properties
            lon, lat = centre(alert.shape, crs_wkt)
            where = (
                p["zone"]
                if p["lease_id"] is None
                else f"{p['zone']} of {p['lease_id']}, {p['distance_m']:.0f} m"
            )
            told = [f"{p['class']} ({p['probability']:.0%})", f"{p['area_m2']:,.0f} m²", where]
            told += [
                f"{p['detections']} of {p['observations']} looks, {p['first_seen']} to {p['last_seen']}",
                *p["reasons"],
            ]
            lines.append(f"<Placemark><name>{_text(alert.id)}</name><styleUrl>#{state}</styleUrl>")
            lines.append(f"<description>{_text(chr(10).join(told))}</description>")
            lines.append(f"<TimeSpan><begin>{p['first_seen']}</begin></TimeSpan><MultiGeometry>")
            lines.append(f"<Point><coordinates>{lon:.7f},{lat:.7f}</coordinates></Point>")
            for part in shapely.get_parts(lon_lat(alert.shape, crs_wkt)):
                rings = [("outerBoundaryIs", part.exterior)] + [
                    ("innerBoundaryIs", hole) for hole in part.interiors
                ]
                lines.append("<Polygon>")
                for tag, ring in rings:
                    path = " ".join(f"{x:.7f},{y:.7f}" for x, y in shapely.get_coordinates(ring).tolist())
                    lines.append(f"<{tag}><LinearRing><coordinates>{path}</coordinates></LinearRing></{tag}>")
                lines.append("</Polygon>")
            lines.append("</MultiGeometry></Placemark>")
        lines.append("</Folder>")
    lines.append("</Document></kml>")
    return "\n".join(lines) + "\n"


_UNSPEAKABLE = re.compile(r"[^\n\t\x20-\U0010ffff]")


def _text(value: str) -> str:
    """Text for XML: characters that XML cannot hold are left out."""
    return escape(_UNSPEAKABLE.sub("", value))


def feed(
    alerts: Sequence[Drawn],
    withdrawn: Sequence[dict[str, Any]],
    crs_wkt: str,
    *,
    job: str,
    as_of: str | None,
    mine: dict[str, Any],
    hit_rate: dict[str, Any],
) -> str:
    """Everything a portal needs to mirror the triggers: each with a stable id and a revision.

    An item whose ``revision`` is unchanged need not be looked at again; an id that was published once stays
    in the feed, in the end as ``closed``.
    """
    import hashlib

    items = []
    for alert in alerts:
        items.append({**alert.properties, **whereabouts(alert.shape, crs_wkt)})
    items += [{**canonical(w)} for w in withdrawn]
    for item in items:
        said = json.dumps(item, sort_keys=True, ensure_ascii=False)
        item["revision"] = hashlib.sha256(said.encode()).hexdigest()[:16]
    out = {
        "schema": FEED_SCHEMA,
        "job": job,
        "as_of": as_of,
        "mine": mine,
        "notice": "Triggers for inspection, not findings. EPSG:4326.",
        "hit_rate": canonical(hit_rate),
        "items": sorted(items, key=lambda i: (i["first_seen"], i["id"])),
    }
    return indented(out) + "\n"


def feed_schema() -> dict[str, Any]:
    """The JSON schema of ``feed.json``, as shipped."""
    text = (resources.files("survey.pipelines.triggers") / "feed.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
