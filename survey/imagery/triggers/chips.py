"""Small pictures of a trigger for people: the place before and after, in the same light."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from survey.grid import Bounds, Grid
from survey.imagery.triggers.bands import BandSet
from survey.imagery.triggers.sources import SceneSource

if TYPE_CHECKING:
    from shapely import Geometry

SIDE_CELLS = 40
PIXELS = 160


def window_of(shape: Geometry, grid: Grid) -> Grid:
    """A square of at least ``SIDE_CELLS`` cells around a shape."""
    west, south, east, north = shape.bounds
    half = max(SIDE_CELLS / 2 * grid.cell_m, 0.75 * max(east - west, north - south))
    x, y = (west + east) / 2, (south + north) / 2
    return grid.covering(Bounds(x - half, y - half, x + half, y + half))


def shown_bands(bands: BandSet) -> tuple[int, int, int]:
    """Red, green, blue of the picture: true colour if there is, else infrared false colour."""
    if bands.has("blue") and bands.has("green"):
        names = ("red", "green", "blue")
    elif bands.has("green"):
        names = ("nir", "red", "green")
    else:
        names = ("swir1" if bands.has("swir1") else "nir", "nir", "red")
    return tuple(bands.index(n) for n in names)  # type: ignore[return-value]


def nearest_season(baseline: Sequence[SceneSource], after: SceneSource) -> list[SceneSource]:
    """Baseline scenes, those of the same time of the year first."""

    def away(scene: SceneSource) -> tuple[int, int]:
        gap = abs(scene.date.timetuple().tm_yday - after.date.timetuple().tm_yday)
        return min(gap, 365 - gap), -scene.date.toordinal()

    return sorted(baseline, key=away)


def chip_png(
    baseline: Sequence[SceneSource], after: SceneSource, shape: Geometry, grid: Grid, bands: BandSet
) -> bytes | None:
    """Before and after side by side with the outline of ``shape``; None if nothing was measured there."""
    from PIL import Image, ImageDraw

    piece = window_of(shape, grid)
    if not piece.height or not piece.width:
        return None
    chosen = list(shown_bands(bands))
    now = _picture(after, piece, chosen)
    before = None
    for scene in nearest_season(baseline, after)[:6]:
        clear = scene.read_clear(piece)
        if clear is not None and clear.mean() < 0.8:
            continue
        found = _picture(scene, piece, chosen)
        if np.isfinite(found).all(0).mean() > 0.8:
            before = found
            break
    if before is None or not np.isfinite(now).any():
        return None
    low, high = _stretch(before, now)
    pictures = []
    for values in (before, now):
        scaled = (values - low[:, None, None]) / np.maximum(high - low, 1e-4)[:, None, None]
        bytes8 = np.rint(255 * np.clip(np.nan_to_num(scaled), 0, 1) ** 0.8).astype(np.uint8)
        picture = Image.fromarray(np.moveaxis(bytes8, 0, -1)).resize(
            (PIXELS, PIXELS), Image.Resampling.NEAREST
        )
        pictures.append(picture)
    _draw(ImageDraw.Draw(pictures[1]), shape, piece)
    _draw(ImageDraw.Draw(pictures[0]), shape, piece)
    both = Image.new("RGB", (2 * PIXELS + 4, PIXELS), (255, 255, 255))
    both.paste(pictures[0], (0, 0))
    both.paste(pictures[1], (PIXELS + 4, 0))
    out = io.BytesIO()
    both.save(out, "PNG", compress_level=6)
    return out.getvalue()


def _stretch(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    both = np.concatenate([a.reshape(len(a), -1), b.reshape(len(b), -1)], axis=1)
    low, high = np.transpose([np.quantile(band[np.isfinite(band)], [0.02, 0.98]) for band in both])
    return low.astype(np.float32), high.astype(np.float32)


def _draw(pen: object, shape: Geometry, piece: Grid) -> None:
    import shapely

    bounds = piece.bounds
    for part in shapely.get_parts(shape):
        xy = shapely.get_coordinates(part.exterior)
        x = (xy[:, 0] - bounds.west) / (bounds.east - bounds.west) * PIXELS
        y = (bounds.north - xy[:, 1]) / (bounds.north - bounds.south) * PIXELS
        pen.line([(float(a), float(b)) for a, b in zip(x, y, strict=True)], fill=(255, 230, 0), width=1)  # type: ignore[attr-defined]


def _picture(scene: SceneSource, piece: Grid, chosen: list[int]) -> NDArray[np.float32]:
    counts = scene.read(piece)[chosen].astype(np.float32)
    return np.where(counts > 0, counts, np.float32(np.nan))
