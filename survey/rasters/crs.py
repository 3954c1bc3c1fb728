"""What a reference system means for cells on the ground: unit, twin in metres, heights, areas.

Inside the program everything is metric. A projected system in feet has a *metric twin*: the same
projection, only its axes measured in metres. Degrees, and projections whose areas are wrong by more than
``AREAL_TOLERANCE``, have the UTM zone of the place on the same datum.
"""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from survey.errors import InputRefused

if TYPE_CHECKING:
    from pyproj import CRS, Transformer

AREAL_TOLERANCE = 0.005
"""UTM itself departs from true area by up to 0.2 % inside its zone; web Mercator by 16 % in India."""

US_SURVEY_FOOT_M = 1200 / 3937
INTERNATIONAL_FOOT_M = 0.3048


@dataclass(frozen=True, slots=True)
class Heights:
    """What the vertical part of a reference system says. ``unit_m``: metres in one unit of height."""

    name: str
    epsg: int | None
    unit_m: float
    ellipsoidal: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """A reference system, understood.

    ``wkt`` is horizontal, WKT2; of a projected system its metric twin. ``unit_m`` is the length of the
    file's own unit (metres in one unit of its eastings); 1 for a geographic system, which keeps degrees.
    """

    name: str
    wkt: str
    geographic: bool
    unit_m: float
    unit_name: str
    heights: Heights | None


def frame_of(text: str, *, file: str | None = None) -> Frame:
    """Understand a reference system given as WKT, PROJJSON or an authority code.

    Raises
    ------
    InputRefused
        Not understood, without a tie to the Earth (a local or engineering system), or with axes that do
        not point east and north.
    """
    crs = parse_crs(text, file=file)
    name = crs.name
    heights: Heights | None = None
    if crs.is_compound:
        for part in crs.sub_crs_list[1:]:
            if part.is_vertical:
                heights = _heights(part)
        crs = crs.sub_crs_list[0]
    if len(crs.axis_info) == 3 and not crs.is_geocentric:
        up = crs.axis_info[2]
        heights = heights or Heights("ellipsoidal height", None, _exact(up.unit_conversion_factor), True)
        crs = crs.to_2d()
    if not (crs.is_projected or crs.is_geographic):
        raise InputRefused(
            f'the coordinate reference system "{name}" is a {crs.type_name.lower()}, not tied to the Earth '
            "in a way that can be used",
            expected="a projected system such as a UTM zone",
            file=file,
            mend="Export the file in the UTM zone of the mine.",
        )
    if not any(axis.direction in ("east", "north") for axis in crs.axis_info) or any(
        axis.direction not in ("east", "north") for axis in crs.axis_info
    ):
        raise InputRefused(
            f'the axes of "{name}" point {" and ".join(axis.direction for axis in crs.axis_info)}',
            expected="east and north",
            file=file,
            mend="Export the file in the UTM zone of the mine.",
        )
    if crs.is_geographic:
        return Frame(name, canonical(crs).to_wkt(), True, 1.0, crs.axis_info[0].unit_name, heights)
    factors = {_exact(axis.unit_conversion_factor) for axis in crs.axis_info}
    if len(factors) != 1 or not 1e-4 < next(iter(factors)) < 1e4:
        raise InputRefused(f'the axes of "{name}" have no usable unit', file=file)
    unit_m = factors.pop()
    twin = crs if unit_m == 1.0 else metric_twin(crs)
    return Frame(name, canonical(twin).to_wkt(), False, unit_m, crs.axis_info[0].unit_name, heights)


