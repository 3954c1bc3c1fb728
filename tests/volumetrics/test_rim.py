"""A side is followed to where it ends: the wedge that is left out, and to whom cells belong."""

from __future__ import annotations

import math

import numpy as np
import pytest
from made_regions import regions_of

from survey.dem.rise import MISSING
from survey.volumetrics.change_mask import Thresholds
from survey.volumetrics.partition import TAPER
from survey.volumetrics.rim import reach_of, strip_along

N = 160
CELL = 0.25
LEVEL = 0.15
T = Thresholds(0.1, 0.165, 0.0, 3, LEVEL)
FLAT = np.zeros((N, N), np.float32)


def middle(row: float = N / 2, col: float = N / 2) -> np.ndarray:
    """Distance of each cell from a place, metres."""
    i, j = np.mgrid[0:N, 0:N]
    return np.hypot(i + 0.5 - row, j + 0.5 - col) * CELL


def grains_of(depth_m: np.ndarray) -> np.ndarray:
    return np.round(depth_m * 65536).astype(np.int32)


def along(depth_m: np.ndarray, owner: np.ndarray, k: int = 0, sign: int = -1, t: Thresholds = T):  # type: ignore[no-untyped-def]
    return strip_along(grains_of(depth_m), FLAT, owner, k, sign, CELL, CELL, t)


def one(inside: np.ndarray) -> np.ndarray:
    return np.where(inside, 0, -1).astype(np.int32)


@pytest.mark.parametrize("slope", [0.25, 0.4, 0.6])
def test_of_a_pit_whose_sides_run_out_nothing_is_left_out(slope):
    # A frustum of radius 10 at the ground and a floor 2 m down. Above the level T where it is cut lies
    # π·(R·T²/s - 2T³/3s²), a wedge of T²/2s for each metre of outline but for the bend of it.
    r = 10.0
    depth = -np.clip((r - middle()) * slope, 0, 2.0)
    inside = depth < -LEVEL
    lost = -depth[~inside].sum() * CELL**2
    assert lost == pytest.approx(math.pi * LEVEL**2 * (r - 2 / 3 * LEVEL / slope) / slope, rel=0.15)
    strip, fringe = along(depth, one(inside))
    whole = -depth.sum() * CELL**2
    assert -depth[inside | strip].sum() * CELL**2 == pytest.approx(whole, rel=2e-4)
    assert fringe.sum() / 65536 * CELL**2 < 0.05 * lost
    # Its width is that of the wedge, T/s, and half a cell for what is not known of an outline along cells.
    width = strip.sum() * CELL**2 / (2 * math.pi * (r - LEVEL / slope))
    assert width == pytest.approx(LEVEL / slope + CELL / 2, abs=0.6 * CELL)


def test_a_wall_gets_the_cells_beside_it_and_no_more():
    depth = np.where(middle() < 10, -2.0, 0.0)
    inside = depth < 0
    strip, _ = along(depth, one(inside))
    from scipy.ndimage import binary_dilation

    assert not (strip & ~binary_dilation(inside)).any()
    assert depth[strip].sum() == 0


def test_what_lies_in_the_strip_has_no_say_in_its_width():
    depth = -np.clip((10 - middle()) * 0.5, 0, 2.0)
    inside = depth < -LEVEL
    strip, _ = along(depth, one(inside))
    noise = np.random.default_rng(4).normal(0, 0.2, depth.shape)
    noisy, _ = along(np.where(inside, depth, depth + noise), one(inside))
    assert (strip == noisy).all()


def test_no_strip_is_wider_than_the_gentlest_side_runs_out():
    depth = -0.16 - 0.001 * (10 - middle())  # all but level: it would run on for a hundred metres
    inside = middle() < 10
    strip, _ = along(depth, one(inside))
    assert middle()[strip].max() <= 10 + LEVEL / TAPER + 1.5 * CELL
    assert reach_of(CELL, CELL, T).strip == math.ceil((LEVEL / TAPER + CELL / 2) / CELL)


