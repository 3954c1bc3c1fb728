"""Fragments find their working; workings of their own size stay their own."""

from __future__ import annotations

import numpy as np
from made_regions import regions_of
from pyproj import CRS

from survey.volumetrics.fragments import absorb, near_pairs, shallow_beside

WKT = CRS.from_epsg(32643).to_wkt()


def scene() -> np.ndarray:
    depth = np.zeros((40, 60))
    depth[5:25, 5:25] = -3.0  # a pit of 400 m²
    depth[10:12, 27:30] = -2.0  # a piece of 6 m², two cells beside it
    depth[30:38, 5:15] = -2.5  # another pit of 80 m², five rows below
    depth[10:20, 32:42] = 1.0  # a heap
    return depth


def test_a_small_piece_joins_its_neighbour_and_brings_all_it_has() -> None:
    before = regions_of(scene())
    after = absorb(before, 3, 40.0)
    assert before.count == 4
    assert after.count == 3
    assert after.cells.tolist() == [406, 100, 80]
    assert after.rise_m3.tolist() == [-1212.0, 100.0, -200.0]
    assert after.layer_m3.sum() == before.layer_m3.sum()
    assert after.box[0].tolist() == [5, 25, 5, 30]
    assert after.deep_m.tolist() == [3.0, 1.0, 2.5]
    assert int(after.mask(0, after.job).sum()) == 406


def test_signs_never_join_and_large_neighbours_stay_apart() -> None:
    depth = np.zeros((20, 40))
    depth[2:18, 2:12] = -2.0
    depth[2:18, 13:25] = -2.2
    depth[2:18, 26:30] = 2.0
    assert absorb(regions_of(depth), 3, 40.0).count == 3


def test_a_shallow_fringe_is_its_neighbours() -> None:
    depth = np.zeros((20, 40))
    depth[2:18, 2:12] = -2.0
    depth[2:18, 13:18] = -0.2
    assert absorb(regions_of(depth), 3, 40.0).count == 1


def test_a_wide_shallow_piece_is_left_to_be_judged() -> None:
    depth = np.zeros((20, 40))
    depth[2:18, 2:12] = -2.0
    depth[2:18, 13:22] = -0.2
    found = absorb(regions_of(depth), 3, 40.0)
    assert found.count == 2
    a, b = np.array([0]), np.array([1])
    assert shallow_beside(found, b, a).all()
    assert not shallow_beside(found, a, b).any()


def test_a_fragment_does_not_bridge_two_pits() -> None:
    depth = np.zeros((20, 40))
    depth[2:18, 2:12] = -2.0
    depth[8:10, 13:15] = -1.0
    depth[2:18, 16:25] = -2.0
    joined = absorb(regions_of(depth), 2, 40.0)
    assert joined.cells.tolist() == [164, 144]


def test_pairs_are_those_whose_cells_are_near() -> None:
    rng = np.random.default_rng(11)
    depth = np.where(rng.random((30, 30)) < 0.08, -1.0, 0.0)
    found = regions_of(depth)
    cells = [np.argwhere(found.mask(k, found.job)) for k in found]
    for gap in (1, 2, 3):
        a, b = near_pairs(found, gap)
        want = {
            (i, j)
            for i in found
            for j in range(i + 1, found.count)
            if np.abs(cells[i][:, None] - cells[j][None]).max(axis=2).min() <= gap + 0
        }
        got = set(zip(a.tolist(), b.tolist(), strict=True))
        # A gap of g leaves g - 1 to g cells between two runs, along rows and columns alike.
        assert want <= got
        assert all(np.abs(cells[i][:, None] - cells[j][None]).max(axis=2).min() <= gap + 1 for i, j in got)
