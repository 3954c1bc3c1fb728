"""Walls, banks, spoil and the pit's own floor do not carry the base."""

from __future__ import annotations

import numpy as np
import pytest

from survey.volumetrics.base.choose import rebuild

N = 160
ROW, COL = np.mgrid[0:N, 0:N].astype(float)
X, Y = COL - N / 2, N / 2 - ROW
R = np.hypot(X, Y)
ALL = np.ones((N, N), bool)
CELLS = {"cell_east": 1.0, "cell_north": 1.0}


def ground(seed=0):
    rng = np.random.default_rng(seed)
    k = np.hypot(np.fft.fftfreq(N)[:, None], np.fft.fftfreq(N)[None])
    relief = np.fft.ifft2(np.fft.fft2(rng.standard_normal((N, N))) * (k**2 + 1e-4) ** -1.1).real
    return 0.05 * X + 0.03 * Y + 0.4 * relief / relief.std() + 0.02 * rng.standard_normal((N, N))


def relative_error(base, z, before, weight):
    inside = weight > 0
    truth = np.sum((before - z)[inside] * weight[inside])
    return float(np.sum((base.heights - z)[inside] * weight[inside]) / truth - 1)


@pytest.mark.parametrize("seed", range(3))
def test_a_stock_against_a_wall(seed):
    before = ground(seed)
    heap = 5 * np.clip((18 - R) / 8, 0, 1)
    wall = (X > 17) & (X < 20)
    beyond = X >= 20
    z = before + heap + 3.0 * wall + 1.5 * beyond
    weight = np.clip(18 - R + 0.5, 0, 1)
    weight[wall | beyond] = 0
    base = rebuild(z, weight, ALL, **CELLS)
    assert abs(relative_error(base, z, before + 0 * heap, weight)) < 0.05
    assert not (base.ring.rim & wall).any()


@pytest.mark.parametrize("high", [2.0, 3.0, 6.0])
def test_a_pit_under_a_wall_as_high_as_the_pit_is_deep(high):
    """The clearest break is the wall's, over a third of the ring; most of the ring is the ground before."""
    before = 0.3 * ground(3)
    wall = (X > 12) & (R > 18)
    z = before - 2.0 * np.clip((18 - R) / 6, 0, 1) + high * wall
    weight = np.clip(18 - R + 0.5, 0, 1)
    weight[wall] = 0
    # The program keeps off walls when it tries the base elsewhere; the ring is not told of it.
    base = rebuild(z, weight, ALL, **CELLS, ground=~(X > 10))
    assert not (base.ring.wide & wall).any()
    assert abs(relative_error(base, z, before, weight)) < 0.1


@pytest.mark.parametrize("seed", range(3))
def test_a_pit_open_on_one_side(seed):
    """The outline ends where the pit goes on: its floor is not the ground before."""
    before = ground(seed)
    half = np.clip((18 - np.abs(Y)) / 6, 0, 1)
    depth = 6 * np.where(X < 0, np.clip((18 - R) / 6, 0, 1), half)
    weight = np.clip(18 - R + 0.5, 0, 1) * (X < 0)
    z = before - depth
    base = rebuild(z, weight, ALL, **CELLS)
    assert abs(relative_error(base, z, before, weight)) < 0.06
    assert base.ring.share < 0.85
    assert base.ring.rejected > 0.1


@pytest.mark.parametrize("seed", range(3))
def test_a_strip_of_a_long_pit_open_on_two_sides(seed):
    before = ground(seed)
    depth = 6 * np.clip((18 - np.abs(Y)) / 6, 0, 1)
    weight = ((np.abs(Y) < 18) & (np.abs(X) < 14)).astype(float)
    z = before - depth
    base = rebuild(z, weight, ALL, **CELLS)
    assert abs(relative_error(base, z, before, weight)) < 0.08
    assert any("beside" in remark for remark in base.remarks)


@pytest.mark.parametrize("seed", range(3))
def test_a_hillside_cut_whose_floor_runs_out_to_daylight(seed):
    """Where the floor meets the slope the ground is natural although nothing breaks there."""
    before = ground(seed) - 0.35 * Y
    floor = before[80, 80] - 1.0 - 0.02 * Y
    cut = (np.abs(X) < 15) & (np.abs(Y) < 20)
    z = np.where(cut, np.minimum(before, floor), before)
    weight = (cut & (before > floor)).astype(float)
    base = rebuild(z, weight, ALL, **CELLS)
    assert abs(relative_error(base, z, before, weight)) < 0.08


def test_spoil_beside_a_pit_is_left_out():
    before = ground(1)
    weight = np.clip(16 - R + 0.5, 0, 1)
    spoil = 2.5 * np.exp(-((np.hypot(X - 22, Y) / 4) ** 2))
    z = before - 5 * np.clip((16 - R) / 5, 0, 1) + spoil
    base = rebuild(z, weight, ALL, **CELLS)
    assert not (base.ring.wide & (spoil > 1.0)).any()
    assert abs(relative_error(base, z, before, weight)) < 0.05


def test_an_outline_drawn_inside_the_rim_is_noticed():
    before = ground(2)
    z = before - 5 * np.clip((20 - R) / 5, 0, 1)
    weight = np.clip(17 - R + 0.5, 0, 1)  # the face begins three metres farther out
    base = rebuild(z, weight, ALL, **CELLS)
    assert abs(relative_error(base, z, before, weight)) < 0.05
    assert any("nearest" in remark for remark in base.remarks)


def test_a_natural_ring_is_kept_whole():
    for seed in range(4):
        before = ground(seed)
        weight = np.clip(16 - R + 0.5, 0, 1)
        base = rebuild(before - 4 * np.clip((16 - R) / 5, 0, 1), weight, ALL, **CELLS)
        assert base.ring.share == pytest.approx(1)
        assert base.ring.rejected == 0


def test_relief_without_a_site_is_mostly_natural():
    """An outline on ground that nobody dug: what lies off a plane is relief, and stays in the ring."""
    shares = [rebuild(3 * ground(k), np.clip(9 - R + 0.5, 0, 1), ALL, **CELLS).ring.share for k in range(6)]
    # One of them lies on a knoll that might be somebody's.
    assert np.count_nonzero(np.array(shares) > 0.9) >= 5


def test_ground_left_out_that_may_be_natural_widens_the_interval():
    """A low bank beside a shallow pit, on relief as high: with the bank clear of doubt nothing is added."""
    before = ground(5)
    weight = np.clip(14 - R + 0.5, 0, 1)
    z = before - 3 * np.clip((14 - R) / 5, 0, 1)
    plain = rebuild(z, weight, ALL, **CELLS)
    walled = rebuild(z + 6.0 * ((X > 13) & (R > 14)), weight, ALL, **CELLS, ground=~(X > 12))
    banked = rebuild(z + 0.9 * ((X > 9) & (R > 14)), weight, ALL, **CELLS, ground=~(X > 8))
    for base in (plain, walled):
        assert not any("whether it is natural" in remark for remark in base.remarks)
    if banked.ring.rejected:
        assert any("whether it is natural" in remark for remark in banked.remarks)
        assert banked.sigma_m3 > plain.sigma_m3
