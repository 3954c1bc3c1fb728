"""One file of a scene, understood: its day, which of its bands is which, and what its numbers mean."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from survey.errors import InputRefused, JobError
from survey.imagery.triggers.bands import NAMES, canonical_band
from survey.pipelines.triggers.conventions import landsat_family
from survey.pipelines.triggers.days import day_of
from survey.pipelines.triggers.numbers import meaning
from survey.pipelines.triggers.watch_keys import WatchLike
from survey.rasters import georef
from survey.rasters.describe import RasterDescription, open_raster
from survey.remark import Remark


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


def _band_names(raster: RasterDescription, watch: WatchLike, name: str) -> tuple[str | None, ...]:
    """Which band is which: by the job, the file's descriptions, its colours, or a single band's file name."""
    count, family = len(raster.bands), landsat_family(raster, name, watch)
    if watch.bands and count >= len(watch.bands) and not (count == 1 and len(watch.bands) > 1):
        named = [canonical_band(b, family) for b in watch.bands]
        unknown = [b for b, n in zip(watch.bands, named, strict=True) if b and n is None]
        if unknown:
            raise JobError(
                f"[watch] bands: {', '.join(unknown)} says nothing known",
                expected=f"each of {', '.join(NAMES)}, or their names at the sensor (B04, B8A …)",
                mend='Write "" for a band that is to be passed over.',
            )
        return tuple(named + [None] * (count - len(named)))
    described = [canonical_band(b.description, family) for b in raster.bands]
    if sum(d is not None for d in described) >= min(3, count):
        return tuple(described)
    stem = os.path.splitext(os.path.basename(name))[0]
    tokens = [
        canonical_band(t, family)
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


def open_scene(found: FoundFile, watch: WatchLike, notes: list[Remark]) -> tuple[Reader, date]:
    raster = open_raster(found.path, name=found.name, kinds=("tiff",), what="a GeoTIFF scene")
    placement = georef.place(raster, crs=watch.crs)
    day = day_of(raster, found.name, notes)
    names = _band_names(raster, watch, found.name)
    landsat = landsat_family(raster, found.name, watch) is not None
    scale, offset, stated = meaning(raster, names, watch, notes, landsat)
    return Reader(raster, placement, names, scale, offset, stated, found), day
