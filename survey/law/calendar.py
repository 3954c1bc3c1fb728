"""Due dates: rule 71A moves one that falls on a public holiday to the next working day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

# Names and spellings that people write, beside those that the holiday library knows.
_ALSO = {
    "orissa": "OD",
    "uttaranchal": "UK",
    "pondicherry": "PY",
    "jammu & kashmir": "JK",
    "j&k": "JK",
    "chattisgarh": "CG",
    "nct of delhi": "DL",
    "tamilnadu": "TN",
    "राजस्थान": "RJ",
    "गुजरात": "GJ",
    "मध्य प्रदेश": "MP",
    "उत्तर प्रदेश": "UP",
    "झारखंड": "JH",
    "छत्तीसगढ़": "CG",
    "ओडिशा": "OD",
    "बिहार": "BR",
    "महाराष्ट्र": "MH",
    "हिमाचल प्रदेश": "HP",
    "कर्नाटक": "KA",
}


@dataclass(frozen=True)
class DueDate:
    """A due date, what the rule says before it is moved, and why it was moved."""

    day: date
    stated: date
    reasons: tuple[str, ...]
    state: str | None  # code of the state whose holidays were used; None = only those of the whole country

    @property
    def moved(self) -> bool:
        return self.day != self.stated

    def __str__(self) -> str:
        if not self.moved:
            return self.day.isoformat()
        return f"{self.day.isoformat()} (moved from {self.stated.isoformat()}: {'; '.join(self.reasons)})"


def state_code(state: str | None) -> str | None:
    """The two-letter code of an Indian state by its name, code or usual spelling; None if unknown."""
    if not state or not state.strip():
        return None
    import holidays

    word = " ".join(state.split()).casefold()
    india = holidays.country_holidays("IN")
    if word.upper() in india.subdivisions:
        return word.upper()
    names = {name.casefold(): code for name, code in india.subdivisions_aliases.items()}
    return names.get(word) or _ALSO.get(word)


@lru_cache(maxsize=64)
def _holidays(year: int, code: str | None) -> dict[date, str]:
    import holidays

    # States declare theirs under one heading or the other; optional holidays do not close an office.
    known = holidays.country_holidays("IN").supported_categories
    kinds = tuple(kind for kind in ("public", "government") if kind in known)
    found = holidays.country_holidays("IN", subdiv=code, years=year, categories=kinds)
    return {day: str(found[day]) for day in sorted(found)}


def why_closed(day: date, code: str | None) -> str | None:
    """Why offices are closed on a day: its weekday, or the name of the holiday; None for a working day.

    The library lists holidays that depend on the moon as *estimated* until they are declared; the word is
    kept in the name.
    """
    weekday = {5: "Saturday", 6: "Sunday"}.get(day.weekday())
    return weekday or _holidays(day.year, code).get(day)


def due_date(stated: date, state: str | None) -> DueDate:
    """The working day on which something due on ``stated`` may still be done (MCDR rule 71A).

    Parameters
    ----------
    stated:
        The day that the rule names.
    state:
        The mine's state, by name or code, for its declared holidays. Unknown: national holidays only.
    """
    code = state_code(state)
    day, reasons = stated, []
    while (why := why_closed(day, code)) is not None:
        reasons.append(
            f"{day.isoformat()} is a {why}" if why.endswith("day") else f"{day.isoformat()}: {why}"
        )
        day += timedelta(days=1)
    return DueDate(day, stated, tuple(reasons), code)


def month_day(text: str, year: int) -> date:
    """``"07-01"`` in a year."""
    month, day = (int(part) for part in text.split("-"))
    return date(year, month, day)


def months_before(day: date, months: int) -> date:
    """The day ``months`` calendar months earlier; the month's last day where that day does not exist."""
    from calendar import monthrange

    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def last_first_of_july(day: date) -> date:
    """The 1 July just before a day (the day itself does not count)."""
    this = date(day.year, 7, 1)
    return this if this < day else date(day.year - 1, 7, 1)


def mining_year(day: date) -> tuple[date, date]:
    """The year of the rules, 1 April to 31 March, that a day falls in."""
    first = day.year if day >= date(day.year, 4, 1) else day.year - 1
    return date(first, 4, 1), date(first + 1, 3, 31)
