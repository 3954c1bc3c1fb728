"""``plan-sections.pdf``: sections to true scale, both surveys, bench heights and face angles written in."""

from __future__ import annotations

import math
from typing import Any

from survey.grid import Bounds
from survey.report import content, sheets
from survey.report.draw.plan import PlanLook, draw_plan
from survey.report.draw.section import SectionDrawing, draw_section, sections_of
from survey.report.draw.svg import Svg
from survey.report.draw.view import View
from survey.report.folder import RunFolder
from survey.report.methods import sections_explained
from survey.report.numbers import Numbers
from survey.report.options import SCALES, SHEETS_MM, ReportOptions
from survey.report.paper import furniture
from survey.report.paper.plans import crs_name, provenance, rule_of
from survey.report.paper.typeset import Drawings, typeset
from survey.report.words import Words

_GAP = 6.0
_TIGHT_GAPS = (4.0, 2.5, 1.0)
_MOST_COARSER = 5
"""A lone section may be drawn so many times smaller than would suit it, to share a sheet with others."""
_SCALE_STRIP = 24.0
_SITE_SCALES = (200, 500, 1000, 2000)


def sections_pdf(run: RunFolder, options: ReportOptions, plan_scale: int) -> bytes | None:
    """All sections, each sheet at one scale both ways; None if nothing was measured along any."""
    words = Words(options.language)
    numbers = Numbers(words, options.indian_digits)
    sections = [s for s in sections_of(run, words, numbers) if s.heights() is not None]
    if not sections:
        return None
    scale, largest = _fitting(sections, words, options, plan_scale)
    drawings = Drawings()
    pages: list[dict[str, Any]] = []
    for of_group, group in _by_scale(sections, words, scale, _room(largest)):
        scale_bar = furniture.scale_bar(of_group, words, numbers)
        bar = drawings.add(f"scale-{of_group}.svg", scale_bar)
        sheet, packed, gap = _smallest(_drawn(group, sections, words, of_group), largest, scale_bar.width)
        for rows in packed:
            pages.append(
                {
                    "number": len(pages) + 1,
                    **_paper(sheet),
                    "rows": [
                        [drawings.add(f"section-{len(pages)}-{r}-{k}.svg", svg) for k, svg in enumerate(row)]
                        for r, row in enumerate(rows)
                    ],
                    "gap": gap,
                    "scale_bar": bar,
                    "scale_line": words("plan.scale_line", scale=of_group),
                    "fraction": [words("plan.fraction"), words("plan.both_ways", scale=of_group)],
                }
            )
    facts = [[name, value] for name, value in content.mine_lines(run.record, words)]
    facts += [
        [words("plan.observed"), content.survey_dates(run.record, words, numbers)],
        [words("plan.system"), crs_name(run)],
    ]
    heading = words("plan.sections")
    data = {
        "title": f"{content.title(run.record, words)}: {heading}",
        "author": str(run.record.mine.get("lessee") or ""),
        "language": options.language,
        "margin_left": sheets.MARGIN_LEFT,
        "margin": sheets.MARGIN,
        "text_pt": sheets.TEXT_PT[largest],
        "heading": heading,
        "rule": rule_of(run, "plan.sections_rule", words),
        "facts": facts,
        "sheets": pages,
        "keymap": drawings.add("key.svg", _key_map(run, pages[0]["column"] - 6.0, words, numbers)),
        "signatures": [words(f"plan.sign_{key}") for key in ("name", "designation", "signature", "date")],
        "original": words("plan.copy_of", original=options.original)
        if options.original
        else words("plan.is_original"),
        "provenance": provenance(run, words),
        "words": {
            "sheet": words("plan.sheet"),
            "of": words("plan.of"),
            "explain": sections_explained(run.record, words),
            "certificate": words("plan.certificate"),
            "certificate_text": words("plan.certificate_text"),
        },
    }
    return typeset("sections.typ", data, drawings)


def _room(sheet: str) -> tuple[float, float]:
    """(width, height) in mm for drawings on a sheet."""
    width, height = SHEETS_MM[sheet]
    return (
        width - sheets.MARGIN_LEFT - sheets.MARGIN - sheets.COLUMN[sheet] - 4,
        height - 2 * sheets.MARGIN - _SCALE_STRIP,
    )


def _by_scale(
    sections: list[SectionDrawing], words: Words, scale: int, room: tuple[float, float]
) -> list[tuple[int, list[SectionDrawing]]]:
    """Sections across the lease at ``scale``; those of sites at the largest scale that suits each.

    A pit of thirty metres is a finger's breadth at the scale of the lease. Scales share no sheet: one drawn
    scale stands for all that a sheet holds.
    """
    groups: dict[int, list[SectionDrawing]] = {}
    # What fits on the smallest sheet need not be drawn larger.
    widest = min(0.6 * room[0], 0.95 * _room(next(iter(SHEETS_MM)))[0])
    whole = [s for s in sections if s.kind != "site"]
    for section in sections:
        if section.kind != "site":
            continue
        for finer in (*(s for s in _SITE_SCALES if s < scale), scale):
            drawn = draw_section(section, words, scale=finer)
            if drawn is not None and drawn.width <= widest and drawn.height <= 0.5 * room[1]:
                break
        groups.setdefault(finer, []).append(section)
    if whole:
        groups[scale] = whole + groups.get(scale, [])

    def sheets_of(of_group: int, group: list[SectionDrawing]) -> int:
        return len(_sheets(_drawn(group, sections, words, of_group), room)[0])

    for finer in sorted(groups):
        # One small pit does not need a sheet of its own if the next scale's sheets have room for it.
        coarser = min((s for s in groups if finer < s <= _MOST_COARSER * finer), default=None)
        if len(groups[finer]) > 1 or coarser is None:
            continue
        if sheets_of(coarser, groups[coarser] + groups[finer]) == sheets_of(coarser, groups[coarser]):
            groups[coarser] = groups[coarser] + groups.pop(finer)
    return [(of_group, groups[of_group]) for of_group in sorted(groups, reverse=True)]


