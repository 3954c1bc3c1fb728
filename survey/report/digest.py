"""The weekly digest of a watch, as a page and as a PDF: by district and lease, what is new, confirmed, gone.

Drawn from ``record.json`` and the run's GeoJSON; nothing is computed here but counts and positions on paper.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from survey.record import Record
    from survey.report.words import Words

WEEK_DAYS = 7
MOST_ENTRIES = 300
"""A digest is read by people; beyond this the tables and the map files serve better."""
_STATE_COLOUR = {"confirmed": "#b2182b", "provisional": "#e08214", "fading": "#878787", "closed": "#bababa"}
_STATE_SIGN = {"confirmed": "■", "provisional": "▲", "fading": "▽", "closed": "×"}
_ORDER = {"confirmed": 0, "provisional": 1, "fading": 2, "closed": 3}

WORDS: dict[str, tuple[str, str]] = {
    "title": ("Weekly digest of triggers", "ट्रिगर का साप्ताहिक सार"),
    "as_of": ("as of {day}", "{day} तक"),
    "no_scene": ("no scene could be used", "कोई चित्र उपयोग योग्य नहीं"),
    "notice": (
        "Triggers for inspection, not findings. Each needs a check on the ground before anybody is blamed.",
        "ये निरीक्षण हेतु ट्रिगर हैं, निष्कर्ष नहीं। किसी को दोषी ठहराने से पहले स्थल पर जाँच आवश्यक है।",
    ),
    "week": ("Since {day}", "{day} से"),
    "confirmed": ("confirmed", "पुष्ट"),
    "provisional": ("provisional", "अनंतिम"),
    "fading": ("fading", "क्षीण"),
    "closed": ("closed", "बंद"),
    "new": ("new", "नए"),
    "newly_confirmed": ("newly confirmed", "नव पुष्ट"),
    "gone": ("fading or closed", "क्षीण या बंद"),
    "outside": ("confirmed outside leases", "पट्टे के बाहर पुष्ट"),
    "district": ("District", "ज़िला"),
    "unknown_district": ("district not given", "ज़िला नहीं दिया गया"),
    "no_lease": ("no lease near", "निकट कोई पट्टा नहीं"),
    "lease": ("Lease", "पट्टा"),
    "trigger": ("Trigger", "ट्रिगर"),
    "state": ("State", "स्थिति"),
    "class": ("Class", "वर्ग"),
    "zone": ("Zone", "क्षेत्र"),
    "area": ("Area", "क्षेत्रफल"),
    "certain": ("surely outside", "निश्चित रूप से बाहर"),
    "distance": ("Distance", "दूरी"),
    "seen": ("Seen", "देखा गया"),
    "looks": ("Looks", "अवलोकन"),
    "why": ("Why", "कारण"),
    "before": ("before", "पहले"),
    "after": ("after", "बाद में"),
    "hits": ("Field checks", "स्थल जाँच"),
    "hit_rate": (
        "{right} of {checked} checked triggers were right ({share}; 95 % interval {lo} to {hi})",
        "{checked} जाँचे गए ट्रिगर में से {right} सही ({share}; 95 % अंतराल {lo} से {hi})",
    ),
    "no_checks": ("No trigger has been checked in the field yet", "अब तक किसी ट्रिगर की स्थल जाँच नहीं हुई"),
    "scenes": ("Scenes", "चित्र"),
    "used": ("used", "उपयोग"),
    "not_used": ("not observed", "अनवलोकित"),
    "clear": ("clear", "स्पष्ट"),
    "challans": ("e-challans", "ई-चालान"),
    "trips": (
        "{n} trips, {t} t issued within {m} m since first seen",
        "पहली बार देखे जाने से {m} मी के भीतर {n} फेरे, {t} टन",
    ),
    "doubtful": ("Challans that contradict themselves", "असंगत चालान"),
    "nothing": ("Nothing new.", "कुछ नया नहीं।"),
    "dismissed": (
        "{n} further changes were seen and not listed (crops, clearing, building, water …); "
        "they are in record.json.",
        "{n} अन्य परिवर्तन देखे गए पर सूचीबद्ध नहीं (फसल, सफ़ाई, निर्माण, जल …); वे record.json में हैं।",
    ),
    "more": (
        "{n} further triggers of lower rank stand in triggers.csv and triggers.geojson.",
        "निम्न क्रम के {n} अन्य ट्रिगर triggers.csv तथा triggers.geojson में हैं।",
    ),
    "notes": ("Notes", "टिप्पणियाँ"),
    "map": ("Overview", "अवलोकन मानचित्र"),
    "beyond": ("beyond", "दूर"),
    "zone.lease": ("lease", "पट्टा"),
    "zone.buffer": ("buffer", "100 मी पट्टी"),
    "zone.ring": ("ring", "वलय"),
    "zone.beyond": ("beyond", "दूर"),
}


def said(language: str, text: str | None) -> str:
    """What the record says, in the digest's language."""
    return _words(language).said(text or "")


