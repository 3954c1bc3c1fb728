"""One lease in every format gives one and the same ground; everything else is refused or said."""

from __future__ import annotations

import json
import sqlite3
import struct
import warnings
import zipfile
from pathlib import Path

import ezdxf
import numpy as np
import pyogrio.raw
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely.geometry import MultiPolygon, Polygon, box, mapping

from survey.boundary.crs import LON_LAT, move
from survey.boundary.lease import Lease, read_lease
from survey.boundary.polygons import read_polygons
from survey.errors import InputRefused

UTM43 = CRS.from_epsg(32643).to_wkt()
CORNERS = [(459_000.0, 2_799_000.0), (459_700.0, 2_799_050.0), (459_800.0, 2_799_600.0),
           (459_300.0, 2_799_900.0), (458_950.0, 2_799_500.0)]  # fmt: skip
LEASE = Polygon(CORNERS)
HOLED = LEASE - box(459_300, 2_799_300, 459_400, 2_799_400)
BLOCKS = MultiPolygon([LEASE, box(460_000, 2_799_000, 460_300, 2_799_200)])


def lon_lat(shape):
    return move(shape, UTM43, LON_LAT)


def codes(lease: Lease) -> set[str]:
    return {note.code for note in lease.notes}


# -- writers --------------------------------------------------------------------------------------


def kml_ring(ring, heights: bool = False) -> str:
    tail = ",350" if heights else ""
    return (
        "<LinearRing><coordinates>"
        + " ".join(f"{float(x)!r},{float(y)!r}{tail}" for x, y in ring)
        + "</coordinates></LinearRing>"
    )


def kml_polygon(shape, heights: bool = False) -> str:
    parts = []
    for part in shapely.get_parts(shape):
        inner = "".join(f"<innerBoundaryIs>{kml_ring(r.coords)}</innerBoundaryIs>" for r in part.interiors)
        outer = f"<outerBoundaryIs>{kml_ring(part.exterior.coords, heights)}</outerBoundaryIs>"
        parts.append(f"<Polygon>{outer}{inner}</Polygon>")
    return parts[0] if len(parts) == 1 else f"<MultiGeometry>{''.join(parts)}</MultiGeometry>"


def placemark(name: str, geometry: str, extra: str = "") -> str:
    return f"<Placemark><name>{name}</name>{extra}{geometry}</Placemark>"


def kml(*placemarks: str, namespace: str = 'xmlns="http://www.opengis.net/kml/2.2"', head: str = "") -> str:
    body = f"<kml {namespace}><Document>{''.join(placemarks)}</Document></kml>"
    return f'<?xml version="1.0" encoding="UTF-8"?>{head}{body}'


def feature(shape, **properties):
    return {"type": "Feature", "properties": properties, "geometry": mapping(shape)}


def collection(*features, **more):
    return json.dumps({"type": "FeatureCollection", "features": list(features), **more})


def write_vector(
    path: Path, shapes, driver: str, crs: str | None, *, layer=None, append=False, kind=None, **columns
):
    fields = list(columns)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that no crs was given is what some tests want
        pyogrio.raw.write(
            path,
            geometry=np.array(shapely.to_wkb(shapes), object),
            field_data=[np.array(columns[f], object) for f in fields],
            fields=fields,
            crs=crs,
            driver=driver,
            layer=layer,
            append=append,
            geometry_type=kind or shapes[0].geom_type,
        )
    return path


def write_dxf(path: Path, *rings, layers=("LEASE",), close=True, version="R2010"):
    drawing = ezdxf.new(version)
    for ring, layer in zip(rings, layers, strict=False):
        space = drawing.modelspace()
        add = space.add_polyline2d if version == "R12" else space.add_lwpolyline
        add(ring, close=close, dxfattribs={"layer": layer})
    drawing.saveas(path)
    return path


def write_any(folder: Path, kind: str, shape) -> tuple[Path, str | None]:
    """The shape in one format; and the crs that a job must state for it."""
    if kind == "kml":
        path = folder / "a.kml"
        path.write_text(kml(placemark("Lease", kml_polygon(lon_lat(shape)))), encoding="utf-8")
    elif kind == "kmz":
        path = folder / "a.kmz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("doc.kml", kml(placemark("Lease", kml_polygon(lon_lat(shape)))))
            archive.writestr("files/icon.png", b"\x89PNG")
    elif kind == "geojson":
        path = folder / "a.geojson"
        path.write_text(collection(feature(lon_lat(shape), name="Lease")))
    elif kind == "geojson utm":
        path = folder / "a.json"
        named = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}}
        path.write_text(collection(feature(shape), crs=named))
    elif kind == "gpkg":
        path = write_vector(folder / "a.gpkg", [shape], "GPKG", "EPSG:32643", layer="lease", name=["L"])
    elif kind == "shp":
        path = write_vector(
            folder / "a.shp", [shape], "ESRI Shapefile", "EPSG:32643", name=["L"], kind="Polygon"
        )
    elif kind == "dxf":
        return write_dxf(folder / "a.dxf", shape.exterior.coords[:-1]), "EPSG:32643"
    return path, None


