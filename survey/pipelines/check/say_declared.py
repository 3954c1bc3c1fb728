"""Form G1 and the e-challans against what was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import SurveyError
from survey.law.finding import Verdict
from survey.law.judge import number
from survey.pipelines.check.context import Context
from survey.quantity import Measured
from survey.volumetrics.challans import Challan, Dispatch, read_challans, sum_up
from survey.volumetrics.reconcile import (
    Agreement,
    Comparison,
    Figures,
    Ground,
    Range,
    balance,
    returns_that_do_not_add_up,
)

if TYPE_CHECKING:
    from survey.record import ZoneVolumes

_ROWS = {
    "void_cut_m3": "mcdr.g1.balance",
    "rom_production_t": "mcdr.g1.VI.2.production",
    "overburden_generated_m3": "mcdr.g1.V.4.generated",
    "disposed_and_backfilled_m3": "mcdr.g1.V.4.dumps",
}

_VERDICTS: dict[Agreement, Verdict] = {
    "agrees": "complies",
    "contradicts": "breaches",
    "too wide to tell": "too close to call",
}


@dataclass(frozen=True)
class Volumes:
    """What was measured between the two surveys inside the lease; ``problem`` if it could not be."""

    ground: Ground | None
    problem: str | None = None
    days: int | None = None


def volumes_of(zone: ZoneVolumes, days: int | None) -> Volumes:
    """From the lease's line of the zone table."""

    def measured(value: float, lo: float, hi: float) -> Measured:
        if not (math.isfinite(value) and math.isfinite(lo) and math.isfinite(hi)):
            return Measured.missing("m3")
        return Measured(value, min(lo, value), max(hi, value), "m3")

    return Volumes(
        Ground(
            measured(zone.cut_m3, zone.cut_lo_m3, zone.cut_hi_m3),
            measured(zone.fill_m3, zone.fill_lo_m3, zone.fill_hi_m3),
        ),
        days=days,
    )


def wants_volumes(c: Context) -> bool:
    """Whether anything was declared that volumes can test."""
    d = c.filing.job.declared
    names = (
        "overburden_generated_m3",
        "overburden_disposed_m3",
        "backfilled_m3",
        "rom_production_t",
        "challans",
    )
    return any(getattr(d, n) is not None for n in names) or d.opencast_production_t is not None


def say_declared(c: Context, volumes: Volumes | None) -> None:
    """The figures of the annual return, then the challans."""
    _say_arithmetic(c)
    _say_areas(c)
    if wants_volumes(c):
        _say_balance(c, volumes or Volumes(None, "there is no second survey to measure volumes from"))
    _say_challans(c, volumes)


def _production(c: Context) -> float | None:
    d = c.filing.job.declared
    # A survey sees what open workings gave; underground production leaves no void in the surface.
    return d.opencast_production_t if d.opencast_production_t is not None else d.rom_production_t


def _figures(c: Context) -> Figures:
    d = c.filing.job.declared
    opening = d.opencast_opening_stock_t if d.opencast_opening_stock_t is not None else d.rom_opening_stock_t
    closing = d.opencast_closing_stock_t if d.opencast_closing_stock_t is not None else d.rom_closing_stock_t
    return Figures(
        d.overburden_generated_m3, d.overburden_disposed_m3, d.backfilled_m3, _production(c), opening, closing
    )


def _say_balance(c: Context, volumes: Volumes) -> None:
    m = c.filing.job.material
    density = Range.of(m.in_situ_density_t_m3, m.in_situ_density_lo_t_m3, m.in_situ_density_hi_t_m3)
    loose = Range.of(m.loose_density_t_m3, m.loose_density_lo_t_m3, m.loose_density_hi_t_m3)
    figures = _figures(c)
    if volumes.ground is None:
        declared = {
            "mcdr.g1.V.4.generated": figures.overburden_m3,
            "mcdr.g1.VI.2.production": figures.production_t,
        }
        for clause_id, value in declared.items():
            if value is not None:
                c.say(
                    clause_id,
                    None,
                    f"Declared are {number(value)}; volumes were not measured: {volumes.problem}.",
                )
        return
    if figures.production_t is not None and density is None:
        c.say(
            "mcdr.g1.VI.2.production",
            None,
            f"Declared are {number(figures.production_t)} t; without an in-situ density they cannot be "
            f"held against a "
            f"volume.",
            mend="State the in-situ density of the ore with its source.",
        )
    note = _period_note(c, volumes)
    for comparison in balance(figures, volumes.ground, density, loose, m.swell):
        _say_comparison(c, comparison, note)


