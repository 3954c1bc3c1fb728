"""Height models and orthomosaics as GeoTIFFs."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..grid import Grid
from .forms import DeliveryForm


def write_dem(path: Path, heights: NDArray[np.float32], grid: Grid, form: DeliveryForm, day: date) -> None:
    """A single-band GeoTIFF of heights; int16 carries centimetres above the lowest whole metre by its
    scale and offset tags."""
    import rasterio

    gone = ~np.isfinite(heights)
    data: NDArray[Any] = heights.astype(form.dtype if form.dtype != "int16" else "float64")
    scale, offset, nodata = 1.0, 0.0, form.nodata
    if form.dtype == "int16":
        offset, scale = float(np.floor(np.nanmin(heights))), 0.01
        nodata = -32768.0 if nodata is None or np.isnan(nodata) else nodata
        data = np.where(gone, nodata, np.round((data - offset) / scale)).astype("int16")
    elif nodata is not None:
        data = np.where(gone, data.dtype.type(nodata), data)
    else:
        data = np.where(gone, data.dtype.type(0), data)
    profile = _profile(form, grid, data.dtype.name, 1)
    if nodata is not None:
        profile["nodata"] = nodata
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as out:
        out.write(data, 1)
        if form.dtype == "int16":
            out.scales, out.offsets = (scale,), (offset,)
        if nodata is None:
            out.write_mask(~gone)
        out.update_tags(TIFFTAG_DATETIME=f"{day:%Y:%m:%d} 11:30:00", AREA_OR_POINT="Area")


def _profile(form: DeliveryForm, grid: Grid, dtype: str, count: int) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "driver": "GTiff", "dtype": dtype, "count": count, "height": grid.height, "width": grid.width,
        "crs": grid.crs_wkt, "transform": grid.transform,
    }  # fmt: skip
    if form.compress != "none":
        profile["compress"] = form.compress
        if form.compress in ("zstd", "deflate", "lzw"):
            profile["predictor"] = 3 if dtype.startswith("float") else 2
        if form.compress == "zstd":
            profile["zstd_level"] = 9
    if form.tiled:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    return profile


def write_ortho(
    path: Path,
    image: NDArray[np.uint8],
    grid: Grid,
    form: DeliveryForm,
    day: date,
    seen: NDArray[np.bool_] | None = None,
) -> None:
    """A byte GeoTIFF, JPEG by default, with an internal mask where the survey has no heights at its rim."""
    import rasterio

    repeat = form.ortho_repeat
    count = image.shape[0]
    fine = Grid(
        grid.crs_wkt, grid.west, grid.north, grid.cell_east / repeat, grid.cell_north / repeat,
        grid.height * repeat, grid.width * repeat,
    )  # fmt: skip
    profile = _profile(form, fine, "uint8", count) | {"tiled": True, "blockxsize": 512, "blockysize": 512}
    if form.ortho_quality is not None and count == 3:
        profile.pop("predictor", None)
        profile.pop("zstd_level", None)
        profile |= {
            "compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": form.ortho_quality, "num_threads": 2,
        }  # fmt: skip
    if count > 3:
        profile["interleave"] = "pixel"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as out:
        wide = _Enlarged(image, repeat)
        for row in range(0, fine.height, 512):  # whole blocks: each is compressed once
            rows = min(512, fine.height - row)
            out.write(wide.rows(row, rows), window=rasterio.windows.Window(0, row, fine.width, rows))
        if count > 3:
            from .ortho import bands_of

            for k, name in enumerate(bands_of(count), start=1):
                out.set_band_description(k, name)
        if seen is not None and not seen.all():
            out.write_mask(_flown(seen, fine))
        out.update_tags(TIFFTAG_DATETIME=f"{day:%Y:%m:%d} 11:30:00")


class _Enlarged:
    """An image with ``repeat`` times finer cells, by linear interpolation (in 1/16) between cell centres."""

    def __init__(self, image: NDArray[np.uint8], repeat: int) -> None:
        self.image, self.repeat = image, repeat
        self.low, self.high, self.share = self._between(np.arange(image.shape[2] * repeat), image.shape[2])

    def _between(
        self, fine: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int16]]:
        position = (fine + 0.5) / self.repeat - 0.5
        low = np.clip(np.floor(position).astype(int), 0, size - 1)
        share = np.rint(16 * np.clip(position - low, 0, 1)).astype(np.int16)
        return low, np.minimum(low + 1, size - 1), share

    def rows(self, first: int, count: int) -> NDArray[np.uint8]:
        if self.repeat == 1:
            return self.image[:, first : first + count]
        low, high, share = self._between(np.arange(first, first + count), self.image.shape[1])
        part = self.image[:, low[0] : high[-1] + 1].astype(np.int16)
        west = part[:, :, self.low]
        wide = west + ((part[:, :, self.high] - west) * self.share >> 4)  # few rows, so this is cheap
        out = np.empty((wide.shape[0], count, wide.shape[2]), np.uint8)
        for k in range(count):
            north, south = wide[:, low[k] - low[0]], wide[:, high[k] - low[0]]
            out[:, k] = north + ((south - north) * share[k] >> 4)
        return out


def _flown(seen: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Where the camera was: the heights' extent without their inner holes, on the orthomosaic's cells."""
    from scipy.ndimage import binary_fill_holes

    whole = binary_fill_holes(seen)
    rows = np.minimum((np.arange(grid.height) * seen.shape[0]) // grid.height, seen.shape[0] - 1)
    cols = np.minimum((np.arange(grid.width) * seen.shape[1]) // grid.width, seen.shape[1] - 1)
    return whole[np.ix_(rows, cols)]