def parse_crs(text: str, *, file: str | None = None) -> CRS:
    """A pyproj CRS, or InputRefused."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(text)
    except (CRSError, ValueError, TypeError) as error:
        shown = " ".join(str(text).split())[:80]
        raise InputRefused(
            f'the coordinate reference system "{shown}" is not understood',
            expected='a code such as "EPSG:32643" or WKT',
            file=file,
            mend="Name the system in which the file was made.",
        ) from error


def metric_twin(crs: CRS) -> CRS:
    """The same projection with its axes in metres."""
    from pyproj import CRS

    twin = deepcopy(crs.to_json_dict())

    def mend(node: dict[str, Any]) -> None:
        if node.get("type") == "BoundCRS":
            mend(node["source_crs"])
            return
        for axis in node["coordinate_system"]["axis"]:
            axis["unit"] = "metre"
        node["name"] = f"{node.get('name', 'unnamed')} (metres)"
        # The code belongs to the system in feet.
        for key in ("id", "ids", "usages", "scope", "area", "bbox", "remarks"):
            node.pop(key, None)

    mend(twin)
    return CRS.from_json_dict(twin)


def canonical(crs: CRS) -> CRS:
    """The registry's own wording of ``crs`` if it is a registered system: one system, one text."""
    from pyproj import CRS

    if crs.is_bound:
        return crs
    code = crs.to_epsg(min_confidence=60)
    if code is not None:
        known = CRS.from_epsg(code)
        if known.equals(crs, ignore_axis_order=True):
            return known
    return crs


@lru_cache(maxsize=32)
def to_lonlat(wkt: str) -> Transformer:
    """From a horizontal system to longitude and latitude on its own datum, in degrees."""
    from pyproj import CRS, Transformer

    crs = CRS.from_user_input(wkt)
    source = crs.source_crs if crs.is_bound and crs.source_crs is not None else crs
    geodetic = source.geodetic_crs
    if geodetic is None:
        raise ValueError(f"{crs.name} has no geodetic system")
    return Transformer.from_crs(source, geodetic, always_xy=True)


@lru_cache(maxsize=32)
def transformer(from_wkt: str, to_wkt: str) -> Transformer:
    """A transformer that refuses to be approximately right."""
    from pyproj import Transformer

    return Transformer.from_crs(from_wkt, to_wkt, always_xy=True, allow_ballpark=False, only_best=True)


def utm_wkt(wkt: str, lon: float, lat: float) -> str:
    """The UTM zone of a place, on the datum of ``wkt``."""
    from pyproj import CRS
    from pyproj.crs import ProjectedCRS
    from pyproj.crs.coordinate_operation import UTMConversion

    zone = min(60, max(1, math.floor((lon + 180.0) % 360.0 / 6.0) + 1))
    crs = CRS.from_user_input(wkt)
    source = crs.source_crs if crs.is_bound and crs.source_crs is not None else crs
    geodetic = source.geodetic_crs
    if geodetic is not None and CRS.from_epsg(4326).equals(geodetic.to_2d(), ignore_axis_order=True):
        return CRS.from_epsg((32600 if lat >= 0 else 32700) + zone).to_wkt()
    made = ProjectedCRS(
        UTMConversion(str(zone), hemisphere="N" if lat >= 0 else "S"),
        name=f"UTM zone {zone}{'N' if lat >= 0 else 'S'} on {geodetic.name if geodetic else 'unknown'}",
        geodetic_crs=geodetic.to_2d() if geodetic is not None else None,
    )
    found = canonical(made)
    if crs.is_bound:
        bound = crs.to_json_dict()
        bound["source_crs"] = found.to_json_dict()
        bound["source_crs"].pop("$schema", None)
        return CRS.from_json_dict(bound).to_wkt()
    return found.to_wkt()


def areal_scale(wkt: str, east: float, north: float) -> float:
    """Square units of the map per square metre of the ellipsoid, at one place of a metric system."""
    from pyproj import CRS, Proj

    lon, lat = to_lonlat(wkt).transform(east, north)
    crs = CRS.from_user_input(wkt)
    factors = Proj(crs.source_crs if crs.is_bound and crs.source_crs is not None else crs).get_factors(
        lon, lat
    )
    return float(factors.areal_scale)


def _heights(part: CRS) -> Heights:
    axis = part.axis_info[0]
    name = part.name
    return Heights(
        name,
        part.to_epsg(min_confidence=60),
        _exact(axis.unit_conversion_factor) * (-1.0 if axis.direction == "down" else 1.0),
        "ellipsoid" in name.lower(),
    )


def _exact(factor: float) -> float:
    """Units that were rounded on their way through some file format, made exact again."""
    for known in (1.0, US_SURVEY_FOOT_M, INTERNATIONAL_FOOT_M):
        if abs(factor / known - 1) < 1e-8:
            return known
    return float(factor)
