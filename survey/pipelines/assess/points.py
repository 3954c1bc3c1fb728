"""A file of GNSS, DGPS or total-station points, and the sites that it measures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.boundary.crs import INDIA, LON_LAT, crs_from, is_metric, move_points, utm_crs_for
from survey.errors import InputRefused
from survey.tables import read_table
from survey.volumetrics.points.codes import Points, make_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.tables import Table

ASSUMED_SIGMA_M = 0.03
"""1 σ of a height where neither file nor job tells it: an RTK rover with care. Said in the record."""
_WORST_SIGMA_M = 5.0
_FEWEST = 4


@dataclass(frozen=True)
class PointsFile:
    """Points by site, in a metric system. ``assumed``: the heights' precision was not stated anywhere."""

    crs_wkt: str
    sites: tuple[tuple[str, Points], ...]
    assumed: bool
    remarks: tuple[str, ...]


def read_points(
    path: str | os.PathLike[str],
    *,
    crs: str | None,
    sigma_m: float | None,
    name: str | None = None,
) -> PointsFile:
    """Read ``id, code, easting, northing, elevation[, sigma][, site]``, or longitude and latitude.

    Raises
    ------
    InputRefused
        A column is missing, a number cannot be read, or nobody says which reference system this is.
    """
    table = read_table(path)
    file = name or table.file
    up = table.find("elevation", "height", "z", "rl", "level", "elev", "altitude", "h", required=True)
    code = table.find(
        "code", "feature", "feature code", "description", "desc", "type", "remark", required=True
    )
    ident = table.find("id", "name", "point", "point id", "pt", "no", "number", "station", "sl no", "sr no")
    spread = table.find("sigma", "precision", "vertical precision", "v prec", "vrms", "rms", "sd", "sdev")
    group = table.find("site", "pit", "stock", "heap", "site id", "pit no", "stock no")
    assert up is not None
    assert code is not None
    east, north, wkt = _places(table, crs, file)
    heights = table.numbers(up, required=True)
    sigma = np.full(len(table), np.nan) if spread is None else table.numbers(spread)
    if (sigma[np.isfinite(sigma)] <= 0).any() or (sigma > _WORST_SIGMA_M).any():
        raise InputRefused(
            f"the column {table.name(spread or 0)} holds precisions that cannot be metres",
            expected=f"standard deviations above 0 and below {_WORST_SIGMA_M:g} m",
            file=file,
        )
    assumed = bool(np.isnan(sigma).any()) and sigma_m is None
    sigma = np.where(np.isnan(sigma), sigma_m or ASSUMED_SIGMA_M, sigma)
    ids = table.text(ident) if ident is not None else [str(k + 1) for k in range(len(table))]
    codes = table.text(code)
    groups = table.text(group) if group is not None else [""] * len(table)
    remarks = [str(note) for note in table.notes if note.severity != "info"]
    sites = []
    for label in dict.fromkeys(groups):
        at = [k for k, g in enumerate(groups) if g == label]
        if len(at) < _FEWEST:
            raise InputRefused(
                f"{len(at)} points are too few for a site{f' ({label})' if label else ''}",
                expected="an outline and heights inside it",
                file=file,
            )
        points, said = make_points(
            [ids[k] for k in at],
            [codes[k] for k in at],
            east[at],
            north[at],
            heights[at],
            sigma[at],
            file=file,
        )
        remarks += said
        sites.append((label or "points", points))
    if not sites:
        raise InputRefused("the file holds no points", file=file)
    return PointsFile(wkt, tuple(sites), assumed, tuple(dict.fromkeys(remarks)))


def _places(table: Table, crs: str | None, file: str) -> tuple[NDArray[np.float64], NDArray[np.float64], str]:
    e = table.find("easting", "east", "e", "x", "utm e", "utm easting")
    n = table.find("northing", "north", "n", "y", "utm n", "utm northing")
    if e is not None and n is not None:
        if crs is None:
            raise InputRefused(
                "nobody says which reference system the eastings and northings are in",
                file=file,
                mend='Give it in the job: points_crs = "EPSG:32643" (UTM zone 43, say).',
            )
        system = crs_from(crs, file=file)
        if not is_metric(system):
            raise InputRefused(
                f"{crs} does not count eastings and northings in metres",
                file=file,
                mend="Give the system in which the points were written.",
            )
        east, north = table.numbers(e, required=True), table.numbers(n, required=True)
        _refuse_swapped(east, north, system.to_wkt(), file)
        return east, north, system.to_wkt()
    lon = table.find("longitude", "lon", "long", "lng", required=True)
    lat = table.find("latitude", "lat", required=True)
    assert lon is not None
    assert lat is not None
    at = np.column_stack([table.numbers(lon, required=True), table.numbers(lat, required=True)])
    if (np.abs(at[:, 0]) > 180).any() or (np.abs(at[:, 1]) > 90).any():
        raise InputRefused("a longitude or latitude is no angle on Earth", file=file)
    wkt = crs_from(utm_crs_for(*at.mean(axis=0).tolist())).to_wkt()
    moved = move_points(at, LON_LAT, wkt)
    return moved[:, 0], moved[:, 1], wkt


def _refuse_swapped(east: NDArray[np.float64], north: NDArray[np.float64], wkt: str, file: str) -> None:
    """Refuse coordinates that lie nowhere in their system, and say so if they would, exchanged."""
    west, south, far_east, far_north = INDIA

    def sensible(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
        try:
            lon, lat = move_points(np.column_stack([x, y])[:1], wkt, LON_LAT)[0]
        except InputRefused:
            return False
        return bool(west <= lon <= far_east and south <= lat <= far_north)

    if not sensible(east, north) and sensible(north, east):
        raise InputRefused(
            "eastings and northings are exchanged: as written the points lie outside India",
            file=file,
            mend="Exchange the two columns.",
        )
