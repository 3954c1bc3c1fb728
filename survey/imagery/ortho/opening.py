"""The door: a picture as delivered, described and found usable, or refused."""

from __future__ import annotations

import math
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.imagery.ortho.bands import COLOURS, band_names
from survey.imagery.ortho.mosaic import Ortho
from survey.imagery.ortho.systems import flat
from survey.rasters.describe import RasterDescription, open_raster
from survey.rasters.georef import Placement, place
from survey.rasters.handles import dataset

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_BANDS = 64
_SMALLEST_CELL_M, _LARGEST_CELL_M = 0.001, 10_000.0


def open_ortho(
    path: str | PurePath,
    *,
    crs: str | None = None,
    bands: tuple[str, ...] | list[str] | None = None,
    name: str | None = None,
) -> Ortho:
    """Describe an orthomosaic.

    Parameters
    ----------
    crs:
        Reference system for a file that carries none.
    bands:
        Names of the file's bands in order, where the file does not say (or says wrongly).

    Raises
    ------
    InputRefused
        Not a GeoTIFF or JPEG 2000, no reference system, no placement, bands that cannot be used.
    """
    raster = open_raster(path, name=name, what="a GeoTIFF, COG or JPEG 2000")
    source, name = dataset(raster.pin), raster.name
    notes: list[str] = []
    if source.count > _MAX_BANDS:
        raise InputRefused(
            f"the orthomosaic has {source.count} bands", expected=f"at most {_MAX_BANDS}", file=name
        )
    if any(np.dtype(kind).kind == "c" for kind in source.dtypes):
        raise InputRefused("the orthomosaic holds complex numbers", file=name)
    placement = _placement(raster, crs)
    notes += [remark.message for remark in placement.remarks if remark.code.startswith("sidecar")]
    wkt = source.crs.to_wkt() if source.crs is not None else _wkt(placement.crs_text, name)
    a, b, c, d, e, f = placement.transform
    cell_m = _cell_m(wkt, placement.transform, source.height, source.width)
    if not _SMALLEST_CELL_M <= cell_m <= _LARGEST_CELL_M:
        raise InputRefused(
            f"the orthomosaic has cells of {cell_m:.3g} m",
            expected=f"between {_SMALLEST_CELL_M} and {_LARGEST_CELL_M:.0f} m",
            file=name,
            mend="Its reference system or its placement is wrong: export it in the UTM zone of the mine.",
        )
    names, alpha, palette = band_names(source, bands, name, notes)
    four = bands is None and len(names) == 4 and names[:3] == COLOURS
    if four and alpha is not None and _is_a_picture(_sample(source, [alpha], name)[0]):
        names, alpha = (*COLOURS, "nir"), None
        notes.append(
            "The fourth band is marked as transparency but is a picture; it was taken as near infrared."
        )
    sample = _sample(source, [i + 1 for i, b in enumerate(names) if b != "alpha"], name)
    if alpha is None and len(names) == 4 and names[3] == "band_4" and bands is None:
        if np.isin(sample[3], (0, _top(source.dtypes[3]))).all():
            names, alpha, sample = (*names[:3], "alpha"), 4, sample[:3]
        elif names[:3] == COLOURS:
            names = (*names[:3], "nir")
            notes.append("The fourth band carries no name; it was taken as near infrared.")
    flags = [{flag.name for flag in of_band} for of_band in source.mask_flag_enums]
    masked = alpha is None and any("per_dataset" in f and "alpha" not in f for f in flags)
    nodata = None if source.nodata is None or math.isnan(source.nodata) else float(source.nodata)
    white, said = _white(sample, np.dtype(source.dtypes[0]))
    if said:
        notes.append(said)
    return Ortho(
        pin=raster.pin,
        crs_wkt=wkt,
        affine=(a, b, c, d, e, f),
        height=source.height,
        width=source.width,
        bands=names,
        white=1.0 if palette is not None else white,
        cell_m=cell_m,
        alpha=alpha,
        mask=masked,
        nodata=nodata,
        black_is_missing=alpha is None and not masked and nodata is None and palette is None,
        palette=palette,
        notes=tuple(notes),
    )


def _placement(raster: RasterDescription, crs: str | None) -> Placement:
    """Where it lies by its own word or a file beside it; ``crs`` counts only where both are silent."""
    try:
        placement = place(raster)
    except InputRefused:
        if crs is None or raster.crs_wkt is not None or raster.transform is None:
            raise
        placement = place(raster, crs=crs)
    a, b, _, d, e, _ = placement.transform
    if a * e - b * d == 0:
        raise InputRefused(
            "the orthomosaic has cells without area", file=raster.name, mend="Export it again as a GeoTIFF."
        )
    return placement


def _wkt(crs: str, name: str) -> str:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_user_input(crs).to_wkt()
    except CRSError as fault:
        raise InputRefused(
            f"{crs!r} is not a reference system", expected='for instance "EPSG:32643"', file=name
        ) from fault


def _sample(source: Any, numbers: list[int], name: str) -> NDArray[Any]:
    """Cells from an 8 × 8 lattice of small windows: (bands, cells)."""
    from rasterio.errors import RasterioError

    side = 32
    parts = []
    try:
        for r in range(8):
            for k in range(8):
                r0 = min(int((r + 0.5) * source.height / 8), max(source.height - side, 0))
                c0 = min(int((k + 0.5) * source.width / 8), max(source.width - side, 0))
                window = ((r0, min(r0 + side, source.height)), (c0, min(c0 + side, source.width)))
                parts.append(source.read(numbers, window=window).reshape(len(numbers), -1))
    except (RasterioError, OSError) as fault:
        raise InputRefused("cells of the orthomosaic cannot be decoded", file=name) from fault
    return np.concatenate(parts, axis=1)


def _is_a_picture(cells: NDArray[Any]) -> bool:
    """Transparency is all or nothing but along an edge; many writers mark any fourth band as that."""
    _, count = np.unique(cells, return_counts=True)
    return bool(np.sort(count)[-2:].sum() < 0.5 * cells.size)


def _top(dtype: str) -> float:
    kind = np.dtype(dtype)
    return 1.0 if kind.kind == "f" else float(np.iinfo(kind).max)


def _white(sample: NDArray[Any], kind: np.dtype[Any]) -> tuple[float, str]:
    """The number of a fully bright cell. Files of more than 8 bits seldom say; the picture itself does."""
    if kind.kind in "ui" and kind.itemsize == 1:
        return 255.0, ""
    values = sample.astype(np.float64)
    values = values[np.isfinite(values) & (values > 0) & (values < 1e9)]
    bright = float(np.percentile(values, 99.5)) if values.size else _top(kind.name)
    if kind.kind == "f" and bright <= 1.5:
        return 1.0, ""
    return (
        bright,
        f"Brightness is counted in parts of {bright:.4g}, the brightest half per cent of the picture.",
    )


def _cell_m(
    wkt: str, transform: tuple[float, float, float, float, float, float], height: int, width: int
) -> float:
    """Side of a square cell of the same area on the ground at the middle of the file, metres."""
    from pyproj import CRS

    a, b, _, d, e, f = transform
    area = abs(a * e - b * d)
    crs = flat(CRS.from_user_input(wkt))
    if crs.is_geographic:
        north = d * width / 2 + e * height / 2 + f
        degree = 111_320.0
        return math.sqrt(area) * degree * math.sqrt(max(math.cos(math.radians(north)), 0.01))
    factor = crs.axis_info[0].unit_conversion_factor if crs.axis_info else 1.0
    return math.sqrt(area) * factor
