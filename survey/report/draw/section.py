"""A section: the surveys, the base where there is one, faces with height and angle, the lease's edges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.report.colours import CUT, FILL, OKABE_ITO
from survey.report.draw.svg import Svg, label, nice_step, path_of, ticks

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from survey.report.folder import RunFolder
    from survey.report.numbers import Numbers
    from survey.report.words import Words


_LEAST_WIDTH, _LEAST_BODY = 118.0, 14.0
_EXAGGERATIONS = (10.0, 5.0, 3.0, 2.0, 1.5, 1.0)


@dataclass(frozen=True)
class Trace:
    """The ground along a section: (n, 2) distance and height, one array a measured stretch."""

    label: str
    role: str  # before | after | base
    stretches: Sequence[NDArray[np.float64]]


@dataclass(frozen=True)
class FaceMark:
    from_m: float
    to_m: float
    from_height_m: float
    to_height_m: float
    height_m: float
    angle_deg: float
    apparent: bool = False


@dataclass(frozen=True)
class Span:
    """A part of a section that is named: the lease, a site."""

    name: str
    from_m: float
    to_m: float


@dataclass(frozen=True)
class SectionDrawing:
    name: str
    kind: str
    length_m: float
    bearing_deg: float
    ends: tuple[tuple[float, float], tuple[float, float]]
    traces: Sequence[Trace]
    faces: Sequence[FaceMark] = ()
    edges_m: Sequence[float] = ()  # where the section crosses the lease boundary
    site: str | None = None
    spans: Sequence[Span] = field(default_factory=tuple)

    @property
    def vertices(self) -> int:
        return sum(len(stretch) for trace in self.traces for stretch in trace.stretches)

    def simplified(self, tolerance_m: float) -> SectionDrawing:
        """With fewer vertices: none of those left out lies farther off than the tolerance."""
        if tolerance_m <= 0:
            return self
        import shapely

        def fewer(line: NDArray[np.float64]) -> NDArray[np.float64]:
            return shapely.get_coordinates(shapely.simplify(shapely.linestrings(line), tolerance_m))

        traces = [replace(t, stretches=[fewer(s) for s in t.stretches]) for t in self.traces]
        return replace(self, traces=traces)

    def heights(self) -> tuple[float, float] | None:
        z = [stretch[:, 1] for trace in self.traces for stretch in trace.stretches]
        return (float(min(a.min() for a in z)), float(max(a.max() for a in z))) if z else None


LOOK: dict[str, dict[str, Any]] = {
    "before": {"stroke": "#767676", "width": 0.25, "dash": (1.6, 0.8)},
    "after": {"stroke": "#000000", "width": 0.35, "dash": None},
    "base": {"stroke": OKABE_ITO["vermilion"], "width": 0.3, "dash": (0.5, 0.7)},
}


def sections_of(run: RunFolder, words: Words, numbers: Numbers) -> list[SectionDrawing]:
    """The stored sections of a run, in the order in which they were laid."""
    import shapely

    profiles: dict[str, list[Trace]] = {}
    starts: dict[str, NDArray[np.float64]] = {}
    lines = list(run.layer("sections").rows())
    for row in lines:
        starts[str(row["section"])] = shapely.get_coordinates(row["geometry"])
    for row in run.layer("profiles").rows():
        name = str(row["section"])
        stretches = []
        for part in shapely.get_parts(row["geometry"]):
            points = shapely.get_coordinates(part, include_z=True)
            far = np.hypot(*(points[:, :2] - starts[name][0]).T)
            stretches.append(np.column_stack([far, points[:, 2]]))
        title = words(f"survey.{row['epoch']}", date=numbers.date(row["survey"]))
        profiles.setdefault(name, []).append(Trace(title, str(row["epoch"]), stretches))
    faces: dict[str, list[FaceMark]] = {}
    for row in run.layer("faces").rows():
        ends = shapely.get_coordinates(row["geometry"], include_z=True)
        faces.setdefault(str(row["section"]), []).append(
            FaceMark(
                row["from_m"],
                row["to_m"],
                float(ends[0, 2]),
                float(ends[-1, 2]),
                row["height_m"],
                row["face_angle_deg"],
                bool(row["apparent"]),
            )
        )
    found = []
    for row in lines:
        name = str(row["section"])
        start, end = starts[name][0], starts[name][-1]
        edges: list[float] = []
        if run.lease is not None:
            edges = _edges(row["geometry"], run.lease.boundary)
        found.append(
            SectionDrawing(
                name,
                str(row["kind"]),
                float(row["length_m"]),
                float(row["bearing_deg"]),
                ((float(start[0]), float(start[1])), (float(end[0]), float(end[1]))),
                profiles.get(name, []),
                faces.get(name, []),
                edges,
                row["site"],
            )
        )
    return found


def _edges(line: BaseGeometry, boundary: BaseGeometry) -> list[float]:
    """Distances at which a line meets a boundary; its ends count if they lie on it but for rounding."""
    import shapely

    points = shapely.get_coordinates(line)
    start, end = points[0], points[-1]
    length = float(np.hypot(*(end - start)))
    crossing = shapely.get_coordinates(shapely.intersection(line, boundary))
    found = [float(np.hypot(*(point - start))) for point in crossing]
    for far, point in ((0.0, start), (length, end)):
        if boundary.distance(shapely.points(point)) < 0.01:
            found.append(far)
    return [d for k, d in enumerate(sorted(found)) if k == 0 or d - sorted(found)[k - 1] > 0.1]


def section_title(section: SectionDrawing, words: Words) -> str:
    """``Section C–C′``; a site's section carries the site's id."""
    if section.kind == "site":
        return words("section.site", name=section.name)
    return words("section.regular", name=section.name)


@dataclass(frozen=True)
class Frame:
    """Where distance and height lie on a drawing, in mm."""

    left: float
    bottom: float
    across: float  # mm a metre along the section
    up: float  # mm a metre of height
    lowest_m: float

    def place(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(
            [
                self.left + points[:, 0] * self.across,
                self.bottom - (points[:, 1] - self.lowest_m) * self.up,
            ]
        )


def draw_section(
    section: SectionDrawing,
    words: Words,
    *,
    width_mm: float | None = None,
    scale: int | None = None,
    exaggeration: float = 1.0,
    most_height_mm: float | None = None,
    identity: str = "",
) -> Svg | None:
    """A section as a drawing; None if nothing was measured along it.

    Give either ``width_mm`` (the scale follows) or ``scale`` (1:scale along, exaggeration upwards; the size
    follows). With ``most_height_mm`` the exaggeration is lessened until the drawing fits, but never below 1:
    a pit must not look shallower than it is. A section that is too high even so is drawn smaller.
    ``Svg.frame`` tells where its frame begins and ends.
    """
    heights = section.heights()
    if heights is None:
        return None
    margin_left, margin_right, margin_top, margin_bottom = 16.0, 8.0, 11.0, 13.0
    # The title and the dates need their room above a short section too.
    head = 1.9 * len(section_title(section, words)) + sum(1.2 * len(t.label) + 14.0 for t in section.traces)
    least = max(_LEAST_WIDTH, margin_left + head)
    if scale is not None:
        across = 1000.0 / scale
        width = max(margin_left + section.length_m * across + margin_right, least)
    else:
        width = width_mm or 170.0
        across = (width - margin_left - margin_right) / section.length_m
    relief = max(heights[1] - heights[0], 0.5)
    pad = 0.08 * relief
    low, high = heights[0] - pad, heights[1] + pad
    up = across * exaggeration
    room = None if most_height_mm is None else most_height_mm - margin_top - margin_bottom
    for times in (t for t in _EXAGGERATIONS if t <= exaggeration):
        up = across * times
        if room is None or (high - low) * up <= room:
            break
    if room is not None and (high - low) * up > room:
        across = up = room / (high - low)
        width = max(margin_left + section.length_m * across + margin_right, least)
    # A flat section gets some sky, or the figures on its axis would lie on each other.
    high = max(high, low + _LEAST_BODY / up)
    step = nice_step(high - low, max(2, round((high - low) * up / 12)))
    body = (high - low) * up
    svg = Svg(width, margin_top + body + margin_bottom, section_title(section, words), identity=identity)
    frame = Frame(margin_left, margin_top + body, across, up, float(low))
    right = margin_left + section.length_m * across
    svg.frame = (margin_left, right)

    for level in ticks(float(low), float(high), max(2, round((high - low) / step))):
        y = frame.bottom - (level - frame.lowest_m) * up
        svg.line(margin_left, y, right, y, stroke="#d0d0d0", width=0.1)
        svg.text(margin_left - 1.5, y + 0.8, label(level, step), size=2.2, anchor="end")
    along_step = nice_step(section.length_m, max(3, round(section.length_m * across / 22)))
    for d in ticks(0.0, section.length_m, max(3, round(section.length_m / along_step))):
        x = margin_left + d * across
        svg.line(x, frame.bottom, x, frame.bottom + 1.2, stroke="#000000", width=0.15)
        svg.text(x, frame.bottom + 4.0, label(d, along_step), size=2.2, anchor="middle")
    svg.line(margin_left, frame.bottom, right, frame.bottom, stroke="#000000", width=0.2)
    svg.line(margin_left, margin_top, margin_left, frame.bottom, stroke="#000000", width=0.2)
    svg.line(right, margin_top, right, frame.bottom, stroke="#000000", width=0.2)

    for edge in section.edges_m:
        x = margin_left + edge * across
        svg.line(x, margin_top, x, frame.bottom, stroke="#000000", width=0.25, dash=(3, 0.8, 0.5, 0.8))
        anchor = "start" if edge < 1 else "end" if edge > section.length_m - 1 else "middle"
        svg.text(x, margin_top - 1.8, words("lease_boundary"), size=2.0, anchor=anchor, halo=0.6)
    _paint_difference(svg, section, frame)
    for trace in section.traces:
        look = LOOK.get(trace.role, LOOK["after"])
        line = path_of(frame.place(stretch) for stretch in trace.stretches)
        svg.path(line, name=f"trace-{trace.role}", **look)
    _write_faces(svg, section, frame, words)
    _write_frame(svg, section, frame, words, right, up / across)
    return svg


def _paint_difference(svg: Svg, section: SectionDrawing, frame: Frame) -> None:
    """Red where the later survey lies below the earlier (or the base), blue where above."""
    lower = next((t for t in section.traces if t.role in ("before", "base")), None)
    upper = next((t for t in section.traces if t.role == "after"), None)
    if lower is None or upper is None:
        return
    for old in lower.stretches:
        for new in upper.stretches:
            first, last = max(old[0, 0], new[0, 0]), min(old[-1, 0], new[-1, 0])
            if last <= first:
                continue
            d = np.unique(np.concatenate([old[:, 0], new[:, 0], [first, last]]))
            d = d[(d >= first) & (d <= last)]
            z_old, z_new = np.interp(d, *old.T), np.interp(d, *new.T)
            # Crossings become vertices, so that both colours end exactly where the lines meet.
            gap = z_new - z_old
            flips = np.flatnonzero(gap[:-1] * gap[1:] < 0)
            if len(flips):
                cross = d[flips] + (d[flips + 1] - d[flips]) * gap[flips] / (gap[flips] - gap[flips + 1])
                d = np.unique(np.concatenate([d, cross]))
                z_old, z_new = np.interp(d, *old.T), np.interp(d, *new.T)
            for colour, below in ((CUT[1], True), (FILL[1], False)):
                edge = np.minimum(z_old, z_new) if below else np.maximum(z_old, z_new)
                ring = np.concatenate([np.column_stack([d, z_old]), np.column_stack([d, edge])[::-1]])
                svg.path(
                    path_of([frame.place(ring)], closed=True), stroke=None, fill=colour, fill_opacity=0.75
                )


def _write_faces(svg: Svg, section: SectionDrawing, frame: Frame, words: Words) -> None:
    """``6.0 m, 67°`` beside each face, off the ground's line and off other texts: a thin line leads to
    the face where the text had to move away. Higher faces choose first; a text without room is left out.
    """
    size, high, top = 1.9, 2.0, 9.5
    ground = [frame.place(s) for t in section.traces if t.role != "before" for s in t.stretches]
    faint = [frame.place(s) for t in section.traces if t.role == "before" for s in t.stretches]
    # The lease boundary is a line that must be read, too.
    upright = [
        np.array([[frame.left + e * frame.across, y] for y in (top, frame.bottom)]) for e in section.edges_m
    ]
    solid, broken = _dense([*ground, *upright]), _dense(faint)
    taken: list[_Box] = []
    for face in sorted(section.faces, key=lambda f: -f.height_m):
        middle = np.array([[(face.from_m + face.to_m) / 2, (face.from_height_m + face.to_height_m) / 2]])
        (x, y) = frame.place(middle)[0]
        angle = (
            words("apparent", angle=f"{face.angle_deg:.0f}") if face.apparent else f"{face.angle_deg:.0f}°"
        )
        text = f"{face.height_m:.1f} {words.named('unit', 'm')}, {angle}"
        wide = 0.56 * size * len(text)
        falls = face.to_height_m < face.from_height_m
        best: tuple[float, float, float, _Box] | None = None
        for far, rise, other in _PLACES:
            right = falls != other
            start = x + far if right else x - far - wide
            level = y + rise
            box = _Box(start - 0.3, level - high / 2 - 0.2, start + wide + 0.3, level + high / 2 + 0.2)
            if (
                box.left < frame.left
                or box.right > svg.frame[1]
                or box.top < top
                or box.bottom > frame.bottom - 0.3
            ):
                continue
            if box.holds(solid) or any(box.meets(b) for b in taken):
                continue
            cost = far + 1.5 * abs(rise) + 2.0 * other + (3.0 if box.holds(broken) else 0.0)
            if best is None or cost < best[0]:
                best = (cost, start, level, box)
        if best is None:
            continue
        _, start, level, box = best
        taken.append(box)
        near = min(max(x, start), start + wide)
        if np.hypot(near - x, level - y) > 2.5:
            svg.line(x, y, near, level, stroke="#767676", width=0.1)
        svg.text(start, level + 0.7, text, size=size, colour="#333333", halo=0.5)


_PLACES = [
    (far, rise, other)
    for far in (1.2, 2.5, 4.0, 6.0, 9.0)
    for rise in (0.0, -1.2, 1.2, -2.4, 2.4, -4.0, 4.0, -6.0, 6.0, -8.5)
    for other in (False, True)
]
"""Millimetres beside a face and down from its middle, and whether on its uphill side."""


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom

    def holds(self, points: NDArray[np.float64]) -> bool:
        x, y = points.T
        return bool(((x > self.left) & (x < self.right) & (y > self.top) & (y < self.bottom)).any())


def _dense(lines: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Points (n, 2) on the lines, closer than a text is high."""
    found = [np.empty((0, 2))]
    for line in lines:
        step = np.hypot(*np.diff(line, axis=0).T)
        along = np.concatenate([[0.0], np.cumsum(step)])
        at = np.arange(0.0, along[-1] + 0.4, 0.4)
        found.append(np.column_stack([np.interp(at, along, line[:, 0]), np.interp(at, along, line[:, 1])]))
    return np.concatenate(found)


