"""Where on Earth a drawing lies: whose word for its system counts, and whether its axes are exchanged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.boundary.crs import INDIA, LON_LAT, crs_from, datum_accuracy_m, move_points, transformer
from survey.boundary.features import Drawing, Ring
from survey.errors import InputRefused
from survey.remark import Remark

if TYPE_CHECKING:
    from pyproj import CRS

_SAME_PLACE_M = 0.01


@dataclass(frozen=True)
class Placed:
    """The system of some coordinates, whether to exchange their axes, and their middle (lon, lat)."""

    crs_wkt: str
    crs_name: str
    geographic: bool
    exchanged: bool
    near: tuple[float, float]
    notes: tuple[Remark, ...]

    def straightened(self, ring: Ring) -> Ring:
        return ring[:, ::-1] if self.exchanged else ring

    @property
    def metres_per_unit(self) -> float:
        return 111_000.0 if self.geographic else 1.0


def place(drawing: Drawing, coordinates: Sequence[Ring], given: CRS | None) -> Placed:
    """Decide the reference system of some of a drawing's coordinates.

    The file's own word counts; ``given`` (from the job) is for files that have none. Two that contradict
    each other are refused, unless the numbers fit only one of them. Axes count as exchanged only if every
    point lies outside India as given and inside when exchanged.

    Raises
    ------
    InputRefused
        No system known, numbers that do not fit it, (0, 0), or values that are not finite.
    """
    file = drawing.file
    xy = (
        np.concatenate([np.asarray(ring, np.float64) for ring in coordinates])
        if coordinates
        else np.empty((0, 2))
    )
    if len(xy) == 0:
        raise InputRefused("holds no coordinates", file=file)
    if (np.abs(xy) < 1e-9).all(axis=1).any():
        raise InputRefused(
            "holds a point at (0, 0)", file=file, mend="Give the pillar's true coordinates or take it out."
        )
    crs, notes = _system(drawing, xy, given)
    if crs.is_geographic and not _degrees(xy):
        worst = xy[np.abs(xy).max(axis=1).argmax()]
        raise InputRefused(
            f"coordinates such as ({worst[0]:.10g}, {worst[1]:.10g}) are not degrees, "
            f"as {crs.name} asks (by {drawing.crs_said_by or 'the job'})",
            file=file,
            mend="State the reference system of these numbers, such as EPSG:32643.",
        )
    if not crs.is_geographic and not crs.is_projected:
        raise InputRefused(f"{crs.name} is no system of a map", file=file)
    wkt = crs.to_wkt()
    exchanged = _exchanged(xy, wkt)
    if exchanged:
        xy = xy[:, ::-1]
        what = "Latitude and longitude" if crs.is_geographic else "Easting and northing"
        notes.append(
            Remark(
                "axes-exchanged",
                f"{what} stand in the wrong order: as given every point lies outside India, exchanged all "
                "lie inside. They were exchanged.",
                "serious",
            )
        )
    if crs.is_geographic and (np.abs(xy[:, 1]) > 90).any():
        raise InputRefused("holds latitudes beyond 90°", file=file)
    lon_lat = move_points(xy, wkt, LON_LAT)
    near = (float(np.median(lon_lat[:, 0])), float(np.median(lon_lat[:, 1])))
    outside = lon_lat[~_in_india(lon_lat)]
    if len(outside):
        notes.append(
            Remark(
                "outside-india",
                f"{len(outside)} of {len(xy)} points lie outside India, for instance at "
                f"{outside[0, 1]:.5f}° N, {outside[0, 0]:.5f}° E.",
                "serious",
            )
        )
    accuracy = datum_accuracy_m(wkt, near)
    if not accuracy <= 2.0:
        how = "nobody says how well" if math.isnan(accuracy) else f"only to {accuracy:g} m"
        notes.append(Remark("datum-accuracy", f"The datum of {crs.name} is tied to WGS 84 {how}.", "serious"))
    return Placed(wkt, _name(crs), bool(crs.is_geographic), exchanged, near, tuple(notes))


def _name(crs: CRS) -> str:
    authority = crs.to_authority(min_confidence=70)
    return f"{authority[0]}:{authority[1]}" if authority else crs.name


def _degrees(xy: NDArray[np.float64]) -> bool:
    return bool((np.abs(xy) <= 180).all())


def _system(drawing: Drawing, xy: NDArray[np.float64], given: CRS | None) -> tuple[CRS, list[Remark]]:
    own, file = drawing.crs, drawing.file
    if own is not None and (given is None or drawing.format in ("KML", "KMZ", "CSV")):
        # KML has one system by definition, and a CSV was read knowing the one given.
        return own, []
    if own is not None and given is not None:
        return _of_two(drawing, xy, own, given)
    if given is not None:
        if given.is_projected and _degrees(xy):
            if drawing.format == "GeoJSON":
                note = (
                    "The coordinates are degrees on WGS 84, as GeoJSON asks; the job's system was not used."
                )
                return crs_from(LON_LAT), [Remark("crs-not-used", note, "info")]
            raise InputRefused(
                f"coordinates such as ({xy[0, 0]:.10g}, {xy[0, 1]:.10g}) are degrees, not {given.name}",
                file=file,
                mend="State the system that these numbers are in.",
            )
        return given, [
            Remark("crs-given", f"The file names no system; {given.name} of the job was used.", "info")
        ]
    if drawing.format == "GeoJSON" and _degrees(xy):
        return crs_from(LON_LAT), []
    if drawing.format == "GeoJSON":
        raise InputRefused(
            f"coordinates such as ({xy[0, 0]:.10g}, {xy[0, 1]:.10g}) are not degrees, and no system is named",
            expected="longitude and latitude on WGS 84, or a named crs",
            file=file,
            mend="State crs, such as EPSG:32643.",
        )
    if drawing.format != "DXF" and _degrees(xy) and (_in_india(xy).all() or _in_india(xy[:, ::-1]).all()):
        note = "The file names no system; its numbers are degrees within India and were read on WGS 84."
        return crs_from(LON_LAT), [Remark("crs-assumed", note, "serious")]
    raise InputRefused(
        "does not say in which reference system its coordinates are, "
        f"such as ({xy[0, 0]:.10g}, {xy[0, 1]:.10g})",
        file=file,
        mend="State crs in the job, for example 'EPSG:32643'"
        + (", or deliver the .prj too." if drawing.format == "Shapefile" else "."),
    )


def _of_two(drawing: Drawing, xy: NDArray[np.float64], own: CRS, given: CRS) -> tuple[CRS, list[Remark]]:
    fits = {True: own.is_geographic == _degrees(xy), False: given.is_geographic == _degrees(xy)}
    if fits[True] and not fits[False]:
        note = f"The coordinates are in {own.name}, as {drawing.crs_said_by} says; {given.name} was not used."
        return own, [Remark("crs-not-used", note, "info")]
    if fits[False] and not fits[True]:
        note = f"The file claims {own.name}, which its numbers cannot be; {given.name} of the job was used."
        return given, [Remark("crs-wrong-in-file", note, "serious")]
    try:
        places = [move_points(xy[:1], crs.to_wkt(), LON_LAT)[0] for crs in (own, given)]
        apart = float(np.hypot(*((places[0] - places[1]) * 111_000)))
    except InputRefused:
        apart = math.inf
    if apart <= _SAME_PLACE_M:
        return own, []
    raise InputRefused(
        f"is in {own.name} by {drawing.crs_said_by}, but the job says {given.name}",
        file=drawing.file,
        mend="One of the two is wrong: correct the file, or take crs out of the job.",
    )


def _in_india(lon_lat: NDArray[np.float64]) -> NDArray[np.bool_]:
    west, south, east, north = INDIA
    lon, lat = lon_lat[:, 0], lon_lat[:, 1]
    return (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)


def _exchanged(xy: NDArray[np.float64], wkt: str) -> bool:
    """Whether all points lie outside India as given and inside with their axes exchanged."""

    def inside(points: NDArray[np.float64]) -> NDArray[np.bool_]:
        lon, lat = transformer(wkt, LON_LAT).transform(points[:, 0], points[:, 1])
        with np.errstate(invalid="ignore"):
            return _in_india(np.column_stack([lon, lat]))

    return not inside(xy).any() and bool(inside(xy[:, ::-1]).all())
