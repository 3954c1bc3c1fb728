"""Heights in whole steps: found where they are, and the noise is no longer taken for nought."""

from __future__ import annotations

import numpy as np
import numpy.testing as npt
import pytest

from survey.dem.robust import nmad
from survey.dem.sampling import Window
from survey.dem.steps import spread_in_steps, step_of
from survey.grid import Grid

N = 200
NORTH, EAST = np.mgrid[0:N, 0:N].astype(float)


def survey_of(seed: int, sigma_m: float = 0.02) -> np.ndarray:
    return 300 + 0.03 * EAST - 0.02 * NORTH + sigma_m * np.random.default_rng(seed).standard_normal((N, N))


def rounded(z: np.ndarray, step: float) -> np.ndarray:
    return (np.round(z / step) * step).astype(np.float32)


def window(before: np.ndarray, after: np.ndarray) -> Window:
    grid = Grid("EPSG:32643", 0.0, 200.0, 1.0, 1.0, N, N)
    return Window(grid, before.astype(np.float32), after.astype(np.float32), grid)


@pytest.mark.parametrize("step", [0.001, 0.01, 0.03048, 0.1, 0.25, 1.0])
@pytest.mark.parametrize("level", [0.0, 2100.0])
def test_a_step_is_found(step, level):
    if level and step < 0.01:
        step *= 4  # float32 knows 2100 m to a quarter of a millimetre only
    # … and half of that each way is all that the step may be off by.
    npt.assert_allclose(step_of([rounded(survey_of(1) + level, step)]), step, atol=2.5e-4 if level else 2e-5)


@pytest.mark.parametrize("level", [0.0, 700.0, 1500.0, 2100.0, 4300.0])
@pytest.mark.parametrize("sigma_m", [0.02, 1.0])
def test_what_float32_does_to_high_ground_is_no_step(level, sigma_m):
    assert step_of([(survey_of(1, sigma_m) + level).astype(np.float32)]) == 0.0


def test_heights_that_were_not_rounded_have_none():
    assert step_of([survey_of(1).astype(np.float32)]) == 0.0
    assert step_of([(300 + 0 * EAST).astype(np.float32)]) == 0.0
    assert step_of([np.full((N, N), np.nan, np.float32)]) == 0.0
    assert step_of([]) == 0.0


def test_a_survey_of_which_half_was_rounded_has_none():
    z = survey_of(1)
    z[: N // 2] = rounded(z[: N // 2], 0.1)
    assert step_of([z.astype(np.float32)]) == 0.0


def test_a_sample_without_steps_is_left_alone():
    sample = [window(survey_of(1), survey_of(2))]
    assert spread_in_steps(sample)[0] is sample


def test_the_spread_is_that_of_the_surveys_and_their_rounding():
    """σ² = σ₁² + σ₂² + 2·q²/12 of the rounded surveys, and once more 2·q²/12 for where they were put."""
    q, sigma = 0.1, 0.02
    w = window(rounded(survey_of(1, sigma), q), rounded(survey_of(2, sigma), q))
    assert nmad((w.after - w.before).ravel().astype(float)) == 0.0  # what a median makes of them
    (put,), before, after = spread_in_steps([w])
    npt.assert_allclose((before, after), q, atol=1e-4)
    npt.assert_allclose(put.before, w.before, atol=q / 2 + 1e-4)
    rise = (put.after - put.before).ravel().astype(float)
    truth = np.sqrt(2 * sigma**2 + 2 * q**2 / 12)
    # 40,000 cells tell a standard deviation to half a percent; twice the rounding is at most √2 more.
    assert truth <= rise.std() <= 1.42 * truth
    assert nmad(rise) >= 0.95 * truth
    npt.assert_allclose(rise.mean(), float((w.after - w.before).mean()), atol=5 * q / np.sqrt(12 * N * N))


def test_where_a_height_is_put_hangs_on_its_cell_alone():
    z = rounded(survey_of(1), 0.1)
    whole = spread_in_steps([window(z, z)])[0][0]
    grid = whole.piece[50:N, 30:N]
    part = Window(grid, z[50:, 30:], z[50:, 30:], grid)
    npt.assert_array_equal(spread_in_steps([part])[0][0].before, whole.before[50:, 30:])
    # Each survey has chances of its own: one laid on itself does not rise by nought.
    assert (whole.before != whole.after).mean() > 0.99