KINDS = ["kml", "kmz", "geojson", "geojson utm", "gpkg", "shp", "dxf"]


# -- one ground -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_gives_the_same_ground(tmp_path, kind):
    path, crs = write_any(tmp_path, kind, LEASE)
    lease = read_lease(path, crs=crs)
    assert CRS.from_wkt(lease.crs_wkt) == CRS.from_epsg(32643)
    assert lease.polygon.symmetric_difference(LEASE).area < 1e-3 * LEASE.length
    assert lease.grid_area_ha == pytest.approx(LEASE.area / 1e4, rel=1e-7)
    # On the ground a UTM square is larger by the square of the scale, 0.9996 in the middle of the zone.
    assert lease.area_ha / lease.grid_area_ha == pytest.approx(1 / 0.99962**2, rel=1e-4)
    assert not {"axes-exchanged", "outside-india", "datum-accuracy"} & codes(lease)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "dxf"])
@pytest.mark.parametrize("shape", [HOLED, BLOCKS], ids=["hole", "blocks"])
def test_holes_and_blocks(tmp_path, kind, shape):
    path, crs = write_any(tmp_path, kind, shape)
    lease = read_lease(path, crs=crs)
    assert lease.polygon.symmetric_difference(shape).area < 1e-3 * shape.length
    assert lease.grid_area_ha == pytest.approx(shape.area / 1e4, rel=1e-7)


def test_wanted_crs(tmp_path):
    path, _ = write_any(tmp_path, "kml", LEASE)
    there = CRS.from_epsg(32644).to_wkt()
    lease = read_lease(path, wanted_crs=there)
    assert lease.crs_wkt == there
    # Each side may lie a millimetre off, all to the same side.
    assert abs(lease.area_ha - read_lease(path).area_ha) * 1e4 < 0.001 * LEASE.length
    back = lease.to_crs(UTM43)
    assert shapely.hausdorff_distance(back.polygon, LEASE) < 2e-3
    assert back.to_crs(UTM43) is back


def test_web_mercator_is_not_measured_in(tmp_path):
    mercator = move(LEASE, UTM43, CRS.from_epsg(3857).to_wkt())
    path = write_vector(tmp_path / "a.gpkg", [mercator], "GPKG", "EPSG:3857")
    lease = read_lease(path)
    assert CRS.from_wkt(lease.crs_wkt).to_epsg() == 32643
    assert lease.grid_area_ha == pytest.approx(LEASE.area / 1e4, rel=1e-6)


def test_names_tell_nothing_about_the_format(tmp_path):
    for kind, wrong in (("kml", "b.geojson"), ("kmz", "b.kml"), ("geojson", "b.kmz"), ("gpkg", "b.shp")):
        path, _ = write_any(tmp_path, kind, LEASE)
        other = tmp_path / wrong
        other.write_bytes(path.read_bytes())
        lease = read_lease(other)
        assert "format-differs" in codes(lease)
        assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-7)
        other.unlink()


# -- KML ------------------------------------------------------------------------------------------


def kml_lease(tmp_path, text: str, name="lease.kml", **options) -> Lease:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_lease(path, **options)


def test_kml_pillars_heights_and_old_namespaces(tmp_path):
    corners = lon_lat(LEASE).exterior.coords[:-1]
    points = [
        placemark(f"P{i + 1}", f"<Point><coordinates>{x},{y},0</coordinates></Point>")
        for i, (x, y) in enumerate(move_back(corners))
    ]
    office = placemark("Office", "<Point><coordinates>74.6,25.31</coordinates></Point>")
    for namespace in ('xmlns="http://earth.google.com/kml/2.1"', ""):
        lease = kml_lease(
            tmp_path,
            kml(
                placemark("L", kml_polygon(lon_lat(LEASE), heights=True)),
                *points,
                office,
                namespace=namespace,
            ),
        )
        assert [p.name for p in lease.pillars] == ["P1", "P2", "P3", "P4", "P5"]
        np.testing.assert_allclose([(p.east, p.north) for p in lease.pillars], CORNERS, atol=1e-3)
        np.testing.assert_allclose([(p.lon, p.lat) for p in lease.pillars], move_back(corners), atol=1e-8)
        assert {"heights-dropped", "points-off-boundary"} <= codes(lease)


