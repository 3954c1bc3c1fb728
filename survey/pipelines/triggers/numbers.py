"""What the numbers of a file mean: scale and offset as stated, else as the numbers themselves show."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from survey.imagery.triggers.slabs import decoded
from survey.remark import Remark

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.pipelines.triggers.watch_keys import WatchLike
    from survey.rasters.describe import RasterDescription


LANDSAT_SCALE = (2.75e-5, -0.2)
"""Of surface reflectance in Landsat Collection 2, Level 2 (USGS LSDS-1619)."""
LANDSAT_DARK = 6000
"""In those numbers no reflectance stands for 7,273; in others the dark ground of a scene lies far lower."""


def sample(raster: RasterDescription, band: int) -> NDArray[np.float64]:
    """Some rows of a band, spread over the file, for a look at its numbers."""
    rows = sorted({int(r) for r in np.linspace(0, raster.height - 1, 9)})
    parts = [decoded(raster.pin, (band,), r, 0, 1, raster.width).ravel() for r in rows]
    return np.concatenate(parts).astype(np.float64)


def meaning(
    raster: RasterDescription,
    names: tuple[str | None, ...],
    watch: WatchLike,
    notes: list[Remark],
    landsat: bool = False,
) -> tuple[float, float, bool]:
    """(scale, offset, stated): reflectance = scale · number + offset."""
    if watch.scale is not None:
        return watch.scale, watch.offset or 0.0, True
    used = [raster.bands[i] for i, n in enumerate(names) if n]
    if used and (used[0].scale, used[0].offset) != (1.0, 0.0):
        return used[0].scale, used[0].offset, True
    tags = {k.upper(): v for k, v in raster.tags}
    for key in ("BOA_QUANTIFICATION_VALUE", "QUANTIFICATION_VALUE"):
        try:
            value = float(tags[key])
            add = float(tags.get("BOA_ADD_OFFSET", tags.get("RADIO_ADD_OFFSET", "0")))
        except (KeyError, ValueError):
            continue
        if value > 0:
            return 1.0 / value, add / value, True
    first = next(i for i, n in enumerate(names) if n) + 1
    numbers = sample(raster, first)
    kind = np.dtype(raster.bands[first - 1].dtype)
    numbers = numbers[np.isfinite(numbers) & (numbers != 0)]
    if raster.bands[first - 1].nodata is not None:
        numbers = numbers[numbers != raster.bands[first - 1].nodata]
    high = float(np.quantile(numbers, 0.99)) if numbers.size else 1.0
    if kind.kind == "f" and high <= 2.0:
        return 1.0, 0.0, True
    if landsat and kind.itemsize == 2 and numbers.size and np.quantile(numbers, 0.01) >= LANDSAT_DARK:
        notes.append(
            Remark(
                "landsat-scale",
                f"{raster.name}: numbers of Landsat Collection 2, reflectance = 0.0000275 × number − 0.2",
                "info",
            )
        )
        return *LANDSAT_SCALE, True
    # Whatever the unit, radiometry is only compared; what matters is that land lies between 0 and 1.
    if kind.itemsize == 1:
        scale = 1.0 / 255.0
    elif high <= 20_000:
        scale = 1e-4
    else:
        scale = 1.0 / 65535.0
    notes.append(
        Remark(
            "scale-assumed",
            f"{raster.name}: nothing says what its numbers mean; "
            f"reflectance = {scale:.6g} × number was assumed",
            "caution",
        )
    )
    return scale, 0.0, False