def _words(language: str) -> Words:
    from survey.report.words import Words

    return Words("hi" if language == "hi" else "en")


def say(language: str, key: str, **values: object) -> str:
    return WORDS[key][1 if language == "hi" else 0].format(**values)


@dataclass(frozen=True)
class Entry:
    """One trigger, ready to be set."""

    id: str
    state: str
    state_word: str
    sign: str
    colour: str
    kind: str
    probability: str
    where: str
    area: str
    certain: str
    seen: str
    looks: str
    reasons: tuple[str, ...]
    trips: str | None
    chip: str | None  # name of the picture in the run folder
    fresh: bool


@dataclass(frozen=True)
class Group:
    district: str
    lease: str
    entries: tuple[Entry, ...]


def write_digest(
    folder: Path,
    record: Record,
    language: str | None = None,
    triggers: Sequence[dict[str, Any]] | None = None,
) -> list[str]:
    """Write ``digest.html`` and ``digest.pdf`` into a run folder; the names written. ``triggers``: the
    features of ``triggers.geojson``, if they are at hand."""
    chosen = language or _language(record)
    plate = overview_svg(folder, chosen, triggers=triggers)
    page = digest_html(folder, record, chosen, plate)
    (folder / "digest.html").write_text(page, encoding="utf-8", newline="\n")
    (folder / "digest.pdf").write_bytes(digest_pdf(folder, record, chosen, plate))
    return ["digest.html", "digest.pdf"]


def _language(record: Record) -> str:
    asked = (record.job.get("report") or {}).get("language")
    return asked if asked in ("en", "hi") else "en"


def week_from(as_of: str | None) -> str | None:
    return None if as_of is None else (date.fromisoformat(as_of) - timedelta(days=WEEK_DAYS - 1)).isoformat()


def groups(record: Record, language: str) -> list[Group]:
    """Triggers by district and nearest lease, the most urgent first; closed ones only in their week."""
    section = record.triggers or {}
    since = week_from(section.get("as_of")) or ""
    near = (section.get("challans") or {}).get("near", {})
    by: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for t in section.get("triggers", []):
        if t["state"] == "closed" and t["last_look"] < since:
            continue
        district = t["district"] or say(language, "unknown_district")
        lease = t["lease_id"] or say(language, "no_lease")
        by.setdefault((district, lease), []).append(t)
    ranked = sorted((t for items in by.values() for t in items), key=_rank)
    shown = {t["id"] for t in ranked[:MOST_ENTRIES]}
    by = {key: [t for t in items if t["id"] in shown] for key, items in by.items()}
    by = {key: items for key, items in by.items() if items}
    out = []
    for (district, lease), items in sorted(by.items(), key=lambda pair: _urgency(pair[1])[:3] + pair[0]):
        ordered = sorted(items, key=_rank)
        out.append(
            Group(district, lease, tuple(_entry(t, near.get(t["id"]), since, language) for t in ordered))
        )
    return out


