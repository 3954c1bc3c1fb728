"""Dates that files carry, against the date that the filing states."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from survey.forensics.flag import Flag, Outcome, Strength

TEST = "files.dates"

# Tags that say when the picture was taken, and tags that say when the file was written.
TAKEN = ("ACQUISITION", "IMAGE_DATE", "CAPTURE", "DATETIMEORIGINAL", "SENSING", "FLIGHT", "SURVEY_DATE")
WRITTEN = ("TIFFTAG_DATETIME", "DATETIME", "CREATED", "CREATION", "PROCESSED", "PROCESSING")

_ISO = re.compile(r"(?<!\d)(\d{4})[-:./_]?(\d{2})[-:./_]?(\d{2})(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})[-./_](\d{1,2})[-./_](\d{4})(?!\d)")
_EARLIEST, _LATEST = date(1990, 1, 1), date(2100, 1, 1)


@dataclass(frozen=True)
class Dated:
    """A date found in a file, and what it means there."""

    file: str
    what: str  # taken | written | named
    tag: str
    day: date


def find_dates(text: str) -> list[date]:
    """Dates in a text such as a tag or a file name: year-month-day, or day-month-year where it is
    unambiguous.
    """
    found = []
    for match in _ISO.finditer(text):
        found.append((match.start(), *map(int, match.groups())))
    for match in _DAY_FIRST.finditer(text):
        day, month, year = map(int, match.groups())
        # 03/04/2025 may be either; only what can be read one way is read.
        if month > 12 and day <= 12:
            day, month = month, day
        elif day <= 12 and month <= 12 and day != month:
            continue
        found.append((match.start(), year, month, day))
    days: list[date] = []
    for _, year, month, number in sorted(found):
        try:
            there = date(year, month, number)
        except ValueError:
            continue
        if _EARLIEST <= there < _LATEST and there not in days:
            days.append(there)
    return days


def dates_of_file(name: str, tags: Iterable[tuple[str, str]]) -> list[Dated]:
    """What a file says: its tags and its name."""
    found = []
    for tag, value in tags:
        upper = tag.upper().replace(" ", "_")
        if any(word in upper for word in TAKEN):
            what = "taken"
        elif any(word in upper for word in WRITTEN):
            what = "written"
        else:
            continue
        found += [Dated(name, what, tag, day) for day in find_dates(value)[:1]]
    found += [Dated(name, "named", "file name", day) for day in find_dates(name)[:1]]
    return found


def judge_dates(found: Iterable[Dated], survey: date, *, slack_days: int = 31) -> Outcome:
    """Flags for dates that do not fit the stated day of the survey.

    A picture is taken on the day of the survey (within ``slack_days``, since large mines are flown over
    weeks); a file is written after it; a name may say anything, and is a weak sign.
    """
    flags = []
    seen = 0
    for item in found:
        seen += 1
        apart = (item.day - survey).days
        strength: Strength | None = None
        if item.what == "taken" and abs(apart) > slack_days:
            strength = "strong" if abs(apart) > 180 else "moderate"
            text = f"says that it was taken on {item.day.isoformat()}"
        elif item.what == "written" and apart < -1:
            strength = "strong" if apart < -slack_days else "moderate"
            text = f"was written on {item.day.isoformat()}, before the survey"
        elif item.what == "written" and apart > 400:
            strength = "weak"
            text = f"was written on {item.day.isoformat()}, more than a year after the survey"
        elif item.what == "named" and abs(apart) > slack_days and not (0 <= apart <= 120):
            strength = "weak"
            text = f"is named after {item.day.isoformat()}"
        if strength is None:
            continue
        flags.append(
            Flag(
                TEST,
                "date in the file",
                strength,
                f"{item.file} {text}; the filing states the survey of {survey.isoformat()} ({item.tag}).",
                {
                    "file": item.file,
                    "tag": item.tag,
                    "found": item.day.isoformat(),
                    "stated": survey.isoformat(),
                },
                (),
                (
                    "the clock of the computer or camera was wrong",
                    "the file was written again from an older one",
                ),
            )
        )
    if not seen:
        return Outcome(TEST, no_power="the files carry no dates")
    return Outcome(TEST, tuple(flags), evidence={"dates": seen})
