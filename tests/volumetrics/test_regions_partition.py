"""What belongs to one body: cores without their leaks, rings within rings, holes; lists of regions joined."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_regions import regions_of
from pyproj import CRS

from survey.volumetrics.partition import (
    core_of,
    enclosure,
    inner_cells,
    reach_m,
    share_within,
    surrounded,
)
from survey.volumetrics.regions import together

WKT = CRS.from_epsg(32643).to_wkt()
N = 80
ROWS, COLS = np.mgrid[0:N, 0:N]
R = np.hypot(ROWS - 40, COLS - 40)


def rings() -> np.ndarray:
    """A benched pit of which only the three faces moved, with a heap and a patch of floor inside."""
    depth = np.zeros((N, N))
    for inner in (8, 18, 28):
        depth[(inner <= R) & (inner + 4 > R)] = -2.0
    depth[38:42, 38:42] = -0.5
    depth[24:26, 39:41] = 1.0
    return depth


def test_rings_surround_what_lies_in_them_and_no_other_sign() -> None:
    r = regions_of(rings())
    outer = int(np.argmax(r.cells))
    inside = surrounded(r, outer, np.arange(r.count))
    assert r.count == 5
    assert sorted(r.sign[inside].tolist()) == [-1, -1, -1]
    around = enclosure(r, outer)
    # A disc of radius 32 but for the raster of its rim.
    assert around.whole.sum() == pytest.approx(math.pi * 32**2, rel=0.02)
    assert around.open_cells == around.whole.sum() - r.cells[outer]
    assert all(share_within(r, int(k), around) == 1.0 for k in inside)


def test_a_ring_with_a_gap_is_closed_up_to_twice_the_radius() -> None:
    depth = np.where((R > 20) & (R < 26), -2.0, 0.0)
    depth[39:42, 60:] = 0.0  # a way out, three cells wide
    depth[36:44, 36:44] = -1.0
    r = regions_of(depth)
    ring, patch = int(np.argmax(r.cells)), int(np.argmin(r.cells))
    assert share_within(r, patch, enclosure(r, ring)) == 0.0
    assert share_within(r, patch, enclosure(r, ring, 3)) == 1.0


def test_large_regions_are_filled_on_a_lattice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("survey.volumetrics.partition.LATTICE_CELLS", 400)
    r = regions_of(rings())
    outer = int(np.argmax(r.cells))
    around = enclosure(r, outer)
    assert around.step > 1
    assert around.whole.sum() * around.step**2 == pytest.approx(math.pi * 32**2, rel=0.15)


def test_what_noise_joined_on_lies_beyond_the_reach_of_the_certain_cells() -> None:
    inside = np.zeros((40, 60), np.bool_)
    inside[10:20, 5:15] = True  # the pit
    inside[14:16, 15:20] = True  # a neck
    inside[5:35, 20:55] = True  # the leak
    strong = np.zeros_like(inside)
    strong[11:19, 6:14] = True
    core = core_of(strong, inside, 3.0)
    assert core[10:20, 5:15].all()
    assert not core[:, 18:].any()
    assert (core_of(strong & False, inside, 3.0) == inside).all()


def test_reach_grows_with_the_taper_and_the_smoothing() -> None:
    assert reach_m(0.10, 0.04, 2.0) == pytest.approx(0.06 / 0.15 + 1.0)
    assert reach_m(0.04, 0.10, 2.0) == 1.0


def test_an_enclosure_is_laid_on_any_piece_of_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    depth = np.where((R > 10) & (R < 14), -1.0, 0.0)
    r = regions_of(depth)
    fine = inner_cells(enclosure(r, 0), r.job)
    assert (fine == (R < 14)).all()
    part = r.job[30:50, 20:45]
    assert (inner_cells(enclosure(r, 0), part) == (R < 14)[30:50, 20:45]).all()
    monkeypatch.setattr("survey.volumetrics.partition.LATTICE_CELLS", 100)
    rough = inner_cells(enclosure(r, 0), r.job)
    assert rough.any()
    assert not (rough & (R >= 15)).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_split_of_a_list_of_regions_comes_together_as_it_was(seed: int) -> None:
    rng = np.random.default_rng(seed)
    depth = np.round(rng.normal(0, 1, (24, 30)), 2)
    depth[rng.random(depth.shape) < 0.6] = 0.0
    r = regions_of(depth)
    chosen = rng.random(r.count) < 0.5
    again = together(r.keep(chosen), r.keep(~chosen))
    assert again.first.tolist() == r.first.tolist()
    assert again.runs.tolist() == r.runs.tolist()
    for k in range(r.count):
        assert again.runs_of(k).tolist() == r.runs_of(k).tolist()
    for name in ("sign", "cells", "seeds", "rise_m3", "layer_m3", "deepest", "box"):
        assert getattr(again, name).tolist() == getattr(r, name).tolist(), name
