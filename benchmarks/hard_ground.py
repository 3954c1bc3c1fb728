"""Scenes that set out to mislead: each holds a few hard forms of digging, and much that is none.

Made with the second maker's ground, trees and palettes (other_ground.py). Each scene is surveyed under one of
``CONDITIONS`` (without orthomosaics, in another season, moved by half a cell and bent, on fine or coarse
cells, in another reference system), and holds one site of most of ``FORMS``. What else changes: groves felled
at once, fields of a hectare and more, gullies, ponds, sheds, a seam between flights and holes that software
filled. ``python benchmarks/score_hard_ground.py`` scores the program on them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray
from other_ground import (
    CELL,
    CROP,
    DIGGING,
    EAST,
    EPSG,
    EXTENT,
    FIELD,
    FRESH,
    GREEN,
    NORTH,
    SIDE,
    SOIL,
    VEGETATION,
    Field,
    Survey,
    World,
    blob,
    cells_of,
    crops,
    fractal,
    gully,
    inward,
    objects,
    palette,
    place,
    ponds,
    smooth_noise,
    surfaces,
    trees,
)  # fmt: skip
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from shapely.affinity import rotate, translate
from shapely.geometry import LineString, Polygon, box, mapping

CONDITIONS = (
    "as usual", "no orthomosaics", "another season", "moved and bent", "cells of 0.25 m", "cells of 2 m",
    "another reference system", "one orthomosaic",
)  # fmt: skip
OTHER_EPSG = 32644
NEVER = -1e9  # level of a pond that does not exist yet


# -- forms of digging ----------------------------------------------------------------------------------
def work(
    world: World, form: str, outline: Polygon, change: Callable[[NDArray[np.bool_]], Field], sign: int
) -> None:
    """Change the ground inside an outline by ``change`` of its cells (positive numbers) in ``sign``."""
    window, inside = cells_of(outline)
    amount = np.where(inside, change(inside), 0.0)
    world.dug[window] += sign * amount
    touched = amount > 0.02
    world.cover[1][window][touched] = FRESH
    world.cause[window][inside] = DIGGING
    world.taken.append(outline.buffer(4))
    world.sites.append({"form": form, "outline": outline, "sign": sign, "depth_m": float(amount.max())})


def simple(rng: np.random.Generator, slope: float, height: float) -> Callable[[NDArray[np.bool_]], Field]:
    return lambda inside: inward(inside, slope, height) * (1 + 0.04 * smooth_noise(rng, inside.shape, 12))


def across(rng: np.random.Generator, world: World, line: str, form: str) -> None:
    """A pit astride the lease's boundary or the line 100 m outside."""
    ring = (world.lease if line == "lease" else world.lease.buffer(100)).exterior
    for _ in range(300):
        at = ring.interpolate(rng.uniform(0, ring.length))
        radius = rng.uniform(5, 14)
        outline = blob(rng, (at.x + rng.normal(0, 2), at.y + rng.normal(0, 2)), radius)
        if free(world, outline):
            work(world, form, outline, simple(rng, rng.uniform(0.8, 2.5), rng.uniform(1.5, 6)), -1)
            return


def free(world: World, outline: Polygon) -> bool:
    inner = box(10, 10, EXTENT - 10, EXTENT - 10)
    return bool(inner.contains(outline)) and all(outline.disjoint(t) for t in world.taken)


def somewhere(rng: np.random.Generator, world: World, radius: float) -> tuple[float, float] | None:
    return place(rng, world, radius / 1.4)


def neighbours(rng: np.random.Generator, world: World) -> None:
    """Two pits with a wall of undug ground of 1.5 to 3 m between."""
    at = somewhere(rng, world, 26)
    if at is None:
        return
    a, b, gap = rng.uniform(4, 9), rng.uniform(4, 9), rng.uniform(1.5, 3)
    for side, wide in ((-1, a), (1, b)):
        x = at[0] + side * (gap / 2 + wide)
        outline = rotate(box(x - wide, at[1] - 6, x + wide, at[1] + 7), 0).buffer(-1).buffer(1)
        change = simple(rng, rng.uniform(1.5, 3), rng.uniform(1.5, 5))
        work(world, "pits side by side", outline, change, -1)


