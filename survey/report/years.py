"""Several years in one report: each pair of surveys, and the whole time.

A record with more than two surveys has its zones, sites and drawings from the last pair; the others stand in
``pairs``, and first against last in ``total``. Whoever reads a figure must see which time it is of.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from survey.report.content import Cell, Table, zone_name

if TYPE_CHECKING:
    from survey.record import Record
    from survey.report.numbers import Numbers
    from survey.report.words import Words


def last_period(record: Record, words: Words, numbers: Numbers) -> str | None:
    """The time that zones, sites and drawings are of; None where the record has but one pair of surveys."""
    if len(record.pairs) < 2:
        return None
    return _period(record.pairs[-1].before, record.pairs[-1].after, words, numbers)


def _period(first: str, last: str, words: Words, numbers: Numbers) -> str:
    return words("dates_joined", first=numbers.date(first), last=numbers.date(last))


def years_table(record: Record, words: Words, numbers: Numbers) -> Table | None:
    """Cut, fill and net of each zone: a row a pair, then the whole time and by how much the sum is off."""
    if len(record.pairs) < 2:
        return None

    def figure(zone: dict[str, Any], name: str, *, sign: bool = False) -> Cell:
        value, low, high = (zone.get(f"{name}{end}") for end in ("_m3", "_lo_m3", "_hi_m3"))
        if value is None or not math.isfinite(value):
            return Cell(words("not_measured"), sort=-math.inf)
        between = numbers.interval(low, high, sign=sign) if low is not None and high is not None else ""
        return Cell(numbers.volume(value, sign=sign), between, value)

    def row(period: str, order: str, zone: dict[str, Any], name: str) -> list[Cell]:
        closes = zone.get("closes_by_m3")
        return [
            Cell(period, sort=order),
            Cell(name, sort=name),
            figure(zone, "cut"),
            figure(zone, "fill"),
            figure(zone, "net", sign=True),
            Cell("") if closes is None else Cell(numbers.volume(closes, sign=True), sort=closes),
        ]

    rows = [
        row(
            _period(p.before, p.after, words, numbers),
            f"{p.before} {p.after}",
            z.model_dump(),
            zone_name(z, words),
        )
        for p in record.pairs
        for z in p.zones
    ]
    if record.total:
        period = _period(str(record.total["from"]), str(record.total["to"]), words, numbers)
        rows += [
            row(words("years.whole", period=period), "~", zone, words.named("zone", str(zone["zone"])))
            for zone in record.total["zones"]
        ]
    heads = [
        words(key)
        for key in ("years.period", "zones.zone", "zones.cut", "zones.fill", "zones.net", "years.closes")
    ]
    return Table(heads, rows, numeric=[False, False, True, True, True, True])
