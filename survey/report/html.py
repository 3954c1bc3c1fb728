"""``report.html``: one file that opens from disk, with a map, and needs no network.

Everything is inside the file: the map library, pictures as data addresses, outlines as JSON. All text from
the record passes through the template's escaping; the JSON stands in a script element of type
``application/json`` with every ``<``, ``>`` and ``&`` written as an escape, so that nothing in it can end it.
"""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.report import content
from survey.report.assessed import assessed
from survey.report.colours import OKABE_ITO, SITE, VERDICT, VERDICT_SIGN, ZONE
from survey.report.draw import charts
from survey.report.draw.outlines import without_specks
from survey.report.draw.section import SectionDrawing, draw_section, section_title, sections_of
from survey.report.folder import RunFolder
from survey.report.methods import methods, sections_explained
from survey.report.numbers import Numbers
from survey.report.options import ReportOptions
from survey.report.page import template
from survey.report.pictures import data_uri
from survey.report.words import Words
from survey.report.years import last_period, years_table

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from survey.grid import Bounds

# Beside pictures, numbers are what makes the page large: some 16 bytes a vertex on the map, 30 in a section.
_MOST_VERTICES = {"contours": 80_000, "bench_lines": 30_000, "sections": 40_000}
_STATIC = files("survey.report") / "static"


def json_for_script(value: Any) -> str:
    """JSON that can stand in a ``<script>`` element whatever strings it holds."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _rings(shape: BaseGeometry | None, east: float, north: float) -> list[list[list[list[float]]]]:
    """Polygons → rings → [north, east] from the map's origin, to the centimetre (Leaflet's order)."""
    import shapely

    if shape is None or shape.is_empty:
        return []
    polygons = []
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            rings = [part.exterior, *part.interiors]
            polygons.append([_points(shapely.get_coordinates(r), east, north, 2) for r in rings])
    return polygons


def _points(line: np.ndarray, east: float, north: float, places: int) -> list[list[float]]:
    return np.column_stack([line[:, 1] - north, line[:, 0] - east]).round(places).tolist()


def _lines(
    run: RunFolder, name: str, east: float, north: float, columns: tuple[str, ...]
) -> list[dict[str, Any]]:
    import shapely

    return [
        {
            **{c: row[c] for c in columns},
            "p": _points(shapely.get_coordinates(row["geometry"]), east, north, 1),
        }
        for row in run.layer(name).rows()
    ]


def _drawable(shape: BaseGeometry | None, extent: Bounds) -> BaseGeometry | None:
    """A site's outline as a screen can show it: specks below a hundred-and-twentieth of the map left out."""
    if shape is None or shape.is_empty:
        return shape
    side = max(extent.east - extent.west, extent.north - extent.south) / 120
    return without_specks(shape, side * side)