def pit_and_heap(rng: np.random.Generator, world: World) -> None:
    """Spoil thrown out right beside the pit."""
    at = somewhere(rng, world, 26)
    if at is None:
        return
    turn = rng.uniform(0, 360)
    pit = rotate(blob(rng, (at[0] - 7, at[1]), 8), turn, origin=at)
    heap = rotate(blob(rng, (at[0] + 8, at[1]), 8), turn, origin=at).difference(pit.buffer(0.01))
    if heap.geom_type == "Polygon":
        change = simple(rng, rng.uniform(0.8, 2), rng.uniform(1.5, 4))
        work(world, "pit beside its heap", pit, change, -1)
        work(world, "heap beside its pit", heap, simple(rng, 0.65, rng.uniform(1.2, 3)), 1)


def flooded(rng: np.random.Generator, world: World) -> None:
    at = somewhere(rng, world, 18)
    if at is None:
        return
    outline = blob(rng, at, rng.uniform(7, 13))
    depth = rng.uniform(3, 7)
    work(world, "flooded pit", outline, simple(rng, 1.2, depth), -1)
    window, inside = cells_of(outline)
    full = np.zeros((SIDE, SIDE), bool)
    full[window] = inside
    rim = float(np.quantile(world.ground[window][inside], 0.05))
    world.ponds.append((full, NEVER, rim - rng.uniform(0.8, 0.5 * depth)))


def refilled(rng: np.random.Generator, world: World) -> None:
    """A pit of earlier years that was filled to its rim and a little above."""
    at = somewhere(rng, world, 16)
    if at is None:
        return
    outline = blob(rng, at, rng.uniform(6, 11))
    window, inside = cells_of(outline)
    hole = inward(inside, rng.uniform(0.8, 2), rng.uniform(1.5, 5))
    world.ground[window] -= hole
    over = inward(inside, 0.1, rng.uniform(0.0, 0.5))
    work(world, "pit filled again", outline, lambda _: hole + over, 1)


def trench(rng: np.random.Generator, world: World) -> None:
    for _ in range(100):
        x, y = rng.uniform(40, EXTENT - 40, 2)
        long, wide = rng.uniform(30, 70), rng.uniform(1.8, 3.5)
        outline = rotate(
            box(x - long / 2, y - wide / 2, x + long / 2, y + wide / 2), rng.uniform(0, 180)
        )  # fmt: skip
        if free(world, outline):
            work(world, "narrow trench", outline, simple(rng, 3.0, rng.uniform(1, 2.5)), -1)
            return


def small(rng: np.random.Generator, world: World) -> None:
    for sign, form in ((-1, "pit of 42 to 60 m²"), (1, "heap of 42 to 60 m²")):
        at = somewhere(rng, world, 8)
        if at is None:
            continue
        outline = blob(rng, at, 4)
        outline = shapely.affinity.scale(outline, *(2 * [math.sqrt(rng.uniform(42, 60) / outline.area)]))
        change = simple(rng, rng.uniform(0.6, 0.75) if sign > 0 else 1.5, rng.uniform(0.8, 2.5))
        work(world, form, outline, change, sign)


def embankment(rng: np.random.Generator, world: World) -> None:
    """A haul road on a dam of earth: long, level across, of slopes that earth lies at."""
    for _ in range(100):
        x, y = rng.uniform(60, EXTENT - 60, 2)
        long, wide = rng.uniform(50, 110), rng.uniform(8, 13)
        line = LineString([(x - long / 2, y), (x, y + rng.normal(0, 8)), (x + long / 2, y)])
        outline = rotate(line.buffer(wide / 2, cap_style="flat"), rng.uniform(0, 180))
        if free(world, outline):
            work(world, "haul road on a dam", outline, simple(rng, 0.65, rng.uniform(0.8, 2.2)), 1)
            return


