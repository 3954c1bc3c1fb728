"""Help with Form G1, the annual return: the figures that a survey can give, in the form's words and order.

The return is the lessee's; this table gives what was measured beside each entry, and says where a survey
cannot answer. Area entries (Part I, item 12) come from the polygons that the job names with one of the
classes below: a survey does not know by itself what a yard is used for. Nothing is added up here: where
several polygons belong to one entry, each has its row, because only the run knows how their errors join.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from survey.record import Record, ZoneVolumes

if TYPE_CHECKING:
    from survey.report.numbers import Numbers
    from survey.report.words import Words

AREA_CLASSES = (
    "abandoned",
    "workings",
    "reclaimed",
    "waste",
    "buildings",
    "other",
)
"""Part I, item 12: (i) to (vi)."""

_NUMERALS = ("i", "ii", "iii", "iv", "v", "vi")


@dataclass(frozen=True)
class G1Row:
    item: str
    text: str
    figure: str
    interval: str
    source: str


def g1_rows(record: Record, words: Words, numbers: Numbers) -> list[G1Row]:
    """Rows of the helper table; empty where the run measured no volumes."""
    if not record.zones:
        return []
    rows = []
    for numeral, name in zip(_NUMERALS, AREA_CLASSES, strict=True):
        item, text = f"I.12({numeral})", words(f"g1.{name}")
        mine = [z for z in record.polygons if z.zone == name]
        rows += [G1Row(item, text, numbers.hectares(z.area_m2), "", z.name or z.zone) for z in mine]
        if not mine:
            rows.append(G1Row(item, text, words("g1.not_named"), "", ""))
    for zone in record.zones:
        if zone.zone == "lease":
            rows.append(_volume("V.4", "g1.void", zone, "cut", words, numbers, words("g1.from_lease")))
    for key, name in (("g1.dumps", "waste"), ("g1.backfilled", "reclaimed")):
        mine = [z for z in record.polygons if z.zone == name]
        rows += [_volume("V.4", key, z, "fill", words, numbers, z.name or z.zone) for z in mine]
        if not mine:
            rows.append(G1Row("V.4", words(key), words("g1.not_named"), "", ""))
    for site in record.sites:
        if site.kind == "backfill" and site.zone == "lease":
            figure = numbers.with_unit(site.volume_m3, "m³", 0)
            interval = numbers.interval(site.volume_lo_m3, site.volume_hi_m3)
            rows.append(G1Row("V.4", words("g1.backfilled"), figure, interval, site.id))
    for key in ("g1.overburden_opening", "g1.sub_grade", "g1.rom"):
        rows.append(
            G1Row(words(f"{key}_item"), words(key), words("g1.not_by_survey"), "", words(f"{key}_why"))
        )
    return rows


def _volume(
    item: str, key: str, zone: ZoneVolumes, what: str, words: Words, numbers: Numbers, source: str
) -> G1Row:
    value = getattr(zone, f"{what}_m3")
    low, high = getattr(zone, f"{what}_lo_m3"), getattr(zone, f"{what}_hi_m3")
    figure = numbers.with_unit(value, "m³", 0)
    return G1Row(
        item, words(key), figure, numbers.interval(low, high) if math.isfinite(value) else "", source
    )
