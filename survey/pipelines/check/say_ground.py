"""Boundary and pillars, and how much of the lease and of the 100 m around it each product covers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import shapely

from survey.law.judge import number
from survey.pipelines.check.context import Context
from survey.pipelines.check.footprint import Coverage, Missing
from survey.pipelines.check.say_duty import boundary_area

if TYPE_CHECKING:
    from survey.boundary.lease import Lease, Pillar

_DEED_TOLERANCE = 0.01
"""Part of the deed's area within which a difference is not called: old deeds rest on compass and tape."""


# -- boundary ------------------------------------------------------------------------------------------------
def say_boundary(c: Context) -> None:
    """Whether the boundary can be used, and whether its area is that of the deed."""
    lease, state = c.filing.lease, None
    if c.filing.job.lease is not None:
        state = c.filing.state(c.filing.job.lease.boundary)
    row = "rajasthan.91.1.boundary" if c.law.regime == "rajasthan" else "mcdr.32.4.boundary"
    if lease is None:
        problem = c.filing.lease_problem
        if state is None:
            c.say(row, None, "The delivery holds no lease boundary, so coverage cannot be measured.")
            return
        c.say(
            row,
            False,
            f'The lease boundary "{state.name}" cannot be used, so coverage cannot be measured: '
            f"{problem.found if problem else 'unknown'}.",
            verdict="breaches",
            shown="missing" if state.missing else "not readable",
            mend=problem.mend if problem else None,
        )
        return
    area = boundary_area(c)
    deed = c.filing.job.mine.lease_area_ha
    if deed is None or area is None:
        c.say(
            row,
            None,
            f"The boundary encloses {lease.area_ha:.4g} ha; the area of the lease deed is not stated.",
            mend="State the area of the lease deed.",
        )
        return
    from survey.quantity import Measured

    # A deed of 62.5 ha may mean anything that rounds to it.
    rounding = 0.5 * 10 ** -_decimals(deed)
    wide = Measured(area.value, area.lo - rounding, area.hi + rounding, "ha")
    apart = area.value - deed
    inside = wide.lo <= deed <= wide.hi
    message = f"The boundary encloses {area.value:.4g} ha, the lease deed says {deed:g} ha ({apart:+.3g} ha)."
    if inside:
        verdict = "complies"
    elif abs(apart) <= _DEED_TOLERANCE * deed:
        verdict = "too close to call"
        message += " They differ by less than 1 %, which surveys by compass and tape often do."
    else:
        verdict = "breaches"
    c.say(row, wide, message, verdict=verdict, limit=deed)  # type: ignore[arg-type]


def _decimals(value: float) -> int:
    """Decimals of the deed's figure as it was written, one at least."""
    text = repr(float(value))
    return len(text.partition(".")[2]) if "e" not in text else 6


def say_pillars(c: Context) -> None:
    """Whether pillars are named, and whether those surveyed on the ground stand where the boundary has
    them.
    """
    lease = c.filing.lease
    if lease is None:
        return
    row = "rajasthan.91.1.pillars" if c.law.regime == "rajasthan" else "mcdr.32.1a.pillars"
    ground = c.filing.pillars
    named = lease.pillars or (ground.pillars if ground is not None else ())
    if named:
        c.say(
            row,
            True,
            f"{len(named)} pillars are given with number and position.",
            shown=f"{len(named)} pillars",
        )
    else:
        c.say(row, None, "Neither the boundary nor a table names its pillars.")
    pairs = _surveyed(c, lease)
    if not pairs:
        c.say(
            "files.pillars",
            None,
            "No position of a pillar on the ground came with the filing, so they cannot be compared.",
            mend="Send the DGPS survey of the pillars, or check points that bear the pillars' numbers.",
        )
        return
    sigma = math.hypot(lease.sigma_m or 0.0, 0.05)
    apart = {
        name: math.hypot(east - pillar.east, north - pillar.north) for name, pillar, east, north in pairs
    }
    worst = max(apart, key=lambda name: apart[name])
    far = sorted((name for name in apart if apart[name] > max(3 * sigma, 0.5)), key=lambda n: -apart[n])
    evidence = {"distances_m": {name: round(apart[name], 3) for name in sorted(apart)}, "sigma_m": sigma}
    if not far:
        c.say(
            "files.pillars",
            False,
            f"{len(pairs)} pillars were surveyed on the ground; the farthest, {worst}, stands "
            f"{apart[worst]:.2f} m from "
            f"its place in the boundary.",
            shown=number(apart[worst]),
            evidence=evidence,
        )
        return
    strength = "strong" if apart[worst] > 10 else "moderate"
    c.say(
        "files.pillars",
        True,
        f"Flag ({strength}): of {len(pairs)} pillars surveyed on the ground, {len(far)} stand farther "
        f"from their "
        f"place in the boundary than its uncertainty explains: "
        + ", ".join(f"{name} {apart[name]:.2f} m" for name in far[:8])
        + (" …" if len(far) > 8 else "")
        + ".",
        shown=number(apart[worst]),
        evidence={"flag": strength, "name": "pillars displaced", **evidence},
    )