def benches(rng: np.random.Generator, world: World) -> None:
    """A benched pit whose faces go back by some metres while berms, and mostly the floor, stay."""
    at = somewhere(rng, world, 46)
    if at is None:
        return
    rise, berm, count = rng.uniform(2.5, 5), rng.uniform(4, 7), int(rng.integers(2, 4))
    back, deeper = rng.uniform(2, 4), rng.choice([0.0, 0.0, 1.5])
    outer = blob(rng, at, rng.uniform(24, 32))
    window, inside = cells_of(outer)
    deep = distance_transform_edt(inside) * CELL

    def stairs(distance: Field, extra: float) -> Field:
        """Faces of 2 m in plan, then a berm."""
        step = berm + 2.0
        n = np.clip(np.floor(distance / step), 0, count)
        face = np.clip((distance - n * step) / 2.0, 0, 1)
        down = rise * np.minimum(n + face, count)
        return np.where(distance > 0, down + extra * (distance > count * step), 0.0)

    was, now = stairs(np.maximum(deep - back, 0), 0.0), stairs(deep, deeper)
    world.ground[window] -= np.where(inside, was, 0.0)
    work(world, "benches that went back", outer, lambda i: np.where(i, now - was, 0.0), -1)


def shell(rng: np.random.Generator, world: World) -> None:
    """A tip that grew by an even layer, of the colour that it had."""
    at = somewhere(rng, world, 24)
    if at is None:
        return
    outline = blob(rng, at, rng.uniform(10, 17))
    window, inside = cells_of(outline)
    core = inward(inside, 0.65, rng.uniform(2, 5)) * (1 + 0.05 * smooth_noise(rng, inside.shape, 20))
    world.ground[window] += core * 0.8
    world.cover[0][window][inside] = FRESH
    layer = rng.uniform(0.5, 1.5)
    work(
        world, "tip that grew by a layer", outline,
        lambda i: np.minimum(layer, inward(i, 0.65, 5)) * (1 + 0.1 * smooth_noise(rng, i.shape, 25)), 1,
    )  # fmt: skip


def scraped(rng: np.random.Generator, world: World) -> None:
    """A wide, shallow scraping."""
    at = somewhere(rng, world, 24)
    if at is not None:
        outline = blob(rng, at, rng.uniform(10, 18))
        work(world, "shallow scraping", outline, simple(rng, 0.8, rng.uniform(0.4, 0.8)), -1)


FORMS: tuple[Callable[[np.random.Generator, World], None], ...] = (
    benches, lambda r, w: across(r, w, "lease", "pit across the lease's line"),
    lambda r, w: across(r, w, "100 m", "pit across the 100 m line"), neighbours, pit_and_heap, flooded,
    refilled, trench, small, embankment, shell, scraped,
)  # fmt: skip


# -- what is none --------------------------------------------------------------------------------------
def grove(rng: np.random.Generator, world: World) -> None:
    """Closed crowns over a tenth of a hectare and more, felled at once or planted and grown."""
    at = somewhere(rng, world, 30)
    if at is None:
        return
    outline = blob(rng, at, rng.uniform(12, 24))
    world.taken.append(outline)
    stands = int(rng.integers(2))
    window, inside = cells_of(outline)
    tall = np.zeros(inside.shape)
    for _ in range(int(outline.area / 8)):
        r, c = rng.integers(inside.shape[0]), rng.integers(inside.shape[1])
        if not inside[r, c]:
            continue
        radius = rng.uniform(1.5, 3.5)
        k = int(radius / CELL)
        i, j = np.ogrid[-k : k + 1, -k : k + 1]
        dome = rng.uniform(3, 9) * np.sqrt(np.maximum(0, 1 - (i * i + j * j) / k**2))
        r0, c0 = max(r - k, 0), max(c - k, 0)
        r1, c1 = min(r + k + 1, tall.shape[0]), min(c + k + 1, tall.shape[1])
        part = dome[r0 - r + k : r1 - r + k, c0 - c + k : c1 - c + k]
        np.maximum(tall[r0:r1, c0:c1], part, out=tall[r0:r1, c0:c1])
    tall *= 1 + 0.08 * rng.normal(size=tall.shape)
    np.maximum(world.on_it[stands][window], tall, out=world.on_it[stands][window])
    world.cover[stands][window][tall > 0.3] = GREEN
    world.cause[window][(tall > 0.3) & (world.cause[window] != DIGGING)] = VEGETATION


