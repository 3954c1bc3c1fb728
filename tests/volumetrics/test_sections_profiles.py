"""Profiles against planes; section lines that next year's survey meets again; faces of known height."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.grid import Grid
from survey.volumetrics.sections import (
    Profile,
    faces,
    letters,
    long_axis_deg,
    profile,
    regular_sections,
    section_through,
    thinned,
)

GRID = Grid("EPSG:32643", 500_000.0, 2_500_000.0, 0.5, 0.25, 400, 300)


def plane(piece: Grid) -> np.ndarray:
    rows, cols = np.mgrid[0 : piece.height, 0 : piece.width]
    east, north = piece.east_north(rows, cols)
    return 100 + 0.3 * (east - 500_000) - 0.2 * (north - 2_500_000)


inside_east, inside_north = st.floats(500_001, 500_148), st.floats(2_499_902, 2_499_998)


@settings(max_examples=40, deadline=None)
@given(inside_east, inside_north, inside_east, inside_north)
def test_a_plane_is_met_exactly_and_ends_and_length_are_the_lines(e0, n0, e1, n1):
    line = np.array([[e0, n0], [e1, n1]])
    got = profile(plane, GRID, line)
    assert got.distance_m[-1] == pytest.approx(math.hypot(e1 - e0, n1 - n0))
    part = got.distance_m / max(got.distance_m[-1], 1e-12)
    east, north = e0 + part * (e1 - e0), n0 + part * (n1 - n0)
    expected = 100 + 0.3 * (east - 500_000) - 0.2 * (north - 2_500_000)
    np.testing.assert_allclose(got.height_m, expected, atol=1e-6)


def test_only_what_was_measured_is_in_a_profile():
    def holed(piece: Grid) -> np.ndarray:
        z = plane(piece)
        cols = np.arange(piece.width) + piece.col0
        z[:, (cols >= 100) & (cols < 120)] = np.nan
        return z

    line = np.array([[499_990.0, 2_499_950.0], [500_160.0, 2_499_950.0]])
    got = profile(holed, GRID, line, 0.5)
    east = 499_990.0 + got.distance_m
    unknown = np.isnan(got.height_m)
    assert unknown[(east < 500_000) | (east > 500_150)].all()
    assert unknown[(east > 500_050) & (east < 500_060)].all()
    assert not unknown[(east > 500_001) & (east < 500_049)].any()
    thin = thinned(got, 0.01)
    np.testing.assert_array_equal(np.flatnonzero(np.diff(np.isnan(thin.height_m).astype(int)) == 1).size, 2)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.01, 2.0))
def test_a_thinned_profile_keeps_within_its_tolerance(seed, tolerance):
    rng = np.random.default_rng(seed)
    full = Profile(np.arange(200) * 0.5, np.cumsum(rng.normal(0, 0.3, 200)))
    thin = thinned(full, tolerance)
    drawn = np.interp(full.distance_m, thin.distance_m, thin.height_m)
    assert np.abs(drawn - full.height_m).max() <= tolerance + 1e-9


def test_sections_run_from_boundary_to_boundary_across_the_long_side_at_a_round_spacing():
    lease = shapely.box(500_000, 2_499_000, 500_300, 2_500_000)
    lines = regular_sections(lease)
    assert [line.name for line in lines] == [letters(k) for k in range(len(lines))]
    norths = [line.line[0, 1] for line in lines]
    steps = {round(abs(b - a), 6) for a, b in pairwise(norths)}
    assert steps == {100.0}
    for line in lines:
        assert line.bearing_deg == pytest.approx(90.0)
        np.testing.assert_allclose(sorted(line.line[:, 0]), [500_000, 500_300])


def test_a_larger_survey_of_the_same_lease_lays_the_same_sections():
    lease = shapely.Polygon([(0, 0), (400, 30), (420, 250), (10, 200)])
    once, again = (
        regular_sections(lease),
        regular_sections(shapely.Polygon(list(lease.exterior.coords)[::-1])),
    )
    for one, other in zip(once, again, strict=True):
        np.testing.assert_allclose(one.line, other.line, atol=1e-9)


def test_a_section_crosses_a_notch_as_one_line():
    u = shapely.Polygon(
        [(0, 0), (300, 0), (300, 200), (200, 200), (200, 50), (100, 50), (100, 200), (0, 200)]
    )
    lines = regular_sections(u, 50.0, bearing_deg=90.0)
    crossing = [line for line in lines if line.line[0, 1] > 60]
    assert crossing
    for line in crossing:
        assert line.length_m == pytest.approx(300.0)


@pytest.mark.parametrize(("degrees", "bearing"), [(0, 90), (30, 60), (90, 0), (135, 135)])
def test_the_long_axis_of_a_turned_rectangle(degrees, bearing):
    box = shapely.affinity.rotate(shapely.box(0, 0, 100, 20), degrees)
    assert min(abs(long_axis_deg(box) - bearing), 180 - abs(long_axis_deg(box) - bearing)) < 1e-4


def test_a_sites_section_runs_through_its_deepest_point_and_past_its_rim():
    pit = shapely.box(10, 10, 50, 30)
    line = section_through(pit, (45, 12), name="P-1")
    assert line.bearing_deg == pytest.approx(90.0)
    np.testing.assert_allclose(line.line, [[0, 12], [60, 12]])  # 40 m and a quarter of it on each side


@pytest.mark.parametrize(("k", "name"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (702, "AAA")])
def test_letters(k, name):
    assert letters(k) == name


@settings(max_examples=25, deadline=None)
@given(st.floats(3, 12), st.floats(40, 80), st.booleans())
def test_a_face_has_the_height_and_angle_it_was_made_with(height, angle, falling):
    run = height / math.tan(math.radians(angle))
    d = np.arange(0, 60 + run, 0.1)
    z = np.interp(d, [30, 30 + run], [height, 0.0] if falling else [0.0, height])
    (face,) = faces(Profile(d, z))
    assert abs(face.to_height_m - face.from_height_m) == pytest.approx(height, abs=1e-6)
    assert (face.to_height_m < face.from_height_m) == falling
    assert face.angle_deg == pytest.approx(angle, abs=6.0)  # ends lie on samples, a tenth of a metre apart


def test_low_and_gentle_faces_are_left_out():
    d = np.arange(0, 100, 0.5)
    assert faces(Profile(d, 0.3 * d)) == []
    assert faces(Profile(d, np.interp(d, [50, 51], [0.0, 1.5]))) == []
    assert faces(Profile(d[:2], d[:2])) == []