def move_back(densified):
    """Only the corners: moving to degrees may have added vertices between."""
    return [c for c in densified if min(np.hypot(*(np.array(c) - d)) for d in corners_lon_lat()) < 1e-9]


def corners_lon_lat():
    from survey.boundary.crs import move_points

    return move_points(np.array(CORNERS), UTM43, LON_LAT)


def test_kml_closed_line_and_prefixed_tags(tmp_path):
    ring = kml_ring(lon_lat(LEASE).exterior.coords).replace("LinearRing", "LineString")
    lease = kml_lease(tmp_path, kml(placemark("Lease boundary", ring)))
    assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-7)
    assert "lease-from-line" in codes(lease)
    body = kml_polygon(lon_lat(LEASE))
    for tag in ("Polygon", "outerBoundaryIs", "LinearRing", "coordinates"):
        body = body.replace(f"<{tag}>", f"<k:{tag}>").replace(f"</{tag}>", f"</k:{tag}>")
    text = f'<k:kml xmlns:k="http://www.opengis.net/kml/2.2"><k:Placemark>{body}</k:Placemark></k:kml>'
    assert kml_lease(tmp_path, text).polygon.area == pytest.approx(LEASE.area, rel=1e-7)


def test_kml_open_line_is_refused(tmp_path):
    ring = kml_ring(corners_lon_lat()).replace("LinearRing", "LineString")
    with pytest.raises(InputRefused, match=r"open: 50\d\.\d m lie between its ends"):
        kml_lease(tmp_path, kml(placemark("Lease", ring)))


def test_kml_unclosed_ring_is_closed_and_said(tmp_path):
    text = kml(
        placemark("L", f"<Polygon><outerBoundaryIs>{kml_ring(corners_lon_lat())}</outerBoundaryIs></Polygon>")
    )
    lease = kml_lease(tmp_path, text)
    assert "ring-unclosed" in codes(lease)
    assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-6)


def test_kml_blanks_after_commas(tmp_path):
    text = kml(placemark("L", kml_polygon(lon_lat(LEASE)))).replace(",", " , ")
    assert kml_lease(tmp_path, text).polygon.area == pytest.approx(LEASE.area, rel=1e-7)


def test_kml_swapped_axes_are_put_right_loudly(tmp_path):
    swapped = shapely.transform(lon_lat(LEASE), lambda xy: xy[:, ::-1])
    lease = kml_lease(tmp_path, kml(placemark("L", kml_polygon(swapped))))
    assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-7)
    assert {n.code: n.severity for n in lease.notes}["axes-exchanged"] == "serious"


def test_kml_of_another_country_is_said(tmp_path):
    australia = shapely.transform(lon_lat(LEASE), lambda xy: xy + np.array([70.0, -50.0]))
    lease = kml_lease(tmp_path, kml(placemark("L", kml_polygon(australia))))
    assert {n.code: n.severity for n in lease.notes}["outside-india"] == "serious"
    assert CRS.from_wkt(lease.crs_wkt).to_epsg() == 32755


def test_kml_network_link_is_never_followed(tmp_path):
    link = "<NetworkLink><Link><href>http://198.51.100.1/evil.kml</href></Link></NetworkLink>"
    with pytest.raises(InputRefused, match="link to another file"):
        kml_lease(tmp_path, kml(link))
    lease = kml_lease(tmp_path, kml(link, placemark("L", kml_polygon(lon_lat(LEASE)))))
    assert "kml-network-link" in codes(lease)


@pytest.mark.parametrize(
    "head",
    [
        '<!DOCTYPE kml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE kml SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE kml [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_kml_with_entities_is_refused(tmp_path, head):
    with pytest.raises(InputRefused, match="document type or entities"):
        kml_lease(tmp_path, kml(placemark("L", kml_polygon(lon_lat(LEASE))), head=head))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<kml><Document><Placemark>", "not well-formed"),
        ("<kml>" + "<Folder>" * 100_000, "nested|well-formed"),
        ("<kml></kml>", "no outline"),
        ("<html><body/></html>", "XML of kind <html>"),
        ("<OGRVRTDataSource><OGRVRTLayer/></OGRVRTDataSource>", "XML of kind <OGRVRTDataSource>"),
        (kml(placemark("L", "<LineString><coordinates>a,b</coordinates></LineString>")), "not a coordinate"),
        (kml(placemark("L", "<Polygon/>")), "0 outer boundaries"),
        (kml(placemark("L", kml_polygon(Polygon([(75, 25), (75.01, 25), (75, 25)])))), "no area|vertices"),
        (kml(placemark("L", kml_polygon(LEASE).replace("459000.0", "nan"))), "not finite"),
        (kml(placemark("L", kml_polygon(Polygon([(0, 0), (75.01, 25), (75, 25.01)])))), r"\(0, 0\)"),
        (kml(placemark("L", kml_polygon(box(70, 20, 75, 25)))), "ha"),
        (kml(placemark("L", kml_polygon(LEASE))), "not degrees"),
    ],
)  # fmt: skip
def test_kml_refused(tmp_path, text, what):
    with pytest.raises(InputRefused, match=what):
        kml_lease(tmp_path, text)


