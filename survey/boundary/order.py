"""In which order pillars make a boundary. One order that gives a simple ring is taken; two are refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from survey.boundary.features import Ring
from survey.boundary.rings import MAX_MENDED, crossing, described
from survey.errors import InputRefused
from survey.remark import Remark
from survey.tables import plain_digits

_SAME_M = 0.02  # two readings of one pillar


@dataclass(frozen=True, slots=True)
class Corner:
    """A pillar as given; ``where`` is its place in the file, ``order`` what an order column says."""

    name: str
    x: float
    y: float
    where: str
    order: float | None = None


def ring_of(
    corners: Sequence[Corner], file: str, *, metres_per_unit: float
) -> tuple[Ring, list[Corner], list[Remark]]:
    """The closed ring of some pillars, the pillars along it, and what had to be said.

    Repeated rows are dropped. The order is that of the ``order`` column if there is one; else that of the
    file, or of the pillars' numbers where the file's order crosses itself and theirs does not.

    Raises
    ------
    InputRefused
        Fewer than three pillars, one name at two places, no order without a crossing, or two of them.
    """
    notes: list[Remark] = []
    if len(corners) > MAX_MENDED:
        raise InputRefused(f"has more than {MAX_MENDED:,} pillars", file=file)
    if all(c.order is not None for c in corners) and corners:
        if len({c.order for c in corners}) < len(corners):
            raise InputRefused("two pillars have the same place in the order", file=file)
        ordered = sorted(corners, key=lambda c: c.order or 0.0)
        kept = _without_repeats(ordered, file, metres_per_unit, notes, keep_last=False)
        return _checked(kept, file, metres_per_unit), kept, notes
    first = _without_repeats(corners, file, metres_per_unit, notes, keep_last=False)
    last = _without_repeats(corners, file, metres_per_unit, [], keep_last=True)
    if len(first) < 3:
        raise InputRefused(f"has {len(first)} different pillars", expected="three at least", file=file)

    as_filed = [kept for kept in (first, last) if crossing(_ring(kept)) is None]
    by_number = _by_number(first)
    if by_number is not None and crossing(_ring(by_number)) is not None:
        by_number = None
    if not as_filed:
        if by_number is None:
            return _checked(first, file, metres_per_unit), first, notes
        notes.append(
            Remark(
                "pillars-reordered",
                "The pillars are listed in an order that crosses itself; they were joined in the order of "
                "their numbers, which does not.",
                "serious",
            )
        )
        return _closed(by_number), by_number, notes
    choices = [*as_filed, *([by_number] if by_number is not None else [])]
    if all(_same_ring(choices[0], other) for other in choices[1:]):
        return _closed(as_filed[0]), as_filed[0], notes
    if len(as_filed) == 1 and by_number is None:
        return _closed(as_filed[0]), as_filed[0], notes
    if (
        by_number is not None
        and len(corners) > len(first)
        and any(_same_ring(by_number, a) for a in as_filed)
    ):
        return _closed(by_number), by_number, notes
    areas = " and ".join(f"{_area(c) * metres_per_unit**2 / 1e4:.4g} ha" for c in choices[:1] + choices[-1:])
    raise InputRefused(
        "the pillars make one boundary in the order of the rows and another in that of their numbers "
        f"({areas})",
        file=file,
        mend="List the pillars in walking order, or add a column 'order'.",
    )


def _without_repeats(
    corners: Sequence[Corner], file: str, metres: float, notes: list[Remark], *, keep_last: bool
) -> list[Corner]:
    """One corner per pillar. A first pillar repeated at the end closes the ring and needs no word."""
    listed = list(corners)
    closes = len(listed) > 3 and _apart(listed[0], listed[-1]) * metres <= _SAME_M
    if closes and (listed[0].name == listed[-1].name or not listed[-1].name or not listed[0].name):
        listed.pop()
    distinct_names = len({c.name for c in listed if c.name}) > 1
    kept: dict[object, Corner] = {}
    places: dict[tuple[float, float], object] = {}
    dropped: list[Corner] = []
    for corner in listed:
        named = corner.name if corner.name and distinct_names else None
        place = (corner.x, corner.y)
        key: object = named or place
        if key not in kept and place in places:
            key = places[place]  # another name for a pillar that is there already
        if key in kept:
            other = kept[key]
            gap = _apart(other, corner) * metres
            if gap > _SAME_M:
                raise InputRefused(
                    f"pillar {corner.name[:40]!r} stands at two places {gap:.2f} m apart "
                    f"({other.where} and {corner.where})",
                    file=file,
                    mend="Remove the wrong one.",
                )
            dropped.append(corner)
            if not keep_last:
                continue
            del kept[key]
        kept[key] = corner
        places[place] = key
    if dropped:
        names = ", ".join(c.name or c.where for c in dropped[:10])
        notes.append(Remark("pillars-repeated", f"Pillars listed twice were taken once: {names}.", "caution"))
    return list(kept.values())


def _by_number(corners: list[Corner]) -> list[Corner] | None:
    """Sorted by the numbers in their names (P2 before P10, P2A behind P2), if these tell them all apart."""
    keys = []
    for corner in corners:
        text = plain_digits(corner.name)
        match = re.fullmatch(r"(\D*)(\d+)\W*([A-Za-z]?)\W*", text)
        if match is None:
            return None
        keys.append((match[1].strip().casefold(), int(match[2]), match[3].casefold()))
    if len(set(keys)) < len(keys) or len({key[0] for key in keys}) > 1:
        return None
    return [corner for _, corner in sorted(zip(keys, corners, strict=True), key=lambda pair: pair[0])]


def _apart(a: Corner, b: Corner) -> float:
    return float(np.hypot(a.x - b.x, a.y - b.y))


def _ring(corners: Sequence[Corner]) -> Ring:
    return np.array([(c.x, c.y) for c in corners])


def _closed(corners: Sequence[Corner]) -> Ring:
    ring = _ring(corners)
    return np.vstack([ring, ring[:1]])


def _area(corners: Sequence[Corner]) -> float:
    ring = _closed(corners) - _ring(corners)[0]
    return abs(float(np.sum(ring[:-1, 0] * ring[1:, 1] - ring[1:, 0] * ring[:-1, 1]))) / 2


def _same_ring(a: Sequence[Corner], b: Sequence[Corner]) -> bool:
    """The same cycle of places, begun anywhere and walked either way."""
    first = [(c.x, c.y) for c in a]
    second = [(c.x, c.y) for c in b]
    if len(first) != len(second) or first[0] not in second:
        return False
    at = second.index(first[0])
    turned = second[at:] + second[:at]
    return first in (turned, turned[:1] + turned[:0:-1])


def _checked(corners: list[Corner], file: str, metres: float) -> Ring:
    if len(corners) < 3:
        raise InputRefused(f"has {len(corners)} different pillars", expected="three at least", file=file)
    ring = _ring(corners)
    found = crossing(ring)
    if found is not None:
        sides = [described(k, [c.name or c.where for c in corners]) for k in found]
        raise InputRefused(
            f"the side {sides[0]} crosses the side {sides[1]}: the pillars are not in walking order",
            file=file,
            mend="List the pillars in the order in which one walks around the lease.",
        )
    return _closed(corners)
