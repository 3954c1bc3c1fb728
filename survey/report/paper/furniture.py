"""What stands round the map of a plan: north arrow, scale bar, legend, index."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from survey.grid import Bounds
from survey.report.colours import CONTOUR, OKABE_ITO, SITE, ZONE
from survey.report.draw.svg import Svg, mm, path_of
from survey.report.draw.view import View
from survey.report.sheets import Layout, scale_bar_m

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from survey.report.numbers import Numbers
    from survey.report.words import Words


def true_north_deg(crs_wkt: str, east: float, north: float) -> float:
    """Direction of true north at a point, degrees clockwise from grid north: minus the grid convergence."""
    from pyproj import CRS, Transformer

    crs = CRS.from_wkt(crs_wkt)
    geodetic = crs.geodetic_crs
    if geodetic is None:
        return 0.0
    to_degrees = Transformer.from_crs(crs, geodetic, always_xy=True)
    lon, lat = to_degrees.transform(east, north)
    back = Transformer.from_crs(geodetic, crs, always_xy=True)
    e0, n0 = back.transform(lon, lat - 5e-4)
    e1, n1 = back.transform(lon, lat + 5e-4)
    return math.degrees(math.atan2(e1 - e0, n1 - n0))


def north_arrow(true_north: float, words: Words, numbers: Numbers) -> Svg:
    """True north as the large arrow, grid north as the thin line: the map's edges run along the grid."""
    svg = Svg(34.0, 40.0, words("plan.north"))
    cx, base, tip = 17.0, 34.0, 8.0
    svg.line(cx, base, cx, tip + 3, stroke="#555555", width=0.2)
    svg.text(cx + 1.4, tip + 5.5, words("plan.grid_north"), size=2.1, colour="#555555")
    angle = math.radians(true_north)

    def turned(x: float, y: float) -> tuple[float, float]:
        return (
            cx + x * math.cos(angle) - y * math.sin(angle),
            base + x * math.sin(angle) + y * math.cos(angle),
        )

    length = base - tip
    left, right, point, notch = turned(-3.2, -6), turned(3.2, -6), turned(0, -length), turned(0, -9.5)
    svg.path(
        f"M{mm(point[0])} {mm(point[1])}L{mm(left[0])} {mm(left[1])}L{mm(notch[0])} {mm(notch[1])}Z",
        fill="#000000",
        width=0.2,
    )
    svg.path(
        f"M{mm(point[0])} {mm(point[1])}L{mm(right[0])} {mm(right[1])}L{mm(notch[0])} {mm(notch[1])}Z",
        fill="#ffffff",
        width=0.2,
    )
    foot = turned(0, 0)
    svg.line(notch[0], notch[1], foot[0], foot[1], stroke="#000000", width=0.3)
    svg.text(point[0], point[1] - 1.6, words("plan.true_north"), size=2.8, bold=True, anchor="middle")
    degrees = numbers.plain(abs(true_north), 2)
    key = "plan.convergence_west" if true_north < 0 else "plan.convergence_east"
    svg.text(cx, 38.6, words(key, degrees=degrees), size=2.1, anchor="middle")
    return svg


def scale_bar(scale: int, words: Words, numbers: Numbers) -> Svg:
    """A drawn scale at least 250 mm long: ten divisions, the first in ten parts."""
    length, division = scale_bar_m(scale)
    per_m = 1000.0 / scale
    margin = 9.0
    svg = Svg(length * per_m + 2 * margin, 13.0, words("plan.scale_bar"))
    top, thick = 4.6, 2.2
    for k in range(10):
        x = margin + k * division * per_m
        svg.rect(x, top, division * per_m, thick, fill="#000000" if k % 2 else "#ffffff", stroke="#000000")
    for k in range(1, 10):
        x = margin + k * division * per_m / 10
        svg.line(x, top, x, top + (thick if k == 5 else thick / 2), stroke="#000000", width=0.15)
    for k in range(11):
        x = margin + k * division * per_m
        svg.line(x, top - 0.8, x, top + thick, stroke="#000000", width=0.2)
        places = 0 if float(division).is_integer() else 1
        svg.text(x, top - 1.4, numbers.plain(k * division, places), size=2.3, anchor="middle")
    svg.text(margin + length * per_m / 2, top + thick + 4.2, words("plan.metres"), size=2.3, anchor="middle")
    return svg


