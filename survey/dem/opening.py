"""From a file to a ``Surface``: every decision that is taken at the door, in the order it is taken."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

from survey.dem.decode import Stored
from survey.dem.lay import Lay, lay_on
from survey.dem.plausible import refuse_implausible
from survey.dem.refuse import (
    check_cell,
    refuse_by_description,
    refuse_pictures,
    remark_on_precision,
    undeclared_nodata,
    usual_heights,
)
from survey.dem.sample import first_look
from survey.dem.surface import Surface
from survey.dem.units import height_unit_of
from survey.errors import InputRefused
from survey.grid import Grid
from survey.rasters.crs import AREAL_TOLERANCE, areal_scale, to_lonlat, utm_wkt
from survey.rasters.describe import RasterDescription, open_raster
from survey.rasters.georef import Affine6, Placement, place
from survey.rasters.handles import Pin
from survey.rasters.limits import DEFAULT_LIMITS, RasterLimits
from survey.rasters.unpack import TILE, unpacked
from survey.remark import Remark

LAID_BLOCK = 1024


def open_surface(
    path: str | os.PathLike[str],
    *,
    crs: str | None = None,
    height_unit: str | None = None,
    name: str | None = None,
    limits: RasterLimits = DEFAULT_LIMITS,
    interpolate: bool = True,
    scratch: Path | None = None,
) -> Surface:
    """Look at a DEM, judge it, and describe how to read it.

    Parameters
    ----------
    crs:
        Reference system for a file that carries none.
    height_unit:
        Unit of the heights if the file does not say: "m", "ft" or "us-ft".
    name:
        What to call the file in messages, if its path is not its name.
    interpolate:
        Lay rotated files, files in degrees and files in projections whose areas are wrong onto metric,
        north-up cells (and say so in the notes). False refuses them.
    scratch:
        A folder that lasts as long as the surface: what would be decoded again and again for each window read
        (a file packed into one strip) is decoded once into it.

    Raises
    ------
    InputRefused
    """
    raster = open_raster(
        path, name=name, limits=limits, kinds=("tiff",), what="an elevation model as GeoTIFF"
    )
    band, alpha = refuse_by_description(raster)
    placement = place(raster, crs=crs)
    unit = height_unit_of(raster.bands[band - 1].unit, placement.frame, height_unit, file=raster.name)
    described = raster.bands[band - 1]
    if not abs(described.scale) > 0:
        raise InputRefused("declares a scale of zero for its heights", file=raster.name)
    pin = None if scratch is None else unpacked(raster, scratch)
    rows, cols = raster.block if pin is None else (TILE, TILE)
    stored = Stored(
        pin=pin or raster.pin,
        rows=raster.height,
        cols=raster.width,
        dtype=described.dtype,
        band=band,
        # NaN means itself, and equals nothing.
        nodata=() if described.nodata is None or math.isnan(described.nodata) else (described.nodata,),
        scale=described.scale * unit.unit_m,
        offset=described.offset * unit.unit_m,
        has_mask=raster.has_mask,
        alpha_band=alpha,
        mask_pin=_outer_mask(raster, limits),
    )
    declared = (
        described.nodata is not None or raster.has_mask or alpha is not None or stored.mask_pin is not None
    )
    notes = [*raster.remarks, *placement.remarks, *unit.remarks]

    samples = first_look(raster, stored)
    nothing = undeclared_nodata(stored, samples, declared=declared)
    notes += nothing.remarks
    if raster.sparse_blocks and not declared and 0.0 not in nothing.values:
        raise InputRefused(
            f"{raster.sparse_blocks} of its blocks were never written, and it declares no nodata: they would "
            "be read as ground at zero",
            file=raster.name,
            mend="Declare the nodata value: gdal_edit.py -a_nodata -9999 FILE",
        )
    if nothing.values:
        stored = replace(stored, nodata=(*stored.nodata, *nothing.values))
        samples = [sample.without(stored) for sample in samples]
    stored = replace(stored, usual=usual_heights(stored, nothing.lowest_m, nothing.highest_m))

    grid, stored, lay, scale, laid_notes = _grid(raster, placement, stored, interpolate)
    notes += laid_notes
    notes += refuse_pictures(stored, samples, grid.cell_m)
    notes += refuse_implausible(stored, samples, grid, unit_said=unit.source != "assumed")
    notes += remark_on_precision(stored, raster)
    return Surface(
        grid=grid,
        stored=stored,
        block=(LAID_BLOCK, LAID_BLOCK) if lay else (rows, cols),
        block_origin=(
            grid.height % rows if stored.flip_rows else 0,
            grid.width % cols if stored.flip_cols else 0,
        ),
        lay=lay,
        crs_name=placement.frame.name,
        crs_source=placement.crs_source,
        heights=placement.frame.heights,
        height_unit=unit.name,
        height_unit_source=unit.source,
        areal_scale=scale,
        compression=raster.compression,
        tiled=raster.tiled,
        area_or_point=raster.area_or_point,
        datetime=raster.datetime,
        software=raster.software,
        tags=raster.tags,
        sidecars=(*placement.sidecars, *((stored.mask_pin.path,) if stored.mask_pin else ())),
        notes=tuple(dict.fromkeys(notes)),
    )


def _outer_mask(raster: RasterDescription, limits: RasterLimits) -> Pin | None:
    """GDAL's external mask, ``dem.tif.msk``: cells it hides are not measured."""
    path = raster.path + ".msk"
    if not os.path.isfile(path) or os.path.islink(path):
        return None
    mask = open_raster(path, name=f"{raster.name}.msk", limits=limits, kinds=("tiff",), what="a mask")
    if (mask.width, mask.height) != (raster.width, raster.height):
        raise InputRefused(
            "has another size than the elevation model it masks",
            file=mask.name,
            mend="Send both again, or neither.",
        )
    return mask.pin