def _write_frame(
    svg: Svg, section: SectionDrawing, frame: Frame, words: Words, right: float, exaggeration: float
) -> None:
    name = section_title(section, words)
    svg.text(frame.left, 3.4, name, size=3.0, bold=True)
    at = max(right, svg.width - 8.0)
    for trace in reversed(section.traces):
        look = LOOK.get(trace.role, LOOK["after"])
        svg.text(at, 3.4, trace.label, size=2.2, anchor="end")
        at -= 1.15 * len(trace.label) + 2.0
        svg.line(at - 7, 2.7, at, 2.7, **look)
        at -= 11.0
    first, last = ("", "′") if section.kind != "site" else (None, None)
    if first is not None:
        svg.text(frame.left, frame.bottom + 8.2, section.name + first, size=3.0, bold=True, anchor="middle")
        svg.text(right, frame.bottom + 8.2, f"{section.name}{last}", size=3.0, bold=True, anchor="middle")
    compass = (
        words("compass." + _compass((section.bearing_deg + 180) % 360)),
        words("compass." + _compass(section.bearing_deg)),
    )
    svg.text(frame.left, frame.bottom + 11.6, compass[0], size=2.2, anchor="middle")
    svg.text(right, frame.bottom + 11.6, compass[1], size=2.2, anchor="middle")
    true = abs(exaggeration - 1) < 1e-6
    note = words("section.axes_true") if true else words("section.axes", times=f"{exaggeration:.2g}")
    middle = max((frame.left + right) / 2, frame.left + 6.0 + 0.6 * len(note))
    svg.text(middle, frame.bottom + 8.0, note, size=2.2, anchor="middle", colour="#444444")


def _compass(bearing_deg: float) -> str:
    return ("N", "NE", "E", "SE", "S", "SW", "W", "NW")[round(bearing_deg / 45) % 8]
