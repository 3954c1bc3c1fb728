"""Counting and widening of masks, and the χ² law, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import chi2

from survey.imagery.triggers import chi
from survey.imagery.triggers.kernels import usual_counts, usual_of_two
from survey.imagery.triggers.masks import box_shares, counted_from_corner, crowded, widened


def mask(share: float, rows: int = 47, cols: int = 61) -> np.ndarray:
    rng = np.random.default_rng(7)
    return ndimage.binary_dilation(rng.random((rows, cols)) < share / 20, iterations=3) | (
        rng.random((rows, cols)) < share / 4
    )


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9])
@pytest.mark.parametrize("radius", [1, 2, 5])
def test_a_widened_mask_is_the_dilation_by_a_disc(share: float, radius: int) -> None:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disc = x * x + y * y <= radius * radius + 0.5
    before = mask(share)
    np.testing.assert_array_equal(widened(before, radius), ndimage.binary_dilation(before, disc))


def test_a_crowd_is_asked_for_near_and_far() -> None:
    one = mask(0.5)
    total = counted_from_corner(one)
    assert total[-1, -1] == one.sum()
    wanted = one & (box_shares(total, 1) > np.float32(0.3)) & (box_shares(total, 9) > np.float32(0.2))
    np.testing.assert_array_equal(crowded(one, 1, 0.3, 9, 0.2), wanted)


def test_the_chi_square_law_is_the_one_of_scipy() -> None:
    rng = np.random.default_rng(3)
    value, freedom = rng.gamma(2.0, 5.0, 500), rng.uniform(0.8, 12.0, 500)
    np.testing.assert_allclose(chi.below(value, freedom), chi2.cdf(value, freedom), rtol=1e-12)
    np.testing.assert_allclose(chi.quantile(0.25, freedom), chi2.ppf(0.25, freedom), rtol=1e-12)
    np.testing.assert_allclose(chi.upper_quantile(0.05, freedom), chi2.isf(0.05, freedom), rtol=1e-12)
    for one in (1.3, 6.0):
        np.testing.assert_allclose(chi.log_above(value, one), chi2.logsf(value, one), rtol=1e-9)


def test_the_usual_of_two_looks_is_the_usual_of_a_stack_of_two() -> None:
    rng = np.random.default_rng(1)
    counts = rng.integers(0, 65536, (2, 4, 40, 50)).astype(np.uint16)
    counts[rng.random(counts.shape) < 0.1] = 0
    ok = rng.random((2, 40, 50)) < 0.7
    whole = usual_counts(counts, ok, 1)
    np.testing.assert_array_equal(usual_of_two(counts[0], ok[0], counts[1], ok[1], 1), whole)
    neither = ~(ok & (counts[:, 1] > 0)).any(0)
    assert (whole[:, neither] == 0).all()
    assert neither.any()
