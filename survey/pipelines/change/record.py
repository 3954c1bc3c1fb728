"""The record of a comparison, and the sum over its years."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.pipelines.change.pair import Measurement
from survey.pipelines.epochs import survey_part
from survey.pipelines.map_scale import map_remarks
from survey.pipelines.record_head import lease_part, record_head
from survey.pipelines.record_parts import alignment_part, bench_volumes, error_part, grid_part, notes_of
from survey.record import PairPart, Record

if TYPE_CHECKING:
    from survey.pipelines.change.compare import Compared, Comparison
    from survey.pipelines.runs import Run


def comparison_record(run: Run, c: Comparison) -> Record:
    """The record of a comparison: the last pair leads, the others and the sum stand beside it."""
    last = c.pairs[-1]
    m = last.measurement
    return Record(
        **record_head(run.command, run.job, run.inputs, run.started),
        surveys=[survey_part(o, run.job) for o in c.epochs],
        grid=grid_part(m.job),
        lease=lease_part(c.lease),
        alignment=alignment_part(m),
        error=error_part(m),
        zones=last.zones,
        benches=bench_volumes(m, last.dismissed, last.zones[0]),
        polygons=last.polygons,
        river_bed=last.river_bed,
        pairs=[_pair_part(p) for p in c.pairs] if len(c.pairs) > 1 else [],
        total=total_of(c),
        checkpoints=[r.public() for r in c.checkpoints],
        sites=[site for site, _ in c.found.sites],
        dismissed=[d for d, _ in last.found.dismissed],
        notes=notes_of([*c.notes, *m.notes, *map_remarks(m.job)]),
        settings={"detection": m.settings, "alignment_plots": _plots(m), "options": run.options.public()}
        | ({"existing": c.undated.settings} if c.undated.settings else {}),
    )


def _pair_part(p: Compared) -> PairPart:
    return PairPart(
        before=p.before.date,
        after=p.after.date,
        bare_ground=p.after.bare_ground,
        alignment=alignment_part(p.measurement),
        error=error_part(p.measurement),
        zones=p.zones,
    )


def total_of(c: Comparison) -> dict[str, Any] | None:
    """Sum over the years. The net is measured once, from the first survey to the last.

    A survey in the middle enters two pairs with opposite signs, so its error leaves the net; gross cut and
    fill are sums over the years, whose errors share the middle surveys: by the pairs' own variances the
    shared part is taken out once (never below the span's own error).
    """
    if c.span is None:
        return None
    zones = []
    for k, whole in enumerate(c.span.zones):
        years = [p.zones[k] for p in c.pairs]
        cut, fill = sum(z.cut_m3 for z in years), sum(z.fill_m3 for z in years)
        # Upwards and downwards apart: what is not surely digging lies on one side.
        cut_up = _half_of_sum([z.cut_hi_m3 - z.cut_m3 for z in years], whole.cut_hi_m3 - whole.cut_m3)
        cut_down = _half_of_sum([z.cut_m3 - z.cut_lo_m3 for z in years], whole.cut_m3 - whole.cut_lo_m3)
        fill_up = _half_of_sum([z.fill_hi_m3 - z.fill_m3 for z in years], whole.fill_hi_m3 - whole.fill_m3)
        fill_down = _half_of_sum([z.fill_m3 - z.fill_lo_m3 for z in years], whole.fill_m3 - whole.fill_lo_m3)
        zones.append(
            {
                "zone": whole.zone,
                "cut_m3": cut,
                "cut_lo_m3": max(cut - cut_down, 0.0),
                "cut_hi_m3": cut + cut_up,
                "fill_m3": fill,
                "fill_lo_m3": max(fill - fill_down, 0.0),
                "fill_hi_m3": fill + fill_up,
                "net_m3": whole.net_m3,
                "net_lo_m3": whole.net_lo_m3,
                "net_hi_m3": whole.net_hi_m3,
                "net_summed_m3": sum(z.net_m3 for z in years),
                "closes_by_m3": sum(z.net_m3 for z in years) - whole.net_m3,
            }
        )
    return {"from": c.epochs[0].date, "to": c.epochs[-1].date, "zones": zones}


def _half_of_sum(halves: Sequence[float], whole: float) -> float:
    """Half-width of a sum of consecutive differences: between fully shared (the span's own) and independent.

    With equal surveys σ²(pair) = 2σ², so independent pairs would give √n·σ_pair where the truth for one and
    the same ground is σ_pair. Cuts of different years lie partly on the same ground; the mean variance of
    the two is taken.
    """
    independent = math.sqrt(sum(h * h for h in halves))
    return math.sqrt((independent**2 + max(whole, max(halves)) ** 2) / 2)


def _plots(m: Measurement) -> dict[str, Any]:
    from survey.dem.residuals import residual_summary

    a = m.alignment
    before, after = a.histogram
    at = a.points
    ok = a.stable
    if before.size != int(ok.sum()):
        return {}
    aspect = np.degrees(np.arctan2(-at.slope_east[ok], -at.slope_north[ok])) % 360
    return residual_summary(before, after, at.slope[ok], aspect)
