"""Zones: areas against closed forms, weights that sum to the whole, and others' ground."""

from __future__ import annotations

import math
import pickle
from datetime import date

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from shapely.geometry import MultiPolygon, Point, Polygon, box

from survey.boundary.bands import grown, in_front_of, polygonal, rings_of, shrunk
from survey.boundary.coverage import FULL
from survey.boundary.crs import utm_crs_for
from survey.boundary.lease import Lease
from survey.boundary.registry import RegisteredLease
from survey.boundary.zones import make_zones
from survey.grid import Grid

UTM43 = CRS.from_epsg(32643).to_wkt()
GRID = Grid(UTM43, 459_000.0, 2_800_000.0, 2.0, 2.0, 300, 350)
CONVEX = Polygon([(459_200, 2_799_600), (459_450, 2_799_580), (459_500, 2_799_800), (459_250, 2_799_850)])


def full(weights, shape=GRID.shape) -> np.ndarray:
    return np.broadcast_to(np.asarray(weights, np.int64), shape)


def lease(polygon, **more) -> Lease:
    return Lease(polygon, UTM43, **more)


# -- bands ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("metres", [0.5, 7.5, 100.0, 500.0])
def test_band_of_a_convex_lease(metres):
    # Steiner: area of the band = perimeter · d + π d².
    area = grown(CONVEX, metres).area - CONVEX.area
    assert area == pytest.approx(CONVEX.length * metres + math.pi * metres**2, rel=1e-5)


def test_band_of_a_notched_lease_and_into_a_hole():
    # An L: the inner corner takes away d² and the sector it lacks: 6 corners, one of them reflex.
    ell = Polygon([(0, 0), (300, 0), (300, 100), (100, 100), (100, 300), (0, 300)])
    d = 50.0
    assert grown(ell, d).area - ell.area == pytest.approx(
        1200 * d + 5 * math.pi * d * d / 4 - d * d, rel=1e-5
    )
    holed = box(0, 0, 500, 500) - box(100, 100, 400, 400)
    assert grown(holed, d).area - holed.area == pytest.approx(
        2000 * d + math.pi * d * d + 300**2 - 200**2, rel=1e-5
    )
    assert grown(holed, 200).interiors[:] == []


def test_shrunk():
    assert shrunk(box(0, 0, 100, 50), 10).area == pytest.approx(80 * 30, rel=1e-9)
    assert shrunk(box(0, 0, 100, 50), 25.1).is_empty
    assert shrunk(CONVEX, 0) is CONVEX
    holed = box(0, 0, 100, 100) - box(40, 40, 60, 60)
    assert shrunk(holed, 5).area == pytest.approx(90 * 90 - (400 + 80 * 5 + math.pi * 25), rel=1e-5)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0.3, 1), min_size=5, max_size=30),
    st.floats(0, 2 * math.pi),
    st.floats(0, 1),
    st.floats(0, 1),
)
def test_band_is_what_lies_within_the_distance(radii, turn, u, v):
    around = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    shape = Polygon(np.column_stack([np.cos(around), np.sin(around)]) * np.array(radii)[:, None] * 400)
    band = grown(shape, 100)
    point = Point(700 * math.sqrt(u) * math.cos(turn), 700 * math.sqrt(v) * math.sin(turn))
    distance = point.distance(shape)
    assert band.covers(shape)
    if abs(distance - 100) > 0.001:
        assert band.covers(point) == (distance < 100)


def test_strips_in_front_of_sides():
    ring = rings_of(box(0, 0, 100, 100))[0]
    assert shapely.union_all(in_front_of(ring, range(4), 10)).area == pytest.approx(
        4000 + math.pi * 100, rel=1e-5
    )
    assert shapely.union_all(in_front_of(ring, [0, 1], 10)).area == pytest.approx(
        2000 + math.pi * 25, rel=1e-5
    )
    assert shapely.union_all(in_front_of(ring, [0, 1], 10, corners=False)).area == pytest.approx(2000)
    assert shapely.union_all(in_front_of(ring, [0, 2], 10)).intersection(box(0, 0, 100, 100)).area == 0


