"""Sums as NumPy forms them, ranks, and what is measured on the spectra of one object."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.imagery.triggers.common import rareness
from survey.imagery.triggers.spectra import inner_cells, patchiness, rareness_at, texture
from survey.imagery.triggers.sums import mean_of, middle_of, ranked, size_of, spread_of, summed

COUNTS = np.log(np.arange(2**16, dtype=np.float32) * np.float32(1e-4) + np.float32(0.03))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 127, 128, 129, 136, 1000, 4097, 100_003])
def test_sums_are_those_of_numpy_to_the_last_digit(n):
    values = np.random.default_rng(n).normal(size=n).astype(np.float32)
    assert summed(values, n) == np.add.reduce(values)
    assert mean_of(values, n) == values.mean()
    assert spread_of(values.copy(), n) == values.std()
    assert size_of(values.copy(), n) == np.sqrt(np.mean(values * values))


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60))
@settings(max_examples=40, deadline=None)
def test_ranks_are_those_of_the_sorted_values(values):
    floats, n = np.array(values, np.float32), len(values)
    assert middle_of(floats.copy(), n) == np.median(floats)
    for k in (0, n // 2, n - 1):
        assert ranked(floats.copy(), n, k) == sorted(values)[k]


def _kept(seed: int, n: int, bands: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 6000, (n, bands)).astype(np.uint16)


def test_rareness_of_an_object_is_the_median_of_its_cells():
    kept, at = _kept(0, 40), np.arange(3, 30)
    words = (_kept(1, 25) * 1e-4).astype(np.float32)
    one_by_one = rareness((kept[at] * 1e-4).astype(np.float32), words)
    found = rareness_at(kept, at, COUNTS, np.ascontiguousarray(np.log(words + np.float32(0.03)).T))
    assert found == pytest.approx(np.median(one_by_one), rel=1e-5)


def test_patchiness_is_about_colour_and_not_about_light():
    light = np.linspace(200, 3000, 20)[:, None]
    grey = np.repeat(light, 6, axis=1).astype(np.uint16)
    assert patchiness(grey, np.arange(20), COUNTS) == pytest.approx(0, abs=1e-6)
    assert patchiness(_kept(2, 20), np.arange(20), COUNTS) > 0.1


def test_inner_cells_have_four_neighbours():
    width = 12
    rows, cols = np.divmod(np.arange(width * 9), width)
    inside = (rows >= 2) & (rows <= 6) & (cols >= 3) & (cols <= 8) & ~((rows == 4) & (cols == 5))
    cell = np.nonzero(inside | (rows == 8))[0]
    own = np.nonzero(inside[cell])[0]
    found = {divmod(int(c), width) for c in cell[inner_cells(cell, own, width)]}
    square = {(r, c) for r in (3, 4, 5) for c in range(4, 8)}
    assert found == square - {(4, 5), (3, 5), (5, 5), (4, 4), (4, 6)}


def test_texture_tells_places_that_differ_from_dates_that_differ():
    bright = np.array([[1000] * 6, [2000] * 6, [3000] * 6, [4000] * 6], np.uint16)
    at = np.array([[0, 1, 2, 3], [0, 1, 2, 3]], np.int32)
    new = np.ones((2, 4), bool)
    level, colour, time = texture(bright, at, new, np.arange(4), np.array([0, 1]), COUNTS)
    assert level == pytest.approx(COUNTS[[1000, 2000, 3000, 4000]].std(), rel=1e-5)
    assert (colour, time) == pytest.approx((0, 0), abs=1e-6)
    # The same two cells change places: on the mean of both dates they are alike.
    level, _, time = texture(
        bright, np.array([[0, 1], [1, 0]], np.int32), new[:, :2], np.arange(2), np.array([0, 1]), COUNTS
    )
    assert level == pytest.approx(0, abs=1e-6)
    assert time == pytest.approx((COUNTS[2000] - COUNTS[1000]) / 2, rel=1e-5)
