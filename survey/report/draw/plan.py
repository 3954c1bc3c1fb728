"""The map of a plan at true scale: a millimetre on the drawing is ``scale`` millimetres on the ground."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.dem.contours import thinned
from survey.grid import Bounds
from survey.report.colours import CONTOUR, OKABE_ITO, SITE, ZONE
from survey.report.draw.outlines import SPECK_MM, without_specks
from survey.report.draw.svg import Svg, mm, path_of
from survey.report.sheets import grid_spacing_m

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from survey.report.folder import RunFolder
    from survey.report.numbers import Numbers
    from survey.report.words import Words

_THIN_MM = 0.03
_LABEL_EVERY_MM = 130.0


@dataclass(frozen=True)
class View:
    """A window of ground on paper, at 1:``scale``. x runs east and y south from the window's corner."""

    window: Bounds
    scale: float

    @property
    def size(self) -> tuple[float, float]:
        w = self.window
        return (w.east - w.west) * 1000 / self.scale, (w.north - w.south) * 1000 / self.scale

    def place(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 2) east, north in metres as x, y in mm."""
        points = np.asarray(points, np.float64)
        return np.column_stack(
            [
                (points[:, 0] - self.window.west) * 1000 / self.scale,
                (self.window.north - points[:, 1]) * 1000 / self.scale,
            ]
        )

    def spot(self, east: float, north: float) -> tuple[float, float]:
        x, y = self.place(np.array([[east, north]]))[0]
        return float(x), float(y)

    def holds(self, x: float, y: float, margin: float = 0.0) -> bool:
        width, height = self.size
        return margin <= x <= width - margin and margin <= y <= height - margin


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


class _Labels:
    """Boxes that text has taken; later text gives way."""

    def __init__(self) -> None:
        self._boxes: list[tuple[float, float, float, float]] = []

    def free(self, x: float, y: float, width: float, height: float) -> bool:
        """Take the box centred on (x, y) if nothing stands there."""
        box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
        for other in self._boxes:
            if box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]:
                return False
        self._boxes.append(box)
        return True


def draw_plan(
    run: RunFolder, view: View, look: PlanLook, words: Words, numbers: Numbers, *, identity: str = ""
) -> Svg:
    """The map alone, without frame or title."""
    width, height = view.size
    svg = Svg(width, height, words("plan.map"), identity=identity)
    clip = svg.clip("window", 0, 0, width, height)
    svg.open_group(clip=clip)
    labels = _Labels()
    if look.grid:
        _coordinate_grid(svg, view)
    if look.polygons:
        _named(svg, run, view, look, words, labels)
    if look.contours:
        _contours(svg, run, view, look, labels)
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
def _clipped(shapes: Iterable[BaseGeometry], view: View, margin_mm: float = 3.0) -> NDArray[Any]:
    import shapely

    grow = margin_mm * view.scale / 1000
    w = view.window
    return shapely.clip_by_rect(
        np.array(list(shapes), dtype=object), w.west - grow, w.south - grow, w.east + grow, w.north + grow
    )


def _coordinates(shape: BaseGeometry | None) -> list[NDArray[np.float64]]:
    import shapely

    if shape is None or shape.is_empty:
        return []
    lines = []
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            lines += [shapely.get_coordinates(r) for r in (part.exterior, *part.interiors)]
        elif part.geom_type in ("LineString", "LinearRing"):
            lines.append(shapely.get_coordinates(part))
        elif part.geom_type.startswith("Multi") or part.geom_type == "GeometryCollection":
            lines += _coordinates(part)
    return lines


def _outline(view: View, shape: BaseGeometry | None, *, closed: bool = True) -> str:
    return path_of((view.place(line) for line in _coordinates(shape)), closed=closed)


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


def smoothed(line: NDArray[np.float64], sigma_mm: float = 1.0, most_mm: float = 0.5) -> NDArray[np.float64]:
    """A line in mm of paper, averaged along itself for the eye: never for a measure.

    No point moves by more than ``most_mm``.
    """
    step = 0.4
    closed = bool(np.array_equal(line[0], line[-1]))
    gap = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    count = round(gap[-1] / step)
    if count < 12:
        return line
    at = np.linspace(0.0, gap[-1], count + 1)
    points = np.column_stack([np.interp(at, gap, line[:, k]) for k in (0, 1)])
    reach = min(math.ceil(3 * sigma_mm / step), count - 1)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) * step / sigma_mm) ** 2)
    kernel /= kernel.sum()
    if closed:
        padded = np.concatenate([points[-1 - reach : -1], points, points[1 : 1 + reach]])
    else:
        # Mirrored through its ends, so that they stay where they are.
        padded = np.concatenate(
            [2 * points[0] - points[reach:0:-1], points, 2 * points[-1] - points[-2 : -2 - reach : -1]]
        )
    mean = np.column_stack([np.convolve(padded[:, k], kernel, mode="valid") for k in (0, 1)])
    moved = mean - points
    far = np.hypot(*moved.T)
    out = points + moved * np.minimum(1.0, most_mm / np.maximum(far, 1e-12))[:, None]
    if closed:
        out[-1] = out[0]
    return out


def contour_interval_m(
    run: RunFolder, scale: float, most_m: float, area: BaseGeometry | None = None
) -> float | None:
    """The finest stored interval whose lines stand 2.5 mm apart in the mean, and at most ``most_m``.

    None if the run traced no contours.
    """
    import shapely

    layer = run.layer("contours")
    if not len(layer):
        return None
    levels = np.array(layer.columns["level_m"], np.float64)
    stored = float(layer.columns["interval_m"][0])  # type: ignore[arg-type]
    lengths = shapely.length(np.array(layer.geometry, dtype=object)) * 1000 / scale
    hull = area if area is not None else run.lease
    extent = run.extent
    if hull is not None and not hull.is_empty:
        surface_mm2 = float(shapely.envelope(hull).area) * (1000 / scale) ** 2
    elif extent is not None:
        surface_mm2 = (extent.east - extent.west) * (extent.north - extent.south) * (1000 / scale) ** 2
    else:
        return stored
    for multiple in (1, 2, 5, 10, 20, 50):
        interval = stored * multiple
        if interval > most_m + 1e-9:
            break
        drawn = lengths[_on_interval(levels, interval)].sum()
        if drawn <= surface_mm2 / 2.5:
            return interval
    # None stands far enough apart: the widest that the rule allows.
    return max((stored * m for m in (1, 2, 5, 10, 20, 50) if stored * m <= most_m + 1e-9), default=stored)


def _on_interval(levels: NDArray[np.float64], interval: float) -> NDArray[np.bool_]:
    part = levels / interval
    return np.abs(part - np.round(part)) < 1e-6


def _contours(svg: Svg, run: RunFolder, view: View, look: PlanLook, labels: _Labels) -> None:
    import shapely

    layer = run.layer("contours")
    if not len(layer) or look.contour_m is None:
        return
    levels = np.array(layer.columns["level_m"], np.float64)
    chosen = np.flatnonzero(_on_interval(levels, look.contour_m))
    shapes = shapely.force_2d([layer.geometry[k] for k in chosen.tolist()])
    if look.within is not None:
        shapes = shapely.intersection(shapes, look.within)
    shapes = _clipped(shapes, view)
    plain: list[NDArray[np.float64]] = []
    heavy: list[tuple[float, NDArray[np.float64]]] = []
    for k, shape in zip(chosen, shapes, strict=True):
        level = float(levels[k])
        is_index = bool(_on_interval(np.array([level]), 5 * look.contour_m)[0])
        for line in _coordinates(shape):
            on_paper = thinned(smoothed(view.place(line)), _THIN_MM)
            # A ring no larger than a letter is a tree or a stone.
            ring = bool(np.array_equal(line[0], line[-1]))
            if len(on_paper) < 2 or np.hypot(*np.diff(on_paper, axis=0).T).sum() < (12.0 if ring else 3.0):
                continue
            if is_index:
                heavy.append((level, on_paper))
            else:
                plain.append(on_paper)
    svg.path(path_of(plain), stroke=CONTOUR, width=0.13)
    svg.path(path_of(line for _, line in heavy), stroke=CONTOUR, width=0.3)
    for level, line in sorted(heavy, key=lambda item: -len(item[1])):
        _label_line(svg, line, f"{level:g}", look.text_mm, labels, view)


def _label_line(
    svg: Svg, line: NDArray[np.float64], text: str, size: float, labels: _Labels, view: View
) -> None:
    """The level on the line itself, upright, every 130 mm, where the line is straight enough to carry it."""
    gap = np.concatenate([[0.0], np.hypot(*np.diff(line, axis=0).T).cumsum()])
    length = float(gap[-1])
    half = 0.62 * size * len(text) / 2 + 0.8
    if length < 6 * half:
        return
    count = max(1, round(length / _LABEL_EVERY_MM))
    for k in range(count):
        for nudge in (0.0, 0.15, -0.15, 0.3, -0.3):
            at = length * (k + 0.5 + nudge) / count
            ends = [
                (float(np.interp(s, gap, line[:, 0])), float(np.interp(s, gap, line[:, 1])))
                for s in (at - half, at, at + half)
            ]
            (x0, y0), (x, y), (x1, y1) = ends
            chord = math.hypot(x1 - x0, y1 - y0)
            if chord < 1.8 * half or not view.holds(x, y, 3.0):
                continue
            if not labels.free(x, y, 2 * half, 2 * size):
                continue
            turn = math.degrees(math.atan2(y1 - y0, x1 - x0))
            turn = turn - 180 if turn > 90 else turn + 180 if turn <= -90 else turn
            lift = 0.35 * size
            dx, dy = -math.sin(math.radians(turn)) * lift, math.cos(math.radians(turn)) * lift
            svg.text(x + dx, y + dy, text, size=size, anchor="middle", colour=CONTOUR, rotate=turn, halo=0.8)
            break


def _benches(svg: Svg, run: RunFolder, view: View, look: PlanLook) -> None:
    """Crests solid with ticks down the face, toes dashed."""
    import shapely

    rows = list(run.layer("bench_lines").rows())
    if not rows:
        return
    shapes = shapely.force_2d(np.array([row["geometry"] for row in rows], dtype=object))
    if look.within is not None:
        shapes = shapely.intersection(shapes, look.within)
    shapes = _clipped(shapes, view)
    crests = [
        view.place(line)
        for row, s in zip(rows, shapes, strict=True)
        if row["kind"] == "crest"
        for line in _coordinates(s)
    ]
    toes = [
        view.place(line)
        for row, s in zip(rows, shapes, strict=True)
        if row["kind"] == "toe"
        for line in _coordinates(s)
    ]
    svg.path(path_of(thinned(line, _THIN_MM) for line in toes), stroke="#222222", width=0.18, dash=(1.2, 0.8))
    svg.path(path_of(thinned(line, _THIN_MM) for line in crests), stroke="#222222", width=0.25)
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


def _pillars(svg: Svg, run: RunFolder, view: View, look: PlanLook, labels: _Labels) -> None:
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


def _named(svg: Svg, run: RunFolder, view: View, look: PlanLook, words: Words, labels: _Labels) -> None:
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


def _site_names(svg: Svg, run: RunFolder, view: View, look: PlanLook, labels: _Labels) -> None:
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


def _sections(svg: Svg, run: RunFolder, view: View, look: PlanLook, labels: _Labels) -> None:
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
    svg: Svg, run: RunFolder, view: View, look: PlanLook, words: Words, numbers: Numbers, labels: _Labels
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
