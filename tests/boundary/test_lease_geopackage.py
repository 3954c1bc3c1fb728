"""A lease as GeoPackage: which layer is meant, and databases that do harm."""

from __future__ import annotations

import sqlite3
import struct

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
    write_vector,
)

from survey.boundary.lease import read_lease
from survey.errors import InputRefused


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
