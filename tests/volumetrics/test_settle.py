"""Parts that are told while a band is read: the same regions, and noise does not add up."""

from __future__ import annotations

from itertools import pairwise, product

import numpy as np
import numpy.testing as npt
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from simulated import grid

from survey.grid import Grid
from survey.volumetrics.regions import Regions, gather
from survey.volumetrics.runs import Parts, find_runs, keep, tally_runs, touching
from survey.volumetrics.settle import Settling

FIELDS = ("sign", "cells", "seeds", "rise_m3", "shallow_m", "deep_m", "deepest", "first", "box")


def mask_of(seed: int, rows: int, cols: int, much: float, seeds: float) -> np.ndarray:
    """±1 by lot, ±2 where a seed lies: from dust to one body that winds through everything."""
    rng = np.random.default_rng(seed)
    smooth = ndimage.uniform_filter(rng.normal(size=(rows, cols)), 3)
    limit = np.quantile(np.abs(smooth), 1 - much)
    mask = np.where(np.abs(smooth) > limit, np.sign(smooth), 0).astype(np.int8)
    return np.where(rng.random((rows, cols)) < seeds, 2 * mask, mask).astype(np.int8)


def part_of(mask: np.ndarray, tile: Grid) -> Parts:
    r, c = tile.row0, tile.col0
    cut = np.ascontiguousarray(mask[r : r + tile.height, c : c + tile.width])
    runs, sign = find_runs(cut, r, c)
    k = sign.size
    cells, seeds, sums = (np.zeros(k, np.int64) for _ in range(3))
    shallow, deep = np.full(k, np.inf, np.float32), np.zeros(k, np.float32)
    deepest, none = np.zeros((k, 2), np.int64), np.zeros((k, 0), np.int64)
    grains = cut.astype(np.int32) * 65536
    height = np.abs(cut).astype(np.float32)
    tally_runs(runs, r, c, grains, height, cut, cells, seeds, sums, shallow, deep, deepest)
    found = Parts(runs, sign, cells, seeds, sums, none, none, shallow, deep, deepest, none)
    return keep(found, (seeds > 0) | touching(runs, k, r, r + tile.height, c, c + tile.width))


def painted(regions: Regions) -> np.ndarray:
    out = np.zeros(regions.job.shape, np.int32)
    for row, first, end, k in regions.runs:
        out[row, first:end] = k + 1
    return out


def cuts(rng: np.random.Generator, length: int, most: int) -> list[int]:
    inner = rng.choice(np.arange(1, length), size=rng.integers(0, most), replace=False)
    return [0, *sorted(int(v) for v in inner), length]


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), much=st.floats(0.02, 0.7), seeds=st.sampled_from([0.0, 0.002, 0.05]))
def test_the_same_regions_as_of_the_whole_at_once(seed, much, seeds):
    rng = np.random.default_rng([seed, 1])
    job = grid(int(rng.integers(8, 60)), int(rng.integers(8, 60)))
    mask = mask_of(seed, job.height, job.width, much, seeds)
    truth = gather([part_of(mask, job)], job)
    kept: list[Parts] = []
    down, over = cuts(rng, job.height, 3), cuts(rng, job.width, 3)
    for (b0, b1), (c0, c1) in product(pairwise(down), pairwise(over)):
        band = job[b0:b1, c0:c1]
        settling = Settling(job, band)
        rows = cuts(rng, b1 - b0, 4) if b1 - b0 > 4 else [0, b1 - b0]
        across = cuts(rng, c1 - c0, 4) if c1 - c0 > 4 else [0, c1 - c0]
        for r0, r1 in pairwise(rows):
            for a0, a1 in pairwise(across):
                settling.add(part_of(mask, band[r0:r1, a0:a1]))
            settling.row_done(b0 + r1)
        kept += settling.parts()
    found = gather(kept, job)
    for name in FIELDS:
        npt.assert_array_equal(getattr(found, name), getattr(truth, name), err_msg=name)
    # Tiles cut runs; the cells are the same.
    npt.assert_array_equal(painted(found), painted(truth))


def test_noise_of_a_band_that_is_the_scene_leaves_nothing():
    job = grid(400, 256)
    mask = mask_of(3, 400, 256, 0.05, 0.0)
    settling = Settling(job, job)
    most = 0
    for r in range(0, 400, 16):
        for c in range(0, 256, 16):
            settling.add(part_of(mask, job[r : r + 16, c : c + 16]))
        settling.row_done(r + 16)
        most = max(most, settling.held)
    assert settling.parts() == ()
    # No more than lie along one border of the rows of tiles, of which there are 25.
    on_a_row = max(find_runs(mask[r : r + 1], r, 0)[1].size for r in range(400))
    assert 0 < most <= 2 * on_a_row


def test_a_body_that_winds_through_the_scene_is_kept_from_where_it_began():
    """Its only seed is in its last cell, and its first parts have to wait for it."""
    job = grid(64, 64)
    mask = np.zeros((64, 64), np.int8)
    for k, r in enumerate(range(0, 63, 2)):
        mask[r] = 1
        mask[r + 1, -1 if k % 2 == 0 else 0] = 1
    mask[62:] = 0
    mask[61, 0] = 2
    settling = Settling(job, job)
    for r in range(0, 64, 8):
        for c in range(0, 64, 8):
            settling.add(part_of(mask, job[r : r + 8, c : c + 8]))
        settling.row_done(r + 8)
    found = gather(list(settling.parts()), job)
    assert found.cells.tolist() == [int((mask != 0).sum())]
