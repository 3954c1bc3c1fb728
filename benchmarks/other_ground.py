"""A second maker of mines, that shares no code with survey.sample_data: how much rests on our own simulator?

Here ground is filtered noise, digging is a distance from a rim, trees are domes, sheds and vehicles are boxes
put on the ground (with a level roof or not), crops are noisy rectangles, ponds are levels, and colours are
drawn anew for each scene, seldom as a botanist would have them. Everything stands on one fine raster, from
which two surveys are sampled with noise, correlated noise, bias, tilt, dome, shift, and cells and origins of
their own. ``score_other_ground.py`` scores the program on it.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates, zoom
from shapely.affinity import rotate, translate
from shapely.geometry import Point, Polygon, box, mapping

CELL, SIDE = 0.2, 2000
EXTENT = CELL * SIDE
EAST, NORTH, EPSG = 512_340.0, 2_712_810.0, 32643
DIGGING, VEGETATION, CROP, OBJECT, WATER, EROSION = range(1, 7)
CAUSES = {
    DIGGING: "digging", VEGETATION: "vegetation", CROP: "crop", OBJECT: "vehicle or shed", WATER: "water",
    EROSION: "erosion", 0: "artefact",
}  # fmt: skip
SOIL, GREEN, FIELD, ROOF, POND, FRESH = range(6)

Field = NDArray[np.float64]


@dataclass
class World:
    """Ground and what stands on it in both epochs, on one raster; ``cause`` says what changed a cell."""

    ground: Field
    lease: Polygon
    dug: Field = field(default_factory=lambda: np.zeros((SIDE, SIDE)))
    on_it: tuple[Field, Field] = field(
        default_factory=lambda: (np.zeros((SIDE, SIDE)), np.zeros((SIDE, SIDE)))
    )
    cover: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((2, SIDE, SIDE), np.uint8))
    cause: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((SIDE, SIDE), np.uint8))
    ponds: list[tuple[NDArray[np.bool_], float, float]] = field(default_factory=list)
    sites: list[dict[str, Any]] = field(default_factory=list)
    old: dict[str, Any] = field(default_factory=dict)
    taken: list[Polygon] = field(default_factory=list)


# -- forms ---------------------------------------------------------------------------------------------
def smooth_noise(rng: np.random.Generator, shape_: tuple[int, int], range_cells: float) -> Field:
    """Unit variance, correlated over about ``range_cells``."""
    step = max(1, int(range_cells / 4))
    small = gaussian_filter(rng.normal(size=tuple(n // step + 8 for n in shape_)), 2.0)
    return zoom(small / small.std(), step, order=1)[: shape_[0], : shape_[1]]


def fractal(rng: np.random.Generator, steepness: float) -> Field:
    spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE)))
    k = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None, :])
    k[0, 0] = 1
    spectrum *= k ** (-steepness / 2) * (k < 1 / 8)
    spectrum[0, 0] = 0
    z = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    return z / z.std()


def blob(rng: np.random.Generator, at: tuple[float, float], radius: float) -> Polygon:
    t = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    wave = sum(rng.normal() * np.cos(k * t + rng.uniform(0, 6.28)) / k for k in (1, 2, 3))
    r = np.clip(radius * (1 + 0.17 * wave), 0.45 * radius, 1.8 * radius)
    flat = rng.uniform(0.6, 1.0)
    return Polygon(np.c_[at[0] + r * np.cos(t), at[1] + flat * r * np.sin(t)]).buffer(0)


def cells_of(outline: Polygon) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """A window of the raster and the cells of it that lie in an outline."""
    w, s, e, n = outline.bounds
    r0, r1 = max(0, int((EXTENT - n) / CELL) - 2), min(SIDE, int((EXTENT - s) / CELL) + 3)
    c0, c1 = max(0, int(w / CELL) - 2), min(SIDE, int(e / CELL) + 3)
    inside = rasterize(
        [(mapping(outline), 1)], out_shape=(r1 - r0, c1 - c0), dtype="uint8",
        transform=rasterio.transform.from_origin(c0 * CELL, EXTENT - r0 * CELL, CELL, CELL),
    )  # fmt: skip
    return (slice(r0, r1), slice(c0, c1)), inside.astype(bool)


def inward(inside: NDArray[np.bool_], slope: float, most: float) -> Field:
    """Height that rises from the rim inwards, up to ``most``."""
    return np.minimum(most, distance_transform_edt(inside) * CELL * slope)


def place(
    rng: np.random.Generator, world: World, radius: float, where: str = "any"
) -> tuple[float, float] | None:
    for _ in range(300):
        x, y = rng.uniform(12, EXTENT - 12, 2)
        own = Point(x, y).buffer(radius * 1.7)
        if not box(6, 6, EXTENT - 6, EXTENT - 6).contains(own) or any(own.intersects(t) for t in world.taken):
            continue
        line = world.lease.exterior.distance(Point(x, y))
        inside = world.lease.contains(Point(x, y))
        fits = {
            "any": True, "in": inside and line > radius, "out": not inside and line > radius,
            "line": line < 0.5 * radius,
        }  # fmt: skip
        if fits[where]:
            return float(x), float(y)
    return None


# -- what happens --------------------------------------------------------------------------------------
def dig(rng: np.random.Generator, world: World, outline: Polygon, height: float, slope: float) -> None:
    window, inside = cells_of(outline)
    form = math.copysign(1, height) * inward(inside, slope, abs(height))
    form *= 1 + 0.04 * smooth_noise(rng, inside.shape, 12)
    world.dug[window] += form
    world.cover[1][window][inside] = FRESH
    world.cause[window][inside] = DIGGING
    world.sites.append(
        {
            "outline": outline, "sign": int(math.copysign(1, height)),
            "volume_m3": float(np.abs(form.sum()) * CELL**2), "depth_m": float(np.abs(form).max()),
        }
    )  # fmt: skip


def sites(rng: np.random.Generator, world: World, old: Polygon) -> None:
    deeper = blob(rng, (old.centroid.x + 6, old.centroid.y - 6), rng.uniform(9, 16)).intersection(
        old.buffer(-3)
    )
    if deeper.geom_type == "Polygon" and deeper.area > 60:
        dig(rng, world, deeper, -rng.uniform(2, 7), 1.2)
    wanted = [("pit", "out")] * rng.integers(1, 4) + [("pit", "line"), ("heap", "in"), ("thin", "out")]
    wanted += [("heap", "out")] * rng.integers(1, 4)
    for what, where in wanted:
        radius = rng.uniform(4, 11) if what == "heap" else rng.uniform(4, 18)
        at = place(rng, world, radius, where)
        if at is None:
            continue
        outline = blob(rng, at, radius)
        world.taken.append(outline.buffer(4))
        if what == "pit":
            dig(rng, world, outline, -rng.uniform(1.2, 8), rng.uniform(0.7, 3))
        elif what == "heap":
            dig(rng, world, outline, rng.uniform(1, 6), math.tan(math.radians(rng.uniform(28, 37))))
        else:
            dig(rng, world, outline, rng.choice([-1, 1]) * rng.uniform(0.35, 0.9), rng.uniform(0.6, 1.5))


def trees(rng: np.random.Generator, world: World, share_gone: float) -> None:
    form, rough = rng.choice(["dome", "cone", "flat"]), rng.choice([0.0, 0.05, 0.2])
    for _ in range(int(rng.integers(20, 170))):
        clump = place(rng, world, 5)
        if clump is None:
            continue
        fate = rng.uniform()
        stands = (fate >= share_gone, not share_gone <= fate < 2 * share_gone)
        for _ in range(int(rng.integers(1, 5))):
            at = clump[0] + rng.normal(0, 2.5), clump[1] + rng.normal(0, 2.5)
            window, inside = cells_of(Point(at).buffer(rng.uniform(1.2, 4.0)))
            if inside.sum() < 9:
                continue
            deep = distance_transform_edt(inside)
            q = deep / deep.max()
            shape_ = {"dome": np.sqrt(np.maximum(0, 1 - (1 - q) ** 2)), "cone": q, "flat": (q > 0) * 0.9}[
                form
            ]
            high = rng.uniform(2, 9) * shape_ * (1 + rough * rng.normal(size=q.shape))
            for epoch in (0, 1):
                if stands[epoch]:
                    grown = high * (rng.uniform(1, 1.15) if epoch else 1)
                    np.maximum(world.on_it[epoch][window], grown, out=world.on_it[epoch][window])
                    world.cover[epoch][window][inside] = GREEN
            world.cause[window][inside & (world.cause[window] != DIGGING)] = VEGETATION


def crops(rng: np.random.Generator, world: World) -> None:
    for _ in range(int(rng.integers(0, 4))):
        at = place(rng, world, 20)
        if at is None:
            continue
        a, b = rng.uniform(9, 20, 2)
        outline = rotate(box(at[0] - a, at[1] - b, at[0] + a, at[1] + b), rng.uniform(0, 90))
        world.taken.append(outline)
        window, inside = cells_of(outline)
        epoch, high = int(rng.integers(0, 2)), rng.uniform(0.25, 1.5)
        crop = high * (1 + rng.uniform(0.05, 0.25) * rng.normal(size=inside.shape))
        world.on_it[epoch][window] += np.where(inside, np.maximum(0, crop), 0)
        world.cover[epoch][window][inside] = FIELD
        world.cause[window][inside] = CROP


def objects(rng: np.random.Generator, world: World) -> None:
    level_roofs = rng.uniform() < 0.5
    sizes = [
        (rng.uniform(2.2, 3.2), rng.uniform(5, 10), rng.uniform(1.5, 3.5)) for _ in range(rng.integers(3, 14))
    ]
    sizes += [
        (rng.uniform(6, 12), rng.uniform(8, 20), rng.uniform(2.3, 5)) for _ in range(rng.integers(0, 4))
    ]
    for wide, long, high in sizes:
        at = place(rng, world, long / 2)
        if at is None:
            continue
        outline = rotate(
            box(at[0] - wide / 2, at[1] - long / 2, at[0] + wide / 2, at[1] + long / 2), rng.uniform(0, 180)
        )
        world.taken.append(outline)
        window, inside = cells_of(outline)
        epoch, ground = int(rng.integers(0, 2)), world.ground[window]
        top = ground[inside].max() - ground if level_roofs else 0
        world.on_it[epoch][window] += np.where(inside, top + high, 0)
        world.cover[epoch][window][inside] = ROOF
        world.cause[window][inside] = OBJECT


def ponds(rng: np.random.Generator, world: World) -> None:
    for _ in range(int(rng.integers(0, 3))):
        at = place(rng, world, 12)
        if at is None:
            continue
        outline = blob(rng, at, rng.uniform(7, 13))
        world.taken.append(outline)
        window, inside = cells_of(outline)
        rim = float(np.quantile(world.ground[window][inside], 0.05))
        world.ground[window] -= inward(inside, 0.5, 3.0)
        full = np.zeros((SIDE, SIDE), bool)
        full[window] = inside
        world.ponds.append((full, *(rim - rng.uniform(0.2, 2.2, 2))))
        world.cause[window][inside] = WATER


def gully(rng: np.random.Generator, world: World) -> None:
    points = [tuple(rng.uniform(60, EXTENT - 120, 2))]
    while len(points) < 13:
        points.append((points[-1][0] + rng.uniform(2, 7), points[-1][1] + rng.normal(0, 4)))
    outline = shapely.LineString(points).buffer(rng.uniform(0.7, 1.4))
    if all(outline.disjoint(t) for t in world.taken):
        world.taken.append(outline)
        window, inside = cells_of(outline)
        world.dug[window] -= inward(inside, 0.8, rng.uniform(0.3, 0.9))
        world.cause[window][inside] = EROSION


def make_world(rng: np.random.Generator, gentle: bool = False) -> World:
    """``gentle`` ground has the same hills and a tenth of their breaks: one survey must tell by those."""
    lease = rotate(box(115, 125, 285, 275), rng.uniform(0, 90))
    ground = 300 + rng.uniform(2, 12) * fractal(rng, rng.uniform(2.6, 3.4) + (0.9 if gentle else 0.0))
    ground += rng.uniform(0.01, 0.06) * smooth_noise(rng, (SIDE, SIDE), rng.uniform(8, 30))
    world = World(ground, lease)
    old = blob(rng, (200 + rng.uniform(-25, 25), 200), 32)
    window, inside = cells_of(old)
    form = inward(inside, 1.5, rng.uniform(5, 16))
    world.ground[window] -= form
    world.old = {
        "outline": old, "sign": -1, "volume_m3": float(form.sum() * CELL**2), "depth_m": float(form.max()),
    }  # fmt: skip
    world.taken.append(old.buffer(5))
    sites(rng, world, old)
    if rng.uniform() < 0.6:
        gully(rng, world)
    ponds(rng, world)
    crops(rng, world)
    objects(rng, world)
    trees(rng, world, rng.uniform(0.03, 0.2))
    return world


# -- two surveys of it ---------------------------------------------------------------------------------
def surfaces(rng: np.random.Generator, world: World) -> tuple[Field, Field]:
    found = [world.ground.copy(), world.ground + world.dug]
    ripple = rng.choice([0.0, 0.03, 0.15])
    for inside, *levels in world.ponds:
        for epoch in (0, 1):
            wet = inside & (found[epoch] < levels[epoch])
            found[epoch][wet] = levels[epoch] + ripple * rng.normal(size=int(wet.sum()))
            world.cover[epoch][wet] = POND
    return found[0] + world.on_it[0], found[1] + world.on_it[1]


def palette(rng: np.random.Generator) -> Field:
    """Colours of soil, green, field, roof, pond and fresh ground."""
    soil = np.array(
        [[150, 125, 95], [165, 105, 75], [130, 125, 118], [190, 170, 135], [120, 100, 70]][rng.integers(5)]
    )
    fresh = np.clip(soil * rng.uniform(0.75, 1.4) + rng.normal(0, 8, 3), 20, 245)
    return np.array(
        [
            soil,
            [[60, 95, 50], [85, 105, 55], [45, 70, 45], [110, 120, 70]][rng.integers(4)],
            [[95, 130, 60], [140, 145, 80], [75, 115, 55], [170, 155, 90]][rng.integers(4)],
            [[225, 225, 230], [95, 125, 165], [150, 150, 150], [170, 90, 80]][rng.integers(4)],
            [[50, 70, 85], [85, 95, 75], [140, 120, 95], [30, 40, 45]][rng.integers(4)],
            fresh,
        ],
        float,
    )


@dataclass(frozen=True)
class Survey:
    heights: NDArray[np.float32]
    colours: NDArray[np.uint8]
    cell: float
    west: float
    north: float


def survey_of(
    rng: np.random.Generator, world: World, epoch: int, surface: Field, colours: Field, tint: Field
) -> Survey:
    cell = float(rng.choice([0.2, 0.25, 0.3, 0.4, 0.5]))
    west, top = rng.uniform(0, 2, 2) if epoch else (0.0, 0.0)
    moved = rng.uniform(-0.4, 0.4, 2) if epoch else np.zeros(2)
    n = int((EXTENT - 3) / cell)
    rows = ((np.arange(n) + 0.5) * cell + top + moved[0]) / CELL - 0.5
    cols = ((np.arange(n) + 0.5) * cell + west + moved[1]) / CELL - 0.5
    at = np.meshgrid(rows, cols, indexing="ij")
    z = map_coordinates(surface, at, order=1, mode="nearest")
    v, u = (a / (SIDE / 2) - 1 for a in at)
    noise = rng.uniform(0.012, 0.05) * rng.normal(size=z.shape)
    noise += rng.uniform(0.008, 0.035) * smooth_noise(rng, z.shape, rng.uniform(12, 60) / cell)
    if epoch:
        a, b, c, d = rng.uniform(-0.12, 0.12, 4)
        noise += a + b * u + c * v + d * (u * u + v * v)
    cover = map_coordinates(world.cover[epoch], at, order=0, mode="nearest")
    shade = np.gradient(gaussian_filter(z, 1), cell)
    light = np.clip(0.9 + 0.25 * (shade[1] - shade[0]), 0.45, 1.3)[..., None]
    waves = map_coordinates(tint, at, order=1, mode="nearest")[..., None]
    rgb = colours[cover] + np.where((cover == SOIL)[..., None], waves * np.array([-12, 3, -10]), 0)
    rgb = rgb * light * rng.uniform(0.88, 1.12) * rng.uniform(0.95, 1.05, 3) + rng.normal(0, 6, rgb.shape)
    return Survey(
        (z + noise).astype(np.float32), np.clip(rgb, 1, 255).astype(np.uint8),
        cell, EAST + west, NORTH + EXTENT - top,
    )  # fmt: skip


def write(folder: Path, name: str, survey: Survey, image: bool) -> None:
    data = np.moveaxis(survey.colours, 2, 0) if image else survey.heights[None]
    with rasterio.open(
        folder / name, "w", driver="GTiff", height=data.shape[1], width=data.shape[2], count=data.shape[0],
        dtype=data.dtype, crs=f"EPSG:{EPSG}", tiled=True, compress="deflate", nodata=None if image else -9999,
        transform=rasterio.transform.from_origin(survey.west, survey.north, survey.cell, survey.cell),
        photometric="RGB" if image else "MINISBLACK",
    ) as file:  # fmt: skip
        file.write(data)


def deliver(seed: int, folder: Path, single: bool = False) -> World:
    """Write two surveys, or the later alone, a lease and ``job.toml`` into a folder.

    Every third scene has no orthomosaics.
    """
    rng = np.random.default_rng([seed, 20_26])
    world = make_world(rng, gentle=single)
    colours, tint = palette(rng), np.clip(smooth_noise(rng, (SIDE, SIDE), 80), -2, 2)
    job = [f'[job]\nid = "other-{seed}"', '[lease]\nboundary = "lease.geojson"']
    for epoch, surface in enumerate(surfaces(rng, world)):
        survey = survey_of(rng, world, epoch, surface, colours, tint)
        if single and not epoch:
            continue
        write(folder, f"dem-{epoch}.tif", survey, False)
        lines = [f"[[survey]]\ndate = {2024 + epoch}-04-20", f'dem = "dem-{epoch}.tif"', 'height = "EGM2008"']
        if seed % 3:
            write(folder, f"ortho-{epoch}.tif", survey, True)
            lines.append(f'ortho = "ortho-{epoch}.tif"')
        job.append("\n".join(lines))
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{EPSG}"}}
    feature = {"type": "Feature", "properties": {}, "geometry": mapping(translate(world.lease, EAST, NORTH))}
    (folder / "lease.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})
    )
    (folder / "job.toml").write_text("\n\n".join(job) + "\n")
    return world
