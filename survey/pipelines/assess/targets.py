"""What is to be assessed, and how outlines that overlap are counted once.

The smaller of two outlines that overlap keeps the ground they share (the earlier in the file, of equals).
Where the smaller lies wholly in the larger it does more: it takes the *material*, layer by layer. A stock on
a pit's floor is measured from its own base up, and the pit from there: its void then reaches under the stock,
and each cubic metre stands once, in the one or the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from survey.record import Site

WHOLLY = 0.95
"""Part of the smaller outline that must lie in the larger for it to count as within it."""
_TOUCH = 0.001  # of the smaller: less is what two drawings of one line share
MOST_VERTICES = 120
_LEAST_M2 = 1.0


@dataclass(frozen=True)
class Target:
    """An outline to assess, in the job grid's system.

    ``polygon`` is the outline as it is measured and tabled, after ground that belongs to smaller outlines was
    taken off. ``within``: ids of the outlines measured inside it. ``site``: the detected site that it is.
    """

    id: str
    polygon: Any
    order: int
    kind: str | None = None  # pit | stock; None: the measurement tells
    within: tuple[str, ...] = ()
    counted: tuple[str, ...] = ()
    site: Site | None = None


def from_polygons(named: Sequence[tuple[str, Any]]) -> list[Target]:
    """Targets of a file of polygons, in its order, with ids that can name files."""
    out: list[Target] = []
    used: set[str] = set()
    for order, (name, polygon) in enumerate(named):
        label = name or f"site {order + 1}"
        base, k = label, 2
        while label in used:
            label, k = f"{base} ({k})", k + 1
        used.add(label)
        out.append(Target(label, polygon, order))
    return out


def from_sites(found: Sequence[tuple[Site, Any]], cell_m: float, *, outside_only: bool) -> list[Target]:
    """Targets of detected pits and heaps: those with volume outside the lease, the largest there first.

    Ground that was filled again is neither dug nor stocked mineral: it is listed, and not assessed.
    The outline of a detected site follows its cells; it is drawn with as few corners as a table can hold, and
    measured as drawn.
    """
    chosen = [
        (s, p)
        for s, p in found
        if s.kind != "backfill" and (not outside_only or s.outside_volume_m3 > 0 or s.zone != "lease")
    ]
    chosen.sort(key=lambda pair: (-pair[0].outside_volume_m3, -pair[0].volume_m3, pair[0].id))
    return [
        Target(site.id, drawn(polygon, cell_m), order, "pit" if site.kind == "pit" else "stock", site=site)
        for order, (site, polygon) in enumerate(chosen)
    ]


def drawn(polygon: Any, cell_m: float) -> Any:
    """The outline with at most ``MOST_VERTICES`` corners, within a cell of the edge if that will do."""
    import shapely

    tolerance = 0.75 * cell_m
    # Closing first: single cells that stick out would each need four corners.
    smooth = polygon.buffer(cell_m, join_style="mitre").buffer(-cell_m, join_style="mitre")
    smooth = smooth if not smooth.is_empty else polygon
    for _ in range(12):
        simple = shapely.make_valid(shapely.simplify(smooth, tolerance))
        parts = [p for p in shapely.get_parts(simple) if p.geom_type == "Polygon" and p.area >= _LEAST_M2]
        simple = shapely.multipolygons(parts) if len(parts) != 1 else parts[0]
        if parts and shapely.get_num_coordinates(simple) <= MOST_VERTICES:
            return simple
        tolerance *= 1.5
    return simple if parts else smooth


def without_repeats(targets: Sequence[Target]) -> tuple[list[Target], list[Remark]]:
    """Targets of which no two are one outline, and a remark for each that was left out.

    Two outlines are one if what lies in only one of them is no more than two drawings of one line make. The
    first in the file is kept, and says of which others it is the ground.
    """
    import shapely

    kept: list[Target] = []
    said: list[Remark] = []
    for target in targets:
        again = next(
            (
                k
                for k, other in enumerate(kept)
                if abs(other.polygon.area - target.polygon.area) <= _TOUCH * other.polygon.area
                and shapely.symmetric_difference(other.polygon, target.polygon).area
                <= _TOUCH * other.polygon.area
            ),
            None,
        )
        if again is None:
            kept.append(target)
            continue
        one = kept[again]
        kept[again] = replace(
            one, counted=(*one.counted, f"{target.id} is the same outline; it is counted here, once.")
        )
        said.append(
            Remark(
                "outline-repeated",
                f"The outline {target.id!r} is that of {one.id!r}: it was left out, so that its ground is "
                "counted once.",
                "caution",
            )
        )
    return kept, said


def settle_overlaps(targets: Sequence[Target]) -> list[Target]:
    """Give every piece of ground to one outline; targets come back in the order to measure: inner ones first.

    Raises
    ------
    InputRefused
        An outline is left with nothing of its own although it holds no other.
    """
    import shapely

    order = sorted(targets, key=lambda t: (t.polygon.area, t.order))
    tree = shapely.STRtree([t.polygon for t in order])
    out: list[Target] = []
    for j, target in enumerate(order):
        polygon, within, counted = target.polygon, list(target.within), list(target.counted)
        # What the smaller ones kept is what counts, not what was drawn: two of them may share ground too.
        # The larger come first, because what lies in one of them goes with it.
        for i in sorted((int(k) for k in tree.query(target.polygon, predicate="intersects")), reverse=True):
            if i >= j:
                continue
            smaller = out[i]
            shared = shapely.intersection(smaller.polygon, polygon).area
            if shared <= max(_TOUCH * smaller.polygon.area, 1e-3):
                continue
            inner = any(smaller.id in out[k].within for k in range(i + 1, j) if out[k].id in within)
            if inner or shared >= WHOLLY * smaller.polygon.area:
                within.append(smaller.id)
                counted.append(
                    f"{smaller.id} lies within: it is measured from its own base, this outline from there on."
                )
            else:
                polygon = shapely.difference(polygon, smaller.polygon)
                counted.append(f"{shared:.1f} m² shared with {smaller.id} are counted there.")
        within.reverse()
        counted[len(target.counted) :] = reversed(counted[len(target.counted) :])
        parts = [p for p in shapely.get_parts(polygon) if p.geom_type == "Polygon" and p.area > 1e-3]
        if not parts:
            raise InputRefused(
                f"the outline {target.id!r} lies wholly under others",
                mend="Remove it, or draw the others apart.",
            )
        polygon = parts[0] if len(parts) == 1 else shapely.multipolygons(parts)
        out.append(replace(target, polygon=polygon, within=tuple(within), counted=tuple(counted)))
    return out