def map_data(run: RunFolder, words: Words, numbers: Numbers) -> dict[str, Any]:
    """All that the map draws, relative to an origin so that the numbers stay short."""
    import shapely

    extent = run.extent
    if extent is None:
        return {}
    east, north = math.floor(extent.west), math.floor(extent.south)

    def box(bounds: Any) -> list[list[float]]:
        return [[bounds.south - north, bounds.west - east], [bounds.north - north, bounds.east - east]]

    pictures = [
        {
            "name": p.name,
            "epoch": p.epoch,
            "title": content.picture_title(p, words, numbers),
            "bounds": box(p.bounds),
            "src": data_uri(run.path, p),
        }
        for p in run.pictures
        if p.site is None
    ]
    contours = _lines(run, "contours", east, north, ("level_m", "is_index"))
    if sum(len(c["p"]) for c in contours) > _MOST_VERTICES["contours"]:
        contours = [c for c in contours if c["is_index"]]
    if sum(len(c["p"]) for c in contours) > _MOST_VERTICES["contours"]:
        contours = []
    benches = _lines(run, "bench_lines", east, north, ("kind", "height_m", "face_angle_deg", "berm_width_m"))
    if sum(len(c["p"]) for c in benches) > _MOST_VERTICES["bench_lines"]:
        benches = []
    for row in [*contours, *benches]:
        for key, value in row.items():
            if isinstance(value, float):
                row[key] = round(value, 2)
    sites = {s.id: s for s in run.record.sites}
    return {
        "origin": [east, north],
        "extent": box(extent),
        "lease": _rings(run.lease, east, north),
        "pictures": pictures,
        "zones": [
            {
                "zone": row["zone"],
                "title": words.named("zone", row["zone"]),
                "rings": _rings(row["geometry"], east, north),
                "colour": ZONE.get(str(row["zone"]), OKABE_ITO["black"]),
            }
            for row in run.layer("zones").rows()
        ],
        "sites": [
            {
                "id": row["id"],
                "kind": row["kind"],
                "title": content.site_title(sites[row["id"]], words, numbers),
                "rings": _rings(_drawable(row["geometry"], extent), east, north),
                "colour": SITE.get(str(row["kind"]), "#000000"),
            }
            for row in run.layer("sites").rows()
            if row["id"] in sites
        ],
        "dismissed": [
            {
                "title": f"{row['id']}: {words.named('reason', str(row['reason']))}. "
                f"{numbers.said(str(row['why']))}",
                "rings": _rings(row["geometry"], east, north),
            }
            for row in run.layer("dismissed").rows()
        ],
        "polygons": [
            {
                "title": f"{row['name']} ({words.named('g1', str(row['kind']))})",
                "rings": _rings(row["geometry"], east, north),
            }
            for row in [*run.layer("polygons").rows(), *run.layer("other_leases").rows()]
        ],
        "pillars": [
            {
                "name": row["name"],
                "title": f"{row['name']}: {numbers.latitude(row['lat'])}, {numbers.longitude(row['lon'])}",
                "p": _points(shapely.get_coordinates(row["geometry"]), east, north, 2)[0],
            }
            for row in run.layer("pillars").rows()
        ],
        "contours": contours,
        "benches": benches,
        "sections": _lines(run, "sections", east, north, ("section", "kind")),
    }


def _section_views(run: RunFolder, words: Words, numbers: Numbers) -> list[dict[str, Any]]:
    """Drawings for the section viewer, and their profiles for its read-out."""
    views = []
    for k, section in enumerate(_light(sections_of(run, words, numbers))):
        exaggeration = content.exaggeration(section.length_m, section.heights())
        drawn = draw_section(
            section, words, width_mm=190.0, exaggeration=exaggeration, most_height_mm=95.0, identity=f"s{k}-"
        )
        if drawn is None:
            continue
        views.append(
            {
                "name": section.name,
                "site": section.site,
                "title": section_title(section, words),
                "length_m": round(section.length_m, 2),
                "svg": drawn.markup(inline=True),
                "frame": [*drawn.frame, drawn.width],
                "traces": [
                    {
                        "label": trace.label,
                        "stretches": [stretch.round(2).tolist() for stretch in trace.stretches],
                    }
                    for trace in section.traces
                ],
            }
        )
    return views


def _light(sections: list[SectionDrawing]) -> list[SectionDrawing]:
    """The sections with no more vertices than the page can carry: flat ones lose theirs first."""
    for tolerance in (0.0, 0.1, 0.2, 0.4, 0.8, 1.6):
        light = [section.simplified(tolerance) for section in sections]
        if sum(section.vertices for section in light) <= _MOST_VERTICES["sections"]:
            break
    return light


def _first_section(sections: list[dict[str, Any]]) -> int:
    """The regular section with the most relief: the one to open the viewer with."""

    def relief(section: dict[str, Any]) -> float:
        heights = [point[1] for t in section["traces"] for stretch in t["stretches"] for point in stretch]
        return (max(heights) - min(heights) if heights else 0.0) - (1e6 if section["site"] else 0.0)

    return max(range(len(sections)), key=lambda k: relief(sections[k]), default=0)


