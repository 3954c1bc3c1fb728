"""What the camera saw: an orthomosaic that agrees with the scene's surface, materials and season."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ..grid import Grid
from . import materials as m
from .fields import Floats, rng_of
from .render import on_points, world_coordinates
from .survey_error import ErrorModel, source_of
from .world import World

_SOIL = np.array((0.11, 0.16, 0.23, 0.30, 0.40, 0.36), np.float32)
_DRY_GRASS = np.array((0.10, 0.15, 0.19, 0.30, 0.38, 0.29), np.float32)
_GREEN_GRASS = np.array((0.05, 0.10, 0.07, 0.38, 0.26, 0.14), np.float32)
_ROCK = np.array((0.17, 0.20, 0.23, 0.26, 0.31, 0.28), np.float32)
BANDS = ("blue", "green", "red", "nir", "swir1", "swir2")


def bands_of(count: int) -> tuple[str, ...]:
    return ("red", "green", "blue") if count == 3 else BANDS[:count]


def make_ortho(world: World, epoch: int, grid: Grid, error: ErrorModel) -> NDArray[np.uint8]:
    """(bands, rows, cols) uint8; the survey's horizontal shift is in it as in the heights."""
    options = world.options
    east, north = world_coordinates(grid, world.epsg)
    east, north = source_of(error, east, north, world.centre)
    ground, surface, material = on_points(world, epoch, east, north)
    rng = rng_of(world.seed, "ortho", epoch)
    elevation = math.radians(float(rng.uniform(50, 70)))
    azimuth = math.radians(float(rng.uniform(110, 250)))
    light = _light(surface, grid, azimuth, elevation)
    tone = world.cover["tone"].at(east, north).astype(np.float32)
    green = world.cover["green"].at(east, north).astype(np.float32)
    gn, ge = np.gradient(ground.astype(np.float32), grid.cell_north, grid.cell_east)
    rock = np.clip((np.hypot(ge, gn) - 0.35) / 0.4, 0, 1)
    season = options.greenness[epoch]
    grass = np.clip(0.35 + 0.35 * green + 0.25 * tone + 0.3 * (season - 0.3), 0, 1) * (1 - 0.8 * rock)
    alive = np.clip(season + 0.25 * green, 0, 1)
    shine = light * (1 + 0.09 * tone) * (1 + 0.05 * rng.standard_normal(surface.shape, np.float32))
    shine *= np.float32(float(rng.uniform(0.92, 1.08)) * 255 / 0.55)
    covered = np.nonzero(material.ravel() != m.NATURAL)[0]
    codes = material.ravel()[covered]
    names = bands_of(options.bands)
    image = np.empty((len(names), *grid.shape), np.uint8)
    for k, name in enumerate(names):
        b = BANDS.index(name)
        cover = _DRY_GRASS[b] + alive * (_GREEN_GRASS[b] - _DRY_GRASS[b])
        colour = _SOIL[b] + rock * (_ROCK[b] - _SOIL[b])
        colour += grass * (cover - colour)
        colour.ravel()[covered] = np.array([s[b] for s in m.REFLECTANCE], np.float32)[codes]
        colour *= shine
        image[k] = np.clip(colour, 1, 255, out=colour)
    return image


def _light(heights: Floats, grid: Grid, azimuth: float, elevation: float) -> NDArray[np.float32]:
    """Lambert's cosine plus sky light; what stands between a cell and the sun leaves the sky light only."""
    surface = (heights - heights.mean()).astype(np.float32)
    gn, ge = np.gradient(surface, grid.cell_north, grid.cell_east)
    gn = -gn  # rows run south
    sun = (
        math.sin(azimuth) * math.cos(elevation),
        math.cos(azimuth) * math.cos(elevation),
        math.sin(elevation),
    )
    cosine = np.maximum((-ge * sun[0] - gn * sun[1] + sun[2]) / np.sqrt(1 + ge**2 + gn**2), 0)
    shade = np.zeros(surface.shape, bool)
    reach = 14.0 / math.tan(elevation)  # nothing here stands higher above its surroundings
    steps = min(24, max(3, math.ceil(reach / grid.cell_m)))
    for d in np.linspace(reach / steps, reach, steps):
        dr = round(-math.cos(azimuth) * d / grid.cell_north)
        dc = round(math.sin(azimuth) * d / grid.cell_east)
        lift = d * math.tan(elevation)
        rows, cols = surface.shape
        to = (slice(max(-dr, 0), rows - max(dr, 0)), slice(max(-dc, 0), cols - max(dc, 0)))
        by = (slice(max(dr, 0), rows - max(-dr, 0)), slice(max(dc, 0), cols - max(-dc, 0)))
        shade[to] |= surface[by] > surface[to] + lift
    cosine[shade] = 0
    return (0.25 + (0.75 / math.sin(elevation)) * cosine).astype(np.float32)
