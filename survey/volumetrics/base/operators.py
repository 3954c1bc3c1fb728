"""Bases that are linear in the heights around the outline.

An operator says for every block under the outline how much of each ring height goes into its base:
``base = S · z_ring``. The volume under the base is then ``area · wᵀ S z_ring = area · λᵀ z_ring``, and λ is
all that a trial on other ground needs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.volumetrics.base.frame import Frame

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_POINTS = {"plane": 6, "smooth trend": 12, "spline": 20}
_MOST_KNOTS = 700  # ring heights that a dense spline is solved with; evenly thinned beyond
_RIDGE = 1e-9


class NotPossible(Exception):
    """This way to rebuild cannot serve this outline; the text says why."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A linear way from ring heights to a base.

    ``ring``: the blocks whose heights are used, bool (rows, cols). ``heights``: from those heights in reading
    order to the base on the inside blocks in reading order. ``adjoint``: from weights on the inside blocks to
    weights on the ring blocks.
    """

    name: str
    ring: NDArray[np.bool_]
    heights: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    adjoint: Callable[[NDArray[np.float64]], NDArray[np.float64]]


def _dense(name: str, ring: NDArray[np.bool_], matrix: NDArray[np.float64]) -> Operator:
    return Operator(name, ring, lambda z: matrix @ z, lambda w: matrix.T @ w)


def _middle(z: NDArray[np.float64]) -> float:
    return float(z.mean()) if z.size else 0.0


# -- trends ------------------------------------------------------------------------------------------
def _terms(x: NDArray[np.float64], y: NDArray[np.float64], order: int) -> NDArray[np.float64]:
    """Polynomial terms up to ``order`` in columns: 1, x, y, x², xy, y²."""
    return np.stack(
        [x**i * y**j for n in range(order + 1) for i in range(n, -1, -1) for j in (n - i,)], axis=1
    )


def trend(frame: Frame, ring: NDArray[np.bool_], order: int, name: str) -> Operator:
    """Least squares of a polynomial on the ring: order 0 its mean level, 1 a plane, 2 a smooth trend."""
    x, y = frame.positions(ring)
    terms = _terms(x, y, order)
    if len(x) < 2 * terms.shape[1]:
        raise NotPossible(f"only {len(x)} ring heights")
    inverse, rank = np.linalg.pinv(terms, rcond=1e-8), np.linalg.matrix_rank(terms, tol=1e-6 * len(x))
    if rank < terms.shape[1]:
        raise NotPossible("the usable ring lies on one side only")
    return _dense(name, ring, _terms(*frame.positions(frame.inside), order) @ inverse)


# -- splines -----------------------------------------------------------------------------------------
def _thinned(ring: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """At most ``_MOST_KNOTS`` blocks of the ring, spread over it: a checkered lattice of absolute blocks."""
    count = int(np.count_nonzero(ring))
    if count <= _MOST_KNOTS:
        return ring
    flat = np.flatnonzero(ring)
    # A golden-ratio walk leaves no direction thinner than another, and does not depend on anything else.
    golden = (np.arange(count) * 0.6180339887498949) % 1.0
    kept = np.sort(flat[golden < _MOST_KNOTS / count])
    out = np.zeros(ring.size, bool)
    out[kept] = True
    return out.reshape(ring.shape)


def spline(
    frame: Frame,
    ring: NDArray[np.bool_],
    kernel: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    nugget: float,
    order: int,
    name: str,
) -> Operator:
    """Smoothing spline, or kriging with a trend, in its dual form (Wahba 1990; Cressie 1993, section 3.4).

    ``kernel``: covariance (or conditionally positive kernel) of distance in units of ``Frame.span_m``;
    ``nugget``: variance of a single ring height beside it; ``order``: of the polynomial trend.
    """
    knots = _thinned(ring)
    x, y = frame.positions(knots)
    u, v = frame.positions(frame.inside)
    terms = _terms(x, y, order)
    n, p = terms.shape
    if n < 3 * p:
        raise NotPossible(f"only {n} ring heights")
    system = np.zeros((n + p, n + p))
    system[:n, :n] = kernel(np.hypot(x[:, None] - x, y[:, None] - y))
    system[np.arange(n), np.arange(n)] += nugget
    system[:n, n:], system[n:, :n] = terms, terms.T
    target = np.concatenate([kernel(np.hypot(u[:, None] - x, v[:, None] - y)), _terms(u, v, order)], axis=1)
    try:
        matrix = np.linalg.solve(system, target.T)[:n].T
    except np.linalg.LinAlgError as fault:
        raise NotPossible("the usable ring lies on one side only") from fault
    return _dense(name, knots, matrix)


def thin_plate(frame: Frame, ring: NDArray[np.bool_], name: str, smoothing: float = 1e-3) -> Operator:
    """Thin-plate spline r² ln r through the ring (Duchon 1977), stiffened so that noise does not bend it."""

    def kernel(r: NDArray[np.float64]) -> NDArray[np.float64]:
        return r * r * np.log(np.maximum(r, 1e-12))

    return spline(frame, ring, kernel, smoothing, 1, name)


# -- solved on the blocks ----------------------------------------------------------------------------
def _solved(
    name: str, frame: Frame, ring: NDArray[np.bool_], energy: Any, domain: NDArray[np.bool_]
) -> Operator:
    """The surface through the ring of least ``energy``, a sparse quadratic form on the domain."""
    from scipy.sparse.linalg import splu

    number = np.full(ring.shape, -1)
    number[domain] = np.arange(int(domain.sum()))
    fixed, free = number[ring], number[domain & ~ring]
    inside = np.searchsorted(free, number[frame.inside])
    form = energy.tocsr()
    a, b = form[free][:, free].tocsc(), form[free][:, fixed].tocsr()
    a = a + _RIDGE * _identity(a.shape[0]) * abs(a.diagonal()).max()
    solve = splu(a.tocsc())

    def heights(z: NDArray[np.float64]) -> NDArray[np.float64]:
        level = _middle(z)
        return level - solve.solve(b @ (z - level))[inside]

    def adjoint(w: NDArray[np.float64]) -> NDArray[np.float64]:
        load = np.zeros(a.shape[0])
        load[inside] = w
        weights = -(b.T @ solve.solve(load))
        # Rounding and the ridge leave a trace: a level ring must give a level base.
        return weights + (w.sum() - weights.sum()) / len(weights)

    return Operator(name, ring, heights, adjoint)


def _identity(n: int) -> Any:
    from scipy.sparse import identity

    return identity(n, format="csc")


def _differences(frame: Frame, domain: NDArray[np.bool_]) -> tuple[Any, Any]:
    """Sparse gradient (between neighbours) and Laplacian (where all four neighbours are) on the domain."""
    from scipy.sparse import coo_matrix, vstack

    n = int(domain.sum())
    number = np.full(domain.shape, -1)
    number[domain] = np.arange(n)
    parts = []
    for axis, step in ((0, frame.cell_north), (1, frame.cell_east)):
        one = number[:-1] if axis == 0 else number[:, :-1]
        two = number[1:] if axis == 0 else number[:, 1:]
        both = (one >= 0) & (two >= 0)
        i, j = one[both], two[both]
        k = np.arange(len(i))
        data = np.concatenate([-np.ones(len(i)), np.ones(len(i))]) / step
        parts.append(coo_matrix((data, (np.concatenate([k, k]), np.concatenate([i, j]))), shape=(len(i), n)))
    curves = []
    for axis, step in ((0, frame.cell_north), (1, frame.cell_east)):
        one, mid, two = (
            (number[:-2], number[1:-1], number[2:])
            if axis == 0
            else (number[:, :-2], number[:, 1:-1], number[:, 2:])
        )
        all3 = (one >= 0) & (mid >= 0) & (two >= 0)
        i, m, j = one[all3], mid[all3], two[all3]
        k = np.arange(len(i))
        data = np.concatenate([np.ones(len(i)), -2 * np.ones(len(i)), np.ones(len(i))]) / step**2
        curves.append(
            coo_matrix((data, (np.concatenate([k, k, k]), np.concatenate([i, m, j]))), shape=(len(i), n))
        )
    one, two = number[:-1, :-1], number[1:, 1:]
    other, last = number[:-1, 1:], number[1:, :-1]
    four = (one >= 0) & (two >= 0) & (other >= 0) & (last >= 0)
    k = np.arange(int(four.sum()))
    scale = np.sqrt(2.0) / (frame.cell_east * frame.cell_north)
    data = scale * np.concatenate([np.ones(len(k)), np.ones(len(k)), -np.ones(len(k)), -np.ones(len(k))])
    index = np.concatenate([one[four], two[four], other[four], last[four]])
    curves.append(coo_matrix((data, (np.tile(k, 4), index)), shape=(len(k), n)))
    return vstack(parts).tocsr(), vstack(curves).tocsr()


def _domain(frame: Frame, ring: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Inside, the ring, and the disturbed blocks between them, as far as they hang together."""
    from scipy.ndimage import label

    reach = float(frame.clearance_m[ring].max())
    near = (frame.clearance_m <= reach) & (
        ring | frame.inside | ~np.isfinite(frame.z) | (frame.clearance_m < reach)
    )
    parts, _ = label(near)
    keep = np.unique(parts[frame.inside])
    return np.isin(parts, keep[keep > 0])


