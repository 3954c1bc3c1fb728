"""The loops over cells, against plain NumPy and against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from survey.imagery.triggers.clear import box_share
from survey.imagery.triggers.kernels import (
    block_departure,
    less_slow,
    lie_of_land,
    matches,
    moved_counts,
    moved_mask,
    nearest_before,
    usual_counts,
    whiten,
)
from survey.imagery.triggers.lattice import smooth_known


def _oracle(now, base, skip, aside):
    scenes, rows, cols, _ = base.shape
    out = np.full((rows, cols), np.inf)
    for s in range(scenes):
        if s == skip:
            continue
        for dr in (-1, 0, 1):
            for dc in (-1, 0, 1):
                for r in range(max(0, -dr), min(rows, rows - dr)):
                    for c in range(max(0, -dc), min(cols, cols - dc)):
                        d = ((now[r, c] - base[s, r + dr, c + dc]) ** 2).sum() + (aside if dr or dc else 0.0)
                        if not np.isnan(d):
                            out[r, c] = min(out[r, c], d)
    return out


@given(st.integers(0, 2**31), st.integers(1, 4), st.integers(-1, 2))
@settings(max_examples=25, deadline=None)
def test_nearest_is_the_nearest_of_all_scenes_and_neighbours(seed, scenes, skip):
    rng = np.random.default_rng(seed)
    now = rng.normal(size=(7, 6, 3)).astype(np.float32)
    base = rng.normal(size=(scenes, 7, 6, 3)).astype(np.float32)
    base[rng.random(base.shape[:3]) < 0.2] = np.nan
    now[rng.random((7, 6)) < 0.1] = np.nan
    found, which, where, seen = nearest_before(now, base, skip, 1, 0.5, 0.0)
    wanted = _oracle(now.astype(float), base.astype(float), skip, 0.5)
    looked = ~np.isnan(now[..., 0])
    known = looked & np.isfinite(wanted)
    assert np.array_equal(which >= 0, known)
    np.testing.assert_allclose(found[known], wanted[known], rtol=1e-5, atol=1e-6)
    rows, cols = np.nonzero(known)
    spectra = matches(base, which, where, rows, cols)
    price = np.where(where[rows, cols] == 4, 0.0, 0.5)
    np.testing.assert_allclose(
        ((now[rows, cols] - spectra) ** 2).sum(1) + price, found[rows, cols], rtol=1e-4, atol=1e-5
    )
    others = [s for s in range(scenes) if s != skip]
    assert np.array_equal(
        seen[looked], (~np.isnan(base[others, :, :, 0])).sum(0)[looked] if others else 0 * seen[looked]
    )


def test_enough_changes_no_distance_above_it():
    rng = np.random.default_rng(4)
    now = rng.normal(size=(20, 20, 4)).astype(np.float32)
    base = rng.normal(size=(5, 20, 20, 4)).astype(np.float32)
    exact, *_ = nearest_before(now, base, -1, 1, 1.0, 0.0)
    quick, *_ = nearest_before(now, base, -1, 1, 1.0, 0.8)
    far = exact > 0.8
    assert far.any()
    assert not far.all()
    assert np.array_equal(exact[far], quick[far])
    assert (quick[~far] <= 0.8).all()


def test_whole_shifts_are_exact_and_half_shifts_keep_a_ramp():
    ramp = (1000 + 10 * np.arange(20)[:, None] + 7 * np.arange(30)[None, :]).astype(np.uint16)[None]
    moved = moved_counts(ramp, 2.0, -1.0)
    assert np.array_equal(moved[0, 3:15, 3:25], ramp[0, 5:17, 2:24])
    half = moved_counts(ramp, 0.5, 0.0)
    # Catmull–Rom reproduces straight lines: half a row is 5 counts.
    assert np.array_equal(half[0, 3:15], ramp[0, 3:15] + 5)
    assert (moved_counts(ramp, 4.0, 0.0)[0, -3:] == 0).all(), "nothing is known beyond the edge"


def test_what_was_not_measured_stays_so():
    values = np.full((2, 9, 9), 500, np.uint16)
    values[:, 4, 4] = 0
    out = moved_counts(values, 0.5, 0.5)
    assert np.array_equal(np.argwhere(out[0] == 0).min(0), [2, 2])
    assert np.array_equal(np.argwhere(out[0] == 0).max(0), [5, 5])
    assert (out[out > 0] == 500).all()


def test_a_moved_mask_wants_its_weight():
    mask = np.zeros((6, 6), bool)
    mask[:, 3:] = True
    assert moved_mask(mask, 0.0, 0.5, 0.7)[0].tolist() == [False, False, False, True, True, True]
    assert moved_mask(mask, 0.0, 0.5, 0.5)[0].tolist() == [False, False, True, True, True, True]


def test_usual_level_ignores_clouds_and_shadows():
    rng = np.random.default_rng(0)
    stack = np.full((20, 2, 4, 4), 1000, np.uint16) + rng.integers(-5, 6, (20, 2, 4, 4)).astype(np.uint16)
    stack[:7] = 6000  # cloud on a third of the days
    stack[7] = 300  # and a shadow
    ok = np.ones((20, 4, 4), bool)
    usual = usual_counts(stack, ok, 0)
    assert (np.abs(usual.astype(int) - 1000) <= 6).all()
    ok[:, 0, 0] = False
    assert usual_counts(stack, ok, 0)[:, 0, 0].tolist() == [0, 0]


def test_whitening_is_the_matrix_times_the_table():
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 20000, (3, 5, 8)).astype(np.uint16)
    tables = rng.normal(size=(3, 20001)).astype(np.float32)
    matrix = rng.normal(size=(3, 3)).astype(np.float32)
    ok = rng.random((5, 8)) < 0.8
    out = whiten(counts, ok, tables, matrix, 1)
    logs = np.stack([tables[b][counts[b]] for b in range(3)], -1)
    np.testing.assert_allclose(out[ok], (logs @ matrix.T)[ok], rtol=1e-5, atol=1e-5)
    assert np.isnan(out[~ok]).all()
    np.testing.assert_array_equal(whiten(counts, ok, tables, matrix, 2), out[::2, ::2])


def test_a_departure_of_all_cells_is_taken_off():
    rng = np.random.default_rng(2)
    base = rng.normal(size=(3, 32, 32, 2)).astype(np.float32) * 5
    shift = np.array([0.3, -0.2], np.float32)
    now = base[1] + shift
    level = block_departure(now, base, -1, 8, 5)
    np.testing.assert_allclose(level, np.broadcast_to(shift[:, None, None], level.shape), atol=1e-5)
    full = np.zeros((128, 128, 2), np.float32) + shift
    less_slow(full, smooth_known(level, 0.0), 32, 0, 0)
    np.testing.assert_allclose(full, 0.0, atol=1e-5)


def test_smoothing_knows_only_what_is_known():
    lattice = np.full((3, 3), np.nan, np.float32)
    lattice[1, 1] = 4.0
    assert (smooth_known(lattice, 0.0) == 4.0).all()
    lattice[1, 1] = np.nan
    assert (smooth_known(lattice, -1.0) == -1.0).all()


@given(st.integers(0, 2**31), st.integers(1, 5))
@settings(max_examples=25, deadline=None)
def test_box_share_counts(seed, reach):
    mask = np.random.default_rng(seed).random((13, 17)) < 0.3
    size = 2 * reach + 1
    total = ndimage.convolve(mask.astype(int), np.ones((size, size), int), mode="constant")
    cells = ndimage.convolve(np.ones(mask.shape, int), np.ones((size, size), int), mode="constant")
    np.testing.assert_allclose(box_share(mask, reach), total / cells, rtol=1e-6)


def test_land_is_ranked_by_its_own_history():
    # NDVI of 0.1, 0.2 … 1.0 on ten days: red 0.1 fixed, nir from it.
    green = np.linspace(0.1, 0.9, 9)
    nir = 1000 * (1 + green) / (1 - green)
    stack = np.zeros((9, 3, 1, 1), np.uint16)
    stack[:, 0], stack[:, 1], stack[:, 2, 0, 0] = 800, 1000, np.rint(nir)
    tables = np.broadcast_to(np.arange(20001, dtype=np.float32) * 1e-4, (9, 3, 20001)).copy()
    low, high, wet, looks = lie_of_land(stack, np.ones((9, 1, 1), bool), tables, 1, 2, 0, -1)
    assert low[0, 0] == pytest.approx(green[1], abs=1e-3)
    assert high[0, 0] == pytest.approx(green[7], abs=1e-3)
    assert (wet[0, 0], looks[0, 0]) == (0.0, 9)
    stack[:4, 2] = 300  # dark in the near infrared, darker than the short band: water
    assert lie_of_land(stack, np.ones((9, 1, 1), bool), tables, 1, 2, 0, -1)[2][0, 0] == pytest.approx(4 / 9)
