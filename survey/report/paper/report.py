"""``report.pdf``: the same content as the page, on A4, for the file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from survey.grid import Bounds
from survey.report import content
from survey.report.assessed import assessed
from survey.report.colours import VERDICT, VERDICT_SIGN
from survey.report.draw import charts
from survey.report.draw.contours import contour_interval_m
from survey.report.draw.plan import PlanLook, draw_plan
from survey.report.draw.section import SectionDrawing, draw_section, sections_of
from survey.report.draw.view import View
from survey.report.folder import RunFolder
from survey.report.methods import methods, sections_explained
from survey.report.numbers import Numbers
from survey.report.options import ReportOptions
from survey.report.paper import furniture
from survey.report.paper.plans import shown_on
from survey.report.paper.typeset import Drawings, typeset
from survey.report.words import Words
from survey.report.years import last_period, years_table

if TYPE_CHECKING:
    from survey.record import Record
    from survey.report.pictures import Picture

_MAP_WIDTH, _MAP_HEIGHT = 128.0, 104.0
_TEXT_WIDTH = 171.0
_MOST_DISMISSED = 40  # the largest
_MOST_SITES = 60  # with their cards; all stand in the table


_WORDS = {
    "report": "report.title",
    "page": "report.page",
    "of": "plan.of",
    "legend": "legend.title",
    "map": "page.map",
    "zones": "page.zones",
    "zones_explain": "zones.explain",
    "years": "page.years",
    "benches": "page.benches",
    "assessed": "page.assessed",
    "assessed_explain": "assessed.explain",
    "sites": "page.sites",
    "sites_explain": "sites.explain",
    "dismissed": "page.dismissed",
    "dismissed_explain": "dismissed.explain",
    "sections": "page.sections",
    "findings": "page.findings",
    "methods": "page.methods",
    "g1": "page.g1",
    "g1_explain": "g1.explain",
    "sources": "page.sources",
    "sources_explain": "sources.explain",
    "settings": "sources.settings",
    "signatures": "report.signatures",
}
"""What ``report.typ`` calls the fixed words on its pages."""


def report_pdf(run: RunFolder, options: ReportOptions) -> bytes:
    """The whole report."""
    words = Words(options.language)
    numbers = Numbers(words, options.indian_digits)
    record = run.record
    drawings = Drawings()
    sites = content.site_table(record, words, numbers)
    judged = assessed(record, words, numbers)
    sections = sections_of(run, words, numbers)
    views = _section_views(sections, words, drawings)
    data: dict[str, Any] = {
        "title": content.title(record, words),
        "author": str(record.mine.get("lessee") or ""),
        "language": options.language,
        "job": str(record.job.get("id", "")),
        "dates": content.survey_dates(record, words, numbers),
        "provenance": words(
            "report.provenance",
            version=record.software.get("mine-survey", ""),
            hash=content.digest(record),
        ),
        "mine": content.mine_lines(record, words),
        "headline": content.headline(run, words, numbers),
        "maps": _maps(run, words, numbers, drawings),
        "zones": _table(content.zone_table(record, words, numbers)),
        "bars": drawings.add("bars.svg", charts.zone_bars(record.zones, words, numbers)),
        "years": _table(years_table(record, words, numbers)),
        "years_explain": words("years.explain", period=last_period(record, words, numbers) or ""),
        "benches": _benches(record, words, numbers),
        "assessed": _table(None if judged is None else judged.table),
        "sites": _cards(run, words, numbers, drawings, views),
        "site_heads": list(sites.heads) if sites else [],
        "site_rows": _table(sites)["rows"] if sites else [],  # type: ignore[index]
        "dismissed": _dismissed(record, words, numbers),
        "sections": [views[s.name] for s in sections if s.kind != "site" and s.name in views],
        "findings": _findings(record, words, numbers),
        "methods": methods(run, words, numbers),
        "charts": _charts(record, words, drawings),
        "g1": _table(content.g1_table(record, words, numbers)),
        "source_heads": [words(f"sources.{key}") for key in ("role", "survey", "path", "bytes")],
        "sources": _sources(record, words, numbers),
        "software": words("sources.software")
        + ": "
        + ", ".join(f"{name} {version}" for name, version in record.software.items()),
        "settings": content.settings_table(record),
        "signatures": [words(f"report.sign_{key}") for key in ("surveyor", "engineer", "place", "date")],
        "words": {name: words(key) for name, key in _WORDS.items()}
        | {"section_explain": sections_explained(record, words)},
    }
    return typeset("report.typ", data, drawings)


def _charts(record: Record, words: Words, drawings: Drawings) -> list[dict[str, Any]]:
    """How the surveys fit, and how sure their difference is."""
    plots = record.settings.get("alignment_plots") or {}
    made = [charts.histogram(plots, words), charts.rose(plots, words)]
    if record.error is not None:
        made += [charts.noise_by_slope(record.error, words), charts.variogram(record.error, words)]
    drawn = [drawings.add(f"chart-{k}.svg", svg) for k, svg in enumerate(made)]
    return [
        {"drawing": chart, "title": svg.title}
        for chart, svg in zip(drawn, made, strict=True)
        if chart and svg is not None
    ]


def _section_views(sections: list[SectionDrawing], words: Words, drawings: Drawings) -> dict[str, Any]:
    """Each section's drawing under its name; those of sites are lower, to stand beside their figures."""
    views: dict[str, Any] = {}
    for k, section in enumerate(sections):
        svg = draw_section(
            section,
            words,
            width_mm=_TEXT_WIDTH,
            exaggeration=content.exaggeration(section.length_m, section.heights()),
            most_height_mm=52.0 if section.kind == "site" else 60.0,
            identity=f"s{k}-",
        )
        if svg is not None:
            views[section.name] = drawings.add(f"section-{k}.svg", svg)
    return views