def laplace(frame: Frame, ring: NDArray[np.bool_], name: str) -> Operator:
    """The membrane stretched over the ring: ∇²z = 0 inside, free where the ring is disturbed."""
    domain = _domain(frame, ring)
    ring = ring & domain
    gradient, _ = _differences(frame, domain)
    return _solved(name, frame, ring, gradient.T @ gradient, domain)


def minimum_curvature(frame: Frame, ring: NDArray[np.bool_], name: str, tension: float = 0.05) -> Operator:
    """The plate bent over the ring (Briggs 1974), with tension against overshoot (Smith & Wessel 1990)."""
    domain = _domain(frame, ring)
    ring = ring & domain
    gradient, curvature = _differences(frame, domain)
    # Tension is counted against the outline's size, so that the shape does not depend on the blocks.
    pull = tension / (1 - tension) / frame.span_m**2
    energy = curvature.T @ curvature + pull * (gradient.T @ gradient)
    return _solved(name, frame, ring, energy, domain)


# -- from the rim ------------------------------------------------------------------------------------
def tin(frame: Frame, ring: NDArray[np.bool_], name: str) -> Operator:
    """Delaunay triangles between the rim heights."""
    from scipy.spatial import Delaunay, QhullError

    x, y = frame.positions(ring)
    u, v = frame.positions(frame.inside)
    if len(x) < 4:
        raise NotPossible(f"only {len(x)} rim heights")
    try:
        mesh = Delaunay(np.column_stack([x, y]))
    except QhullError as fault:
        raise NotPossible("the rim heights lie on a line") from fault
    at = np.column_stack([u, v])
    triangle = mesh.find_simplex(at, tol=1e-9)
    if (triangle < 0).any():
        raise NotPossible("part of the outline lies outside its usable rim")
    corner = mesh.simplices[triangle]
    move = mesh.transform[triangle]
    two = np.einsum("nij,nj->ni", move[:, :2], at - move[:, 2])
    share = np.column_stack([two, 1 - two.sum(axis=1)])
    return _scattered(name, ring, corner, share)


