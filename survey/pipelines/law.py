"""``survey law``: the rules in force on a day, with their citations."""

from __future__ import annotations

import json
from datetime import date

from survey.law.clauses import GRADES, REGIMES, Clause, all_clauses, tables_digest
from survey.law.judge import limit_in_words

_RELATIONS = {
    "covers": "nothing missing",
    "present": "present",
    "is utm": "a UTM zone",
    "not specified": "not specified",
    "flags": "flagged, never breached",
    "asks for": "",
    "states": "",
    "waives": "lifts",
    "exempts": "exempts, for review",
    "moves": "moves from",
    "defines": "",
    "delegates": "left to",
    "agrees with": "agrees with",
    "says if fewer": "stated if fewer than",
    "in months": "in",
    "on or before": "on or before",
    "before": "before",
    "within months before": "within months before",
    "one of": "one of",
    "none of": "none of",
    "equals": "",
}


def run_law(on: date | None, as_json: bool) -> str:
    """What to print. ``on`` None: every row at the latest day whose text was read."""
    day = on or max(c.text_of for c in all_clauses())
    rows = [c for c in all_clauses() if c.in_force(day)]
    if as_json:
        return json.dumps(
            {"on": day.isoformat(), "tables": tables_digest(), "clauses": [_public(c, day) for c in rows]},
            ensure_ascii=False,
            indent=1,
        )
    lines = [f"In force on {day.isoformat()}: {len(rows)} rows."]
    table = None
    for c in rows:
        if c.table != table:
            table = c.table
            since = f"text of {c.text_of.isoformat()}, read {c.read.isoformat()}"
            lines += ["", f"{c.table_title} (grade {c.grade}, {since})"]
        lines.append(f"  {c.id}")
        lines.append(f"      {c.rule}: {required(c)}".rstrip() + _since(c))
        lines.append(f"      {c.sentence}")
    lines += ["", *(f"Grade {letter}: {says}." for letter, says in GRADES.items())]
    if any(c.caveat(day) for c in rows):
        lines.append(
            "Rows of a table read on a later day are given as read; the wording of the day was not looked up."
        )
    lines.append(f"Regimes: {', '.join(REGIMES)}.")
    return "\n".join(lines)


def _since(c: Clause) -> str:
    """The row's own dates; those of its table stand above it."""
    begins = c.in_force_from
    said = "" if begins is None or c.begins_with_table else f", from {begins.isoformat()}"
    return said + (f", until {c.in_force_to.isoformat()}" if c.in_force_to is not None else "")


def required(c: Clause) -> str:
    """What a row asks, in a few words."""
    limit = limit_in_words(c)
    unit = f" {c.unit}" if c.unit and c.unit != "date" and limit else ""
    word = _RELATIONS.get(c.relation, "")
    if c.relation in ("present", "covers", "is utm", "not specified", "flags"):
        return f"{c.quantity}: {word}"
    return f"{c.quantity}: {word} {limit or ''}{unit}".replace("  ", " ")


def _public(c: Clause, day: date) -> dict[str, object]:
    return {
        "id": c.id,
        "table": c.table_title,
        "regime": c.regime,
        "profile": c.profile,
        "authority": c.authority,
        "rule": c.rule,
        "citation": c.citation,
        "quantity": c.quantity,
        "relation": c.relation,
        "limit": c.limit,
        "unit": c.unit,
        "in_force_from": None if c.in_force_from is None else c.in_force_from.isoformat(),
        "in_force_to": None if c.in_force_to is None else c.in_force_to.isoformat(),
        "text_of": c.text_of.isoformat(),
        "read": c.read.isoformat(),
        "grade": c.grade,
        "sentence": c.sentence,
        "quoted": c.quoted,
        "note": c.note,
        "mend": c.mend,
        "caveat": c.caveat(day),
    }
