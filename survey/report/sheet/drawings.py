"""The sheet's drawings: where the site lies, its plan with numbered corners, and its sections."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.grid import Bounds
from survey.report.colours import CUT, FILL, OKABE_ITO, SITE, ZONE
from survey.report.draw.svg import Svg, label, mm, nice_step, path_of, ticks
from survey.report.draw.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.record_assess import Assessment, Profile
    from survey.report.folder import RunFolder
    from survey.report.sheet.words import SheetWords

MAP_MM = (171.0, 80.0)
PLAN_MM = (171.0, 116.0)
SECTION_MM = (171.0, 50.0)
_SCALES = (
    *(50, 100, 150, 200, 250, 300, 400, 500, 750, 1000, 1500, 2000, 2500, 3000, 4000, 5000, 7500),
    *(10_000, 15_000, 20_000, 25_000, 50_000, 100_000),
)
_LOCATION_M = 150.0  # at least this much ground on every side of the site


def fitting_view(bounds: Bounds, size_mm: tuple[float, float], *, round_scale: bool = True) -> View:
    """The window of a given size on paper that holds ``bounds`` at the largest usual scale."""
    need = max(
        (bounds.east - bounds.west) * 1000 / size_mm[0],
        (bounds.north - bounds.south) * 1000 / size_mm[1],
        1e-6,
    )
    scale = next((s for s in _SCALES if s >= need), need) if round_scale else need
    east, north = (bounds.west + bounds.east) / 2, (bounds.south + bounds.north) / 2
    w, h = size_mm[0] * scale / 2000, size_mm[1] * scale / 2000
    return View(Bounds(east - w, north - h, east + w, north + h), scale)


def placed_picture(view: View, bounds: Bounds, file: str) -> dict[str, Any]:
    """Where a picture of ``bounds`` lies on the view, in mm, for the template."""
    x, y = view.spot(bounds.west, bounds.north)
    far_x, far_y = view.spot(bounds.east, bounds.south)
    return {"file": file, "x": x, "y": y, "width": far_x - x, "height": far_y - y}


def outline_rings(a: Assessment) -> list[NDArray[np.float64]]:
    rings: dict[int, list[tuple[float, float]]] = {}
    for v in a.vertices:
        rings.setdefault(v.ring, []).append((v.east_m, v.north_m))
    return [np.array([*points, points[0]]) for points in rings.values()]


def outline_bounds(a: Assessment) -> Bounds:
    east, north = [v.east_m for v in a.vertices], [v.north_m for v in a.vertices]
    return Bounds(min(east), min(north), max(east), max(north))


# -- location --------------------------------------------------------------------------------------------
def location_view(run: RunFolder, a: Assessment) -> View:
    box = outline_bounds(a).grown(_LOCATION_M)
    if run.lease is not None:
        lease = Bounds(*run.lease.bounds).grown(110.0)
        # A site far from the lease is shown with the way to it, unless that would make it a speck.
        both = Bounds(
            min(box.west, lease.west),
            min(box.south, lease.south),
            max(box.east, lease.east),
            max(box.north, lease.north),
        )
        if max(both.east - both.west, both.north - both.south) <= 12_000.0:
            box = both
    return fitting_view(box, MAP_MM)


def location_drawing(run: RunFolder, a: Assessment, view: View, words: SheetWords) -> Svg:
    width, height = view.size
    svg = Svg(width, height, words("head.location"), identity="l-")
    clip = svg.clip("w", 0, 0, width, height)
    svg.open_group(clip=clip)
    _graticule(svg, view)
    for row in run.layer("other_leases").rows():
        _shape(svg, view, row["geometry"], stroke=OKABE_ITO["purple"], width=0.35, dash=(1.4, 1.0))
    for row in run.layer("zones").rows():
        if row["zone"] == "buffer":
            _shape(svg, view, row["geometry"], stroke=ZONE["buffer"], width=0.25, dash=(2.0, 1.2))
    if run.lease is not None:
        _shape(svg, view, run.lease, stroke=ZONE["lease"], width=0.6)
    for other in run.record.sites:
        if other.id != a.id and other.lon is not None:
            for row in run.layer("sites").rows():
                if row["id"] == other.id:
                    _shape(svg, view, row["geometry"], stroke="#8a8a8a", width=0.3)
    rings = [view.place(ring) for ring in outline_rings(a)]
    svg.path(path_of(rings, closed=True), stroke=SITE["pit"], width=0.5, fill=CUT[2], fill_opacity=0.65)
    taken: list[tuple[float, float]] = []
    for row in run.layer("pillars").rows():
        x, y = view.spot(row["east"], row["north"])
        if not view.holds(x, y, 2.0):
            continue
        svg.circle(x, y, 0.7, fill="#ffffff", stroke="#000000", width=0.25)
        if all(math.hypot(x - u, y - v) > 6.0 for u, v in taken):
            taken.append((x, y))
            svg.text(x + 1.2, y - 0.9, str(row["name"]), size=2.1, halo=0.5)
    middle = view.spot(*_centre(a))
    svg.text(middle[0] + 2.5, middle[1] - 2.0, a.id, size=3.0, bold=True, colour=SITE["pit"], halo=0.7)
    svg.close_group()
    _north_and_scale(svg, view, words)
    return svg


def _centre(a: Assessment) -> tuple[float, float]:
    b = outline_bounds(a)
    return (b.west + b.east) / 2, (b.south + b.north) / 2


# -- plan ------------------------------------------------------------------------------------------------
def plan_view(a: Assessment) -> View:
    b = outline_bounds(a)
    side = max(b.east - b.west, b.north - b.south)
    ends = [(p.from_east_m, p.from_north_m) for p in a.sections] + [
        (p.to_east_m, p.to_north_m) for p in a.sections
    ]
    # Section letters stand at the ends of their lines, a little outside.
    grown = b.grown(max(0.06 * side, 2.0))
    box = Bounds(
        min([grown.west, *(e for e, _ in ends)]), min([grown.south, *(n for _, n in ends)]),
        max([grown.east, *(e for e, _ in ends)]), max([grown.north, *(n for _, n in ends)]),
    )  # fmt: skip
    return fitting_view(box.grown(0.03 * side), PLAN_MM)


def plan_drawing(a: Assessment, view: View, words: SheetWords) -> Svg:
    width, height = view.size
    svg = Svg(width, height, words("head.plan"), identity="p-")
    clip = svg.clip("w", 0, 0, width, height)
    svg.open_group(clip=clip)
    _graticule(svg, view)
    colour = SITE["pit"] if a.kind == "pit" else SITE["heap"]
    rings = [view.place(ring) for ring in outline_rings(a)]
    tint = (CUT if a.kind == "pit" else FILL)[1]
    svg.path(path_of(rings, closed=True), stroke=colour, width=0.5, fill=tint, fill_opacity=0.25)
    for section in a.sections:
        ends = view.place(
            np.array([[section.from_east_m, section.from_north_m], [section.to_east_m, section.to_north_m]])
        )
        svg.path(path_of([ends]), stroke="#222222", width=0.25, dash=(3.0, 0.8, 0.6, 0.8))
        for (x, y), prime in zip(ends.tolist(), ("", "′"), strict=True):
            svg.text(x, y - 1.0, section.name + prime, size=3.0, bold=True, anchor="middle", halo=0.8)
    if a.deepest_east_m is not None and a.deepest_north_m is not None:
        x, y = view.spot(a.deepest_east_m, a.deepest_north_m)
        svg.line(x - 1.6, y, x + 1.6, y, stroke="#000000", width=0.35)
        svg.line(x, y - 1.6, x, y + 1.6, stroke="#000000", width=0.35)
    for place in a.measure_more:
        x, y = view.spot(place.east_m, place.north_m)
        svg.circle(x, y, 1.1, stroke=OKABE_ITO["vermilion"], width=0.4)
    _numbers(svg, view, a)
    svg.close_group()
    _north_and_scale(svg, view, words)
    return svg


def _numbers(svg: Svg, view: View, a: Assessment) -> None:
    """Corner numbers outside the outline; where they would touch, only every so many are written."""
    rings: dict[int, list[Any]] = {}
    for v in a.vertices:
        rings.setdefault(v.ring, []).append(v)
    written: list[tuple[float, float]] = []
    for ring in rings.values():
        at = view.place(np.array([(v.east_m, v.north_m) for v in ring]))
        before, after = np.roll(at, 1, axis=0), np.roll(at, -1, axis=0)
        # Outwards: away from the neighbours' middle, or square to the edge on a straight run.
        way = 2 * at - before - after
        square = (after - before)[:, ::-1] * np.array([1.0, -1.0])
        way = np.where(np.hypot(*way.T)[:, None] > 0.5, way, square)
        way /= np.maximum(np.hypot(*way.T)[:, None], 1e-9)
        area = float(np.sum(at[:, 0] * after[:, 1] - after[:, 0] * at[:, 1]))
        turn = np.sign((at - before)[:, 0] * (after - at)[:, 1] - (at - before)[:, 1] * (after - at)[:, 0])
        way *= np.where(turn * np.sign(area) < 0, -1.0, 1.0)[:, None]
        for v, (x, y), (dx, dy) in zip(ring, at.tolist(), way.tolist(), strict=True):
            svg.circle(x, y, 0.45, fill="#000000")
            u, w = x + 2.4 * dx, y + 2.4 * dy + 0.75
            if any(abs(u - p) < 3.0 and abs(w - q) < 2.2 for p, q in written):
                continue
            written.append((u, w))
            svg.text(u, w, v.number, size=2.1, anchor="middle", halo=0.5)


# -- sections --------------------------------------------------------------------------------------------
def section_drawing(a: Assessment, p: Profile, words: SheetWords, date: str) -> Svg | None:
    """Ground and base along a line, the volume between them tinted."""
    far = np.array(p.distance_m, float)
    top = np.array([np.nan if z is None else z for z in p.surface_m], float)
    foot = np.array([np.nan if z is None else z for z in p.base_m], float)
    known = np.concatenate([top[np.isfinite(top)], foot[np.isfinite(foot)]])
    if not known.size or far[-1] <= 0:
        return None
    left, right, above, below = 16.0, 8.0, 9.0, 11.0
    width, most = SECTION_MM
    across = (width - left - right) / far[-1]
    low, high = float(known.min()), float(known.max())
    relief = max(high - low, 0.2)
    room = most - above - below
    times = next((t for t in (5.0, 3.0, 2.0, 1.5, 1.0) if relief * across * t <= room), None)
    if times is None:
        # A short, deep section: the drawing is made narrower so that nothing is squeezed.
        times, across = 1.0, room / relief
    up = across * times
    step = nice_step(relief, 4)
    base_line = math.floor(low / step + 1e-9) * step
    top_line = max(math.ceil(high / step - 1e-9) * step, base_line + step)
    height = above + (top_line - base_line) * up + below
    bottom = above + (top_line - base_line) * up
    svg = Svg(width, height, p.name, identity=f"s{p.name}-")

    def place(distance: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([left + distance * across, bottom - (z - base_line) * up])

    right_edge = left + far[-1] * across
    for level in ticks(base_line, top_line, 4):
        y = bottom - (level - base_line) * up
        svg.line(left, y, right_edge, y, stroke="#c8c8c8", width=0.12)
        svg.text(
            left - 1.2, y + 0.8, label(level, nice_step(top_line - base_line, 4)), size=2.2, anchor="end"
        )
    along = nice_step(far[-1], 8)
    for distance in ticks(0.0, float(far[-1]), 8):
        x = left + distance * across
        svg.line(x, bottom, x, bottom + 1.0, width=0.15)
        svg.text(x, bottom + 3.4, label(distance, along), size=2.2, anchor="middle")
    both = np.isfinite(top) & np.isfinite(foot)
    for a0, a1 in _stretches(both):
        d, over, under = far[a0:a1], top[a0:a1], foot[a0:a1]
        for colour, edge in ((CUT[1], np.minimum(over, under)), (FILL[1], np.maximum(over, under))):
            ring = np.concatenate([place(d, under), place(d, edge)[::-1]])
            svg.path(path_of([ring], closed=True), stroke=None, fill=colour, fill_opacity=0.8)
    for a0, a1 in _stretches(np.isfinite(foot)):
        svg.path(
            path_of([place(far[a0:a1], foot[a0:a1])]),
            stroke=OKABE_ITO["vermilion"],
            width=0.3,
            dash=(1.4, 0.7),
        )
    for a0, a1 in _stretches(np.isfinite(top)):
        svg.path(path_of([place(far[a0:a1], top[a0:a1])]), stroke="#000000", width=0.4)
    key = "section.along" if p.why.startswith("along") else "section.across"
    svg.text(left, 3.6, words(key, name=p.name), size=2.9, bold=True)
    x = right_edge if right_edge > 110 else width - right
    for text, look in (
        (words("section.base"), {"stroke": OKABE_ITO["vermilion"], "width": 0.3, "dash": (1.4, 0.7)}),
        (words("section.surface", date=date), {"stroke": "#000000", "width": 0.4}),
    ):
        svg.text(x, 3.6, text, size=2.2, anchor="end")
        x -= 1.25 * len(text) + 1.5
        svg.line(x - 7, 2.9, x, 2.9, **look)
        x -= 10.0
    svg.text(left, bottom + 8.0, p.name, size=2.9, bold=True, anchor="middle")
    svg.text(right_edge, bottom + 8.0, p.name + "′", size=2.9, bold=True, anchor="middle")
    note = words("section.axes_true") if times == 1.0 else words("section.axes", times=f"{times:g}")
    svg.text(
        (left + max(right_edge, 90.0)) / 2, bottom + 7.6, note, size=2.2, anchor="middle", colour="#444444"
    )
    return svg


def _stretches(known: NDArray[np.bool_]) -> list[tuple[int, int]]:
    edge = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edge[0::2], edge[1::2], strict=True) if b - a > 1]


# -- furniture -------------------------------------------------------------------------------------------
def _shape(svg: Svg, view: View, shape: Any, **look: Any) -> None:
    import shapely

    if shape is None or shape.is_empty:
        return
    w = view.window
    grow = 3 * view.scale / 1000
    cut = shapely.clip_by_rect(
        shapely.boundary(shape), w.west - grow, w.south - grow, w.east + grow, w.north + grow
    )
    lines = [view.place(shapely.get_coordinates(part)) for part in shapely.get_parts(cut)]
    svg.path(path_of(lines), **look)


def _graticule(svg: Svg, view: View) -> None:
    """Crosses at round coordinates, and their numbers along the window's lower and left edge."""
    w = view.window
    step = nice_step(w.east - w.west, 5)
    width, height = view.size
    for e in ticks(w.west, w.east, 5):
        x, _ = view.spot(e, w.north)
        for n in _multiples(w.south, w.north, step):
            _, y = view.spot(w.west, n)
            svg.line(x - 1.5, y, x + 1.5, y, stroke="#5a5a5a", width=0.12)
            svg.line(x, y - 1.5, x, y + 1.5, stroke="#5a5a5a", width=0.12)
        if 8 < x < width - 8:
            svg.text(x, height - 1.0, label(e, step), size=1.9, anchor="middle", colour="#444444", halo=0.5)
    for n in _multiples(w.south, w.north, step):
        _, y = view.spot(w.west, n)
        if 6 < y < height - 6:
            svg.text(1.0, y - 0.5, label(n, step), size=1.9, colour="#444444", halo=0.5)