def test_kmz_refused(tmp_path):
    def kmz(**files):
        path = tmp_path / "a.kmz"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name.replace("_", "."), content)
        return path

    good = kml(placemark("L", kml_polygon(lon_lat(LEASE))))
    with pytest.raises(InputRefused, match="several KML"):
        read_lease(kmz(a_kml=good, b_kml=good))
    with pytest.raises(InputRefused, match="no KML"):
        read_lease(kmz(a_txt="x"))
    with pytest.raises(InputRefused, match="unpacks to"):
        read_lease(kmz(doc_kml=good + " " * 80 * 2**20))
    assert "kmz-other-files" in codes(read_lease(kmz(doc_kml=good, b_kml=good)))
    path = tmp_path / "mac.kmz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("lease.kml", good)
    with pytest.raises(InputRefused, match="packed in a way"):
        read_lease(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("lease.kml", good)
        archive.writestr("__MACOSX/._lease.kml", b"\0\5\x16\7")
    assert read_lease(path).polygon.area == pytest.approx(LEASE.area, rel=1e-7)
    whole = kmz(doc_kml=good).read_bytes()
    for cut in (3, 10, len(whole) // 2, len(whole) - 10):
        (tmp_path / "cut.kmz").write_bytes(whole[:cut])
        with pytest.raises(InputRefused):
            read_lease(tmp_path / "cut.kmz")
    path = kmz(doc_kml=good)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1  # the directory now says that the file is encrypted
    path.write_bytes(data)
    with pytest.raises(InputRefused, match="encrypted"):
        read_lease(path)


# -- GeoJSON --------------------------------------------------------------------------------------


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


# -- GeoPackage -----------------------------------------------------------------------------------


def test_gpkg_layer_named_lease_is_chosen(tmp_path):
    path = tmp_path / "mine.gpkg"
    write_vector(path, [LEASE.buffer(500)], "GPKG", "EPSG:32643", layer="buffer 500 m")
    write_vector(path, [LEASE], "GPKG", "EPSG:32643", layer="Lease_Boundary", append=False)
    write_vector(path, [LEASE.buffer(-100)], "GPKG", "EPSG:32643", layer="pit")
    corners = [shapely.Point(c) for c in CORNERS]
    write_vector(path, corners, "GPKG", "EPSG:32643", layer="pillars", pillar_no=[f"{i}" for i in range(5)])
    lease = read_lease(path)
    assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-12)
    assert "lease-chosen" in codes(lease)
    assert [p.name for p in lease.pillars] == list("01234")


def test_gpkg_with_two_leases_lists_them(tmp_path):
    far = shapely.transform(LEASE, lambda xy: xy + 2000)
    path = write_vector(tmp_path / "a.gpkg", [LEASE, far], "GPKG", "EPSG:32643", lease_no=["ML-1", "ML-2"])
    with pytest.raises(InputRefused, match=r"2 outlines.*ML-1.*ML-2"):
        read_lease(path)
    assert read_lease(path, lease_id="ml 2").polygon.centroid.x == pytest.approx(far.centroid.x)
    same = write_vector(tmp_path / "b.gpkg", [LEASE, far], "GPKG", "EPSG:32643", lease_no=["ML-1", "ML-1"])
    both = read_lease(same)
    assert both.polygon.area == pytest.approx(2 * LEASE.area)
    assert "lease-parts" in codes(both)


def test_a_pit_with_the_number_of_its_lease_is_no_part_of_it(tmp_path):
    dump = shapely.transform(LEASE.buffer(-200), lambda xy: xy + 2000)
    path = write_vector(
        tmp_path / "a.gpkg", [LEASE, dump], "GPKG", "EPSG:32643", name=["A", "Dump 1"], lease_no=["7", "7"]
    )
    with pytest.raises(InputRefused, match=r"2 outlines.*Dump 1"):
        read_lease(path)


def test_an_open_lease_line_beside_a_closed_pit_is_refused(tmp_path):
    line = kml_ring(corners_lon_lat()).replace("LinearRing", "LineString")
    pit = kml_polygon(lon_lat(LEASE.buffer(-100)))
    with pytest.raises(InputRefused, match=r"'Lease' is open .*'Pit'"):
        kml_lease(tmp_path, kml(placemark("Pit", pit), placemark("Lease", line)))
    road = kml_ring(corners_lon_lat()).replace("LinearRing", "LineString")
    lease = kml_lease(tmp_path, kml(placemark("Lease", kml_polygon(lon_lat(LEASE))), placemark("Road", road)))
    assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-7)


