"""Triangles between points, with given lines among their edges.

The triangulation is Delaunay's; where a line is not among the edges, its pieces are halved until they are.
The new points lie on the line, at its own height, so the surface keeps its breaks and no height is invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDS = 40
_ON_LINE_M = 1e-3
_FLAT_M2 = 1e-7


@dataclass(frozen=True)
class Mesh:
    """Triangles of a surface.

    ``xyz``: (n, 3); the first ``measured`` are the points given. ``triangles``: (m, 3), anticlockwise.
    ``parents``, ``share``: each vertex is Σ share · (its two parents among the points given). ``kept``: the
    edges that lie on a given line, lower vertex first.
    """

    xyz: NDArray[np.float64]
    triangles: NDArray[np.intp]
    measured: int
    parents: NDArray[np.intp]
    share: NDArray[np.float64]
    kept: frozenset[tuple[int, int]] = frozenset()

    @property
    def areas_m2(self) -> NDArray[np.float64]:
        a, b, c = (self.xyz[self.triangles[:, k], :2] for k in range(3))
        return 0.5 * ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])

    def integral_weights(self) -> NDArray[np.float64]:
        """∂(∫ z dA)/∂z of each point given, m²: a third of the area round it, and its part of new points."""
        each = np.repeat(self.areas_m2 / 3, 3)
        at_vertex = np.bincount(self.triangles.ravel(), each, minlength=len(self.xyz))
        weights = (self.share * at_vertex[:, None]).ravel()
        return np.bincount(self.parents.ravel(), weights, minlength=self.measured).astype(np.float64)


def make_mesh(
    xyz: NDArray[np.float64], lines: Sequence[NDArray[np.intp]], inside: object | None = None
) -> Mesh:
    """Triangulate points with lines among the edges.

    Parameters
    ----------
    xyz:
        (n, 3) east, north, up in metres; no two at one place.
    lines:
        Indices of the points along each line; a closed line repeats its first.
    inside:
        A shapely polygon whose boundary is among the lines: triangles outside it are left out.

    Raises
    ------
    InputRefused
        The points lie on a line, or two lines cross between their points.
    """
    import shapely
    from scipy.spatial import Delaunay, QhullError

    xyz = np.asarray(xyz, np.float64)
    origin = xyz[:, :2].mean(axis=0)
    vertices = [xyz]
    parents = np.column_stack([np.arange(len(xyz))] * 2)
    share = np.tile([1.0, 0.0], (len(xyz), 1))
    segments = _pieces(xyz[:, :2], lines)
    if len(segments) > 1:
        _refuse_crossing(xyz, segments)
    for _ in range(_ROUNDS):
        points = np.vstack(vertices)
        try:
            triangles = Delaunay(points[:, :2] - origin).simplices.astype(np.intp)
        except (QhullError, ValueError) as fault:
            raise InputRefused(
                "the points lie on one line",
                expected="points spread over the ground",
                mend="Measure points across the site too.",
            ) from fault
        edges = np.sort(np.vstack([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
        there = set(map(tuple, edges.tolist()))
        lacking = [k for k, (a, b) in enumerate(segments) if (min(a, b), max(a, b)) not in there]
        if not lacking:
            break
        fresh: list[NDArray[np.float64]] = []
        fresh_parents: list[tuple[int, int]] = []
        fresh_share: list[tuple[float, ...]] = []
        for k in lacking:
            one, two = segments[k]
            number = len(points) + len(fresh)
            fresh.append((points[one] + points[two]) / 2)
            # Both ends lie on one measured piece, so two parents suffice.
            low, high = _ends(parents[one], parents[two])
            fresh_parents.append((low, high))
            fresh_share.append(
                tuple(
                    0.5 * (_of(p, parents[one], share[one]) + _of(p, parents[two], share[two]))
                    for p in (low, high)
                )
            )
            segments[k] = (one, number)
            segments.append((number, two))
        vertices.append(np.array(fresh))
        parents = np.vstack([parents, fresh_parents])
        share = np.vstack([share, fresh_share])
    else:
        raise InputRefused(
            "the lines between the points could not be kept",
            mend="Two lines run almost on each other: remove the points that were measured twice.",
        )
    points = np.vstack(vertices)
    a, b, c = (points[triangles[:, k], :2] for k in range(3))
    doubled = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    triangles[doubled < 0] = triangles[doubled < 0][:, ::-1]
    keep = np.abs(doubled) > _FLAT_M2
    if inside is not None:
        middle = (a + b + c) / 3
        keep &= shapely.contains_xy(inside, middle[:, 0], middle[:, 1])
    # Qhull's order of triangles is not promised: a fixed one makes sums repeatable.
    kept = triangles[keep]
    kept = kept[np.lexsort(np.sort(kept, axis=1).T[::-1])]
    on_lines = frozenset((min(p, q), max(p, q)) for p, q in segments)
    return Mesh(points, kept, len(xyz), parents, share, on_lines)


def _of(parent: int, own: NDArray[np.intp], share: NDArray[np.float64]) -> float:
    return float(share[own == parent].sum())


def _ends(one: NDArray[np.intp], other: NDArray[np.intp]) -> tuple[int, int]:
    both = sorted({int(p) for p in one} | {int(p) for p in other})
    if len(both) > 2:  # pragma: no cover - pieces never leave their measured segment
        raise AssertionError("a piece of a line has more than two measured ends")
    return both[0], both[-1]


def _pieces(xy: NDArray[np.float64], lines: Sequence[NDArray[np.intp]]) -> list[tuple[int, int]]:
    """Segments of the lines, cut where they pass through another point; none twice."""
    import shapely

    wanted = {(min(a, b), max(a, b)) for line in lines for a, b in pairwise(line.tolist()) if a != b}
    if not wanted:
        return []
    ordered = sorted(wanted)
    tree = shapely.STRtree(shapely.points(xy))
    shapes = shapely.linestrings([[xy[a], xy[b]] for a, b in ordered])
    near, at = tree.query(shapes, predicate="dwithin", distance=_ON_LINE_M)
    out: set[tuple[int, int]] = set()
    for k, (a, b) in enumerate(ordered):
        between = [int(p) for p in at[near == k] if p not in (a, b)]
        along = xy[b] - xy[a]
        between.sort(key=lambda p: float((xy[p] - xy[a]) @ along))
        chain = [int(a), *between, int(b)]
        out |= {(min(p, q), max(p, q)) for p, q in pairwise(chain)}
    return sorted(out)


def _refuse_crossing(xyz: NDArray[np.float64], segments: list[tuple[int, int]]) -> None:
    import shapely

    shapes = shapely.linestrings([[xyz[a, :2], xyz[b, :2]] for a, b in segments])
    one, other = shapely.STRtree(shapes).query(shapes, predicate="crosses")
    for i, j in zip(one.tolist(), other.tolist(), strict=True):
        if i < j and not set(segments[i]) & set(segments[j]):
            place = shapely.get_coordinates(shapely.intersection(shapes[i], shapes[j]))[0]
            raise InputRefused(
                f"two lines of points cross at {place[0]:.2f} east, {place[1]:.2f} north",
                mend="Check codes and order of the points there; number lines of one kind (toe1, toe2).",
            )
