"""The verdict: an observation against a row of a law table.

An observation is a plain value, or a ``Measured`` with its 95 % interval. If the limit lies inside the
interval the case is *too close to call*; if nothing was observed it is *not measured*; if no rule gives a
limit it is *not specified*. Nothing here decides what to observe.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from survey.law.calendar import due_date, month_day, months_before
from survey.law.clauses import Clause
from survey.law.finding import Finding, Verdict
from survey.quantity import Measured

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

Observed = Measured | float | int | bool | str | date | Sequence[str] | None

FLAG: Verdict = "exempt, for review"
"""The verdict of a raised flag: there is no rule to breach, a person weighs the evidence."""


UNIT_SIGNS = {"m2": "m²", "m3": "m³", "inr": "₹"}
"""How units of the tables are written for people."""


def number(value: float, unit: str | None = None) -> str:
    """A figure as people write it: digits that its size deserves, thousands set apart, with its unit."""
    if math.isnan(value):
        return "not measured"
    if value == 0 or abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        digits = max(0, 3 - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:.{min(digits, 4)}f}"
        if "." in text:
            text = text.rstrip("0").rstrip(".")
    shown = UNIT_SIGNS.get(unit or "", unit)
    return f"{text} {shown}" if shown and shown != "date" else text


def show(value: Observed) -> str | None:
    """An observation without its unit, with its interval if it has one; None if nothing was observed."""
    if value is None:
        return None
    if isinstance(value, Measured):
        if not value.known:
            return None
        if value.lo == value.hi:
            return number(value.value)
        return f"{number(value.value)} (95 %: {number(value.lo)} to {number(value.hi)})"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (int, float)):
        return None if math.isnan(value) else number(float(value))
    if isinstance(value, str):
        return value
    return ", ".join(str(item) for item in value)


def _interval(value: Observed) -> tuple[float, float, float] | None:
    """(value, lo, hi) of a numeric observation, or None if nothing was observed."""
    if value is None:
        return None
    if isinstance(value, Measured):
        return (value.value, value.lo, value.hi) if value.known else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"a number is compared here, not {value!r}")
    return None if math.isnan(value) else (float(value), float(value), float(value))


def compare(relation: str, observed: Observed, limit: float, tolerance: float = 0.0) -> Verdict:
    """Verdict of a numeric relation: ``at least``, ``more than``, ``at most``, ``less than``, ``equals``,
    ``agrees with``.

    ``tolerance`` is the rounding that is not held against anyone, in the limit's unit: a cell of 0.05 m
    written as 0.0500001 complies.
    """
    seen = _interval(observed)
    if seen is None or math.isnan(limit):
        return "not measured"
    value, lo, hi = seen
    if relation in ("equals", "agrees with"):
        if lo - tolerance <= limit <= hi + tolerance:
            return "complies"
        return "breaches"
    if relation in ("at most", "less than"):
        value, lo, hi, limit = -value, -hi, -lo, -limit
    strict = relation in ("more than", "less than")
    if strict:
        if lo > limit:
            return "complies"
        return "breaches" if hi <= limit else "too close to call"
    if lo >= limit - tolerance:
        return "complies"
    return "breaches" if hi < limit - tolerance else "too close to call"


def utm_zone(name: str | None) -> str | None:
    """``"43N"`` from the name of a CRS ("WGS 84 / UTM zone 43N"), or None if it is not a UTM zone."""
    found = re.search(r"\bUTM zone (\d{1,2})([NS])\b", name or "", re.IGNORECASE)
    return f"{int(found[1])}{found[2].upper()}" if found else None


def limit_in_words(clause: Clause, context: Mapping[str, Any] | None = None) -> str | None:
    """The limit of a row without its unit; ``context`` may give the one worked out for this case."""
    context = context or {}
    if "limit" in context:
        shown = show(context["limit"])
    elif clause.relation == "in months":
        names = [MONTHS[month - 1] for month in clause.limit]
        shown = " or ".join(names) if len(names) < 3 else f"{names[0]} to {names[-1]}"
    elif clause.limit is None:
        return None
    elif isinstance(clause.limit, (int, float)) and not isinstance(clause.limit, bool):
        shown = number(float(clause.limit))
    elif isinstance(clause.limit, list):
        shown = ", ".join(str(item) for item in clause.limit)
        if clause.options.get("also_others"):
            shown += " or another standard format"
    else:
        shown = str(clause.limit)
    if shown is None:
        return None
    words = {"at least": "at least", "more than": "more than", "at most": "at most", "less than": "less than"}
    if clause.relation in words:
        return f"{words[clause.relation]} {shown}"
    if clause.relation == "covers":
        return "at most 0"
    return shown


def verdict_of(clause: Clause, observed: Observed, context: Mapping[str, Any]) -> Verdict:
    """The verdict of one row. ``context`` may hold what the row's limit depends on.

    ``limit``: the number, when the row gives a rule to work it out; ``year`` and ``state``: for a due date;
    ``until``: the day something must precede; ``tolerance``: as in :func:`compare`.
    """
    relation = clause.relation
    if relation == "not specified":
        return "not specified"
    if relation == "flags":
        if observed is None:
            return "not measured"
        return "complies" if observed is False else FLAG
    if observed is None or (isinstance(observed, Measured) and not observed.known):
        return "not measured"
    if relation in ("at least", "more than", "at most", "less than", "equals", "agrees with"):
        limit = context.get("limit", clause.limit)
        if isinstance(limit, Measured):
            limit = limit.value
        if not isinstance(limit, (int, float)) or isinstance(limit, bool):
            return "not measured"
        return compare(relation, observed, float(limit), float(context.get("tolerance", 0.0)))
    if relation == "covers":
        return compare("at most", observed, float(clause.limit), float(context.get("tolerance", 0.0)))
    if relation == "present":
        return "complies" if observed else "breaches"
    if relation == "one of":
        fits = str(observed).casefold() in {str(item).casefold() for item in clause.limit}
        if fits:
            return "complies"
        return "not specified" if clause.options.get("also_others") else "breaches"
    if relation == "none of":
        return (
            "breaches"
            if str(observed).casefold() in {str(i).casefold() for i in clause.limit}
            else "complies"
        )
    if relation == "is utm":
        return "complies" if utm_zone(str(observed)) else "breaches"
    if relation == "says if fewer":
        # A statement, never a failure: the standard asks for it, no rule makes it a limit.
        return "not specified"
    if not isinstance(observed, date):
        raise TypeError(f"{clause.id} compares a date, not {observed!r}")
    if relation == "in months":
        return "complies" if observed.month in clause.limit else "breaches"
    if relation in ("on or before", "before"):
        return "complies" if observed <= due_day(clause, context)[0] else "breaches"
    if relation == "within months before":
        until = context.get("until")
        if not isinstance(until, date):
            return "not measured"
        return "complies" if months_before(until, int(clause.limit)) <= observed <= until else "breaches"
    raise ValueError(f"{clause.id}: a row of relation {relation!r} is not compared with an observation")


def due_day(clause: Clause, context: Mapping[str, Any]) -> tuple[date, str]:
    """The last day of a row with a month and day as its limit, and that day in words.

    Needs ``year`` in the context; moves by rule 71A where the row says so.
    """
    from datetime import timedelta

    stated = month_day(str(clause.limit), int(context["year"]))
    if clause.relation == "before":
        stated -= timedelta(days=1)
    if "moves" not in clause.options:
        return stated, stated.isoformat()
    due = due_date(stated, context.get("state"))
    return due.day, str(due)


def judge(
    clause: Clause,
    observed: Observed,
    *,
    on: date,
    message: str,
    subject: str | None = None,
    mend: str | None = None,
    evidence: Mapping[str, Any] | None = None,
    verdict: Verdict | None = None,
    shown: str | None = None,
    **context: Any,
) -> Finding:
    """The finding of one row.

    Parameters
    ----------
    clause:
        The row, from :func:`survey.law.clauses.law_in_force`.
    observed:
        What was observed; None = nothing.
    on:
        The day as of which is judged; a day before the text that was read is said in the message.
    message:
        One or two sentences for the person who reads the finding.
    subject:
        Which file, pillar or figure it is about; makes the finding's id unique.
    mend:
        What to do; the row's own words if not given. Left out where there is nothing to mend.
    verdict:
        Set by the caller where the verdict is not a comparison (an exemption).
    shown:
        The observation in words, where the plain value would not do.
    context:
        What the limit depends on: see :func:`verdict_of`.

    Returns
    -------
    Finding
        With the row's citation and grade, always.
    """
    given = verdict if verdict is not None else verdict_of(clause, observed, context)
    if clause.relation in ("on or before", "before") and "year" in context:
        limit: str | None = f"on or before {due_day(clause, context)[1]}"
    else:
        limit = limit_in_words(clause, context)
    caveat = clause.caveat(on)
    text = message if message.endswith((".", "?", "!")) else message + "."
    if caveat:
        text += f" ({caveat[0].upper()}{caveat[1:]}.)"
    details: dict[str, Any] = dict(evidence or {})
    details.setdefault("clause_read", clause.read.isoformat())
    needs_mending = given in ("breaches", "too close to call", "not measured", FLAG)
    return Finding(
        id=clause.id if subject is None else f"{clause.id}:{slug(subject)}",
        rule=clause.rule,
        citation=clause.citation,
        verdict=given,
        observed=shown if shown is not None else show(observed),
        limit=limit,
        unit=None if clause.unit == "date" else UNIT_SIGNS.get(clause.unit or "", clause.unit),
        message=text,
        mend=((clause.mend if mend is None else mend) or None) if needs_mending else None,
        grade=clause.grade,
        sentence=clause.sentence,
        subject=subject,
        evidence=details,
    )


def slug(text: str) -> str:
    """A short tail for an id, in letters of any script, digits, dots and dashes."""
    return re.sub(r"[^\w.\-]+", "-", text.strip(), flags=re.UNICODE).strip("-")[:80] or "x"
