"""What every report says, ready to be set: rows, sentences and titles. Nothing is computed."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from survey.record import Finding, Record, Site, ZoneVolumes, canonical
from survey.report.colours import NOT_SIGNIFICANT
from survey.report.numbers import volume_decimals

if TYPE_CHECKING:
    from survey.report.folder import RunFolder
    from survey.report.numbers import Numbers
    from survey.report.pictures import Picture
    from survey.report.words import Words


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what is shown, its interval below it, and the value it sorts by."""

    text: str
    under: str = ""
    sort: float | str = ""


@dataclass(frozen=True)
class Table:
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    keys: Sequence[dict[str, str]] = ()  # attributes of each row, for filtering
    numeric: Sequence[bool] = ()


def digest(record: Record) -> str:
    """SHA-256 of the record without its clock, and without the hashes of what is drawn from it."""
    data = canonical(record)
    del data["clock"], data["outputs"]
    data["settings"].pop("seal", None)  # it seals those hashes too
    return hashlib.sha256(json.dumps(data, ensure_ascii=False).encode("utf-8")).hexdigest()


def title(record: Record, words: Words) -> str:
    return str(record.mine.get("name") or record.job.get("id") or words("report.title"))


def mine_lines(record: Record, words: Words) -> list[tuple[str, str]]:
    """Who and where, in the order of the annual return; what the job does not give is left out."""
    return [
        (words(f"mine.{key}"), str(record.mine[key]))
        for key in (
            "name",
            "lessee",
            "mineral",
            "lease_no",
            "lease_area_ha",
            "ibm_registration",
            "mine_code",
            "village",
            "post_office",
            "tahsil",
            "district",
            "state",
            "owner",
            "agent",
            "mining_engineer",
            "surveyor",
        )
        if record.mine.get(key) not in (None, "")
    ]


def survey_dates(record: Record, words: Words, numbers: Numbers) -> str:
    dates = [numbers.date(str(s["date"])) for s in record.surveys if s.get("date")]
    return words("dates_joined", first=dates[0], last=dates[-1]) if len(dates) > 1 else "".join(dates)


def headline(run: RunFolder, words: Words, numbers: Numbers) -> list[tuple[str, str, str]]:
    """(what, figure, interval) of the few figures a reader looks for first."""
    record = run.record
    found: list[tuple[str, str, str]] = []
    lease = next((z for z in record.zones if z.zone == "lease"), None)
    last = record.pairs[-1] if len(record.pairs) > 1 else None
    of_time = "" if last is None else f"{numbers.date(last.before)} – {numbers.date(last.after)}"
    if lease is not None:
        for name in ("cut", "fill"):
            value, low, high = _three(lease, name)
            found.append(
                (
                    words(f"headline.{name}"),
                    numbers.with_unit(value, "m³", 0),
                    "; ".join(
                        p for p in (numbers.interval(low, high) if math.isfinite(value) else "", of_time) if p
                    ),
                )
            )
    outside = [s for s in record.sites if s.zone != "lease" or s.outside_volume_m3 > 0]
    if record.zones or record.sites:
        count = str(len(outside))
        found.append((words("headline.outside"), count, words("headline.outside_note")))
    breaches = sum(f.verdict == "breaches" for f in record.findings)
    if record.findings:
        found.append(
            (
                words("headline.findings"),
                str(breaches),
                words("headline.findings_note", n=len(record.findings)),
            )
        )
    return found


def _three(zone: ZoneVolumes, name: str) -> tuple[float, float, float]:
    return getattr(zone, f"{name}_m3"), getattr(zone, f"{name}_lo_m3"), getattr(zone, f"{name}_hi_m3")


def _measured(value: float, low: float, high: float, numbers: Numbers, *, sign: bool = False) -> Cell:
    if not math.isfinite(value):
        return Cell(numbers.words("not_measured"), sort=-math.inf)
    return Cell(numbers.volume(value, sign=sign), numbers.interval(low, high, sign=sign), value)


def zone_name(zone: ZoneVolumes, words: Words) -> str:
    name = words.named("zone", zone.zone)
    if name == zone.zone:
        name = words.named("g1", zone.zone)
    return f"{zone.name} ({name})" if zone.name else name