def _grid(
    raster: RasterDescription, placement: Placement, stored: Stored, interpolate: bool
) -> tuple[Grid, Stored, Lay | None, float, list[Remark]]:
    """The metric, north-up grid; how the file is turned or laid onto it; its areal scale."""
    frame = placement.frame
    unit = frame.unit_m
    a, b, c, d, e, f = (v * unit for v in placement.transform)
    _check_place(raster, placement, (a, b, c, d, e, f))
    notes: list[Remark] = []
    if unit != 1.0:
        notes.append(
            Remark(
                "horizontal-unit",
                f"its coordinates are in {frame.unit_name} ({unit:.10g} m) and were turned into metres",
                "info",
            )
        )
    # A rotation that moves no corner by a hundredth of a cell is rounding in some exporter.
    turned = abs(b) * raster.height > 0.01 * abs(a) or abs(d) * raster.width > 0.01 * abs(e)
    why = None
    target = frame.wkt
    scale = 1.0
    if frame.geographic:
        lon, lat = a * raster.width / 2 + c, e * raster.height / 2 + f
        target = utm_wkt(frame.wkt, lon, lat)
        why = "its cells are in degrees"
    else:
        east, north = _centre(raster, (a, b, c, d, e, f))
        scale = areal_scale(frame.wkt, east, north)
        if not abs(scale - 1) <= AREAL_TOLERANCE:
            lon, lat = to_lonlat(frame.wkt).transform(east, north)
            target = utm_wkt(frame.wkt, lon, lat)
            wrong = "large" if scale > 1 else "small"
            why = f'areas in "{frame.name}" are {abs(scale - 1):.1%} too {wrong} here'
        elif turned:
            why = "its rows do not run east"
    if why is None:
        check_cell(raster, abs(a), abs(e))
        flip_rows, flip_cols = e > 0, a < 0
        grid = Grid(
            frame.wkt,
            c + a * raster.width if flip_cols else c,
            f + e * raster.height if flip_rows else f,
            abs(a),
            abs(e),
            raster.height,
            raster.width,
        )
        return grid, replace(stored, flip_rows=flip_rows, flip_cols=flip_cols), None, scale, notes
    if not interpolate:
        raise InputRefused(
            f"{why}, so that volumes cannot be measured on its cells",
            file=raster.name,
            mend="Export it in the UTM zone of the mine: gdalwarp -t_srs EPSG:326ZZ -r bilinear IN OUT.tif",
        )
    try:
        grid, lay = lay_on((a, b, c, d, e, f), frame.wkt, target, raster.width, raster.height)
    except ValueError as error:
        raise InputRefused(
            f"cannot be laid onto metric cells: {error}",
            file=raster.name,
            mend="Its reference system or its georeference is wrong: export it in the UTM zone of the mine.",
        ) from error
    check_cell(raster, grid.cell_east, grid.cell_north)
    notes.append(
        Remark(
            "interpolated",
            f"{why}: heights were interpolated onto cells of {grid.cell_east:g} m in {grid.crs.name}, which "
            "smooths steep faces a little",
            "caution",
        )
    )
    centre = grid.bounds
    scale = areal_scale(grid.crs_wkt, (centre.west + centre.east) / 2, (centre.south + centre.north) / 2)
    return grid, stored, lay, scale, notes


def _centre(raster: RasterDescription, transform: Affine6) -> tuple[float, float]:
    a, b, c, d, e, f = transform
    col, row = raster.width / 2, raster.height / 2
    return a * col + b * row + c, d * col + e * row + f


def _check_place(raster: RasterDescription, placement: Placement, transform: Affine6) -> None:
    """Refuse positions that the reference system does not have.

    Degrees labelled as metres, metres labelled as degrees, and the wrong part of the world are the usual
    contradictions. A zone's edge is no contradiction: surveys stay in the zone where the mine began.
    """
    frame = placement.frame
    a, b, _, d, e, _ = transform
    mend = "The reference system does not belong to these coordinates: find out which does, and export again."
    if a * e - b * d == 0:
        raise InputRefused("has cells without area", file=raster.name, mend=mend)
    east, north = _centre(raster, transform)
    if frame.geographic:
        if not (abs(north) <= 90 and abs(east) <= 360):
            raise InputRefused(
                f'says it is in degrees ("{frame.name}") but lies at {east:.1f}, {north:.1f}',
                file=raster.name,
                mend=mend,
            )
        return
    from pyproj import CRS

    lon, lat = to_lonlat(frame.wkt).transform(east, north)
    crs = CRS.from_user_input(frame.wkt)
    area = crs.area_of_use
    inside = abs(lat) <= 90 and abs(lon) <= 360
    if inside and area is not None and area.west <= area.east:
        margin = 6.0
        inside = (
            area.west - margin <= lon <= area.east + margin
            and area.south - margin <= lat <= area.north + margin
        )
    if not inside:
        raise InputRefused(
            f'lies at {east:.1f}, {north:.1f} m, which "{frame.name}" does not cover',
            file=raster.name,
            mend=mend,
        )
