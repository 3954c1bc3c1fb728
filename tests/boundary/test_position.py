"""Distance and bearing as a field party walks them; sides that leases share; what a survey leaves out."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS, Geod
from shapely.geometry import Point, Polygon, box, mapping

from survey.boundary.common_sides import read_common_sides
from survey.boundary.compliance import missing_area
from survey.boundary.crs import LON_LAT, move, move_points
from survey.boundary.lease import Lease, Pillar
from survey.boundary.position import ground_line, nearest_pillar, position_of, representative_point
from survey.boundary.zones import make_zones
from survey.errors import InputRefused
from survey.grid import Grid

UTM43 = CRS.from_epsg(32643).to_wkt()
WEST, SOUTH = 459_000.0, 2_799_000.0
SQUARE = box(WEST, SOUTH, WEST + 400, SOUTH + 400)


def pillars(polygon: Polygon, names) -> tuple[Pillar, ...]:
    xy = np.array(polygon.exterior.coords[:-1])
    degrees = move_points(xy, UTM43, LON_LAT)
    return tuple(
        Pillar(n, *map(float, p), *map(float, d)) for n, p, d in zip(names, xy, degrees, strict=True)
    )


# box() begins at the lower right and turns left: P1 south-east, P2 north-east, P3 north-west, P4 south-west.
LEASE = Lease(SQUARE, UTM43, pillars=pillars(SQUARE, ["P1", "P2", "P3", "P4"]))


def convergence_deg(east: float, north: float) -> float:
    """The angle from true north to the grid's north, by walking a kilometre up the grid."""
    (lon0, lat0), (lon1, lat1) = move_points(np.array([[east, north], [east, north + 1000]]), UTM43, LON_LAT)
    return Geod(ellps="WGS84").inv(lon0, lat0, lon1, lat1)[0]


# -- position -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("east", "north", "grid_bearing", "grid_distance"),
    [
        (450, 200, 90, 50),
        (200, 460, 0, 60),
        (-30, 100, 270, 30),
        (200, -80, 180, 80),
        (430, 430, 45, 30 * math.sqrt(2)),
    ],
)
def test_from_the_boundary_outwards(east, north, grid_bearing, grid_distance):
    site = Point(WEST + east, SOUTH + north).buffer(5)
    found = position_of(site, LEASE)
    # A metre of the grid is 1/0.9996 of one on the ground here; bearings turn with the meridian.
    assert found.distance_m == pytest.approx(grid_distance / 0.9996, rel=1e-4)
    turned = (found.bearing_deg - grid_bearing - convergence_deg(WEST, SOUTH) + 180) % 360 - 180
    assert turned == pytest.approx(0, abs=0.01)
    assert not found.inside
    assert found.gap_m == pytest.approx(grid_distance - 5, abs=0.05)
    assert convergence_deg(WEST, SOUTH) == pytest.approx(-0.17, abs=0.02)  # west of the central meridian


def test_inside_astride_and_on_the_line():
    inside = position_of(Point(WEST + 200, SOUTH + 370).buffer(5), LEASE)
    assert inside.inside
    assert inside.distance_m == pytest.approx(30, rel=1e-3)
    assert abs((inside.bearing_deg - 180 + 180) % 360 - 180) < 0.3
    astride = position_of(box(WEST + 380, SOUTH + 100, WEST + 440, SOUTH + 120), LEASE)
    assert astride.gap_m == 0
    assert astride.distance_m == pytest.approx(10, rel=1e-3)
    on_line = position_of(Point(WEST + 400, SOUTH + 200), LEASE)
    assert on_line.distance_m < 0.001
    assert math.isnan(on_line.bearing_deg)


def test_nearest_pillar():
    found = position_of(Point(WEST + 450, SOUTH + 380), LEASE)
    assert found.pillar == "P2"
    assert found.pillar_distance_m == pytest.approx(math.hypot(50, 20), rel=1e-3)
    assert found.pillar_bearing_deg == pytest.approx(90 + math.degrees(math.atan(20 / 50)), abs=0.3)
    bare = position_of(Point(WEST + 450, SOUTH + 380), Lease(SQUARE, UTM43))
    assert bare.pillar is None
    assert math.isnan(bare.pillar_distance_m)
    assert nearest_pillar((), (75.0, 24.0))[0] is None


