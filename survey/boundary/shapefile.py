"""Shapefiles: outlines from the .shp, names from the .dbf, the system from the .prj beside it.

Written from the ESRI Shapefile Technical Description (1998). The .shx is not needed: it only says again
where the records of the .shp begin. No driver sees the files, so none can be led astray by their neighbours.
"""

from __future__ import annotations

import os
import struct
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.boundary.dbf import read_dbf
from survey.boundary.features import MAX_BYTES, Budget, Drawing, Feature, Ring, read_bytes
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from pyproj import CRS

_NAMES = ("name", "title", "label", "pillar", "pillar_no", "lease_id", "lease_no", "id")
_MAX_RINGS = 5000  # in one feature: which lies in which takes their square to find out
_POINT, _LINE, _POLYGON, _MULTIPOINT = 1, 3, 5, 8


def read_shapefile(data: bytes, path: str, *, max_bytes: int = MAX_BYTES) -> Drawing:
    """A ``.shp``; the ``.dbf`` and ``.prj`` are read where they stand beside it.

    Raises
    ------
    InputRefused
        Damaged, of a kind without outlines, or with a ``.prj`` that is not understood.
    """
    budget = Budget(path)
    records = _records(data, budget, path)
    notes: list[Remark] = []
    rows = _attributes(path, len(records), max_bytes, notes)
    prj = _beside(path, ".prj")
    crs = None if prj is None else _crs(prj, path)
    features = []
    by_nesting = 0
    for (kind, parts, heights), row in zip(records, rows, strict=True):
        if kind == 0 or row is None:
            continue
        polygons: tuple[tuple[Ring, ...], ...] = ()
        if kind == _POLYGON:
            polygons, misturned = nested(parts)
            by_nesting += misturned
        lower = {name.lower(): value for name, value in row.items()}
        name = next((str(lower[key]) for key in _NAMES if lower.get(key) not in (None, "")), "")
        features.append(
            Feature(
                name[:200],
                "",
                polygons,
                tuple(parts) if kind == _LINE else (),
                tuple(parts) if kind in (_POINT, _MULTIPOINT) else (),
                row,
                heights,
            )
        )
    if by_nesting:
        text = (
            f"{by_nesting} ring(s) lie inside another without being marked as holes and were read as holes."
        )
        notes.append(Remark("shp-holes-by-nesting", text))
    return Drawing(path, "Shapefile", tuple(features), crs, "the .prj" if crs else "", tuple(notes))


def _records(data: bytes, budget: Budget, path: str) -> list[tuple[int, list[Ring], bool]]:
    """Kind, rings (or lines, or points) and whether there were heights, of every record."""
    if len(data) < 100 or struct.unpack_from(">i", data, 0)[0] != 9994:
        raise InputRefused("is not a shapefile, or is cut short", file=path)
    end = 2 * struct.unpack_from(">i", data, 24)[0]
    if not 100 <= end <= len(data):
        raise InputRefused(f"is cut short: it has {len(data):,} of {end:,} bytes", file=path)
    found = []
    at = 100
    while at < end:
        if at + 12 > end:
            raise InputRefused("ends within a record", file=path)
        size = 2 * struct.unpack_from(">i", data, at + 4)[0]
        if size < 4 or at + 8 + size > end:
            raise InputRefused("holds a record that is longer than the file", file=path)
        budget.feature()
        found.append(_shape(data[at + 8 : at + 8 + size], budget, path))
        at += 8 + size
    return found


def _shape(record: bytes, budget: Budget, path: str) -> tuple[int, list[Ring], bool]:
    code = struct.unpack_from("<i", record)[0]
    if code == 0:
        return 0, [], False
    kind, has_z = code % 10, 10 <= code < 20
    if kind not in (_POINT, _LINE, _POLYGON, _MULTIPOINT) or not 0 < code < 30:
        raise InputRefused(f"holds a shape of type {code}", expected="polygons, lines or points", file=path)
    try:
        if kind == _POINT:
            xy = np.frombuffer(record, "<f8", 2, 4).reshape(1, 2)
            heights = has_z and struct.unpack_from("<d", record, 20)[0] != 0
            budget.vertices(1)
            return kind, [xy.astype(np.float64)], heights
        if kind == _MULTIPOINT:
            count, starts, at = struct.unpack_from("<i", record, 36)[0], [0], 40
        else:
            parts, count = struct.unpack_from("<ii", record, 36)
            if parts < 0:
                raise ValueError
            budget.vertices(parts)
            starts = np.frombuffer(record, "<i4", parts, 44).tolist()
            at = 44 + 4 * parts
        if count < 0 or at + 16 * count > len(record):
            raise ValueError
        budget.vertices(count)
        xy = np.frombuffer(record, "<f8", 2 * count, at).reshape(count, 2).astype(np.float64)
        z_at = at + 16 * count + 16
        heights = False
        if has_z and z_at + 8 * count <= len(record):
            heights = bool(np.any(np.frombuffer(record, "<f8", count, z_at) != 0))
    except (struct.error, ValueError):
        raise InputRefused("holds a damaged record", file=path) from None
    edges = [*starts, count]
    if starts[:1] not in ([], [0]) or any(a > b for a, b in pairwise(edges)):
        raise InputRefused("holds a record whose parts are out of order", file=path)
    return kind, [xy[a:b] for a, b in pairwise(edges) if b > a], heights