def test_gpkg_without_crs(tmp_path):
    path = write_vector(tmp_path / "a.gpkg", [LEASE], "GPKG", None)
    with pytest.raises(InputRefused, match="does not say in which reference system"):
        read_lease(path)
    assert read_lease(path, crs="EPSG:32643").polygon.area == pytest.approx(LEASE.area)
    path = write_vector(tmp_path / "b.gpkg", [lon_lat(LEASE)], "GPKG", None)
    lease = read_lease(path)
    assert {n.code: n.severity for n in lease.notes}["crs-assumed"] == "serious"
    with pytest.raises(InputRefused, match="are degrees, not"):
        read_lease(path, crs="EPSG:32643")


def test_gpkg_hostile(tmp_path):
    path = write_vector(tmp_path / "a.gpkg", [LEASE], "GPKG", "EPSG:32643", layer="lease")
    good = path.read_bytes()
    for cut in (50, 99, 4096, len(good) // 2):
        (tmp_path / "cut.gpkg").write_bytes(good[:cut])
        with pytest.raises(InputRefused):
            read_lease(tmp_path / "cut.gpkg")
    plain = tmp_path / "plain.gpkg"
    with sqlite3.connect(plain) as connection:
        connection.execute("CREATE TABLE a (b)")
    connection.close()
    with pytest.raises(InputRefused, match="not a GeoPackage"):
        read_lease(plain)
    (tmp_path / "a.gpkg-wal").write_bytes(b"x")
    with pytest.raises(InputRefused, match="while a program wrote"):
        read_lease(path)


def test_gpkg_view_over_a_loop_is_not_run(tmp_path):
    path = write_vector(tmp_path / "a.gpkg", [LEASE], "GPKG", "EPSG:32643", layer="lease")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_master SET type = 'view', sql = 'CREATE VIEW lease AS WITH RECURSIVE t(a) AS "
        "(SELECT 1 UNION ALL SELECT a FROM t) SELECT a AS geom FROM t', rootpage = 0 WHERE name = 'lease'"
    )
    connection.commit()
    connection.close()
    with pytest.raises(InputRefused):
        read_lease(path)


def test_gpkg_curve_is_refused(tmp_path):
    path = write_vector(tmp_path / "a.gpkg", [LEASE], "GPKG", "EPSG:32643", layer="lease")
    circle = struct.pack("<BIBII", 1, 10, 1, 8, 0)
    connection = sqlite3.connect(path)
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f'DROP TRIGGER "{name}"')
    connection.execute("UPDATE lease SET geom = ?", (b"GP\0\1" + struct.pack("<i", 32643) + circle,))
    connection.commit()
    connection.close()
    with pytest.raises(InputRefused, match="curve"):
        read_lease(path)


# -- Shapefile ------------------------------------------------------------------------------------


def test_shapefile_with_parts_missing(tmp_path):
    path = write_vector(tmp_path / "L.shp", [LEASE], "ESRI Shapefile", "EPSG:32643", name=["L"])
    (tmp_path / "L.shx").unlink()
    (tmp_path / "L.dbf").unlink()
    lease = read_lease(path)
    assert lease.polygon.area == pytest.approx(LEASE.area)
    assert "shp-without-dbf" in codes(lease)
    (tmp_path / "L.prj").unlink()
    with pytest.raises(InputRefused, match=r"does not say.*\.prj"):
        read_lease(path)
    assert read_lease(path, crs="UTM 43N").polygon.area == pytest.approx(LEASE.area)


def test_shapefile_cut_anywhere(tmp_path):
    path = write_vector(tmp_path / "L.shp", [LEASE], "ESRI Shapefile", "EPSG:32643", name=["L"])
    good = path.read_bytes()
    for cut in (4, 30, 99, 100, 120, len(good) - 1):
        path.write_bytes(good[:cut])
        with pytest.raises(InputRefused):
            read_lease(path)
    for part in (".dbf", ".shx", ".prj"):
        with pytest.raises(InputRefused):
            read_lease(path.with_suffix(part))


