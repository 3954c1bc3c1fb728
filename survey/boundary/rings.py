"""Rings as drawn, made into valid polygons where that can be done in only one way; otherwise refused.

What is mended, and said: a ring that was not closed, repeated vertices, spikes without area, a ring that
touches itself without crossing, parts or holes that share a side, a part given twice. What is refused: a
ring that crosses itself, a hole that leaves its outline, parts that overlap, no area.
"""

from __future__ import annotations

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
    for part in parts:
        shell, *holes = part
        if counter_clockwise and _twice_area(shell) < 0:
            mends["ring-orientation"] += 1
        outline = _ring_polygon(shell, file, label, metres_per_unit, mends, names)
        if holes:
            outline = _with_holes(outline, holes, file, label, metres_per_unit, mends)
        for polygon in shapely.get_parts(outline):
            if any(polygon.equals(other) for other in polygons):
                mends["part-repeated"] += 1
            else:
                polygons.append(polygon)
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
    if len(ring) > 1 and _near(ring[0], ring[-1], tolerance):
        ring = ring[:-1]
    elif len(ring) > 2:
        mends["ring-unclosed"] += 1
    before = len(ring)
    ring = _without_repeats(ring, tolerance)
    mends["vertices-repeated"] += before - len(ring)
    while len(ring) >= 3:
        spikes = _spikes(ring, tolerance)
        if not spikes.any():
            break
        # One at a time in a row of neighbours: removing a tip may straighten the next vertex.
        spikes[1:] &= ~spikes[:-1]
        if spikes[0] and spikes[-1] and len(ring) > 1:
            spikes[-1] = False
        mends["spikes-dropped"] += int(spikes.sum())
        ring = _without_repeats(ring[~spikes], tolerance)
    return ring


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
    first, second = tree.query(sides, predicate="crosses" if proper else "intersects")
    apart = (second - first) % n
    keep = (first < second) & (apart > 1) & (apart < n - 1)
    if not keep.any():
        return None
    pairs = sorted(zip(first[keep].tolist(), second[keep].tolist(), strict=True))
    return pairs[0]


def described(side: int, names: Sequence[str]) -> str:
    """A side by the names of its ends."""
    return f"{names[side]}–{names[(side + 1) % len(names)]}"


def _near(a: Ring, b: Ring, tolerance: float) -> bool:
    return bool(np.hypot(*(a - b)) <= tolerance)


def _without_repeats(ring: Ring, tolerance: float) -> Ring:
    gaps = np.hypot(*(ring - np.roll(ring, 1, axis=0)).T)
    if len(ring) < 2 or (gaps > tolerance).all():
        return ring
    # Against the last vertex kept, lest a chain of small steps vanish as a whole.
    kept = [0]
    for i in range(1, len(ring)):
        if not _near(ring[i], ring[kept[-1]], tolerance):
            kept.append(i)
    while len(kept) > 1 and _near(ring[kept[-1]], ring[0], tolerance):
        kept.pop()
    return ring[kept]


def _spikes(ring: Ring, tolerance: float) -> np.ndarray:
    """Vertices at which the ring turns back along the way it came."""
    to = ring - np.roll(ring, 1, axis=0)
    on = np.roll(ring, -1, axis=0) - ring
    back = np.sum(to * on, axis=1) < 0
    longer = np.maximum(np.hypot(*to.T), np.hypot(*on.T))
    width = np.abs(to[:, 0] * on[:, 1] - to[:, 1] * on[:, 0]) / np.maximum(longer, 1e-300)
    return back & (width <= tolerance)


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
    ring = tidy(xy, SAME_M / metres, mends)
    if len(ring) < 3:
        raise InputRefused(f"a ring of {label} encloses no area", file=file)
    polygon = shapely.Polygon(ring)
    if polygon.is_valid and polygon.area > 0:
        return polygon
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