def nested(rings: list[Ring]) -> tuple[tuple[tuple[Ring, ...], ...], int]:
    """Rings sorted into outer ones with their holes, by what lies inside what.

    The format marks holes by their sense of turning, but writers get that wrong; within one feature a ring
    inside a ring can only be a hole, and a ring in that hole an island.

    Returns
    -------
    The parts, and how many holes were not marked as such.
    """
    import shapely

    if len(rings) > _MAX_RINGS:
        raise InputRefused(f"holds a feature of more than {_MAX_RINGS:,} rings")
    if len(rings) < 2:
        return tuple((ring,) for ring in rings), 0
    areas = [_signed_area(ring) for ring in rings]
    shapes = [shapely.Polygon(ring) if len(ring) >= 4 else shapely.Polygon() for ring in rings]
    usable = [i for i, shape in enumerate(shapes) if shape.is_valid and shape.area > 0]
    tree = shapely.STRtree([shapes[i] for i in usable])
    inside = shapely.point_on_surface([shapes[i] for i in usable])
    around: dict[int, list[int]] = {i: [] for i in range(len(rings))}
    for point, holder in zip(*tree.query(inside, predicate="within").tolist(), strict=True):
        if abs(areas[usable[holder]]) > abs(areas[usable[point]]):
            around[usable[point]].append(usable[holder])
    holes: dict[int, list[int]] = {}
    outers: list[int] = []
    misturned = 0
    for i, holders in around.items():
        if len(holders) % 2 == 0:
            outers.append(i)
            continue
        parent = min(holders, key=lambda k: abs(areas[k]))
        holes.setdefault(parent, []).append(i)
        misturned += (areas[i] > 0) == (areas[parent] > 0)
    return tuple((rings[i], *(rings[k] for k in holes.get(i, []))) for i in outers), misturned


def _signed_area(ring: Ring) -> float:
    if len(ring) < 3:
        return 0.0
    x, y = (ring - ring[0]).T
    with np.errstate(all="ignore"):  # whether the numbers are finite is asked later
        return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def _attributes(path: str, count: int, max_bytes: int, notes: list[Remark]) -> list[dict[str, Any] | None]:
    """A row of attributes for each record; None where the table marks the record as deleted."""
    dbf = _beside(path, ".dbf")
    if dbf is None:
        notes.append(Remark("shp-without-dbf", "The .dbf with the names is missing.", "info"))
        return [{} for _ in range(count)]
    cpg = _beside(path, ".cpg")
    encoding = read_bytes(cpg, 1000).decode("ascii", errors="replace").strip() if cpg else None
    try:
        rows = read_dbf(read_bytes(dbf, max_bytes), encoding)
        if len(rows) != count:
            raise InputRefused(f"it has {len(rows)} rows for {count} outlines")
    except InputRefused as error:
        text = f"The .dbf with the names was not used: {error.found}."
        notes.append(Remark("shp-dbf-not-used", text))
        return [{} for _ in range(count)]
    deleted = sum(row is None for row in rows)
    if deleted:
        notes.append(Remark("shp-deleted", f"{deleted} record(s) marked as deleted were left out."))
    return rows


def _beside(path: str, ending: str) -> str | None:
    """The part of the shapefile with another ending, in either case of letters."""
    stem = os.path.splitext(path)[0]
    for spelled in (ending, ending.upper()):
        if os.path.isfile(stem + spelled):
            return stem + spelled
    return None


def _crs(prj: str, path: str) -> CRS | None:
    from survey.boundary.crs import crs_from

    text = read_bytes(prj, 65_536).decode("utf-8", errors="replace").strip("\ufeff\0 \t\r\n")
    crs = crs_from(text, file=path)
    return None if crs.is_engineering else crs
