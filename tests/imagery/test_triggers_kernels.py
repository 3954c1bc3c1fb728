"""The loops over cells, against plain NumPy and against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from survey.imagery.triggers.clear import box_share
from survey.imagery.triggers.kernels import (
    block_rise,
    lie_of_land,
    moved_counts,
    moved_mask,
    usual_counts,
)
from survey.imagery.triggers.lattice import smooth_known
from survey.imagery.triggers.whitened import (
    block_departure,
    distances_before,
    less_slow,
    matches,
    nearest_before,
    ranked,
    whiten,
    whitened_at,
)


def _by_band(cells_by_band):
    """(…, col, band) → (…, band, col), in one piece."""
    return np.ascontiguousarray(np.swapaxes(cells_by_band, -1, -2))


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
    by_band = _by_band(base)
    found, which, where, seen = nearest_before(_by_band(now), by_band, skip, 1, 0.5, 0.0)
    wanted = _oracle(now.astype(float), base.astype(float), skip, 0.5)
    looked = ~np.isnan(now[..., 0])
    known = looked & np.isfinite(wanted)
    assert np.array_equal(which >= 0, known)
    np.testing.assert_allclose(found[known], wanted[known], rtol=1e-5, atol=1e-6)
    rows, cols = np.nonzero(known)
    spectra = matches(by_band, which, where, rows, cols)
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
    now, base = _by_band(now), _by_band(base)
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


@pytest.mark.parametrize("bands", [3, 4, 5, 6])
def test_whitening_is_the_matrix_times_the_table(bands):
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 30000, (bands, 5, 8)).astype(np.uint16)
    tables = rng.normal(size=(bands, 20001)).astype(np.float32)
    matrix = rng.normal(size=(bands, bands)).astype(np.float32)
    ok = rng.random((5, 8)) < 0.8
    out = np.swapaxes(whiten(counts, ok, tables, matrix, 1), 1, 2)
    logs = np.stack([tables[b][np.minimum(counts[b], 20000)] for b in range(bands)], -1)
    np.testing.assert_allclose(out[ok], (logs @ matrix.T)[ok], rtol=1e-5, atol=1e-5)
    assert np.isnan(out[~ok]).all()
    np.testing.assert_array_equal(np.swapaxes(whiten(counts, ok, tables, matrix, 2), 1, 2), out[::2, ::2])


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=40), st.data())
@settings(max_examples=50, deadline=None)
def test_a_rank_is_that_of_the_sorted(values, data):
    k = data.draw(st.integers(0, len(values) - 1))
    held = np.array([*values, -99], np.int32)
    assert ranked(held, len(values), k) == sorted(values)[k]
    assert sorted(held[:-1]) == sorted(values)
    assert (held[:k] <= held[k]).all()


@pytest.mark.parametrize("q", [0.0, 0.2, 0.5, 1.0])
def test_the_rise_of_a_block_is_a_quantile_of_its_known_cells(q):
    rng = np.random.default_rng(3)
    now, usual = rng.integers(1, 9000, (2, 32, 48)).astype(np.uint16)
    now[rng.random(now.shape) < 0.3] = 0
    now[:16, :16] = 0
    got = block_rise(now, usual, 16, q, 2)
    assert got.shape == (2, 3)
    assert np.isnan(got[0, 0])
    there, before = now[16:32:2, 32:48:2].ravel(), usual[16:32:2, 32:48:2].ravel()
    rise = np.sort((there.astype(float) - before)[there > 0]) * 1e-4
    assert got[1, 2] == pytest.approx(rise[int(q * (len(rise) - 1))], abs=1e-7)


def test_row_by_row_says_what_the_steps_say_one_by_one():
    """Whitening, slow field and search at once, on a part of a piece, against each by itself."""
    rng = np.random.default_rng(8)
    counts = rng.integers(1, 9000, (4, 70, 90)).astype(np.uint16)
    ok = rng.random((70, 90)) < 0.9
    tables = np.log(np.arange(20001, dtype=np.float32) * 1e-4 + np.float32(0.03))
    tables = np.stack([tables + np.float32(b) for b in range(4)])
    matrix = rng.normal(size=(4, 4)).astype(np.float32) * 3
    lattice = rng.normal(size=(4, 3, 3)).astype(np.float32)
    part = (slice(5, 65), slice(33, 90))
    history = [rng.integers(1, 9000, (4, 60, 57)).astype(np.uint16) for _ in range(3)]
    every = np.ones((60, 57), bool)
    base = np.stack([whiten(h, every, tables, matrix, 1) for h in history])
    base[0, 10:20, :, 5:9] = np.nan
    now = whiten(counts, ok, tables, matrix, 1)
    less_slow(now, lattice, 32, 0, 0)
    now = np.ascontiguousarray(now[part[0], :, part[1]])
    nearest, which, where, seen = nearest_before(now, base, 1, 1, 2.0, 0.0)
    got, which_got, where_got = distances_before(
        counts, ok[part].copy(), 5, 33, tables, matrix, lattice, 32, base, 1, 1, 2.0, 0.0, 2
    )
    np.testing.assert_array_equal(got, np.where(seen >= 2, np.sqrt(nearest), np.float32(np.nan)))
    np.testing.assert_array_equal(which_got, which)
    np.testing.assert_array_equal(where_got, where)
    rows, cols = np.nonzero(ok[part])
    single = whitened_at(counts, tables, matrix, lattice, 32, 5, 33, rows, cols)
    np.testing.assert_array_equal(single, now[rows, :, cols])


def test_a_departure_of_all_cells_is_taken_off():
    rng = np.random.default_rng(2)
    base = rng.normal(size=(3, 32, 32, 2)).astype(np.float32) * 5
    shift = np.array([0.3, -0.2], np.float32)
    now = base[1] + shift
    level = block_departure(_by_band(now), _by_band(base), -1, 8, 5)
    np.testing.assert_allclose(level, np.broadcast_to(shift[:, None, None], level.shape), atol=1e-5)
    full = np.zeros((128, 2, 128), np.float32) + shift[:, None]
    less_slow(full, smooth_known(level, 0.0), 32, 0, 0)
    np.testing.assert_allclose(full, 0.0, atol=1e-5)


@pytest.mark.parametrize(("blocks_r", "blocks_c"), [(3, 4), (1, 2), (2, 1)])
def test_a_slow_field_is_straight_between_the_middles_of_blocks_and_level_beyond(blocks_r, blocks_c):
    lattice = np.random.default_rng(6).normal(size=(2, blocks_r, blocks_c)).astype(np.float32)
    height, width = 32 * blocks_r - 5, 32 * blocks_c - 9
    now = np.zeros((height, 2, width), np.float32)
    less_slow(now, lattice, 32, 0, 0)
    at_r, at_c = (np.arange(n) + 0.5 for n in (height, width))
    mid_r, mid_c = 32 * (np.arange(blocks_r) + 0.5), 32 * (np.arange(blocks_c) + 0.5)
    for b in range(2):
        along = np.stack([np.interp(at_c, mid_c, row) for row in lattice[b]])
        field = np.stack([np.interp(at_r, mid_r, col) for col in along.T], 1)
        np.testing.assert_allclose(-now[:, b], field, atol=1e-5)


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


@given(
    st.integers(0, 2**31),
    st.sampled_from([-2.25, -1.0, -0.75, -0.3, 0.0, 0.25, 0.5, 1.75]),
    st.sampled_from([-3.0, -0.8, -0.5, 0.0, 0.2, 0.75, 1.0, 2.6]),
)
@settings(max_examples=40, deadline=None)
def test_moving_is_catmull_rom_cell_by_cell(seed, down, across):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 9, 2)
    counts = rng.integers(1, 20_000, (2, height, width)).astype(np.uint16)
    counts[rng.random(counts.shape) < 0.06] = 0

    def weights(part):
        t = part - np.floor(part)
        return [
            -0.5 * t + t * t - 0.5 * t**3,
            1 - 2.5 * t * t + 1.5 * t**3,
            0.5 * t + 2 * t * t - 1.5 * t**3,
            -0.5 * t * t + 0.5 * t**3,
        ]

    moved = moved_counts(counts, down, across)
    for r in range(height):
        for c in range(width):
            rows = np.clip(r + int(np.floor(down)) + np.arange(-1, 3), 0, height - 1)
            cols = np.clip(c + int(np.floor(across)) + np.arange(-1, 3), 0, width - 1)
            beyond = not (-0.75 <= r + down <= height - 0.25 and -0.75 <= c + across <= width - 0.25)
            for b in range(2):
                near = counts[b][np.ix_(rows, cols)].astype(float)
                wanted = np.clip(weights(down) @ near @ weights(across) + 0.5, 1, 65535)
                if beyond or (near == 0).any():
                    assert moved[b, r, c] == 0
                else:
                    assert abs(int(moved[b, r, c]) - int(wanted)) <= 1