def test_shapefile_with_hostile_prj(tmp_path):
    path = write_vector(tmp_path / "L.shp", [LEASE], "ESRI Shapefile", "EPSG:32643", name=["L"])
    path.with_suffix(".prj").write_text("+init=/etc/passwd")
    with pytest.raises(InputRefused, match="reference system"):
        read_lease(path)


# -- DXF ------------------------------------------------------------------------------------------


def test_dxf_arcs_keep_their_area(tmp_path):
    drawing = ezdxf.new("R2010")
    # Two half circles of radius 50 m: bulge 1.
    drawing.modelspace().add_lwpolyline(
        [(459_000, 2_799_000, 1), (459_100, 2_799_000, 1)],
        format="xyb",
        close=True,
        dxfattribs={"layer": "LEASE"},
    )
    drawing.saveas(tmp_path / "a.dxf")
    lease = read_lease(tmp_path / "a.dxf", crs="EPSG:32643")
    # A chord's sagitta of 0.5 mm takes at most that much off the perimeter.
    assert lease.polygon.area == pytest.approx(np.pi * 2500, abs=0.0005 * np.pi * 100)


def test_dxf_loose_lines_make_a_ring(tmp_path):
    drawing = ezdxf.new("R2010")
    for i in (2, 0, 3, 1, 4):
        drawing.modelspace().add_line(CORNERS[i], CORNERS[(i + 1) % 5], dxfattribs={"layer": "ML"})
    drawing.saveas(tmp_path / "a.dxf")
    assert read_lease(tmp_path / "a.dxf", crs="EPSG:32643").polygon.area == pytest.approx(LEASE.area)
    drawing.modelspace().add_line(CORNERS[0], (458_000, 2_799_000), dxfattribs={"layer": "ML"})
    drawing.saveas(tmp_path / "b.dxf")
    with pytest.raises(InputRefused, match="open"):
        read_lease(tmp_path / "b.dxf", crs="EPSG:32643")


def test_dxf_layers(tmp_path):
    pit = LEASE.buffer(-50).exterior.coords[:-1]
    path = write_dxf(tmp_path / "a.dxf", CORNERS, pit, layers=("LEASE-BOUNDARY", "PIT"), version="R12")
    lease = read_lease(path, crs="EPSG:32643")
    assert lease.polygon.area == pytest.approx(LEASE.area)
    path = write_dxf(tmp_path / "b.dxf", CORNERS, pit, layers=("A", "B"))
    with pytest.raises(InputRefused, match=r"2 outlines.*'A'.*'B'"):
        read_lease(path, crs="EPSG:32643")


def test_dxf_needs_a_system(tmp_path):
    path = write_dxf(tmp_path / "a.dxf", CORNERS)
    with pytest.raises(InputRefused, match="does not say in which reference system"):
        read_lease(path)
    millimetres = write_dxf(tmp_path / "mm.dxf", [(x * 1000, y * 1000) for x, y in CORNERS])
    with pytest.raises(InputRefused):
        read_lease(millimetres, crs="EPSG:32643")


def test_dxf_refused(tmp_path):
    path = write_dxf(tmp_path / "a.dxf", CORNERS)
    text = path.read_bytes()
    at = text.index(b"LWPOLYLINE")
    (tmp_path / "cut.dxf").write_bytes(text[: at + 60])
    with pytest.raises(InputRefused):
        read_lease(tmp_path / "cut.dxf", crs="EPSG:32643")
    (tmp_path / "bin.dxf").write_bytes(b"AutoCAD Binary DXF\r\n\x1a\0")
    with pytest.raises(InputRefused, match="binary"):
        read_lease(tmp_path / "bin.dxf", crs="EPSG:32643")
    (tmp_path / "dwg.dxf").write_bytes(b"AC1027" + bytes(100))
    with pytest.raises(InputRefused, match="DWG"):
        read_lease(tmp_path / "dwg.dxf", crs="EPSG:32643")


# -- other files ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.kml", b"", "empty"),
        ("a.xyz", b"hello there", "no format"),
        ("a.gpkg", b"hello there", "though its name ends in .gpkg"),
        ("a.xlsx", b"PK\x03\x04" + bytes(30) + b"xl/workbook.xml", "Excel"),
        ("a.xls", b"\xd0\xcf\x11\xe0" + bytes(600), "Excel"),
        ("a.tif", b"II*\0" + bytes(100), "no format"),
    ],
)
def test_strangers(tmp_path, name, data, what):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputRefused, match=what):
        read_lease(tmp_path / name)


