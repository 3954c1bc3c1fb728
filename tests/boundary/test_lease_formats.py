"""One lease in every format gives one and the same ground; everything else is refused or said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from lease_writers import (
    BLOCKS,
    HOLED,
    KINDS,
    LEASE,
    UTM43,
    codes,
    collection,
    corners_lon_lat,
    feature,
    kml,
    kml_lease,
    lon_lat,
    placemark,
    ring,
    shp_file,
    shp_record,
    write_any,
    write_vector,
)
from pyproj import CRS
from shapely.geometry import box

from survey.boundary.crs import move
from survey.boundary.lease import read_lease
from survey.boundary.polygons import read_polygons
from survey.errors import InputRefused


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
