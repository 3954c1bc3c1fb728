"""Boundary pillars in a CSV: coordinates in any of the usual spellings, names kept, order understood."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.boundary.angles import Angle, parse_angle, split_pair
from survey.boundary.features import Budget, Drawing, Feature
from survey.boundary.order import Corner, ring_of
from survey.boundary.pillar_columns import Columns, columns_of
from survey.errors import InputRefused
from survey.remark import Remark
from survey.tables import Table, is_missing, parse_number, table_from_bytes

if TYPE_CHECKING:
    from pyproj import CRS

_OLD_DATUMS = re.compile(r"everest|kalianpur|indian\s*(?:datum)?\s*(?:19)?(?:54|60|75)|एवरेस्ट", re.IGNORECASE)
_WGS84 = re.compile(r"wgs\W*(?:19)?84", re.IGNORECASE)
_ZONE_TEXT = re.compile(r"(?:utm|zone)\D{0,20}(?<!\d)(\d{1,2})(?!\d)\s*[-_]?\s*([A-Za-z]\b)?", re.IGNORECASE)


def read_pillars(data: bytes, file: str, *, crs: CRS | None = None) -> Drawing:
    """The ring or rings that pillars make, and the pillars themselves as named points.

    Latitude and longitude are on WGS 84 unless ``crs`` is geographic. Eastings and northings are in ``crs``,
    or in the UTM zone that a column, a header or a title names.

    Raises
    ------
    InputRefused
        No coordinates found, a coordinate missing or not readable, its system unknown, two claims that
        contradict each other, or an order of pillars that makes no simple ring.
    """
    table = table_from_bytes(data, file)
    notes: list[Remark] = list(table.notes)
    if not table.has_header:
        raise InputRefused(
            "has no header line",
            expected="columns such as pillar, latitude, longitude",
            file=file,
            mend="Add a first line that names the columns.",
        )
    if not len(table):
        raise InputRefused("has a header but no pillars", file=file)
    Budget(file).vertices(len(table))
    columns = columns_of(table)
    if columns.lat or columns.pair is not None:
        xy, system, said_by = _geographic(table, columns, crs, notes)
        if columns.east is not None and columns.north is not None:
            _compare_with_grid(table, columns, xy, crs, notes)
    else:
        xy, system, said_by = _projected(table, columns, crs, notes)
    drawing_notes, features = _rings(table, columns, xy, system)
    return Drawing(file, "CSV", tuple(features), system, said_by, tuple(notes + drawing_notes))


# -- coordinates --------------------------------------------------------------------------------------------


def _refuse(table: Table, row: int, what: str) -> InputRefused:
    return InputRefused(f"line {table.lines[row]}: {what}", file=table.file)


def _angle(table: Table, row: int, columns: list[int]) -> Angle:
    cells = [table.rows[row][i] for i in columns]
    if all(is_missing(cell) for cell in cells):
        raise _refuse(table, row, f"column {table.name(columns[0])} is empty")
    text = cells[0]
    if len(cells) > 1:
        # Degrees, minutes and seconds in columns of their own; a letter may stand in the last.
        text = " ".join(cell if not is_missing(cell) else "0" for cell in cells)
    angle = parse_angle(text, decimal=table.decimal or ".")
    if angle is None:
        raise _refuse(table, row, f"{text[:60]!r} is not an angle that can be read in only one way")
    if abs(angle.degrees) > 180:
        raise _refuse(table, row, f"{text[:60]!r} lies beyond 180°")
    return angle


def _geographic(
    table: Table, columns: Columns, crs: CRS | None, notes: list[Remark]
) -> tuple[NDArray[np.float64], CRS, str]:
    from survey.boundary.crs import LON_LAT, crs_from

    first: list[Angle] = []
    second: list[Angle] = []
    for row in range(len(table)):
        if columns.pair is not None:
            halves = split_pair(table.rows[row][columns.pair])
            angles = (
                [parse_angle(half, decimal=table.decimal or ".") for half in halves] if halves else [None]
            )
            if len(angles) != 2 or angles[0] is None or angles[1] is None:
                raise _refuse(
                    table, row, f"{table.rows[row][columns.pair][:60]!r} is not a pair of coordinates"
                )
            first.append(angles[0])
            second.append(angles[1])
        else:
            first.append(_angle(table, row, columns.lat))
            second.append(_angle(table, row, columns.lon))
    axes = ({a.axis for a in first} - {None}, {a.axis for a in second} - {None})
    if len(axes[0]) > 1 or len(axes[1]) > 1 or (axes[0] and axes[0] == axes[1]):
        raise InputRefused("the letters N, E, S, W contradict one another", file=table.file)
    crossed = axes[0] == {"lon"} or axes[1] == {"lat"}
    if crossed:
        first, second = second, first
        if columns.pair is None:
            notes.append(
                Remark(
                    "pillars-letters-swapped",
                    "The letters N and E stand under the wrong headers: the columns of latitude and "
                    "longitude were exchanged.",
                    "serious",
                )
            )
    step = float(np.median([max(a.step_deg, b.step_deg) for a, b in zip(first, second, strict=True)]))
    if step * 111_000 > 1.0:
        notes.append(
            Remark(
                "pillars-coarse",
                f"The pillars are stated to {step * 111_000:.3g} m only ({step:.2g}°).",
                "serious" if step * 111_000 > 20 else "caution",
            )
        )
    xy = np.array([[b.degrees, a.degrees] for a, b in zip(first, second, strict=True)])
    if crs is not None and crs.is_geographic:
        return xy, crs, "the job"
    _refuse_old_datum(table)
    notes.append(Remark("pillars-wgs84", "Latitudes and longitudes were taken to be on WGS 84.", "info"))
    return xy, crs_from(LON_LAT), "the headers latitude and longitude"


def _refuse_old_datum(table: Table) -> None:
    told = " ".join(" ".join((*table.preamble, *table.columns)).split())
    match = _OLD_DATUMS.search(told)
    if match:
        raise InputRefused(
            f"names an old datum ({match[0]!r}), which lies hundreds of metres from WGS 84",
            file=table.file,
            mend="State the reference system, for example crs = 'EPSG:4146' (Kalianpur 1975).",
        )


def _projected(
    table: Table, columns: Columns, crs: CRS | None, notes: list[Remark]
) -> tuple[NDArray[np.float64], CRS, str]:
    from survey.boundary.crs import LON_LAT, crs_from

    assert columns.east is not None
    assert columns.north is not None
    xy = np.column_stack([_metres(table, columns.east), _metres(table, columns.north)])
    if (np.abs(xy[:, 0]) <= 180).all() and (np.abs(xy[:, 1]) <= 90).all():
        if crs is None or crs.is_geographic:
            _refuse_old_datum(table)
            notes.append(
                Remark(
                    "pillars-degrees-under-xy",
                    "The columns of easting and northing hold degrees: they were read as longitude and "
                    "latitude" + ("." if crs else " on WGS 84."),
                )
            )
            return xy, crs or crs_from(LON_LAT), "the size of the numbers"
        raise InputRefused(
            f"eastings and northings such as {xy[0, 0]:g}, {xy[0, 1]:g} are degrees, "
            f"not metres in {crs.name}",
            file=table.file,
        )
    if crs is not None:
        if crs.is_geographic:
            raise InputRefused(
                f"eastings and northings such as {xy[0, 0]:.2f}, {xy[0, 1]:.2f} are not degrees, "
                f"and {crs.name} has no others",
                file=table.file,
                mend="State the projected system of the eastings, such as EPSG:32643.",
            )
        return xy, crs, "the job"
    zones = _zones(table, columns)
    if not zones:
        raise InputRefused(
            "has eastings and northings, but nothing says in which reference system",
            expected="a column with the UTM zone, or crs in the job",
            file=table.file,
            mend="State crs, for example 'EPSG:32643' for UTM zone 43 N.",
        )
    if len(set(zones)) > 1:
        raise InputRefused(
            f"has pillars in several UTM zones ({', '.join(sorted(set(zones)))})",
            file=table.file,
            mend="Give all pillars in one zone, or as latitude and longitude.",
        )
    _refuse_old_datum(table)
    system = crs_from(f"UTM {zones[0]}")
    notes.append(Remark("pillars-zone", f"Eastings and northings were read in {system.name}.", "info"))
    return xy, system, "the UTM zone in the table"


def _metres(table: Table, column: int) -> NDArray[np.float64]:
    """A column of metres; a letter or the unit behind the number ("512345.67 E", "m E") is allowed."""
    values = np.empty(len(table))
    for row in range(len(table)):
        cell = table.rows[row][column]
        value = parse_number(re.sub(r"(?i)\s*m?\s*[EN]?\.?$", "", cell.strip()), table.decimal)
        if is_missing(cell):
            raise _refuse(table, row, f"column {table.name(column)} is empty")
        if value is None or not np.isfinite(value):
            raise _refuse(
                table, row, f"column {table.name(column)} holds {cell[:60]!r}, not a number of metres"
            )
        values[row] = value
    return values


def _zones(table: Table, columns: Columns) -> list[str]:
    """UTM zones as "43N": of each row, or the one that a header or title names."""
    if columns.zone is not None:
        return [
            _zone(table, *_zone_parts(table.rows[row][columns.zone]), f"line {table.lines[row]}")
            for row in range(len(table))
        ]
    told = {
        _zone(table, match[1], match[2] or "", "the header")
        for text in (*table.preamble, *table.columns)
        for match in _ZONE_TEXT.finditer(_WGS84.sub("", text))
    }
    return sorted(told)


def _zone_parts(cell: str) -> tuple[str, str]:
    match = re.search(r"(\d{1,2})\s*[-_]?\s*([A-Za-z])?(?:orth)?\s*$", cell.strip())
    return (match[1], match[2] or "") if match else ("", "")


def _zone(table: Table, number: str, letter: str, where: str) -> str:
    """A zone with its hemisphere. Letters N to X are bands north of the equator; C to M lie south of it.

    "S" is the band from 32 to 40° N (Kashmir) as often as it is the word south; Indian mines lie north.
    """
    if not number or not 1 <= int(number) <= 60 or (letter and letter.upper() in "ABIOYZ"):
        raise InputRefused(
            f"{where}: the UTM zone is not readable", expected="a zone such as 43N", file=table.file
        )
    return f"{int(number)}{'S' if letter and letter.upper() < 'N' else 'N'}"


def _compare_with_grid(
    table: Table, columns: Columns, xy: NDArray[np.float64], crs: CRS | None, notes: list[Remark]
) -> None:
    """Where a table gives both kinds of coordinates they must mean the same places."""
    from survey.boundary.crs import LON_LAT, crs_from, move_points

    assert columns.east is not None
    assert columns.north is not None
    zones = set(_zones(table, columns)) if columns.zone is not None else set()
    system = crs if crs is not None and crs.is_projected else None
    if system is None and len(zones) == 1:
        system = crs_from(f"UTM {zones.pop()}")
    if system is None:
        notes.append(
            Remark(
                "pillars-grid-unused", "The eastings and northings beside the angles were not used.", "info"
            )
        )
        return
    grid = np.column_stack([_metres(table, columns.east), _metres(table, columns.north)])
    off = np.hypot(*(move_points(xy, LON_LAT, system.to_wkt()) - grid).T)
    worst = int(off.argmax())
    if off[worst] > 5:
        raise _refuse(
            table,
            worst,
            f"the angles and the eastings of one pillar are {off[worst]:.1f} m apart in {system.name}",
        )
    notes.append(
        Remark(
            "pillars-two-coordinates",
            f"Angles were used; the eastings beside them agree to {off[worst]:.2f} m.",
            "caution" if off[worst] > 0.5 else "info",
        )
    )


# -- rings --------------------------------------------------------------------------------------------------


def _rings(
    table: Table, columns: Columns, xy: NDArray[np.float64], system: CRS
) -> tuple[list[Remark], list[Feature]]:
    names = table.text(columns.name) if columns.name is not None else [""] * len(table)
    orders = table.numbers(columns.order, required=True) if columns.order is not None else None
    parts = table.text(columns.part) if columns.part is not None else [""] * len(table)
    metres = 111_000.0 if system.is_geographic else 1.0
    notes: list[Remark] = []
    features: list[Feature] = []
    polygons: dict[str, list[int]] = {}
    for row, part in enumerate(parts):
        polygons.setdefault(part, []).append(row)
    for part, rows in polygons.items():
        corners = [
            Corner(
                names[r],
                xy[r, 0],
                xy[r, 1],
                f"line {table.lines[r]}",
                orders[r] if orders is not None else None,
            )
            for r in rows
        ]
        ring, kept, said = ring_of(corners, table.file, metres_per_unit=metres)
        notes += said
        features.append(Feature(part, "", polygons=((ring,),), properties={"part": part} if part else {}))
        features += [
            Feature(corner.name, "", points=(np.array([[corner.x, corner.y]]),))
            for corner in kept
            if corner.name
        ]
    return notes, features