def zone_table(record: Record, words: Words, numbers: Numbers) -> Table | None:
    zones = [*record.zones, *record.polygons, *([record.river_bed] if record.river_bed else [])]
    if not zones:
        return None
    heads = [
        words(f"zones.{key}")
        for key in ("zone", "area", "missing", "cut", "fill", "net", "dismissed", "rest")
    ]
    rows = []
    for z in zones:
        rows.append(
            [
                Cell(zone_name(z, words), sort=z.zone),
                Cell(numbers.hectares(z.area_m2), sort=z.area_m2),
                Cell(numbers.hectares(z.missing_m2), sort=z.missing_m2),
                _measured(*_three(z, "cut"), numbers),
                _measured(*_three(z, "fill"), numbers),
                _measured(*_three(z, "net"), numbers, sign=True),
                Cell(
                    words(
                        "zones.dismissed_cell",
                        cut=numbers.plain(z.dismissed_cut_m3, 0),
                        fill=numbers.plain(z.dismissed_fill_m3, 0),
                    )
                ),
                _measured(z.rest_net_m3, z.rest_net_lo_m3, z.rest_net_hi_m3, numbers, sign=True),
            ]
        )
    return Table(heads, rows, numeric=[False] + [True] * (len(heads) - 1))


def site_title(site: Site, words: Words, numbers: Numbers) -> str:
    return words(
        "site.title",
        id=site.id,
        kind=words.named("kind", site.kind),
        volume=numbers.with_unit(site.volume_m3, "m³", 0),
        zone=words.named("zone", site.zone),
    )


def site_table(record: Record, words: Words, numbers: Numbers) -> Table | None:
    if not record.sites:
        return None
    heads = [
        words(f"sites.{key}")
        for key in ("id", "kind", "zone", "volume", "outside", "area", "depth", "distance", "confidence")
    ]
    rows, keys = [], []
    for s in record.sites:
        rows.append(
            [
                Cell(s.id, sort=s.id),
                Cell(words.named("kind", s.kind), sort=s.kind),
                Cell(words.named("zone", s.zone), sort=s.zone),
                _measured(s.volume_m3, s.volume_lo_m3, s.volume_hi_m3, numbers),
                Cell(numbers.plain(s.outside_volume_m3, 0), sort=s.outside_volume_m3),
                Cell(numbers.plain(s.area_m2, 0), sort=s.area_m2),
                Cell(numbers.plain(s.max_depth_m, 1), sort=s.max_depth_m),
                Cell(_distance(s, words, numbers), sort=abs(s.distance_m)),
                Cell(_sure(numbers, s.confidence), sort=s.confidence),
            ]
        )
        keys.append({"id": s.id, "kind": s.kind, "zone": s.zone})
    return Table(heads, rows, keys, [False, False, False] + [True] * 6)


def site_cards(record: Record, words: Words, numbers: Numbers) -> list[dict[str, Any]]:
    """For each site: its title and its figures as (name, value)."""
    cards = []
    for s in record.sites:
        rows = [
            (
                _bare(words("sites.volume")),
                numbers.with_unit(s.volume_m3, "m³", volume_decimals(s.volume_m3))
                + f" ({numbers.interval(s.volume_lo_m3, s.volume_hi_m3)})",
            ),
            (words("sites.status"), words.named("status", s.status)),
            (_bare(words("sites.area")), numbers.with_unit(s.area_m2, "m²", 0)),
            (
                words("sites.depths"),
                " / ".join(numbers.plain(d, 1) for d in (s.min_depth_m, s.mean_depth_m, s.max_depth_m))
                + f" {words.named('unit', 'm')}",
            ),
            (
                words("sites.split"),
                " / ".join(
                    numbers.plain(v, 0) for v in (s.lease_volume_m3, s.buffer_volume_m3, s.beyond_volume_m3)
                )
                + f" {words.named('unit', 'm³')}",
            ),
            (_bare(words("sites.outside")), numbers.with_unit(s.outside_volume_m3, "m³", 0)),
            (words("sites.unsure"), numbers.with_unit(s.unsure_volume_m3, "m³", 0)),
            (_bare(words("sites.distance")), _where(s, words, numbers)),
            (words("sites.base"), words.named("base", s.base)),
            (words("sites.confidence"), _sure(numbers, s.confidence)),
            (words("sites.why"), numbers.said(s.why)),
        ]
        if s.lease_id:
            rows.append((words("sites.lease_id"), s.lease_id))
        if s.lat is not None and s.lon is not None:
            rows.append((words("sites.position"), f"{numbers.latitude(s.lat)}, {numbers.longitude(s.lon)}"))
        cards.append({"id": s.id, "kind": s.kind, "title": site_title(s, words, numbers), "rows": rows})
    return cards