def test_other_system():
    zone44 = CRS.from_epsg(32644).to_wkt()
    site = Point(WEST + 450, SOUTH + 200)
    here, there = position_of(site, LEASE), position_of(move(site, UTM43, zone44), LEASE, crs_wkt=zone44)
    assert there.distance_m == pytest.approx(here.distance_m, abs=0.005)
    assert there.bearing_deg == pytest.approx(here.bearing_deg, abs=0.01)
    assert (there.lon, there.lat) == pytest.approx((here.lon, here.lat), abs=1e-8)


def test_representative_point_lies_in_the_site():
    ring = Point(0, 0).buffer(10) - Point(0, 0).buffer(8)
    assert ring.covers(representative_point(ring))
    assert representative_point(box(0, 0, 2, 2)).equals(Point(1, 1))


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 359.9), st.floats(1, 90))
def test_the_way_leads_to_the_site(bearing, distance):
    turn = math.radians(bearing)
    site = Point(
        WEST + 200 + (250 + distance) * math.sin(turn), SOUTH + 200 + (250 + distance) * math.cos(turn)
    )
    found = position_of(site, LEASE)
    lon, lat, _ = Geod(ellps="WGS84").fwd(
        found.boundary_lon, found.boundary_lat, found.bearing_deg, found.distance_m
    )
    assert ground_line((lon, lat), (found.lon, found.lat))[0] < 1e-6
    grid = SQUARE.distance(site)
    if grid > 0:
        assert found.distance_m == pytest.approx(grid / 0.9996, rel=2e-4)


# -- common sides ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["P1-P2", "p1 - p2", "P1–P2", "P2 to P1", "P1→P2", "P 1/P 2", "P.1-P_2"])
def test_one_side(text):
    sides = read_common_sides(text, LEASE)
    assert sides.length_m == pytest.approx(400)
    assert sides.front.equals(box(WEST + 400, SOUTH, WEST + 500, SOUTH + 400))
    assert sides.share == pytest.approx(40_000 / (160_000 + math.pi * 1e4), rel=1e-5)


@pytest.mark.parametrize("text", ["P1-P2, P2-P3", "P1-P2-P3", "P3-P2; P1-P2", "P1 to P3"])
def test_two_sides_and_the_corner_between(text):
    # "P1 to P3": numbers tell the way, for P2 lies between and P4 does not.
    sides = read_common_sides(text, LEASE)
    assert sides.length_m == pytest.approx(800)
    assert sides.front.area == pytest.approx(80_000 + math.pi * 1e4 / 4, rel=1e-5)


def test_names_that_hold_dashes():
    lease = Lease(SQUARE, UTM43, pillars=pillars(SQUARE, ["BP-1", "BP-2", "BP-3", "BP-4"]))
    assert read_common_sides("BP-1-BP-2, BP-3–BP-4", lease).length_m == pytest.approx(800)


def test_a_concave_corner_belongs_to_the_other_side():
    ell = Polygon([(0, 0), (300, 0), (300, 100), (100, 100), (100, 300), (0, 300)])
    ell = shapely.transform(ell, lambda xy: xy + np.array([WEST, SOUTH]))
    lease = Lease(ell, UTM43, pillars=pillars(ell, list("ABCDEF")))
    sides = read_common_sides("C-D", lease)
    # In front of C–D and of D–E lies a common square of 100 m: it is not exempt.
    assert sides.front.area == pytest.approx(200 * 100 - 100 * 100)
    assert read_common_sides("C-D-E", lease).front.area == pytest.approx(2 * 200 * 100 - 100 * 100)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("P1-P9", "not two known pillars.*P1, P2, P3, P4"),
        ("P1", "not two known pillars"),
        ("P1-P1", "not on one line"),
        ("P2-P4", "two ways|P3"),
        (" , ", "empty"),
    ],
)
def test_sides_that_are_not_clear(text, what):
    lease = Lease(SQUARE, UTM43, pillars=pillars(SQUARE, ["P1", "P2", "P3", "P4"]))
    if text == "P2-P4":
        lease = Lease(SQUARE, UTM43, pillars=pillars(SQUARE, ["P1", "P2", "P9", "P4"]))
    with pytest.raises(InputRefused, match=what):
        read_common_sides(text, lease)