def legend(shown: set[str], words: Words) -> list[tuple[Svg, str]]:
    """(drawing, meaning) of the signs that a plan shows; ``shown`` names layers."""
    entries: list[tuple[Svg, str]] = []

    def sample(key: str, draw: object) -> None:
        svg = Svg(12.0, 4.0)
        draw(svg)  # type: ignore[operator]
        entries.append((svg, words(f"legend.{key}")))

    if "lease" in shown:
        sample("lease", lambda s: s.line(0.5, 2, 11.5, 2, stroke=ZONE["lease"], width=0.6))
    if "pillars" in shown:
        sample(
            "pillar",
            lambda s: (
                s.rect(4.9, 0.9, 2.2, 2.2, stroke="#000000", line_width=0.35),
                s.circle(6, 2, 0.3, fill="#000000"),
            ),
        )
    if "buffer" in shown:
        sample("buffer", lambda s: s.line(0.5, 2, 11.5, 2, stroke=ZONE["buffer"], width=0.25, dash=(3, 1.5)))
    if "contours" in shown:
        sample("index", lambda s: s.line(0.5, 2, 11.5, 2, stroke=CONTOUR, width=0.3))
        sample("contour", lambda s: s.line(0.5, 2, 11.5, 2, stroke=CONTOUR, width=0.13))
    if "benches" in shown:

        def crest(s: Svg) -> None:
            s.line(0.5, 1.2, 11.5, 1.2, stroke="#222222", width=0.25)
            for k in range(5):
                s.line(
                    1.5 + 2 * k, 1.2, 1.5 + 2 * k, 2.8 if k % 2 == 0 else 2.1, stroke="#222222", width=0.13
                )

        sample("crest", crest)
        sample("toe", lambda s: s.line(0.5, 2, 11.5, 2, stroke="#222222", width=0.18, dash=(1.2, 0.8)))
    for kind, dash in (("pit", None), ("heap", (2.5, 0.8)), ("backfill", (1.0, 0.8))):
        if kind in shown:
            box = path_of([np.array([[1, 0.6], [11, 0.6], [11, 3.4], [1, 3.4]])], closed=True)
            sample(
                f"{kind}",
                lambda s, k=kind, d=dash, b=box: s.path(
                    b, stroke=SITE[k], width=0.4, dash=d, fill=SITE[k], fill_opacity=0.06
                ),
            )
    if "polygons" in shown:
        box = path_of([np.array([[1, 0.6], [11, 0.6], [11, 3.4], [1, 3.4]])], closed=True)
        sample(
            "polygons", lambda s: s.path(box, stroke="#555555", width=0.2, fill="#e9e4d8", dash=(0.6, 0.8))
        )
    if "sections" in shown:
        sample(
            "section",
            lambda s: s.line(
                0.5, 2, 11.5, 2, stroke=OKABE_ITO["vermilion"], width=0.2, dash=(5, 1.2, 1, 1.2)
            ),
        )
    if "other_leases" in shown:
        sample(
            "other_lease",
            lambda s: s.line(0.5, 2, 11.5, 2, stroke=OKABE_ITO["purple"], width=0.35, dash=(4, 1, 1, 1)),
        )
    if "levels" in shown:
        sample(
            "level", lambda s: s.path("M5.1 2.7L6.9 2.7L6 1.1Z", stroke="#000000", width=0.15, fill="#ffffff")
        )
    return entries


def index_map(layout: Layout, lease: BaseGeometry | None, here: int, words: Words) -> Svg:
    """All sheets of a plan over the lease, this one shaded."""
    windows = [sheet.window for sheet in layout.sheets]
    whole = Bounds(
        min(w.west for w in windows),
        min(w.south for w in windows),
        max(w.east for w in windows),
        max(w.north for w in windows),
    )
    scale = max((whole.east - whole.west) / 0.060, (whole.north - whole.south) / 0.045)
    view = View(whole, scale)
    width, height = view.size
    svg = Svg(width + 2, height + 2, words("plan.index"))
    shapes = []
    if lease is not None:
        import shapely

        for part in shapely.get_parts(lease):
            shapes.append(view.place(shapely.get_coordinates(part)) + 1)
    for sheet in layout.sheets:
        x0, y0 = view.spot(sheet.window.west, sheet.window.north)
        x1, y1 = view.spot(sheet.window.east, sheet.window.south)
        fill = "#d9e6ef" if sheet.number == here else None
        svg.rect(x0 + 1, y0 + 1, x1 - x0, y1 - y0, fill=fill, stroke="#555555", line_width=0.2)
        svg.text(
            (x0 + x1) / 2 + 1,
            (y0 + y1) / 2 + 2.2,
            str(sheet.number),
            size=3.2,
            anchor="middle",
            colour="#333333",
        )
    svg.path(path_of(shapes, closed=True), stroke="#000000", width=0.4)
    return svg
