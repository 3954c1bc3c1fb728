"""``plan-surface.pdf`` and ``plan-environment.pdf``: MCDR 2017, rules 31 to 34, to true scale."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from survey.grid import Bounds
from survey.report import content, sheets
from survey.report.draw.contours import contour_interval_m
from survey.report.draw.plan import PlanLook, draw_plan, grid_marks
from survey.report.draw.view import View
from survey.report.folder import RunFolder
from survey.report.numbers import Numbers
from survey.report.options import ReportOptions
from survey.report.paper import furniture
from survey.report.paper.typeset import Drawings, typeset
from survey.report.words import Words

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

SURFACE_AROUND_M = 100.0
ENVIRONMENT_AROUND_M = 500.0
WORKINGS_AROUND_M = 60.0  # rule 32(5)(b): contours, workings and dumps up to 60 m beyond the boundary
_MOST_CONTOUR_M = 10.0
_ENVIRONMENT_CONTOUR_M = 5.0


@dataclass(frozen=True)
class Plan:
    """What sets one plan apart from the other."""

    file: str
    heading: str
    rule: str
    purpose: str
    scale: int
    extent: Bounds
    look: PlanLook
    background: str | None = None  # a picture to lie paled below the lines


def surface_plan(run: RunFolder, options: ReportOptions, words: Words) -> Plan | None:
    """The surface plan: lease and 100 m round it. None where the run has neither lease nor pictures."""
    extent = _around(run, SURFACE_AROUND_M)
    if extent is None:
        return None
    area = run.lease.area if run.lease is not None else 0.0
    width, height = (
        (run.lease.bounds[2] - run.lease.bounds[0], run.lease.bounds[3] - run.lease.bounds[1])
        if run.lease is not None
        else (extent.east - extent.west, extent.north - extent.south)
    )
    scale = options.scale or sheets.surface_scale(area, width, height)
    interval = contour_interval_m(run, scale, _MOST_CONTOUR_M)
    return Plan(
        "plan-surface.pdf",
        words("plan.surface"),
        rule_of(run, "plan.surface_rule", words),
        _purpose(run) or words("plan.surface_purpose"),
        scale,
        extent,
        PlanLook(contour_m=interval),
    )


def rule_of(run: RunFolder, key: str, words: Words) -> str:
    """The rules by which a plan is drawn. A minor mineral's plan rests on the State's own rule; that one
    names the instruments and no form, so the form is MCDR's.
    """
    rule = words(key)
    return words("plan.rajasthan", rule=rule) if run.regime == "rajasthan" else rule


def _purpose(run: RunFolder) -> str | None:
    report = run.record.job.get("report")
    return str(report["purpose"]) if isinstance(report, dict) and report.get("purpose") else None


def environment_plan(run: RunFolder, options: ReportOptions, words: Words) -> Plan | None:
    """The environment plan: lease and 500 m round it at 1:5000. It needs a lease."""
    if run.lease is None:
        return None
    extent = _around(run, ENVIRONMENT_AROUND_M)
    assert extent is not None
    near = run.lease.buffer(WORKINGS_AROUND_M)
    interval = contour_interval_m(run, sheets.ENVIRONMENT_SCALE, _ENVIRONMENT_CONTOUR_M, near)
    # The rule says 5 m; on ground so level that this gives few lines, finer ones are added, not fewer.
    interval = _ENVIRONMENT_CONTOUR_M if interval is None or _steep(run) else interval
    return Plan(
        "plan-environment.pdf",
        words("plan.environment"),
        rule_of(run, "plan.environment_rule", words),
        words("plan.environment_purpose"),
        sheets.ENVIRONMENT_SCALE,
        extent,
        PlanLook(contour_m=interval, within=near, sections=False, text_mm=1.8),
        # Roads, water, fields and houses round the lease: nobody has drawn them, the orthomosaic shows them.
        background="ortho",
    )


def _steep(run: RunFolder) -> bool:
    levels = [float(z) for z in run.layer("contours").columns.get("level_m", []) if z is not None]
    return bool(levels) and max(levels) - min(levels) >= 3 * _ENVIRONMENT_CONTOUR_M


def _around(run: RunFolder, metres: float) -> Bounds | None:
    if run.lease is not None and not run.lease.is_empty:
        return Bounds(*run.lease.bounds).grown(metres)
    return run.extent


def plan_pdf(run: RunFolder, plan: Plan, options: ReportOptions) -> bytes:
    """One plan, all its sheets."""
    words = Words(options.language)
    numbers = Numbers(words, options.indian_digits)
    layout = sheets.lay_out(plan.extent, plan.scale, options.sheet)
    drawings = Drawings()
    pages = []
    for sheet in layout.sheets:
        view = View(sheet.window, plan.scale)
        east, north = grid_marks(view)
        index = None
        if len(layout.sheets) > 1:
            drawn = furniture.index_map(layout, run.lease, sheet.number, words)
            index = drawings.add(f"index-{sheet.number}.svg", drawn)
        pages.append(
            {
                "number": sheet.number,
                "drawing": drawings.add(
                    f"map-{sheet.number}.svg", draw_plan(run, view, plan.look, words, numbers)
                ),
                "eastings": [[x, text] for x, text in east if 6 < x < layout.frame[0] - 6],
                "northings": [[y, text] for y, text in north if 6 < y < layout.frame[1] - 6],
                "index": index,
                "background": _background(run, plan, view, drawings),
            }
        )
    legend = []
    for k, (sign, meaning) in enumerate(furniture.legend(shown_on(run, plan.look), words)):
        legend.append([drawings.add(f"legend-{k}.svg", sign), meaning])
    middle = (plan.extent.west + plan.extent.east) / 2, (plan.extent.south + plan.extent.north) / 2
    turn = furniture.true_north_deg(run.crs_wkt, *middle) if run.crs_wkt else 0.0
    pillars = [
        [
            str(row["name"]),
            numbers.latitude(row["lat"]),
            numbers.longitude(row["lon"]),
            f"{row['east']:.2f}",
            f"{row['north']:.2f}",
        ]
        for row in run.layer("pillars").rows()
    ]
    levels = _level_rows(run, words, numbers, plan.look.within)
    data = {
        "title": f"{content.title(run.record, words)}: {plan.heading}",
        "author": str(run.record.mine.get("lessee") or ""),
        "language": options.language,
        "page": {"width": layout.page[0], "height": layout.page[1]},
        "frame": {"width": layout.frame[0], "height": layout.frame[1]},
        "margin_left": sheets.MARGIN_LEFT,
        "margin": sheets.MARGIN,
        "edge": sheets.EDGE,
        "text_pt": sheets.TEXT_PT[layout.name],
        "strip": sheets.STRIP,
        "column": layout.column,
        "heading": plan.heading,
        "rule": plan.rule,
        "facts": _facts(run, plan, words, numbers),
        "sheets": pages,
        "north": drawings.add("north.svg", furniture.north_arrow(turn, words, numbers)),
        "scale_bar": drawings.add("scale.svg", furniture.scale_bar(plan.scale, words, numbers)),
        "legend": legend,
        "pillars": pillars,
        "pillar_heads": [words(f"plan.pillar_{key}") for key in ("name", "lat", "lon", "east", "north")],
        "levels": levels,
        "level_heads": [words(f"plan.level_{key}") for key in ("subject", "kind", "level", "rim")],
        "tables_inside": _fits(layout, len(pillars), len(levels), len(legend)),
        "signatures": [words(f"plan.sign_{key}") for key in ("name", "designation", "signature", "date")],
        "original": words("plan.copy_of", original=options.original)
        if options.original
        else words("plan.is_original"),
        "provenance": provenance(run, words),
        "words": {
            "scale_line": words("plan.scale_line", scale=plan.scale),
            "sheet": words("plan.sheet"),
            "of": words("plan.of"),
            "certificate": words("plan.certificate"),
            "certificate_text": words("plan.certificate_text"),
            "legend": words("plan.legend"),
            "pillars": words("plan.pillars"),
            "levels": words("plan.levels"),
            "tables_follow": words("plan.tables_follow"),
        },
    }
    return typeset("plan.typ", data, drawings)


def _background(run: RunFolder, plan: Plan, view: View, drawings: Drawings) -> dict[str, object] | None:
    """A picture of the ground below the lines, where it lies in the frame, in mm."""
    picture = plan.background and (run.picture(plan.background, "after") or run.picture("hillshade", "after"))
    if not picture:
        return None
    b = picture.bounds
    x, y = view.spot(b.west, b.north)
    return {
        "file": drawings.picture("background.webp", (run.path / picture.file).read_bytes()),
        "x": x,
        "y": y,
        "width": (b.east - b.west) * 1000 / view.scale,
        "height": (b.north - b.south) * 1000 / view.scale,
        "veil": 65,
    }


def _fits(layout: sheets.Layout, pillars: int, levels: int, legend: int) -> bool:
    """Whether both tables find room in the column, between legend and certificate."""
    signs = math.ceil(legend / 2) if layout.column > 115 else legend
    size = sheets.TEXT_PT[layout.name] / 8
    room = layout.page[1] - 2 * sheets.MARGIN - (90 + 48 * size) - 5.2 * signs - 42 * size
    return 4.1 * size * (pillars + levels) + 22 * size <= room


def shown_on(run: RunFolder, look: PlanLook) -> set[str]:
    """The layers whose signs a drawing of that look shows."""
    shown = {"lease"} if run.lease is not None else set()
    for layer, flag in (
        ("pillars", look.pillars),
        ("contours", look.contours and look.contour_m is not None),
        ("polygons", look.polygons),
        ("levels", look.levels),
        ("other_leases", look.zones),
    ):
        if flag and len(run.layer(layer)):
            shown.add(layer)
    if look.benches and len(run.layer("bench_lines")):
        shown.add("benches")
    if look.zones and "buffer" in run.layer("zones").columns.get("zone", []):
        shown.add("buffer")
    if look.sections and "regular" in run.layer("sections").columns.get("kind", []):
        shown.add("sections")
    if look.sites:
        shown |= {str(kind) for kind in run.layer("sites").columns.get("kind", [])}
    return shown


def _facts(run: RunFolder, plan: Plan, words: Words, numbers: Numbers) -> list[list[str]]:
    """The title block of rule 31(1), and what else a reader of the plan must know."""
    rows = [[name, value] for name, value in content.mine_lines(run.record, words)]
    rows.append([words("plan.purpose"), plan.purpose])
    rows.append([words("plan.observed"), content.survey_dates(run.record, words, numbers)])
    rows.append([words("plan.shows"), numbers.date(run.observed)])
    rows.append([words("plan.fraction"), f"1:{plan.scale}"])
    if plan.look.contour_m is not None and len(run.layer("contours")):
        rows.append([words("plan.contour_interval"), words("plan.metres_n", n=f"{plan.look.contour_m:g}")])
    rows.append([words("plan.system"), crs_name(run)])
    heights = sorted({str(s["height"]) for s in run.record.surveys if s.get("height")})
    rows.append([words("plan.heights"), ", ".join(heights) or words("not_given")])
    return rows


def crs_name(run: RunFolder) -> str:
    from pyproj import CRS

    if run.crs_wkt is None:
        return ""
    crs = CRS.from_wkt(run.crs_wkt)
    code = crs.to_epsg()
    return f"{crs.name} (EPSG:{code})" if code else crs.name


def provenance(run: RunFolder, words: Words) -> str:
    """One line: job, software and the hashes of the surface models, shortened; in full in the report."""
    hashes = ", ".join(s.sha256[:12] for s in run.record.sources if s.role in ("dem", "dtm"))
    version = run.record.software.get("mine-survey", "")
    return words("plan.provenance", job=run.record.job.get("id", ""), version=version, hashes=hashes)


def _level_rows(
    run: RunFolder, words: Words, numbers: Numbers, within: BaseGeometry | None
) -> list[list[str]]:
    rows: list[list[Any]] = []
    for row in run.layer("levels").rows():
        if within is not None and not within.intersects(row["geometry"]):
            continue
        subject = words("zone.lease") if row["subject"] == "lease" else str(row["subject"])
        rim = row["above_rim_m"]
        rows.append(
            [
                subject,
                words.named("level", str(row["kind"])),
                numbers.plain(row["level_m"], 2),
                "" if rim is None else numbers.plain(rim, 1, sign=True),
            ]
        )
    return rows
