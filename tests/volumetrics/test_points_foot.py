"""What strips along a rim may miss, against prisms of known volume."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from survey.volumetrics.points.foot import missed_at_the_foot
from survey.volumetrics.points.mesh import make_mesh

RADIUS, STEP, DEPTH, AROUND = 20.0, 2.0, 3.0, 72


def laid(height):
    """A round rim at level 0 and rings of points inside, ``height(distance to the rim)``."""
    rows = []
    for k, r in enumerate(np.arange(RADIUS, STEP, -STEP)):
        t = (np.arange(AROUND) + 0.5 * (k % 2)) * 2 * math.pi / AROUND
        rows.append(np.column_stack([r * np.cos(t), r * np.sin(t), np.full(AROUND, RADIUS - r)]))
    xyz = np.vstack([*rows, [[0.0, 0.0, RADIUS]]])
    off = xyz[:, 2].copy()
    rim = off == 0
    xyz[:, 2] = np.where(rim, 0.0, height(off))
    mesh = make_mesh(xyz, [np.append(np.arange(AROUND), 0)])
    return mesh, rim, off


def none(rim):
    return np.zeros(len(rim), bool)


def strip_m3(depth):
    """Of the strip: the floor carried on to the rim, less the frustum of straight lines, n-gons both."""
    outer, inner = RADIUS, RADIUS - STEP
    ngon = AROUND / 2 * math.sin(2 * math.pi / AROUND)
    return depth * ngon * (outer**2 - (outer**2 + outer * inner + inner**2) / 3)


def test_a_flat_floor_leaves_the_whole_strip_open():
    mesh, rim, _ = laid(lambda off: np.full(off.shape, -DEPTH))
    missed = missed_at_the_foot(mesh, rim, none(rim), pit=True)
    assert missed == pytest.approx(strip_m3(DEPTH) / math.sqrt(3), rel=0.02)


def test_the_same_heap_upside_down():
    pit, rim, _ = laid(lambda off: np.full(off.shape, -DEPTH))
    heap, _, _ = laid(lambda off: np.full(off.shape, DEPTH))
    assert missed_at_the_foot(heap, rim, none(rim), pit=False) == pytest.approx(
        missed_at_the_foot(pit, rim, none(rim), pit=True)
    )
    assert missed_at_the_foot(heap, rim, none(rim), pit=True) == 0.0


def test_a_side_that_goes_on_as_steep_misses_nothing():
    mesh, rim, _ = laid(lambda off: -0.5 * off)
    assert missed_at_the_foot(mesh, rim, none(rim), pit=True) < 0.03 * strip_m3(0.5 * STEP)


def test_half_as_steep_beyond_leaves_half_open():
    full, rim, _ = laid(lambda off: np.full(off.shape, -DEPTH))
    bent, _, _ = laid(lambda off: -DEPTH - 0.5 * DEPTH / STEP * (off - STEP))
    whole = missed_at_the_foot(full, rim, none(rim), pit=True)
    assert missed_at_the_foot(bent, rim, none(rim), pit=True) == pytest.approx(whole / 2, rel=0.1)


def test_a_measured_toe_leaves_nothing_open():
    mesh, rim, off = laid(lambda off: np.full(off.shape, -DEPTH))
    assert missed_at_the_foot(mesh, rim, off == STEP, pit=True) == 0.0


def test_a_hillside_is_no_side_of_the_pit():
    mesh, rim, _ = laid(lambda off: np.full(off.shape, -DEPTH))
    level = missed_at_the_foot(mesh, rim, none(rim), pit=True)
    hill = 0.8 * mesh.xyz[:, 0] - 0.3 * mesh.xyz[:, 1]
    tilted = replace(mesh, xyz=mesh.xyz + np.column_stack([0 * hill, 0 * hill, hill]))
    assert missed_at_the_foot(tilted, rim, none(rim), pit=True, base=hill) == pytest.approx(level)


def test_slopes_across_the_side_do_not_carry_it_on():
    """Furrows along the rim's rays are steep, and lead nowhere deeper."""
    flat, rim, _ = laid(lambda off: np.full(off.shape, -DEPTH))
    bearing = np.arctan2(flat.xyz[:, 1], flat.xyz[:, 0])
    wave = np.where(rim, 0.0, 0.4 * np.sign(np.sin(9 * bearing)))
    furrowed = replace(flat, xyz=flat.xyz + np.column_stack([0 * wave, 0 * wave, wave]))
    level = missed_at_the_foot(flat, rim, none(rim), pit=True)
    assert missed_at_the_foot(furrowed, rim, none(rim), pit=True) == pytest.approx(level, rel=0.15)