def test_on_a_slope_where_noise_is_larger_the_side_is_followed_farther():
    depth = -np.clip((10 - middle()) * 0.5, 0, 2.0)
    inside = depth < -2 * LEVEL
    steep = Thresholds(0.1, 0.165, 0.0, 3, LEVEL, 3.0)
    hill = (np.arange(N) * CELL * math.sqrt(3) / 3)[:, None].repeat(N, 1).astype(np.float32)
    # gain · tan s = √3: the level is twice that on flat ground, which is where it was cut.
    strip, _ = strip_along(grains_of(depth), hill, one(inside), 0, -1, CELL, CELL, steep)
    assert -depth[inside | strip].sum() == pytest.approx(-depth.sum(), rel=5e-4)


def test_neighbours_share_no_cell_and_each_has_what_is_nearer():
    a, b = middle(80, 50), middle(80, 96)
    depth = -np.clip((6 - a) * 0.3, 0, 2.0) - np.clip((6 - b) * 0.3, 0, 2.0)
    owner = np.where(depth < -LEVEL, np.where(a < b, 0, 1), -1).astype(np.int32)
    first, second = along(depth, owner, 0)[0], along(depth, owner, 1)[0]
    assert first.any()
    assert second.any()
    assert not (first & second).any()
    assert not ((first | second) & (owner >= 0)).any()
    assert (a[first] <= b[first]).all()
    assert (a[second] >= b[second]).all()
    # Nothing that either alone would have is left to none of them.
    alone = [along(depth, np.where(owner == k, k, -1).astype(np.int32), k)[0] for k in (0, 1)]
    assert ((first | second) == ((alone[0] | alone[1]) & (owner < 0))).all()


def test_pit_and_heap_of_one_form_have_one_strip():
    depth = -np.clip((10 - middle()) * 0.4, 0, 2.0)
    owner = one(depth < -LEVEL)
    down, up = along(depth, owner), along(-depth, owner, sign=1)
    assert (down[0] == up[0]).all()
    assert (down[1] == up[1]).all()


def test_cells_that_were_not_measured_belong_to_nobody():
    depth = grains_of(-np.clip((10 - middle()) * 0.4, 0, 2.0))
    owner = one(depth < -LEVEL * 65536)
    gap = (owner < 0) & (np.arange(N) > 80)[None, :]
    depth[gap] = MISSING
    strip, fringe = strip_along(depth, FLAT, owner, 0, -1, CELL, CELL, T)
    assert strip.any()
    assert not strip[gap].any()
    assert not fringe[gap].any()


@pytest.mark.parametrize("cut", [40, 63, 97])
def test_a_window_of_it_says_the_same(cut):
    rng = np.random.default_rng(6)
    depth = -np.clip((14 - middle()) * 0.25, 0, 2.0) + rng.normal(0, 0.02, (N, N))
    owner = one((depth < -LEVEL) & (middle() < 14))
    whole, fringe = along(depth, owner)
    halo = reach_of(CELL, CELL, T).halo
    for rows, core in ((slice(0, cut + halo), slice(0, cut)), (slice(max(cut - halo, 0), N), slice(cut, N))):
        part = strip_along(grains_of(depth[rows]), FLAT[rows], owner[rows], 0, -1, CELL, CELL, T)
        at = slice(core.start - rows.start, core.stop - rows.start)
        assert (part[0][at] == whole[core]).all()
        assert (part[1][at] == fringe[core]).all()


def test_regions_keep_their_numbers_and_add_what_they_are_widened_by():
    depth = np.zeros((30, 40))
    depth[5:12, 5:12] = -2.0
    depth[15:25, 20:30] = 1.0
    regions = regions_of(depth)
    ring = np.zeros_like(depth)
    ring[4, 4:13] = ring[12, 4:13] = -0.25
    by = regions_of(ring)
    after = regions.widened(by, np.zeros(by.count, np.int64))
    assert after.cells.tolist() == [49 + 18, 100]
    assert after.rise_m3.tolist() == [-98.0 - 4.5, 100.0]
    assert after.layer_m3[:, 0].tolist() == after.rise_m3.tolist()
    assert after.first[0].tolist() == [4, 4]
    assert after.box[0].tolist() == [4, 13, 4, 13]
    assert after.deep_m.tolist() == regions.deep_m.tolist()
    assert after.shallow_m.tolist() == regions.shallow_m.tolist()
    owners = after.owners(after.job)
    assert (owners == 0).sum() == 67
    assert (owners == 1).sum() == 100
    assert (after.mask(0, after.job) == (owners == 0)).all()
