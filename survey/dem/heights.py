"""What heights are counted from, and whether two surveys count from the same.

A height without its reference is not a height. In India the geoid lies 19 to 107 m *below* the ellipsoid, so
one survey in ellipsoidal and one in orthometric heights differ by tens of metres: a hill of spoil that nobody
dumped. The reference is taken from the job and from the file, never guessed, and both surveys must agree.

The geoid is EGM2008 (Pavlis et al. 2012, 10.1029/2011JB008916) on NGA's 2.5′ grid, interpolated bilinearly as
PROJ does. It ships with the program: no projection library is asked, because without the grid those shift
nothing and say nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from survey.errors import InputRefused
from survey.rasters.crs import Heights
from survey.remark import Remark

Kind = Literal["EGM2008", "ellipsoidal", "EGM96", "MSL", "local", "other"]

JOB_WORDS = ("EGM2008", "ellipsoidal", "EGM96", "MSL", "local")
"""What a job may say under ``height``."""

_SPELLINGS: dict[str, Kind] = {
    **dict.fromkeys(("egm2008", "egm08", "egm2008geoid", "egm2008height", "orthometricegm2008"), "EGM2008"),
    **dict.fromkeys(
        (
            "ellipsoidal",
            "ellipsoid",
            "ellipsoidalheight",
            "wgs84",
            "wgs84ellipsoid",
            "wgs84ellipsoidal",
            "hae",
        ),
        "ellipsoidal",
    ),
    **dict.fromkeys(("egm96", "egm1996", "egm96geoid", "egm96height"), "EGM96"),
    **dict.fromkeys(("msl", "meansealevel", "amsl", "mslheight", "indianmsl"), "MSL"),
    **dict.fromkeys(("local", "localdatum", "arbitrary", "assumed"), "local"),
}
_EPSG: dict[int, Kind] = {3855: "EGM2008", 5773: "EGM96", 5714: "MSL"}

# Two geoid models, or a geoid and a tide gauge, differ by decimetres to two metres.
GEOID_SPREAD_M = 3.0


@dataclass(frozen=True, slots=True)
class HeightReference:
    """``kind`` is compared; of "other" the ``name`` too. ``source``: "job" or "file"."""

    kind: Kind
    name: str
    source: str = "job"

    def same_as(self, other: HeightReference) -> bool:
        if self.kind == "other" or other.kind == "other":
            return self.kind == other.kind and self.name.casefold() == other.name.casefold()
        return self.kind == other.kind

    def __str__(self) -> str:
        return self.name


def parse_reference(word: str) -> HeightReference:
    """A job's word for its heights.

    Raises
    ------
    InputRefused
        The word is not one of ``JOB_WORDS``, in any usual spelling.
    """
    kind = _SPELLINGS.get(re.sub(r"[^a-z0-9]", "", word.lower()))
    if kind is None:
        raise InputRefused(
            f'the height reference "{word[:60]}" is not known',
            expected=", ".join(JOB_WORDS),
            mend="Ask the surveyor what the heights are counted from.",
        )
    return HeightReference(kind, kind, "job")


def reference_of(heights: Heights | None) -> HeightReference | None:
    """What the vertical part of a file's reference system says; None if it says nothing."""
    if heights is None:
        return None
    if heights.ellipsoidal:
        return HeightReference("ellipsoidal", "ellipsoidal", "file")
    kind: Kind = _EPSG.get(heights.epsg or 0, "other")
    if kind == "other":
        squeezed = re.sub(r"[^a-z0-9]", "", heights.name.lower())
        spelt: Kind = next(
            (k for spelling, k in _SPELLINGS.items() if squeezed.startswith(spelling)), "other"
        )
        # "WGS 84 ..." names a datum more often than it means the ellipsoid.
        kind = "other" if spelt == "ellipsoidal" and "ellips" not in squeezed else spelt
    return HeightReference(kind, heights.name if kind == "other" else str(kind), "file")


def settle(
    job_word: str | None, heights: Heights | None, *, file: str | None = None
) -> tuple[HeightReference | None, tuple[Remark, ...]]:
    """One survey's height reference from the job's word and the file's own; None if neither says.

    "MSL" is what people call any geoid height, so a file's EGM2008 or EGM96 is taken as the sharper word.

    Raises
    ------
    InputRefused
        Job and file contradict each other.
    """
    said = parse_reference(job_word) if job_word is not None else None
    written = reference_of(heights)
    if said is None or written is None:
        return said or written, ()
    if said.same_as(written):
        return said, ()
    if said.kind == "MSL" and written.kind != "ellipsoidal":
        remark = Remark(
            "height-sharpened",
            f"the job calls the heights MSL, the file says {written}; {written} is taken",
            "caution",
        )
        return written, (remark,)
    raise InputRefused(
        f"the job says heights are {said}, the file says {written}",
        file=file,
        mend="Ask the surveyor which is right, and correct the other.",
    )


