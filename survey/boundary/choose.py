"""Which outline in a file is the lease: the only one that can be meant, or none and all are listed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from survey.boundary.features import Drawing, Feature, Ring
from survey.errors import InputRefused
from survey.remark import Remark
from survey.tables import header_key

_LEASE = re.compile(r"\b(?:lease|leases|leasehold|ml|ql)\b|पट्टा|पट्टे|लीज", re.IGNORECASE)
_BOUNDARY = re.compile(r"\b(?:boundary|boundry|bdy|outline|perimeter|limit)\b|सीमा", re.IGNORECASE)
_NOT_LEASE = re.compile(
    r"\b(?:buffer|100 ?m|500 ?m|7 ?5 ?m|pit|pits|dump|dumps|stock|stack|safety|barrier|village|forest|khasra|"
    r"district|tehsil|tahsil|taluka|state|road|plant|green ?belt|plantation|afforestation|working|workings|"
    r"core|zone|contour|contours|reserve|ore)\b",
    re.IGNORECASE,
)
ID_KEYS = (
    "lease_id", "leaseid", "lease_no", "leaseno", "lease_number", "lease_code", "ml_no", "mlno", "ml_number",
    "ml_code", "ql_no", "lease", "lease no", "ml", "mine_code", "minecode", "code", "id",
)  # fmt: skip
_CLOSING_GAP_M = 1.0
_LISTED = 12


@dataclass(frozen=True)
class Candidate:
    """Something with an outline.

    ``rank``: 2 named like a lease, 1 like a boundary, 0 like neither, −1 like something else.
    """

    label: str
    rank: int
    parts: tuple[tuple[Ring, ...], ...]
    lease_id: str | None
    by_line: bool = False
    properties: dict[str, Any] = field(default_factory=dict)


def candidates(
    drawing: Drawing, metres_per_unit: float, *, distinct: bool = True
) -> tuple[list[Candidate], list[Feature]]:
    """Everything with an outline (of equal outlines one, if ``distinct``), and the features of open lines."""
    found: list[Candidate] = []
    open_lines: list[Feature] = []
    for feature in drawing.features:
        closed = [line for line in feature.lines if _closes(line, metres_per_unit)]
        if len(closed) < len(feature.lines):
            open_lines.append(feature)
        parts = feature.polygons + tuple((line,) for line in closed)
        if not parts:
            continue
        found.append(
            Candidate(
                feature.label,
                _rank(feature),
                parts,
                id_of(feature.properties),
                by_line=not feature.polygons,
                properties=feature.properties,
            )
        )
    if not found and open_lines:
        chained = _chained(open_lines)
        if chained is not None:
            found.append(
                Candidate("the lines of the drawing", max(map(_rank, open_lines)), ((chained,),), None, True)
            )
            open_lines = []
    return (_distinct(found) if distinct else found), open_lines


def choose_lease(
    drawing: Drawing, metres_per_unit: float, lease_id: str | None
) -> tuple[Candidate, list[Remark]]:
    """The lease's outline.

    By its id if one is wanted; else the only outline; else the only one, or the only lease number, named
    like a lease; else the only one named like a boundary.

    Raises
    ------
    InputRefused
        None, or several that could be meant: they are listed.
    """
    found, open_lines = candidates(drawing, metres_per_unit)
    if not found:
        if open_lines:
            gap = _gap(open_lines[0].lines[0]) * metres_per_unit
            raise InputRefused(
                f"its line {open_lines[0].label!r} is open: {gap:.1f} m lie between its ends",
                expected="a closed outline",
                file=drawing.file,
                mend="Close the line at the first pillar.",
            )
        raise InputRefused("holds no outline of a lease", expected="a polygon", file=drawing.file)
    if lease_id is not None:
        wanted = header_key(lease_id)
        by_id = [c for c in found if _names_id(c, wanted)]
        if by_id:
            return _only(drawing, by_id, [])
    if drawing.format == "CSV" and len(found) > 1:
        labels = ", ".join(repr(c.label[:40]) for c in found[:_LISTED])
        note = f"The {len(found)} blocks of the table ({labels}) were taken as parts of one lease."
        parts = tuple(part for c in found for part in c.parts)
        return Candidate("lease", 2, parts, None), [Remark("lease-parts", note)]
    better = [line for line in open_lines if _rank(line) == 2]
    if better and max(c.rank for c in found) < 2:
        gap = _gap(better[0].lines[0]) * metres_per_unit
        raise InputRefused(
            f"the line {better[0].label!r} is open ({gap:.1f} m between its ends), and the closed outlines, "
            f"such as {found[0].label!r}, are not called a lease",
            file=drawing.file,
            mend="Close the line at the first pillar.",
        )
    if len(found) == 1:
        return found[0], []
    for rank in (2, 1):
        named = [c for c in found if c.rank == rank]
        if len(named) == 1 or (named and len({c.lease_id for c in named}) == 1 and named[0].lease_id):
            note = f"Of {len(found)} outlines the one named {named[0].label!r} was taken as the lease."
            return _only(drawing, named, [Remark("lease-chosen", note)])
        if named:
            break
    return _only(drawing, found, [])


def id_of(properties: dict[str, Any]) -> str | None:
    """A lease's number among a feature's attributes."""
    plain = {header_key(str(key)).replace(" ", ""): value for key, value in properties.items()}
    for key in ID_KEYS:
        value = plain.get(key.replace("_", "").replace(" ", ""))
        if value not in (None, "") and not isinstance(value, (dict, list, bool)):
            return str(value).strip()[:200]
    return None


def _only(drawing: Drawing, found: list[Candidate], notes: list[Remark]) -> tuple[Candidate, list[Remark]]:
    if len(found) == 1:
        return found[0], notes
    same = len({c.lease_id for c in found}) == 1 and found[0].lease_id is not None
    if same and all(c.rank >= 0 for c in found):  # a pit may carry the number of its lease too
        number = found[0].lease_id
        note = f"{len(found)} outlines carry the lease number {number!r} and were taken as its parts."
        parts = tuple(part for c in found for part in c.parts)
        joined = Candidate(
            found[0].label, found[0].rank, parts, found[0].lease_id, properties=found[0].properties
        )
        return joined, [*notes, Remark("lease-parts", note)]
    labels = [c.label + (f" (lease {c.lease_id})" if c.lease_id else "") for c in found]
    listed = ", ".join(repr(label[:80]) for label in labels[:_LISTED])
    more = f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else ""
    raise InputRefused(
        f"holds {len(found)} outlines, and nothing tells which is the lease: {listed}{more}",
        file=drawing.file,
        mend="Deliver the lease alone, or name its layer or feature 'lease'.",
    )


def _rank(feature: Feature) -> int:
    """By the feature's own name; by its layer's if that says nothing."""
    for text in (feature.name, feature.layer):
        plain = header_key(text)
        if not plain:
            continue
        if _NOT_LEASE.search(plain):
            return -1
        if _LEASE.search(plain):
            return 2
        if _BOUNDARY.search(plain):
            return 1
    return 0


def _names_id(candidate: Candidate, wanted: str) -> bool:
    values = [candidate.lease_id, candidate.label.rpartition(" / ")[2], *candidate.properties.values()]
    return any(header_key(str(value)) == wanted for value in values if value not in (None, ""))


def _gap(line: Ring) -> float:
    return float(np.hypot(*(line[0] - line[-1]))) if len(line) else 0.0


def _closes(line: Ring, metres_per_unit: float) -> bool:
    """Whether a line ends where it began. A gap up to a metre is a slip of the hand in a long line."""
    if len(line) < 4:
        return False
    length = float(np.hypot(*np.diff(line, axis=0).T).sum())
    return _gap(line) * metres_per_unit <= _CLOSING_GAP_M and _gap(line) <= 0.01 * length


def _chained(features: Sequence[Feature]) -> Ring | None:
    """The one ring that separate lines make when laid end to end, every one of them used."""
    import shapely

    lines = [shapely.LineString(line) for f in features for line in f.lines if len(line) >= 2]
    if len(lines) > 100_000:
        return None
    polygons, cuts, dangles, invalid = shapely.polygonize_full(lines)
    rings = shapely.get_parts(polygons)
    if len(rings) != 1 or not (cuts.is_empty and dangles.is_empty and invalid.is_empty):
        return None
    return shapely.get_coordinates(rings[0].exterior)


def _distinct(found: list[Candidate]) -> list[Candidate]:
    """An outline drawn twice (as polygon and as line, or on two layers) is one; the better name is kept."""
    kept: dict[frozenset[tuple[float, float]], Candidate] = {}
    for candidate in found:
        points = np.concatenate([ring for part in candidate.parts for ring in part])
        key = frozenset(map(tuple, np.round(points, 9).tolist()))
        if key not in kept or candidate.rank > kept[key].rank:
            kept[key] = candidate
    return list(kept.values())