def _period_note(c: Context, volumes: Volumes) -> str:
    d = c.filing.job.declared
    if d.year_from is None or d.year_to is None:
        return ""
    earlier, latest = c.filing.earlier, c.filing.latest
    if earlier is None or earlier.day is None or latest.day is None:
        return ""
    shift = max(abs((earlier.day - d.year_from).days), abs((latest.day - d.year_to).days))
    if shift <= 7:
        return ""
    return (
        f" The return is for {d.year_from.isoformat()} to {d.year_to.isoformat()}, the volumes for "
        f"{earlier.label} to "
        f"{latest.label}: up to {shift} days apart."
    )


def _say_comparison(c: Context, comparison: Comparison, note: str) -> None:
    limit = comparison.declared.best
    c.say(
        _ROWS[comparison.quantity],
        comparison.measured if comparison.measured.known else None,
        comparison.message + note + _sense(comparison),
        verdict=_VERDICTS[comparison.agreement] if comparison.measured.known else "not measured",
        limit=limit,
        subject=None,
        evidence={
            "declared": comparison.declared.best,
            "declared_lo": comparison.declared.lo,
            "declared_hi": comparison.declared.hi,
            "measured": comparison.measured.value if comparison.measured.known else None,
            "agreement": comparison.agreement,
        },
    )


def _sense(comparison: Comparison) -> str:
    if comparison.agreement == "too wide to tell":
        return " The interval is too wide to confirm or to contradict the figure."
    if comparison.agreement == "agrees":
        return " The two agree within their uncertainty."
    more = "more" if comparison.apart > 0 else "less"
    apart = f"{abs(comparison.apart):,.0f} {more}"
    return f" Declared is {apart} than measured, beyond what the uncertainty explains."


def _say_arithmetic(c: Context) -> None:
    d = c.filing.job.declared
    parts = (
        d.overburden_beginning_m3,
        d.overburden_generated_m3,
        d.overburden_disposed_m3,
        d.backfilled_m3,
        d.overburden_end_m3,
    )
    if sum(v is not None for v in parts) >= 3:
        wrong = returns_that_do_not_add_up(*parts)
        c.say(
            "mcdr.g1.V.4.total",
            not wrong,
            "The overburden figures of the return "
            + (f"do not add up: {'; '.join(wrong)}." if wrong else "add up."),
            verdict="breaches" if wrong else "complies",
            shown="contradictory" if wrong else "consistent",
        )
    split = (d.opencast_production_t, d.underground_production_t, d.dump_production_t)
    if d.rom_production_t is not None and all(v is not None for v in split):
        total = sum(v for v in split if v is not None)
        if abs(total - d.rom_production_t) > 0.005 * max(d.rom_production_t, 1.0):
            c.say(
                "mcdr.g1.VI.2.production",
                False,
                f"The declared production of {number(d.rom_production_t)} t is not the sum of opencast, "
                f"underground and "
                f"dump workings ({number(total)} t).",
                verdict="breaches",
                shown=number(total),
                limit=d.rom_production_t,
                subject="sum",
            )


_CLASSES = {
    "abandoned": "area_abandoned_ha",
    "workings": "area_workings_ha",
    "reclaimed": "area_reclaimed_ha",
    "waste": "area_waste_ha",
    "buildings": "area_buildings_ha",
    "other": "area_other_ha",
}


