"""Volumes under an outline: closed forms, laws, and intervals that mean what they say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.volumetrics.stock import (
    FULL,
    Amount,
    Doubt,
    amount,
    rectified,
    steep_wall_sigma,
    volumes,
)

R0, H = 20.0, 5.0


def laid(cell, shape, radius=R0, offset=(0.13, 0.29)):
    """A solid of revolution on a grid: heights over a level base, and exact disc weights by subsampling."""
    n = int(2 * (radius + 3) / cell)
    at = (np.arange(n) + 0.5) * cell - n * cell / 2
    x, y = at[None, :] + offset[0], at[:, None] + offset[1]
    r = np.hypot(x, y)
    k = 16
    fine = (np.arange(n * k) + 0.5) * cell / k - n * cell / 2
    inside = np.hypot(fine[None, :] + offset[0], fine[:, None] + offset[1]) <= radius
    weight = np.rint(inside.reshape(n, k, n, k).mean(axis=(1, 3)) * FULL).astype(np.uint16)
    return shape(r), weight


def cone(r):
    return np.maximum(H * (1 - r / R0), 0)


def paraboloid(r):
    return np.maximum(H * (1 - (r / R0) ** 2), 0)


def frustum(r):
    return np.clip(H * (R0 - r) / (R0 - 8.0), 0, H)


@pytest.mark.parametrize(
    ("shape", "truth", "order"),
    [(cone, 2094.3951, 2.0), (paraboloid, 3141.5927, 2.0), (frustum, 3267.2564, 2.0)],
)
@pytest.mark.parametrize("cell", [1.0, 0.5, 0.25])
def test_heaps_of_closed_form(shape, truth, order, cell):
    """Relative error at 1 m below 1e-3 and falling with the square of the cell."""
    z, weight = laid(cell, shape)
    got = amount(300 + z, np.full_like(z, 300.0), weight, cell**2)
    assert not got.pit
    assert got.fill_m3 == pytest.approx(truth, rel=1e-3 * cell**order + 2e-5)
    assert got.cut_m3 == 0
    assert got.greatest_m <= H + 1e-4
    assert got.area_m2 == pytest.approx(math.pi * R0**2, rel=2e-3)


def test_a_pit_is_the_heap_turned_over():
    z, weight = laid(0.5, cone)
    heap = amount(z, 0 * z, weight, 0.25)
    pit = amount(-z, 0 * z, weight, 0.25)
    assert pit.pit
    assert (pit.cut_m3, pit.fill_m3) == (heap.fill_m3, heap.cut_m3)
    assert (pit.greatest_m, pit.mean_m, pit.deepest) == (heap.greatest_m, heap.mean_m, heap.deepest)
    assert pit.net_m3 == -heap.net_m3


def test_cut_and_fill_are_both_reported():
    surface = np.array([[2.0, -1.0], [np.nan, 0.0]])
    weight = np.full((2, 2), FULL, np.uint16)
    got = amount(surface, np.zeros((2, 2)), weight, 4.0)
    assert (got.cut_m3, got.fill_m3, got.net_m3) == (4.0, 8.0, 4.0)
    assert (got.area_m2, got.missing_m2, got.measured_m2) == (16.0, 4.0, 12.0)


def test_what_was_not_measured_is_no_zero():
    nothing = np.full((3, 3), np.nan)
    got = amount(nothing, np.zeros((3, 3)), np.full((3, 3), FULL, np.uint16), 1.0)
    assert got.missing_m2 == got.area_m2 == 9
    assert math.isnan(got.mean_m)
    assert got.deepest is None
    made = volumes(got, (Doubt("base", 1.0),))
    assert not made.cut.known
    assert not made.net.known


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 11))
def test_parts_sum_to_the_whole_to_the_last_bit(seed, cut_at):
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 3, (12, 12))
    z[rng.random((12, 12)) < 0.1] = np.nan
    whole = rng.integers(0, FULL + 1, (12, 12)).astype(np.uint16)
    one = np.minimum(whole, rng.integers(0, FULL + 1, (12, 12))).astype(np.uint16)
    base = np.zeros((12, 12))
    # 1/16 m² keeps the products exact, so that equality can be asked for.
    all_of_it = amount(z, base, whole, 0.0625)
    halves = [amount(z, base, w.astype(np.uint16), 0.0625) for w in (one, whole - one)]
    for name in ("cut_m3", "fill_m3", "area_m2", "missing_m2"):
        assert sum(getattr(h, name) for h in halves) == getattr(all_of_it, name)
    blocks = [amount(z[s], base[s], whole[s], 0.0625) for s in (np.s_[:cut_at], np.s_[cut_at:])]
    assert sum(b.cut_m3 for b in blocks) == all_of_it.cut_m3


def parts_with(cut, fill, cut_m2, fill_m2):
    area = cut_m2 + fill_m2
    return Amount(cut, fill, area, 0.0, cut_m2, fill_m2, 0.0, 1.0, 2.0, (0, 0), cut > fill)


def test_doubts_add_in_squares_and_few_trials_widen():
    made = volumes(parts_with(100.0, 0.0, 50.0, 0.0), (Doubt("base", 3.0), Doubt("survey", 4.0)))
    assert made.sigma_m3 == pytest.approx(5.0)
    assert made.net.half_width == pytest.approx(1.959964 * 5, rel=1e-6)
    few = volumes(parts_with(100.0, 0.0, 50.0, 0.0), (Doubt("base", 5.0, dof=4.0),))
    assert few.net.half_width == pytest.approx(2.776445 * 5, rel=1e-6)  # t(0.975, 4)
    assert few.cut.lo < 100 < few.cut.hi


def test_a_gross_volume_is_never_below_zero_and_its_interval_holds_it():
    made = volumes(parts_with(5.0, 1.0, 60.0, 40.0), (Doubt("base", 30.0),), blurred=(2.0, 2.0))
    assert made.fill.lo == 0
    assert made.cut.lo == 0
    assert made.fill.hi >= made.fill.value == 1.0
    assert made.fill.half_width < made.net.half_width


def test_noise_on_flat_ground_is_not_taken_for_work():
    """On flat ground noise σ puts σ/√(2π) · area into cut and as much into fill."""
    rng = np.random.default_rng(3)
    z = rng.normal(0, 0.05, (200, 200))
    weight = np.full(z.shape, FULL, np.uint16)
    got = amount(z, 0 * z, weight, 1.0)
    expected = 0.05 / math.sqrt(2 * math.pi) * 40_000
    assert got.cut_m3 == pytest.approx(expected, rel=0.02)
    cut, fill = rectified(0 * z, 0 * z, weight, 1.0, 0.05)
    assert cut == fill == pytest.approx(expected, rel=1e-9)
    deep, _ = rectified(z - 3, 0 * z, weight, 1.0, 0.05)
    assert deep < 1e-6
    made = volumes(got, (Doubt("survey", 1.0),), blurred=(cut, fill))
    assert made.cut.lo == pytest.approx(0, abs=0.05 * expected)


def test_a_wall_sampled_by_cells():
    """A cylinder at random places on the grid scatters as σ = h·√(0.0724·s³·P) says."""
    h, cell, radius = 5.0, 1.0, 12.0
    rng = np.random.default_rng(8)
    n = 40
    at = np.arange(n) + 0.5 - n / 2
    counts = []
    for _ in range(300):
        dx, dy = rng.random(2)
        counts.append((np.hypot(at[None, :] + dx, at[:, None] + dy) <= radius).sum())
    assert h * np.std(counts) == pytest.approx(steep_wall_sigma(2 * math.pi * radius, h, cell), rel=0.25)