def _cards(
    run: RunFolder, words: Words, numbers: Numbers, drawings: Drawings, views: dict[str, Any]
) -> list[dict[str, Any]]:
    """The sites with their sections and their pictures, as many as a report on paper holds."""
    cards = content.site_cards(run.record, words, numbers)[:_MOST_SITES]
    for card in cards:
        card["section"] = views.get(card["id"])
        card["chips"] = [
            [
                drawings.picture(p.file.replace("/", "-"), (run.path / p.file).read_bytes()),
                numbers.date(p.date),
            ]
            for p in run.pictures
            if p.name == "chip" and p.site == card["id"]
        ]
    return cards


def _sources(record: Record, words: Words, numbers: Numbers) -> list[dict[str, str]]:
    return [
        {
            "role": words.named("role", s.role),
            "survey": numbers.date(s.survey) if s.survey else "",
            "path": s.path,
            "bytes": numbers.plain(s.bytes, 0),
            "sha256": s.sha256,
            "note": ", ".join(part for part in (s.crs, s.height) if part),
        }
        for s in record.sources
    ]


def _table(table: content.Table | None) -> dict[str, Any] | None:
    if table is None:
        return None
    # An interval broken over two lines reads as two figures.
    rows = [
        [cell.text + ("\n" + cell.under.replace(" ", "\u00a0") if cell.under else "") for cell in row]
        for row in table.rows
    ]
    return {"heads": list(table.heads), "rows": rows}


def _benches(record: Record, words: Words, numbers: Numbers) -> dict[str, Any] | None:
    if not record.benches:
        return None
    rows = [
        [
            numbers.plain(b.floor_m, 1),
            numbers.plain(b.crest_m, 1),
            f"{numbers.volume(b.cut_m3)} ({numbers.interval(b.cut_lo_m3, b.cut_hi_m3)})",
            f"{numbers.volume(b.fill_m3)} ({numbers.interval(b.fill_lo_m3, b.fill_hi_m3)})",
        ]
        for b in record.benches
    ]
    heads = [words("benches.from"), words("benches.to"), words("zones.cut"), words("zones.fill")]
    return {"heads": heads, "rows": rows}