def natural_neighbour(frame: Frame, ring: NDArray[np.bool_], name: str) -> Operator:
    """Sibson's natural neighbours of the rim, their stolen areas counted in blocks (Park et al. 2006)."""
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import ConvexHull, Delaunay, QhullError

    x, y = frame.positions(ring)
    try:
        hull = Delaunay(np.column_stack([x, y])[ConvexHull(np.column_stack([x, y])).vertices])
    except (QhullError, ValueError) as fault:
        raise NotPossible("the rim heights lie on a line") from fault
    u, v = frame.positions(frame.inside)
    if (hull.find_simplex(np.column_stack([u, v]), tol=1e-9) < 0).any():
        raise NotPossible("part of the outline lies outside its usable rim")
    rows, cols = np.nonzero(ring | frame.inside)
    box = (slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1))
    sampling = (frame.cell_north, frame.cell_east)
    distance, nearest = distance_transform_edt(~ring[box], sampling=sampling, return_indices=True)
    number = np.full(ring.shape, -1)
    number[ring] = np.arange(len(x))
    owner = number[box][nearest[0], nearest[1]].ravel()
    row, col = (axis.ravel() for axis in np.mgrid[box])
    radius = distance.ravel()
    in_row, in_col = np.nonzero(frame.inside)
    matrix = np.zeros((len(in_row), len(x)))
    for k in range(0, len(in_row), 256):
        some = slice(k, k + 256)
        apart = np.hypot(
            (in_row[some, None] - row) * frame.cell_north, (in_col[some, None] - col) * frame.cell_east
        )
        # A block closer to the new point than to any rim height is stolen; a half block softens the count.
        stolen = np.clip((radius - apart) / frame.cell_m + 0.5, 0, 1)
        for i, taken in enumerate(stolen, start=k):
            matrix[i] = np.bincount(owner, taken, minlength=len(x))
    total = matrix.sum(axis=1, keepdims=True)
    matrix /= np.where(total > 0, total, 1.0)
    # Sibson's weights reproduce a plane; counted areas only nearly do, so the plane is taken off first.
    terms, at = _terms(x, y, 1), _terms(u, v, 1)
    plane = np.linalg.pinv(terms)
    return _dense(name, ring, matrix + (at - matrix @ terms) @ plane)


def _scattered(
    name: str, ring: NDArray[np.bool_], index: NDArray[np.intp], share: NDArray[np.float64]
) -> Operator:
    n = int(ring.sum())

    def adjoint(w: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(index.ravel(), (share * w[:, None]).ravel(), minlength=n).astype(np.float64)

    return Operator(name, ring, lambda z: (z[index] * share).sum(axis=1), adjoint)
