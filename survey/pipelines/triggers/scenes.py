"""A folder of dated scenes, understood: which file is of which day and band, and the grid they meet on."""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from survey.errors import InputRefused, JobError
from survey.grid import Grid
from survey.imagery.triggers.bands import NAMES, BandSet, canonical_band
from survey.imagery.triggers.files import BandFile, FileScene, MaskFile
from survey.pipelines.triggers.numbers import meaning, sample, without_offset
from survey.rasters import georef
from survey.rasters.describe import RasterDescription, open_raster
from survey.remark import Remark

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_CELLS = 4_000_000_000
"""63 km square at 1 m; a Sentinel-2 tile has 120 million."""
CELL_RANGE_M = (0.4, 60.0)
MOST_SCENES = 5000

_TAGS = (
    "ACQUISITION_DATE",
    "ACQUISITIONDATETIME",
    "ACQUISITION_DATETIME",
    "DATE_ACQUIRED",
    "SENSING_TIME",
    "SENSING_DATE",
    "PRODUCT_START_TIME",
    "DATATAKE_1_DATATAKE_SENSING_START",
    "DATE",
    "DATETIME",
    "TIFFTAG_DATETIME",
)
_DAY = re.compile(r"(?<!\d)((?:19|20)\d{2})([-_:/. ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


class WatchLike(Protocol):
    """The keys of [watch] that concern scenes."""

    @property
    def bands(self) -> Sequence[str]: ...
    @property
    def scale(self) -> float | None: ...
    @property
    def offset(self) -> float | None: ...
    @property
    def nodata(self) -> float | None: ...
    @property
    def sensor(self) -> str: ...
    @property
    def crs(self) -> Any: ...
    @property
    def mask_clear(self) -> Sequence[int]: ...


def day_in(text: str) -> date | None:
    """The first YYYYMMDD (also with - _ : / . or a space between) that is a day of the calendar."""
    for match in _DAY.finditer(text):
        try:
            return date(int(match[1]), int(match[3]), int(match[4]))
        except ValueError:
            continue
    return None


def day_of(raster: RasterDescription, name: str, notes: list[Remark]) -> date:
    """The day a file is of: its tags, else its name.

    Raises
    ------
    InputRefused
        Neither says.
    """
    tags = {key.upper(): value for key, value in raster.tags}
    said = None
    for key in _TAGS:
        if key in tags and (said := day_in(tags[key])):
            break
    named = day_in(os.path.basename(name)) or day_in(name)
    if said and named and said != named:
        notes.append(
            Remark(
                "two-dates",
                f"{os.path.basename(name)}: its tags say {said.isoformat()}, its name {named.isoformat()}; "
                "the tags count",
                "caution",
            )
        )
    found = said or named
    if found is None:
        raise InputRefused(
            "nothing says of which day this scene is",
            expected="a date in its tags, or YYYYMMDD in its name",
            file=name,
            mend="Put the day of acquisition into the file's name.",
        )
    return found


@dataclass(frozen=True)
class FoundFile:
    path: Path
    name: str  # relative to the folder
    sha256: str


@dataclass(frozen=True)
class Reader:
    """One file, with the bands it brings and what its numbers mean."""

    raster: RasterDescription
    placement: georef.Placement
    names: tuple[str | None, ...]
    scale: float
    offset: float
    stated: bool  # scale and offset were stated, not assumed
    file: FoundFile


@dataclass(frozen=True)
class Shelf:
    """All scenes of a watch, in order of date, and what had to be decided to read them."""

    scenes: tuple[FileScene, ...]
    bands: BandSet
    grid: Grid
    notes: tuple[Remark, ...]
    sources: tuple[dict[str, Any], ...]


def listed(folder: Path, kinds: tuple[str, ...] = (".tif", ".tiff")) -> list[tuple[Path, str]]:
    """Rasters below a folder in order of name; links, hidden files and other kinds are left alone."""
    out = []
    for here, folders, files in os.walk(folder, followlinks=False):
        folders[:] = sorted(
            f for f in folders if not f.startswith(".") and not os.path.islink(os.path.join(here, f))
        )
        for name in sorted(files):
            path = Path(here) / name
            if name.startswith(".") or path.suffix.lower() not in kinds or path.is_symlink():
                continue
            out.append((path, str(path.relative_to(folder))))
    return out


def _band_names(raster: RasterDescription, watch: WatchLike, name: str) -> tuple[str | None, ...]:
    """Which band is which: by the job, the file's descriptions, its colours, or a single band's file name."""
    count = len(raster.bands)
    if watch.bands and count >= len(watch.bands) and not (count == 1 and len(watch.bands) > 1):
        named = [canonical_band(b) for b in watch.bands]
        unknown = [b for b, n in zip(watch.bands, named, strict=True) if b and n is None]
        if unknown:
            raise JobError(
                f"[watch] bands: {', '.join(unknown)} says nothing known",
                expected=f"each of {', '.join(NAMES)}, or their names at the sensor (B04, B8A …)",
                mend='Write "" for a band that is to be passed over.',
            )
        return tuple(named + [None] * (count - len(named)))
    described = [canonical_band(b.description) for b in raster.bands]
    if sum(d is not None for d in described) >= min(3, count):
        return tuple(described)
    stem = os.path.splitext(os.path.basename(name))[0]
    tokens = [
        canonical_band(t)
        for t in re.split(r"[^A-Za-z0-9]+", stem)
        if re.fullmatch(r"[Bb]\d{1,2}[Aa]?|[A-Za-z]{3,}\d?", t)
    ]
    single = [t for t in tokens if t]
    if count <= 2 and single:
        # A second band of a single-band delivery is its alpha.
        return (single[-1], *([None] * (count - 1)))
    if watch.sensor == "liss4" and count >= 3:
        return ("green", "red", "nir", *([None] * (count - 3)))
    colours = [b.color if b.color in ("red", "green", "blue", "nir") else None for b in raster.bands]
    if {"red", "nir"} <= set(colours):
        return tuple(colours)
    if watch.bands:
        raise InputRefused(
            f"has {count} band{'s' if count > 1 else ''}, and the job names {len(watch.bands)}",
            file=name,
            mend="Correct [watch] bands, or take the file out of the folder.",
        )
    raise InputRefused(
        "nothing says which of its bands is which",
        expected=f"descriptions such as {', '.join(NAMES)}",
        file=name,
        mend='Name them in the job: bands = ["blue", "green", "red", "nir", "swir1", "swir2"].',
    )


def _open(found: FoundFile, watch: WatchLike, notes: list[Remark]) -> tuple[Reader, date]:
    raster = open_raster(found.path, name=found.name, kinds=("tiff",), what="a GeoTIFF scene")
    placement = georef.place(raster, crs=watch.crs)
    day = day_of(raster, found.name, notes)
    names = _band_names(raster, watch, found.name)
    scale, offset, stated = meaning(raster, names, watch, notes)
    return Reader(raster, placement, names, scale, offset, stated, found), day


def _cell_m(reader: Reader) -> float:
    a, b, _, d, e, _ = reader.placement.transform
    side = math.sqrt(abs(a * e - b * d))
    if reader.placement.frame.geographic:
        lat = abs(reader.placement.transform[5] + e * reader.raster.height / 2)
        return side * 111_320.0 * math.sqrt(max(math.cos(math.radians(min(lat, 89.0))), 1e-3))
    return side * reader.placement.frame.unit_m


def _corners(reader: Reader, crs_wkt: str) -> tuple[float, float, float, float]:
    from survey.boundary.crs import move_points

    a, b, c, d, e, f = reader.placement.transform
    h, w = reader.raster.height, reader.raster.width
    cols, rows = (g.ravel() for g in np.meshgrid(np.linspace(0, w, 5), np.linspace(0, h, 5)))
    xy = np.column_stack([a * cols + b * rows + c, d * cols + e * rows + f])
    xy = _metric(reader, xy)
    out = move_points(xy, reader.placement.frame.wkt, crs_wkt)
    return float(out[:, 0].min()), float(out[:, 1].min()), float(out[:, 0].max()), float(out[:, 1].max())


def _metric(reader: Reader, xy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coordinates in the metric twin of a file that counts in feet."""
    return xy * reader.placement.frame.unit_m if not reader.placement.frame.geographic else xy


def _affine_m(reader: Reader) -> tuple[float, float, float, float, float, float]:
    unit = 1.0 if reader.placement.frame.geographic else reader.placement.frame.unit_m
    a, b, c, d, e, f = (v * unit for v in reader.placement.transform)
    return a, b, c, d, e, f


def watch_grid(
    readers: Sequence[Reader], crs_wkt: str, within: tuple[float, float, float, float] | None
) -> Grid:
    """The grid on which all scenes meet: the commonest cell of the scenes, on a scene's own lattice if one of
    them is in this system already; as far as the scenes go, cut to ``within``.

    Raises
    ------
    InputRefused
        Cells too fine or too coarse, or an extent that no watch can mean.
    """
    from pyproj import CRS

    wanted = CRS.from_user_input(crs_wkt)
    sizes = Counter(round(_cell_m(r), 2) for r in readers)
    cell = min((size for size, n in sizes.items() if n == max(sizes.values())), default=10.0)
    if abs(cell - round(cell)) / cell < 0.12 and cell > 2:
        cell = float(round(cell))
    if not CELL_RANGE_M[0] <= cell <= CELL_RANGE_M[1]:
        raise InputRefused(
            f"the cells of the scenes are {cell:g} m",
            expected=f"{CELL_RANGE_M[0]:g} to {CELL_RANGE_M[1]:g} m",
            file=readers[0].file.name,
        )
    native = [
        r
        for r in readers
        if not r.placement.frame.geographic
        and CRS.from_user_input(r.placement.frame.wkt) == wanted
        and r.placement.transform[1] == 0
        and r.placement.transform[3] == 0
    ]
    origin = (0.0, 0.0)
    step = (cell, cell)
    if native:
        common = Counter(
            (round(a[0], 6), round(-a[4], 6), round(a[2] % a[0], 3), round(a[5] % a[0], 3))
            for a in (_affine_m(r) for r in native)
        )
        most = max(common.values())
        chosen = next(
            a
            for a in (_affine_m(r) for r in native)
            if common[(round(a[0], 6), round(-a[4], 6), round(a[2] % a[0], 3), round(a[5] % a[0], 3))] == most
        )
        origin, step = (chosen[2], chosen[5]), (chosen[0], -chosen[4])
    boxes = np.array([_corners(r, crs_wkt) for r in readers])
    west, south, east, north = boxes[:, 0].min(), boxes[:, 1].min(), boxes[:, 2].max(), boxes[:, 3].max()
    if within is not None:
        west, south = max(west, within[0]), max(south, within[1])
        east, north = min(east, within[2]), min(north, within[3])
        if west >= east or south >= north:
            raise InputRefused(
                "the scenes do not reach the area of watch",
                file=readers[0].file.name,
                mend="Check the reference systems of the scenes and of the area.",
            )
    west = origin[0] + math.floor((west - origin[0]) / step[0] + 1e-6) * step[0]
    north = origin[1] + math.ceil((north - origin[1]) / step[1] - 1e-6) * step[1]
    width = math.ceil((east - west) / step[0] - 1e-6)
    height = math.ceil((north - south) / step[1] - 1e-6)
    if width * height > MOST_CELLS:
        raise InputRefused(
            f"the scenes together span {width:,} × {height:,} cells",
            expected=f"at most {MOST_CELLS:,} cells",
            file=readers[0].file.name,
            mend="Give an area of watch, or take out scenes of other places.",
        )
    return Grid(crs_wkt, west, north, step[0], step[1], height, width)


def shelve(
    files: Iterable[FoundFile],
    masks: Iterable[FoundFile],
    watch: WatchLike,
    crs_wkt: str,
    within: tuple[float, float, float, float] | None,
) -> Shelf:
    """Understand a folder of scenes and a folder of masks.

    Raises
    ------
    InputRefused, JobError
    """
    notes: list[Remark] = []
    by_day = _opened(files, watch, notes)
    if len(by_day) > MOST_SCENES:
        raise InputRefused(
            f"the folder holds scenes of {len(by_day):,} days", expected=f"at most {MOST_SCENES:,}"
        )
    by_day, bands = _agreed(by_day, notes)
    by_day = without_offset(by_day, bands, watch, notes)
    all_readers = [r for readers in by_day.values() for r in readers]
    grid = watch_grid(all_readers, crs_wkt, within)
    mask_of = _masks(masks, watch, notes)
    scenes, sources = [], []
    for day in sorted(by_day):
        readers = by_day[day]
        mask = mask_of.get(day)
        parts = tuple(_band_file(r, bands, watch) for r in readers)
        state = hashlib.sha256()
        for sha in sorted(r.file.sha256 for r in readers):
            state.update(sha.encode())
        # The same pixels read under another scale, band order or mask are another scene.
        for part in sorted((p.take, p.scale, p.offset) for p in parts):
            state.update(repr(part).encode())
        if mask is not None:
            state.update(mask[1].sha256.encode() + repr(mask[0].clear).encode())
        name = (
            readers[0].file.name
            if len(readers) == 1
            else f"{readers[0].file.name} and {len(readers) - 1} more"
        )
        scenes.append(
            FileScene(day, state.hexdigest(), name, len(bands), parts, None if mask is None else mask[0])
        )
        for role, found, reader in [("scene", r.file, r) for r in readers]:
            sources.append(
                {
                    "role": role,
                    "survey": day.isoformat(),
                    "path": found.name,
                    "sha256": found.sha256,
                    "bytes": reader.raster.pin.bytes,
                    "crs": reader.placement.frame.name,
                    "cell_m": round(_cell_m(reader), 4),
                    "detail": {
                        "bands": [n or "" for n in reader.names],
                        "scale": reader.scale,
                        "offset": reader.offset,
                    },
                }
            )
        if mask is not None:
            sources.append(
                {
                    "role": "mask",
                    "survey": day.isoformat(),
                    "path": mask[1].name,
                    "sha256": mask[1].sha256,
                    "bytes": mask[0].pin.bytes,
                }
            )
    unmasked = [s.date.isoformat() for s in scenes if s.mask is None]
    if mask_of and unmasked:
        notes.append(
            Remark(
                "masks-missing",
                f"no mask for {', '.join(unmasked[:6])}{' …' if len(unmasked) > 6 else ''}: "
                "clouds are looked for there",
                "caution",
            )
        )
    return Shelf(tuple(scenes), bands, grid, tuple(notes), tuple(sources))


def left_out(error: InputRefused, what: str = "scene") -> Remark:
    """A file that cannot be used must not stop the others, and must not pass in silence."""
    return Remark(f"{what}-refused", f"{error} This {what} is left out.", "serious")


def _opened(files: Iterable[FoundFile], watch: WatchLike, notes: list[Remark]) -> dict[date, list[Reader]]:
    """The files that can be used, by day.

    Raises
    ------
    InputRefused
        There is none: the reason of the first.
    """
    by_day: dict[date, list[Reader]] = {}
    refused: list[InputRefused] = []
    for found in files:
        try:
            reader, day = _open(found, watch, notes)
        except InputRefused as error:
            refused.append(error)
            continue
        by_day.setdefault(day, []).append(reader)
    if not by_day:
        if refused:
            raise refused[0]
        raise InputRefused("the folder of scenes holds no GeoTIFF", mend="Check [watch] scenes.")
    notes += [left_out(error) for error in refused]
    return by_day


ODD_SHARE = 0.2
"""Scenes that lack bands are left out if they are fewer than this; else all do with what they share."""


def _agreed(
    by_day: dict[date, list[Reader]], notes: list[Remark]
) -> tuple[dict[date, list[Reader]], BandSet]:
    """The scenes that are used, and the bands that all of them have.

    Raises
    ------
    JobError
        They share too few.
    """
    have = {day: frozenset(n for r in readers for n in r.names if n) for day, readers in by_day.items()}
    count = Counter(have.values())
    usual = min(count, key=lambda h: (-count[h], -len(h), sorted(h)))
    odd = sorted(day for day, names in have.items() if not usual <= names)
    if odd and len(odd) < ODD_SHARE * len(have):
        for day in odd:
            without = ", ".join(n for n in NAMES if n in usual - have[day])
            notes.append(
                Remark(
                    "scene-refused",
                    f"{by_day[day][0].file.name}: has no {without}, which the other scenes have. "
                    "This scene is left out.",
                    "serious",
                )
            )
        by_day = {day: readers for day, readers in by_day.items() if day not in odd}
        have = {day: names for day, names in have.items() if day not in odd}
    shared = frozenset.intersection(*have.values())
    lacking = [n for n in NAMES if n in frozenset().union(*have.values()) - shared]
    if lacking:
        notes.append(
            Remark(
                "bands-dropped",
                f"not every scene has {', '.join(lacking)}: the watch does without",
                "caution",
            )
        )
    return by_day, BandSet(tuple(n for n in NAMES if n in shared))


def _band_file(reader: Reader, bands: BandSet, watch: WatchLike) -> BandFile:
    raster = reader.raster
    take = tuple((i + 1, bands.index(n)) for i, n in enumerate(reader.names) if n and bands.has(n))
    if not take:
        raise InputRefused("brings no band that the watch uses", file=reader.file.name)
    nodata = watch.nodata if watch.nodata is not None else raster.bands[take[0][0] - 1].nodata
    whole = np.dtype(raster.bands[take[0][0] - 1].dtype).kind in "ui"
    return BandFile(
        raster.pin,
        take,
        reader.scale,
        reader.offset,
        nodata,
        whole and nodata is None,
        _affine_m(reader),
        reader.placement.frame.wkt,
        raster.height,
        raster.width,
        raster.block,
    )


def _masks(
    masks: Iterable[FoundFile], watch: WatchLike, notes: list[Remark]
) -> dict[date, tuple[MaskFile, FoundFile]]:
    out: dict[date, tuple[MaskFile, FoundFile]] = {}
    for found in masks:
        try:
            raster = open_raster(found.path, name=found.name, kinds=("tiff",), what="a GeoTIFF mask")
            placement = georef.place(raster, crs=watch.crs)
            if np.dtype(raster.bands[0].dtype).kind not in "uib":
                values = np.unique(sample(raster, 1))
                if not np.all(np.mod(values[np.isfinite(values)], 1) == 0):
                    raise InputRefused("is no mask: its values are not whole numbers", file=found.name)
            day = day_of(raster, found.name, notes)
        except InputRefused as error:
            notes.append(left_out(error, "mask"))
            continue
        if day in out:
            raise JobError(
                f"two masks are of {day.isoformat()}: {out[day][1].name} and {found.name}",
                mend="Keep one of them.",
            )
        unit = 1.0 if placement.frame.geographic else placement.frame.unit_m
        a, b, c, d, e, f = (v * unit for v in placement.transform)
        out[day] = (
            MaskFile(
                raster.pin,
                tuple(int(v) for v in watch.mask_clear),
                raster.bands[0].nodata,
                (a, b, c, d, e, f),
                placement.frame.wkt,
                raster.height,
                raster.width,
                raster.block,
            ),
            found,
        )
    return out