def estate(rng: np.random.Generator, world: World) -> None:
    """A field of a hectare and more, standing in one of the two years; rows in some of them."""
    for _ in range(100):
        a, b = rng.uniform(80, 140), rng.uniform(60, 110)
        x, y = rng.uniform(80, EXTENT - 80, 2)
        outline = rotate(box(x - a / 2, y - b / 2, x + a / 2, y + b / 2), rng.uniform(0, 90))
        outline = outline.intersection(box(4, 4, EXTENT - 4, EXTENT - 4))
        # What was dug stands free of the crop; the field is cut around it.
        for t in world.taken:
            outline = outline.difference(t)
        parts = [p for p in getattr(outline, "geoms", [outline]) if p.area > 5000]
        if not parts:
            continue
        outline = max(parts, key=lambda p: p.area)
        world.taken.append(outline)
        window, inside = cells_of(outline)
        stands, high = int(rng.integers(2)), rng.uniform(0.4, 2.2)
        crop = high * (1 + rng.uniform(0.05, 0.2) * rng.normal(size=inside.shape))
        crop *= 1 + 0.15 * smooth_noise(rng, inside.shape, 60)
        if rng.uniform() < 0.4:
            rows = np.arange(inside.shape[0])[:, None] * CELL
            crop *= 0.75 + 0.25 * np.sign(np.sin(2 * math.pi * rows / rng.uniform(1.5, 4)))
        world.on_it[stands][window] += np.where(inside, np.maximum(crop, 0), 0)
        world.cover[stands][window][inside] = FIELD
        world.cause[window][inside & (world.cause[window] != DIGGING)] = CROP
        return


# -- the world and its surveys -------------------------------------------------------------------------
def make(rng: np.random.Generator) -> World:
    lease = rotate(box(25, 60, 165, 330), rng.uniform(-8, 8))
    ground = 300 + rng.uniform(2, 14) * fractal(rng, rng.uniform(2.8, 3.9))
    ground += rng.uniform(0.01, 0.06) * smooth_noise(rng, (SIDE, SIDE), rng.uniform(8, 30))
    world = World(ground, lease)
    for n in (
        [0, *(1 + rng.permutation(len(FORMS) - 1)[:8])]
        if rng.uniform() < 0.6
        else rng.permutation(len(FORMS) - 1)[:9] + 1
    ):
        FORMS[int(n)](rng, world)
    for make_one, chance in ((grove, 0.8), (grove, 0.5), (gully, 0.6), (ponds, 1), (objects, 1)):
        if rng.uniform() < chance:
            make_one(rng, world)
    if rng.uniform() < 0.6:
        estate(rng, world)
    crops(rng, world)
    trees(rng, world, rng.uniform(0.03, 0.2))
    return world


@dataclass(frozen=True)
class Flight:
    cell: float
    epsg: int
    moved_m: tuple[float, float]
    bent_m: float
    noise_m: float


