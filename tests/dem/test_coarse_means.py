"""Means over blocks, and what stable ground says of a fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.dem.coarse import around, block_mean, block_size, coarsened
from survey.dem.residuals import residual_summary
from survey.grid import Bounds, Grid

GRID = Grid("EPSG:32643", 500_000.0, 2_500_000.0, 0.1, 0.2, 103, 77)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(0, 1000))
def test_a_block_is_the_mean_of_its_measured_cells(block, seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(300, 5, GRID.shape).astype(np.float32)
    z[rng.random(z.shape) < 0.3] = np.nan
    mean = block_mean(z, block)
    assert mean.shape == coarsened(GRID, block).shape
    for r, c in [(0, 0), (mean.shape[0] - 1, mean.shape[1] - 1), (mean.shape[0] // 2, 0)]:
        part = z[r * block : (r + 1) * block, c * block : (c + 1) * block].astype(np.float64)
        known = part[np.isfinite(part)]
        if 2 * len(known) >= block * block:
            assert mean[r, c] == pytest.approx(known.mean(), abs=1e-3)
        else:
            assert np.isnan(mean[r, c])


def test_blocks_do_not_depend_on_how_the_ground_was_cut():
    z = np.random.default_rng(1).normal(0, 1, (60, 84)).astype(np.float32)
    whole = block_mean(z, 6)
    np.testing.assert_array_equal(np.hstack([block_mean(z[:, :36], 6), block_mean(z[:, 36:], 6)]), whole)


def test_the_coarse_grid_starts_at_the_same_corner_with_larger_cells():
    piece = GRID[20:60, 10:50]
    coarse = coarsened(piece, 4)
    assert (coarse.left, coarse.top) == pytest.approx((piece.left, piece.top))
    assert (coarse.cell_east, coarse.cell_north) == pytest.approx((0.4, 0.8))
    assert coarse.shape == (10, 10)


def test_the_block_is_wide_enough_and_not_too_many():
    assert block_size(GRID, finest_m=0.25, most_cells=10**9) == 2
    assert block_size(GRID, finest_m=0.0, most_cells=103 * 77) == 1
    assert block_size(GRID, finest_m=0.0, most_cells=100) == 9


def test_around_keeps_to_the_grid():
    assert around(GRID, None) is GRID
    assert around(GRID, Bounds(0.0, 0.0, 1.0, 1.0)) is GRID
    piece = around(GRID, Bounds(500_001.0, 2_499_990.0, 500_002.0, 2_499_995.0))
    assert piece.bounds.west <= 500_001.0 < piece.bounds.west + 0.1 + 1e-9


def test_a_horizontal_shift_shows_as_a_ring_off_centre():
    # Ground that falls towards its aspect: moving it by (east, north) changes heights by slope·shift·cos.
    rng = np.random.default_rng(2)
    aspect, slope = rng.uniform(0, 360, 20_000), rng.uniform(0.1, 0.6, 20_000)
    east, north = 0.30, -0.12
    rise = slope * (east * np.sin(np.radians(aspect)) + north * np.cos(np.radians(aspect)))
    summary = residual_summary(rise, np.zeros_like(rise), slope, aspect)
    by = {s["aspect_deg"]: s for s in summary["sectors"]}
    assert by[90.0]["before_m"] == pytest.approx(0.30, abs=0.02)
    assert by[180.0]["before_m"] == pytest.approx(0.12, abs=0.02)
    assert by[0.0]["after_m"] == 0.0
    assert sum(s["cells"] for s in summary["sectors"]) == 20_000


def test_the_histogram_counts_every_cell_but_the_outermost():
    rise = np.random.default_rng(0).normal(0, 1, 5000)
    summary = residual_summary(rise, rise / 2, np.full(5000, 0.2), np.zeros(5000))
    assert sum(summary["after"]) == 5000
    assert 4900 <= sum(summary["before"]) <= 5000
    assert len(summary["edges_m"]) == len(summary["before"]) + 1
    assert residual_summary(np.array([np.nan]), np.array([1.0]), np.zeros(1), np.zeros(1))["before"] == []
