"""Noise has the covariance it states; ground is one ground on any grid."""

from __future__ import annotations

import numpy as np
import pytest

from survey.sample_data.fields import Lattice, correlated_noise, correlation, lattice_over, rng_of
from survey.sample_data.survey_error import ErrorModel, noise, systematic
from survey.sample_data.terrain import TerrainOptions, make_terrain


def test_streams_are_independent_and_repeatable():
    assert rng_of(3, "a").random() == rng_of(3, "a").random()
    values = {rng_of(s, name, k).random() for s in (1, 2) for name in ("a", "b") for k in (0, 1)}
    assert len(values) == 8


@pytest.mark.parametrize("model", ["spherical", "exponential", "gaussian"])
@pytest.mark.parametrize("range_m", [8.0, 20.0])
def test_correlated_noise_has_the_stated_variogram(model, range_m):
    cell = (0.5, 1.0)  # east, north
    shape = (150, 300)
    lags = (1, 2, 4, 8, 14)
    east, north, sill = np.zeros(len(lags)), np.zeros(len(lags)), 0.0
    runs = 24
    for k in range(runs):
        z = correlated_noise(rng_of(k, model), shape, cell, range_m, model)
        sill += z.var() + z.mean() ** 2
        for i, lag in enumerate(lags):
            east[i] += 0.5 * np.mean((z[:, lag:] - z[:, :-lag]) ** 2)
            north[i] += 0.5 * np.mean((z[lag:] - z[:-lag]) ** 2)
    assert sill / runs == pytest.approx(1, abs=0.08)
    for found, size in ((east, cell[0]), (north, cell[1])):
        expected = 1 - correlation(np.array(lags) * size, range_m, model)
        assert found / runs == pytest.approx(expected, rel=0.08, abs=0.01)


def test_the_mean_of_correlated_noise_over_a_disc_has_the_closed_form():
    # Rolstad et al. 2009, spherical range a, disc of radius L > a: σ² = a²/(5 L²).
    a, radius = 10.0, 30.0
    y, x = np.mgrid[-40:41, -40:41]
    disc = np.hypot(x, y) < radius
    means = [
        correlated_noise(rng_of(k, "disc"), disc.shape, (1.0, 1.0), a, "spherical")[disc].mean()
        for k in range(500)
    ]
    # The closed form neglects the disc's rim, which takes about 10 % here; 500 runs leave 6 %.
    assert np.var(means) == pytest.approx(a * a / (5 * radius**2), rel=0.25)


def test_an_unknown_covariance_is_named():
    with pytest.raises(ValueError, match="linear"):
        correlation(np.ones(1), 1.0, "linear")  # type: ignore[arg-type]


def test_row_by_column_equals_point_by_point():
    lattice = lattice_over(rng_of(1, "x"), (0, 0, 300, 200), 4.0, 0.8, 80.0)
    east, north = np.linspace(-20, 320, 171)[None, :], np.linspace(-10, 230, 97)[:, None]
    whole = lattice.at(east, north)
    points = lattice.at(*(np.ascontiguousarray(a) for a in np.broadcast_arrays(east, north)))
    assert whole == pytest.approx(points, abs=1e-12)
    piece = lattice.at(east[:, 40:90], north[30:50])
    assert piece == pytest.approx(whole[30:50, 40:90], abs=1e-12)


def test_two_grids_see_the_same_ground():
    terrain = make_terrain(7, (0, 0, 200, 200), TerrainOptions(escarpment_m=8))
    coarse = terrain.at(np.arange(10, 190, 2.0)[None, :], np.arange(10, 190, 2.0)[:, None])
    fine = terrain.at(np.arange(10, 190, 0.4)[None, :], np.arange(10, 190, 0.4)[:, None])
    assert fine[::5, ::5] == pytest.approx(coarse, abs=1e-11)


def test_valleys_drain():
    terrain = make_terrain(11, (0, 0, 400, 400), TerrainOptions(relief_m=8, valley_m=6, rough_m=0))
    for start in ((120.0, 200.0), (250.0, 260.0), (300.0, 100.0)):
        line = terrain.flow_line(*start, 150)
        heights = [terrain.level_at(*p) for p in line]
        assert heights[-1] <= heights[0]
        assert np.hypot(*np.diff(line, axis=0).T) == pytest.approx(2.0)


def test_ground_does_not_repeat():
    # A periodic field would pass for a cloned patch.
    z = lattice_over(rng_of(2, "y"), (0, 0, 256, 256), 1.0, 0.5, 6.0).coefficients
    first, last = z[:, :40], z[:, -40:]
    assert abs(np.corrcoef(first.ravel(), last.ravel())[0, 1]) < 0.2


def test_white_noise_grows_with_slope():
    error = ErrorModel(random_m=0.03, slope_factor=2.0, correlated_m=0)
    tan = np.repeat([[0.0], [0.5], [1.0]], 40_000, axis=1)
    found = noise(error, rng_of(1, "n"), tan, (1.0, 1.0)).std(axis=1)
    assert found == pytest.approx([0.03, 0.06, 0.09], rel=0.03)


def test_systematic_terms_come_back_by_least_squares():
    error = ErrorModel(bias_m=0.11, tilt_east=3e-4, tilt_north=-2e-4, dome_m_km2=1.7)
    centre = (600_000.0, 2_900_000.0)
    e = np.linspace(-300, 300, 61)[None, :]
    n = np.linspace(-200, 200, 41)[:, None]
    seen = systematic(error, centre[0] + e, centre[1] + n, centre)
    e, n = (a.ravel() for a in np.broadcast_arrays(e, n))
    basis = np.stack([np.ones_like(e), e, n, (e * e + n * n) * 1e-6], axis=1)
    fit, *_ = np.linalg.lstsq(basis, seen.ravel(), rcond=None)
    assert fit == pytest.approx([0.11, 3e-4, -2e-4, 1.7], rel=1e-8)


def test_a_lattice_is_flat_beyond_its_rim():
    lattice = Lattice(np.arange(64.0).reshape(8, 8), 0.0, 0.0, 1.0)
    far = lattice.at(np.array([[6.0, 60.0]]), np.array([[3.0]]))
    assert far[0, 0] == pytest.approx(far[0, 1], abs=1e-4)
