"""What the record of a watch says of it: scenes, triggers, false alarms, notes, and small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from survey.record import Note

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.pipelines.triggers.alerts import Alert
    from survey.pipelines.triggers.inputs import Watched
    from survey.pipelines.triggers.judging import Result
    from survey.pipelines.triggers.store import Outcome

MOST_CHIPS = 150


def lease_part(watched: Watched) -> dict[str, Any] | None:
    if watched.lease is None:
        return None
    lease = watched.lease
    return {
        "lease_id": lease.lease_id,
        "area_ha": lease.area_ha,
        "crs": lease.source_crs,
        "sigma_m": lease.sigma_m,
    }


def own_notes(result: Result) -> list[Note]:
    out = []
    found = result.scan
    if found.baseline.short:
        out.append(
            Note(
                code="short-history",
                message=f"with {len(found.baseline.usable)} earlier scene(s) seasons are unknown: "
                "every trigger stays provisional",
                severity="caution",
            )
        )
    if found.rebuilt:
        out.append(
            Note(
                code="watch-rebuilt",
                message="the baseline, the leases or the method changed since the former run: "
                "all scenes were judged anew",
                severity="info",
            )
        )
    if found.absent:
        shown = ", ".join(found.absent[:6])
        out.append(
            Note(
                code="scenes-kept",
                message=f"{len(found.absent)} scene(s) of earlier runs are no longer in the folder "
                f"({shown}); what they said is kept",
                severity="info",
            )
        )
    idle = [s for s in found.kept if not s.usable]
    if idle:
        shown = ", ".join(f"{s.day} ({s.fit['why']})" for s in idle[:5])
        out.append(
            Note(
                code="scenes-not-observed",
                message=f"{len(idle)} scene(s) count as not observed: {shown}",
                severity="caution",
            )
        )
    return out


def section(
    result: Result,
    watched: Watched,
    rate: dict[str, Any],
    outcomes: Sequence[Outcome],
    challans: dict[str, Any] | None,
    chips: dict[str, str],
) -> dict[str, Any]:
    found = result.scan
    listed = [a for a in result.alerts if a.listed]
    states = ("provisional", "confirmed", "fading", "closed")
    return {
        "as_of": result.as_of,
        "bands": list(watched.shelf.bands.names),
        "counts": {s: sum(a.properties["state"] == s for a in listed) for s in states},
        "by_zone": {
            z: sum(a.properties["zone"] == z and a.properties["state"] == "confirmed" for a in listed)
            for z in ("lease", "buffer", "ring", "beyond")
        },
        "triggers": [{**a.properties, "evidence": a.evidence, "chip": chips.get(a.id)} for a in listed],
        "dismissed": [a.properties for a in result.alerts if not a.listed],
        "dismissed_more": result.only_counted,
        "withdrawn": [{k: v for k, v in w.items() if k != "geometry"} for w in result.withdrawn],
        "baseline": {
            "scenes": [
                {
                    "date": s.date,
                    "usable": s.usable,
                    "why": s.why,
                    "clear_share": s.clear_share,
                    "shift_cells": [s.rows, s.cols],
                }
                for s in found.baseline.scenes
            ],
            "reference": found.baseline.scenes[found.baseline.reference].date,
        },
        "scenes": [
            {
                "date": s.day,
                "name": s.name,
                "usable": s.usable,
                "why": s.fit["why"],
                "clear_share": s.fit["clear_share"],
                "shift_cells": [s.fit["rows"], s.fit["cols"]],
                "gain": s.fit["line"]["gain"],
                "offset": s.fit["line"]["offset"],
                "allowance": s.fit["allowance"],
                "misfit": s.fit["misfit"],
            }
            for s in found.kept
        ],
        "permitted": [
            {"lease_id": p.lease_id, "name": p.name, "district": p.district, "area_ha": p.polygon.area / 1e4}
            for p in watched.permitted
        ],
        "false_alarm": {
            "cell": "on ordinary ground one cell starts an object at most once in "
            f"{10**result.settings.seed:,.0f} clear looks (e-detector; exchangeable history assumed)",
            "object": f"an object needs at least {result.settings.least_area_m2:.0f} m² of connected cells "
            f"and {result.settings.confirm_hits:.0f} detections on different days",
        },
        "hit_rate": rate,
        "outcomes": [
            {"id": o.id, "day": o.day, "verdict": o.verdict, "note": o.note, "state_then": o.state}
            for o in outcomes
        ],
        "challans": challans,
    }


def chips_of(
    folder: RunFolder, watched: Watched, result: Result, listed: Sequence[Alert], threads: int = 1
) -> dict[str, str]:
    """Small pictures, before and after, of the triggers that people will look at first."""
    from concurrent.futures import ThreadPoolExecutor

    from survey.imagery.triggers.chips import chip_png
    from survey.imagery.triggers.slabs import SLABS

    by_day = {s.date.isoformat(): s for s in watched.shelf.scenes}
    baseline = [by_day[s.date] for s in result.scan.baseline.scenes if s.usable and s.date in by_day]
    order = {"confirmed": 0, "provisional": 1, "fading": 2, "closed": 3}
    ranked = sorted(
        listed, key=lambda a: (order[a.properties["state"]], -a.properties["excavation_probability"], a.id)
    )

    def picture_of(alert: Alert) -> bytes | None:
        after = by_day.get(alert.properties["last_seen"])
        if after is None or not baseline:
            return None
        return chip_png(baseline, after, alert.shape, watched.shelf.grid, watched.shelf.bands)

    out = {}
    # Neighbours one after the other: they lie in the same decoded blocks. Most of the time is
    # decoding, beside which other threads run.
    chosen = sorted(ranked[:MOST_CHIPS], key=lambda a: int(a.cells[0]))
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for alert, picture in zip(chosen, pool.map(picture_of, chosen), strict=True):
            if picture is not None:
                name = f"chips/{alert.id}.png"
                folder.write_bytes(name, picture)
                out[alert.id] = name
    # What was decoded for them is of no more use, and the record needs the room.
    SLABS.clear()
    return {a.id: out[a.id] for a in ranked[:MOST_CHIPS] if a.id in out}