def _multiples(low: float, high: float, step: float) -> list[float]:
    return [k * step for k in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _north_and_scale(svg: Svg, view: View, words: SheetWords) -> None:
    width, height = view.size
    x, y = width - 7.0, 14.0
    svg.rect(x - 5.0, 1.5, 10.0, 15.5, fill="#ffffff", opacity=0.8)
    svg.path(f"M{mm(x)} {mm(y - 8)}L{mm(x - 2.2)} {mm(y)}L{mm(x)} {mm(y - 1.8)}Z", fill="#000000", width=0.15)
    svg.path(f"M{mm(x)} {mm(y - 8)}L{mm(x + 2.2)} {mm(y)}L{mm(x)} {mm(y - 1.8)}Z", fill="#ffffff", width=0.15)
    svg.text(x, y - 9.0, words("north_arrow"), size=2.8, bold=True, anchor="middle")
    length = nice_step(40.0 * view.scale / 1000, 1)
    bar = length * 1000 / view.scale
    left, top = width - bar - 8.0, height - 9.0
    svg.rect(left - 3.0, top - 4.2, bar + 10.0, 9.0, fill="#ffffff", opacity=0.8)
    for k in range(4):
        svg.rect(
            left + k * bar / 4, top, bar / 4, 1.4,
            fill="#000000" if k % 2 == 0 else "#ffffff", stroke="#000000",
            line_width=0.15,
        )  # fmt: skip
    for part, text in ((0.0, "0"), (1.0, f"{length:g} {words('m')}")):
        svg.text(left + part * bar, top - 1.0, text, size=2.1, anchor="middle")