def agree(
    before: HeightReference | None,
    after: HeightReference | None,
    *,
    before_file: str | None = None,
    after_file: str | None = None,
) -> tuple[Remark, ...]:
    """Do two surveys count their heights from the same?

    Returns remarks; raises where a difference of the two would be wrong.

    Raises
    ------
    InputRefused
        One is not given, or they differ.
    """
    for reference, file, which in ((before, before_file, "earlier"), (after, after_file, "later")):
        if reference is None:
            raise InputRefused(
                f"nothing says what the heights of the {which} survey are counted from",
                expected=", ".join(JOB_WORDS),
                file=file,
                mend='Ask the surveyor, and say it in the job: height = "EGM2008" (or another of these).',
            )
    assert before is not None
    assert after is not None
    if not before.same_as(after):
        both = {before.kind, after.kind}
        if "ellipsoidal" in both:
            size = "In India they lie 19 to 107 m apart."
        elif "local" in both:
            size = "Nobody knows how far they lie apart."
        else:
            size = "They differ by decimetres to metres."
        raise InputRefused(
            f"the earlier survey's heights are {before}, the later one's are {after}",
            expected="the same height reference in both",
            file=after_file,
            mend=f"{size} Export one of them again in the other's reference.",
        )
    if before.kind == "local":
        return (
            Remark(
                "local-heights",
                "both surveys have local heights; that they start from the same benchmark is taken on trust "
                "and checked on stable ground only",
                "caution",
            ),
        )
    return ()


# -- the geoid ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Geoid:
    """Node (0, 0) is the north-western one."""

    west: float
    north: float
    step_lon: float
    step_lat: float
    metres: NDArray[np.float64]


@lru_cache(maxsize=1)
def _geoid() -> _Geoid:
    from survey.raster_env import open_dataset

    with as_file(files("survey") / "data" / "us_nga_egm08_25.tif") as path, open_dataset(path) as grid:
        a = grid.transform
        metres = grid.read(1).astype(np.float64)
    metres.setflags(write=False)
    return _Geoid(a.c + a.a / 2, a.f + a.e / 2, a.a, -a.e, metres)


def undulation(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
    """Metres of the EGM2008 geoid above the WGS 84 ellipsoid, at longitudes and latitudes in degrees.

    Broadcasts; a scalar gives an array of no dimensions. Negative all over India.

    Raises
    ------
    InputRefused
        A place lies outside the grid that ships with the program, or is not a number.
    """
    geoid = _geoid()
    lon, lat = np.broadcast_arrays(np.asarray(lon, np.float64), np.asarray(lat, np.float64))
    rows, cols = geoid.metres.shape
    # A grain far below the grid's own precision keeps the outermost nodes inside.
    row = np.round((geoid.north - lat) / geoid.step_lat, 9)
    col = np.round((lon - geoid.west) / geoid.step_lon, 9)
    inside = (row >= 0) & (row <= rows - 1) & (col >= 0) & (col <= cols - 1)
    if not inside.all():
        where = np.argwhere(~np.atleast_1d(inside))[0]
        x, y = (float(np.atleast_1d(v)[tuple(where)]) for v in (lon, lat))
        raise InputRefused(
            f"the geoid is not known at {x:.4f}° E, {y:.4f}° N",
            expected=f"{geoid.west:.0f}° to {geoid.west + (cols - 1) * geoid.step_lon:.0f}° E, "
            f"{geoid.north - (rows - 1) * geoid.step_lat:.0f}° to {geoid.north:.0f}° N",
            mend="Convert the heights with another tool before delivering them.",
        )
    r = np.minimum(row.astype(np.int64), rows - 2)
    c = np.minimum(col.astype(np.int64), cols - 2)
    v, u = row - r, col - c
    z = geoid.metres
    upper = z[r, c] * (1 - u) + z[r, c + 1] * u
    lower = z[r + 1, c] * (1 - u) + z[r + 1, c + 1] * u
    return np.asarray(upper * (1 - v) + lower * v)


def orthometric(ellipsoidal_m: ArrayLike, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
    """EGM2008 height H = h − N of ellipsoidal heights h."""
    return np.asarray(np.asarray(ellipsoidal_m, np.float64) - undulation(lon, lat))


def ellipsoidal(orthometric_m: ArrayLike, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.float64]:
    """Ellipsoidal height h = H + N of EGM2008 heights H."""
    return np.asarray(np.asarray(orthometric_m, np.float64) + undulation(lon, lat))


def offset_hint(
    median_rise_m: float,
    lon: float,
    lat: float,
    *,
    before_median_m: float | None = None,
) -> str | None:
    """What a large offset between two surveys looks like at this place, in a sentence; None if like nothing.

    Parameters
    ----------
    median_rise_m:
        Median of after − before.
    before_median_m:
        Median height of the earlier survey, to recognise feet and decimetres.
    """
    if before_median_m is not None and abs(before_median_m) > 5:
        ratio = (before_median_m + median_rise_m) / before_median_m
        for factor, which, unit in (
            (1 / 0.3048, "later", "feet"),
            (0.3048, "earlier", "feet"),
            (10.0, "later", "decimetres"),
            (0.1, "earlier", "decimetres"),
            (100.0, "later", "centimetres"),
            (0.01, "earlier", "centimetres"),
        ):
            if abs(ratio / factor - 1) < 0.05:
                return f"The {which} survey's heights look like {unit} read as metres."
    try:
        n = float(undulation(lon, lat))
    except InputRefused:
        return None
    if abs(n) < 3 * GEOID_SPREAD_M:
        return None
    for expected, which, other in ((n, "later", "earlier"), (-n, "earlier", "later")):
        if abs(median_rise_m - expected) <= GEOID_SPREAD_M:
            return (
                f"The geoid lies {abs(n):.1f} m {'below' if n < 0 else 'above'} the ellipsoid here: the "
                f"{which} survey looks ellipsoidal and the {other} one orthometric."
            )
    return None
