"""e-challans: what left the mine, by whose paper. Sums per lease and period, and papers that cannot be
right.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from survey.errors import InputRefused
from survey.tables import Table, is_missing, parse_number, read_table

_NUMBER = (
    "challan", "challan no", "challan number", "echallan", "e-challan no", "e challan no", "rawanna",
    "rawanna no", "transit pass", "pass no", "permit no", "id",
)  # fmt: skip
_DATE = (
    "date", "issue date", "issued on", "date of issue", "challan date", "issued", "dispatch date", "datetime",
    "time",
)  # fmt: skip
_TONNES = (
    "tonnes", "tonne", "quantity", "qty", "weight", "net weight", "net_t", "weight_t", "tonnes_t",
    "quantity_t", "mt", "quantity (mt)", "quantity (t)", "qty (t)", "net weight (t)",
)  # fmt: skip
_LEASE = ("lease", "lease id", "lease_no", "lease no", "lease number", "ml no", "mine code", "source lease")
_LON = ("lon", "longitude", "long", "lng", "issue longitude", "gps longitude", "gps_lon")
_LAT = ("lat", "latitude", "issue latitude", "gps latitude", "gps_lat")
_EAST = ("easting", "east", "x")
_NORTH = ("northing", "north", "y")
_STATUS = ("trip status", "status", "trip", "trip_status", "vehicle status")
_LEFT = ("departed", "departure", "left source", "trip start", "trip_start", "started", "exit time", "left")
_MOVED = ("trip distance", "distance", "distance_km", "trip_km", "km", "trip distance (km)")
_NEVER = re.compile(
    r"\b(not\s+(started|left|moved|departed)|never\s+(left|started|moved)|did\s+not\s+(leave|start|move)|at\s+source|"
    r"no\s+(movement|trip)|unused|expired|no|false)\b"
)
_CANCELLED = re.compile(r"\bcancel+ed\b|\binvalid\b|\bvoid\b", re.IGNORECASE)


@dataclass(frozen=True)
class Challan:
    """One paper. None = the table does not say."""

    number: str
    line: int
    day: date | None
    tonnes: float | None
    lease: str | None
    east: float | None
    north: float | None
    left: bool | None
    cancelled: bool


@dataclass(frozen=True)
class Challans:
    """All papers of a file. ``geographic``: positions are longitude and latitude."""

    file: str
    rows: tuple[Challan, ...]
    geographic: bool
    has_places: bool
    has_trips: bool
    unread: tuple[str, ...]

    def in_period(self, first: date | None, last: date | None) -> tuple[Challan, ...]:
        """Papers of a period; those without a date are left out if a period is asked for."""
        if first is None and last is None:
            return self.rows
        return tuple(
            r
            for r in self.rows
            if r.day is not None and (first is None or r.day >= first) and (last is None or r.day <= last)
        )


def read_challans(path: str | os.PathLike[str]) -> Challans:
    """Read a table of e-challans.

    Raises
    ------
    InputRefused
        Not a table, or without a column of tonnes; cells that are no number or date are listed in ``unread``.
    """
    table = read_table(path)
    tonnes = table.find(*_TONNES)
    if tonnes is None:
        raise InputRefused(
            (
                f"there is no column of tonnes; the columns are "
                f"{', '.join(c for c in table.columns if c) or '(none)'}"
            ),
            expected='a column "tonnes"',
            file=table.file,
        )
    number, day, lease = table.find(*_NUMBER), table.find(*_DATE), table.find(*_LEASE)
    lon, lat = table.find(*_LON), table.find(*_LAT)
    east, north = table.find(*_EAST), table.find(*_NORTH)
    geographic = lon is not None and lat is not None
    x, y = (lon, lat) if geographic else (east, north)
    status, left, moved = table.find(*_STATUS), table.find(*_LEFT), table.find(*_MOVED)
    unread: list[str] = []
    dated = _day_order(table, day)
    rows = []
    for k, row in enumerate(table.rows):
        line = table.lines[k]

        def cell(column: int | None, row: tuple[str, ...] = row) -> str:
            return "" if column is None else row[column]

        amount = _number(cell(tonnes), table.decimal)
        if amount is None or amount < 0:
            unread.append(f"line {line}: tonnes {cell(tonnes)[:40]!r}")
            amount = None
        when = dated(cell(day))
        if day is not None and when is None:
            unread.append(f"line {line}: date {cell(day)[:40]!r}")
        words = f"{cell(status)}".casefold()
        rows.append(
            Challan(
                number=cell(number) or f"line {line}",
                line=line,
                day=when,
                tonnes=amount,
                lease=None if is_missing(cell(lease)) else cell(lease),
                east=_number(cell(x), table.decimal),
                north=_number(cell(y), table.decimal),
                left=_left(words, cell(left), _number(cell(moved), table.decimal), left, status, moved),
                cancelled=bool(_CANCELLED.search(words)),
            )
        )
    return Challans(
        table.file,
        tuple(rows),
        geographic,
        x is not None and y is not None,
        any(column is not None for column in (status, left, moved)),
        tuple(unread),
    )


def _number(text: str, decimal: str | None) -> float | None:
    """A finite number, or None."""
    if is_missing(text):
        return None
    value = parse_number(text, decimal)
    return value if value is not None and value == value and abs(value) < 1e12 else None


def _left(
    words: str,
    left: str,
    moved: float | None,
    has_left: int | None,
    has_status: int | None,
    has_moved: int | None,
) -> bool | None:
    """Whether the trip left its source, by the first column that tells."""
    if has_left is not None:
        text = left.strip().casefold()
        return not (is_missing(text) or text in ("no", "false", "0", "n"))
    if has_moved is not None and moved is not None:
        return moved > 0
    if has_status is not None and words.strip():
        return not _NEVER.search(words)
    return None


def _day_order(table: Table, column: int | None) -> Callable[[str], date | None]:
    """How days are written in this file: year first; else day first, unless some row proves the opposite."""
    month_first = False
    if column is not None:
        pairs = [m for r in table.rows if (m := re.match(r"\s*(\d{1,2})[./-](\d{1,2})[./-]\d{4}", r[column]))]
        second_large = any(int(m[2]) > 12 for m in pairs)
        first_large = any(int(m[1]) > 12 for m in pairs)
        month_first = second_large and not first_large

    def read(text: str) -> date | None:
        if match := re.match(r"\s*(\d{4})[./-](\d{1,2})[./-](\d{1,2})", text):
            parts = tuple(map(int, match.groups()))
        elif match := re.match(r"\s*(\d{1,2})[./-](\d{1,2})[./-](\d{4})", text):
            one, two, year = map(int, match.groups())
            parts = (year, one, two) if month_first else (year, two, one)
        else:
            return None
        try:
            return date(*parts)
        except ValueError:
            return None

    return read


@dataclass(frozen=True)
class Dispatch:
    """Sums of a period: tonnes that count, and tonnes of papers that cannot be right."""

    tonnes: float
    papers: int
    cancelled: int
    never_left: tuple[Challan, ...]
    elsewhere: tuple[Challan, ...]
    twice: tuple[str, ...]
    by_lease: tuple[tuple[str, float], ...]


def sum_up(
    rows: tuple[Challan, ...], inside: Callable[[Challan], bool] | None, own_lease: str | None = None
) -> Dispatch:
    """Sum papers. ``inside`` says whether a paper was issued in the lease; None = places are not looked at.

    Cancelled papers and trips that never left dispatch nothing. A number that stands twice counts once.
    """
    seen: set[str] = set()
    twice: list[str] = []
    never, elsewhere = [], []
    total, papers, cancelled = 0.0, 0, 0
    by_lease: dict[str, float] = {}
    for row in rows:
        if row.number in seen:
            twice.append(row.number)
            continue
        seen.add(row.number)
        if row.cancelled:
            cancelled += 1
            continue
        if row.left is False:
            never.append(row)
            continue
        ours = own_lease is None or row.lease is None or _plain(row.lease) == _plain(own_lease)
        if inside is not None and row.east is not None and row.north is not None and not inside(row) and ours:
            elsewhere.append(row)
        key = row.lease or "(not stated)"
        by_lease[key] = by_lease.get(key, 0.0) + (row.tonnes or 0.0)
        if ours:
            total += row.tonnes or 0.0
            papers += 1
    return Dispatch(
        total,
        papers,
        cancelled,
        tuple(never),
        tuple(elsewhere),
        tuple(twice),
        tuple(sorted(by_lease.items())),
    )


def _plain(text: str) -> str:
    return "".join(ch for ch in text.casefold() if ch.isalnum())
