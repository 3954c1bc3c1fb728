"""The world on the cells of one survey: first as it is, then as the survey saw it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from ..grid import Grid
from . import artefacts as art
from . import materials as m
from .fields import Floats, Lattice, correlated_noise, rng_of
from .materials import Thing
from .outlines import Box, cut, window
from .survey_error import ErrorModel, noise, source_of, systematic
from .world import World

_QUANTUM = 512.0  # heights are kept in 1/512 m: far below the noise, and it halves the files


@dataclass(frozen=True, eq=False)
class Seen:
    """One survey's arrays on its grid; NaN where nothing was measured."""

    grid: Grid
    dsm: NDArray[np.float32]
    dtm: NDArray[np.float32]
    truth_ground: Floats | None  # before any error, at the same cells
    patches: tuple[art.Patch, ...]


def world_coordinates(grid: Grid, epsg: int) -> tuple[Floats, Floats]:
    """Centres of the cells in the world's reference system, broadcastable 2-D.

    A row and a column where the grid is parallel to the world. Between UTM zones a polynomial of fourth
    order through 81 exactly transformed points stands in for PROJ at every cell (error below 1 µm over
    a few kilometres).
    """
    east, _ = grid.east_north(0, np.arange(grid.width, dtype=float))
    _, north = grid.east_north(np.arange(grid.height, dtype=float), 0)
    if grid.crs.to_epsg() == epsg:
        return east[None, :], north[:, None]
    from pyproj import Transformer

    there = Transformer.from_crs(grid.crs, epsg, always_xy=True)
    u = np.linspace(-1, 1, 9)
    ge = np.interp(u, [-1, 1], [east[0], east[-1]])
    gn = np.interp(u, [-1, 1], [north[0], north[-1]])
    te, tn = there.transform(*np.meshgrid(ge, gn))
    order = 4

    def fitted(values: Floats) -> Floats:
        powers = np.polynomial.chebyshev.chebvander(u, order)
        inverse = np.linalg.pinv(powers)
        mean = values.mean()
        coefficients = inverse @ (values - mean) @ inverse.T
        rows = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, grid.height), order)
        cols = np.polynomial.chebyshev.chebvander(np.linspace(-1, 1, grid.width), order)
        return mean + rows @ coefficients @ cols.T

    return fitted(te), fitted(tn)


def compose(
    world: World, things: Iterable[Thing], east: Floats, north: Floats
) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """(bare ground, surface, material) at broadcastable points. ``things``: ground first, then canopy."""
    ground = world.terrain.at(east, north)
    surface = ground
    material = np.full(ground.shape, m.NATURAL, np.uint8)
    for thing in things:
        if thing.canopy and surface is ground:
            surface = ground.copy()
        where = window(thing.body.box, east, north)
        if where is None:
            continue
        e, n = cut(east, north, where)
        old = surface[where]
        new = thing.body.on(e, n, old)
        painted = np.abs(new - old) > 0.02
        if thing.paint is not None:
            painted |= thing.paint.inset(e, n) > 0
        material[where] = np.where(painted, thing.material, material[where])
        surface[where] = new
    return ground, surface, material


def on_points(
    world: World, epoch: int, east: Floats, north: Floats
) -> tuple[Floats, Floats, NDArray[np.uint8]]:
    """The true (ground, surface, material) of a survey at points of the world."""
    return compose(world, world.things(epoch), east, north)


def lease_distance(world: World, beyond_m: float = 40.0) -> Lattice:
    """Metres outside the lease (negative inside) as a lattice: smooth to a metre, cheap anywhere."""
    w, s, e, n = world.box
    step = max(4.0, max(world.options.size_m) / 250)
    east = np.arange(w - beyond_m, e + beyond_m + step, step)
    north = np.arange(s - beyond_m, n + beyond_m + step, step)
    points = shapely.points(*np.meshgrid(east, north))
    d = shapely.distance(points, world.lease.exterior)
    d = np.where(shapely.contains(world.lease, points), -d, d)
    return Lattice(d, float(east[0]), float(north[0]), step)


def see(
    world: World,
    epoch: int,
    grid: Grid,
    error: ErrorModel,
    options: art.ArtefactOptions,
) -> Seen:
    """What the survey delivers of the world on ``grid``."""
    from scipy.ndimage import gaussian_filter

    east, north = world_coordinates(grid, world.epsg)
    source = source_of(error, east, north, world.centre)
    ground, surface, material = on_points(world, epoch, *source)
    truth_ground = ground.copy()
    if world.options.smoothing_cells:
        ground = gaussian_filter(ground, world.options.smoothing_cells, mode="nearest")
        surface = gaussian_filter(surface, world.options.smoothing_cells, mode="nearest")
    mean = float(ground.mean())
    slope_n, slope_e = np.gradient(surface, grid.cell_north, grid.cell_east)
    tan = np.hypot(slope_e, slope_n)
    rng = rng_of(world.seed, "noise", epoch)
    cell = (grid.cell_east, grid.cell_north)
    off = noise(error, rng, tan, cell)
    off += systematic(error, *source, world.centre)
    ground = ground + error.z_scale * (ground - mean) + off
    surface = surface + error.z_scale * (surface - mean) + off
    leafy = (material == m.TREE) | (material == m.CROP_GREEN) | (material == m.CROP_DRY)
    if error.canopy_m and leafy.any():
        surface[leafy] += error.canopy_m * rng.standard_normal(int(leafy.sum()))
    _wet(surface, ground, material == m.WATER, error, rng, cell)
    patches = _artefacts(world, epoch, grid, options, east, north, surface, ground)
    return Seen(grid, _kept(surface), _kept(ground), truth_ground, tuple(patches))


