"""Triangulations keep their lines, and the volume between two of them is exact."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from survey.volumetrics.points.between import over_function, over_planes, positive_part
from survey.volumetrics.points.lines import path_order, ring_order
from survey.volumetrics.points.mesh import make_mesh

SQUARE = np.array([[0.0, 0, 0], [10, 0, 0], [10, 10, 0], [0, 10, 0]])
RING = np.array([0, 1, 2, 3, 0])


def test_a_line_is_kept_and_new_points_lie_on_it():
    rng = np.random.default_rng(1)
    xyz = np.vstack(
        [
            [[0.0, 0, 5], [100, 1, 9]],
            np.column_stack([rng.uniform(0, 100, 60), rng.uniform(-3, 4, 60), rng.normal(0, 1, 60)]),
        ]
    )
    mesh = make_mesh(xyz, [np.array([0, 1])])
    edges = np.sort(
        np.vstack([mesh.triangles[:, [0, 1]], mesh.triangles[:, [1, 2]], mesh.triangles[:, [2, 0]]]), axis=1
    )
    at = [i for i in range(len(mesh.xyz)) if abs(100 * mesh.xyz[i, 1] - mesh.xyz[i, 0]) < 1e-6]
    at.sort(key=lambda i: mesh.xyz[i, 0])
    there = set(map(tuple, edges.tolist()))
    assert len(at) > 2
    assert all((min(a, b), max(a, b)) in there for a, b in pairwise(at))
    for i in at:
        assert mesh.xyz[i, 2] == pytest.approx(5 + 4 * mesh.xyz[i, 0] / 100)
    np.testing.assert_allclose((mesh.share * xyz[mesh.parents][..., 2]).sum(axis=1), mesh.xyz[:, 2])


def test_weights_are_the_derivative_of_the_volume():
    rng = np.random.default_rng(3)
    xyz = np.vstack([SQUARE, np.column_stack([rng.uniform(1, 9, (30, 2)), rng.normal(0, 1, 30)])])
    line = np.array([4, 5, 6])
    mesh = make_mesh(xyz, [RING, line] if not _crosses(xyz, line) else [RING])
    weights = mesh.integral_weights()
    volume = float((mesh.areas_m2 * mesh.xyz[mesh.triangles][..., 2].mean(axis=1)).sum())
    assert weights @ xyz[:, 2] == pytest.approx(volume)
    assert weights.sum() == pytest.approx(100)


def _crosses(xyz, line):
    import shapely

    return not shapely.LineString(xyz[line, :2]).is_simple


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-5, 5).filter(lambda v: v == 0 or abs(v) > 1e-6), min_size=3, max_size=3))
def test_the_positive_part_of_a_plane_triangle(corners):
    """Against the sum over 300² small triangles."""
    d = np.array([corners])
    up, down = positive_part(np.array([2.0]), d)
    assert up[0] - down[0] == pytest.approx(2.0 * d.mean(), abs=1e-9)
    k = 300
    u, v = np.meshgrid((np.arange(k) + 1 / 3) / k, (np.arange(k) + 1 / 3) / k)
    inside = u + v < 1
    value = d[0, 0] + (d[0, 1] - d[0, 0]) * u[inside] + (d[0, 2] - d[0, 0]) * v[inside]
    assert up[0] == pytest.approx(2.0 * np.maximum(value, 0).mean(), abs=0.08)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000), st.integers(3, 40), st.integers(3, 40))
def test_two_meshes_of_two_planes(seed, n, m):
    """However they are triangulated, the volume between two planes over a square is known."""
    rng = np.random.default_rng(seed)

    def plane(k, a, b, c):
        at = np.vstack([SQUARE[:, :2], rng.uniform(0.5, 9.5, (k, 2))])
        return make_mesh(np.column_stack([at, a + b * at[:, 0] + c * at[:, 1]]), [RING])

    top, foot = plane(n, 5.0, 0.1, -0.2), plane(m, 0.0, 0.05, 0.1)
    up, down, area = over_planes(top, foot)
    assert area == pytest.approx(100)
    assert up - down == pytest.approx(100 * (5 + 0.05 * 5 - 0.3 * 5), rel=1e-9)


def test_a_saddle_crossing_its_base_has_equal_cut_and_fill():
    at = np.linspace(0, 10, 11)
    x, y = (g.ravel() for g in np.meshgrid(at, at))
    z = x - 5.0
    order = np.array([i for i in range(121) if x[i] in (0, 10) or y[i] in (0, 10)])
    ring = order[np.argsort(np.arctan2(y[order] - 5, x[order] - 5))]
    mesh = make_mesh(np.column_stack([x, y, z]), [np.append(ring, ring[0])])
    flat = make_mesh(SQUARE, [RING])
    up, down, _ = over_planes(mesh, flat)
    assert up == pytest.approx(125)
    assert down == pytest.approx(125)
    up, down, _ = over_function(mesh, lambda p: np.zeros(len(p)))
    assert up == pytest.approx(125)
    assert down == pytest.approx(125)


def test_a_curved_base():
    """∫ (x² + y²) over the square 10 × 10: 2 · 10⁴/3 / … = 6666.67; 64 pieces a triangle leave 1e-3."""
    rng = np.random.default_rng(1)
    at = np.vstack([SQUARE[:, :2], rng.uniform(0.5, 9.5, (60, 2))])
    mesh = make_mesh(np.column_stack([at, np.zeros(len(at))]), [RING])
    up, down, _ = over_function(mesh, lambda p: p[:, 0] ** 2 + p[:, 1] ** 2)
    assert up == 0
    assert down == pytest.approx(20_000 / 3, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(4, 40))
def test_a_shuffled_convex_ring_is_found_again(seed, n):
    rng = np.random.default_rng(seed)
    bearing = np.sort(rng.uniform(0, 2 * math.pi, n))
    xy = np.column_stack([30 * np.cos(bearing), 18 * np.sin(bearing)])
    shuffle = rng.permutation(n)
    order, _ = ring_order(xy[shuffle])
    found = shuffle[order]
    start = int(np.flatnonzero(found == 0)[0])
    turned = np.roll(found, -start)
    assert np.array_equal(turned, np.arange(n)) or np.array_equal(turned[1:], np.arange(n)[:0:-1])


def test_a_walked_line_keeps_its_order():
    t = np.linspace(0, 5, 30)
    xy = np.column_stack([10 * t, 8 * np.sin(2 * t)])
    order, measured = path_order(xy)
    assert measured
    assert np.array_equal(order, np.arange(30))