def test_not_a_file(tmp_path):
    for path in (
        tmp_path,
        tmp_path / "none.kml",
        "/vsicurl/http://198.51.100.1/a.kml",
        "http://198.51.100.1/a.kml",
    ):
        with pytest.raises(InputRefused, match=r"cannot be read|not a file"):
            read_lease(path)


def test_points_alone_are_joined(tmp_path):
    points = [placemark(f"BP{i + 1}", f"<Point><coordinates>{x},{y}</coordinates></Point>")
              for i, (x, y) in enumerate(corners_lon_lat())]  # fmt: skip
    lease = kml_lease(tmp_path, kml(*points))
    assert lease.polygon.area == pytest.approx(LEASE.area, rel=1e-5)
    assert "lease-from-points" in codes(lease)
    assert len(lease.pillars) == 5


# -- polygons besides the lease ---------------------------------------------------------------------


def test_named_polygons(tmp_path):
    path = tmp_path / "pits.geojson"
    first, second = box(459_100, 2_799_100, 459_150, 2_799_150), box(459_200, 2_799_100, 459_260, 2_799_150)
    shapes = [
        feature(lon_lat(first), name="Pit A"),
        feature(lon_lat(second), name="Pit A"),
        feature(lon_lat(LEASE)),
    ]
    path.write_text(collection(*shapes))
    notes: list = []
    found = read_polygons(path, wanted_crs=UTM43, notes=notes)
    assert [name for name, _ in found] == ["Pit A", "Pit A (2)", "polygon 3"]
    for (_, got), want in zip(found, (first, second, LEASE), strict=True):
        assert got.area == pytest.approx(want.area, rel=1e-6)
    path.write_text(collection(feature(shapely.Point(75, 25))))
    with pytest.raises(InputRefused, match="no polygon"):
        read_polygons(path, wanted_crs=UTM43)


# -- the parts of shapefiles ------------------------------------------------------------------------


