"""Each way to rebuild the ground, against ground whose shape is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.errors import InputRefused
from survey.volumetrics.base.choose import LOWEST, METHODS, rebuild
from survey.volumetrics.base.frame import make_frame, refine

N = 120
ROW, COL = np.mgrid[0:N, 0:N].astype(float)
X, Y = COL - N / 2, N / 2 - ROW
R = np.hypot(X, Y)
DISC = np.clip(15 - R + 0.5, 0, 1)
ALL = np.ones((N, N), bool)
PIT = 4 * np.clip((15 - R) / 5, 0, 1)


def volume(base, z, weight):
    return float(np.sum(((base - z) * weight)[weight > 0]))


def rebuilt(ground, method, weight=DISC, dug=PIT, usable=ALL, **more):
    return rebuild(ground - dug, weight, usable, 1.0, 1.0, method=method, **more)


@pytest.mark.parametrize("method", METHODS[:-1])
def test_every_method_rebuilds_a_sloping_plane(method):
    ground = 300 + 0.12 * X - 0.07 * Y
    base = rebuilt(ground, method)
    np.testing.assert_allclose(base.heights[DISC > 0], ground[DISC > 0], atol=2e-3)
    assert volume(base.heights, ground - PIT, DISC) == pytest.approx((PIT * DISC).sum(), rel=1e-3)


@pytest.mark.parametrize("method", [*METHODS, LOWEST])
def test_every_method_rebuilds_level_ground(method):
    base = rebuilt(np.full((N, N), 412.25), method)
    np.testing.assert_allclose(base.heights[DISC > 0], 412.25, atol=1e-6)
    assert base.sigma_m3 == pytest.approx(0, abs=1e-3)


def test_a_dome_is_rebuilt_by_the_smooth_trend_and_cut_off_by_plane_and_tin():
    """z = −c r²: over a disc of radius R the plane through a ring at R lies c R²/2 too low on the mean."""
    ground = -0.01 * R**2
    errors = {
        name: volume(rebuilt(ground, name, dug=0 * PIT).heights, ground, DISC)
        for name in ("smooth trend", "thin-plate spline", "plane", "TIN", "Laplace")
    }
    cut_off = 0.01 * np.pi * 15**4 / 2
    assert abs(errors["smooth trend"]) < 1e-6
    assert abs(errors["thin-plate spline"]) < 0.15 * cut_off
    for name in ("plane", "TIN", "Laplace"):
        assert errors[name] < -0.99 * cut_off
    auto = rebuilt(ground, "auto")
    assert auto.method in ("smooth trend", "thin-plate spline")
    assert volume(auto.heights, ground - PIT, DISC) == pytest.approx((PIT * DISC).sum(), rel=1e-3)


def test_mean_and_lowest_rim_on_a_slope():
    ground = 0.1 * X
    mean = rebuilt(ground, "mean rim level").heights
    assert np.ptp(mean[DISC > 0]) < 1e-9
    assert mean[60, 60] == pytest.approx(ground[60, 60], abs=1e-6)
    lowest = rebuilt(ground, LOWEST).heights[60, 60]
    # The rim begins a cell beyond the outline and is two and a half cells wide.
    assert ground[60, 60] - 2.0 < lowest < ground[60, 60] - 1.5


@settings(max_examples=16, deadline=None)
@given(
    st.sampled_from(METHODS),
    st.floats(-500, 500),
    st.sampled_from([0, 1, 2, 3]),
    st.booleans(),
)
def test_lifting_and_turning_the_world_turns_the_base(method, lift, quarters, mirrored):
    rng = np.random.default_rng(4)
    ground = rng.standard_normal((60, 60)).cumsum(0).cumsum(1) / 60
    weight = np.zeros((60, 60))
    weight[20:41, 22:35] = 1.0

    def turn(array):
        return np.rot90(array[:, ::-1] if mirrored else array, quarters)

    usable = np.ones((60, 60), bool)
    ring = usable & ~usable  # no trials: only the base is looked at
    here = rebuild(ground, weight, usable, 1.0, 1.0, method=method, ground=ring)
    there = rebuild(turn(ground) + lift, turn(weight), usable, 1.0, 1.0, method=method, ground=ring)
    inside = weight > 0
    # Four rim heights in a square have two triangulations, and a block as far from two owners has one.
    tolerance = 0.1 if method in ("TIN", "natural neighbour") else 1e-5
    np.testing.assert_allclose(
        turn(here.heights)[turn(inside)] + lift, there.heights[turn(inside)], atol=tolerance
    )


def test_a_coarse_frame_gives_the_volume_of_the_fine_one():
    ground = 0.004 * X**2 + 0.05 * Y
    fine = rebuild(ground - PIT, DISC, ALL, 1.0, 1.0, method="thin-plate spline")
    four = np.kron(ground - PIT, np.ones((4, 4)))
    # The same ground in cells a quarter as wide: the frame then works on blocks.
    row, col = (np.mgrid[0 : 4 * N, 0 : 4 * N] - 1.5) / 4
    x, y = col - N / 2, N / 2 - row
    four = 0.004 * x**2 + 0.05 * y - 4 * np.clip((15 - np.hypot(x, y)) / 5, 0, 1)
    weight = np.clip((15 - np.hypot(x, y)) * 4 + 0.5, 0, 1)
    blocks = rebuild(four, weight, np.ones_like(four, bool), 0.25, 0.25, method="thin-plate spline")
    one = volume(fine.heights, ground - PIT, DISC)
    other = volume(blocks.heights, four, weight) / 16
    assert other == pytest.approx(one, rel=0.005)


def test_working_blocks_lie_at_absolute_cells():
    """The same blocks, whatever corner the piece was cut from."""
    rng = np.random.default_rng(2)
    z = rng.standard_normal((200, 200))
    weight = np.zeros_like(z)
    weight[80:130, 70:140] = 1
    usable = np.ones_like(z, bool)
    whole = make_frame(z, weight, usable, 1, 1, origin=(0, 0), factor=4)
    part = make_frame(z[7:190, 13:], weight[7:190, 13:], usable[7:190, 13:], 1, 1, origin=(7, 13), factor=4)
    inner = part.z[1:-1, 1:]
    # Block (1, 1) of the part begins at absolute cell 8, 16: block (2, 4) of the whole.
    np.testing.assert_allclose(
        inner, whole.z[2 : 2 + inner.shape[0], 4 : 4 + inner.shape[1]], atol=1e-12, equal_nan=True
    )


def test_refining_keeps_a_slope_and_does_not_invent_ground():
    z = np.zeros((40, 40))
    weight = np.zeros_like(z)
    weight[12:28, 12:28] = 1
    frame = make_frame(z, weight, np.ones_like(z, bool), 1, 1, factor=4)
    cols = np.arange(10)
    slope = np.where(frame.inside, 1.0 * cols, np.nan)
    fine = refine(slope, frame, z.shape)
    inner = fine[14:26, 14:26]
    expected = (np.arange(14, 26) + 0.5) / 4 - 0.5
    np.testing.assert_allclose(inner, np.broadcast_to(expected, inner.shape), atol=1e-12)
    assert np.isnan(fine[0, 0])


def test_a_site_without_ground_around_it_is_refused():
    with pytest.raises(InputRefused, match="no natural ground"):
        rebuilt(0 * X, "auto", usable=~ALL)
    with pytest.raises(InputRefused, match="outside the measured ground"):
        rebuild(0 * X, 0 * DISC, ALL, 1.0, 1.0)
    with pytest.raises(InputRefused, match="unknown method"):
        rebuilt(0 * X, "guess")


def test_unmeasured_ground_does_not_enter_the_base():
    ground = 0.05 * X
    holes = np.random.default_rng(1).random((N, N)) < 0.2
    base = rebuild(np.where(holes, np.nan, ground - PIT), DISC, ALL, 1.0, 1.0, method="plane")
    np.testing.assert_allclose(base.heights[DISC > 0], ground[DISC > 0], atol=1e-6)
