"""Angles as surveyors write them: decimal degrees, degrees and minutes, degrees, minutes and seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from survey.tables import plain_digits

Axis = Literal["lat", "lon"]

# Every sign in use for degree, minute and second becomes one; two single primes are a double one.
_SIGNS = str.maketrans(
    dict.fromkeys("º˚∘⁰d*", "°")
    | dict.fromkeys("′’‘ʹ´`ʼ‵m", "'")
    | dict.fromkeys("″”“ʺ˝‶s", '"')
)  # fmt: skip
_WORDS = [
    (r"degrees?|deg\.?|अंश|डिग्री", "°"),
    (r"minutes?|mins?\.?|मिनट|कला", "'"),
    (r"seconds?|secs?\.?|सेकंड|सेकेंड|सेकण्ड|विकला", '"'),
]
_LETTERS = {
    "north": "N", "south": "S", "east": "E", "west": "W",
    "उत्तर": "N", "दक्षिण": "S", "पूर्व": "E", "पश्चिम": "W",
    "उ.": "N", "द.": "S", "पू.": "E", "प.": "W", "उ": "N", "द": "S", "पू": "E", "प": "W",
}  # fmt: skip
_LONGEST = 100
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_SEPARATED = re.compile(
    rf"(?P<d>{_NUMBER})(?:\s*[°:\-/\s]\s*(?P<m>{_NUMBER})(?:\s*[':\-/\s]\s*(?P<s>{_NUMBER})\s*\"?)?\s*'?)?\s*°?"
)


@dataclass(frozen=True, slots=True)
class Angle:
    """``degrees`` is signed: north and east are positive. ``axis`` is known where a letter N, S, E, W stood.

    ``step_deg`` is one unit of the last digit written: how finely the angle was stated.
    """

    degrees: float
    axis: Axis | None
    step_deg: float


def parse_angle(text: str, *, decimal: str = ".") -> Angle | None:
    """One angle in any of the usual spellings, or None if it is not one.

    ``24.5868``, ``24.5868° N``, ``N24°35'12.34"``, ``24 35 12.34 N``, ``24-35-12.34N``, ``24:35:12.34``,
    ``24° 35.2057' N``, ``24 deg 35 min 12.34 sec North``, ``२४°३५'१२.३४" उ``. Minutes and seconds of 60 or
    more, a minus sign beside a letter, and run-together digits (``243512``) are not angles.
    """
    found = _read(text, decimal) if len(text) <= _LONGEST else None
    return found if found is not None and abs(found.degrees) <= 360 else None


def split_pair(text: str) -> tuple[str, str] | None:
    """Two angles in one cell, with letters (``24°35'12"N 75°07'00"E``) or parted by ``,`` ``;`` or ``/``."""
    if len(text) > 2 * _LONGEST:
        return None
    plain = plain_digits(text).strip()
    letters = [(m.start(), m[0].upper()) for m in re.finditer(r"(?<![A-Za-z])[NSEWnsew](?![A-Za-z])", plain)]
    if len(letters) == 2 and (letters[0][1] in "NS") != (letters[1][1] in "NS"):
        # Letters stand before their angles or after them.
        at = letters[1][0] if letters[0][0] == 0 else letters[0][0] + 1
        return plain[:at].strip(" ,;/"), plain[at:].strip(" ,;/")
    for sign in (";", "/", ", ", ","):
        parts = plain.split(sign)
        if len(parts) == 2 and all(part.strip() for part in parts):
            return parts[0].strip(), parts[1].strip()
    return None


def _read(text: str, decimal: str) -> Angle | None:
    plain = plain_digits(text).strip().casefold()
    if decimal == "," or re.fullmatch(r"[^.,]*\d,\d+[^.,]*", plain):
        plain = plain.replace(",", ".")
    plain, letter = _take_letter(plain)
    if letter == "?":
        return None
    for pattern, sign in _WORDS:
        plain = re.sub(pattern, sign, plain)
    plain = plain.translate(_SIGNS).replace("''", '"')
    negative = plain.startswith("-")
    if plain[:1] in ("-", "+"):
        if letter is not None:
            return None
        plain = plain[1:].lstrip()
    match = _SEPARATED.fullmatch(plain.strip(" ;:-"))
    if match is None:
        return None
    degrees, minutes, seconds = match["d"], match["m"], match["s"]
    last = seconds or minutes or degrees
    step = 10.0 ** -len(last.partition(".")[2]) / (3600 if seconds else 60 if minutes else 1)
    if (minutes and "." in degrees) or (seconds and "." in (minutes or "")):
        return None
    if float(minutes or 0) >= 60 or float(seconds or 0) > 60:
        return None
    # Seconds of exactly 60 come from rounding 59.999 and mean what they say.
    value = float(degrees) + float(minutes or 0) / 60 + float(seconds or 0) / 3600
    axis: Axis | None = None if letter is None else "lat" if letter in "NS" else "lon"
    return Angle(-value if negative or letter in ("S", "W") else value, axis, step)


def _take_letter(plain: str) -> tuple[str, str | None]:
    """Cut the hemisphere off either end: the rest and N, S, E, W; None without one, "?" with two."""
    found: list[str] = []
    spelled = sorted(_LETTERS, key=len, reverse=True)
    pattern = "|".join(re.escape(word) for word in spelled) + "|[nsew]"
    for edge in (rf"^(?:{pattern})(?=[\s.\d°:-])\.?[\s:]*", rf"(?<=[\s\d.°'\"′″’”s-])(?:{pattern})\.?$"):
        match = re.search(edge, plain)
        if match:
            word = match[0].strip(" .:\t")
            # A closing "s" right behind digits is the unit of seconds, not the south.
            if word == "s" and edge.endswith("$") and re.search(r"\d\s*s$", plain) and "m" in plain:
                continue
            found.append(_LETTERS.get(word, _LETTERS.get(word + ".", word.upper())))
            plain = plain.replace(match[0], "", 1) if edge.startswith("^") else plain[: match.start()]
    if len(found) > 1:
        return plain, "?"
    return plain.strip(), found[0] if found else None
