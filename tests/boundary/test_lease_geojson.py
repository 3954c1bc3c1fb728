"""A lease as GeoJSON: systems named and linked, pillars, and what is refused."""

from __future__ import annotations

import json

import pytest
import shapely
from lease_writers import (
    LEASE,
    UTM43,
    codes,
    collection,
    corners_lon_lat,
    feature,
    lon_lat,
)
from shapely.geometry import mapping

from survey.boundary.lease import Lease, read_lease
from survey.errors import InputRefused


def geojson_lease(tmp_path, text: str, **options) -> Lease:
    path = tmp_path / "lease.geojson"
    path.write_text(text, encoding="utf-8")
    return read_lease(path, **options)


def test_geojson_bare_geometry_and_feature(tmp_path):
    for text in (json.dumps(mapping(lon_lat(LEASE))), json.dumps(feature(lon_lat(LEASE)))):
        assert geojson_lease(tmp_path, text).polygon.area == pytest.approx(LEASE.area, rel=1e-7)


def test_geojson_pillars_and_id(tmp_path):
    points = [feature(shapely.Point(xy), pillar=f"BP-{i}") for i, xy in enumerate(corners_lon_lat())]
    text = collection(feature(lon_lat(LEASE), lease_no="ML 12/1998", name="lease"), *points)
    lease = geojson_lease(tmp_path, text)
    assert lease.lease_id == "ML 12/1998"
    assert [p.name for p in lease.pillars] == [f"BP-{i}" for i in range(5)]


@pytest.mark.parametrize(
    "crs",
    [
        {"type": "name", "properties": {"name": "EPSG:32643"}},
        {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}},
        {"type": "name", "properties": {"name": "http://www.opengis.net/def/crs/EPSG/0/32643"}},
        {"type": "EPSG", "properties": {"code": 32643}},
    ],
)
def test_geojson_named_crs(tmp_path, crs):
    lease = geojson_lease(tmp_path, collection(feature(LEASE), crs=crs))
    assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-9)
    assert lease.source_crs == "EPSG:32643"


def test_geojson_linked_crs_is_never_fetched(tmp_path):
    link = {"type": "link", "properties": {"href": "http://198.51.100.1/crs", "type": "proj4"}}
    with pytest.raises(InputRefused, match="behind a link"):
        geojson_lease(tmp_path, collection(feature(LEASE), crs=link))


def test_geojson_metres_need_a_system(tmp_path):
    text = collection(feature(LEASE))
    with pytest.raises(InputRefused, match=r"not degrees, and no system is named.*crs"):
        geojson_lease(tmp_path, text)
    lease = geojson_lease(tmp_path, text, crs="EPSG:32643")
    assert lease.polygon.area == pytest.approx(LEASE.area)
    assert "crs-given" in codes(lease)


def test_geojson_degrees_need_none(tmp_path):
    lease = geojson_lease(tmp_path, collection(feature(lon_lat(LEASE))), crs="EPSG:32643")
    assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-7)
    assert "crs-not-used" in codes(lease)


def test_geojson_that_claims_degrees_but_holds_metres(tmp_path):
    claim = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    text = collection(feature(LEASE), crs=claim)
    with pytest.raises(InputRefused, match="not degrees"):
        geojson_lease(tmp_path, text)
    assert "crs-wrong-in-file" in codes(geojson_lease(tmp_path, text, crs="EPSG:32643"))


def test_contradicting_systems_are_refused(tmp_path):
    named = {"type": "name", "properties": {"name": "EPSG:32643"}}
    with pytest.raises(InputRefused, match="but the job says"):
        geojson_lease(tmp_path, collection(feature(LEASE), crs=named), crs="EPSG:32644")
    assert geojson_lease(tmp_path, collection(feature(LEASE), crs=named), crs=UTM43).polygon.is_valid


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "not JSON"),
        ('{"type": "FeatureCollection"}', "without features"),
        ('{"type": "Topology", "arcs": []}', "TopoJSON"),
        ('{"geometryType": "esriGeometryPolygon", "features": []}', "Esri"),
        ('{"type": "Polygon", "coordinates": [[[75, NaN], [75, 25], [76, 25]]]}', "NaN"),
        ('{"type": "Polygon", "coordinates": [[[75, 1e999], [75, 25], [76, 25]]]}', "not finite"),
        ('{"type": "Polygon", "coordinates": [[[75, "25"], [75, 25], [76, 25]]]}', "not a position"),
        ('{"type": "Polygon", "coordinates": [[[75, 25], [75], [76, 25]]]}', "not a position"),
        ('{"type": "Polygon", "coordinates": {}}', "not lists"),
        ('{"type": "Polygon", "coordinates": []}', "no outline"),
        ('{"type": "Circle", "coordinates": []}', "type 'Circle'"),
        ('{"a": ' * 100_000, "nested|not JSON"),
        ('{"type": "GeometryCollection", "geometries": [' * 500, "not JSON|nested"),
        ('{"type": "FeatureCollection", "features": [1]}', "not a Feature"),
        ('{"type": "Point", "coordinates": [76, ' + "9" * 400 + "]}", "bounds|finite"),
        ('{"type": "Point", "coordinates": [75, 25], "crs": 5}', "names no reference system"),
    ],
)  # fmt: skip
def test_geojson_refused(tmp_path, text, what):
    with pytest.raises(InputRefused, match=what):
        geojson_lease(tmp_path, text)
