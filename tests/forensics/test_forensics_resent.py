"""Copies of last year's surface are seen, two honest flights are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from survey.forensics.moved import find_move, judge_resampled, resampled_copy
from survey.forensics.noise import last_digit
from survey.forensics.pair_windows import PairWindows, pair_windows
from survey.forensics.resent import judge_pair
from survey.sample_data import make_scene
from survey.sample_data.survey_error import ErrorModel


def flags(before, after, cell_m=1.0):
    return [(f.name, f.strength) for f in judge_pair(pair_windows(before, after), cell_m).flags]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"after_error": ErrorModel(random_m=0.05, correlated_m=0.03, east_m=0.4, north_m=-0.3)},
        {"smoothing_cells": 1.5},
        {"before_error": ErrorModel(random_m=0.01, correlated_m=0.01), "workings_growth": 0.3},
    ],
    ids=["alike", "worse and shifted", "matched densely", "better and dug"],
)
def test_two_flights_raise_nothing(seed, wishes):
    scene = make_scene(seed, size_m=(240.0, 240.0), **wishes)
    outcome = judge_pair(pair_windows(scene.before, scene.after), 1.0)
    assert outcome.no_power is None
    assert outcome.flags == ()


def test_two_flights_without_correlated_noise_raise_nothing():
    # The hard case: nothing but white noise, so the difference of two flights is as white as a forgery's.
    plain = ErrorModel(random_m=0.02, slope_factor=0.0, correlated_m=0.0)
    for seed in range(4):
        scene = make_scene(seed, size_m=(240.0, 240.0), before_error=plain, after_error=plain)
        assert judge_pair(pair_windows(scene.before, scene.after), 1.0).flags == ()


def test_an_earlier_flight_on_finer_cells_has_no_noise_that_could_be_missing():
    """Between cells it is a mean of four of them: half of their noise, a quarter of its variance."""
    rng = np.random.default_rng(11)
    row, col = np.mgrid[0:352, 0:352].astype(float)
    ground = 300 + 3 * np.sin(row / 40) * np.cos(col / 55) + 0.02 * rng.standard_normal((352, 352))
    earlier = ground + 0.02 * rng.standard_normal((4, 352, 352)).mean(axis=0)
    later = ground + 0.02 * rng.standard_normal((352, 352))
    w = pair_windows(earlier.astype(np.float32), later.astype(np.float32))
    assert judge_pair(w, 2.0, cells_on_cells=False).flags == ()
    # A copy is one whatever its cells, …
    again = pair_windows(earlier.astype(np.float32), earlier.astype(np.float32))
    assert [f.name for f in judge_pair(again, 2.0, cells_on_cells=False).flags] == ["identical"]
    # … and where cells lie on cells, noise that is missing tells.
    noisy = pair_windows(
        earlier.astype(np.float32), (earlier + 0.02 * rng.standard_normal((352, 352))).astype(np.float32)
    )
    assert [f.name for f in judge_pair(noisy, 2.0).flags] == ["noise added"]


def test_sent_again_as_it_was(honest):
    assert flags(honest.before, honest.before.copy()) == [("identical", "strong")]


def test_sent_again_with_a_constant(honest):
    outcome = judge_pair(pair_windows(honest.before, honest.before + np.float32(0.37)), 1.0)
    (flag,) = outcome.flags
    assert (flag.name, flag.strength) == ("constant added", "strong")
    assert flag.evidence["rise_m"] == pytest.approx(0.37, abs=1e-3)
    assert flag.evidence["copied_part"] > 0.99


def test_sent_again_with_a_tilt(honest):
    east = np.arange(honest.before.shape[1], dtype=np.float32) * np.float32(1e-3)
    assert flags(honest.before, honest.before + east) == [("smooth surface added", "strong")]


def test_sent_again_with_a_pit_dug_into_it(honest):
    forged = honest.before.copy()
    forged[100:140, 80:150] -= 6
    ((name, strength),) = flags(honest.before, forged)
    assert (name, strength) == ("identical", "strong")


def test_sent_again_rounded_to_centimetres_in_both_years(honest):
    before = np.round(honest.before, 2).astype(np.float32)
    assert flags(before, before.copy())[0][1] == "strong"
    assert flags(before, np.round(honest.after, 2).astype(np.float32)) == []


@pytest.mark.parametrize("sigma", [0.005, 0.02, 0.05, 0.15])
def test_sent_again_with_noise(honest, rng, sigma):
    forged = (honest.before + sigma * rng.standard_normal(honest.before.shape)).astype(np.float32)
    ((name, strength),) = flags(honest.before, forged)
    assert name == "noise added"
    assert strength in ("moderate", "strong")


def test_a_part_sent_again(honest):
    forged = honest.after.copy()
    forged[64:160, 96:192] = honest.before[64:160, 96:192] + np.float32(0.2)
    (flag,) = judge_pair(pair_windows(honest.before, forged), 1.0).flags
    assert flag.name == "in part: constant added"
    (box,) = flag.where
    assert (box.row, box.col, box.height, box.width) == (64, 96, 96, 96)


def test_a_part_sent_again_with_noise(rng):
    scene = make_scene(7, size_m=(480.0, 480.0))
    forged = scene.after.copy()
    here = (slice(64, 288), slice(96, 320))
    forged[here] = scene.before[here] + 0.02 * rng.standard_normal((224, 224)).astype(np.float32)
    (flag,) = judge_pair(pair_windows(scene.before, forged), 1.0).flags
    assert flag.name == "in part: noise added"
    box = flag.where[0]
    assert box.row < 176 < box.row + box.height
    assert box.col < 208 < box.col + box.width


def test_heights_in_decimetres_have_no_power(honest):
    flat = np.full((96, 96), 300.0) + np.arange(96) * 0.001
    rounded = np.round(flat, 1).astype(np.float32)
    outcome = judge_pair(pair_windows(rounded, rounded), 1.0)
    assert outcome.no_power
    assert outcome.flags == ()


def test_no_common_ground_has_no_power(honest):
    empty = np.full(honest.before.shape, np.nan, np.float32)
    assert judge_pair(pair_windows(honest.before, empty), 1.0).no_power


def test_tiles_put_together_are_the_whole(honest):
    a, b = honest.before[:288, :288], honest.after[:288, :288]
    whole = pair_windows(a, b)
    cut = [
        [pair_windows(a[r : r + 96, c : c + 96], b[r : r + 96, c : c + 96]) for c in (0, 96, 192)]
        for r in (0, 96, 192)
    ]
    joined = PairWindows.joined(cut)
    # Squares on a tile's rim lose one row of texture; counts may differ there, figures hardly.
    np.testing.assert_allclose(joined.rise, whole.rise)
    np.testing.assert_allclose(joined.white, whole.white, rtol=0.2)
    assert judge_pair(joined, 1.0).flags == judge_pair(whole, 1.0).flags == ()


@pytest.mark.parametrize("move", [(0, 0), (5, -9), (-20, 3)])
def test_a_shift_put_in_comes_back_out(honest, move):
    reach = 24
    moved = np.roll(honest.before, move, axis=(0, 1))
    rows, cols, z = find_move(honest.before, moved[reach:-reach, reach:-reach], reach)
    assert (rows, cols) == move
    assert z > 20


def test_two_flights_far_apart_do_not_correlate(honest, rng):
    other = make_scene(99, size_m=(300.0, 300.0)).before
    *_, z = find_move(honest.before, other[24:-24, 24:-24], 24)
    assert z < 8


@pytest.mark.parametrize("order", [1, 3])
def test_moved_by_a_part_of_a_cell(honest, order):
    moved = ndimage.shift(honest.before.astype(float), (0.3, -0.4), order=order, mode="nearest").astype(
        np.float32
    )
    cuts = [(slice(r, r + 90), slice(c, c + 90)) for r in (10, 110, 200) for c in (10, 110, 200)]
    fits = [resampled_copy(honest.before[cut], moved[cut]) for cut in cuts]
    flag = judge_resampled(fits, last_digit(honest.before))
    assert flag is not None
    assert flag.strength == "strong"
    fits = [resampled_copy(honest.before[cut], honest.after[cut]) for cut in cuts]
    assert judge_resampled(fits, last_digit(honest.before)) is None


def _cuts():
    return [(slice(r, r + 90), slice(c, c + 90)) for r in (10, 110, 200) for c in (10, 110, 200)]


def test_a_fine_texture_of_millimetres_is_enough_at_three_hundred_metres():
    """The power of the test goes with the digits of the file's own heights, not of the highest mountain."""
    fine = ErrorModel(random_m=0.004, slope_factor=0.0, correlated_m=0.01)
    scene = make_scene(11, size_m=(300.0, 300.0), before_error=fine, after_error=fine)
    moved = ndimage.shift(scene.before.astype(float), (0.4, 0.3), order=1, mode="nearest").astype(np.float32)
    digit = last_digit(scene.before)
    assert judge_resampled([resampled_copy(scene.before[c], moved[c]) for c in _cuts()], digit) is not None
    assert judge_resampled([resampled_copy(scene.before[c], scene.after[c]) for c in _cuts()], digit) is None