def test_sides_need_pillars():
    with pytest.raises(InputRefused, match="boundary file has none"):
        read_common_sides("P1-P2", Lease(SQUARE, UTM43))


def test_sides_by_a_drawn_line(tmp_path):
    def drawn(*points):
        line = shapely.LineString([(WEST + x, SOUTH + y) for x, y in points])
        content = {"type": "Feature", "properties": {}, "geometry": mapping(move(line, UTM43, LON_LAT))}
        (tmp_path / "common.geojson").write_text(json.dumps(content))
        return read_common_sides("common.geojson", LEASE, folder=tmp_path)

    sides = drawn((401, -1), (401.5, 200), (400, 401))
    assert sides.length_m == pytest.approx(400)
    assert sides.names == ("common.geojson",)
    assert drawn((401, 0), (400, 401), (0, 399)).length_m == pytest.approx(800)
    with pytest.raises(InputRefused, match=r"leaves the boundary for \d+ of its"):
        drawn((401, 0), (600, 400))
    with pytest.raises(InputRefused, match="cover no side"):
        drawn((400, 100), (400, 150))
    (tmp_path / "common.geojson").write_text(json.dumps(mapping(Point(75, 25))))
    with pytest.raises(InputRefused, match="no lines"):
        read_common_sides("common.geojson", LEASE, folder=tmp_path)


# -- what a survey leaves out -----------------------------------------------------------------------


def test_missing_area():
    grid = Grid(UTM43, WEST - 500, SOUTH + 900, 1.0, 1.0, 1400, 1400)
    zones = make_zones(LEASE, grid)
    footprint = box(WEST - 200, SOUTH - 200, WEST + 350, SOUTH + 600)
    missing = missing_area(footprint, zones.lease, zones.reach)
    assert missing.lease_missing_m2 == pytest.approx(50 * 400)
    assert missing.lease_covered == pytest.approx(0.875)
    # East of x = 350 lie two strips of 50 m, the eastern strip, and two quarter circles.
    assert missing.buffer_missing_m2 == pytest.approx(2 * 50 * 100 + 400 * 100 + math.pi * 1e4 / 2, rel=1e-5)
    assert missing.exempt_missing_m2 == 0
    exempt = missing_area(footprint, zones.lease, zones.reach, read_common_sides("P1-P2", LEASE))
    assert exempt.exempt_missing_m2 == pytest.approx(400 * 100)
    assert exempt.buffer_missing_m2 + exempt.exempt_missing_m2 == pytest.approx(missing.buffer_missing_m2)
    assert exempt.lease_missing.equals(missing.lease_missing)


def test_nothing_and_everything_missing():
    grid = Grid(UTM43, WEST - 500, SOUTH + 900, 1.0, 1.0, 1400, 1400)
    zones = make_zones(LEASE, grid)
    none = missing_area(zones.reach.buffer(1), zones.lease, zones.reach)
    assert (none.lease_missing_m2, none.buffer_missing_m2) == (0, 0)
    assert (none.lease_covered, none.buffer_covered) == (1, 1)
    everything = missing_area(Polygon(), zones.lease, zones.reach)
    assert everything.lease_covered == 0
    assert everything.buffer_missing_m2 == pytest.approx(zones.buffer_area_m2)
    bow_tie = Polygon([(WEST, SOUTH), (WEST + 400, SOUTH + 400), (WEST + 400, SOUTH), (WEST, SOUTH + 400)])
    assert missing_area(bow_tie, zones.lease, zones.reach).lease_missing_m2 == pytest.approx(80_000)
    no_band = missing_area(SQUARE, zones.lease, zones.lease)
    assert no_band.buffer_covered == 1
