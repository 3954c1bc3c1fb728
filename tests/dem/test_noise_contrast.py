"""Noise learnt from stable ground, closed forms of its averages, and intervals that hold the truth."""

from __future__ import annotations

import math

import numpy as np
import numpy.testing as npt
import pytest
from simulated import grid
from test_alignment import N, laid, pair

from survey.dem.align import Wishes
from survey.dem.contrast import lay_nodes, mean_error
from survey.dem.covariance import correlation, disc_mean
from survey.dem.mapping import map_onto, source_window
from survey.dem.noise import measure_noise
from survey.dem.rise import metres, rise
from survey.dem.sampling import load, windows
from survey.grid import Grid

PLAIN = Wishes(horizontal=False, tilt=False, dome=False)


@pytest.mark.parametrize("model", ["spherical", "exponential", "gaussian"])
@pytest.mark.parametrize("ratio", [0.1, 0.6, 1.0, 2.5, 12.0])
def test_disc_means_are_the_integrals(model, ratio):
    # 2/L² ∫₀ᴸ ρ(h)·h dh, the mean of ρ over a disc of radius L seen from its centre.
    a = 30.0
    length = ratio * a
    h = (np.arange(400_000) + 0.5) * length / 400_000
    integral = 2 / length**2 * (correlation(h, a, model) * h).sum() * length / 400_000
    npt.assert_allclose(disc_mean(math.pi * length**2, a, model), integral, rtol=1e-6)


def test_disc_means_of_the_literature():
    # Rolstad et al. 2009, spherical: L > a: a²/(5L²); L = a: 1/5 from both sides.
    a = 20.0
    npt.assert_allclose(disc_mean(math.pi * 100.0**2, a, "spherical"), a * a / (5 * 100.0**2), rtol=1e-12)
    npt.assert_allclose(disc_mean(math.pi * a * a, a, "spherical"), 0.2, rtol=1e-12)


@pytest.mark.parametrize("model", ["spherical", "exponential", "gaussian"])
def test_correlation_is_one_at_zero_and_little_at_its_range(model):
    npt.assert_allclose(correlation(0.0, 30.0, model), 1.0)
    assert correlation(30.0, 30.0, model) < 0.051


def noise_of(seed: int, **what):  # type: ignore[no-untyped-def]
    g, before, after = pair(seed, **what)
    a = laid(g, before, after, PLAIN)
    sample = [w for row in windows(g) for w in load(before, after, row)]
    return g, before, after, a, measure_noise(sample, g, after.grid, a, 1)


def test_white_noise_is_seen_as_white():
    # 3 cm in each survey: 4.24 cm in the difference of equal grids.
    _, _, _, a, noise = noise_of(1, noise=0.03)
    npt.assert_allclose(noise.random_m, 0.03 * math.sqrt(2), rtol=0.06)
    assert noise.texture_m < 0.02
    assert a.trend is not None
    assert a.trend.correlated_m < 0.01
    # Its mean over n cells falls as 1/√n: over 100 m² of 0.25 m² cells, a twentieth.
    npt.assert_allclose(math.sqrt(noise.fine_variance(np.array(100.0))), 0.0424 / 20, rtol=0.5)


def test_correlated_noise_is_seen_as_correlated():
    # 3 cm exponential with a practical range of 30 m in the later survey only.
    found = [noise_of(10 + k, noise=0.01, slow=0.03) for k in range(4)]
    total = [math.hypot(n.texture_m, a.trend.correlated_m) for _, _, _, a, n in found]
    # One scene of 160 m holds some 25 independent patches: a standard deviation is known to about 15 %.
    npt.assert_allclose(np.mean(total), 0.03, rtol=0.25)
    assert all(n.random_m < 0.025 for _, _, _, _, n in found)


def masks() -> dict[str, np.ndarray]:
    row, col = np.mgrid[0:N, 0:N]
    away = np.hypot(row - N / 2, col - N / 2)
    return {
        "a quarter of the scene": (row < N / 2) & (col < N / 2),
        "a disc of 20 m": away < 40,
        "a pit of 8 m": (np.abs(row - 90) < 8) & (np.abs(col - 210) < 8),
    }


def errors(seed: int, **what):  # type: ignore[no-untyped-def]
    """Mean error of the aligned rise over each mask where nothing changed, and its stated σ."""
    g, before, after, a, noise = noise_of(seed, **what)
    mapping = map_onto(g, after.grid, a.east_m, a.north_m)
    r0, r1, c0, c1 = source_window(mapping, g)
    window = Grid(g.crs_wkt, g.west, g.north, 0.5, 0.5, r1 - r0, c1 - c0, r0, c0)
    got = metres(rise(g, before.read(g), after.read(window), r0, c0, mapping, a.correction.polynomial(g)))
    nodes = lay_nodes(g, a)
    row, col = np.mgrid[0:N, 0:N]
    node = nodes.of(row.ravel(), col.ravel())
    areas = np.array([np.bincount(node, m.ravel() * 0.25, nodes.count) for m in masks().values()])
    stated = mean_error(areas, nodes, a, noise)
    return [float(got[m].mean()) for m in masks().values()], stated.sigma_m


def test_intervals_hold_the_truth_and_are_not_idle():
    runs = 24
    found = [errors(200 + k, noise=0.02, slow=0.02, up=0.1) for k in range(runs)]
    z = np.array([[e / s for e, s in zip(es, ss, strict=True)] for es, ss in found])
    # Were σ exact, z would be standard normal: 24 × 3 draws, of which the three of one scene go together.
    assert 0.6 < float(np.sqrt((z**2).mean())) < 1.4
    held = (np.abs(z) < 2.0).mean()
    assert held >= 0.88


def test_a_larger_area_is_surer_per_metre_and_less_sure_in_all():
    g, _, _, a, noise = noise_of(3, noise=0.02, slow=0.02)
    nodes = lay_nodes(g, a)
    row, col = np.mgrid[0:N, 0:N]
    node = nodes.of(row.ravel(), col.ravel())
    sizes = [8, 30, 100]
    areas = np.array(
        [np.bincount(node, ((np.hypot(row - 160, col - 160) < s).ravel()) * 0.25, nodes.count) for s in sizes]
    )
    sigma = mean_error(areas, nodes, a, noise).sigma_m
    assert sigma[0] > sigma[1] > sigma[2]
    volume = sigma * areas.sum(axis=1)
    assert volume[0] < volume[1] < volume[2]


def test_an_empty_area_has_no_error():
    g, _, _, a, noise = noise_of(4)
    nodes = lay_nodes(g, a)
    assert np.isnan(mean_error(np.zeros((1, nodes.count)), nodes, a, noise).sigma_m).all()


def test_slope_makes_noise_grow():
    # A later survey that jitters sideways by k cells from place to place is rougher on steep ground.
    rng = np.random.default_rng(5)
    g = grid(N, N)
    from simulated import Held, hills

    x, y = g.east_north(*np.mgrid[0:N, 0:N])
    before = hills(x, y) + rng.normal(0, 0.01, g.shape)
    jitter = 0.15
    after = hills(x + rng.normal(0, jitter, g.shape), y + rng.normal(0, jitter, g.shape))
    after += rng.normal(0, 0.01, g.shape)
    b, c = Held(g, before.astype(np.float32)), Held(g, after.astype(np.float32))
    a = laid(g, b, c, PLAIN)
    noise = measure_noise([w for row in windows(g) for w in load(b, c, row)], g, g, a, 1)
    # σ² = flat² + (k·tan s)² with k the jitter.
    npt.assert_allclose(noise.slope_m, jitter, rtol=0.25)