def _say_areas(c: Context) -> None:
    """Declared surface utilisation against polygons of its classes, and its sum against the lease."""
    d = c.filing.job.declared
    declared = {name: getattr(d, key) for name, key in _CLASSES.items()}
    known = {name: value for name, value in declared.items() if value is not None}
    if not known:
        return
    lease = c.filing.lease
    whole = c.filing.job.mine.lease_area_ha or (lease.area_ha if lease is not None else None)
    total = sum(known.values())
    if whole is not None and total > whole * 1.005:
        c.say(
            "mcdr.g1.I.12",
            total,
            f"The declared areas sum to {total:.4g} ha, more than the lease of {whole:.4g} ha.",
            verdict="breaches",
            limit=whole,
            subject="sum",
        )
    state = c.filing.state(d.utilisation)
    if state is None or not state.readable or lease is None:
        c.say(
            "mcdr.g1.I.12",
            None,
            (
                f"Areas are declared for {', '.join(known)}; no polygons of these classes came with the "
                f"filing to measure."
            ),
            mend="Send the polygons of surface utilisation (attribute class).",
        )
        return
    from survey.boundary.polygons import read_polygons

    try:
        polygons = read_polygons(
            str(state.path),
            wanted_crs=lease.crs_wkt,
            crs=c.filing.job.lease.crs if c.filing.job.lease else None,
        )
    except SurveyError as error:
        state.problem = error
        return
    sigma = lease.sigma_m or 0.3
    for name, value in known.items():
        shapes = [shape for label, shape in polygons if name in label.casefold()]
        area = sum(shape.area for shape in shapes) / 1e4
        # Outlines of workings are drawn by eye: their error is σ along the whole outline, taken as common.
        doubt = 1.96 * sigma * float(np.sum([shape.length for shape in shapes])) / 1e4
        measured = Measured(area, max(area - doubt, 0.0), area + doubt, "ha")
        c.say(
            "mcdr.g1.I.12",
            measured,
            f"Declared as {name}: {value:.4g} ha; the polygons of that class enclose {area:.4g} ha.",
            limit=value,
            tolerance=0.005 * value + 0.005,
            subject=name,
        )


# -- challans
# --------------------------------------------------------------------------------------------------
def _say_challans(c: Context, volumes: Volumes | None) -> None:
    name = c.filing.job.declared.challans
    state = c.filing.state(name)
    if state is None or not state.readable:
        return
    try:
        papers = read_challans(str(state.path))
    except SurveyError as error:
        state.problem = error
        return
    first, last = _period(c)
    rows = papers.in_period(first, last)
    inside = _inside(c, papers.geographic) if papers.has_places else None
    own = c.filing.job.mine.lease_no
    known = {row.lease for row in rows if row.lease}
    sums = sum_up(rows, inside, own if own and any(_same(own, k) for k in known) else None)
    if papers.unread:
        c.say(
            "files.readable",
            True,
            f'Flag (weak): in "{state.name}" {len(papers.unread)} cells cannot be read and were left out: '
            + "; ".join(papers.unread[:5])
            + (" …" if len(papers.unread) > 5 else "")
            + ".",
            subject=f"{state.name} cells",
            shown="cells not readable",
            evidence={"flag": "weak", "name": "cells not readable", "cells": len(papers.unread)},
        )
    _say_places(c, sums, papers.has_places and inside is not None)
    _say_trips(c, sums, papers.has_trips)
    _say_dispatch(c, sums, volumes)


def _same(one: str, other: str) -> bool:
    return "".join(ch for ch in one.casefold() if ch.isalnum()) == "".join(
        ch for ch in other.casefold() if ch.isalnum()
    )


def _period(c: Context):  # type: ignore[no-untyped-def]
    """From the earlier survey to the latest; else the declared year."""
    earlier, latest = c.filing.earlier, c.filing.latest
    if earlier is not None and earlier.day is not None and latest.day is not None:
        return earlier.day, latest.day
    d = c.filing.job.declared
    return d.year_from, d.year_to


def _inside(c: Context, geographic: bool):  # type: ignore[no-untyped-def]
    """A function that says whether a paper was issued within the lease (100 m of grace for receivers)."""
    import shapely

    from survey.boundary.bands import grown
    from survey.dem.mapping import transformer

    lease = c.filing.lease
    if lease is None:
        return None
    ground = grown(lease.polygon, 100.0)
    shapely.prepare(ground)
    crs = c.filing.job.declared.challans_crs
    source = crs or ("EPSG:4326" if geographic else None)

    def inside(row: Challan) -> bool:
        east, north = row.east, row.north
        if source is not None:
            east, north = transformer(source, lease.crs_wkt).transform(east, north)
        return bool(shapely.contains_xy(ground, east, north))

    return inside


def _listed(rows: tuple[Challan, ...]) -> str:
    return ", ".join(row.number for row in rows[:8]) + (" …" if len(rows) > 8 else "")


def _tonnes(rows: tuple[Challan, ...]) -> float:
    return sum(row.tonnes or 0.0 for row in rows)


