"""Sides that a lease shares with another, as the job declares them, and the ground in front of them.

Rule 28(2)(iv)(dd) of Rajasthan limits the survey of leases with common boundaries to "the concerned sides";
what that means is for the officer. Here the declared sides only become ground: *exempt for review*.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.boundary.bands import in_front_of, polygonal, rings_of
from survey.errors import InputRefused
from survey.tables import plain_digits

if TYPE_CHECKING:
    from shapely import Geometry

    from survey.boundary.lease import Lease

LINE_REACH_M = 3.0
"""How near to the boundary a drawn line must run to mean it: hand-drawn lines miss by a metre or two."""

_FILES = (".kml", ".kmz", ".geojson", ".json", ".gpkg", ".shp", ".dxf")


@dataclass(frozen=True)
class CommonSides:
    """Declared sides in the lease's system.

    ``line`` are the sides themselves; ``front`` is the ground outside the lease, within the buffer, that
    lies in front of them: opposite a common side, or at a corner between two of them, and not opposite any
    other side. ``share`` is its part of the whole buffer.
    """

    line: Geometry
    front: Geometry
    length_m: float
    share: float
    names: tuple[str, ...]


def read_common_sides(
    text: str, lease: Lease, *, folder: Path | None = None, buffer_m: float = 100.0, crs: str | None = None
) -> CommonSides:
    """Sides as "P3-P4, P4-P5" (names of pillars), or as a file of lines along the boundary.

    A chain "P3-P4-P5" is allowed. Two pillars with others between them mean the way on which the pillars'
    numbers run from one to the other; where they do not tell, the chain must be written out.

    Raises
    ------
    InputRefused
        A pillar that is not known, two that are not neighbours, or a line that does not follow the boundary.
    """
    names: tuple[str, ...]
    if is_file_of_sides(text):
        path = Path(text) if folder is None else folder / text
        marked, names = _sides_by_lines(path, lease, crs), (Path(text).name,)
    else:
        marked, names = _sides_by_names(text, lease)
    return _grounds(lease, marked, buffer_m, names)


def is_file_of_sides(text: str) -> bool:
    """Whether a declared side is a file of lines; "B.P.3-B.P.4" are pillars."""
    return Path(text).suffix.lower() in _FILES


def _grounds(
    lease: Lease, marked: list[NDArray[np.bool_]], buffer_m: float, names: tuple[str, ...]
) -> CommonSides:
    import shapely

    from survey.boundary.bands import grown

    rings = rings_of(lease.polygon)
    band = polygonal(shapely.difference(grown(lease.polygon, buffer_m), lease.polygon))
    ours, others, lines = [], [], []
    for ring, common in zip(rings, marked, strict=True):
        if common.any():
            ours += in_front_of(ring, np.flatnonzero(common), buffer_m)
        # Rectangles only: the corner between a common side and another is nobody's alone, and not exempt.
        others += in_front_of(ring, np.flatnonzero(~common), buffer_m, corners=False)
        lines += [ring[k : k + 2] for k in np.flatnonzero(common)]
    front = shapely.intersection(shapely.union_all(ours), band)
    front = polygonal(shapely.difference(front, shapely.union_all(others)))
    line = shapely.line_merge(shapely.MultiLineString([shapely.LineString(xy) for xy in lines]))
    return CommonSides(line, front, float(line.length), float(front.area / band.area), names)


# -- by the names of pillars --------------------------------------------------------------------------------


def _sides_by_names(text: str, lease: Lease) -> tuple[list[NDArray[np.bool_]], tuple[str, ...]]:
    if not lease.pillars:
        raise InputRefused(
            f"the common sides {text[:80]!r} name pillars, but the boundary file has none",
            mend="Deliver the pillars with the boundary, or the common sides as a file of lines.",
        )
    rings = rings_of(lease.polygon)
    marked = [np.zeros(len(ring) - 1, bool) for ring in rings]
    corners = _corners(rings, lease)
    known = {_plain(p.name): p.name for p in lease.pillars}
    names = []
    for item in filter(str.strip, re.split(r"[,;\n]", text)):
        chain = _chain(item, known)
        if chain is None:
            raise InputRefused(
                f"the common side {item.strip()[:80]!r} is not two known pillars",
                expected="pillars among " + ", ".join(p.name for p in lease.pillars[:30]),
                mend="Write sides as P3-P4, P4-P5.",
            )
        for first, second in itertools.pairwise(chain):
            ring, sides = _way(corners[first], corners[second], first, second, corners, rings)
            marked[ring][sides] = True
            names.append(f"{known[first]}–{known[second]}")
    if not names:
        raise InputRefused("the common sides are empty", mend="Write sides as P3-P4, or leave the key out.")
    return marked, tuple(names)


def _plain(name: str) -> str:
    return re.sub(r"[\s._-]+", "", plain_digits(name)).casefold()


def _chain(item: str, known: dict[str, str]) -> list[str] | None:
    """Names joined by dashes, "to" or arrows. Names may hold dashes themselves: all cuts are tried."""
    plain = re.sub(r"\s*(?:[–—→/]|->|\bto\b|\bसे\b)\s*", "-", plain_digits(item).strip(), flags=re.IGNORECASE)
    words = plain.split("-")

    def cut(begin: int) -> list[list[str]]:
        if begin == len(words):
            return [[]]
        found = []
        for end in range(begin + 1, len(words) + 1):
            name = _plain("-".join(words[begin:end]))
            if name in known:
                found += [[name, *rest] for rest in cut(end)]
        return found

    ways = [way for way in cut(0) if len(way) >= 2] if len(words) <= 24 else []
    return ways[0] if len(ways) == 1 else None


def _corners(rings: Sequence[NDArray[np.float64]], lease: Lease) -> dict[str, tuple[int, int]]:
    """The ring and vertex at which each pillar stands."""
    places = {}
    for pillar in lease.pillars:
        gaps = [np.hypot(*(ring[:-1] - (pillar.east, pillar.north)).T) for ring in rings]
        ring = int(np.argmin([gap.min() for gap in gaps]))
        places[_plain(pillar.name)] = (ring, int(np.argmin(gaps[ring])))
    return places


def _way(
    start: tuple[int, int],
    end: tuple[int, int],
    first: str,
    second: str,
    corners: dict[str, tuple[int, int]],
    rings: Sequence[NDArray[np.float64]],
) -> tuple[int, NDArray[np.int64]]:
    """The sides from one pillar to another: without a pillar between, or with those between by number."""
    if start[0] != end[0] or start[1] == end[1]:
        raise InputRefused(f"the pillars {first!r} and {second!r} are not on one line of the boundary")
    n = len(rings[start[0]]) - 1
    forward = np.arange(start[1], start[1] + (end[1] - start[1]) % n) % n
    backward = np.arange(end[1], end[1] + (start[1] - end[1]) % n) % n
    between = [
        [name for name, (ring, at) in corners.items() if ring == start[0] and at in set(way[1:].tolist())]
        for way in (forward, backward)
    ]
    if bool(between[0]) != bool(between[1]):
        return start[0], forward if not between[0] else backward
    numbers = [_number(name) for name in (first, second)]
    if all(between) and None not in numbers:
        low, high = sorted(n for n in numbers if n is not None)
        fits = [
            all((k := _number(name)) is not None and low <= k <= high for name in names) for names in between
        ]
        if fits[0] != fits[1]:
            return start[0], forward if fits[0] else backward
    raise InputRefused(
        f"from pillar {first!r} to {second!r} there are two ways around the lease",
        mend="Write every pillar of the common side: P3-P4-P5.",
    )


def _number(name: str) -> int | None:
    match = re.search(r"(\d+)\D*$", name)
    return int(match[1]) if match else None


# -- by lines in a file -------------------------------------------------------------------------------------


def _sides_by_lines(path: Path, lease: Lease, crs: str | None) -> list[NDArray[np.bool_]]:
    import shapely

    from survey.boundary.crs import crs_from, move_points
    from survey.boundary.features import refuse_wild
    from survey.boundary.formats import read_drawing
    from survey.boundary.placing import place

    given = None if crs is None else crs_from(crs)
    drawing = read_drawing(path, crs=given)
    refuse_wild(drawing)
    lines = [line for f in drawing.features for line in f.lines if len(line) >= 2]
    if not lines:
        raise InputRefused("holds no lines", expected="lines along the common sides", file=drawing.file)
    placed = place(drawing, lines, given)
    moved = [
        shapely.LineString(move_points(placed.straightened(line), placed.crs_wkt, lease.crs_wkt, placed.near))
        for line in lines
    ]
    boundary = shapely.boundary(lease.polygon)
    for line in moved:
        astray = shapely.difference(line, boundary.buffer(LINE_REACH_M)).length
        if astray > max(LINE_REACH_M, 0.1 * line.length):
            raise InputRefused(
                f"a line of the common sides leaves the boundary for {astray:.0f} of its {line.length:.0f} m",
                file=drawing.file,
                mend="Draw the line along the lease's boundary.",
            )
    near = shapely.union_all([line.buffer(LINE_REACH_M) for line in moved])
    marked = []
    for ring in rings_of(lease.polygon):
        sides = shapely.linestrings(np.stack([ring[:-1], ring[1:]], axis=1))
        along = shapely.length(shapely.intersection(sides, near))
        # Half of a side must be drawn: the ends of neighbouring sides are touched as well.
        marked.append(along > np.maximum(0.5 * shapely.length(sides), 0.0))
    if not any(m.any() for m in marked):
        raise InputRefused("its lines cover no side of the lease", file=drawing.file)
    return marked
