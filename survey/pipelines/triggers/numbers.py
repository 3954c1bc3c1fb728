"""What the numbers of a scene mean: scale and offset as stated, else as the numbers themselves show."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from survey.imagery.triggers.slabs import decoded
from survey.remark import Remark

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from survey.imagery.triggers.bands import BandSet
    from survey.pipelines.triggers.reading import Reader, WatchLike
    from survey.rasters.describe import RasterDescription


def sample(raster: RasterDescription, band: int) -> NDArray[np.float64]:
    """Some rows of a band, spread over the file, for a look at its numbers."""
    rows = sorted({int(r) for r in np.linspace(0, raster.height - 1, 9)})
    parts = [decoded(raster.pin, (band,), r, 0, 1, raster.width).ravel() for r in rows]
    return np.concatenate(parts).astype(np.float64)


def meaning(
    raster: RasterDescription, names: tuple[str | None, ...], watch: WatchLike, notes: list[Remark]
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


DARK_SHARE = 0.001
S2_OFFSET = 0.1


def without_offset(
    by_day: dict[date, list[Reader]], bands: BandSet, watch: WatchLike, notes: list[Remark]
) -> dict[date, list[Reader]]:
    """Sentinel-2 numbers since 2022, and reprocessed older ones, carry 1000 too much; the date is no test.

    Where no scale was stated, the darkest thousandth of the short-wave bands is compared between the scenes:
    water and shadow are near zero in a scene without the offset and near 0.1 in one with it.
    """
    if any(r.stated or abs(r.scale - 1e-4) > 1e-9 for readers in by_day.values() for r in readers):
        return by_day
    probe = [b for b in ("swir2", "swir1", "nir") if bands.has(b)][:1]
    level: dict[date, float] = {}
    for day, readers in by_day.items():
        lows = []
        for r in readers:
            for i, n in enumerate(r.names):
                if n in probe:
                    v = sample(r.raster, i + 1)
                    v = v[np.isfinite(v) & (v > 0)] * r.scale
                    if v.size:
                        lows.append(float(np.quantile(v, DARK_SHARE)))
        if lows:
            level[day] = min(lows)
    if not level:
        return by_day
    lowest = min(level.values())
    sentinel = watch.sensor == "sentinel2"
    mixed = lowest < 0.06 and any(v > lowest + 0.07 for v in level.values())
    raised = {
        d
        for d, v in level.items()
        if v > 0.085 and ((mixed and v > lowest + 0.07) or (sentinel and lowest > 0.085))
    }
    # A scene full of cloud is bright in its darkest cell too: then nothing of it is used anyway.
    if not raised:
        return by_day
    shown = ", ".join(sorted(d.isoformat() for d in raised)[:5])
    notes.append(
        Remark(
            "offset-found",
            f"the darkest cells of {len(raised)} scenes ({shown} …) lie at 0.1: "
            "an offset of −0.1 was taken off",
            "caution",
        )
    )
    return {
        d: [replace(r, offset=r.offset - S2_OFFSET) for r in rs] if d in raised else rs
        for d, rs in by_day.items()
    }
