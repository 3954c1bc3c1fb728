"""Numbers as people read them: digits that mean something, grouped, with units and intervals."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date

from survey.report.words import Words

MINUS = "−"
THIN = "\u202f"


def grouped(digits: str, *, indian: bool) -> str:
    """Thousands separated: 12,345,678; in Indian grouping 1,23,45,678. ``digits`` is a whole number ≥ 0."""
    if len(digits) <= 3:
        return digits
    head, tail = digits[:-3], digits[-3:]
    step = 2 if indian else 3
    parts: list[str] = []
    while head:
        parts.insert(0, head[-step:])
        head = head[:-step]
    return ",".join([*parts, tail])


def number(value: float, decimals: int = 0, *, indian: bool = False, sign: bool = False) -> str:
    """A number with grouped digits and a true minus; never "−0". ``sign`` also prints a plus."""
    text = f"{abs(value):.{decimals}f}"
    whole, _, part = text.partition(".")
    shown = grouped(whole, indian=indian) + (f".{part}" if part else "")
    if float(text) == 0:
        return shown
    if value < 0:
        return MINUS + shown
    return ("+" if sign else "") + shown


def dms(degrees: float, positive: str, negative: str) -> str:
    """Degrees, minutes and seconds to 0.01″ with a hemisphere letter: 25°18′30.52″ N."""
    hundredths = round(abs(degrees) * 360_000)
    whole, rest = divmod(hundredths, 360_000)
    minutes, seconds = divmod(rest, 6_000)
    letter = negative if degrees < 0 else positive
    return f"{whole}°{minutes:02d}′{seconds / 100:05.2f}″{THIN}{letter}"


def volume_decimals(value: float) -> int:
    """Whole cubic metres from ten up: no survey of a mine sees less."""
    return 0 if abs(value) >= 10 or value == 0 else 1


def decimals_for(value: float) -> int:
    """Decimals of a number that comes without an uncertainty: three digits or more."""
    size = abs(value)
    if size >= 100 or size == 0:
        return 0
    return 1 if size >= 10 else 2


@dataclass(frozen=True, slots=True)
class Numbers:
    """Writes quantities in one language and grouping."""

    words: Words
    indian: bool = False

    def plain(self, value: float | None, decimals: int | None = None, *, sign: bool = False) -> str:
        if value is None or math.isnan(value):
            return self.words("not_measured")
        places = decimals_for(value) if decimals is None else decimals
        return number(value, places, indian=self.indian, sign=sign)

    def with_unit(
        self, value: float | None, unit: str, decimals: int | None = None, *, sign: bool = False
    ) -> str:
        if value is None or math.isnan(value):
            return self.words("not_measured")
        joint = "" if unit == "°" else THIN
        return f"{self.plain(value, decimals, sign=sign)}{joint}{self.words.named('unit', unit)}"

    def volume(self, value: float | None, *, sign: bool = False) -> str:
        """With the decimals of :func:`volume_decimals`."""
        if value is None or math.isnan(value):
            return self.words("not_measured")
        return self.plain(value, volume_decimals(value), sign=sign)

    def interval(self, low: float | None, high: float | None, *, sign: bool = False) -> str:
        """``low to high``, with the decimals of :meth:`volume`."""
        if low is None or high is None or math.isnan(low) or math.isnan(high):
            return self.words("not_measured")
        places = volume_decimals(max(abs(low), abs(high)))
        return self.words(
            "interval",
            low=number(low, places, indian=self.indian, sign=sign),
            high=number(high, places, indian=self.indian, sign=sign),
        )

    def hectares(self, area_m2: float | None) -> str:
        return self.with_unit(None if area_m2 is None else area_m2 / 10_000, "ha", 3)

    def date(self, iso: str | None) -> str:
        """25 April 2025, from an ISO date; anything else is shown as it stands."""
        if not iso:
            return self.words("not_given")
        try:
            day = date.fromisoformat(str(iso)[:10])
        except ValueError:
            return str(iso)
        return f"{day.day}{THIN}{self.words(f'month.{day.month}')}{THIN}{day.year}"

    def latitude(self, degrees: float | None) -> str:
        return self.words("not_given") if degrees is None or math.isnan(degrees) else dms(degrees, "N", "S")

    def longitude(self, degrees: float | None) -> str:
        return self.words("not_given") if degrees is None or math.isnan(degrees) else dms(degrees, "E", "W")

    def said(self, text: str | None) -> str:
        """A sentence of the record in this language, its large numbers in the chosen grouping."""
        if not text:
            return ""
        told = _set_right(self.words.said(text))
        return _regrouped(told) if self.indian else told


_NEGATIVE = re.compile(r"(?<![\w.,/\-])-(?=\d)")
_PER_CENT = re.compile(r"(?<=\d)%")


def _set_right(text: str) -> str:
    """Minus signs and per cents as the rest of a report sets them, outside quotation marks."""
    parts = _QUOTED.split(text)
    return "".join(
        part if k % 2 else _PER_CENT.sub(THIN + "%", _NEGATIVE.sub(MINUS, part))
        for k, part in enumerate(parts)
    )


_LARGE = re.compile(r"(?<![\d.,\w])\d{1,3}(?:,\d{3})+(?![\d,]|\.\w*[a-zA-Z])")
_QUOTED = re.compile(r"(\"[^\"]*\"|“[^”]*”)")


def _regrouped(text: str) -> str:
    """Thousands in Indian grouping, outside quotation marks: 1,234,567 is 12,34,567."""
    parts = _QUOTED.split(text)
    return "".join(
        part if k % 2 else _LARGE.sub(lambda m: grouped(m[0].replace(",", ""), indian=True), part)
        for k, part in enumerate(parts)
    )