@pytest.mark.parametrize("step", [0.001, 0.01])
def test_moved_by_a_part_of_a_cell_and_rounded(step):
    """Rounding leaves step/√12; a second flight rounded alike leaves its noise beside it."""
    survey = ErrorModel(random_m=0.03, slope_factor=0.0, correlated_m=0.02)
    scene = make_scene(12, size_m=(300.0, 300.0), before_error=survey, after_error=survey)
    before, after = (np.round(z.astype(float) / step) * step for z in (scene.before, scene.after))
    moved = np.round(ndimage.shift(before, (0.3, -0.4), order=3, mode="nearest") / step) * step
    cuts = [tuple(z[c].astype(np.float32) for z in (before, moved, after)) for c in _cuts()]
    digit = last_digit(scene.before)
    found = [resampled_copy(a, b) for a, b, _ in cuts]
    assert judge_resampled(found, digit, step) is not None
    assert judge_resampled([resampled_copy(a, c) for a, _, c in cuts], digit, step) is None


def _rolling(rng, side=352):
    """Ground without edges, rougher over metres than from cell to cell: power falling with frequency^-4.4."""
    axis = np.fft.fftfreq(side)
    k = np.hypot(axis[:, None], axis[None, :])
    k[0, 0] = 1.0
    field = np.fft.ifft2(np.fft.fft2(rng.normal(size=(side, side))) * k**-2.2).real
    return 300 + 3 * field / field.std()