def _bare(head: str) -> str:
    """A column's head without its unit, where the figure beside it carries one."""
    return head.rsplit(", ", 1)[0]


def _sure(numbers: Numbers, confidence: float) -> str:
    """A confidence in per cent; nothing that was judged from afar is certain."""
    return ">99\u202f%" if confidence > 0.99 else numbers.plain(100 * confidence, 0) + "\u202f%"


def _inside(s: Site) -> bool:
    return s.zone == "lease" or s.distance_m < 0


def _distance(s: Site, words: Words, numbers: Numbers) -> str:
    """Metres from the boundary, with the side in words: a sign would be read either way."""
    if not math.isfinite(s.distance_m):
        return words("not_measured")
    side = words("sites.inside") if _inside(s) else words("sites.outside_side")
    return f"{numbers.plain(abs(s.distance_m), 1)} {side}"


def _where(s: Site, words: Words, numbers: Numbers) -> str:
    if not math.isfinite(s.distance_m):
        return words("not_measured")
    key = "sites.inside_by" if _inside(s) else "sites.outside_by"
    text = words(key, distance=numbers.plain(abs(s.distance_m), 1), bearing=numbers.plain(s.bearing_deg, 0))
    return text + (words("sites.pillar", name=s.nearest_pillar) if s.nearest_pillar else "")


def finding_table(record: Record, words: Words, numbers: Numbers) -> list[dict[str, Any]]:
    """Findings, the grave ones first; within a verdict in the record's order."""
    order = (
        "breaches",
        "too close to call",
        "not measured",
        "exempt, for review",
        "not specified",
        "complies",
    )
    rows = [
        {
            "id": f.id,
            "rule": numbers.said(f.rule),
            "citation": numbers.said(f.citation),
            "verdict": f.verdict,
            "verdict_text": _verdict(f, words),
            "observed": quantity(f.observed, f.unit, numbers),
            "limit": quantity(f.limit, f.unit, numbers),
            "message": capital(numbers.said(f.message)),
            "mend": numbers.said(f.mend),
            "grade": "" if f.grade is None or "[grade" in f.citation else f.grade,
            "subject": f.subject or "",
        }
        for f in record.findings
    ]
    return sorted(rows, key=lambda row: order.index(row["verdict"]))


def _verdict(f: Finding, words: Words) -> str:
    """The verdict; a raised flag is called one, as in the submission's own report."""
    flag = f.evidence.get("flag") if f.verdict == "exempt, for review" else None
    if flag is None:
        return words.named("verdict", f.verdict)
    return words("submission.badge", strength=words.named("submission.strength", str(flag)))


def dismissed_summary(record: Record, words: Words, numbers: Numbers) -> str:
    """How many changes were not called a site, and for which reasons; the most frequent first."""
    counts: dict[str, int] = {}
    for change in record.dismissed:
        counts[change.reason] = counts.get(change.reason, 0) + 1
    order = sorted(counts, key=lambda reason: (-counts[reason], reason))
    parts = ", ".join(f"{numbers.plain(counts[r], 0)} × {words.named('reason', r)}" for r in order)
    return words("dismissed.summary", count=numbers.plain(len(record.dismissed), 0), parts=parts)


def quantity(value: str | None, unit: str | None, numbers: Numbers) -> str:
    """What a finding observed or asks, with its unit; words, where nothing was measured, have none."""
    if value is None:
        return ""
    bare = not unit or unit == "date" or not value.rstrip(")").endswith(tuple("0123456789"))
    text = numbers.said(value)
    return text if bare else f"{text}\u202f{numbers.words.named('unit', unit)}"


