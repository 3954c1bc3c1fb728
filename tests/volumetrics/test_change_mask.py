"""Verdicts of cells: walls stay where they stand, gentle rims are reached, shallow plates stay whole."""

from __future__ import annotations

import numpy as np
import pytest

from survey.volumetrics.change_mask import Thresholds, change_mask

CELL = 0.5
QUIET = Thresholds(low_m=0.04, seed_m=0.066, slope_gain=0.0, radius=2, cell_m=0.05)


def grains(rise: np.ndarray) -> np.ndarray:
    return np.round(rise * 65536).astype(np.int32)


def verdict(rise: np.ndarray, thresholds: Thresholds = QUIET, before: np.ndarray | None = None) -> np.ndarray:
    before = np.zeros(rise.shape, np.float32) if before is None else before
    return change_mask(grains(rise), before, CELL, CELL, thresholds)[0]


def test_a_vertical_wall_stays_where_it_stands() -> None:
    rise = np.zeros((60, 60))
    rise[20:40, 15:45] = -3.0
    assert ((verdict(rise) < 0) == (rise < 0)).all()


def test_cells_that_a_wall_crosses_belong_to_the_change() -> None:
    rise = np.zeros((60, 60))
    rise[20:40, 15:45] = 3.0
    rise[19, 15:45] = 0.1 * 3.0  # a tenth of each of these cells is covered
    assert (verdict(rise)[19, 17:43] > 0).all()


def test_a_plate_barely_above_its_noise_is_whole() -> None:
    """0.15 m under noise of 0.05 m per cell: single cells often vanish, their neighbourhood does not."""
    rise = np.zeros((80, 80))
    rise[20:60, 20:60] = 0.15
    noisy = rise + np.random.default_rng(3).normal(0, 0.05, rise.shape)
    inner = verdict(noisy)[22:58, 22:58]
    assert (inner > 0).all()


def test_a_cone_is_found_to_where_it_meets_the_level() -> None:
    """The outline of a cone of slope 0.6 lies within one cell of where it rises by the low level."""
    r = np.hypot(*(np.mgrid[-40:41, -40:41] * CELL))
    rise = np.maximum(6.0 - 0.6 * r, 0.0)
    reached = np.sqrt((verdict(rise) > 0).sum() * CELL**2 / np.pi)
    assert reached == pytest.approx((6.0 - QUIET.low_m) / 0.6, abs=CELL)


def test_swapping_the_surveys_swaps_the_signs() -> None:
    rise = np.random.default_rng(5).normal(0, 0.08, (50, 70))
    assert (verdict(rise) == -verdict(-rise)).all()


def test_a_cell_nobody_measured_is_no_change() -> None:
    g = grains(np.full((30, 30), 2.0))
    g[10:12, 10:12] = -(2**31)
    mask, smooth = change_mask(g, np.zeros((30, 30), np.float32), CELL, CELL, QUIET)
    assert (mask[10:12, 10:12] == 0).all()
    assert np.isnan(smooth[10:12, 10:12]).all()


def test_the_level_grows_with_slope() -> None:
    """On a slope of 1 a gain of 3 lifts the level by √10."""
    rise = np.full((40, 40), 0.1)
    tilted = np.broadcast_to((np.arange(40) * CELL).astype(np.float32), (40, 40)).copy()
    steep = Thresholds(0.04, 0.066, 3.0, 2, 0.05)
    assert (verdict(rise, steep)[5:-5, 5:-5] != 0).all()
    assert (verdict(rise, steep, tilted)[5:-5, 5:-5] == 0).all()
    assert (verdict(rise * 1.3, steep, tilted)[5:-5, 5:-5] != 0).all()  # 0.13 > 0.04·√10 = 0.1265


@pytest.mark.parametrize("cut", [13, 20, 31])
def test_a_piece_with_its_halo_gives_the_verdict_of_the_whole(cut: int) -> None:
    rng = np.random.default_rng(cut)
    rise = rng.normal(0, 0.06, (60, 60))
    rise[10:40, 20:50] -= 1.0
    before = rng.normal(0, 1, (60, 60)).astype(np.float32)
    t = Thresholds(0.04, 0.066, 0.5, 2, 0.05, 0.4)
    whole = change_mask(grains(rise), before, CELL, CELL, t)[0]
    upper = change_mask(grains(rise)[: cut + t.halo], before[: cut + t.halo], CELL, CELL, t)[0][:cut]
    start = cut - t.halo
    lower = change_mask(grains(rise)[start:], before[start:], CELL, CELL, t)[0][t.halo :]
    assert (np.concatenate([upper, lower]) == whole).all()