def shp_record(code: int, rings, extra: bytes = b"") -> bytes:
    points = np.concatenate([np.asarray(r, "<f8") for r in rings])
    starts = np.cumsum([0, *(len(r) for r in rings[:-1])]).astype("<i4")
    body = (
        struct.pack("<i4d2i", code, 0, 0, 0, 0, len(rings), len(points))
        + starts.tobytes()
        + points.tobytes()
        + extra
    )
    return struct.pack(">2i", 1, len(body) // 2) + body


def shp_file(path: Path, *records: bytes, code: int = 5) -> Path:
    body = b"".join(records)
    head = struct.pack(">7i", 9994, 0, 0, 0, 0, 0, (100 + len(body)) // 2) + struct.pack(
        "<2i8d", 1000, code, *[0] * 8
    )
    path.write_bytes(head + body)
    path.with_suffix(".prj").write_text(CRS.from_epsg(32643).to_wkt("WKT1_ESRI"))
    return path


def ring(shape) -> np.ndarray:
    return np.array(shape.exterior.coords)


RECORD = shp_record(5, [ring(LEASE)])


def test_holes_that_turn_the_wrong_way(tmp_path):
    hole, island = box(459_300, 2_799_300, 459_400, 2_799_400), box(459_330, 2_799_330, 459_350, 2_799_350)
    clockwise = [ring(LEASE)[::-1], ring(hole), ring(island)[::-1]]
    path = shp_file(tmp_path / "a.shp", shp_record(5, clockwise))
    lease = read_lease(path)
    assert lease.polygon.area == pytest.approx(LEASE.area - 10_000 + 400)
    assert "shp-holes-by-nesting" not in codes(lease)
    path = shp_file(
        tmp_path / "b.shp", shp_record(5, [island.exterior.coords, *(ring(s) for s in (LEASE, hole))])
    )
    lease = read_lease(path)
    assert lease.polygon.area == pytest.approx(LEASE.area - 10_000 + 400)
    assert "shp-holes-by-nesting" in codes(lease)


def test_shapefile_with_heights_and_measures(tmp_path):
    xy = ring(LEASE)
    z = struct.pack("<2d", 0, 9) + struct.pack(f"<{len(xy)}d", *[350.0] * len(xy))
    lease = read_lease(shp_file(tmp_path / "z.shp", shp_record(15, [xy], z), code=15))
    assert lease.polygon.area == pytest.approx(LEASE.area)
    assert "heights-dropped" in codes(lease)
    assert read_lease(
        shp_file(tmp_path / "m.shp", shp_record(25, [xy]), code=25)
    ).polygon.area == pytest.approx(LEASE.area)


@pytest.mark.parametrize(
    ("record", "what"),
    [
        (struct.pack(">2i", 1, 10**8) + b"\0" * 8, "longer than the file"),
        (struct.pack(">2i", 1, 1) + b"\0" * 8, "longer than the file|within a record"),
        (shp_record(31, [ring(LEASE)]), "type 31"),
        (RECORD[:48] + struct.pack("<i", 2**31 - 1) + RECORD[52:], "damaged"),
        (RECORD[:48] + struct.pack("<i", -1) + RECORD[52:], "damaged"),
        (RECORD[:44] + struct.pack("<i", -5) + RECORD[48:], "damaged"),
        (RECORD[:44] + struct.pack("<i", 2**31 - 1) + RECORD[48:], "vertices"),
        (RECORD[:52] + struct.pack("<i", 3) + RECORD[56:], "order"),
    ],
)  # fmt: skip
def test_hostile_records(tmp_path, record, what):
    with pytest.raises(InputRefused, match=what):
        read_lease(shp_file(tmp_path / "a.shp", record))


def test_dbf_encodings_and_damage(tmp_path):
    path = write_vector(
        tmp_path / "L.shp", [LEASE], "ESRI Shapefile", "EPSG:32643", name=["पट्टा"], lease_no=["ML/9"]
    )
    lease = read_lease(path)
    assert (lease.name, lease.lease_id) == ("पट्टा", "ML/9")
    path.with_suffix(".cpg").unlink()
    assert read_lease(path).name == "पट्टा"
    dbf = path.with_suffix(".dbf").read_bytes()
    path.with_suffix(".dbf").write_bytes(dbf[:70])
    lease = read_lease(path)
    assert "shp-dbf-not-used" in codes(lease)
    assert lease.polygon.area == pytest.approx(LEASE.area)
    at = struct.unpack_from("<H", dbf, 8)[0]
    path.with_suffix(".dbf").write_bytes(dbf[:at] + b"*" + dbf[at + 1 :])
    with pytest.raises(InputRefused, match="no outline"):
        read_lease(path)


def test_dbf_values():
    from survey.boundary.dbf import read_dbf

    fields = [("A", "C", 6), ("N", "N", 8), ("F", "F", 8), ("D", "D", 8), ("L", "L", 1)]
    head = b"".join(
        n.encode().ljust(11, b"\0") + k.encode() + bytes(4) + bytes([w]) + bytes(15) for n, k, w in fields
    )
    rows = [b"M\xfcller      12     3.520310331T", b"              *" + b"*" * 7 + b" " * 9, b" " * 31]
    size = 1 + sum(w for *_, w in fields)
    start = struct.pack("<B3BIHH", 3, 25, 1, 1, len(rows), 32 + len(head) + 1, size).ljust(32, b"\0")
    data = start + head + b"\r" + b"".join(b" " + row.ljust(size - 1)[: size - 1] for row in rows)
    found = read_dbf(data)
    assert found[0] == {"A": "Müller", "N": 12, "F": 3.5, "D": "2031-03-31", "L": True}
    assert found[2] == dict.fromkeys("ANFDL")


# -- damaged files of every kind --------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole_files(tmp_path_factory) -> dict[str, tuple[str, bytes, str | None, Path]]:
    """One sound file of each format: some writers put the time into theirs, so each is written once."""
    files = {}
    for kind in KINDS:
        path, crs = write_any(tmp_path_factory.mktemp("whole"), kind, LEASE)
        files[kind] = (path.name, path.read_bytes(), crs, path)
    return files


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    place=st.floats(0, 1, exclude_max=True),
    how=st.sampled_from(["cut", "write", "insert", "delete"]),
    junk=st.binary(min_size=1, max_size=8),
)
def test_no_damage_breaks_a_reader(whole_files, kind, place, how, junk):
    """Cut, overwrite, insert: a lease or a refusal, never another error."""
    _, raw, crs, path = whole_files[kind]
    at = int(place * len(raw))
    tail = {
        "cut": b"",
        "write": junk + raw[at + len(junk) :],
        "insert": junk + raw[at:],
        "delete": raw[at + len(junk) :],
    }[how]
    path.write_bytes(raw[:at] + tail)
    try:
        lease = read_lease(path, crs=crs)
    except InputRefused:
        return
    assert lease.polygon.is_valid
    assert 0 < lease.area_ha < 1e6


def test_numbers_beyond_all_bounds(tmp_path):
    wild = np.vstack([ring(LEASE)[:-1], [[1e300, -1e300]]])
    with pytest.raises(InputRefused, match="beyond all bounds"):
        read_lease(shp_file(tmp_path / "a.shp", shp_record(5, [wild])))
