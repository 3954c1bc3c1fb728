"""A lease as KML and KMZ: pillars, heights, lines, and what is never followed."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import shapely
from lease_writers import (
    CORNERS,
    LEASE,
    codes,
    corners_lon_lat,
    kml,
    kml_lease,
    kml_polygon,
    kml_ring,
    lon_lat,
    placemark,
)
from pyproj import CRS
from shapely.geometry import Polygon, box

from survey.boundary.lease import read_lease
from survey.errors import InputRefused


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