def render_html(run: RunFolder, options: ReportOptions) -> str:
    """The whole page as text."""
    from markupsafe import Markup

    words = Words(options.language)
    numbers = Numbers(words, options.indian_digits)
    record = run.record
    plots = record.settings.get("alignment_plots") or {}
    drawn = [charts.histogram(plots, words), charts.rose(plots, words)]
    if record.error is not None:
        drawn += [charts.noise_by_slope(record.error, words), charts.variogram(record.error, words)]
    bars = charts.zone_bars(record.zones, words, numbers)
    sections = _section_views(run, words, numbers)
    chips = {
        site.id: [
            {"title": numbers.date(p.date), "src": data_uri(run.path, p), "epoch": p.epoch}
            for p in run.pictures
            if p.name == "chip" and p.site == site.id
        ]
        for site in record.sites
    }
    data = {
        "map": map_data(run, words, numbers),
        "sections": sections,
        "words": {
            key: words(f"page.{key}")
            for key in ("height", "distance", "no_sites", "shown", "close", "difference", "position")
        },
    }
    change = run.picture("change")
    return template("report.html").render(
        t=words,
        n=numbers,
        run=run,
        record=record,
        content=content,
        language=options.language,
        title=content.title(record, words),
        headline=content.headline(run, words, numbers),
        zones=content.zone_table(record, words, numbers),
        years=years_table(record, words, numbers),
        period=last_period(record, words, numbers),
        assessed=assessed(record, words, numbers),
        sites=content.site_table(record, words, numbers),
        cards=content.site_cards(record, words, numbers),
        chips=chips,
        findings=content.finding_table(record, words, numbers),
        methods=methods(run, words, numbers),
        sources=content.source_table(record, words, numbers),
        surveys=content.survey_table(record, words, numbers),
        g1=content.g1_table(record, words, numbers),
        settings=content.settings_table(record),
        legend=content.legend_rows(change, words, numbers) if change else [],
        charts=[(svg.title, Markup(svg.markup(inline=True))) for svg in drawn if svg is not None],
        bars=Markup(bars.markup(inline=True)) if bars else None,
        sections=sections,
        sections_explained=sections_explained(record, words),
        first_section=_first_section(sections),
        verdict_colour=VERDICT,
        verdict_sign=VERDICT_SIGN,
        has_map=bool(data["map"]),
        has_pair=run.picture("hillshade", "before") is not None,
        data=Markup(json_for_script(data)),
        # A closing tag inside a library would end the element; the shipped files hold none, and a test looks.
        leaflet_js=Markup(_static("leaflet/leaflet.js").replace("//# sourceMappingURL=leaflet.js.map", "")),
        leaflet_css=Markup(_static("leaflet/leaflet.css")),
        css=Markup(_static("report.css")),
        js=Markup(_static("report.js")),
        font=Markup(font_face(options.language)),
    )


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def font_face(language: str) -> str:
    """Devanagari comes with the page: not every machine has it. Latin takes the machine's own font."""
    import base64

    if language != "hi":
        return ""
    faces = []
    for weight, name in ((400, "Regular"), (700, "Bold")):
        font = (_STATIC / "fonts" / f"SurveySansDevanagari-{name}.ttf").read_bytes()
        encoded = base64.b64encode(font).decode("ascii")
        faces.append(
            f"@font-face{{font-family:'Survey Sans Devanagari';font-weight:{weight};font-display:block;"
            "unicode-range:U+0900-097F,U+1CD0-1CFF,U+200C-200D,U+20B9,U+25CC,U+A8E0-A8FF;"
            f"src:url(data:font/ttf;base64,{encoded}) format('truetype')}}"
        )
    return "\n".join(faces)
