"""Surpac string files: ``lease.str``, ``contours.str``, ``benches.str``, ``sites.str``.

The format: a header line (location, date, purpose, memo), an axis line, then ``string, northing, easting,
height, descriptions`` a point; a record of zeros ends a segment, ``END`` the file. String numbers are
explained in the descriptions, since the format has no names for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

    from survey.report.folder import RunFolder

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_ZEROS = "0, 0.000, 0.000, 0.000,"

Segment = tuple[int, "NDArray[np.float64]", str]


def string_files(run: RunFolder) -> dict[str, str]:
    """Name and content of each file that has something in it."""
    made = {
        "lease.str": ("lease boundary", _outlines(1, run.lease, "lease")),
        "contours.str": ("contours", _contours(run)),
        "benches.str": ("1 crest, 2 toe", _benches(run)),
        "sites.str": ("1 pit, 2 heap, 3 backfill", _sites(run)),
    }
    found = {}
    for name, (purpose, segments) in made.items():
        listed = list(segments)
        if listed:
            found[name] = _write(name.removesuffix(".str"), run.observed or "", purpose, listed)
    return found


def _write(location: str, iso_date: str, purpose: str, segments: Iterable[Segment]) -> str:
    day = ""
    if len(iso_date) >= 10:
        year, month, of_month = iso_date[:10].split("-")
        day = f"{of_month}-{_MONTHS[int(month) - 1]}-{year[2:]}"
    lines = [f"{location},{day},{_plain(purpose)},", "0, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000"]
    for number, points, about in segments:
        for east, north, height in points.tolist():
            lines.append(f"{number}, {north:.3f}, {east:.3f}, {height:.3f}, {_plain(about)}")
        lines.append(_ZEROS)
    lines.append("0, 0.000, 0.000, 0.000, END")
    return "\r\n".join(lines) + "\r\n"


def _plain(text: str) -> str:
    """Commas part the fields and the file is ASCII."""
    return text.replace(",", ";").encode("ascii", "replace").decode("ascii").replace("\n", " ")


def _outlines(number: int, shape: BaseGeometry | None, about: str) -> Iterator[Segment]:
    import shapely

    if shape is None or shape.is_empty:
        return
    for part in shapely.get_parts(shape):
        if part.geom_type == "Polygon":
            for ring in (part.exterior, *part.interiors):
                flat = shapely.get_coordinates(ring)
                yield number, np.column_stack([flat, np.zeros(len(flat))]), about


def _contours(run: RunFolder) -> Iterator[Segment]:
    import shapely

    for row in run.layer("contours").rows():
        points = shapely.get_coordinates(row["geometry"], include_z=True)
        yield (2 if row["is_index"] else 1), points, f"{row['level_m']:g}"


def _benches(run: RunFolder) -> Iterator[Segment]:
    import shapely

    for row in run.layer("bench_lines").rows():
        points = shapely.get_coordinates(row["geometry"], include_z=True)
        yield (1 if row["kind"] == "crest" else 2), points, str(row["kind"])


def _sites(run: RunFolder) -> Iterator[Segment]:
    numbers = {"pit": 1, "heap": 2, "backfill": 3}
    for row in run.layer("sites").rows():
        yield from _outlines(numbers.get(str(row["kind"]), 4), row["geometry"], str(row["id"]))
