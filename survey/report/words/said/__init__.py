"""Recorded sentences, said again in Hindi when a report is drawn.

The record is in English: it is a contract, and its bytes do not depend on a reader's language. What it says
is made from a closed list of sentences with values in them, so a catalogue can say each again, for a record
of today as for one that was written years ago. ``*.toml`` in this folder holds the sentences by room: the
English with its values named in braces, and the Hindi with the same names. ``{n}``, ``{n1}``, ``{n2}`` … hold
a value without a space (a number, a day); any other name may hold a name or a whole clause, which is looked
up in the catalogue in its turn. Of several readings the one that leaves the fewest English words is taken.

What the catalogue does not know (names, file names, quoted law) stands as it was recorded; a clause of it is
set in quotation marks, so that a reader sees that these are the record's own words.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

_MOST_CHARACTERS = 4000
"""Longer texts are nobody's sentence; they stand as they are."""
_MOST_STEPS = 400
"""Places that are tried for the values of one pattern: names in a sentence come from strangers."""
_DEPTH = 6
_START = 3

_BRACE = re.compile(r"\{(\w+)\}")
_SINGLE = re.compile(r"n\d*")
_SENTENCE_END = re.compile(r"(?<=[.?!…]) (?=\S)")
_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|\[\[[^\]]*\]\]|[\w.\-]*[\w\-][._/][\w.\-/]+|\([a-z]{1,3}\)")
_ENGLISH = re.compile(r"(?<![\w.\-])[a-z]{2,}(?:-[a-z]+)*(?![\w\-])")
_LETTERS = re.compile(r"[A-Za-z]")
_NEXT_SENTENCE = re.compile(r"[.?!] [A-Z“\"⟦]")
_OPEN = {"rest", "message", "reason", "cause", "why"}
"""Values that may hold several sentences; any other ends where its sentence ends."""
_LISTED = {*_OPEN, "reasons", "words", "wrong", "text", "cells", "names", "leases"}
"""Values that may be a list of clauses; any other ends where its clause ends."""
_LISTS = (("; ", "; "), (", ", ", "), (" and ", " तथा "), (" or ", " या "), (" / ", " / "))
_PLAIN = ("; ", ", ", " / ")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A sentence of the catalogue: literals with names between them, and its Hindi."""

    english: str
    hindi: str
    literals: tuple[str, ...]
    names: tuple[str, ...]
    probe: str  # the longest literal, without a letter that may be a capital: a text without it is another


@dataclass(frozen=True, slots=True)
class Reading:
    """A text in Hindi, and how many English words it still holds."""

    text: str
    left: int


def _bare(text: str, stop: str = ".") -> str:
    return text[:-1] if text.endswith(stop) and not text.endswith("..") else text


@lru_cache(maxsize=1)
def catalogue() -> tuple[Pattern, ...]:
    """Every pattern, those with the most fixed words first.

    Raises
    ------
    ValueError
        If two rooms say one sentence differently: that is a fault of the catalogue.
    """
    found: dict[str, Pattern] = {}
    for entry in sorted(files("survey.report.words.said").iterdir(), key=lambda e: e.name):
        if not entry.name.endswith(".toml"):
            continue
        for english, hindi in tomllib.loads(entry.read_text(encoding="utf-8")).items():
            parts = _BRACE.split(_bare(english))
            probe = max((parts[0][1:], *parts[2::2]), key=len)
            pattern = Pattern(english, _bare(hindi, "।"), tuple(parts[::2]), tuple(parts[1::2]), probe)
            former = found.setdefault(_bare(english), pattern)
            if former.hindi != pattern.hindi:
                raise ValueError(f"two ways to say {english!r}")
    return tuple(sorted(found.values(), key=lambda p: (-sum(map(len, p.literals)), p.english)))


@lru_cache(maxsize=1)
def _index() -> dict[str, tuple[Pattern, ...]]:
    """The patterns that a text with these first letters can be, in the order of the catalogue."""
    starts = {p.literals[0][:_START].casefold() for p in catalogue()}
    return {
        start: tuple(
            p for p in catalogue() if start.startswith(p.literals[0][:_START].casefold()) or not p.literals[0]
        )
        for start in starts
    }


def _candidates(text: str) -> tuple[Pattern, ...]:
    index, start = _index(), text[:_START].casefold()
    return next((index[start[:k]] for k in range(len(start), -1, -1) if start[:k] in index), ())


def said(text: str) -> str:
    """A recorded text in Hindi; the text itself where the catalogue has no word of it."""
    bare = text.strip()
    return text.replace(bare, _said(bare).text, 1) if bare else text


def unsaid(text: str) -> int:
    """How many English words of a recorded text stay English."""
    return _said(text.strip()).left


@lru_cache(maxsize=20_000)
def _said(text: str) -> Reading:
    if len(text) > _MOST_CHARACTERS:
        return Reading(text, _english_words(text))
    return _value(text, 0)


def _english_words(text: str) -> int:
    """Small words outside quotation marks: a name of a person, file or standard is not counted."""
    return len(_ENGLISH.findall(_QUOTED.sub(" ", text)))


@lru_cache(maxsize=50_000)
def _reading(text: str, depth: int) -> Reading:
    if depth > _DEPTH:
        return _as_recorded(text)
    body, stop = (text[:-1], "।") if text.endswith(".") and not text.endswith("..") else (text, "")
    best: Reading | None = None
    for pattern in _candidates(body):
        if pattern.probe not in body:
            continue
        values = _values(pattern, body)
        if values is None:
            continue
        readings = {
            # What stands in quotation marks is a name: it is never looked up.
            name: Reading(value, 0) if before.endswith('"') else _value(value, depth + 1)
            for before, (name, value) in zip(pattern.literals, values.items(), strict=False)
        }
        left = sum(r.left for r in readings.values())
        if best is None or left < best.left:
            best = Reading(pattern.hindi.format(**{n: r.text for n, r in readings.items()}) + stop, left)
        if left == 0:
            return best
    for other in (_sentences(text, depth), _ellipsis(body, stop, depth), _listed(body, stop, depth)):
        if other is not None and (best is None or other.left < best.left):
            best = other
    return best if best is not None else _as_recorded(text)


def _value(text: str, depth: int) -> Reading:
    """A value in a sentence: a number or a name as it is, a clause in Hindi."""
    return _reading(text, depth) if _LETTERS.search(text) or _english_words(text) else Reading(text, 0)


def _as_recorded(text: str) -> Reading:
    left = _english_words(text)
    clause = left >= 3 and not (text.startswith(("“", '"')) and text.endswith(("”", '"')))
    return Reading(f"“{text}”" if clause else text, left)


def _sentences(text: str, depth: int) -> Reading | None:
    """Several sentences, each on its own: the split that leaves the least English."""
    pieces = _SENTENCE_END.split(text)
    if len(pieces) < 2 or len(pieces) > 40:
        return None
    # best[k]: the first k pieces. A pattern may hold several sentences, so longer runs are tried too.
    best: list[Reading | None] = [Reading("", 0)] + [None] * len(pieces)
    for end in range(1, len(pieces) + 1):
        for start in range(max(0, end - 4), end):
            if (start, end) == (0, len(pieces)):
                continue
            before = best[start]
            if before is None:
                continue
            run = _reading(" ".join(pieces[start:end]), depth + 1)
            left = before.left + run.left
            now = best[end]
            if now is None or left < now.left:
                best[end] = Reading(f"{before.text} {run.text}" if before.text else run.text, left)
    return best[-1]


def _ellipsis(body: str, stop: str, depth: int) -> Reading | None:
    if not body.endswith(" …"):
        return None
    inner = _reading(body[:-2], depth + 1)
    return Reading(f"{inner.text} …{stop}", inner.left)


def _listed(body: str, stop: str, depth: int) -> Reading | None:
    """A list of clauses or names."""
    best: Reading | None = None
    for between, hindi in _LISTS:
        parts = body.split(between)
        if not 2 <= len(parts) <= 60:
            continue
        readings = [_value(part, depth + 1) for part in parts]
        left = sum(r.left for r in readings)
        words = _english_words(body)
        same = all(r.text == p for r, p in zip(readings, parts, strict=True))
        if left > words or (same and (left or between in _PLAIN)):
            continue
        if best is None or left < best.left:
            best = Reading(hindi.join(r.text for r in readings) + stop, left)
    return best


def _values(pattern: Pattern, text: str) -> dict[str, str] | None:
    """What stands in the braces of a pattern if the text is that sentence; the shortest values first."""
    literals, names = pattern.literals, pattern.names
    first, last = literals[0], literals[-1]
    if not _begins(text, first) or len(text) < sum(map(len, literals)):
        return None
    if not names:
        return {} if len(text) == len(first) else None
    if not text.endswith(last) or not all(literal in text for literal in literals[1:]):
        return None
    steps = 0

    def fit(k: int, at: int) -> Iterator[dict[str, str]]:
        """Values of the names from the k-th on, in the text from ``at`` on."""
        nonlocal steps
        literal = literals[k + 1]
        if k == len(names) - 1:
            value = text[at : len(text) - len(literal)]
            if _fits(names[k], value):
                yield {names[k]: value}
            return
        found = text.find(literal, at + 1)
        while found >= 0 and steps < _MOST_STEPS:
            steps += 1
            value = text[at:found]
            if _fits(names[k], value):
                for rest in fit(k + 1, found + len(literal)):
                    if rest.get(names[k], value) == value:
                        yield {names[k]: value, **rest}
            elif _SINGLE.fullmatch(names[k]) and " " in value:
                return
            found = text.find(literal, found + 1)

    return next(fit(0, len(first)), None)


def _begins(text: str, literal: str) -> bool:
    """A clause may begin with a capital where it opens a sentence."""
    if not literal:
        return True
    return text.startswith(literal[1:], 1) and text[:1].casefold() == literal[:1].casefold()


def _fits(name: str, value: str) -> bool:
    if _SINGLE.fullmatch(name):
        return bool(value) and " " not in value
    if not value or (name not in _LISTED and "; " in value):
        return False
    return name in _OPEN or not _NEXT_SENTENCE.search(value)
