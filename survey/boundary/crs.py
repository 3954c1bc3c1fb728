"""Reference systems: understood, tested for metres, and crossed so that straight lines stay straight.

PROJ shifts nothing, silently, when it lacks a grid or a datum; every transformation here therefore forbids
the ballpark guess and asks for the best operation.
"""

from __future__ import annotations

import math
import re
import threading
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.errors import InputRefused

if TYPE_CHECKING:
    from pyproj import CRS, Transformer
    from shapely import Geometry

LON_LAT = "OGC:CRS84"
"""Longitude and latitude on WGS 84, in this order."""

INDIA = (68.0, 6.0, 98.0, 38.0)
"""West, south, east, north in degrees: a box around the mainland, the islands and their waters."""

STRAIGHT_M = 0.001
"""How far a line that was straight in its own reference system may stray after it was projected."""

_AUTHORITY = re.compile(r"(EPSG|ESRI|OGC|IAU_\d+|IGNF):\s*[\w.-]+", re.IGNORECASE)
_WKT = re.compile(r"(PROJCS|GEOGCS|GEOCCS|COMPD_CS|LOCAL_CS|BOUNDCRS|[A-Z]*CRS)\s*[\[(]", re.IGNORECASE)
_UTM = re.compile(
    r"(?:WGS\s*-?(?:19)?84)?\W*UTM\W*(?:zone)?\W*(\d{1,2})\s*([NS])(?:orth|outh)?", re.IGNORECASE
)
_MAX_WKT = 65_536
_MAX_ADDED = 2_000_000  # vertices in one ring

_local = threading.local()


