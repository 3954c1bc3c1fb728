"""How often the 95 % intervals of assessments hold the truth, and how wide they are.

    python -m benchmarks.score_assess [--sites 400] [--seed 1] [--dem FILE.tif] [--points | --earlier]
                                      [--first 0] [--seconds 200] [--keep FILE.jsonl]
    python -m benchmarks.score_assess --read FILE.jsonl [FILE.jsonl …]

Pits and stocks of many shapes are put on ground of several kinds, surveyed with noise that is correlated over
metres and tens of metres, outlined with a wobbling hand, and assessed from that one survey alone. With
``--dem`` the ground is a real DEM. With ``--points`` the same bodies are measured by a field party instead: a
walk round the rim, toe and floor points, at a spacing that varies from careful to hurried. With ``--earlier``
six sites lie in each scene, and the whole command measures them from two surveys: the later one on another
grid, shifted, raised and tilted, each with its own noise. Everything is seeded; the truth is known to the
cell. ``--seconds`` ends a chunk, ``--first`` goes on with the next, ``--keep`` keeps what was scored.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections import defaultdict
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import shapely
from pyproj import CRS

from survey.errors import InputRefused
from survey.grid import Grid
from survey.pipelines.assess.ground import Stage
from survey.pipelines.assess.measure import Wish, measure
from survey.pipelines.assess.targets import Target
from survey.quantity import Measured
from survey.volumetrics.points.codes import make_points
from survey.volumetrics.points.site import build_site
from survey.volumetrics.points.volume import point_volume
from survey.volumetrics.stock import volumes

UTM = CRS.from_epsg(32643).to_wkt()
CELLS = 640


@dataclass(frozen=True)
class Scored:
    family: str
    ground: str
    relative_error: float
    relative_width: float  # half the interval
    held: bool
    sigmas: float
    source: str
    method: str


def field(rng: np.random.Generator, n: int, cell: float, slope: float, longest_m: float) -> np.ndarray:
    """Noise whose amplitude falls with frequency as k^-slope, level beyond ``longest_m``; unit variance."""
    k = np.hypot(np.fft.fftfreq(n, cell)[:, None], np.fft.fftfreq(n, cell)[None])
    z = np.fft.ifft2(np.fft.fft2(rng.standard_normal((n, n))) * (k**2 + longest_m**-2) ** (-slope / 2)).real
    return z / z.std()


def ground_of(rng: np.random.Generator, cell: float) -> tuple[str, np.ndarray]:
    """A kind of ground and its heights, CELLS × CELLS."""
    n = CELLS
    y, x = np.mgrid[0:n, 0:n] * cell
    tilt = rng.uniform(-0.12, 0.12, 2)
    kind = str(rng.choice(["plain", "hills", "ridges", "terraces", "rough"]))
    if kind == "plain":
        z = field(rng, n, cell, 2.2, 400) * rng.uniform(0.1, 0.5)
        tilt = tilt * 0.2
    elif kind == "hills":
        z = field(rng, n, cell, 2.6, 300) * rng.uniform(2, 10)
    elif kind == "ridges":
        z = np.abs(field(rng, n, cell, 2.4, 150)) * rng.uniform(1, 4)
    elif kind == "terraces":
        step = rng.uniform(0.6, 1.5)
        slope = 0.12 * (x * math.cos(tilt[0] * 20) + y * math.sin(tilt[0] * 20)) + 0.4 * field(
            rng, n, cell, 2.4, 120
        )
        z = step * (np.floor(slope / step) + np.clip((slope / step % 1) * 3, 0, 1))
        tilt = tilt * 0.1
    else:
        z = field(rng, n, cell, 1.9, 200) * rng.uniform(0.5, 2)
    return kind, 300 + z + tilt[0] * x + tilt[1] * y


def outline_of(rng: np.random.Generator, radius: float, ratio: float) -> np.ndarray:
    """Corners of an irregular outline around the origin, metres."""
    t = np.linspace(0, 2 * math.pi, 72, endpoint=False)
    r = radius * (
        1
        + 0.16 * math.sqrt(ratio) * np.cos(2 * t + rng.uniform(0, 6.3))
        + 0.10 * np.cos(3 * t + rng.uniform(0, 6.3))
        + 0.05 * np.cos(5 * t + rng.uniform(0, 6.3))
    )
    turn = rng.uniform(0, math.pi)
    x, y = r * np.cos(t) * math.sqrt(ratio), r * np.sin(t) / math.sqrt(ratio)
    return np.column_stack([x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)])


def body_of(rng: np.random.Generator, polygon, east: np.ndarray, north: np.ndarray) -> tuple[str, np.ndarray]:
    """A pit or heap inside an outline: what is taken off (or put on, negative) the ground, metres."""
    inside = shapely.contains_xy(polygon, east, north)
    depth = np.zeros(east.shape)
    at = shapely.points(east[inside], north[inside])
    depth[inside] = shapely.distance(polygon.exterior, at)
    kind = str(rng.choice(["steep pit", "benched pit", "shallow pit", "heap", "flat heap"]))
    widest = float(depth.max())
    if kind == "steep pit":
        d = np.minimum(depth * rng.uniform(1.5, 4), rng.uniform(2, 10))
    elif kind == "benched pit":
        bench, width = rng.uniform(1.5, 3), rng.uniform(2, 4)
        d = bench * np.clip(
            np.floor(depth / width) + np.clip((depth / width % 1) * 3, 0, 1), 0, rng.integers(2, 4)
        )
    elif kind == "shallow pit":
        d = np.minimum(depth * 1.0, rng.uniform(0.6, 1.5))
    elif kind == "heap":
        d = -depth * rng.uniform(0.5, 0.8)
    else:
        d = -np.minimum(depth * 0.75, rng.uniform(1.5, max(0.4 * widest, 1.6)))
    return kind, d


def survey_noise(rng: np.random.Generator, n: int, cell: float) -> np.ndarray:
    """Noise of a drone survey: white, over metres, over tens of metres."""
    return (
        rng.uniform(0.01, 0.03) * rng.standard_normal((n, n))
        + rng.uniform(0.005, 0.02) * field(rng, n, cell, 2.0, 4)
        + rng.uniform(0.005, 0.03) * field(rng, n, cell, 2.5, 60)
    )


def one(rng: np.random.Generator, dem: np.ndarray | None, by_points: bool) -> Scored | None:
    cell = 1.0 if dem is not None else float(rng.choice([0.25, 0.5]))
    if dem is None:
        ground, before = ground_of(rng, cell)
        n = CELLS
    else:
        n = min(300, *dem.shape)
        r, c = (int(rng.integers(0, size - n + 1)) for size in dem.shape)
        ground, before = "real", dem[r : r + n, c : c + n].astype(float)
    grid = Grid(UTM, 500_000.0, 2_700_000.0, cell, cell, n, n)
    rows, cols = np.mgrid[0:n, 0:n]
    east, north = grid.east_north(rows, cols)
    span = n * cell
    radius = float(np.exp(rng.uniform(math.log(4.0), math.log(min(26.0, span / 9)))))
    if dem is not None:
        radius = max(radius, 6.0)
    middle = np.array([500_000.0, 2_700_000.0]) + rng.uniform(0.3, 0.7, 2) * span * np.array([1, -1])
    true = shapely.Polygon(middle + outline_of(rng, radius, float(rng.choice([1.0, 1.0, 1.8, 2.6]))))
    if not true.is_valid:
        return None
    family, off = body_of(rng, true, east, north)
    after = before - off
    truth = float(off.sum()) * cell**2
    if abs(truth) < 20:
        return None
    if by_points:
        return _by_points(rng, family, ground, true, after, before, grid, truth)
    noisy = after + survey_noise(rng, n, cell)
    # Drawn a little outside, as a careful hand draws it, with an unsteadiness of its own.
    drawn = shapely.simplify(true.buffer(rng.uniform(0.0, 0.5)), 0.1)
    natural = np.isfinite(noisy)
    stage = Stage(grid, 1, noisy, None, natural, natural, ())
    try:
        made = measure(Target("x", drawn, 0), stage, Wish(outline_sigma_m=0.2))
    except InputRefused:
        return None
    own = made.volumes.cut if truth > 0 else made.volumes.fill
    return _scored(family, ground, own, abs(truth), made.source, made.method)


def scene(seed: tuple[int, int], folder: Path) -> list[Scored]:
    """Six sites between two surveys, assessed by the command itself."""
    from survey.blocks import Engine
    from survey.pipelines.assess.run import assess
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.job import load_job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import NullProgress
    from survey.pipelines.runs import Run

    rng = np.random.default_rng(seed)
    cell, n = 0.5, CELLS
    kind, before = ground_of(rng, cell)
    left, top = 500_000.0, 2_700_000.0
    grid = Grid(UTM, left, top, cell, cell, n, n)
    east, north = grid.east_north(*np.mgrid[0:n, 0:n])
    after, truths, outlines = before.copy(), {}, {}
    for k in range(6):
        radius = float(np.exp(rng.uniform(math.log(4.0), math.log(20.0))))
        middle = (left + (k % 3 + 0.5) * n * cell / 3, top - (k // 3 + 0.5) * n * cell / 2)
        corners = middle + rng.uniform(-15, 15, 2) + outline_of(rng, radius, float(rng.choice([1.0, 1.8])))
        true = shapely.Polygon(corners)
        if not true.is_valid:
            continue
        family, off = body_of(rng, true, east, north)
        if abs(float(off.sum()) * cell**2) < 20:
            continue
        after -= off
        outlines[f"S{k}"] = shapely.simplify(true.buffer(rng.uniform(0.0, 0.5)), 0.1)
        truths[f"S{k}"] = (family, float(off.sum()) * cell**2)
    # The later survey: off by less than a cell, too high, tilted, on a grid of its own.
    from scipy.ndimage import shift as moved

    away = rng.uniform(-0.4, 0.4, 2)
    y, x = np.mgrid[0:n, 0:n] * cell
    later = moved(after, away / cell, order=3, mode="nearest") + rng.uniform(-0.15, 0.15)
    later += 2e-4 * rng.uniform(-1, 1) * x + 2e-4 * rng.uniform(-1, 1) * y + survey_noise(rng, n, cell)
    write_scene(folder, before + survey_noise(rng, n, cell), later, outlines, left, top, cell)
    progress = NullProgress()
    job = load_job(folder / "job.toml")
    with Engine(1, None, progress) as engine, open_inputs(job, threads=1) as inputs:
        made = assess(Run("assess", job, Options(), progress, engine, inputs, datetime.now(UTC)))
    out = []
    for a, _ in made.assessed:
        family, truth = truths[a.id]
        own = Measured(a.volume_m3, a.volume_lo_m3, a.volume_hi_m3, "m3")
        if (a.kind == "pit") == (truth > 0):
            out.append(_scored(family, kind, own, abs(truth), a.base.source, a.base.method))
        else:
            out.append(Scored(family, kind, -1.0, 0.0, False, 8.0, "wrong kind", a.base.method))
    return out


def write_scene(folder: Path, before, later, outlines, left, top, cell) -> None:  # type: ignore[no-untyped-def]
    import rasterio
    from rasterio.transform import Affine

    for name, z in (("2024.tif", before), ("2025.tif", later[7:-9, 5:-11])):
        at = (left, top) if name == "2024.tif" else (left + 5 * cell, top - 7 * cell)
        with rasterio.open(
            folder / name, "w", driver="GTiff", count=1, height=z.shape[0], width=z.shape[1], dtype="float32",
            crs="EPSG:32643", transform=Affine(cell, 0, at[0], 0, -cell, at[1]), tiled=True,
        ) as out:  # fmt: skip
            out.write(z.astype(np.float32), 1)
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": shapely.geometry.mapping(shape)}
        for name, shape in outlines.items()
    ]
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}}
    sites = {"type": "FeatureCollection", "crs": crs, "features": features}
    (folder / "sites.geojson").write_text(json.dumps(sites))
    surveys = "".join(
        f'[[survey]]\ndate = {year}-04-20\ndem = "{year}.tif"\nheight = "EGM2008"\n' for year in (2024, 2025)
    )
    (folder / "job.toml").write_text(
        f'[job]\nid = "S"\ntasks = ["assess"]\n{surveys}[assess]\ntargets = "sites.geojson"\n'
    )


def _scored(family, ground, own, truth, source, method) -> Scored:  # type: ignore[no-untyped-def]
    error = own.value - truth
    return Scored(
        family,
        ground,
        error / truth,
        own.half_width / truth,
        own.lo <= truth <= own.hi,
        error / max(own.half_width / 1.96, 1e-9),
        source,
        method,
    )


def _by_points(rng, family, ground, true, after, before, grid, truth) -> Scored | None:  # type: ignore[no-untyped-def]
    """A walk round the rim, and points inside at a spacing that goes with the site's size."""
    from survey.dem.checkpoints import bilinear_at

    spacing = math.sqrt(true.area) * rng.uniform(0.06, 0.2)
    step = spacing * rng.uniform(0.6, 1.2)
    rim = np.array(
        [true.exterior.interpolate(d).coords[0] for d in np.arange(0, true.length, step)][
            : int(true.length / step)
        ]
    )
    b = true.bounds
    gx, gy = np.meshgrid(np.arange(b[0], b[2], spacing), np.arange(b[1], b[3], spacing))
    inner = np.column_stack([gx.ravel(), gy.ravel()]) + rng.uniform(-0.35, 0.35, (gx.size, 2)) * spacing
    inner = inner[shapely.contains_xy(true.buffer(-0.3 * spacing), inner[:, 0], inner[:, 1])]
    out = true.buffer(0.35 * math.sqrt(true.area))
    around = np.array(
        [
            out.exterior.interpolate(f, normalized=True).coords[0]
            for f in np.linspace(0, 1, 12, endpoint=False)
        ]
    )
    rows, codes, heights = [], [], []
    for code, points, surface in (("rim", rim, before), ("floor", inner, after), ("ground", around, before)):
        if not len(points):
            continue
        row, col = grid.row_col(points[:, 0], points[:, 1])
        z = bilinear_at(surface.astype(np.float32), row, col) + rng.normal(0, 0.02, len(points))
        good = np.isfinite(z)
        rows.append(points[good])
        heights.append(z[good])
        codes += [code] * int(good.sum())
    xy, z = np.vstack(rows), np.concatenate(heights)
    try:
        points, _ = make_points([str(k) for k in range(len(z))], codes, *xy.T, z, np.full(len(z), 0.02))
        made = point_volume(build_site(points, "pit" if truth > 0 else "stock"))
    except InputRefused:
        return None
    v = volumes(made.amount, made.doubts)
    return _scored(family, ground, v.cut if truth > 0 else v.fill, abs(truth), "points", made.base)