def test_only_areas_are_kept():
    mixed = shapely.from_wkt(
        "GEOMETRYCOLLECTION (POINT (0 0), POLYGON ((0 0, 1 0, 1 1, 0 0)), LINESTRING (0 0, 5 5))"
    )
    assert polygonal(mixed).area == 0.5
    assert polygonal(shapely.from_wkt("LINESTRING (0 0, 1 1)")).is_empty


# -- zones ----------------------------------------------------------------------------------------


def test_areas_and_weights():
    zones = make_zones(lease(CONVEX), GRID)
    assert zones.lease_area_m2 == pytest.approx(CONVEX.area)
    assert zones.buffer_area_m2 == pytest.approx(CONVEX.length * 100 + math.pi * 1e4, rel=1e-5)
    assert zones.buffer.area == pytest.approx(zones.buffer_area_m2)
    in_lease, in_buffer = (full(w) for w in zones.weights(GRID))
    assert in_lease.sum() / FULL * 4 == pytest.approx(CONVEX.area, rel=1e-6)
    clipped = zones.buffer & box(459_000, 2_799_400, 459_700, 2_800_000)
    assert in_buffer.sum() / FULL * 4 == pytest.approx(clipped.area, rel=1e-6)
    assert (in_lease + in_buffer).max() == FULL


def test_constant_pieces():
    zones = make_zones(lease(CONVEX), GRID)
    inside = GRID.covering(shapely_bounds(459_300, 2_799_700, 459_340, 2_799_740))
    assert zones.weights(inside) == (FULL, 0)
    outside = GRID[0:10, 0:10]
    assert zones.weights(outside) == (0, 0)
    shares = zones.shares(outside)
    assert (shares.beyond_free, shares.lease, shares.ring) == (FULL, 0, 0)


def shapely_bounds(w, s, e, n):
    from survey.grid import Bounds

    return Bounds(w, s, e, n)


def test_lease_in_another_system_is_brought_to_the_grid():
    there = lease(CONVEX).to_crs(CRS.from_epsg(32644).to_wkt())
    zones = make_zones(there, GRID)
    assert zones.lease.symmetric_difference(CONVEX).area < 0.002 * CONVEX.length


def other(polygon, lease_id="B", **dates) -> RegisteredLease:
    return RegisteredLease(lease_id, "", polygon, **dates)


NEIGHBOURS = (
    other(box(459_400, 2_799_650, 459_640, 2_799_760)),  # overlaps the lease, the buffer and beyond
    other(box(459_000, 2_799_900, 459_300, 2_800_100), "C"),
)


@pytest.mark.parametrize("size", [300, 64, 37])
def test_parts_sum_to_the_whole_however_cut(size):
    zones = make_zones(lease(CONVEX, sigma_m=0.5), GRID, others=NEIGHBOURS, ring_m=300)
    whole = zones.shares(GRID)
    names = ("lease", "buffer_free", "buffer_theirs", "beyond_free", "beyond_theirs")
    np.testing.assert_array_equal(sum(full(getattr(whole, n)) for n in names), FULL)
    for name in (*names, "unsure_inside", "unsure_outside", "ring"):
        pieced = np.zeros(GRID.shape, np.int64)
        for piece in GRID.pieces(size):
            pieced[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width] = getattr(
                zones.shares(piece), name
            )
        np.testing.assert_array_equal(pieced, full(getattr(whole, name)), err_msg=name)
    for first, second in zip(
        zones.weights(GRID), (whole.lease, full(whole.buffer_free) + full(whole.buffer_theirs)), strict=True
    ):
        np.testing.assert_array_equal(full(first), second)