def crs_from(text: str | int | CRS, *, file: str | None = None) -> CRS:
    """A reference system from ``EPSG:32643``, WKT, a PROJ string, or ``UTM 43N`` (on WGS 84).

    Its vertical part, if any, is dropped: boundaries have no height.

    Raises
    ------
    InputRefused
        It is not understood.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    if isinstance(text, CRS):
        return horizontal(text)
    given = str(text).strip()
    shown = given if len(given) <= 80 else given[:77] + "…"
    utm = _UTM.fullmatch(given)
    if utm and 1 <= int(utm[1]) <= 60:
        given = f"EPSG:{(326 if utm[2].upper() == 'N' else 327) * 100 + int(utm[1])}"
    elif given.isdecimal():
        given = f"EPSG:{given}"
    known = _AUTHORITY.fullmatch(given) or _WKT.match(given) or given.startswith("+proj=")
    # A grid named by a stranger is a path on our disk or an address; "@null" names none.
    grids = re.findall(r"(?:nad)?grids\s*=\s*([^\s\"]*)", given, re.IGNORECASE)
    if not known or len(given) > _MAX_WKT or any(grid != "@null" for grid in grids) or "+init" in given:
        raise InputRefused(
            f"the reference system {shown!r} is not understood",
            expected="a code such as EPSG:32643, or WKT",
            file=file,
        )
    try:
        return horizontal(CRS.from_user_input(given))
    except CRSError:
        raise InputRefused(
            f"the reference system {shown!r} is not known",
            expected="a code such as EPSG:32643, or WKT",
            file=file,
        ) from None


def horizontal(crs: CRS) -> CRS:
    """Without the vertical part of a compound or three-dimensional system."""
    if crs.is_compound:
        return horizontal(crs.sub_crs_list[0])
    return crs.to_2d() if len(crs.axis_info) == 3 else crs


def is_metric(crs: CRS) -> bool:
    """Projected, with both axes in metres."""
    return crs.is_projected and all(axis.unit_conversion_factor == 1.0 for axis in crs.axis_info)


def areal_scale(crs: CRS, lon: float, lat: float) -> float:
    """Area on the map ÷ area on the ground, at a place. Web Mercator has 1.2 in Rajasthan, UTM 0.999."""
    from pyproj import Proj

    return float(Proj(crs).get_factors(lon, lat).areal_scale)


def utm_crs_for(lon: float, lat: float) -> str:
    """WKT of the WGS 84 UTM zone in which a place lies (42 to 47 N in India)."""
    from pyproj import CRS

    zone = min(max(int((lon + 180) // 6) + 1, 1), 60)
    return CRS.from_epsg((32600 if lat >= 0 else 32700) + zone).to_wkt()


def home_crs(crs: CRS, lon: float, lat: float) -> str:
    """WKT of ``crs`` if areas may be measured in it (metres, area true to 0.5 %), else of the UTM zone."""
    if is_metric(crs) and abs(areal_scale(crs, lon, lat) - 1) < 0.005:
        return crs.to_wkt()
    return utm_crs_for(lon, lat)


# -- crossing from one system to another ------------------------------------------------------------------


def transformer(source: str, target: str, near: tuple[float, float] | None = None) -> Transformer:
    """The best operation between two systems (east before north); kept per thread, as pyproj asks.

    ``near`` (lon, lat) chooses among operations that hold in different regions.

    Raises
    ------
    InputRefused
        There is no operation that is known to be right.
    """
    import pyproj
    from pyproj.aoi import AreaOfInterest
    from pyproj.exceptions import ProjError

    cell = None if near is None else (math.floor(near[0]), math.floor(near[1]))
    kept = getattr(_local, "transformers", None)
    if kept is None:
        kept = _local.transformers = {}
        pyproj.network.set_network_enabled(active=False)
    key = (source, target, cell)
    if key not in kept:
        if len(kept) > 64:
            kept.clear()
        area = None if cell is None else AreaOfInterest(cell[0], cell[1], cell[0] + 1, cell[1] + 1)
        try:
            kept[key] = pyproj.Transformer.from_crs(
                pyproj.CRS.from_user_input(source),
                pyproj.CRS.from_user_input(target),
                always_xy=True,
                area_of_interest=area,  # type: ignore[arg-type]
                allow_ballpark=False,
                only_best=True,
            )
        except ProjError:
            names = [pyproj.CRS.from_user_input(text).name for text in (source, target)]
            raise InputRefused(
                f"there is no known way from {names[0]} to {names[1]}",
                mend="Deliver the file in a reference system on WGS 84, such as its UTM zone.",
            ) from None
    return kept[key]


def move_points(
    xy: NDArray[np.float64], source: str, target: str, near: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """Points (n, 2) in another system.

    Raises
    ------
    InputRefused
        A point cannot be expressed there.
    """
    from pyproj.exceptions import ProjError

    if source == target or len(xy) == 0:
        return np.array(xy, np.float64)
    try:
        x, y = transformer(source, target, near).transform(xy[:, 0], xy[:, 1], errcheck=True)
    except ProjError:
        x = np.full(1, math.nan)
        y = x
    moved = np.column_stack([x, y])
    if not np.isfinite(moved).all():
        bad = xy[0] if len(moved) != len(xy) else xy[~np.isfinite(moved).all(axis=1)][0]
        raise InputRefused(
            f"the coordinates ({bad[0]:.10g}, {bad[1]:.10g}) lie outside their reference system"
        )
    return moved


def datum_accuracy_m(source: str, near: tuple[float, float]) -> float:
    """How well the datum of ``source`` is tied to WGS 84 near a place, in metres; NaN if nobody says.

    Old Indian datums (Everest 1830, Kalianpur 1975) are tied to 20 m or worse.
    """
    accuracy = float(transformer(source, LON_LAT, near).accuracy)
    return accuracy if accuracy >= 0 else math.nan


def move(
    geometry: Geometry,
    source: str,
    target: str,
    *,
    near: tuple[float, float] | None = None,
    straight_m: float = STRAIGHT_M,
) -> Geometry:
    """A polygon or line in another system, with vertices added so that its sides stay where they were.

    Sides are straight in ``source``. An added vertex depends only on the side's two ends, taken in one
    order, so that two polygons with a common side still have it in common.
    """
    import pyproj
    import shapely

    if source == target or geometry.is_empty:
        return geometry
    degrees = pyproj.CRS.from_user_input(target).is_geographic
    tolerance = straight_m / 111_000.0 if degrees else straight_m

    def ring(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return _move_line(xy, source, target, near, tolerance)

    def polygon(part: Geometry) -> Geometry:
        shell = ring(shapely.get_coordinates(part.exterior))
        return shapely.Polygon(shell, [ring(shapely.get_coordinates(hole)) for hole in part.interiors])

    kinds = {
        "Polygon": polygon,
        "LineString": lambda part: shapely.LineString(ring(shapely.get_coordinates(part))),
        "Point": lambda part: shapely.Point(
            move_points(shapely.get_coordinates(part), source, target, near)[0]
        ),
    }
    if geometry.geom_type in kinds:
        return kinds[geometry.geom_type](geometry)
    parts = [move(part, source, target, near=near, straight_m=straight_m) for part in geometry.geoms]
    return type(geometry)(parts)


def _move_line(
    xy: NDArray[np.float64],
    source: str,
    target: str,
    near: tuple[float, float] | None,
    tolerance: float,
) -> NDArray[np.float64]:
    ends = move_points(xy, source, target, near)
    flip = (xy[:-1, 0] > xy[1:, 0]) | ((xy[:-1, 0] == xy[1:, 0]) & (xy[:-1, 1] > xy[1:, 1]))
    a = np.where(flip[:, None], xy[1:], xy[:-1])
    b = np.where(flip[:, None], xy[:-1], xy[1:])
    pieces = _pieces_needed(a, b, source, target, near, tolerance)
    if (pieces == 1).all():
        return ends
    if int(pieces.sum()) > _MAX_ADDED:
        raise InputRefused("its sides are too long to be projected: they span countries")
    added = pieces - 1
    side = np.repeat(np.arange(len(a)), added)
    step = np.arange(len(side)) - np.repeat(np.cumsum(added) - added, added) + 1
    step = np.where(flip[side], pieces[side] - step, step)
    fraction = (step / pieces[side])[:, None]
    between = move_points(a[side] + (b[side] - a[side]) * fraction, source, target, near)
    return np.insert(ends, side + 1, between, axis=0)


def _pieces_needed(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    source: str,
    target: str,
    near: tuple[float, float] | None,
    tolerance: float,
) -> NDArray[np.int64]:
    """Into how many equal pieces each side must be cut. A curve's sagitta falls with their square."""
    fractions = np.array([0.25, 0.5, 0.75])
    start, end = (move_points(p, source, target, near) for p in (a, b))
    samples = (a[:, None, :] + (b - a)[:, None, :] * fractions[:, None]).reshape(-1, 2)
    inner = move_points(samples, source, target, near).reshape(len(a), len(fractions), 2)
    along = end - start
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-300)
    away = inner - start[:, None, :]
    off = np.abs(along[:, None, 0] * away[..., 1] - along[:, None, 1] * away[..., 0]) / length[:, None]
    # A quarter more than the sagitta asks for: it is not the same along the side.
    pieces = np.ceil(np.sqrt(1.25 * off.max(axis=1) / tolerance)).astype(np.int64)
    return np.clip(pieces, 1, 20_000)