def flight(rng: np.random.Generator, condition: str, epoch: int) -> Flight:
    cell = float(rng.choice([0.3, 0.4, 0.5]))
    if condition.startswith("cells"):
        cell = 0.25 if "0.25" in condition else 2.0
    moved, bent = rng.uniform(-0.3, 0.3, 2), 0.1
    if condition == "moved and bent":
        cell, moved, bent = 0.5, rng.choice([-1, 1], 2) * 0.25 * rng.uniform(1, 3, 2), 0.6
    epsg = OTHER_EPSG if epoch and condition == "another reference system" else EPSG
    where = (float(moved[0]), float(moved[1])) if epoch else (0.0, 0.0)
    return Flight(cell, epsg, where, bent if epoch else 0.0, rng.uniform(0.012, 0.045))


def survey(
    rng: np.random.Generator, world: World, epoch: int, surface: Field, rgb: Field, tint: Field, f: Flight
) -> Survey:
    """One flight's elevation model and orthomosaic on a grid of its own."""
    from pyproj import Transformer

    lease = Transformer.from_crs(EPSG, f.epsg, always_xy=True)
    x, y = np.array([0, EXTENT, 0, EXTENT]), np.array([0, 0, EXTENT, EXTENT])
    corners = lease.transform(EAST + x, NORTH + y)
    inset = 2 + (8 if f.epsg != EPSG else 0)
    west, north = float(np.sort(corners[0])[1]) + inset, float(np.sort(corners[1])[-2]) - inset
    n = int((EXTENT - 2 * inset - 4) / f.cell)
    east = west + rng.uniform(0, 2) * epoch + (np.arange(n) + 0.5) * f.cell
    down = north - rng.uniform(0, 2) * epoch - (np.arange(n) + 0.5) * f.cell
    left, top = float(east[0] - f.cell / 2), float(down[0] + f.cell / 2)
    e, nn = np.meshgrid(east, down)
    if f.epsg != EPSG:
        e, nn = lease.transform(e, nn, direction="INVERSE")
    rows = (EXTENT - (nn - NORTH) + f.moved_m[0]) / CELL - 0.5
    cols = ((e - EAST) + f.moved_m[1]) / CELL - 0.5
    # A cell shows the mean of what is in it.
    seen = gaussian_filter(surface, 0.29 * f.cell / CELL) if f.cell > 2 * CELL else surface
    z = map_coordinates(seen, [rows, cols], order=1, mode="nearest")
    v, u = rows / (SIDE / 2) - 1, cols / (SIDE / 2) - 1
    noise = f.noise_m * rng.normal(size=z.shape)
    noise += rng.uniform(0.008, 0.03) * smooth_noise(rng, z.shape, max(4.0, rng.uniform(12, 60) / f.cell))
    a, b, c, d = f.bent_m * rng.uniform(-1, 1, 4)
    noise += a + b * u + c * v + d * (u * u + v * v)
    if epoch and rng.uniform() < 0.4:  # a seam between two flights
        noise += rng.uniform(0.03, 0.08) * (u * math.cos(1) + v * math.sin(1) > rng.uniform(-0.5, 0.5))
    z = z + noise
    if rng.uniform() < 0.5:  # holes that were filled from their rims
        for _ in range(int(rng.integers(1, 4))):
            r, q = rng.integers(20, n - 20, 2)
            k = max(3, int(rng.uniform(3, 8) / f.cell))
            hole = (slice(max(r - k, 0), r + k), slice(max(q - k, 0), q + k))
            height, width = z[hole].shape
            i, j = np.linspace(0, 1, height)[:, None], np.linspace(0, 1, width)[None]
            part = z[hole]
            z[hole] = (
                (1 - i) * part[0][None] + i * part[-1][None] + (1 - j) * part[:, :1] + j * part[:, -1:]
            ) / 2
    at = [rows, cols]
    cover = map_coordinates(world.cover[epoch], at, order=0, mode="nearest")
    shade = np.gradient(gaussian_filter(z, 1), f.cell)
    light = np.clip(0.9 + 0.25 * (shade[1] - shade[0]), 0.45, 1.3)[..., None]
    waves = map_coordinates(tint, at, order=1, mode="nearest")[..., None]
    image = rgb[cover] + np.where((cover == SOIL)[..., None], waves * np.array([-12, 3, -10]), 0)
    image = image * light * rng.uniform(0.88, 1.12) * rng.uniform(0.95, 1.05, 3)
    image = np.clip(image + rng.normal(0, 6, image.shape), 1, 255).astype(np.uint8)
    return Survey(z.astype(np.float32), image, f.cell, left, top)


