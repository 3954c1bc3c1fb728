"""Rings as drawn, made into valid polygons where that can be done in only one way; otherwise refused.

What is mended, and said: a ring that was not closed, repeated vertices, spikes without area, a ring that
touches itself without crossing, parts or holes that share a side, a part given twice. What is refused: a
ring that crosses itself, a hole that leaves its outline, parts that overlap, no area.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from survey.boundary.features import Ring
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon

SAME_M = 0.0005
"""Vertices this near are one; spikes this narrow have no area."""

MAX_VERTICES = 100_000
"""Of one ring. A lease has a few dozen; only its validity takes seconds to judge with more."""

MAX_MENDED = 20_000
"""Vertices of a ring whose faults are looked into: finding them takes up to the square of this."""

_AREA_TOLERANCE = 1e-9  # of an area: what floating point leaves of an equality
_OVERLAP_TOLERANCE = 1e-4  # of an area: slivers between parts that were digitised side by side

_SAID = {
    "ring-unclosed": ("caution", "{n} ring(s) whose last vertex is not the first were closed."),
    "vertices-repeated": ("info", "{n} repeated vertices were dropped."),
    "spikes-dropped": ("caution", "{n} spike(s) without area were dropped."),
    "ring-touches-itself": ("caution", "{n} ring(s) touch themselves without crossing and were split there."),
    "hole-touches-outline": ("caution", "{n} outline(s) were joined with holes that share a side with them."),
    "part-repeated": ("caution", "{n} part(s) that stood there twice were taken once."),
    "parts-joined": ("caution", "{n} parts that share a side were joined."),
    "ring-orientation": (
        "info",
        "{n} outline(s) turn against the rule of the format, which changes nothing.",
    ),
}


def remarks(mends: Counter[str]) -> list[Remark]:
    """The mends of a file in words, in a fixed order."""
    return [
        Remark(code, text.format(n=mends[code]), severity)  # type: ignore[arg-type]
        for code, (severity, text) in _SAID.items()
        if mends[code]
    ]


def polygon_of(
    parts: Sequence[Sequence[Ring]],
    *,
    file: str,
    label: str,
    metres_per_unit: float,
    mends: Counter[str],
    names: Sequence[str] = (),
    counter_clockwise: bool = False,
) -> Polygon | MultiPolygon:
    """A valid polygon from parts, each an outer ring and its holes.

    Parameters
    ----------
    label:
        How the feature is called in messages.
    metres_per_unit:
        1 for projected, 111,000 for geographic coordinates: tolerances are metres.
    mends:
        Counts what was mended; see :func:`remarks`.
    names:
        Names of the vertices of the first outer ring, for messages.
    counter_clockwise:
        Whether the format wants outer rings to turn that way.

    Raises
    ------
    InputRefused
    """
    import shapely

    polygons: list[Polygon] = []
    seen: set[bytes] = set()
    for part in parts:
        shell, *holes = part
        if counter_clockwise and _twice_area(shell) < 0:
            mends["ring-orientation"] += 1
        outline = _ring_polygon(shell, file, label, metres_per_unit, mends, names)
        if holes:
            outline = _with_holes(outline, holes, file, label, metres_per_unit, mends)
        for polygon in shapely.get_parts(outline):
            key = shapely.to_wkb(shapely.normalize(polygon))
            if key in seen:
                mends["part-repeated"] += 1
            else:
                polygons.append(polygon)
            seen.add(key)
    if not polygons:
        raise InputRefused(f"{label} is empty", file=file)
    if len(polygons) == 1:
        return polygons[0]
    together = shapely.MultiPolygon(polygons)
    if together.is_valid:
        return together
    union = shapely.union_all(polygons)
    total = sum(polygon.area for polygon in polygons)
    if total - union.area > _OVERLAP_TOLERANCE * total:
        raise InputRefused(
            f"parts of {label} overlap by {(total - union.area) * metres_per_unit**2 / 1e4:.4g} ha",
            file=file,
            mend="Draw each piece of ground once.",
        )
    mends["parts-joined"] += len(polygons) - len(shapely.get_parts(union)) + 1
    return union


def tidy(xy: Ring, tolerance: float, mends: Counter[str]) -> Ring:
    """An open ring without repeated vertices and spikes. ``tolerance`` is in the ring's units."""
    ring = np.asarray(xy, np.float64)
    if len(ring) > 1 and math.dist(ring[0], ring[-1]) <= tolerance:
        ring = ring[:-1]
    elif len(ring) > 2:
        mends["ring-unclosed"] += 1
    to = ring - np.roll(ring, 1, axis=0)
    on = np.roll(to, -1, axis=0)
    length = np.hypot(*to.T)
    width = np.abs(to[:, 0] * on[:, 1] - to[:, 1] * on[:, 0])
    spikes = (np.sum(to * on, axis=1) < 0) & (width <= tolerance * np.maximum(length, np.roll(length, -1)))
    suspicious = (length <= tolerance) | spikes
    return _unwound(ring, tolerance, mends) if suspicious.any() else ring


