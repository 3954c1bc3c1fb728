"""A second maker of mines, that shares no code with survey.sample_data: how much rests on our own simulator?

    python benchmarks/other_ground.py score 0 20 --out scores.jsonl
    python benchmarks/other_ground.py score 0 20 --single --out single.jsonl
    python benchmarks/other_ground.py collect 100000 100060 --out rows.pkl
    python benchmarks/other_ground.py bodies 100000 100020 --out existing-rows

Here ground is filtered noise, digging is a distance from a rim, trees are domes, sheds and vehicles are boxes
put on the ground (with a level roof or not), crops are noisy rectangles, ponds are levels, and colours are
drawn anew for each scene, seldom as a botanist would have them. Everything stands on one fine raster, from
which two surveys are sampled with noise, correlated noise, bias, tilt, dome, shift, and cells and origins of
their own.

``collect`` writes rows as collect_telling.py does, for fit_telling.py; ``bodies`` those of one survey alone,
for score_existing.py --fit. Scenes from LEARNING on are for that,
those below it for scoring.
"""

from __future__ import annotations

import argparse
import json
import math
import pickle
import sys
import tempfile
from collections import Counter
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
from shapely.geometry import Point, Polygon, box, mapping, shape

LEARNING = 100_000
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


# -- learning and scoring ------------------------------------------------------------------------------
def cause_in(world: World, outline: Any) -> str:
    """What lies under most of an outline that was found, in the reference system of the surveys."""
    there = translate(outline, -EAST, -NORTH)
    if there.is_empty or there.area < 1:
        return CAUSES[0]
    found = np.zeros(7)
    for part in getattr(there, "geoms", [there]):
        window, inside = cells_of(part)
        found += np.bincount(world.cause[window][inside], minlength=7)
    cause = int(found[1:].argmax()) + 1
    return CAUSES[cause] if found[cause] > 0.3 * found.sum() else CAUSES[0]


def rows_of(seed: int) -> list[dict[str, Any]]:
    """Evidence on each region of a scene, with what it is, as collect_telling.py has it."""
    from survey.blocks import Engine
    from survey.pipelines.change.compare import compare
    from survey.pipelines.change.evidence import evidence_on
    from survey.pipelines.change.sites import outline
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.job import load_job

    rows = []
    with tempfile.TemporaryDirectory(prefix="other-") as name:
        world = deliver(seed, Path(name))
        job = load_job(Path(name) / "job.toml")
        with Engine(1) as engine, open_inputs(job) as inputs:
            pair = compare(job, inputs, engine).pairs[-1]
            m = pair.measurement
            for k in m.regions:
                if m.regions.area_m2[k] < job.detect.min_area_m2:
                    continue
                evidence = evidence_on(m, k, pair.before.ortho, pair.after.ortho)
                where = outline(m, k).buffer(0)
                if math.isfinite(evidence.median_m):
                    cause = cause_in(world, where)
                    rows.append(
                        {
                            "case": f"other-{seed}", "scene": seed, "evidence": evidence, "class": cause,
                            "at": where.centroid.coords[0],
                        }
                    )  # fmt: skip
    return rows


def bodies_of(seed: int) -> dict[str, Any]:
    """The bodies that the later survey alone shows and what they are, as score_existing.py has them."""
    from survey.blocks import Engine
    from survey.pipelines.epochs import open_epochs
    from survey.pipelines.existing.scan import scan
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.job import load_job
    from survey.volumetrics.existing import Look

    with tempfile.TemporaryDirectory(prefix="other-") as name:
        world = deliver(seed, Path(name), True)
        job = load_job(Path(name) / "job.toml")
        with Engine(1) as engine, open_inputs(job) as inputs:
            after = open_epochs(job, inputs)[0][-1]
            found = scan(after.surface, Look(), engine, after.ortho, 40.0, 0.4)
    wanted = standing(world)
    bodies = []
    for body in found.bodies:
        here = translate(body.outline, -EAST, -NORTH)
        overlaps = {
            counts: max(
                (
                    here.intersection(s["outline"]).area / here.union(s["outline"]).area
                    for s in those
                    if s["sign"] == body.sign
                ),
                default=0.0,
            )
            for counts, those in ((True, wanted), (False, world.sites))
        }
        bodies.append(
            {
                "body": body, "iou": overlaps[True], "really": cause_in(world, body.outline),
                "ignored": overlaps[False] > 0.1 and overlaps[False] > overlaps[True],
            }
        )  # fmt: skip
    return {"index": seed, "family": "other", "bodies": bodies}


def standing(world: World) -> list[dict[str, Any]]:
    """What the later survey alone shows: pits and heaps of a metre, and the old pit with its deepening."""
    old = world.old["outline"]
    apart = [s for s in world.sites if s["depth_m"] >= 1.0 and not old.contains(s["outline"].centroid)]
    within = [s["volume_m3"] for s in world.sites if old.contains(s["outline"].centroid)]
    return [*apart, world.old | {"volume_m3": world.old["volume_m3"] + sum(within)}]