def _rank(t: dict[str, Any]) -> tuple[int, float, str]:
    return _ORDER[t["state"]], -t["excavation_probability"], t["id"]


def _urgency(items: Sequence[dict[str, Any]]) -> tuple[Any, ...]:
    confirmed = sum(t["state"] == "confirmed" and t["zone"] != "lease" for t in items)
    return -confirmed, -sum(t["state"] == "confirmed" for t in items), -len(items)


def _entry(t: dict[str, Any], near: dict[str, Any] | None, since: str, language: str) -> Entry:
    where = say(language, f"zone.{t['zone']}")
    if t["distance_m"] is not None and t["zone"] != "lease":
        where += f", {t['distance_m']:,.0f} {_unit(language, 'm')}"
        if t["bearing_deg"] is not None:
            where += f" {compass(t['bearing_deg'], language)}"
    trips = None
    if near and near["trips"]:
        trips = say(
            language, "trips", n=near["trips"], t=f"{near['tonnes_t']:,.0f}", m=f"{near['within_m']:.0f}"
        )
    fresh = t["first_seen"] >= since or (t["confirmed_on"] or "") >= since
    return Entry(
        t["id"],
        t["state"],
        say(language, t["state"]),
        _STATE_SIGN[t["state"]],
        _STATE_COLOUR[t["state"]],
        said(language, t["class"]),
        f"{t['probability']:.0%}",
        where,
        hectares(t["area_m2"], language),
        hectares(t["certain_area_m2"], language),
        f"{t['first_seen']} – {t['last_seen']}",
        f"{t['detections']}/{t['observations']}",
        tuple(said(language, reason) for reason in t["reasons"]),
        trips,
        t.get("chip"),
        fresh,
    )


def hectares(area_m2: float, language: str = "en") -> str:
    if area_m2 >= 1000:
        return f"{area_m2 / 1e4:.2f} {_unit(language, 'ha')}"
    return f"{area_m2:,.0f} {_unit(language, 'm²')}"


def compass(bearing_deg: float, language: str = "en") -> str:
    point = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")[round(bearing_deg / 45.0) % 8]
    return _words(language).named("compass", point)


def _unit(language: str, unit: str) -> str:
    return _words(language).named("unit", unit)


def headline(record: Record, language: str) -> list[tuple[str, str]]:
    section = record.triggers or {}
    since = week_from(section.get("as_of")) or ""
    items = section.get("triggers", [])
    return [
        (say(language, "new"), str(sum(t["first_seen"] >= since for t in items))),
        (
            say(language, "newly_confirmed"),
            str(sum((t["confirmed_on"] or "") >= since and t["confirmed_on"] is not None for t in items)),
        ),
        (say(language, "confirmed"), str(section.get("counts", {}).get("confirmed", 0))),
        (
            say(language, "outside"),
            str(sum(t["state"] == "confirmed" and t["zone"] != "lease" for t in items)),
        ),
        (say(language, "provisional"), str(section.get("counts", {}).get("provisional", 0))),
        (
            say(language, "gone"),
            str(section.get("counts", {}).get("fading", 0) + section.get("counts", {}).get("closed", 0)),
        ),
    ]


def hit_line(record: Record, language: str) -> str:
    rate = (record.triggers or {}).get("hit_rate", {})
    if not rate.get("checked"):
        return say(language, "no_checks")
    return say(
        language,
        "hit_rate",
        right=rate["right"],
        checked=rate["checked"],
        share=f"{rate['share']:.0%}",
        lo=f"{rate['share_lo']:.0%}",
        hi=f"{rate['share_hi']:.0%}",
    )


def scene_rows(record: Record, language: str) -> list[tuple[str, str, str]]:
    """(date, used or why not, clear share), the latest first."""
    out = []
    for s in reversed((record.triggers or {}).get("scenes", [])):
        used = (
            say(language, "used")
            if s["usable"]
            else f"{say(language, 'not_used')}: {said(language, s['why'])}"
        )
        out.append((s["date"], used, f"{s['clear_share']:.0%}"))
    return out