def _drawn(
    group: list[SectionDrawing], sections: list[SectionDrawing], words: Words, scale: int
) -> list[Svg]:
    drawn = [draw_section(s, words, scale=scale, identity=f"s{sections.index(s)}-") for s in group]
    return [svg for svg in drawn if svg is not None]


def _paper(sheet: str) -> dict[str, Any]:
    width, height = SHEETS_MM[sheet]
    return {
        "width": width,
        "height": height,
        "column": sheets.COLUMN[sheet],
        "text_pt": sheets.TEXT_PT[sheet],
    }


def _smallest(drawn: list[Svg], largest: str, least_width: float) -> tuple[str, list[list[list[Svg]]], float]:
    """The smallest sheet that holds the drawings of one scale on as few sheets as the largest does, how they
    lie on it, and the gap between them. ``least_width``: of the drawn scale, mm.
    """
    packed, gap = _sheets(drawn, _room(largest))
    for sheet in list(SHEETS_MM)[: list(SHEETS_MM).index(largest)]:
        room = _room(sheet)
        if max(least_width, *(d.width for d in drawn)) > room[0] or any(d.height > room[1] for d in drawn):
            continue
        smaller, smaller_gap = _sheets(drawn, room)
        if len(smaller) <= len(packed):
            return sheet, smaller, smaller_gap
    return largest, packed, gap


def _sheets(drawn: list[Svg], room: tuple[float, float]) -> tuple[list[list[list[Svg]]], float]:
    """Sheets of rows of drawings and the gap between them, no sheet with a last section alone on it.

    Drawings keep their scale; what is left over is fitted in with smaller gaps, or sheets are filled evenly.
    """
    sheets = _packed(drawn, room, _GAP)
    if len(sheets) < 2 or sum(map(len, sheets[-1])) > 1:
        return sheets, _GAP
    for gap in _TIGHT_GAPS:
        tight = _packed(drawn, room, gap)
        if len(tight) < len(sheets):
            return tight, gap
    even = _packed(drawn, room, _GAP, most=math.ceil(len(drawn) / len(sheets)))
    return (even if len(even) == len(sheets) else sheets), _GAP


def _packed(
    drawn: list[Svg], room: tuple[float, float], gap: float, most: int | None = None
) -> list[list[list[Svg]]]:
    """Pages of rows of drawings, in the order given, as many beside and below each other as there is room.

    ``most``: at most so many on a page.
    """
    pages: list[list[list[Svg]]] = []
    across, down, high = room[0] + 1, room[1] + 1, 0.0
    for svg in drawn:
        if pages and most is not None and sum(map(len, pages[-1])) >= most:
            across, down, high = room[0] + 1, room[1] + 1, 0.0
        if pages and across + svg.width <= room[0] and down - high + max(high, svg.height) <= room[1]:
            pages[-1][-1].append(svg)
        else:
            if down + svg.height > room[1]:
                pages.append([])
                down = 0.0
            pages[-1].append([svg])
            across, high = 0.0, 0.0
            down += gap
        across += svg.width + gap
        down += max(svg.height - high, 0.0)
        high = max(high, svg.height)
    return pages


def _fitting(
    sections: list[SectionDrawing], words: Words, options: ReportOptions, plan_scale: int
) -> tuple[int, str]:
    """The plan's own scale on the smallest sheet that holds every section; a coarser one if none does."""
    wanted = options.section_scale or plan_scale
    coarser = [s for s in (*SCALES, 10_000, 20_000, 50_000, 100_000) if s > wanted]
    allowed = list(SHEETS_MM)[: list(SHEETS_MM).index(options.sheet) + 1]
    for scale in (wanted, *coarser):
        drawn = [draw_section(s, words, scale=scale) for s in sections]
        widest = max(d.width for d in drawn if d is not None)
        highest = max(d.height for d in drawn if d is not None)
        bar = furniture.scale_bar(scale, words, Numbers(words)).width
        for sheet in allowed:
            across, up = _room(sheet)
            if max(widest, bar) <= across and highest <= up:
                return scale, sheet
    return coarser[-1] if coarser else wanted, allowed[-1]


def _key_map(run: RunFolder, width_mm: float, words: Words, numbers: Numbers) -> Svg:
    """Where the sections lie."""
    import shapely

    boxes = [shape.bounds for shape in run.layer("sections").geometry if shape is not None]
    if run.lease is not None:
        boxes.append(run.lease.bounds)
    whole = Bounds(*shapely.bounds(shapely.multipoints([(b[k], b[k + 1]) for b in boxes for k in (0, 2)])))
    pad = 0.08 * max(whole.east - whole.west, whole.north - whole.south, 10.0)
    window = whole.grown(pad)
    scale = max((window.east - window.west) * 1000 / width_mm, (window.north - window.south) * 1000 / 90.0)
    look = PlanLook(levels=False, grid=False, contours=False, benches=False, pillars=False, zones=False)
    return draw_plan(run, View(window, scale), look, words, numbers, identity="key-")
