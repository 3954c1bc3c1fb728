"""e-Challans beside triggers: what was carried from near them, and challans that contradict themselves.

A challan says so many tonnes left such a lease. Three things can be seen without any satellite: it was issued
outside every permitted area, it was issued away from the position of its vehicle, or its trip never began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from survey.errors import InputRefused
from survey.remark import Remark
from survey.tables import Table, read_table

if TYPE_CHECKING:
    from pathlib import Path

    from survey.imagery.triggers.places import Places
    from survey.pipelines.triggers.alerts import Alert

NEAR_M = 500.0
"""A challan issued so near a trigger may concern it: the reach of a phone's position and of a haul road."""
GPS_APART_M = 1000.0
"""Issued farther than this from the vehicle: a GNSS fix and a network fix together err less."""
_NOT_BEGUN = {
    "",
    "not started",
    "issued",
    "pending",
    "new",
    "generated",
    "not_started",
    "cancelled",
    "expired",
}


@dataclass(frozen=True)
class Challans:
    """Positions in the system of the watch grid; NaN where none is given."""

    number: tuple[str, ...]
    day: tuple[date | None, ...]
    tonnes: NDArray[np.float64]
    lease: tuple[str, ...]
    issued: NDArray[np.float64]  # (n, 2)
    gps: NDArray[np.float64]  # (n, 2)
    begun: tuple[bool | None, ...]  # None: the table does not say
    notes: tuple[Remark, ...]


def read_challans(path: Path, crs: str | None, grid_crs: str) -> Challans:
    """Read a challan export. Only a position is required; columns are found by their headers.

    Raises
    ------
    InputRefused
        No position, or a table that cannot be read.
    """
    from survey.pipelines.triggers.days import day_in

    table = read_table(path)
    n = len(table)
    number = table.find(
        "challan_no",
        "challan",
        "challan number",
        "echallan_no",
        "e_challan_no",
        "id",
        "transit_pass",
        "pass_no",
    )
    day = table.find(
        "date", "issue_date", "issued_on", "issued", "challan_date", "date_time", "datetime", "issue_time"
    )
    tonnes = table.find(
        "tonnes", "tonne", "quantity_t", "quantity", "qty", "weight_t", "net_weight", "weight", "mt"
    )
    lease = table.find("lease_id", "lease", "lease_no", "source_lease", "lease_number", "source")
    begun = table.find("trip_status", "status", "trip", "trip_started", "trip_start", "started")
    issued = _positions(table, "", crs, grid_crs, required=True)
    gps = _positions(table, "gps_", crs, grid_crs, required=False)

    def days() -> tuple[date | None, ...]:
        if day is None:
            return (None,) * n
        return tuple(day_in(text) or _indian_day(text) for text in table.text(day))

    return Challans(
        tuple(table.text(number)) if number is not None else tuple(f"row {line}" for line in table.lines),
        days(),
        table.numbers(tonnes) if tonnes is not None else np.full(n, np.nan),
        tuple(table.text(lease)) if lease is not None else ("",) * n,
        issued,
        gps,
        tuple(_begun(text) for text in table.text(begun)) if begun is not None else (None,) * n,
        table.notes,
    )


def _indian_day(text: str) -> date | None:
    """Day first, as in 31/05/2025 or 31-05-2025."""
    import re

    match = re.search(r"(?<!\d)(\d{1,2})[-/.](\d{1,2})[-/.]((?:19|20)\d{2})(?!\d)", text)
    if not match:
        return None
    try:
        return date(int(match[3]), int(match[2]), int(match[1]))
    except ValueError:
        return None


def _begun(text: str) -> bool:
    said = text.strip().casefold()
    return said not in _NOT_BEGUN and said not in ("no", "false", "0", "n")


def _positions(
    table: Table, prefix: str, crs: str | None, grid_crs: str, *, required: bool
) -> NDArray[np.float64]:
    from survey.boundary.crs import LON_LAT, move_points

    def find(*names: str) -> int | None:
        wanted = [f"{prefix}{n}" for n in names] + (
            [f"issue_{n}" for n in names] if not prefix else [f"vehicle_{n}" for n in names]
        )
        return table.find(*wanted)

    x = find("lon", "longitude", "long", "lng")
    y = find("lat", "latitude")
    system = LON_LAT
    if x is None or y is None:
        x, y = find("east", "easting", "x"), find("north", "northing", "y")
        system = crs or grid_crs
    out = np.full((len(table), 2), np.nan)
    if x is None or y is None:
        if required:
            raise InputRefused(
                "the challans carry no position",
                expected="columns lon and lat, or east and north",
                file=table.file,
            )
        return out
    xy = np.column_stack([table.numbers(x), table.numbers(y)])
    ok = np.isfinite(xy).all(1) & (np.abs(xy) > 0).any(1)
    if system == LON_LAT:
        ok &= (np.abs(xy[:, 0]) <= 180) & (np.abs(xy[:, 1]) <= 90)
    if ok.any():
        out[ok] = move_points(xy[ok], system, grid_crs)
    return out


def join(challans: Challans, alerts: Sequence[Alert], places: Places) -> dict[str, Any]:
    """Per trigger: challans issued near it since it was first seen, with their tonnes; and challans that are
    doubtful by themselves."""
    import shapely

    has = np.asarray(np.isfinite(challans.issued).all(axis=1), np.bool_)
    points: NDArray[Any] = np.full(len(has), None, object)
    points[has] = shapely.points(challans.issued[has])
    near: dict[str, dict[str, Any]] = {}
    for alert in alerts:
        since = date.fromisoformat(alert.properties["first_seen"])
        recent = np.array([has[i] and d is not None and d >= since for i, d in enumerate(challans.day)])
        close = np.zeros(len(has), np.bool_)
        if recent.any():
            close[recent] = shapely.distance(points[recent], alert.shape) <= NEAR_M
        tonnes = challans.tonnes[close]
        near[alert.id] = {
            "trips": int(close.sum()),
            "tonnes_t": float(np.nansum(tonnes)),
            "trips_without_weight": int(np.isnan(tonnes).sum()),
            "within_m": NEAR_M,
        }
    doubtful = []
    for i, number in enumerate(challans.number):
        why = []
        if has[i] and places.permitted and not places.lease.intersects(points[i]):
            away = float(shapely.distance(places.lease, points[i]))
            why.append(f"issued {away:,.0f} m outside every permitted area")
        if has[i] and np.isfinite(challans.gps[i]).all():
            apart = float(np.hypot(*(challans.gps[i] - challans.issued[i])))
            if apart > GPS_APART_M:
                why.append(f"issued {apart:,.0f} m from the vehicle")
        if challans.begun[i] is False:
            why.append("its trip never began")
        if why:
            day = challans.day[i]
            doubtful.append(
                {
                    "challan": number,
                    "date": None if day is None else day.isoformat(),
                    "lease": challans.lease[i] or None,
                    "tonnes_t": float(challans.tonnes[i]),
                    "why": why,
                }
            )
    return {
        "challans": len(challans.number),
        "without_position": int((~has).sum()),
        "near": near,
        "doubtful": doubtful,
    }
