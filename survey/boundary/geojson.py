"""GeoJSON: RFC 7946, and the named ``crs`` of the older draft. A ``crs`` that is a link is never fetched."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.features import MAX_DEPTH, MAX_FEATURES, MAX_VERTICES, Budget, Drawing, Feature, Ring
from survey.errors import InputRefused
from survey.tables import decode_text

if TYPE_CHECKING:
    from pyproj import CRS

_NAMES = ("name", "Name", "NAME", "title", "id", "label", "pillar", "Pillar", "pillar_no")


def read_geojson(data: bytes, file: str) -> Drawing:
    """Features of a FeatureCollection, a Feature, or a bare geometry.

    Raises
    ------
    InputRefused
        Not JSON, not GeoJSON, a linked ``crs``, or coordinates that are not numbers.
    """
    # Each bracket becomes a list of a hundred bytes; a file of nothing else would fill the memory.
    if data.count(b"[") + data.count(b"{") > MAX_VERTICES + MAX_FEATURES:
        raise InputRefused(f"holds more than {MAX_VERTICES:,} vertices", file=file)
    text, _, _ = decode_text(data, file)
    try:
        raw = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        raise InputRefused("is nested too deep", file=file) from None
    except ValueError as error:
        raise InputRefused(f"is not JSON ({error})", file=file) from None
    if not isinstance(raw, dict):
        raise InputRefused("is JSON, but not GeoJSON", file=file)
    kind = raw.get("type")
    if kind == "Topology" or "arcs" in raw:
        raise InputRefused("is TopoJSON", expected="GeoJSON", file=file)
    if "geometryType" in raw or "spatialReference" in raw:
        raise InputRefused("is Esri JSON", expected="GeoJSON", file=file)
    crs, said_by = _crs(raw.get("crs"), file)
    reader = _Reader(file)
    if kind == "FeatureCollection":
        listed = raw.get("features")
        if not isinstance(listed, list):
            raise InputRefused("is a FeatureCollection without features", file=file)
        for item in listed:
            reader.feature(item, layer=str(raw.get("name") or "")[:200])
    elif kind == "Feature":
        reader.feature(raw, layer="")
    else:
        reader.feature({"type": "Feature", "geometry": raw}, layer="")
    return Drawing(file, "GeoJSON", tuple(reader.features), crs, said_by)


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _crs(member: Any, file: str) -> tuple[CRS | None, str]:
    from survey.boundary.crs import crs_from

    if member is None:
        return None, ""
    kind = member.get("type") if isinstance(member, dict) else None
    properties = member.get("properties") if isinstance(member, dict) else None
    if kind == "link":
        raise InputRefused(
            "keeps its reference system behind a link, which is not followed",
            file=file,
            mend='Write it by name: "crs": {"type": "name", "properties": {"name": "EPSG:32643"}}.',
        )
    name = properties.get("name") if isinstance(properties, dict) else None
    if kind == "EPSG" and isinstance(properties, dict) and "code" in properties:
        name = f"EPSG:{properties['code']}"
    if not isinstance(name, str) or (kind not in ("name", "EPSG")):
        raise InputRefused("has a 'crs' that names no reference system", file=file)
    urn = re.fullmatch(r"(?i)urn:(?:x-)?ogc:def:crs:(\w+):[\w.]*:(\w+)", name.strip())
    url = re.fullmatch(r"(?i)https?://www\.opengis\.net/def/crs/(\w+)/[\w.]+/(\w+)", name.strip())
    match = urn or url
    code = f"{match[1].upper()}:{match[2]}" if match else name.strip()
    return crs_from(code, file=file), f"its 'crs' member ({name[:80]})"


class _Reader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.budget = Budget(file)
        self.features: list[Feature] = []

    def feature(self, item: Any, layer: str) -> None:
        self.budget.feature()
        if not isinstance(item, dict) or item.get("type") != "Feature":
            raise InputRefused("holds something that is not a Feature", file=self.file)
        geometry = item.get("geometry")
        if geometry is None:
            return
        properties = item.get("properties")
        properties = dict(properties) if isinstance(properties, dict) else {}
        if isinstance(item.get("id"), (str, int)):
            properties.setdefault("id", item["id"])
        name = next((str(properties[key]) for key in _NAMES if properties.get(key) not in (None, "")), "")
        polygons: list[tuple[Ring, ...]] = []
        lines: list[Ring] = []
        points: list[Ring] = []
        self._heights = False
        self._geometry(geometry, polygons, lines, points, 0)
        self.features.append(
            Feature(
                name[:200], layer, tuple(polygons), tuple(lines), tuple(points), properties, self._heights
            )
        )

    def _geometry(
        self,
        geometry: Any,
        polygons: list[tuple[Ring, ...]],
        lines: list[Ring],
        points: list[Ring],
        depth: int,
    ) -> None:
        if not isinstance(geometry, dict) or depth > MAX_DEPTH:
            raise InputRefused("holds a geometry that is not GeoJSON", file=self.file)
        kind, content = geometry.get("type"), geometry.get("coordinates")
        if kind == "GeometryCollection":
            for part in _list(geometry.get("geometries"), self.file):
                self._geometry(part, polygons, lines, points, depth + 1)
        elif kind == "Polygon":
            self._polygon(content, polygons)
        elif kind == "MultiPolygon":
            for part in _list(content, self.file):
                self._polygon(part, polygons)
        elif kind == "LineString":
            lines.append(self._coordinates(content))
        elif kind == "MultiLineString":
            lines.extend(self._coordinates(part) for part in _list(content, self.file))
        elif kind == "Point":
            points.append(self._coordinates([content]))
        elif kind == "MultiPoint":
            points.append(self._coordinates(content))
        else:
            raise InputRefused(f"holds a geometry of type {str(kind)[:40]!r}", file=self.file)

    def _polygon(self, content: Any, polygons: list[tuple[Ring, ...]]) -> None:
        rings = tuple(self._coordinates(ring) for ring in _list(content, self.file))
        if rings:
            polygons.append(rings)

    def _coordinates(self, content: Any) -> Ring:
        content = _list(content, self.file)
        self.budget.vertices(len(content))
        with contextlib.suppress(ValueError, OverflowError):
            # The quick way for lists of equal length that hold nothing but numbers.
            array = np.array(content)
            if array.ndim == 2 and array.shape[1] in (2, 3) and array.dtype.kind in "fi":
                self._heights |= bool(array.shape[1] == 3 and array[:, 2].any())
                return array[:, :2].astype(np.float64)
        values = np.empty((len(content), 2))
        for i, position in enumerate(content):
            ok = (
                isinstance(position, list)
                and len(position) >= 2
                and all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in position[:3])
            )
            if not ok:
                raise InputRefused(f"{str(position)[:60]} is not a position", file=self.file)
            try:
                values[i] = position[0], position[1]
            except OverflowError:
                raise InputRefused("holds a coordinate beyond all bounds", file=self.file) from None
            if len(position) > 2 and position[2]:
                self._heights = True
        return values


def _list(content: Any, file: str) -> list[Any]:
    if not isinstance(content, list):
        raise InputRefused("holds coordinates that are not lists", file=file)
    return content