def report(found: list[Scored]) -> str:
    lines = [
        "| | sites | held | median error | median ± | σ of error / interval's σ |",
        "|---|---|---|---|---|---|",
    ]

    def row(name: str, some: list[Scored]) -> None:
        error = np.abs([s.relative_error for s in some])
        width = np.median([s.relative_width for s in some])
        spread = math.sqrt(np.mean(np.square([np.clip(s.sigmas, -8, 8) for s in some])))
        held = np.mean([s.held for s in some])
        lines.append(
            f"| {name} | {len(some)} | {100 * held:.1f} % | {100 * np.median(error):.2f} % | "
            f"{100 * width:.2f} % | {spread:.2f} |"
        )

    row("**all**", found)
    for key in ("family", "ground", "source", "method"):
        groups: dict[str, list[Scored]] = defaultdict(list)
        for s in found:
            groups[getattr(s, key)].append(s)
        for name in sorted(groups):
            row(name, groups[name])
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sites", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dem", help="a real DEM to take the ground from")
    parser.add_argument("--points", action="store_true")
    parser.add_argument("--earlier", action="store_true", help="two surveys, by the command itself")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--read", type=Path, nargs="+")
    asked = parser.parse_args()
    if asked.read:
        lines = [line for path in asked.read for line in path.read_text().splitlines()]
        print(report([Scored(**json.loads(line)) for line in lines]))
        return
    dem = None
    if asked.dem:
        import rasterio

        with rasterio.open(asked.dem) as source:
            dem = source.read(1)
    found: list[Scored] = []
    began, k = time.monotonic(), asked.first
    while len(found) < asked.sites and time.monotonic() - began < asked.seconds:
        if asked.earlier:
            with tempfile.TemporaryDirectory() as folder:
                found += scene((asked.seed, k), Path(folder))
        else:
            scored = one(np.random.default_rng((asked.seed, k)), dem, asked.points)
            found += [scored] if scored is not None else []
        k += 1
    if asked.keep is not None:
        with asked.keep.open("a") as out:
            out.writelines(json.dumps(asdict(s)) + "\n" for s in found)
    print(report(found))
    print(f"\nseed {asked.seed}, cases {asked.first} to {k - 1}")


if __name__ == "__main__":
    main()