def _dismissed(record: Record, words: Words, numbers: Numbers) -> dict[str, Any] | None:
    if not record.dismissed:
        return None
    heads = [
        words(key)
        for key in (
            "sites.id",
            "dismissed.reason",
            "sites.why",
            "sites.zone",
            "sites.area",
            "zones.cut",
            "zones.fill",
        )
    ]
    rows = [
        [
            d.id,
            words.named("reason", d.reason),
            numbers.said(d.why),
            words.named("zone", d.zone),
            numbers.plain(d.area_m2, 0),
            numbers.volume(d.cut_m3),
            numbers.volume(d.fill_m3),
        ]
        for d in sorted(record.dismissed, key=lambda d: (-d.area_m2, d.id))[:_MOST_DISMISSED]
    ]
    left = len(record.dismissed) - len(rows)
    return {"heads": heads, "rows": rows, "more": words("dismissed.more", n=left) if left else ""}


def _findings(record: Record, words: Words, numbers: Numbers) -> list[dict[str, str]]:
    rows = []
    for f in content.finding_table(record, words, numbers):
        measured = [f"{words(f'findings.{key}')}: {f[key]}" for key in ("observed", "limit") if f[key]]
        grade = f" · {words('findings.grade', grade=f['grade'])}" if f["grade"] else ""
        rows.append(
            {
                "colour": VERDICT[f["verdict"]],
                "sign": VERDICT_SIGN[f["verdict"]],
                "verdict": f["verdict_text"],
                "rule": f["rule"],
                "citation": f["citation"] + grade,
                "message": f["message"],
                "measured": " · ".join(measured),
                "mend": f"{words('findings.mend')}: {f['mend']}" if f["mend"] else "",
            }
        )
    return rows


def _maps(run: RunFolder, words: Words, numbers: Numbers, drawings: Drawings) -> list[dict[str, Any]]:
    """Change over hillshade, and the later orthomosaic, both with outlines."""
    extent = run.extent
    if extent is None:
        return []
    if run.lease is not None:
        near = Bounds(*run.lease.bounds).grown(110.0)
        for shape in run.layer("sites").geometry:
            box = None if shape is None or shape.is_empty else Bounds(*shape.bounds).grown(20.0)
            if box is not None and box.overlaps(Bounds(*run.lease.bounds).grown(500.0)):
                near = Bounds(
                    min(near.west, box.west),
                    min(near.south, box.south),
                    max(near.east, box.east),
                    max(near.north, box.north),
                )
        extent = extent.intersection(near) or extent
    scale = max(
        (extent.east - extent.west) * 1000 / _MAP_WIDTH, (extent.north - extent.south) * 1000 / _MAP_HEIGHT
    )
    view = View(extent, scale)
    change = run.picture("change")
    stacks: list[tuple[list[Picture], str, Picture | None]] = []
    if change is not None:
        base = run.picture("hillshade", "after")
        stacks.append(([p for p in (base, change) if p], words("picture.change"), change))
    for name in ("ortho", "hillshade"):
        after = run.picture(name, "after")
        if after is not None and not (name == "hillshade" and stacks):
            stacks.append(([after], content.picture_title(after, words, numbers), None))
            break
    found = []
    for k, (pictures, caption, legend) in enumerate(stacks):
        look = PlanLook(
            contours=legend is None,
            contour_m=contour_interval_m(run, scale, 50.0) if legend is None else None,
            benches=False,
            levels=False,
            sections=legend is None,
            polygons=False,
            grid=False,
            text_mm=1.8,
        )
        drawn = draw_plan(run, view, look, words, numbers, identity=f"m{k}-")
        placed = []
        for p in pictures:
            file = drawings.picture(p.file.replace("/", "-"), (run.path / p.file).read_bytes())
            x, y = view.spot(p.bounds.west, p.bounds.north)
            placed.append(
                {
                    "file": file,
                    "x": x,
                    "y": y,
                    "width": (p.bounds.east - p.bounds.west) * 1000 / scale,
                    "height": (p.bounds.north - p.bounds.south) * 1000 / scale,
                }
            )
        width, height = view.size
        signs = [
            [drawings.add(f"sign-{k}-{n}.svg", sign), meaning]
            for n, (sign, meaning) in enumerate(furniture.legend(shown_on(run, look), words))
        ]
        found.append(
            {
                "width": width,
                "height": height,
                "drawing": drawings.add(f"map-{k}.svg", drawn),
                "pictures": placed,
                "caption": caption,
                "signs": signs,
                "legend": [list(row) for row in content.legend_rows(legend, words, numbers)]
                if legend
                else [],
            }
        )
    return found
