"""Which column of a pillar table holds what."""

from __future__ import annotations

import re
from dataclasses import dataclass

from survey.boundary import pillar_words as words
from survey.errors import InputRefused
from survey.tables import Table, header_key


@dataclass(frozen=True)
class Columns:
    """Indices of columns; ``lat`` and ``lon`` have one, or three for degrees, minutes and seconds."""

    lat: list[int]
    lon: list[int]
    east: int | None
    north: int | None
    pair: int | None
    name: int | None
    order: int | None
    part: int | None
    zone: int | None


def columns_of(table: Table) -> Columns:
    """Find the columns by their headers.

    Raises
    ------
    InputRefused
        No coordinates, or two columns of one coordinate.
    """
    keys = [header_key(column) for column in table.columns]
    split = [key.split() for key in keys]
    lat = [i for i, w in enumerate(split) if words.LAT & set(w) and not words.LON & set(w)]
    lon = [i for i, w in enumerate(split) if words.LON & set(w) and not words.LAT & set(w)]
    pairs = [
        i for i, w in enumerate(split) if (words.LAT & set(w) and words.LON & set(w)) or keys[i] in words.PAIR
    ]
    taken = set(lat) | set(lon) | set(pairs)
    east = [i for i in _coordinate(split, words.EAST) if i not in taken]
    north = [i for i in _coordinate(split, words.NORTH) if i not in taken]
    if not (lat and lon) and not (east and north) and not pairs:
        raise InputRefused(
            f"no columns of coordinates among {', '.join(repr(c[:40]) for c in table.columns)}",
            expected="latitude and longitude, or easting and northing",
            file=table.file,
            mend="Name the columns in the first line.",
        )
    name = next(
        (
            found[0]
            for group in (words.PILLAR, words.POINT, words.SERIAL)
            if (found := _named(keys, group, taken))
        ),
        None,
    )
    used = taken if name is None else taken | {name}
    return Columns(
        _one_or_three(table, lat) if lat and lon else [],
        _one_or_three(table, lon) if lat and lon else [],
        _only(table, east) if east and north else None,
        _only(table, north) if east and north else None,
        _only(table, pairs) if pairs and not (lat and lon) and not (east and north) else None,
        name,
        next(iter(_named(keys, words.ORDER, used)), None),
        next(iter(_named(keys, words.PART, used)), None),
        next(iter(_named(keys, words.ZONE, used)), None),
    )


def _named(keys: list[str], group: set[str], taken: set[int]) -> list[int]:
    return [i for i, key in enumerate(keys) if key in group and i not in taken]


def _coordinate(split: list[list[str]], group: set[str]) -> list[int]:
    """Headers whose first word names the coordinate and whose others are units and the like."""
    found = []
    for i, w in enumerate(split):
        telling = [word for word in w if word in group]
        rest = [word for word in w if word not in group and word not in words.BESIDE and not word.isdigit()]
        if telling and not [word for word in rest if not re.fullmatch(r"\d{1,2}[a-z]?", word)]:
            found.append(i)
    return found


def _only(table: Table, found: list[int]) -> int:
    if len(found) > 1:
        raise InputRefused(
            "has several columns of the same coordinate: "
            + ", ".join(repr(table.columns[i][:40]) for i in found),
            file=table.file,
            mend="Keep one of them.",
        )
    return found[0]


def _one_or_three(table: Table, found: list[int]) -> list[int]:
    """One column of angles, or two or three of degrees, minutes and seconds, in this order."""
    if len(found) == 1:
        return found
    spelled: tuple[tuple[str, ...], ...] = (
        ("deg", "degree", "degrees", "d", "dd"),
        ("min", "minute", "minutes", "m", "mm"),
    )
    spelled += (("sec", "second", "seconds", "s", "ss"),)
    units = {word: place for place, group in enumerate(spelled) for word in group}
    places = []
    for i in found:
        told = [units[w] for w in header_key(table.columns[i]).split() if w in units]
        places.append(told[-1] if told else None)
    if places == list(range(len(found))):
        return found
    return [_only(table, found)]