def _unwound(ring: Ring, tolerance: float, mends: Counter[str]) -> Ring:
    """One walk along the ring that takes back every step which goes nowhere or back along its own way."""
    kept: list[tuple[float, float]] = []

    def settle() -> None:
        while True:
            if len(kept) >= 2 and math.dist(kept[-1], kept[-2]) <= tolerance:
                mends["vertices-repeated"] += 1
                kept.pop()
            elif len(kept) >= 3 and _is_spike(kept[-3], kept[-2], kept[-1], tolerance):
                mends["spikes-dropped"] += 1
                del kept[-2]
                if math.dist(kept[-1], kept[-2]) <= tolerance:
                    kept.pop()  # the way back ended where it began: part of the same spike
            else:
                return

    for point in map(tuple, ring.tolist()):
        kept.append(point)
        settle()
    # Where the ring closes the walk has to look both ways.
    first = 0
    while len(kept) - first >= 3:
        if math.dist(kept[-1], kept[first]) <= tolerance:
            mends["vertices-repeated"] += 1
            kept.pop()
        elif _is_spike(kept[-2], kept[-1], kept[first], tolerance):
            mends["spikes-dropped"] += 1
            kept.pop()
        elif _is_spike(kept[-1], kept[first], kept[first + 1], tolerance):
            mends["spikes-dropped"] += 1
            first += 1
        else:
            break
    return np.array(kept[first:], np.float64).reshape(-1, 2)


def _is_spike(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], tolerance: float
) -> bool:
    """Whether the way a–b–c turns back on itself within the tolerance."""
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], c[0] - b[0], c[1] - b[1]
    longer = max(math.hypot(ux, uy), math.hypot(vx, vy))
    return ux * vx + uy * vy < 0 and abs(ux * vy - uy * vx) <= tolerance * longer


def crossing(xy: Ring, *, proper: bool = False) -> tuple[int, int] | None:
    """Two sides of a ring that meet though they are not neighbours; side k runs from vertex k to k + 1.

    With ``proper`` only sides that cut through each other count, not those that merely touch.
    """
    import shapely

    ring = np.asarray(xy, np.float64)
    if len(ring) > 1 and np.array_equal(ring[0], ring[-1]):
        ring = ring[:-1]
    n = len(ring)
    if n < 4:
        return None
    sides = shapely.linestrings(np.stack([ring, np.roll(ring, -1, axis=0)], axis=1))
    tree = shapely.STRtree(sides)
    # A few sides at a time: all pairs of a hostile ring would not fit into memory.
    for begin in range(0, n, 64):
        first, second = tree.query(sides[begin : begin + 64], predicate="crosses" if proper else "intersects")
        first += begin
        apart = (second - first) % n
        keep = (first < second) & (apart > 1) & (apart < n - 1)
        if keep.any():
            return min(zip(first[keep].tolist(), second[keep].tolist(), strict=True))
    return None


def described(side: int, names: Sequence[str]) -> str:
    """A side by the names of its ends."""
    return f"{names[side]}–{names[(side + 1) % len(names)]}"


def _twice_area(xy: Ring) -> float:
    ring = np.asarray(xy, np.float64)
    if len(ring) < 3:
        return 0.0
    x, y = (ring - ring[0]).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _ring_polygon(
    xy: Ring,
    file: str,
    label: str,
    metres: float,
    mends: Counter[str],
    names: Sequence[str],
) -> Polygon | MultiPolygon:
    import shapely

    if len(xy) < 3:
        raise InputRefused(f"a ring of {label} has {len(xy)} vertices", expected="three at least", file=file)
    if len(xy) > MAX_VERTICES:
        raise InputRefused(
            f"a ring of {label} has {len(xy):,} vertices",
            expected=f"{MAX_VERTICES:,} at most",
            file=file,
            mend="Deliver the outline as its pillars give it.",
        )
    ring = tidy(xy, SAME_M / metres, mends)
    if len(ring) < 3:
        raise InputRefused(f"a ring of {label} encloses no area", file=file)
    polygon = shapely.Polygon(ring)
    if polygon.is_valid and polygon.area > 0:
        return polygon
    if len(ring) > MAX_MENDED:
        reason = shapely.is_valid_reason(polygon)
        raise InputRefused(
            f"a ring of {label} with {len(ring):,} vertices crosses itself ({reason})", file=file
        )
    found = crossing(ring, proper=True)
    if found is None:
        # It touches itself. If it turns the same way on both sides of the touch, its area is not in doubt.
        split = shapely.make_valid(polygon)
        areas = [part for part in shapely.get_parts(split) if part.geom_type.endswith("Polygon")]
        signed = abs(_twice_area(ring)) / 2
        if areas and signed > 0 and abs(sum(a.area for a in areas) - signed) <= _AREA_TOLERANCE * signed:
            mends["ring-touches-itself"] += 1
            return shapely.union_all(areas)
    if found is None:
        found = crossing(ring)
    if found is None:
        raise InputRefused(f"a ring of {label} encloses no area", file=file)
    if len(names) == len(ring):
        sides = " and ".join(described(side, names) for side in found)
    else:
        sides = " and ".join(
            f"{side + 1}–{(side + 1) % len(ring) + 1} at ({ring[side, 0]:.10g}, {ring[side, 1]:.10g})"
            for side in found
        )
    raise InputRefused(
        f"{label} crosses itself (sides {sides})",
        file=file,
        mend="Correct the order or the coordinates of these vertices.",
    )


def _with_holes(
    outline: Polygon | MultiPolygon,
    holes: Sequence[Ring],
    file: str,
    label: str,
    metres: float,
    mends: Counter[str],
) -> Polygon | MultiPolygon:
    import shapely

    cut = [_ring_polygon(hole, file, label, metres, mends, ()) for hole in holes]
    if outline.geom_type == "Polygon" and all(hole.geom_type == "Polygon" for hole in cut):
        polygon = shapely.Polygon(outline.exterior, [hole.exterior for hole in cut])
        if polygon.is_valid:
            return polygon
    left = shapely.difference(outline, shapely.union_all(cut))
    expected = outline.area - sum(hole.area for hole in cut)
    if expected <= 0 or abs(left.area - expected) > _AREA_TOLERANCE * outline.area:
        raise InputRefused(
            f"holes of {label} overlap or lie outside its outline",
            file=file,
            mend="Correct the inner boundaries.",
        )
    mends["hole-touches-outline"] += 1
    return left
