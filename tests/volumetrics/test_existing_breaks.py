"""Breaks of slope against closed forms, and that nothing depends on how the ground is cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.grid import Grid
from survey.volumetrics import existing
from survey.volumetrics.existing import Look

CELL = 0.5


def points(rows: int = 120, cols: int = 130) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(cols)[None, :] * CELL + np.zeros((rows, 1)), np.arange(rows)[:, None] * CELL + np.zeros(
        (1, cols)
    )


@given(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8))
@settings(max_examples=25, deadline=None)
def test_no_plane_breaks_however_steep(east: float, north: float) -> None:
    x, y = points(60, 60)
    z = (400 + east * x + north * y).astype(np.float32)
    for distance in Look().distances_m:
        inside = existing.breaks(z, CELL, distance)[20:-20, 20:-20]
        # A float32 height of 400 m is known to 3e-5 m.
        assert np.abs(inside).max() < 1e-4


@pytest.mark.parametrize("distance", [4.0, 8.0])
@pytest.mark.parametrize("turn_deg", [0.0, 30.0, 77.0])
def test_break_of_a_straight_rim(distance: float, turn_deg: float) -> None:
    # f(t) = −m·max(t, 0): a pair at angle φ to the fall has the mean −m·s·|cos φ|/2, the median of |cos φ|
    # over eight even directions lies at 1/√2 (0.69 to 0.73 for any turn).
    x, y = points()
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    t = (x - x.mean()) * c + (y - y.mean()) * s
    fall = 0.6
    z = (100 - fall * np.maximum(t, 0)).astype(np.float32)
    found = existing.breaks(z, CELL, distance)
    sharp = 0.5 * fall / math.sqrt(2)
    # The mean over the square around the rim lies lower than the rim, by the mean of max(t, 0) over it.
    half_width = round(distance / 8 / CELL) * CELL
    assert 0.95 * sharp - fall * 0.5 * half_width / distance <= found[40:-40, 40:-40].max() <= 1.05 * sharp
    assert found[40:-40, 40:-40].min() > -0.02


def test_a_rim_is_positive_and_a_toe_negative() -> None:
    x, _ = points()
    z = (100 - np.clip(x - 30, 0, 3)).astype(np.float32)
    found = existing.breaks(z, CELL, 2.0)[60]
    assert found[round(30 / CELL)] > 0.1
    assert found[round(33 / CELL)] < -0.1


def test_what_was_not_measured_has_no_break() -> None:
    x, y = points(60, 60)
    z = (100 + 0.1 * x + 0.05 * y).astype(np.float32)
    z[20:30, 20:40] = np.nan
    found = existing.breaks(z, CELL, 4.0)
    assert np.isnan(found[20:30, 20:40]).all()
    assert np.isfinite(np.delete(found, np.s_[20:30], axis=0)).all()
    # Beside a gap on a plane there is no break either: pairs of which one is missing do not speak.
    assert np.nanmax(np.abs(found[10:50, 10:50])) < 1e-3


def test_histograms_add_up_and_tell_the_spread() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.05, (400, 300)).astype(np.float32)
    whole = existing.histogram(values)
    assert (whole == existing.histogram(values[:150]) + existing.histogram(values[150:])).all()
    assert existing.spread_of(whole) == pytest.approx(0.05, rel=0.02)
    assert existing.spread_of(np.zeros(existing.BINS, np.int64)) == 0


def test_limits_follow_the_survey_but_not_below_the_least() -> None:
    look = Look()
    calm = [np.eye(1, existing.BINS, 0, dtype=np.int64)[0]] * 3
    assert existing.limits(look, calm) == look.least_breaks
    rough = [np.eye(1, existing.BINS, 400, dtype=np.int64)[0]] * 3
    assert all(x == pytest.approx(look.spreads * 1.4826 * 400.5 / 2048) for x in existing.limits(look, rough))


@given(st.integers(0, 10_000), st.integers(30, 70), st.integers(30, 70))
@settings(max_examples=10, deadline=None)
def test_a_piece_with_its_surroundings_breaks_as_the_whole(seed: int, row: int, col: int) -> None:
    rng = np.random.default_rng(seed)
    z = rng.normal(100, 0.3, (110, 120)).astype(np.float32)
    z[rng.random(z.shape) < 0.05] = np.nan
    look = Look()
    halo = look.reach(CELL)
    at_least = (0.1, 0.08, 0.05)
    whole = existing.disturbed(z, CELL, look, at_least)
    piece = existing.disturbed(
        z[row - halo : row + 10 + halo, col - halo : col + 15 + halo], CELL, look, at_least
    )
    assert (piece[halo:-halo, halo:-halo] == whole[row : row + 10, col : col + 15]).all()


def test_working_cells_are_whole_blocks() -> None:
    for cell, block in ((0.05, 10), (0.25, 2), (0.4, 2), (0.5, 1), (1.0, 1), (2.0, 1)):
        assert Look().block(Grid("EPSG:32643", 0, 0, cell, cell, 10, 10)) == block