def _kept(z: Floats) -> NDArray[np.float32]:
    return (np.round(z * _QUANTUM) / _QUANTUM).astype(np.float32)


def _wet(
    surface: Floats,
    ground: Floats,
    water: NDArray[np.bool_],
    error: ErrorModel,
    rng: np.random.Generator,
    cell: tuple[float, float],
) -> None:
    """Water has no texture to match: heights wander in patches, and some patches stay empty."""
    if not water.any():
        return
    rows, cols = np.nonzero(water)
    part = (slice(rows.min(), rows.max() + 1), slice(cols.min(), cols.max() + 1))
    inside = water[part]
    patchy = correlated_noise(rng, inside.shape, cell, 6.0, "spherical")
    empty = correlated_noise(rng, inside.shape, cell, 8.0, "gaussian") > 1.0
    for z in (surface, ground):
        z[part][inside] += error.water_m * patchy[inside]
        z[part][inside & empty] = np.nan


def _artefacts(
    world: World,
    epoch: int,
    grid: Grid,
    options: art.ArtefactOptions,
    east: Floats,
    north: Floats,
    surface: Floats,
    ground: Floats,
) -> list[art.Patch]:
    rng = rng_of(world.seed, "artefacts", epoch)
    both = (surface, ground)
    patches: list[art.Patch] = []
    w, s, e, n = world.box

    def at(r: int, c: int) -> tuple[float, float]:
        return (
            float(east[min(r, east.shape[0] - 1), c]),
            float(north[r, min(c, north.shape[1] - 1)]),
        )

    def disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
        inside = np.zeros(surface.shape, bool)
        box: Box = (x - radius, y - radius, x + radius, y + radius)
        where = window(box, east, north)
        if where is not None:
            ce, cn = cut(east, north, where)
            wobble = 1 + 0.12 * world.cover["edge"].at(ce, cn)
            inside[where] = np.hypot(ce - x, cn - y) < radius * wobble
        return inside

    if options.seam_m:
        d, x, y, _ = art.line_distance(rng, east, north, world.centre, min(world.options.size_m))
        step = art.seam(d, options.seam_m, options.seam_fade_m)
        for z in both:
            z += step
        patches.append(art.Patch("seam", x, y, float("nan"), options.seam_m))
    outside: Floats = np.zeros((0, 0))
    if options.rim_m is not None:
        outside = lease_distance(world).at(east, north)
    if options.curl_m:
        edge = np.minimum(np.minimum(east - w, e - east), np.minimum(north - s, n - north))
        if options.rim_m is not None:
            edge = np.minimum(edge, options.rim_m - outside)
        rise = art.curl(np.maximum(edge, 0), options.curl_m, options.curl_width_m)
        for z in both:
            z += rise
        patches.append(art.Patch("edge curl", *world.centre, float("nan"), options.curl_m))
    for _ in range(options.smooth_holes):
        radius = float(rng.uniform(*options.hole_radius_m))
        x, y = float(rng.uniform(w + radius, e - radius)), float(rng.uniform(s + radius, n - radius))
        for z in both:
            art.smooth_hole(z, disc(x, y, radius))
        patches.append(art.Patch("interpolated hole", x, y, radius, float("nan")))
    patches += art.spikes(surface, rng, options.spikes, at)
    for _ in range(options.gaps):
        radius = float(rng.uniform(*options.hole_radius_m))
        x, y = float(rng.uniform(w, e)), float(rng.uniform(s, n))
        gone = disc(x, y, radius)
        for z in both:
            z[gone] = np.nan
        patches.append(art.Patch("gap", x, y, radius, float("nan")))
    if options.rim_m is not None:
        ragged = 2.0 * world.cover["edge"].at(east, north)
        for z in both:
            z[outside + ragged > options.rim_m] = np.nan
    if options.cut_side:
        lw, ls, le, ln = world.lease.bounds
        side = {
            "north": north > ln + options.cut_m,
            "south": north < ls - options.cut_m,
            "east": east > le + options.cut_m,
            "west": east < lw - options.cut_m,
        }[options.cut_side]
        side = np.broadcast_to(side, surface.shape)
        for z in both:
            z[side] = np.nan
    return patches
