"""The map of a plan at true scale: a millimetre on the drawing is ``scale`` millimetres on the ground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.report.colours import OKABE_ITO, SITE, ZONE
from survey.report.draw.contours import draw_contours, for_a_pen
from survey.report.draw.outlines import SPECK_MM, without_specks
from survey.report.draw.svg import Svg, mm, path_of
from survey.report.draw.view import Labels, View, clipped, coordinates
from survey.report.sheets import grid_spacing_m

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from survey.report.folder import RunFolder
    from survey.report.numbers import Numbers
    from survey.report.words import Words


@dataclass(frozen=True)
class PlanLook:
    """What a plan shows. ``contour_m``: interval drawn; ``within``: no contours or workings beyond."""

    contour_m: float | None = None
    within: BaseGeometry | None = None
    sections: bool = True
    benches: bool = True
    sites: bool = True
    levels: bool = True
    polygons: bool = True
    zones: bool = True
    pillars: bool = True
    grid: bool = True
    contours: bool = True
    text_mm: float = 2.0


def draw_plan(
    run: RunFolder, view: View, look: PlanLook, words: Words, numbers: Numbers, *, identity: str = ""
) -> Svg:
    """The map alone, without frame or title."""
    width, height = view.size
    svg = Svg(width, height, words("plan.map"), identity=identity)
    clip = svg.clip("window", 0, 0, width, height)
    svg.open_group(clip=clip)
    labels = Labels()
    if look.grid:
        _coordinate_grid(svg, view)
    if look.polygons:
        _named(svg, run, view, look, words, labels)
    if look.contours and look.contour_m is not None:
        draw_contours(svg, run, view, look.contour_m, labels, within=look.within, text_mm=look.text_mm)
    if look.benches:
        _benches(svg, run, view, look)
    if look.zones:
        _zones(svg, run, view)
    if look.sites:
        _sites(svg, run, view, look)
    if look.sections:
        _sections(svg, run, view, look, labels)
    _lease(svg, run, view)
    if look.sites:
        _site_names(svg, run, view, look, labels)
    if look.pillars:
        _pillars(svg, run, view, look, labels)
    if look.levels:
        _levels(svg, run, view, look, words, numbers, labels)
    svg.close_group()
    return svg


# -- parts -----------------------------------------------------------------------------------------------
def _outline(view: View, shape: BaseGeometry | None, *, closed: bool = True) -> str:
    return path_of((view.place(line) for line in coordinates(shape)), closed=closed)


def _coordinate_grid(svg: Svg, view: View) -> None:
    """Crosses of 8 mm where grid lines meet: full lines would hide the ground."""
    spacing = grid_spacing_m(round(view.scale))
    w = view.window
    for i in range(math.ceil(w.west / spacing), math.floor(w.east / spacing) + 1):
        for j in range(math.ceil(w.south / spacing), math.floor(w.north / spacing) + 1):
            x, y = view.spot(i * spacing, j * spacing)
            svg.line(x - 4, y, x + 4, y, stroke="#7a7a7a", width=0.12)
            svg.line(x, y - 4, x, y + 4, stroke="#7a7a7a", width=0.12)


def grid_marks(view: View) -> tuple[list[tuple[float, str]], list[tuple[float, str]]]:
    """Where grid lines meet the frame: (x mm, easting) along it, (y mm, northing) up it."""
    spacing = grid_spacing_m(round(view.scale))
    w = view.window
    east = [
        (view.spot(k * spacing, w.north)[0], f"{k * spacing:.0f}")
        for k in range(math.ceil(w.west / spacing), math.floor(w.east / spacing) + 1)
    ]
    north = [
        (view.spot(w.west, k * spacing)[1], f"{k * spacing:.0f}")
        for k in range(math.ceil(w.south / spacing), math.floor(w.north / spacing) + 1)
    ]
    return east, north


def _benches(svg: Svg, run: RunFolder, view: View, look: PlanLook) -> None:
    """Crests solid with ticks down the face, toes dashed."""
    import shapely

    rows = list(run.layer("bench_lines").rows())
    if not rows:
        return
    shapes = shapely.force_2d(np.array([row["geometry"] for row in rows], dtype=object))
    if look.within is not None:
        shapes = shapely.intersection(shapes, look.within)
    shapes = clipped(shapes, view)
    crests = [
        view.place(line)
        for row, s in zip(rows, shapes, strict=True)
        if row["kind"] == "crest"
        for line in coordinates(s)
    ]
    toes = [
        view.place(line)
        for row, s in zip(rows, shapes, strict=True)
        if row["kind"] == "toe"
        for line in coordinates(s)
    ]
    svg.path(path_of(for_a_pen(line) for line in toes), stroke="#222222", width=0.18, dash=(1.2, 0.8))
    svg.path(path_of(for_a_pen(line) for line in crests), stroke="#222222", width=0.25)
    svg.path("".join(_ticks(line) for line in crests), stroke="#222222", width=0.13)


def _ticks(line: NDArray[np.float64], every: float = 2.0, long: float = 1.6, short: float = 0.9) -> str:
    """Ticks to the left on the ground (the face), alternately long and short. On paper y runs down: right."""
    gap = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    parts = []
    for k, s in enumerate(np.arange(every / 2, gap[-1], every)):
        x, y = np.interp(s, gap, line[:, 0]), np.interp(s, gap, line[:, 1])
        a, b = max(s - 0.8, 0.0), min(s + 0.8, gap[-1])
        dx = np.interp(b, gap, line[:, 0]) - np.interp(a, gap, line[:, 0])
        dy = np.interp(b, gap, line[:, 1]) - np.interp(a, gap, line[:, 1])
        size = math.hypot(dx, dy)
        if size == 0:
            continue
        reach = long if k % 2 == 0 else short
        # Left of the way on the ground is left on paper too: both axes of the page are turned together.
        nx, ny = dy / size, -dx / size
        parts.append(f"M{mm(x)} {mm(y)}L{mm(x + reach * nx)} {mm(y + reach * ny)}")
    return "".join(parts)


def _zones(svg: Svg, run: RunFolder, view: View) -> None:
    import shapely

    for row in run.layer("zones").rows():
        if row["zone"] != "buffer":
            continue
        # The outer edge only: the inner one is the lease.
        outer = shapely.union_all(
            [row["geometry"], run.lease] if run.lease is not None else [row["geometry"]]
        )
        svg.path(_outline(view, outer), stroke=ZONE["buffer"], width=0.25, dash=(3, 1.5))
    for row in run.layer("other_leases").rows():
        svg.path(_outline(view, row["geometry"]), stroke=OKABE_ITO["purple"], width=0.35, dash=(4, 1, 1, 1))


def _lease(svg: Svg, run: RunFolder, view: View) -> None:
    svg.path(_outline(view, run.lease), stroke=ZONE["lease"], width=0.6)


def _pillars(svg: Svg, run: RunFolder, view: View, look: PlanLook, labels: Labels) -> None:
    size = look.text_mm + 0.3
    centre = run.lease.centroid if run.lease is not None else None
    for row in run.layer("pillars").rows():
        x, y = view.spot(row["east"], row["north"])
        svg.rect(x - 1.1, y - 1.1, 2.2, 2.2, fill="#ffffff", stroke="#000000", line_width=0.35)
        svg.circle(x, y, 0.3, fill="#000000")
        if centre is None:
            continue
        # Outside the lease, away from its middle, so that the number does not stand on the workings.
        cx, cy = view.spot(centre.x, centre.y)
        far = math.hypot(x - cx, y - cy) or 1.0
        text = str(row["name"])
        wide = 0.62 * size * len(text) + 1
        for reach in (4.0, 6.5, 9.0, -4.0, -6.5):
            tx, ty = x + (x - cx) / far * reach, y + (y - cy) / far * reach
            anchor = "start" if tx > x + 1 else "end" if tx < x - 1 else "middle"
            end = tx + {"start": wide, "end": -wide, "middle": 0.0}[anchor]
            # Where the window ends beside the boundary, the number stands inside the lease.
            if view.holds(end, ty, 0.5) and labels.free(tx, ty, wide, size + 0.6):
                break
        svg.text(tx, ty + 0.35 * size, text, size=size, anchor=anchor, bold=True, halo=0.8)


def _named(svg: Svg, run: RunFolder, view: View, look: PlanLook, words: Words, labels: Labels) -> None:
    for row in run.layer("polygons").rows():
        shape = row["geometry"]
        if look.within is not None:
            shape = shape.intersection(look.within)
        svg.path(
            _outline(view, shape),
            stroke="#555555",
            width=0.2,
            fill="#e9e4d8",
            fill_opacity=0.55,
            dash=(0.6, 0.8),
        )


def _sites(svg: Svg, run: RunFolder, view: View, look: PlanLook) -> None:
    speck = (SPECK_MM * view.scale / 1000) ** 2
    for row in run.layer("sites").rows():
        colour = SITE.get(str(row["kind"]), "#000000")
        shape = row["geometry"]
        if look.within is not None:
            shape = shape.intersection(look.within)
        if shape.is_empty:
            continue
        shape = without_specks(shape, speck)
        dash = {"pit": None, "heap": (2.5, 0.8), "backfill": (1.0, 0.8)}.get(str(row["kind"]))
        svg.path(_outline(view, shape), stroke=colour, width=0.4, dash=dash, fill=colour, fill_opacity=0.06)


def _site_names(svg: Svg, run: RunFolder, view: View, look: PlanLook, labels: Labels) -> None:
    for row in run.layer("sites").rows():
        colour = SITE.get(str(row["kind"]), "#000000")
        shape = row["geometry"]
        if look.within is not None:
            shape = shape.intersection(look.within)
        if shape.is_empty:
            continue
        west, south, east, north = shape.bounds
        x, top = view.spot((west + east) / 2, north)
        bottom = view.spot(0, south)[1]
        size, text = look.text_mm, str(row["id"])
        # Above or below; where sites crowd, the table names them, and names written over each other do not.
        for base in (top - 1.5, bottom + 1.5 + size, top - 4.0, bottom + 4.0 + size, top - 6.5):
            if labels.free(x, base - size / 2, 0.6 * size * len(text), size + 0.6):
                svg.text(x, base, text, size=size, anchor="middle", colour=colour, halo=0.8)
                break


def _sections(svg: Svg, run: RunFolder, view: View, look: PlanLook, labels: Labels) -> None:
    import shapely

    for row in run.layer("sections").rows():
        if row["kind"] != "regular":
            continue
        line = view.place(shapely.get_coordinates(row["geometry"]))
        svg.path(path_of([line]), stroke=OKABE_ITO["vermilion"], width=0.2, dash=(5, 1.2, 1, 1.2))
        for at, beyond, text in (
            (line[0], line[-1], str(row["section"])),
            (line[-1], line[0], f"{row['section']}′"),
        ):
            way = (at - beyond) / max(math.hypot(*(at - beyond)), 1e-9)
            x, y = at + way * 4.5
            labels.free(x, y, 5, 4)
            svg.text(
                x,
                y + 1.1,
                text,
                size=look.text_mm + 1.0,
                anchor="middle",
                bold=True,
                colour=OKABE_ITO["vermilion"],
                halo=0.8,
            )


def _levels(
    svg: Svg, run: RunFolder, view: View, look: PlanLook, words: Words, numbers: Numbers, labels: Labels
) -> None:
    """Highest and lowest points with level, and height above (below) the rim for workings and dumps."""
    import shapely

    marked: list[tuple[float, float]] = []
    for row in sorted(run.layer("levels").rows(), key=lambda r: r["subject"] == "lease"):
        point = row["geometry"]
        if look.within is not None and not shapely.intersects(point, look.within):
            continue
        if row["kind"] not in ("floor", "top") and row["subject"] != "lease":
            continue
        x, y = view.spot(point.x, point.y)
        # The lease's lowest point is often a pit's floor, which then stands there already.
        if not view.holds(x, y, 2.0) or any(math.hypot(x - a, y - b) < 2.0 for a, b in marked):
            continue
        marked.append((x, y))
        up = 1 if row["kind"] in ("top", "highest") else -1
        svg.path(
            f"M{mm(x - 0.9)} {mm(y + 0.7 * up)}L{mm(x + 0.9)} {mm(y + 0.7 * up)}L{mm(x)} {mm(y - 0.9 * up)}Z",
            stroke="#000000",
            width=0.15,
            fill="#ffffff",
        )
        text = numbers.plain(row["level_m"], 1)
        if row["above_rim_m"] is not None:
            text += f" ({numbers.plain(row['above_rim_m'], 1, sign=True)})"
        size = look.text_mm
        wide = 0.58 * size * len(text)
        for dx, dy, anchor in (
            (1.6, 0.0, "start"),
            (-1.6, 0.0, "end"),
            (1.6, 2.6, "start"),
            (1.6, -2.6, "start"),
        ):
            centre = x + dx + (wide / 2 if anchor == "start" else -wide / 2)
            if labels.free(centre, y + dy, wide, size + 0.4):
                svg.text(x + dx, y + dy + 0.35 * size, text, size=size, anchor=anchor, halo=1.2)
                break
