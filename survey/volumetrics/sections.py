"""Profiles: the height of a surface along a line, and where to lay the lines."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.grid import Bounds, Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Read = Callable[[Grid], NDArray[np.float32]]

_STRETCH = 512  # samples read at once
_NUMBER_WORDS = (10.0, 20.0, 25.0, 50.0, 100.0, 200.0, 250.0, 500.0, 1000.0)


@dataclass(frozen=True, slots=True)
class Profile:
    """Heights along a line: ``distance_m`` from its start, ``height_m`` with NaN where not measured."""

    distance_m: NDArray[np.float64]
    height_m: NDArray[np.float64]

    @property
    def measured(self) -> bool:
        return bool(np.isfinite(self.height_m).any())


def points_along(line: NDArray[np.float64], step_m: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(distances, (n, 2) east, north) every ``step_m``, and the line's end and corners."""
    line = np.asarray(line, np.float64)[:, :2]
    corners = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    distance = np.unique(np.concatenate([np.arange(0.0, corners[-1], step_m), corners]))
    return distance, np.column_stack([np.interp(distance, corners, line[:, k]) for k in (0, 1)])


def profile(read: Read, grid: Grid, line: NDArray[np.float64], step_m: float | None = None) -> Profile:
    """Bilinear heights of a surface along a line, reading only the pieces that the line passes.

    Parameters
    ----------
    read:
        Heights of a piece of ``grid``, (rows, cols), NaN = not measured.
    line:
        (n, 2) east, north in the grid's system.
    step_m:
        Distance of samples; the cell's side if not given.

    A sample beside an unmeasured cell is not measured, and so is one outside the grid.
    """
    step_m = step_m or min(grid.cell_east, grid.cell_north)
    distance, points = points_along(line, step_m)
    height = np.full(len(distance), np.nan)
    for first in range(0, len(distance), _STRETCH):
        part = slice(first, first + _STRETCH)
        height[part] = _heights_at(read, grid, points[part])
    return Profile(distance, height)


