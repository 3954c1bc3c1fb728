"""The small pictures of a run: hillshade, orthomosaic, change, and chips of the sites."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from survey.dem.coarse import block_mean, coarsened
from survey.grid import Grid
from survey.pipelines.drawing.inputs import Canvas, DrawingOptions, Epoch, Shapes
from survey.report.pictures import Picture, save

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

_AT_ONCE = 2
# Bytes of pictures: they make up most of report.html, which is to stay below 15 MB as base64.
_BUDGET = {"ortho": 2_000_000, "hillshade": 1_100_000, "change": 600_000, "chips": 1_200_000}


def draw_pictures(
    run_dir: Path,
    canvas: Canvas,
    before: Epoch | None,
    after: Epoch,
    shapes: Shapes,
    level_m: float,
    options: DrawingOptions,
) -> list[Picture]:
    from survey.dem.terrain import relief_shade
    from survey.report.colours import legend, painted, scale_limit_m

    block = max(1, math.ceil(max(canvas.grid.shape) / options.picture_pixels))
    frame = coarsened(canvas.grid, block)
    epochs = [("after", after, canvas.later)]
    if before is not None and canvas.earlier is not None:
        epochs.insert(0, ("before", before, canvas.earlier))

    def relief(epoch: str, survey: Epoch, surface: NDArray[np.float32]) -> list[Picture]:
        z = block_mean(surface, block)
        shade = relief_shade(z, frame.cell_east, frame.cell_north)
        grey = np.where(np.isfinite(shade), 40 + 215 * shade, 0).astype(np.uint8)
        alpha = np.where(np.isfinite(shade), 255, 0).astype(np.uint8)
        found = [
            save(
                run_dir,
                f"pictures/hillshade-{epoch}.webp",
                np.dstack([grey, grey, grey, alpha]),
                frame.bounds,
                budget_bytes=_BUDGET["hillshade"],
                name="hillshade",
                epoch=epoch,
                date=survey.date,
            )
        ]
        if survey.ortho is not None:
            found.append(
                save(
                    run_dir,
                    f"pictures/ortho-{epoch}.webp",
                    survey.ortho.chip(frame, shift_m=survey.shift_m),
                    frame.bounds,
                    budget_bytes=_BUDGET["ortho"],
                    name="ortho",
                    epoch=epoch,
                    date=survey.date,
                )
            )
        return found

    def change(rise: NDArray[np.float32]) -> list[Picture]:
        small = block_mean(rise, block)
        known = np.abs(small[np.isfinite(small)])
        # The largest two cells in a thousand may share the last colour: one spike must not pale all else.
        limit = scale_limit_m(max(float(np.percentile(known, 99.8)) if len(known) else 0.0, 3 * level_m))
        return [
            save(
                run_dir,
                "pictures/change.webp",
                painted(small, limit, level_m),
                frame.bounds,
                budget_bytes=_BUDGET["change"],
                name="change",
                flat_colours=True,
                detail={"limit_m": limit, "level_m": level_m, "legend": legend(limit, level_m)},
            )
        ]

    # Pictures know nothing of each other, and packing them leaves the interpreter's lock.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        parts = [pool.submit(relief, *epoch) for epoch in epochs]
        if canvas.rise is not None:
            parts.append(pool.submit(change, canvas.rise))
        parts.append(pool.submit(_chips, run_dir, canvas.grid, epochs, shapes, options))
        return [picture for part in parts for picture in part.result()]


def _chips(
    run_dir: Path,
    canvas: Grid,
    epochs: list[tuple[str, Epoch, NDArray[np.float32]]],
    shapes: Shapes,
    options: DrawingOptions,
) -> list[Picture]:
    """Each site before and after; those outside the lease first, then by volume."""
    from survey.dem.terrain import relief_shade

    order = sorted(
        shapes.sites,
        key=lambda s: (s[0].zone == "lease", -max(s[0].outside_volume_m3, 0.0), -s[0].volume_m3, s[0].id),
    )[: options.most_chips]
    found: list[Picture] = []
    share = _BUDGET["chips"] // max(1, len(order) * len(epochs))
    for number, (site, polygon) in enumerate(order):
        frame = _chip_frame(polygon, canvas, options.chip_pixels)
        for epoch, survey, surface in epochs:
            if survey.ortho is not None:
                pixels = survey.ortho.chip(frame, shift_m=survey.shift_m)
                what = "ortho"
            else:
                piece = canvas.covering(frame.bounds)
                if not piece.height or not piece.width:
                    continue
                z = surface[piece.row0 : piece.row0 + piece.height, piece.col0 : piece.col0 + piece.width]
                shade = relief_shade(z, canvas.cell_east, canvas.cell_north)
                pixels = np.where(np.isfinite(shade), 40 + 215 * shade, 255).astype(np.uint8)
                frame, what = piece, "hillshade"
            found.append(
                save(
                    run_dir,
                    f"pictures/site-{number + 1:03d}-{epoch}.webp",
                    pixels,
                    frame.bounds,
                    budget_bytes=max(share, 4_000),
                    name="chip",
                    epoch=epoch,
                    date=survey.date,
                    site=site.id,
                    detail={"of": what},
                )
            )
    return found


def _chip_frame(polygon: BaseGeometry, canvas: Grid, pixels: int) -> Grid:
    """A square round a site, a third larger than it, of at most ``pixels`` a side."""
    west, south, east, north = polygon.bounds
    half = max(east - west, north - south, 15.0) * 0.67
    cell = max(2 * half / pixels, 0.05)
    count = math.ceil(2 * half / cell)
    return Grid(
        canvas.crs_wkt, (west + east) / 2 - half, (south + north) / 2 + half, cell, cell, count, count
    )
