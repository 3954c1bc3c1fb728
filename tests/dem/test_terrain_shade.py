"""Slope, aspect and hillshade against planes and quadratics, on which Horn's window is exact."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.dem.terrain import aspect_deg, gradient, hillshade, relief_shade, slope_deg

tilt = st.floats(-3, 3, allow_nan=False)
size = st.floats(0.05, 4.0)


def plane(
    a: float, b: float, cell_east: float, cell_north: float, shape: tuple[int, int] = (7, 9)
) -> np.ndarray:
    """z = a·east + b·north; rows run south."""
    rows, cols = np.mgrid[0 : shape[0], 0 : shape[1]]
    return a * cols * cell_east - b * rows * cell_north


@settings(max_examples=40, deadline=None)
@given(tilt, tilt, size, size)
def test_a_plane_has_its_own_gradient_up_to_the_edge(a, b, cell_east, cell_north):
    east, north = gradient(plane(a, b, cell_east, cell_north), cell_east, cell_north)
    np.testing.assert_allclose(east, a, atol=1e-9)
    np.testing.assert_allclose(north, b, atol=1e-9)


def test_a_quadratic_has_its_derivative_inside():
    rows, cols = np.mgrid[0:20, 0:30]
    east, north = cols * 0.5, -rows * 0.25
    z = 0.3 * east**2 - 0.2 * north**2 + 0.1 * east * north
    got_east, got_north = gradient(z, 0.5, 0.25)
    np.testing.assert_allclose(got_east[1:-1, 1:-1], (0.6 * east + 0.1 * north)[1:-1, 1:-1], atol=1e-9)
    np.testing.assert_allclose(got_north[1:-1, 1:-1], (-0.4 * north + 0.1 * east)[1:-1, 1:-1], atol=1e-9)


def test_a_hole_does_not_bend_the_plane_round_it():
    z = plane(0.4, -0.7, 1.0, 1.0)
    z[3, 4] = np.nan
    east, north = gradient(z, 1.0, 1.0)
    assert np.isnan(east[3, 4])
    assert np.isnan(north[3, 4])
    keep = np.isfinite(z)
    np.testing.assert_allclose(east[keep], 0.4, atol=1e-12)
    np.testing.assert_allclose(north[keep], -0.7, atol=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "aspect"), [(0, -1, 0), (-1, -1, 45), (-1, 0, 90), (0, 1, 180), (1, 0, 270), (1, -1, 315)]
)
def test_aspect_is_the_way_water_runs(a, b, aspect):
    z = plane(a, b, 1.0, 1.0)
    np.testing.assert_allclose(aspect_deg(z, 1.0, 1.0), aspect, atol=1e-9)
    np.testing.assert_allclose(slope_deg(z, 1.0, 1.0), math.degrees(math.atan(math.hypot(a, b))), atol=1e-9)


def test_level_ground_has_no_aspect():
    assert np.isnan(aspect_deg(np.zeros((4, 4)), 1.0, 1.0)).all()


@settings(max_examples=40, deadline=None)
@given(tilt, tilt, st.floats(0, 360), st.floats(5, 85))
def test_hillshade_is_the_cosine_between_lamp_and_normal(a, b, azimuth, altitude):
    normal = np.array([-a, -b, 1.0])
    zenith = math.radians(90 - altitude)
    lamp = np.array(
        [
            math.sin(zenith) * math.sin(math.radians(azimuth)),
            math.sin(zenith) * math.cos(math.radians(azimuth)),
            math.cos(zenith),
        ]
    )
    expected = max(0.0, float(normal @ lamp) / float(np.linalg.norm(normal)))
    shade = hillshade(plane(a, b, 1.0, 1.0), 1.0, 1.0, azimuth_deg=azimuth, altitude_deg=altitude)
    np.testing.assert_allclose(shade, expected, atol=1e-9)


def test_level_ground_is_equally_bright_under_four_lamps_as_under_one():
    flat = np.zeros((5, 5), np.float32)
    np.testing.assert_allclose(relief_shade(flat, 1.0, 1.0), math.sin(math.radians(45)), atol=1e-6)
    assert relief_shade(flat, 1.0, 1.0).dtype == np.float32
