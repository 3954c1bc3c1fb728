"""From a measured outline to its part of the record: place, corners, material, money, the form."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.crs import LON_LAT, move_points
from survey.boundary.position import position_of, representative_point
from survey.record_assess import (
    Assessment,
    BaseSurface,
    DoubtPart,
    FeePart,
    Form,
    MethodTried,
    PlaceToMeasure,
    PortionPart,
    Profile,
    Vertex,
    WorthPart,
)
from survey.volumetrics.material import Bounds, Material, Royalty, demarcation_fee_inr, worth
from survey.volumetrics.sections import thinned

if TYPE_CHECKING:
    from survey.boundary.lease import Lease
    from survey.pipelines.assess.measure import Measured
    from survey.pipelines.job import Job
    from survey.pipelines.job.assess import Assess
    from survey.quantity import Measured as Quantity
    from survey.volumetrics.stock import Amount, Volumes

_FEE_CLAUSE = "rajasthan.91.2.fee"
_PROFILE_M = 0.02  # heights of a section are thinned to within this


# -- shape -----------------------------------------------------------------------------------------------
def vertices(polygon: Any, crs_wkt: str) -> list[Vertex]:
    """Numbered corners of all rings: 1, 2, … outside; A1, A2, … of a second part or a hole."""
    import shapely

    rings = []
    for part in shapely.get_parts(polygon):
        # From the northernmost corner clockwise, as people number them.
        whole = shapely.geometry.polygon.orient(part, -1.0)
        rings += [whole.exterior, *whole.interiors]
    out: list[Vertex] = []
    for k, ring in enumerate(rings):
        xy = shapely.get_coordinates(ring)[:-1]
        start = int(np.lexsort((xy[:, 0], -xy[:, 1]))[0])
        xy = np.roll(xy, -start, axis=0)
        lon_lat = move_points(xy, crs_wkt, LON_LAT)
        prefix = "" if k == 0 else chr(ord("A") + (k - 1) % 26) * ((k - 1) // 26 + 1)
        for n, ((east, north), (lon, lat)) in enumerate(
            zip(xy.tolist(), lon_lat.tolist(), strict=True), start=1
        ):
            out.append(
                Vertex(
                    number=f"{prefix}{n}", ring=k, east_m=east, north_m=north, lat=float(lat), lon=float(lon)
                )
            )
    return out


def lon_lat_of(polygon: Any, crs_wkt: str) -> tuple[float, float]:
    point = representative_point(polygon)
    lon, lat = move_points(np.array([[point.x, point.y]]), crs_wkt, LON_LAT)[0]
    return float(lon), float(lat)


def profiles(made: Measured) -> list[Profile]:
    return [profile_of(*section) for section in made.sections]


def profile_of(line: Any, why: str, over: Any, under: Any) -> Profile:
    """Surface and base along a section line, on one set of distances: a table of it can be read across."""
    keep = np.union1d(thinned(over, _PROFILE_M).distance_m, thinned(under, _PROFILE_M).distance_m)
    at = np.isin(over.distance_m, keep)
    return Profile(
        name=line.name,
        why=why,
        bearing_deg=line.bearing_deg,
        from_east_m=float(line.line[0, 0]),
        from_north_m=float(line.line[0, 1]),
        to_east_m=float(line.line[1, 0]),
        to_north_m=float(line.line[1, 1]),
        distance_m=[float(d) for d in over.distance_m[at]],
        surface_m=[number(z) for z in over.height_m[at]],
        base_m=[number(z) for z in under.height_m[at]],
    )


def number(value: float) -> float | None:
    return None if not math.isfinite(value) else float(value)


# -- what any body has -----------------------------------------------------------------------------------
def body_fields(
    polygon: Any,
    crs_wkt: str,
    amount: Amount,
    made: Volumes,
    deepest: tuple[float, ...] | None,
    lease: Lease | None,
    job: Job,
    ask: Assess,
) -> dict[str, Any]:
    """The fields of ``Assessment`` that do not ask how the body was measured, by a survey or by points."""
    lon, lat = lon_lat_of(polygon, crs_wkt)
    own = made.cut if amount.pit else made.fill
    return {
        "kind": "pit" if amount.pit else "stock",
        "crs": crs_name(crs_wkt),
        "area_m2": amount.area_m2,
        "measured_m2": amount.measured_m2,
        "missing_m2": amount.missing_m2,
        "perimeter_m": float(polygon.length),
        **volume_fields(made, amount.pit),
        "least_depth_m": amount.least_m,
        "mean_depth_m": amount.mean_m,
        "greatest_depth_m": amount.greatest_m,
        "deepest_east_m": None if deepest is None else deepest[0],
        "deepest_north_m": None if deepest is None else deepest[1],
        "lon": lon,
        "lat": lat,
        "lease_id": None if lease is None else lease.lease_id,
        **place_part(polygon, lease),
        "doubts": doubt_parts(made),
        "vertices": vertices(polygon, crs_wkt),
        "worth": worth_part(own, materials_of(job, ask, amount.pit), ask),
    }


def crs_name(wkt: str) -> str:
    """The reference system as a sheet prints it: code and name, or the name alone."""
    from pyproj import CRS

    crs = CRS.from_user_input(wkt)
    code = crs.to_epsg()
    return crs.name if code is None else f"EPSG:{code} ({crs.name})"


def split_fields(lease_m3: float, reach_m3: float, own_m3: float, unsure_m3: float) -> dict[str, Any]:
    """A volume across the boundary and the 100 m line; ``reach_m3``: the part on lease and buffer together.

    ``zone`` is the one that holds most of it.
    """
    buffer = max(reach_m3 - lease_m3, 0.0)
    split = {"lease": lease_m3, "buffer": buffer, "beyond": max(own_m3 - lease_m3 - buffer, 0.0)}
    return {
        "zone": max(split, key=lambda name: split[name]),
        **{f"{name}_volume_m3": value for name, value in split.items()},
        "unsure_volume_m3": unsure_m3,
    }


NO_SPLIT: dict[str, Any] = dict.fromkeys(
    ("zone", "lease_volume_m3", "buffer_volume_m3", "beyond_volume_m3", "unsure_volume_m3")
)
"""No lease is known: nothing can be split."""


# -- base and doubt --------------------------------------------------------------------------------------
def base_part(made: Measured, asked: str) -> BaseSurface:
    how = made.how
    sigma = made.volumes.doubts[0].sigma_m3
    if how is None:
        return BaseSurface(method=made.method, asked=asked, source=made.source, sigma_m3=sigma)
    ring = how.ring
    return BaseSurface(
        method=how.method,
        asked=asked,
        source=how.source,
        sigma_m3=how.sigma_m3,
        trials=how.trials,
        independent_trials=how.independent,
        rim_share=None if ring is None else ring.share,
        ring_gap_m=None if ring is None else ring.gap_m,
        ring_width_m=None if ring is None else ring.width_m,
        tried=[
            MethodTried(
                method=t.method,
                rms_m3=number(t.rms_m3),
                bias_m3=number(t.bias_m3),
                differs_m3=number(t.differs_m3),
                why_not=t.why_not,
            )
            for t in how.table
        ],
    )


def doubt_parts(v: Volumes) -> list[DoubtPart]:
    return [DoubtPart(name=d.name, sigma_m3=d.sigma_m3, dof=number(d.dof)) for d in v.doubts]


# -- place -----------------------------------------------------------------------------------------------
def place_part(polygon: Any, lease: Lease | None) -> dict[str, Any]:
    if lease is None:
        names = ("distance_m", "bearing_deg", "nearest_pillar", "pillar_distance_m", "pillar_bearing_deg")
        return dict.fromkeys(names)
    at = position_of(polygon, lease)
    return {
        "distance_m": at.distance_m,
        "bearing_deg": number(at.bearing_deg),
        "nearest_pillar": at.pillar,
        "pillar_distance_m": number(at.pillar_distance_m),
        "pillar_bearing_deg": number(at.pillar_bearing_deg),
    }


# -- material and money ----------------------------------------------------------------------------------
def materials_of(job: Job, ask: Assess, pit: bool) -> list[Material]:
    """What the job says of material and density, for a pit (in situ) or a stock (loose).

    Where the job names no parts, the whole is the mine's mineral only if nobody can doubt it: a stock, whose
    material is in view. What came out of a void is then not stated.
    """
    m = job.material
    state = ask.density_state
    if state == "auto":
        state = "in situ" if pit else "loose"
    general: Bounds | None = None
    source = ask.density_source
    if ask.density_t_m3 is not None or ask.density_lo_t_m3 is not None or ask.density_hi_t_m3 is not None:
        general = bounds_of(ask.density_lo_t_m3, ask.density_t_m3, ask.density_hi_t_m3)
    else:
        general = _density_of_job(m, state)
        source = source or m.density_source
    name = job.mine.mineral or "mineral"
    if not ask.materials:
        fraction = None if pit else Bounds.exact(1.0)
        said = None if pit else "a stock of one material"
        whole = Material(name, True, fraction, general, state, said, source)
        if not pit:
            return [whole]
        return [whole, Material("soil and waste", False, None, None, state)]
    out = []
    for part in ask.materials:
        density = Bounds.exact(part.density_t_m3) if part.density_t_m3 is not None else general
        out.append(
            Material(
                part.name,
                part.mineral,
                bounds_of(part.fraction_lo, part.fraction, part.fraction_hi),
                density,
                state,
                part.source,
                part.source if part.density_t_m3 is not None else source,
            )
        )
    return out


def _density_of_job(m: Any, state: str) -> Bounds | None:
    key = "in_situ_density" if state == "in situ" else "loose_density"
    best = getattr(m, f"{key}_t_m3", None)
    return bounds_of(getattr(m, f"{key}_lo_t_m3", None), best, getattr(m, f"{key}_hi_t_m3", None))


def bounds_of(low: float | None, best: float | None, high: float | None) -> Bounds | None:
    """Bounds from what was given of the three; None if nothing was."""
    known = [v for v in (low, best, high) if v is not None]
    if not known:
        return None
    return Bounds(
        low if low is not None else min(known),
        math.nan if best is None else best,
        high if high is not None else max(known),
    )


def worth_part(volume: Quantity, materials: Sequence[Material], ask: Assess) -> WorthPart:
    royalty = Royalty(
        ask.royalty_rate_inr_t,
        None if ask.royalty_date is None else ask.royalty_date.isoformat(),
        ask.royalty_source,
        ask.multiplier,
        ask.multiplier_basis,
    )
    made = worth(volume, materials, royalty)

    def three(b: Bounds | None) -> tuple[float | None, float | None, float | None]:
        return (None, None, None) if b is None else (b.lo, number(b.best), b.hi)

    portions = []
    for p in made.portions:
        t, d = three(p.tonnes), three(p.material.density)
        portions.append(
            PortionPart(
                name=p.material.name,
                mineral=p.material.mineral,
                fraction_lo=p.fraction.lo,
                fraction=number(p.fraction.best),
                fraction_hi=p.fraction.hi,
                fraction_source=p.material.fraction_source,
                volume_lo_m3=p.volume_m3.lo,
                volume_m3=number(p.volume_m3.best),
                volume_hi_m3=p.volume_m3.hi,
                density_lo_t_m3=d[0],
                density_t_m3=d[1],
                density_hi_t_m3=d[2],
                density_state=p.material.state,
                density_source=p.material.density_source,
                mass_lo_t=t[0],
                mass_t=t[1],
                mass_hi_t=t[2],
            )
        )
    mineral, duty, amount = three(made.mineral_t), three(made.royalty_inr), three(made.amount_inr)
    return WorthPart(
        portions=portions,
        mineral_lo_t=mineral[0],
        mineral_t=mineral[1],
        mineral_hi_t=mineral[2],
        royalty_rate_inr_t=royalty.rate_inr_t,
        royalty_date=royalty.rate_date,
        royalty_source=royalty.rate_source,
        multiplier=royalty.multiplier,
        multiplier_basis=royalty.multiplier_basis,
        royalty_lo_inr=duty[0],
        royalty_inr=duty[1],
        royalty_hi_inr=duty[2],
        amount_lo_inr=amount[0],
        amount_inr=amount[1],
        amount_hi_inr=amount[2],
        missing=list(made.missing),
        remarks=list(made.remarks),
    )


def fee_part(job: Job, ask: Assess, on: date) -> FeePart | None:
    """The demarcation fee where the job gives an area and the law in force that day has one."""
    if ask.demarcation_area_ha is None:
        return None
    from survey.law.clauses import law_in_force

    rows = law_in_force(on, "rajasthan") if (job.regime or "rajasthan") == "rajasthan" else ()
    clause = next((row for row in rows if row.id == _FEE_CLAUSE), None)
    if clause is None:
        return None
    limit: Mapping[str, Any] = clause.limit
    fee = demarcation_fee_inr(
        ask.demarcation_area_ha,
        per_ha_inr=float(limit["per_ha_inr"]),
        at_most_inr=float(limit["at_most_inr"]),
        re_verification_factor=float(limit["reverification_factor"]) if ask.re_verification else 1.0,
    )
    return FeePart(
        area_ha=ask.demarcation_area_ha,
        re_verification=ask.re_verification,
        fee_inr=fee,
        citation=clause.citation,
    )


# -- the officer's words ---------------------------------------------------------------------------------
def form_part(job: Job, ask: Assess, survey_date: date | None) -> Form:
    def day(value: date | None) -> str | None:
        return None if value is None else value.isoformat()

    survey = next((s for s in reversed(job.surveys) if s.date == survey_date), None)
    return Form(
        case_no=ask.case_no,
        case_date=day(ask.case_date),
        notice_no=ask.notice_no,
        notice_date=day(ask.notice_date),
        notice_served=ask.notice_served,
        date=day(ask.date or survey_date),
        instrument=ask.instrument or (survey.instrument if survey else None),
        method=ask.method,
        sanctioned_map=ask.sanctioned_map,
        officers=[(o.name, o.designation) for o in ask.officers],
        present=list(ask.present),
        absent=list(ask.absent),
        witnesses=list(ask.witnesses),
        khasra=list(ask.khasra),
        dating=ask.dating,
        remarks=ask.remarks,
    )


def places(found: Sequence[tuple[float, float, str]], crs_wkt: str) -> list[PlaceToMeasure]:
    if not found:
        return []
    xy = np.array([(e, n) for e, n, _ in found])
    lon_lat = move_points(xy, crs_wkt, LON_LAT)
    return [
        PlaceToMeasure(east_m=e, north_m=n, lon=float(lon), lat=float(lat), why=why)
        for (e, n, why), (lon, lat) in zip(found, lon_lat.tolist(), strict=True)
    ]


def volume_fields(v: Volumes, pit: bool) -> dict[str, Any]:
    own = v.cut if pit else v.fill
    out: dict[str, Any] = {}
    for name, q in (("volume", own), ("cut", v.cut), ("fill", v.fill), ("net", v.net)):
        out |= {f"{name}_m3": q.value, f"{name}_lo_m3": q.lo, f"{name}_hi_m3": q.hi}
    return out


__all__ = [
    "Assessment",
    "base_part",
    "bounds_of",
    "doubt_parts",
    "fee_part",
    "form_part",
    "lon_lat_of",
    "materials_of",
    "place_part",
    "places",
    "profiles",
    "vertices",
    "volume_fields",
    "worth_part",
]