# -- overview map ----------------------------------------------------------------------------------------
def overview_svg(
    folder: Path,
    language: str,
    width: float = 170.0,
    height: float = 105.0,
    triggers: Sequence[dict[str, Any]] | None = None,
) -> str | None:
    """Permitted areas and triggers on a plain plate, millimetres; None if there is nothing to show."""

    def features(name: str) -> list[dict[str, Any]]:
        path = folder / name
        if not path.is_file():
            return []
        found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["features"]
        return found

    places = features("places.geojson")
    if triggers is None:
        triggers = features("triggers.geojson")
    rings = [ring for f in (*places, *triggers) for ring in _rings(f["geometry"])]
    if not rings:
        return None
    xs, ys = [p[0] for r in rings for p in r], [p[1] for r in rings for p in r]
    import math

    shrink = math.cos(math.radians((min(ys) + max(ys)) / 2))
    wide, high = max((max(xs) - min(xs)) * shrink, 1e-6), max(max(ys) - min(ys), 1e-6)
    scale = min((width - 12) / wide, (height - 12) / high)
    x0, y0 = (width - wide * scale) / 2, (height + high * scale) / 2

    west, south = min(xs), min(ys)

    def at(p: Sequence[float]) -> tuple[float, float]:
        return x0 + (p[0] - west) * shrink * scale, y0 - (p[1] - south) * scale

    def traced(geometry: dict[str, Any]) -> str:
        return " ".join(
            "M" + " L".join(f"{x:.2f},{y:.2f}" for x, y in (at(p) for p in ring)) + " Z"
            for ring in _rings(geometry)
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}mm" height="{height:g}mm">',
        f'<rect width="{width:g}" height="{height:g}" fill="#f7f7f4"/>',
    ]
    styles = {
        "ring": 'fill="none" stroke="#9a9a9a" stroke-width="0.25" stroke-dasharray="1.2 1.2"',
        "buffer": 'fill="none" stroke="#5a5a5a" stroke-width="0.25" stroke-dasharray="2 1"',
        "lease": 'fill="#0072b2" fill-opacity="0.10" stroke="#0072b2" stroke-width="0.5"',
    }
    for kind, style in styles.items():
        parts += [
            f'<path d="{traced(f["geometry"])}" {style}/>' for f in places if f["properties"]["kind"] == kind
        ]
    ranked = sorted(triggers, key=lambda f: _rank(f["properties"]), reverse=True)[-MOST_ENTRIES:]
    for f in ranked:
        colour = _STATE_COLOUR[f["properties"]["state"]]
        parts.append(
            f'<path d="{traced(f["geometry"])}" fill="{colour}" stroke="{colour}" stroke-width="0.5"/>'
        )
        ring = _rings(f["geometry"])[0]
        cx, cy = at((sum(p[0] for p in ring) / len(ring), sum(p[1] for p in ring) / len(ring)))
        parts.append(
            f'<circle cx="{cx:.2f}" cy="{cy:.2f}" r="1.9" fill="none" stroke="{colour}" stroke-width="0.4"/>'
        )
    # The map's own width, not that of the triggers on it: a round length of about a third of it.
    metres = 10 ** math.floor(math.log10(wide * 111_320 / 3))
    length = metres / 111_320 * scale
    parts.append(f'<path d="M6,{height - 5:g} h{length:.2f}" stroke="#161616" stroke-width="0.7"/>')
    parts.append(
        f'<path d="M{width - 8:g},14 v-8 m-1.5,2.5 l1.5,-2.5 l1.5,2.5" stroke="#161616" '
        'stroke-width="0.5" fill="none"/>'
    )
    label = f"{metres / 1000:g} km" if metres >= 1000 else f"{metres:g} m"
    parts.append(f'<text x="6" y="{height - 6.5:g}" font-size="3" font-family="sans-serif">{label}</text>')
    parts.append("</svg>")
    return "".join(parts)


