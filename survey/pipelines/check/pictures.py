"""Pictures of a check: what is missing of the ground, and where a flag points. PNG, the same bytes every
time.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.ops import substring

from survey.forensics.flag import Flag
from survey.grid import Bounds, Grid

if TYPE_CHECKING:
    from PIL.Image import Image

    from survey.dem.surface import Surface

SIDE = 900
"""Longest side of a picture, pixels."""

LEASE = (20, 60, 160)
REACH = (20, 60, 160)
LACK = (200, 30, 30)
MARK = (230, 120, 0)


@dataclass(frozen=True)
class Drawn:
    """A picture in the run folder and what it shows."""

    file: str
    title: str
    legend: str

    def public(self) -> dict[str, str]:
        return {"file": self.file, "title": self.title, "legend": self.legend}


def shade(heights: NDArray[np.floating], cell_m: float) -> NDArray[np.uint8]:
    """Grey hillshade, light from the north-west; white where nothing was measured."""
    known = np.isfinite(heights)
    if not known.any() or min(heights.shape) < 2:
        return np.full(heights.shape, 255, np.uint8)
    z = np.where(known, heights, float(np.nanmedian(heights)))
    down, east = np.gradient(z, cell_m)
    lit = (east * 0.5 - down * 0.5 + 0.7071) / np.sqrt(1 + east**2 + down**2)
    return np.where(known, np.clip(90 + 150 * lit, 0, 250), 255).astype(np.uint8)


def base_picture(surface: Surface | None, area: Bounds) -> tuple[Image, Bounds]:
    """A grey picture of the ground of ``area``, and what it covers."""
    from PIL import Image

    side = max(area.east - area.west, area.north - area.south)
    step = side / SIDE
    if surface is None:
        width = max(1, round((area.east - area.west) / step))
        height = max(1, round((area.north - area.south) / step))
        return Image.new("RGB", (width, height), (250, 250, 250)), area
    piece = surface.grid.covering(area)
    width = max(1, round((area.east - area.west) / step))
    height = max(1, round((area.north - area.south) / step))
    grey = np.full((height, width), 255, np.uint8)
    if piece.height and piece.width:
        factor = max(1, math.ceil(max(piece.height, piece.width) / SIDE))
        small = _small(surface, piece, factor)
        shaded = shade(small, piece.cell_m * factor)
        b = piece.bounds
        left, top = round((b.west - area.west) / step), round((area.north - b.north) / step)
        image = Image.fromarray(shaded)
        size = (max(1, round((b.east - b.west) / step)), max(1, round((b.north - b.south) / step)))
        canvas = Image.fromarray(grey)
        canvas.paste(image.resize(size, Image.Resampling.BILINEAR), (left, top))
        return canvas.convert("RGB"), area
    return Image.fromarray(grey).convert("RGB"), area


def _small(surface: Surface, piece: Grid, factor: int) -> NDArray[np.float32]:
    """Every ``factor``-th cell, read strip by strip; enough for a picture of a page's width."""
    rows = []
    strip = max(factor, 512 // factor * factor)
    for start in range(0, piece.height, strip):
        z = surface.read(piece[start : start + strip, :])
        rows.append(z[factor // 2 :: factor, factor // 2 :: factor])
    return np.concatenate(rows, axis=0)


class Canvas:
    """Draws shapes in map coordinates on a picture."""

    def __init__(self, image: Image, area: Bounds) -> None:
        from PIL import ImageDraw

        self.image = image.convert("RGBA")
        self.area = area
        self.step = (area.east - area.west) / image.width
        self._draw = ImageDraw.Draw(self.image)

    def _pixels(self, ring: Any) -> list[tuple[float, float]]:
        xy = shapely.get_coordinates(ring)
        east = (xy[:, 0] - self.area.west) / self.step
        north = (self.area.north - xy[:, 1]) / self.step
        return [(float(x), float(y)) for x, y in zip(east, north, strict=True)]

    def outline(self, shape: Any, colour: tuple[int, int, int], width: int = 3, dashed: bool = False) -> None:
        for part in shapely.get_parts(shape):
            for ring in (part.exterior, *part.interiors):
                points = self._pixels(ring)
                if not dashed:
                    self._draw.line(points, fill=(*colour, 255), width=width)
                    continue
                line = shapely.LineString(points)
                for start in np.arange(0, line.length, 14.0):
                    dash = substring(line, start, min(start + 8.0, line.length))
                    if dash.geom_type == "LineString":
                        self._draw.line(list(dash.coords), fill=(*colour, 255), width=width)

    def fill(self, shape: Any, colour: tuple[int, int, int], alpha: int = 130) -> None:
        from PIL import Image, ImageDraw

        over = Image.new("RGBA", self.image.size, (0, 0, 0, 0))
        pen = ImageDraw.Draw(over)
        for part in shapely.get_parts(shape):
            if part.is_empty:
                continue
            pen.polygon(self._pixels(part.exterior), fill=(*colour, alpha))
            for ring in part.interiors:
                pen.polygon(self._pixels(ring), fill=(0, 0, 0, 0))
        self.image.alpha_composite(over)

    def box(self, west: float, south: float, east: float, north: float, colour: tuple[int, int, int]) -> None:
        (x0, y0), (x1, y1) = self._pixels(shapely.LineString([(west, north), (east, south)]))
        self._draw.rectangle(
            (min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), outline=(*colour, 255), width=4
        )

    def png(self) -> bytes:
        held = io.BytesIO()
        self.image.convert("RGB").save(held, "PNG", optimize=False)
        return held.getvalue()


def missing_picture(
    surface: Surface | None, lease: Any, reach: Any, missing: Sequence[Any], exempt: Sequence[Any]
) -> bytes:
    """The lease, the 100 m around it, and in red what a product leaves out."""
    west, south, east, north = reach.bounds
    margin = 0.04 * max(east - west, north - south)
    area = Bounds(west, south, east, north).grown(margin)
    image, area = base_picture(surface, area)
    canvas = Canvas(image, area)
    for shape in exempt:
        canvas.fill(shape, MARK, 90)
    for shape in missing:
        canvas.fill(shape, LACK)
    canvas.outline(reach, REACH, 2, dashed=True)
    canvas.outline(lease, LEASE, 3)
    return canvas.png()


def flag_picture(flag: Flag, surface: Surface, work: Grid, lease: Any | None) -> bytes | None:
    """Where a flag points: its boxes on the shaded ground, or its map; None if it points nowhere."""
    if not flag.where and flag.picture is None:
        return None
    grid = surface.grid
    area = work.bounds
    image, area = base_picture(surface, area)
    canvas = Canvas(image, area)
    if flag.picture is not None:
        _lay_map(canvas, flag, work)
    if lease is not None:
        canvas.outline(lease, LEASE, 2)
    for box in flag.where:
        b = box_bounds(box, grid)
        canvas.box(b.west, b.south, b.east, b.north, MARK)
    return canvas.png()


def box_bounds(box: Any, grid: Grid) -> Bounds:
    """A box of cells on the ground."""
    west = grid.left + box.col * grid.cell_east
    north = grid.top - box.row * grid.cell_north
    return Bounds(west, north - box.height * grid.cell_north, west + box.width * grid.cell_east, north)


def _lay_map(canvas: Canvas, flag: Flag, work: Grid) -> None:
    """The flag's own map as a transparent layer, from pale (low) to dark (high)."""
    from PIL import Image

    values = np.asarray(flag.picture, np.float64)
    known = np.isfinite(values)
    if not known.any():
        return
    low, high = np.percentile(values[known], [2, 98])
    scaled = np.clip((values - low) / max(high - low, 1e-12), 0, 1)
    colour = np.zeros((*values.shape, 4), np.uint8)
    colour[..., 0] = np.where(known, 255 - 175 * scaled, 0)
    colour[..., 1] = np.where(known, 235 - 195 * scaled, 0)
    colour[..., 2] = np.where(known, 160 - 40 * scaled, 0)
    colour[..., 3] = np.where(known, 140, 0)
    step_e, step_n = work.cell_east * flag.picture_step, work.cell_north * flag.picture_step
    size = (
        max(1, round(values.shape[1] * step_e / canvas.step)),
        max(1, round(values.shape[0] * step_n / canvas.step)),
    )
    layer = Image.fromarray(colour).resize(size, Image.Resampling.NEAREST)
    full = Image.new("RGBA", canvas.image.size, (0, 0, 0, 0))
    left = round((work.left - canvas.area.west) / canvas.step)
    top = round((canvas.area.north - work.top) / canvas.step)
    full.paste(layer, (left, top))
    canvas.image.alpha_composite(full)
