"""Bodies against closed forms. The published values are those of docs/METHODS.md (R = 20, H = 5, r = 8)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.sample_data.fields import Lattice
from survey.sample_data.outlines import Blob, Circle, Path, Rectangle, Union, window
from survey.sample_data.profiles import (
    Benches,
    Bowl,
    Cap,
    Faces,
    circle_profile_m3,
    frustum_m3,
    rectangle_faces_m3,
)
from survey.sample_data.shapes import Cone, Relief, Road, Surface, Wall, Wedge

CENTRE = (500_003.3, 2_900_001.7)


def volume(body, ground=None, step=0.05, box=None) -> float:
    """∫ (ground after − before) by the midpoint rule."""
    w, s, e, n = box or body.box
    east = np.arange(w + step / 2, e, step)[None, :]
    north = np.arange(s + step / 2, n, step)[:, None]
    z = np.zeros((north.size, east.size)) if ground is None else ground(east, north) + 0 * (east + north)
    return float((body.on(east, north, z) - z).sum() * step * step)


@pytest.mark.parametrize(
    ("profile", "published_m3"),
    [
        (Faces(5, math.degrees(math.atan2(5, 12))), 3267.2564),
        (Faces(5, math.degrees(math.atan2(5, 20))), 2094.3951),
        (Bowl(5, 20), 3141.5927),
        (Cap(20, 20), 16755.1608),
        (Faces(5, 90), 6283.1853),
    ],
)
def test_circles_have_their_published_volumes(profile, published_m3):
    assert circle_profile_m3(20, profile) == pytest.approx(published_m3, abs=6e-5)  # four decimals
    for sign in (-1, 1):
        got = volume(Relief(Circle(*CENTRE, 20), profile, sign))
        assert got == pytest.approx(sign * published_m3, rel=3e-4)


def test_prism_and_wedge_have_their_published_volumes():
    assert volume(Relief(Rectangle(*CENTRE, 30, 20, 27), Faces(5), -1), step=0.02) == pytest.approx(
        -3000, rel=1e-3
    )
    assert volume(Wedge(Rectangle(*CENTRE, 30, 20, 27), 5, 1), step=0.02) == pytest.approx(1500, rel=1e-3)


def test_benches_are_a_stack_of_frusta():
    benches = Benches(3, 2.0, 60, 1.5)
    run = 2 / math.tan(math.radians(60))
    radii = [20 - k * (run + 1.5) for k in range(3)]
    by_hand = sum(frustum_m3(r, r - run, 2.0) for r in radii)
    assert circle_profile_m3(20, benches) == pytest.approx(by_hand, rel=1e-12)
    assert volume(Relief(Circle(*CENTRE, 20), benches, -1)) == pytest.approx(-by_hand, rel=1e-4)
    # berms are level and faces have their slope
    inset = np.array([run + 0.1, run + 1.4, run + 1.5 + run / 2])
    assert benches.depth(inset) == pytest.approx([2.0, 2.0, 3.0])


def test_a_bench_without_berms_is_one_face():
    inset = np.linspace(0, 20, 101)
    assert Benches(4, 1.5, 45, 0.0).depth(inset) == pytest.approx(Faces(6, 45).depth(inset))


def test_square_frustum_is_a_prismoid():
    face = Faces(4, 50)
    a, b, t = 30, 18, 4 / math.tan(math.radians(50))
    top, floor, middle = a * b, (a - 2 * t) * (b - 2 * t), (a - t) * (b - t)
    simpson = 4 / 6 * (top + 4 * middle + floor)  # exact for a prismoid
    assert rectangle_faces_m3(a, b, face) == pytest.approx(simpson, rel=1e-12)
    assert volume(Relief(Rectangle(*CENTRE, a, b, 33), face, -1)) == pytest.approx(-simpson, rel=1e-4)


@settings(max_examples=25, deadline=None)
@given(
    radius=st.floats(6, 25),
    a2=st.floats(0, 0.2),
    a3=st.floats(0, 0.1),
    psi=st.floats(0, 6),
    depth=st.floats(0.5, 5),
)
def test_a_walled_blob_is_its_area_times_its_depth(radius, a2, a3, psi, depth):
    blob = Blob(*CENTRE, radius, ((2, a2, psi), (3, a3, 1.0)))
    got = volume(Relief(blob, Faces(depth), 1), step=radius / 300)
    assert got == pytest.approx(blob.area_m2 * depth, rel=3e-3)


def test_blob_faces_have_their_slope_near_the_rim():
    blob = Blob(0.0, 0.0, 20, ((2, 0.2, 0.3), (5, 0.05, 1.0)))
    angle = np.linspace(0, 2 * math.pi, 721)
    rim = 20 * (1 + 0.2 * np.cos(2 * angle + 0.3) + 0.05 * np.cos(5 * angle + 1.0))
    e, n = rim * np.cos(angle), rim * np.sin(angle)
    assert blob.inset(e, n) == pytest.approx(np.zeros(721), abs=1e-9)
    d = 1e-4
    gradient = np.hypot(
        (blob.inset(e + d, n) - blob.inset(e - d, n)) / (2 * d),
        (blob.inset(e, n + d) - blob.inset(e, n - d)) / (2 * d),
    )
    assert gradient == pytest.approx(np.ones(721), abs=1e-3)


def test_trench_cross_section():
    # A straight V with rounded ends: prism of triangle plus two half cones.
    half, length, slope = 3.0, 24.0, 45
    path = Path(((0.0, 0.0), (length, 0.0)), half)
    expected = half * half * length + math.pi * half**3 / 3
    assert volume(Relief(path, Faces(9, slope), -1)) == pytest.approx(-expected, rel=1e-3)


def test_level_cut_into_a_slope_is_a_wedge():
    # Ground rising 0.1 m/m; a walled rectangle cut level at the height of its lower edge.
    rectangle = Rectangle(0.0, 0.0, 20, 10, 0)
    cut = Surface(rectangle, Faces(2.0), level_m=1.0, sign=-1)  # floor at −1: ground at the lower edge
    got = volume(cut, ground=lambda e, n: 0.1 * e, step=0.02)
    assert got == pytest.approx(-0.5 * 20 * 2.0 * 10, rel=1e-3)


def test_a_surface_changes_nothing_where_the_ground_is_clear_of_it():
    e, n = np.linspace(-30, 30, 61)[None, :], np.linspace(-30, 30, 61)[:, None]
    pit = Surface(Circle(0, 0, 12), Faces(4, 60), level_m=10, sign=-1, apron_m=5)
    low = np.zeros((61, 61))
    assert np.array_equal(pit.on(e, n, low), low)
    heap = Surface(Circle(0, 0, 12), Faces(4, 35), level_m=-10, sign=1, apron_m=5)
    assert np.array_equal(heap.on(e, n, low), low)


def test_stock_against_a_wall_is_half_a_cone():
    cone = Cone(0.0, 0.0, 6.0, 35, 10.0, keep=Rectangle(-10, 0, 20, 40))
    tan = math.tan(math.radians(35))
    half = 0.5 * math.pi * (6 / tan) ** 2 * 6 / 3
    assert volume(cone) == pytest.approx(half, rel=1e-3)


def test_union_covers_what_its_parts_cover():
    a, b = Circle(0, 0, 10), Circle(12, 0, 6)
    e, n = np.linspace(-12, 20, 65)[None, :], np.linspace(-12, 12, 49)[:, None]
    both = Union((a, b)).inset(e, n) > 0
    assert np.array_equal(both, (a.inset(e, n) > 0) | (b.inset(e, n) > 0))


def test_a_road_is_level_across_and_leaves_far_ground_alone():
    road = Road(Path(((-50.0, 0.0), (50.0, 0.0)), 3.0), (1.0, 3.0), 4.0)
    e, n = np.array([[0.0]]), np.array([[0.0, 2.9, -2.9, 7.1, 40.0]]).T
    z = road.on(e, n, np.zeros((5, 1)))[:, 0]
    assert z == pytest.approx([2.0, 2.0, 2.0, 0.0, 0.0])


def test_a_wall_stands_to_its_level():
    e = np.array([[0.0, 10.0]])
    assert Wall(Rectangle(0, 0, 4, 4), 7.5).on(e, np.zeros((1, 1)), np.full((1, 2), 2.0))[0] == pytest.approx(
        [7.5, 2.0]
    )


@settings(max_examples=25, deadline=None)
@given(
    turn=st.floats(-3, 3),
    cell=st.floats(0.2, 3),
    at=st.tuples(st.floats(-60, 60), st.floats(-60, 60)),
    size=st.floats(0.5, 40),
)
def test_a_window_misses_no_point_of_its_box(turn, cell, at, size):
    c, s = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    col, row = np.meshgrid(np.arange(40) * cell, -np.arange(30) * cell)
    east, north = c * col - s * row - 20 * cell, s * col + c * row + 15 * cell
    box = (at[0] - size, at[1] - size, at[0] + size, at[1] + size)
    inside = (east > box[0]) & (east < box[2]) & (north > box[1]) & (north < box[3])
    found = np.zeros_like(inside)
    where = window(box, east, north)
    if where is not None:
        found[where] = True
    assert not (inside & ~found).any()


def test_lattice_reproduces_linear_functions():
    # Cubic B-splines with linear coefficients are linear.
    j, i = np.mgrid[0:20, 0:25]
    lattice = Lattice(3.0 * i - 2.0 * j + 1.0, 100.0, 200.0, 5.0)
    e, n = np.linspace(110, 200, 37)[None, :], np.linspace(210, 280, 23)[:, None]
    expected = 3 * (e - 100) / 5 - 2 * (n - 200) / 5 + 1
    assert lattice.at(e, n) == pytest.approx(expected, abs=1e-12)
    assert lattice.slope_at(150, 240) == pytest.approx((0.6, -0.4))
