"""A folder of dated scenes, understood: which file is of which day and band, and the grid they meet on."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from survey.errors import InputRefused, JobError
from survey.grid import Grid
from survey.imagery.triggers.bands import NAMES, BandSet
from survey.imagery.triggers.files import BandFile, FileScene, MaskFile
from survey.pipelines.triggers.common_grid import affine_m, cell_m_of, watch_grid
from survey.pipelines.triggers.conventions import clear_values
from survey.pipelines.triggers.days import day_of
from survey.pipelines.triggers.numbers import sample
from survey.pipelines.triggers.offsets import without_offset
from survey.pipelines.triggers.reading import FoundFile, Reader, open_scene
from survey.pipelines.triggers.watch_keys import WatchLike
from survey.rasters import georef
from survey.rasters.describe import RasterDescription, open_raster
from survey.remark import Remark

MOST_SCENES = 5000


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
                    "cell_m": round(cell_m_of(reader), 4),
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
            reader, day = open_scene(found, watch, notes)
        except InputRefused as error:
            refused.append(error)
            continue
        by_day.setdefault(day, []).append(reader)
    if not by_day:
        if refused:
            raise refused[0]
        raise InputRefused("the folder of scenes holds no GeoTIFF", mend="Check [watch] scenes.")
    notes += [left_out(error) for error in refused]
    _fold(notes, {found.name for readers in by_day.values() for found in (r.file for r in readers)})
    return _once(by_day, notes)


def _once(by_day: dict[date, list[Reader]], notes: list[Remark]) -> dict[date, list[Reader]]:
    """The same files under another name or day would count as a second look: the first of them is kept."""
    told: dict[frozenset[tuple[str, tuple[str | None, ...]]], Reader] = {}
    out = {}
    for day in sorted(by_day):
        own: dict[tuple[str, tuple[str | None, ...]], Reader] = {}
        for reader in by_day[day]:
            first = own.setdefault((reader.file.sha256, reader.names), reader)
            if first is not reader:
                notes.append(_again(reader, first))
        whole = frozenset(own)
        if whole in told:
            notes.append(_again(next(iter(own.values())), told[whole]))
            continue
        told[whole] = next(iter(own.values()))
        out[day] = list(own.values())
    return out


def _again(reader: Reader, first: Reader) -> Remark:
    return Remark(
        "scene-refused",
        f"{reader.file.name}: is the same file as {first.file.name}. This scene is left out.",
        "serious",
    )


FOLDED = ("scale-assumed", "landsat-scale")


def _fold(notes: list[Remark], names: Set[str]) -> None:
    """What holds of many files alike is said once, of the first and the number of the others."""
    said: dict[tuple[str, str], list[Remark]] = {}
    for note in notes:
        name, _, rest = note.message.partition(": ")
        if note.code in FOLDED and name in names:
            said.setdefault((note.code, rest), []).append(note)
    for (_, rest), alike in said.items():
        if len(alike) > 1:
            first = alike[0].message.partition(": ")[0]
            at = notes.index(alike[0])
            notes[at] = replace(alike[0], message=f"{first} and {len(alike) - 1} more: {rest}")
            for note in alike[1:]:
                notes.remove(note)


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
        affine_m(reader),
        reader.placement.frame.wkt,
        raster.height,
        raster.width,
        raster.block,
    )


def _masks(
    masks: Iterable[FoundFile], watch: WatchLike, notes: list[Remark]
) -> dict[date, tuple[MaskFile, FoundFile]]:
    opened: dict[date, tuple[RasterDescription, georef.Placement, FoundFile]] = {}
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
        if day in opened:
            raise JobError(
                f"two masks are of {day.isoformat()}: {opened[day][2].name} and {found.name}",
                mend="Keep one of them.",
            )
        opened[day] = raster, placement, found
    if not opened:
        return {}
    clear = clear_values([(raster, found.name) for raster, _, found in opened.values()], watch, notes)
    out = {}
    for day, (raster, placement, found) in opened.items():
        unit = 1.0 if placement.frame.geographic else placement.frame.unit_m
        a, b, c, d, e, f = (v * unit for v in placement.transform)
        out[day] = (
            MaskFile(
                raster.pin,
                clear,
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