def _heights_at(read: Read, grid: Grid, points: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.full(len(points), np.nan)
    row, col = grid.row_col(points[:, 0], points[:, 1])
    # Between the outermost centres and the edge of the grid the outermost centre's height holds.
    inside = (row >= -0.5) & (row <= grid.height - 0.5) & (col >= -0.5) & (col <= grid.width - 0.5)
    if not inside.any():
        return out
    row, col = np.clip(row[inside], 0, grid.height - 1), np.clip(col[inside], 0, grid.width - 1)
    r0, c0 = int(row.min()), int(col.min())
    piece = grid[r0 : int(row.max()) + 2, c0 : int(col.max()) + 2]
    z = np.asarray(read(piece), np.float64)
    r = np.minimum(np.floor(row - r0).astype(np.intp), piece.height - 1)
    c = np.minimum(np.floor(col - c0).astype(np.intp), piece.width - 1)
    r2, c2 = np.minimum(r + 1, piece.height - 1), np.minimum(c + 1, piece.width - 1)
    down, right = row - r0 - r, col - c0 - c
    total = np.zeros(len(row))
    for rr, cc, weight in (
        (r, c, (1 - down) * (1 - right)),
        (r, c2, (1 - down) * right),
        (r2, c, down * (1 - right)),
        (r2, c2, down * right),
    ):
        total += np.where(weight > 1e-9, z[rr, cc], 0.0) * weight
    out[inside] = total
    return out


def thinned(profile: Profile, tolerance_m: float) -> Profile:
    """The fewest samples such that straight lines between them keep within ``tolerance_m`` in height.

    Gaps stay gaps: each measured stretch keeps its ends, and one NaN stands between two stretches.
    """
    known = np.isfinite(profile.height_m)
    keep = np.zeros(len(known), bool)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    for first, end in zip(edges[0::2], edges[1::2], strict=True):
        keep[first:end] = _needed(profile.distance_m[first:end], profile.height_m[first:end], tolerance_m)
        if end < len(known):
            keep[end] = True  # the NaN that marks the gap
    return Profile(profile.distance_m[keep], profile.height_m[keep])


def _needed(
    distance: NDArray[np.float64], height: NDArray[np.float64], tolerance: float
) -> NDArray[np.bool_]:
    keep = np.zeros(len(distance), bool)
    keep[[0, -1]] = True
    spans = [(0, len(distance) - 1)]
    while spans:
        a, b = spans.pop()
        if b - a < 2:
            continue
        part = slice(a + 1, b)
        straight = height[a] + (height[b] - height[a]) * (distance[part] - distance[a]) / (
            distance[b] - distance[a]
        )
        off = np.abs(height[part] - straight)
        worst = int(np.argmax(off))
        if off[worst] > tolerance:
            middle = a + 1 + worst
            keep[middle] = True
            spans += [(a, middle), (middle, b)]
    return keep


# -- where to lay them -------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class SectionLine:
    """A straight section line, west (or north) end first. ``line``: (2, 2) east, north."""

    name: str
    kind: str  # regular | site
    line: NDArray[np.float64]
    site: str | None = None

    @property
    def length_m(self) -> float:
        return float(np.hypot(*(self.line[1] - self.line[0])))

    @property
    def bearing_deg(self) -> float:
        east, north = self.line[1] - self.line[0]
        return round(math.degrees(math.atan2(east, north)) % 360.0, 4)


def long_axis_deg(polygon: Any) -> float:
    """Bearing of the longer side of the smallest rectangle round a polygon, [0, 180)."""
    import shapely

    ring = shapely.get_coordinates(shapely.minimum_rotated_rectangle(polygon))
    sides = np.diff(ring[:3], axis=0) if len(ring) >= 3 else np.array([[1.0, 0.0], [0.0, 0.0]])
    lengths = np.hypot(*sides.T)
    # A square has no longer side: rounding must not choose between runs.
    east, north = sides[0] if lengths[0] >= lengths[1] * (1 - 1e-9) else sides[1]
    return round(math.degrees(math.atan2(east, north)) % 180.0, 6) % 180.0


def regular_spacing_m(extent_m: float, about: int = 8) -> float:
    """A round distance that gives about ``about`` sections over ``extent_m``."""
    return min(_NUMBER_WORDS, key=lambda spacing: abs(math.log(max(extent_m, 1e-9) / spacing / about)))


def regular_sections(
    polygon: Any, spacing_m: float | None = None, *, bearing_deg: float | None = None
) -> list[SectionLine]:
    """Parallel lines from boundary to boundary at a regular spacing, named A–A′, B–B′, …

    They run across the long axis of ``polygon`` unless ``bearing_deg`` is given, and lie on whole multiples
    of the spacing from its middle, so that the same boundary gives the same sections every year. Where a line
    leaves and enters the boundary again it runs on: one section reaches from the first crossing to the last.
    """
    import shapely

    if polygon is None or polygon.is_empty:
        return []
    along = math.radians((long_axis_deg(polygon) + 90.0) % 180.0 if bearing_deg is None else bearing_deg)
    line_way = np.array([math.sin(along), math.cos(along)])
    if line_way[0] < -1e-9 or (abs(line_way[0]) <= 1e-9 and line_way[1] > 0):
        line_way = -line_way  # drawn from the west (from the north, if it runs north–south)
    across = np.array([line_way[1], -line_way[0]])
    middle = np.array(shapely.get_coordinates(shapely.minimum_rotated_rectangle(polygon).centroid)[0])
    corners = shapely.get_coordinates(polygon.convex_hull) - middle
    reach, far = np.abs(corners @ line_way).max() + 1.0, corners @ across
    extent = float(far.max() - far.min())
    spacing = spacing_m or regular_spacing_m(extent)
    found = []
    for k in range(math.ceil(far.min() / spacing), math.floor(far.max() / spacing) + 1):
        base = middle + k * spacing * across
        whole = shapely.linestrings([base - reach * line_way, base + reach * line_way])
        cut = shapely.get_coordinates(shapely.intersection(whole, polygon))
        if len(cut) < 2:
            continue
        order = np.argsort((cut - base) @ line_way)
        ends = cut[order[[0, -1]]]
        if np.hypot(*(ends[1] - ends[0])) >= 0.1 * reach:
            found.append(ends)
    return [SectionLine(letters(k), "regular", ends) for k, ends in enumerate(found)]


def letters(k: int) -> str:
    """0 → A, 25 → Z, 26 → AA …"""
    name = ""
    k += 1
    while k:
        k, rest = divmod(k - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def section_through(
    polygon: Any,
    point: tuple[float, float],
    *,
    name: str,
    site: str | None = None,
    bearing_deg: float | None = None,
    overhang: float = 0.25,
) -> SectionLine:
    """The section of a site: through ``point`` (its deepest), along its long axis unless a bearing is given.

    It reaches past the outline by ``overhang`` of its length on each side, at least 5 m, so that the ground
    beside the site can be seen.
    """
    import shapely

    along = math.radians(long_axis_deg(polygon) if bearing_deg is None else bearing_deg)
    way = np.array([math.sin(along), math.cos(along)])
    if way[0] < -1e-9 or (abs(way[0]) <= 1e-9 and way[1] > 0):
        way = -way
    at = np.asarray(point, np.float64)
    far = (shapely.get_coordinates(polygon) - at) @ way
    reach = np.abs(far).max() + 1.0
    whole = shapely.linestrings([at - reach * way, at + reach * way])
    cut = shapely.get_coordinates(shapely.intersection(whole, polygon))
    span = (cut - at) @ way if len(cut) >= 2 else far
    low, high = min(float(span.min()), 0.0), max(float(span.max()), 0.0)
    more = max(overhang * (high - low), 5.0)
    return SectionLine(name, "site", np.array([at + (low - more) * way, at + (high + more) * way]), site)


def bounds_of(line: NDArray[np.float64]) -> Bounds:
    (west, south), (east, north) = np.min(line[:, :2], axis=0), np.max(line[:, :2], axis=0)
    return Bounds(float(west), float(south), float(east), float(north))


# -- faces on a profile ------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Face:
    """Steep ground on a profile. Its angle is seen *along the section*: cut aslant it looks flatter."""

    from_m: float
    to_m: float
    from_height_m: float
    to_height_m: float

    @property
    def angle_deg(self) -> float:
        return math.degrees(math.atan2(abs(self.to_height_m - self.from_height_m), self.to_m - self.from_m))


def faces(profile: Profile, least_slope_deg: float = 30.0, least_height_m: float = 2.0) -> list[Face]:
    """Runs of a profile that rise (or fall) steeper than a slope over at least a height.

    Single flatter samples inside a face do not part it: a face is as long as the straight line over any
    three of its samples stays steep. Each end reaches one sample on, if that makes the face higher: brow and
    foot lie between samples.
    """
    d, z = profile.distance_m, profile.height_m
    if len(d) < 3:
        return []
    limit = math.tan(math.radians(least_slope_deg))
    run = np.diff(d)
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = np.diff(z) / run
        wide = (z[2:] - z[:-2]) / (d[2:] - d[:-2])
    steep = np.where(np.abs(slope) >= limit, np.sign(slope), 0.0)
    # A lone flat sample between two steep ones of the same way.
    for k in range(1, len(steep) - 1):
        bridging = steep[k] == 0 and steep[k - 1] == steep[k + 1] != 0
        if bridging and min(abs(wide[k - 1]), abs(wide[k])) >= limit:
            steep[k] = steep[k - 1]
    found = []
    first = 0
    for k in range(1, len(steep) + 1):
        if k == len(steep) or steep[k] != steep[first]:
            if steep[first] != 0:
                a, b = _reaching(z, first, k, float(steep[first]))
                if abs(z[b] - z[a]) >= least_height_m:
                    found.append(Face(float(d[a]), float(d[b]), float(z[a]), float(z[b])))
            first = k
    return found


def _reaching(z: NDArray[np.float64], first: int, last: int, way: float) -> tuple[int, int]:
    if first > 0 and way * (z[first] - z[first - 1]) > 0:
        first -= 1
    if last + 1 < len(z) and way * (z[last + 1] - z[last]) > 0:
        last += 1
    return first, last