def score(seed: int, single: bool = False) -> dict[str, Any]:
    """What became of each site of a scene, and what is reported where none is."""
    from pyproj import Transformer
    from score_sites import run_command

    there = Transformer.from_crs(4326, EPSG, always_xy=True)
    with tempfile.TemporaryDirectory(prefix="other-") as name:
        folder = Path(name)
        world = deliver(seed, folder, single)
        code, said = run_command("outside", folder / "job.toml", folder / "out", True, 600)
        run = folder / "out" / f"other-{seed}"
        if code not in (0, 1):
            return {"seed": seed, "exit": code, "said": said}
        features = json.loads((run / "sites.geojson").read_text())["features"]
        dismissed = json.loads((run / "record.json").read_text())["dismissed"]
    found = []
    for f in features:
        if not str(f["properties"]["status"]).startswith("existing" if single else "changed"):
            continue
        lon_lat = shapely.force_2d(shape(f["geometry"]))
        on_map = shapely.transform(lon_lat, lambda a: np.stack(there.transform(a[:, 0], a[:, 1]), axis=1))
        found.append((on_map.buffer(0), f["properties"]))
    used: set[int] = set()
    sites = []
    for site in standing(world) if single else world.sites:
        true = translate(site["outline"], EAST, NORTH)
        if true.area < 40:
            continue
        fits = [
            (true.intersection(o).area / true.union(o).area, i)
            for i, (o, p) in enumerate(found)
            if i not in used and (p["kind"] == "pit") == (site["sign"] < 0) and true.intersects(o)
        ]
        best = max(fits, default=(0.0, -1))
        row = {"volume_m3": site["volume_m3"], "depth_m": site["depth_m"], "area_m2": true.area}
        if best[0] >= 0.3:
            used.add(best[1])
            p = found[best[1]][1]
            row |= {k: p[k] for k in ("volume_m3", "volume_lo_m3", "volume_hi_m3", "confidence")} | {
                "true_m3": site["volume_m3"], "found": True,
            }  # fmt: skip
        else:
            near = [
                d["reason"] for d in dismissed
                if true.buffer(3).contains(Point(there.transform(d["lon"], d["lat"])))
            ]  # fmt: skip
            row |= {"found": False, "why": near[:1]}
        sites.append(row)
    false = [
        {
            "really": cause_in(world, o), "kind": p["kind"], "area_m2": p["area_m2"],
            "volume_m3": p["volume_m3"], "confidence": p["confidence"], "why": p["why"],
        }
        for i, (o, p) in enumerate(found) if i not in used
    ]  # fmt: skip
    return {"seed": seed, "exit": code, "ortho": bool(seed % 3), "sites": sites, "false": false}


def told(rows: list[dict[str, Any]]) -> str:
    ran = [r for r in rows if "sites" in r]
    sites = [s for r in ran for s in r["sites"]]
    hit = [s for s in sites if s["found"]]
    false = [f for r in ran for f in r["false"]]
    precision, recall = len(hit) / max(1, len(hit) + len(false)), len(hit) / max(1, len(sites))
    held = [s["volume_lo_m3"] <= s["true_m3"] <= s["volume_hi_m3"] for s in hit]
    off = [abs(s["volume_m3"] / s["true_m3"] - 1) for s in hit]
    return (
        f"{len(ran)} scenes, {len(sites)} sites: precision {precision:.3f}, recall {recall:.3f}, "
        f"F1 {2 * precision * recall / max(1e-9, precision + recall):.3f}; "
        f"volume error {np.median(off):.2%}, "
        f"intervals hold {np.mean(held):.1%}; false {len(false)}: {dict(Counter(f['really'] for f in false))}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=["score", "collect", "bodies"])
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, help="one past the last")
    parser.add_argument("--single", action="store_true", help="score what the later survey alone shows")
    parser.add_argument("--out", type=Path, required=True, help="what it holds of earlier runs is kept")
    given = parser.parse_args()
    if given.what == "bodies":
        given.out.mkdir(parents=True, exist_ok=True)
        for seed in range(given.first, given.last):
            path = given.out / f"other-{seed}.pickle"
            if not path.exists():
                path.write_bytes(pickle.dumps(bodies_of(seed)))
        return
    if given.what == "collect":
        rows = pickle.loads(given.out.read_bytes()) if given.out.exists() else []
        done = {r["scene"] for r in rows}
        for seed in range(given.first, given.last):
            if seed not in done:
                rows += rows_of(seed) or [{"scene": seed, "class": None}]
                given.out.write_bytes(pickle.dumps(rows))
        return
    rows = [json.loads(line) for line in given.out.read_text().splitlines()] if given.out.exists() else []
    done = {r["seed"] for r in rows}
    for seed in range(given.first, given.last):
        if seed not in done:
            rows.append(score(seed, given.single))
            with given.out.open("a") as file:
                file.write(json.dumps(rows[-1]) + "\n")
    for r in rows:
        if "sites" not in r:
            print(r, file=sys.stderr)
    for name, some in (("with orthomosaics", True), ("without", False)):
        print(name, told([r for r in rows if r.get("ortho") is some]))
    print("all", told(rows))


if __name__ == "__main__":
    main()