def measured(world: World, bare: tuple[Field, Field]) -> None:
    """Put into each site what its surface changed by, water included, in all and by zone."""
    lines = world.lease, world.lease.buffer(100)
    for site in world.sites:
        window, inside = cells_of(site["outline"])
        change = site["sign"] * np.where(inside, bare[1][window] - bare[0][window], 0.0) * CELL**2
        rows, cols = np.indices(inside.shape)
        x = (cols + window[1].start + 0.5) * CELL
        y = EXTENT - (rows + window[0].start + 0.5) * CELL
        within = [shapely.contains_xy(line, x, y) for line in lines]
        lease, reach = (float(change[w].sum()) for w in within)
        site["volume_m3"] = float(change.sum())
        site["zone_m3"] = {"lease": lease, "buffer": reach - lease, "beyond": float(change.sum()) - reach}


def deliver(seed: int, folder: Path) -> World:
    """Write two surveys, a lease and ``job.toml`` into a folder."""
    rng = np.random.default_rng([seed, 77])
    condition = CONDITIONS[seed % len(CONDITIONS)]
    world = make(rng)
    rgb, tint = palette(rng), np.clip(smooth_noise(rng, (SIDE, SIDE), 80), -2, 2)
    later = rgb.copy()
    if condition == "another season":  # after the rains weeds cover the soil, and fields are ripe
        later[SOIL] = 0.45 * rgb[SOIL] + 0.55 * rgb[GREEN]
        later[FIELD] = [185, 165, 95]
    flat = World(world.ground, world.lease, world.dug, cover=world.cover.copy(), ponds=world.ponds)
    measured(world, surfaces(np.random.default_rng(0), flat))
    job = [f'[job]\nid = "hard-{seed}"', '[lease]\nboundary = "lease.geojson"']
    for epoch, surface in enumerate(surfaces(rng, world)):
        f = flight(rng, condition, epoch)
        s = survey(rng, world, epoch, surface, later if epoch else rgb, tint, f)
        write(folder, f"dem-{epoch}.tif", s, f.epsg, s.heights[None])
        lines = [f"[[survey]]\ndate = {2024 + epoch}-04-20", f'dem = "dem-{epoch}.tif"', 'height = "EGM2008"']
        if condition != "no orthomosaics" and not (epoch and condition == "one orthomosaic"):
            write(folder, f"ortho-{epoch}.tif", s, f.epsg, np.moveaxis(s.colours, 2, 0))
            lines.append(f'ortho = "ortho-{epoch}.tif"')
        job.append("\n".join(lines))
    crs = {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{EPSG}"}}
    feature: dict[str, Any] = {
        "type": "Feature", "properties": {}, "geometry": mapping(translate(world.lease, EAST, NORTH)),
    }  # fmt: skip
    (folder / "lease.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})
    )
    (folder / "job.toml").write_text("\n\n".join(job) + "\n")
    return world


def write(folder: Path, name: str, s: Survey, epsg: int, data: NDArray[Any]) -> None:
    with rasterio.open(
        folder / name, "w", driver="GTiff", height=data.shape[1], width=data.shape[2], count=data.shape[0],
        dtype=data.dtype, crs=f"EPSG:{epsg}", tiled=True, compress="deflate",
        nodata=-9999 if data.shape[0] == 1 else None,
        transform=rasterio.transform.from_origin(s.west, s.north, s.cell, s.cell),
        photometric="RGB" if data.shape[0] == 3 else "MINISBLACK",
    ) as file:  # fmt: skip
        file.write(data)
