"""Polygons that a job names besides the lease: stable ground, workings, a river bed, pits to assess."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING

from survey.boundary.choose import candidates
from survey.boundary.crs import crs_from, move
from survey.boundary.features import metres_per_unit, refuse_wild
from survey.boundary.formats import read_drawing
from survey.boundary.placing import place
from survey.boundary.rings import polygon_of, remarks
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from shapely import MultiPolygon, Polygon


def read_polygons(
    path: str | os.PathLike[str],
    *,
    wanted_crs: str,
    crs: str | None = None,
    notes: list[Remark] | None = None,
    distinct: bool = True,
) -> list[tuple[str, Polygon | MultiPolygon]]:
    """All named polygons of a vector file, in a wanted metric system, in the file's order.

    Unnamed ones are called "polygon 1", …; equal names get a number. What was decided is added to ``notes``.
    ``distinct``: an outline that is drawn twice is given once.

    Raises
    ------
    InputRefused
        As :func:`read_lease`; also when the file holds no polygon.
    """
    given = None if crs is None else crs_from(crs)
    drawing = read_drawing(path, crs=given)
    refuse_wild(drawing)
    found, open_lines = candidates(drawing, metres_per_unit(drawing), distinct=distinct)
    if not found:
        what = "only open lines" if open_lines else "no polygon"
        raise InputRefused(f"holds {what}", expected="polygons", file=drawing.file)
    placed = place(drawing, [ring for c in found for part in c.parts for ring in part], given)
    target = crs_from(wanted_crs).to_wkt()
    mends: Counter[str] = Counter()
    used: Counter[str] = Counter()
    polygons = []
    for number, candidate in enumerate(found, start=1):
        label = _own_name(candidate.label) or f"polygon {number}"
        drawn = polygon_of(
            [[placed.straightened(ring) for ring in part] for part in candidate.parts],
            file=drawing.file,
            label=repr(label),
            metres_per_unit=placed.metres_per_unit,
            mends=mends,
        )
        polygon = move(drawn, placed.crs_wkt, target, near=placed.near)
        if not polygon.is_valid:
            raise InputRefused(f"{label!r} crosses itself when projected", file=drawing.file)
        used[label] += 1
        polygons.append((label if used[label] == 1 else f"{label} ({used[label]})", polygon))
    if notes is not None:
        notes += [*drawing.notes, *placed.notes, *remarks(mends)]
    return polygons


def _own_name(label: str) -> str:
    return "" if label == "unnamed" else label.rpartition(" / ")[2]