def _hanging(rng, sigma_m, cells, side=352):
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.normal(size=(side, side)), cells, mode="wrap")
    return sigma_m * field / field.std()


@pytest.mark.parametrize("seed", [31, 32])
@pytest.mark.parametrize("sigma", [0.02, 0.05])
def test_sent_again_under_noise_that_hangs_together(seed, sigma):
    rng = np.random.default_rng(seed)
    before = _rolling(rng) + rng.normal(0, sigma, (352, 352)) + _hanging(rng, 0.02, 8)
    for after in (
        before + rng.normal(0, 0.02, before.shape) + _hanging(rng, 0.03, 2) + _hanging(rng, 0.03, 10),
        before + rng.normal(0, 0.05, before.shape) + _hanging(rng, 0.05, 10),
        before + _hanging(rng, 0.05, 1),
    ):
        found = flags(before.astype(np.float32), after.astype(np.float32))
        assert [name for name, _ in found] == ["noise added"]


@pytest.mark.parametrize("seed", [33, 34])
@pytest.mark.parametrize("times", [0.5, 1.0, 2.0, 4.0])
def test_a_second_flight_with_other_noise_over_the_same_ground_is_none(seed, times):
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    ground = _rolling(rng)
    before = ground + rng.normal(0, 0.02, ground.shape) + _hanging(rng, 0.02, 8)
    after = ground + rng.normal(0, 0.02 * times, ground.shape) + _hanging(rng, 0.03, 8)
    smoothed = gaussian_filter(after, 0.7)
    for first, second in ((before, after), (before, smoothed), (gaussian_filter(before, 0.7), after)):
        assert flags(first.astype(np.float32), second.astype(np.float32)) == []


@pytest.mark.parametrize("later", [0.01, 0.02])
def test_ground_that_is_itself_rough_from_cell_to_cell_is_no_copy(later):
    rng = np.random.default_rng(35)
    ground = _rolling(rng) + rng.normal(0, 0.05, (352, 352))
    before = ground + rng.normal(0, 0.01, ground.shape) + _hanging(rng, 0.02, 8)
    after = ground + rng.normal(0, later, ground.shape) + _hanging(rng, 0.03, 8)
    assert flags(before.astype(np.float32), after.astype(np.float32)) == []
