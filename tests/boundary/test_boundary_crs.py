"""Reference systems: what is understood, and that straight lines stay straight."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod, Transformer

from survey.boundary.crs import (
    LON_LAT,
    areal_scale,
    crs_from,
    datum_accuracy_m,
    home_crs,
    is_metric,
    move,
    move_points,
    transformer,
    utm_crs_for,
)
from survey.errors import InputRefused

UTM43 = CRS.from_epsg(32643).to_wkt()
UTM44 = CRS.from_epsg(32644).to_wkt()


@pytest.mark.parametrize(
    "text",
    ["EPSG:32643", "epsg: 32643", "32643", "UTM 43N", "WGS84 UTM zone 43N", "WGS 84 / UTM zone 43 N", UTM43,
     "+proj=utm +zone=43 +datum=WGS84"],
)  # fmt: skip
def test_understood(text):
    assert crs_from(text).to_epsg(min_confidence=20) == 32643


def test_heights_are_dropped():
    assert crs_from("EPSG:4979") == CRS.from_epsg(4326).to_2d()
    assert len(crs_from(CRS.from_user_input("EPSG:32643+5773").to_wkt()).axis_info) == 2


@pytest.mark.parametrize(
    "text",
    ["", "UTM", "EPSG:999999", "WGS84", "/etc/passwd", "https://example.org/crs", "+init=epsg:4326",
     "PROJCS[garbage", "+proj=longlat +nadgrids=/tmp/x.gsb", "{\"type\": \"GeographicCRS\"}", "x" * 100_000],
)  # fmt: skip
def test_not_understood(text):
    with pytest.raises(InputRefused, match="reference system"):
        crs_from(text)


@pytest.mark.parametrize(
    ("lon", "zone"), [(68.5, 42), (75.0, 43), (77.999, 43), (78.0, 44), (92.7, 46), (97.0, 47)]
)
def test_utm_zones(lon, zone):
    assert CRS.from_wkt(utm_crs_for(lon, 24.0)).to_epsg() == 32600 + zone


def test_where_areas_may_be_measured():
    rajasthan = (74.6, 25.3)
    assert is_metric(CRS.from_epsg(32643))
    assert not is_metric(CRS.from_epsg(2263))  # US feet
    assert not is_metric(CRS.from_epsg(4326))
    assert areal_scale(CRS.from_epsg(3857), *rajasthan) == pytest.approx(
        1 / np.cos(np.radians(25.3)) ** 2, rel=0.01
    )
    assert CRS.from_wkt(home_crs(CRS.from_epsg(3857), *rajasthan)).to_epsg() == 32643
    assert CRS.from_wkt(home_crs(CRS.from_epsg(7767), 75.0, 19.0)).to_epsg() == 7767
    assert CRS.from_wkt(home_crs(CRS.from_epsg(4326), *rajasthan)).to_epsg() == 32643


def test_old_datums_are_shifted_and_their_accuracy_known():
    kalianpur = CRS.from_epsg(24378).to_wkt()
    lon, lat = 74.6, 25.3
    there = Transformer.from_crs(4326, 24378, always_xy=True).transform(lon, lat)
    back = move_points(np.array([there]), kalianpur, LON_LAT)[0]
    np.testing.assert_allclose(back, (lon, lat), atol=1e-7)
    assert datum_accuracy_m(kalianpur, (lon, lat)) > 5
    assert datum_accuracy_m(UTM43, (lon, lat)) == 0


def test_a_system_with_no_way_to_wgs84_is_refused():
    local = CRS.from_wkt('LOCAL_CS["mine grid",UNIT["metre",1]]').to_wkt()
    with pytest.raises(InputRefused, match="no known way from mine grid"):
        transformer(local, LON_LAT)


def test_points_outside_a_system_are_refused():
    with pytest.raises(InputRefused, match="lie outside"):
        move_points(np.array([[1e30, 1e30]]), UTM43, LON_LAT)


def distance_to_true_line(a, b, source, target, moved) -> float:
    """The largest distance between a moved side and the true image of the straight line from a to b."""
    t = np.linspace(0, 1, 2001)[:, None]
    true = move_points(np.array(a) + (np.array(b) - np.array(a)) * t, source, target)
    return float(shapely.distance(shapely.points(true), moved).max())


@settings(max_examples=25, deadline=None)
@given(st.floats(70, 95), st.floats(8, 35), st.floats(-0.3, 0.3), st.floats(-0.3, 0.3))
def test_sides_stay_within_a_millimetre(lon, lat, dx, dy):
    a, b = (lon, lat), (lon + dx, lat + dy)
    target = utm_crs_for(lon, lat)
    moved = move(shapely.LineString([a, b]), LON_LAT, target)
    assert distance_to_true_line(a, b, LON_LAT, target, moved) <= 0.001 + 1e-6
    # And as many vertices as that takes, not many more: a third of the tolerance needs no finer cut.
    chord = shapely.LineString([moved.coords[0], moved.coords[-1]])
    sagitta = distance_to_true_line(a, b, LON_LAT, target, chord)
    assert len(moved.coords) <= 3 + 2 * np.sqrt(sagitta / 0.001)


def test_sides_from_zone_to_zone():
    a, b = (760_000.0, 2_700_000.0), (768_000.0, 2_709_000.0)
    moved = move(shapely.LineString([a, b]), UTM43, UTM44)
    assert distance_to_true_line(a, b, UTM43, UTM44, moved) <= 0.001 + 1e-6


def test_a_common_side_stays_common():
    a, b = (75.0123, 24.5678), (75.2345, 24.6789)
    west = shapely.Polygon([a, b, (75.0, 24.8)])
    east = shapely.Polygon([b, a, (75.3, 24.5)])
    moved = [move(p, LON_LAT, UTM43) for p in (west, east)]
    on_side = [set(map(tuple, shapely.get_coordinates(p))) for p in moved]
    shared = on_side[0] & on_side[1]
    assert len(shared) > 10
    assert moved[0].intersection(moved[1]).area == 0


def test_every_kind_of_geometry_moves():
    shape = shapely.from_wkt(
        "GEOMETRYCOLLECTION (POINT (75 24), MULTIPOLYGON (((75 24, 75.1 24, 75.1 24.1, 75 24), "
        "(75.05 24.01, 75.06 24.01, 75.06 24.02, 75.05 24.01))), LINESTRING (75 24, 75.2 24.2))"
    )
    back = move(move(shape, LON_LAT, UTM43), UTM43, LON_LAT)
    assert back.geom_type == "GeometryCollection"
    assert shapely.hausdorff_distance(shape, back) < 2e-8
    geod = Geod(ellps="WGS84")
    area = geod.geometry_area_perimeter(shapely.geometry.polygon.orient(back.geoms[1].geoms[0]))[0]
    assert area == pytest.approx(move(shape, LON_LAT, UTM43).geoms[1].area, rel=2e-3)
    assert move(shapely.Polygon(), LON_LAT, UTM43).is_empty