def picture_title(picture: Picture, words: Words, numbers: Numbers) -> str:
    if picture.name == "change":
        return words("picture.change")
    return words(f"picture.{picture.name}", date=numbers.date(picture.date))


def legend_rows(picture: Picture, words: Words, numbers: Numbers) -> list[tuple[str, str]]:
    """(colour, meaning) of the change picture, from the highest fill to the deepest cut."""
    rows = []
    classes = picture.detail.get("legend", [])
    limit = float(picture.detail.get("limit_m", 0.0))
    for entry in reversed(classes):
        low, high = float(entry["low_m"]), float(entry["high_m"])
        if entry["colour"] == NOT_SIGNIFICANT:
            text = words("legend.grey", level=numbers.plain(high, 2))
        elif high >= limit - 1e-9:
            text = words("legend.over", value=numbers.plain(low, 2, sign=True))
        elif low <= -limit + 1e-9:
            text = words("legend.under", value=numbers.plain(high, 2, sign=True))
        else:
            text = words(
                "legend.between", low=numbers.plain(low, 2, sign=True), high=numbers.plain(high, 2, sign=True)
            )
        rows.append((str(entry["colour"]), text))
    return rows


def capital(text: str) -> str:
    """A sentence begins with a capital; a file's name or a key keeps its own."""
    first = text.split(" ", 1)[0]
    return text[:1].upper() + text[1:] if first.isalpha() else text


def source_table(record: Record, words: Words, numbers: Numbers) -> Table:
    heads = [
        words(f"sources.{key}") for key in ("role", "survey", "path", "bytes", "crs", "height", "sha256")
    ]
    rows = [
        [
            Cell(words.named("role", s.role)),
            Cell(numbers.date(s.survey) if s.survey else ""),
            Cell(s.path),
            Cell(numbers.plain(s.bytes, 0)),
            Cell(s.crs or ""),
            Cell(numbers.said(s.height)),
            Cell(s.sha256),
        ]
        for s in record.sources
    ]
    # A column that no file fills, such as heights where files do not state theirs, says nothing.
    kept = [k for k in range(len(heads)) if any(row[k].text for row in rows)]
    return Table(
        [heads[k] for k in kept],
        [[row[k] for k in kept] for row in rows],
        numeric=[k == _BYTES for k in kept],
    )


_BYTES = 3


def survey_table(record: Record, words: Words, numbers: Numbers) -> list[dict[str, str]]:
    return [
        {
            "date": numbers.date(str(s.get("date") or "")),
            "kind": words.named("survey_kind", str(s.get("kind") or "")),
            "filed": numbers.date(str(s["filed"])) if s.get("filed") else words("not_given"),
            "height": numbers.said(str(s["height"])) if s.get("height") else words("not_given"),
        }
        for s in record.surveys
    ]


def settings_table(record: Record) -> list[tuple[str, str]]:
    """Every setting that was in force, flat: no threshold hides."""
    rows: list[tuple[str, str]] = []

    def walk(prefix: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                walk(f"{prefix}.{key}" if prefix else str(key), item)
        else:
            rows.append((prefix, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)))

    walk("", {k: v for k, v in record.settings.items() if k not in ("alignment_plots", "seal")})
    return rows


def g1_table(record: Record, words: Words, numbers: Numbers) -> Table | None:
    from survey.report.g1 import g1_rows

    rows = g1_rows(record, words, numbers)
    if not rows:
        return None
    heads = [words(f"g1.head_{key}") for key in ("item", "words", "figure", "source")]
    return Table(
        heads, [[Cell(r.item), Cell(r.text), Cell(r.figure, r.interval), Cell(r.source)] for r in rows]
    )


def exaggeration(length_m: float, heights: tuple[float, float] | None) -> float:
    """1, 2, 3, 5 or 10 so that relief fills a fifth of the length or more: long flat sections need it."""
    if heights is None:
        return 1.0
    relief = max(heights[1] - heights[0], 0.5)
    return next((float(k) for k in (1, 2, 3, 5) if k * relief >= 0.15 * length_m), 10.0)