def _surveyed(c: Context, lease: Lease) -> list[tuple[str, Pillar, float, float]]:
    """(name, pillar of the boundary, east, north on the ground) for pillars known from two sources."""
    from survey.tables import plain_digits

    def plain(name: str) -> str:
        return "".join(ch for ch in plain_digits(name).casefold() if ch.isalnum())

    known = {plain(p.name): p for p in lease.pillars}
    found: dict[str, tuple[str, Pillar, float, float]] = {}
    other = c.filing.pillars
    if other is not None:
        for p in other.to_crs(lease.crs_wkt).pillars:
            if plain(p.name) in known:
                found[plain(p.name)] = (p.name, known[plain(p.name)], p.east, p.north)
    points, grid = c.filing.latest_points, c.filing.latest.surface
    if points is not None and grid is not None and grid.grid.crs_wkt == lease.crs_wkt:
        for name, east, north in zip(points.names, points.east, points.north, strict=True):
            if plain(name) in known and plain(name) not in found:
                found[plain(name)] = (name, known[plain(name)], float(east), float(north))
    return list(found.values())


# -- coverage ------------------------------------------------------------------------------------------------
def say_cover(c: Context, product: str, cover: Coverage | None, problem: str | None = None) -> None:
    """Coverage of lease and buffer by one product ("DSM", "DTM", "orthomosaic", "satellite image")."""
    prefix = "mcdr.34A.2" if c.satellite else c.rules
    for zone in ("lease", "buffer"):
        clause_id = f"{prefix}.{zone}"
        if cover is None:
            c.say(clause_id, None, f"{product}: {problem or 'it cannot be read'}.", subject=product)
            continue
        part: Missing = getattr(cover, zone)
        if part.zone_m2 <= 0:
            continue
        share = part.size.value / part.zone_m2
        if not cover.touches_lease:
            message = (
                f"The {product} does not show any of the lease."
                if zone == "lease"
                else f"The {product} does not show any of the lease, so the 100 m around it do not count."
            )
        elif part.size.value <= _slack(part):
            message = f"The {product} covers the whole {_ZONE[zone]}."
        else:
            message = (
                f"The {product} leaves out {number(part.size.value)} m² of the {_ZONE[zone]} ({share:.2%} of "
                f"{number(part.zone_m2)} m²){_where(c, part.where)}."
            )
        c.say(
            clause_id,
            part.size,
            message,
            subject=product,
            tolerance=_slack(part),
            evidence={"missing_m2": part.size.value, "zone_m2": part.zone_m2, "share": share},
        )
    if cover is None:
        return
    _say_exempt(c, product, cover)
    _say_holes(c, product, cover)


def _say_holes(c: Context, product: str, cover: Coverage) -> None:
    gaps = [g for g in shapely.get_parts(cover.gaps) if g.area >= 0.5]
    size = sum(g.area for g in gaps)
    tiny = f"{cover.holes} smaller ones of {number(cover.holes_m2)} m² in all"
    if gaps:
        c.say(
            "files.holes",
            True,
            f"Flag (weak): the {product} has {len(gaps)} hole{'s' if len(gaps) > 1 else ''} inside the "
            f"surveyed ground "
            f"that could hide a site, {number(size)} m² in all{_where(c, cover.gaps)}"
            + (f"; and {tiny}." if cover.holes else "."),
            subject=product,
            shown=number(size),
            evidence={"flag": "weak", "name": "holes", "holes_m2": [round(g.area, 1) for g in gaps[:50]]},
        )
    elif cover.holes:
        c.say(
            "files.holes",
            False,
            f"The {product} has no hole that could hide a site, but {tiny}.",
            subject=product,
            shown=number(cover.holes_m2),
        )


_ZONE = {"lease": "lease", "buffer": "100 m around the lease"}


def _slack(part: Missing) -> float:
    """A sliver along the edge of cells is not held against anyone: a square metre."""
    return 1.0


def _where(c: Context, shape: Any) -> str:
    """In which direction from the middle of the lease the largest missing part lies."""
    lease = c.filing.lease
    parts = [p for p in shapely.get_parts(shape) if not p.is_empty]
    if lease is None or not parts:
        return ""
    largest = max(parts, key=lambda p: p.area)
    middle, there = lease.polygon.centroid, largest.representative_point()
    bearing = math.degrees(math.atan2(there.x - middle.x, there.y - middle.y)) % 360
    words = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")
    word = words[round(bearing / 45) % 8]
    more = f" in {len(parts)} parts, the largest" if len(parts) > 1 else ""
    return f",{more} in the {word} ({there.x:.0f} E, {there.y:.0f} N)"


def _say_exempt(c: Context, product: str, cover: Coverage) -> None:
    if not c.filing.common:
        return
    names = ", ".join(name for sides in c.filing.common for name in sides.names)
    if c.row("rajasthan.28.dd.common_sides") is None:
        return
    missing = cover.exempt.size
    if missing.value <= _slack(cover.exempt):
        message = f"The {product} also covers the ground beyond the sides declared common ({names})."
        c.say(
            "rajasthan.28.dd.common_sides",
            missing,
            message,
            subject=product,
            verdict="complies",
            limit="declared common sides",
        )
        return
    c.say(
        "rajasthan.28.dd.common_sides",
        missing,
        f"The {product} leaves out {number(missing.value)} m² beyond the sides declared common with "
        f"another lease "
        f"({names}). The wording of the proviso is unclear, so this is not counted as missing; a person "
        f"decides.",
        subject=product,
        verdict="exempt, for review",
        limit="declared common sides",
        mend="Show that the sides are common with another lease, or fly the ground beyond them.",
    )