def _say_places(c: Context, sums: Dispatch, looked: bool) -> None:
    if not looked:
        c.say("challan.place", None, "The challans carry no positions that could be held against the lease.")
        return
    bad = sums.elsewhere
    if not bad:
        c.say(
            "challan.place",
            False,
            "Every challan with a position was issued in the lease or within 100 m of it.",
        )
        return
    c.say(
        "challan.place",
        True,
        (
            f"Flag (strong): {len(bad)} challans for {number(_tonnes(bad))} t were issued outside the lease: "
            f"{_listed(bad)}."
        ),
        shown=f"{len(bad)} challans",
        evidence={
            "flag": "strong",
            "name": "challan issued elsewhere",
            "challans": [r.number for r in bad[:200]],
        },
    )


def _say_trips(c: Context, sums: Dispatch, looked: bool) -> None:
    if sums.twice:
        c.say(
            "challan.trip",
            True,
            f"Flag (moderate): {len(sums.twice)} challan numbers stand more than once and were counted once: "
            + ", ".join(sums.twice[:8])
            + (" …" if len(sums.twice) > 8 else "")
            + ".",
            subject="twice",
            shown=f"{len(sums.twice)} numbers",
            evidence={
                "flag": "moderate",
                "name": "challan numbers repeat",
                "challans": list(sums.twice[:200]),
            },
        )
    if not looked:
        c.say("challan.trip", None, "The challans do not say whether their trips left.")
        return
    bad = sums.never_left
    if not bad:
        c.say("challan.trip", False, "Every trip left its source.")
        return
    c.say(
        "challan.trip",
        True,
        f"Flag (strong): {len(bad)} challans for {number(_tonnes(bad))} t belong to trips that never left: "
        f"{_listed(bad)}. They were not counted as dispatched.",
        shown=f"{len(bad)} challans",
        evidence={"flag": "strong", "name": "trip never left", "challans": [r.number for r in bad[:200]]},
    )


def _say_dispatch(c: Context, sums: Dispatch, volumes: Volumes | None) -> None:
    """Tonnes dispatched against tonnes dug, with what stocks gave or took."""
    per_lease = "; ".join(f"{name}: {number(t)} t" for name, t in sums.by_lease[:6])
    text = f"{sums.papers} challans dispatched {number(sums.tonnes)} t between the surveys"
    text += f" (by lease: {per_lease})" if len(sums.by_lease) > 1 else ""
    m = c.filing.job.material
    density = Range.of(m.in_situ_density_t_m3, m.in_situ_density_lo_t_m3, m.in_situ_density_hi_t_m3)
    ground = volumes.ground if volumes is not None else None
    if ground is None or not ground.cut.known or density is None:
        why = (
            "volumes were not measured"
            if ground is None or not ground.cut.known
            else "no in-situ density is stated"
        )
        c.say("challan.dispatch", None, f"{text}; {why}, so they cannot be held against what was dug.")
        return
    figures = _figures(c)
    from_stock = 0.0
    if figures.opening_stock_t is not None and figures.closing_stock_t is not None:
        from_stock = figures.opening_stock_t - figures.closing_stock_t
    most = ground.cut.hi * density.hi + from_stock
    least = (ground.cut.lo - (figures.overburden_m3 or ground.cut.hi)) * density.lo + from_stock
    evidence = {"dispatched_t": sums.tonnes, "most_t": most, "least_t": least, "from_stock_t": from_stock}
    dug = f"the void, were it all ore, holds at most {number(most)} t with the declared change of stocks"
    if sums.tonnes > most * 1.001:
        worth = "strong" if sums.tonnes > 1.25 * most else "moderate"
        c.say(
            "challan.dispatch",
            True,
            f"Flag ({worth}): dispatch without excavation. {text}; {dug}.",
            shown=number(sums.tonnes),
            evidence={"flag": worth, "name": "dispatch without excavation", **evidence},
        )
    elif figures.overburden_m3 is not None and least > 0 and sums.tonnes < 0.999 * least:
        worth = "strong" if sums.tonnes < 0.75 * least else "moderate"
        c.say(
            "challan.dispatch",
            True,
            f"Flag ({worth}): excavation without dispatch. {text}; the void less the declared overburden "
            f"and the change "
            f"of stocks is at least {number(least)} t.",
            shown=number(sums.tonnes),
            evidence={"flag": worth, "name": "excavation without dispatch", **evidence},
        )
    else:
        c.say("challan.dispatch", False, f"{text}; {dug}.", shown=number(sums.tonnes), evidence=evidence)