def test_areas_of_the_parts():
    zones = make_zones(lease(CONVEX, sigma_m=0.5), GRID, others=NEIGHBOURS, ring_m=300)
    window = box(459_000, 2_799_400, 459_700, 2_800_000)
    theirs = shapely.union_all([o.polygon for o in NEIGHBOURS]) - CONVEX
    expected = {
        "lease": CONVEX,
        "buffer_free": zones.buffer - theirs,
        "buffer_theirs": zones.buffer & theirs,
        "beyond_theirs": theirs - zones.reach,
        "beyond_free": window - zones.reach - theirs,
        "unsure_inside": CONVEX - shrunk(CONVEX, zones.unsure_m),
        "unsure_outside": grown(CONVEX, zones.unsure_m) - CONVEX,
        "ring": grown(CONVEX, 300) - zones.reach,
    }
    shares = zones.shares(GRID)
    for name, ground in expected.items():
        area = full(getattr(shares, name)).sum() / FULL * 4
        assert area == pytest.approx((ground & window).area, abs=0.1), name
    assert zones.unsure_m == pytest.approx(0.5 * 1.96, rel=1e-3)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0, 500), st.floats(0, 500), st.floats(5, 300), st.floats(5, 300)), max_size=4
    ),
    st.floats(0, 20),
    st.floats(0, 150),
)
def test_parts_sum_to_the_whole_whatever_the_neighbours(rectangles, sigma, buffer_m):
    others = [
        other(box(459_000 + x, 2_799_400 + y, 459_000 + x + w, 2_799_400 + y + h))
        for x, y, w, h in rectangles
    ]
    zones = make_zones(lease(CONVEX), GRID, others=others, sigma_m=sigma, buffer_m=buffer_m)
    s = zones.shares(GRID)
    total = sum(full(w) for w in (s.lease, s.buffer_free, s.buffer_theirs, s.beyond_free, s.beyond_theirs))
    np.testing.assert_array_equal(total, FULL)
    assert (full(s.unsure_inside) <= full(s.lease)).all()
    assert (full(s.unsure_outside) + full(s.lease) <= FULL).all()


def test_no_sigma_leaves_nothing_unsure():
    shares = make_zones(lease(CONVEX), GRID).shares(GRID)
    assert not full(shares.unsure_inside).any()
    assert not full(shares.unsure_outside).any()


def test_blocks_with_a_hole():
    shape = MultiPolygon(
        [CONVEX - box(459_300, 2_799_700, 459_340, 2_799_740), box(459_600, 2_799_500, 459_640, 2_799_540)]
    )
    zones = make_zones(lease(shape), GRID)
    in_lease, in_buffer = (full(w) for w in zones.weights(GRID))
    assert in_lease.sum() / FULL * 4 == pytest.approx(shape.area, rel=1e-6)
    r, c = (int(v) for v in GRID.row_col(459_320, 2_799_720))
    assert (in_lease[r, c], in_buffer[r, c]) == (0, FULL)  # the hole is not the lease, but within 100 m of it


def test_zone_of_points():
    zones = make_zones(lease(CONVEX), GRID)
    assert zones.zone_of(459_300, 2_799_700) == "lease"
    assert zones.zone_of(459_200, 2_799_600) == "lease"
    assert zones.zone_of(459_150, 2_799_600) == "buffer"
    assert zones.zone_of(459_050, 2_799_600) == "beyond"


def test_to_a_worker_and_back():
    zones = make_zones(lease(CONVEX, sigma_m=0.3), GRID, others=NEIGHBOURS)
    again = pickle.loads(pickle.dumps(zones))
    np.testing.assert_array_equal(full(again.shares(GRID).buffer_free), full(zones.shares(GRID).buffer_free))
    assert again.others[0].valid_on(date(2025, 1, 1))


def test_buffer_is_a_hundred_metres_of_the_grid():
    # The grid's metre is the zones' metre: 100 m in UTM are 100.04 m on the ground in the middle of a zone.
    assert utm_crs_for(74.6, 25.3) == UTM43
    zones = make_zones(lease(CONVEX), GRID)
    corner = Point(459_200, 2_799_600)
    assert shapely.hausdorff_distance(zones.reach, CONVEX) == pytest.approx(100, abs=0.001)
    assert zones.reach.boundary.distance(corner) == pytest.approx(100, abs=0.001)
