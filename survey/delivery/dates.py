"""Dates in the names that people give to files and folders.

Indian usage puts the day first. What can be read in two ways is not read: a survey's date decides which law
and which month it is judged by, so a doubtful one is asked for.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

FIRST_YEAR, LAST_YEAR = 1990, 2099

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january जनवरी",
            "feb february फरवरी फ़रवरी",
            "mar march मार्च",
            "apr april अप्रैल",
            "may मई",
            "jun june जून",
            "jul july जुलाई",
            "aug august अगस्त",
            "sep sept september सितंबर सितम्बर",
            "oct october अक्टूबर अक्तूबर",
            "nov november नवंबर नवम्बर",
            "dec december दिसंबर दिसम्बर",
        ),
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(sorted(map(re.escape, _MONTHS), key=len, reverse=True))
_SEP = r"[-_. /]{0,2}"
_TIME = re.compile(r"(?<=[0-9]{8})t?[0-9]{4}(?:[0-9]{2})?z?(?![0-9])|(?<=[0-9])t[0-9]{4,6}z?(?![0-9])")


@dataclass(frozen=True, slots=True)
class NamedDate:
    """What a name says. ``day`` is set only if it is certain; else ``said`` tells what was seen."""

    day: date | None
    said: str


def date_in(text: str) -> NamedDate | None:
    """The date a name holds, or None if it holds nothing like one."""
    plain = "".join(_plain_digit(char) for char in unicodedata.normalize("NFC", text)).lower()
    days: dict[date, None] = {}
    doubts: list[str] = []

    def day(y: int, m: int, d: int) -> date | None:
        try:
            return date(y, m, d) if FIRST_YEAR <= y <= LAST_YEAR else None
        except ValueError:
            return None

    rest = _TIME.sub("", plain)

    def take(pattern: str) -> list[re.Match[str]]:
        """Matches of ``pattern`` between non-digits; they are blanked so that nothing is read twice."""
        nonlocal rest
        found = list(re.finditer(rf"(?<![0-9]){pattern}(?![0-9])", rest))
        for match in found:
            rest = rest[: match.start()] + " " * len(match[0]) + rest[match.end() :]
        return found

    for match in take(rf"([0-9]{{1,2}})(?:st|nd|rd|th)?{_SEP}({_MONTH}){_SEP}([0-9]{{4}})"):
        if found := day(int(match[3]), _MONTHS[match[2]], int(match[1])):
            days[found] = None
    for match in take(rf"([0-9]{{4}}){_SEP}({_MONTH}){_SEP}([0-9]{{1,2}})"):
        if found := day(int(match[1]), _MONTHS[match[2]], int(match[3])):
            days[found] = None
    for match in take(rf"(?<![^\W\d_])({_MONTH}){_SEP}([0-9]{{1,2}})(?:st|nd|rd|th)?[-_., ]+([0-9]{{4}})"):
        if found := day(int(match[3]), _MONTHS[match[1]], int(match[2])):
            days[found] = None
    for match in take(r"([0-9]{4})[-_. ]([0-9]{1,2})[-_. ]([0-9]{1,2})"):
        if found := day(int(match[1]), int(match[2]), int(match[3])):
            days[found] = None
    for match in take(r"([0-9]{1,2})[-_. ]([0-9]{1,2})[-_. ]([0-9]{4})"):
        d, m, y = (int(match[k]) for k in (1, 2, 3))
        indian, american = day(y, m, d), day(y, d, m)
        if indian and american and indian != american:
            doubts.append(f'"{match[0]}" could be {indian.isoformat()} or {american.isoformat()}')
        elif found := indian or american:
            days[found] = None
    for match in take(r"([0-9]{8})"):
        digits = match[1]
        first = day(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        last = day(int(digits[4:]), int(digits[2:4]), int(digits[:2]))
        if first and last and first != last:
            doubts.append(f'"{digits}" could be {first.isoformat()} or {last.isoformat()}')
        elif found := first or last:
            days[found] = None
    for match in take(r"([0-9]{1,2})[-_.]([0-9]{1,2})[-_.]([0-9]{2})"):
        a, b, c = (int(match[k]) for k in (1, 2, 3))
        readings = {found for found in (day(2000 + c, b, a), day(2000 + a, b, c)) if found}
        if readings:
            listed = " or ".join(sorted(found.isoformat() for found in readings))
            doubts.append(f'"{match[0]}" has a year of two digits: {listed}')
    if len(days) == 1 and not doubts:
        found = next(iter(days))
        return NamedDate(found, found.isoformat())
    if days or doubts:
        seen = [found.isoformat() for found in days] + doubts
        return NamedDate(
            None, f"names more than one reading: {'; '.join(seen)}" if len(seen) > 1 else seen[0]
        )
    if partial := _month_or_year(rest):
        return NamedDate(None, partial)
    return None


def _month_or_year(text: str) -> str | None:
    month = re.search(rf"(?<![^\W\d_])({_MONTH})[-_. ']{{0,2}}([0-9]{{4}})(?![0-9])", text)
    if month and FIRST_YEAR <= int(month[2]) <= LAST_YEAR:
        return f"says {date(2000, _MONTHS[month[1]], 1):%B} {month[2]}; the day is not known"
    month = re.search(r"(?<![0-9])([0-9]{4})[-_]([0-9]{2})(?![0-9])", text)
    if month and FIRST_YEAR <= int(month[1]) <= LAST_YEAR:
        if int(month[2]) == (int(month[1]) + 1) % 100:
            return f"says the year {month[0]}; the day is not known"
        if 1 <= int(month[2]) <= 12:
            return f"says {date(2000, int(month[2]), 1):%B} {month[1]}; the day is not known"
    year = re.search(r"(?<![0-9])((?:19|20)[0-9]{2})(?![0-9])", text)
    return f"says {year[1]}; the day is not known" if year else None


def _plain_digit(char: str) -> str:
    """Digits of any script as ASCII: २०२४ → 2024."""
    if char.isascii() or not char.isdigit():
        return char
    return str(unicodedata.digit(char))