def _rings(geometry: dict[str, Any]) -> list[list[list[float]]]:
    if geometry["type"] == "Polygon":
        return list(geometry["coordinates"])
    if geometry["type"] == "MultiPolygon":
        return [ring for part in geometry["coordinates"] for ring in part]
    return []


# -- pages -----------------------------------------------------------------------------------------------
def _common(folder: Path, record: Record, language: str) -> dict[str, Any]:
    section = record.triggers or {}
    as_of = section.get("as_of")
    challans = section.get("challans") or {}
    return {
        "language": language,
        "title": say(language, "title"),
        "place": record.mine.get("name") or record.job.get("job", {}).get("id", ""),
        "job": record.job.get("job", {}).get("id", ""),
        "district": record.mine.get("district") or "",
        "as_of": say(language, "as_of", day=as_of) if as_of else say(language, "no_scene"),
        "week": say(language, "week", day=week_from(as_of)) if as_of else "",
        "notice": say(language, "notice"),
        "headline": headline(record, language),
        "hit_line": hit_line(record, language),
        "stop": "।" if language == "hi" else ".",
        "scenes": scene_rows(record, language),
        "more": _more(record, language),
        "dismissed": say(
            language, "dismissed", n=len(section.get("dismissed", [])) + section.get("dismissed_more", 0)
        ),
        "doubtful": [
            {**d, "why": [said(language, why) for why in d["why"]]} for d in challans.get("doubtful", [])
        ],
        "notes": [said(language, n.message) for n in record.notes if n.severity != "info"],
        "words": {key: say(language, key) for key, (text, _) in WORDS.items() if "{" not in text},
    }


def _more(record: Record, language: str) -> str:
    shown = sum(len(group.entries) for group in groups(record, language))
    left = sum((record.triggers or {}).get("counts", {}).values()) - shown
    return say(language, "more", n=left) if left > 0 and shown >= MOST_ENTRIES else ""


def digest_html(folder: Path, record: Record, language: str, plate: str | None = None) -> str:
    """The page as text: one file, no script, nothing fetched. ``plate``: the overview, if it is drawn
    already."""
    from markupsafe import Markup

    from survey.report.html import font_face
    from survey.report.page import template

    svg = plate or overview_svg(folder, language)
    chips = {}
    for group in groups(record, language):
        for entry in group.entries:
            if entry.chip and (folder / entry.chip).is_file():
                encoded = base64.b64encode((folder / entry.chip).read_bytes()).decode("ascii")
                chips[entry.id] = f"data:image/png;base64,{encoded}"
    return template("digest.html").render(
        **_common(folder, record, language),
        groups=groups(record, language),
        map=None if svg is None else Markup(svg),
        chips=chips,
        font=Markup(font_face(language)),
        version=record.software.get("mine-survey", ""),
    )


def digest_pdf(folder: Path, record: Record, language: str, plate: str | None = None) -> bytes:
    from survey.report.paper.typeset import Drawings, typeset

    drawings = Drawings()
    svg = plate or overview_svg(folder, language)
    if svg is not None:
        drawings.picture("map.svg", svg.encode("utf-8"))
    shown = []
    for group in groups(record, language):
        entries = []
        for e in group.entries:
            chip = None
            if e.chip and (folder / e.chip).is_file():
                chip = drawings.picture(f"chip-{e.id}.png", (folder / e.chip).read_bytes())
            entries.append(
                {
                    "id": e.id, "sign": e.sign, "state": e.state_word, "colour": e.colour, "kind": e.kind,
                    "probability": e.probability, "where": e.where, "area": e.area, "certain": e.certain,
                    "seen": e.seen, "looks": e.looks, "reasons": list(e.reasons), "trips": e.trips or "",
                    "chip": chip or "", "fresh": e.fresh,
                }
            )  # fmt: skip
        shown.append({"district": group.district, "lease": group.lease, "entries": entries})
    data = {
        **_common(folder, record, language),
        "author": f"mine-survey {record.software.get('mine-survey', '')}",
        "groups": shown,
        "map": "map.svg" if svg is not None else "",
    }
    return typeset("digest.typ", data, drawings)
