"""Time and memory of the main job, beside merely decoding its inputs and beside two plain ways to do it.

    python benchmarks/excavation_speed.py --cells 16384 --rounds 3 --folder /var/tmp/bench

makes two DEMs of that many cells a side from a seed (fractal ground, a benched pit, centimetre noise, a shift
between the epochs; 512² tiles, ZSTD, predictor 3) and runs, alternating, each in a process of its own:

decode     both files with rasterio, whole tiles, two threads: the limit; every other figure is a ratio to it
excavation ``survey excavation --no-change``: alignment, noise, resampling, zones, regions, maps, report
measure    the same up to the figures, without maps and report
change     ``survey excavation`` with change.tif
other-cell the later survey on cells of another size
numpy      whole arrays, equal grids assumed, no alignment, no interval
dask       dask.array over 2048² chunks, the same

Times count from after the imports. Only ratios within one run mean anything.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

TILE = 512


def make_rasters(folder: Path, cells: int, waves_m: float = 0.0, cell_m: float = 0.1) -> None:
    """Write before.tif, after.tif (shifted by a third of a cell), coarse.tif, lease.geojson and job files."""
    import numpy as np
    import rasterio
    from rasterio import Affine
    from scipy.ndimage import zoom

    folder.mkdir(parents=True, exist_ok=True)
    if (folder / f"made-{cells}").exists():
        return
    rng = np.random.default_rng(20260101)
    strip = 2048
    # Octaves of smooth noise, each periodic over the scene and evaluated strip by strip.
    octaves = [(rng.normal(size=(cells // s + 4, cells // s + 4)), s, s * 0.04) for s in (2048, 512, 128, 32)]

    def ground(r0: int, r1: int) -> np.ndarray:
        z = np.full((r1 - r0, cells), 300.0, np.float32)
        for table, s, amplitude in octaves:
            a = r0 // s
            part = zoom(table[a : (r1 - 1) // s + 4], (s, s), order=1)[r0 - a * s : r1 - a * s, :cells]
            z += (amplitude * cell_m * part).astype(np.float32)
        return z

    def dug(r0: int, r1: int) -> np.ndarray:
        rows = (np.arange(r0, r1) - cells / 2)[:, None]
        cols = (np.arange(cells) - cells / 2)[None, :]
        d = np.hypot(rows, cols) * cell_m
        radius = 0.12 * cells * cell_m
        return (np.clip(np.ceil((radius - d) / (radius / 6)), 0, 4) * 5.0).astype(np.float32)

    def write(
        name: str, origin: tuple[float, float], size: float, every: int, seed: int, with_pit: bool
    ) -> None:
        noise = np.random.default_rng(seed)
        # Centimetres that go up and down over tens of metres look like shallow changes, each to be looked at.
        slow = noise.normal(0, waves_m, (cells // 256 + 4, cells // 256 + 4))
        n = cells // every
        profile = {
            "driver": "GTiff", "height": n, "width": n, "count": 1, "dtype": "float32", "crs": "EPSG:32643",
            "transform": Affine(size, 0, origin[0], 0, -size, origin[1]), "tiled": True,
            "blockxsize": TILE, "blockysize": TILE,
            "compress": "ZSTD", "zstd_level": 3, "predictor": 3, "nodata": float("nan"),
            "BIGTIFF": "IF_SAFER",
        }  # fmt: skip
        with rasterio.open(folder / name, "w", **profile) as file:
            for r0 in range(0, cells, strip):
                r1 = min(r0 + strip, cells)
                z = ground(r0, r1)
                if with_pit:
                    z -= dug(r0, r1)
                a = r0 // 256
                waves = zoom(slow[a : (r1 - 1) // 256 + 4], (256, 256), order=1)
                z += waves[r0 - a * 256 : r1 - a * 256, :cells].astype(np.float32)
                if every > 1:
                    z = z.reshape((r1 - r0) // every, every, n, every).mean(axis=(1, 3))
                z = z + noise.normal(0, 0.02, z.shape).astype(np.float32)
                file.write(z, 1, window=rasterio.windows.Window(0, r0 // every, n, z.shape[0]))

    west, north = 500000.0, 2700000.0
    write("before.tif", (west, north), cell_m, 1, 1, False)
    write("after.tif", (west + cell_m / 3, north - cell_m / 4), cell_m, 1, 2, True)
    write("coarse.tif", (west, north), 2 * cell_m, 2, 3, True)
    side = cells * cell_m
    a, b = west + 0.25 * side, west + 0.75 * side
    c, d = north - 0.75 * side, north - 0.25 * side
    ring = [[a, c], [b, c], [b + 0.02 * side, d], [a, d], [a, c]]
    lease = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "EPSG:32643"}},
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "lease"},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        ],
    }
    (folder / "lease.geojson").write_text(json.dumps(lease))
    for name, after in (("job", "after.tif"), ("coarse", "coarse.tif")):
        (folder / f"{name}.toml").write_text(
            f'[job]\nid = "bench-{name}"\n[lease]\nboundary = "lease.geojson"\n'
            '[[survey]]\ndate = 2024-04-20\ndem = "before.tif"\nheight = "EGM2008"\n'
            f'[[survey]]\ndate = 2025-04-20\ndem = "{after}"\nheight = "EGM2008"\n'
        )
    (folder / f"made-{cells}").write_text("")


# -- contenders: each returns after doing its work; imports come before the clock ----------------------------
def decode(folder: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    import rasterio

    def half(job: tuple[str, int]) -> None:
        name, part = job
        with rasterio.Env(GDAL_CACHEMAX=64), rasterio.open(folder / name) as file:
            for r in range(part * TILE, file.height, 2 * TILE):
                for c in range(0, file.width, TILE):
                    file.read(1, window=((r, min(r + TILE, file.height)), (c, min(c + TILE, file.width))))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(half, [(n, p) for n in ("before.tif", "after.tif") for p in (0, 1)]))


def _excavation(folder: Path, job: str, change: bool) -> None:
    from survey.pipelines.excavation import run_excavation
    from survey.pipelines.job import load_job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import NullProgress

    run_excavation(
        load_job(folder / job), Options(out=folder / "runs", change=change, force=True), NullProgress()
    )


def excavation(folder: Path) -> None:
    _excavation(folder, "job.toml", False)


def change(folder: Path) -> None:
    _excavation(folder, "job.toml", True)


def other_cell(folder: Path) -> None:
    _excavation(folder, "coarse.toml", False)


def measure(folder: Path) -> None:
    from survey.blocks import Engine
    from survey.pipelines.change.compare import compare
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.job import load_job

    job = load_job(folder / "job.toml")
    with open_inputs(job) as inputs, Engine() as engine:
        compare(job, inputs, engine)


def _mask(folder: Path, shape: tuple[int, int], transform: object) -> object:
    from rasterio.features import rasterize

    ring = json.loads((folder / "lease.geojson").read_text())["features"][0]["geometry"]
    return rasterize([ring], out_shape=shape, transform=transform, dtype="uint8")


def numpy(folder: Path) -> None:
    import rasterio

    with rasterio.open(folder / "before.tif") as a, rasterio.open(folder / "after.tif") as b:
        rise = b.read(1) - a.read(1)
        inside = _mask(folder, rise.shape, a.transform) == 1
    for chosen in (inside, ~inside):
        part = rise[chosen]
        (part[part < 0].sum(), part[part > 0].sum())


def dask(folder: Path) -> None:
    import dask.array as da
    import numpy as np
    import rasterio
    from dask import compute

    with rasterio.open(folder / "before.tif") as file:
        shape, transform = file.shape, file.transform
    inside = _mask(folder, shape, transform)

    def load(name: str):  # type: ignore[no-untyped-def]
        def block(block_info=None):  # type: ignore[no-untyped-def]
            (r0, r1), (c0, c1) = block_info[None]["array-location"]
            with rasterio.open(folder / name) as file:
                return file.read(1, window=((r0, r1), (c0, c1)))

        chunks = tuple(tuple(min(2048, n - k) for k in range(0, n, 2048)) for n in shape)
        return da.map_blocks(block, chunks=chunks, dtype=np.float32)

    rise = load("after.tif") - load("before.tif")
    weight = da.from_array(inside, chunks=2048)
    sums = [
        da.where((weight == z) & s(rise), rise, 0).sum()
        for z in (0, 1)
        for s in (lambda x: x < 0, lambda x: x > 0)
    ]
    compute(*sums, num_workers=2)


CONTENDERS = {
    "decode": decode,
    "excavation": excavation,
    "measure": measure,
    "change": change,
    "other-cell": other_cell,
    "numpy": numpy,
    "dask": dask,
}
IMPORTS = {
    "decode": "rasterio",
    "numpy": "numpy rasterio rasterio.features",
    "dask": "numpy dask.array rasterio rasterio.features",
}
OURS = (
    "survey.pipelines.excavation survey.pipelines.job survey.pipelines.publish survey.report "
    "survey.report.html "
    "survey.dem.surface survey.imagery.ortho survey.boundary.lease pyogrio scipy.special "
    "scipy.spatial dask.threaded scipy.optimize scipy.ndimage scipy.sparse.linalg scipy.fft "
    "rasterio.features rasterio.warp contourpy PIL.Image zstandard survey.blocks survey.delivery "
    "survey.dem.opening "
    "survey.dem.contours survey.dem.terrain survey.report.files survey.volumetrics.sections"
)


def run_here(name: str, folder: Path) -> None:
    """One contender in this process; its figures as JSON on the last line."""
    import importlib

    for module in IMPORTS.get(name, OURS).split():
        importlib.import_module(module)
    before = resource.getrusage(resource.RUSAGE_SELF)
    start = time.perf_counter()
    CONTENDERS[name](folder)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall_s": wall, "cpu_s": cpu, "peak_gb": after.ru_maxrss / 1e6}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=16384)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("bench"))
    parser.add_argument("--waves", type=float, default=0.0, help="correlated error of a survey, m")
    parser.add_argument("--only", nargs="*", choices=list(CONTENDERS))
    parser.add_argument("--here", choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--make", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.make:
        make_rasters(options.folder, options.cells, options.waves)
        return
    if options.here:
        run_here(options.here, options.folder)
        return
    # In a process of its own: a child's peak memory counts from what its parent held when it was forked.
    making = [
        sys.executable,
        __file__,
        "--make",
        "--cells",
        str(options.cells),
        "--folder",
        str(options.folder),
        "--waves",
        str(options.waves),
    ]
    subprocess.run(making, check=True)
    names = [n for n in CONTENDERS if not options.only or n in options.only or n == "decode"]
    found: dict[str, list[dict[str, float]]] = {n: [] for n in names}
    for k in range(options.rounds + 1):
        for name in names:
            done = subprocess.run(
                [sys.executable, __file__, "--here", name, "--folder", str(options.folder)],
                capture_output=True, text=True, env=os.environ,
            )  # fmt: skip
            if done.returncode:
                sys.exit(f"{name} failed:\n{done.stderr}")
            # The first round warms caches of files and of compiled code, and is not counted.
            if k:
                found[name].append(json.loads(done.stdout.splitlines()[-1]))
    base = found["decode"]
    print(f"{options.cells}² float32 pair, {options.rounds} rounds; ratios to decoding both files")
    print(f"{'':12} {'wall ratio':>10} {'cpu ratio':>10} {'peak GB':>8} {'wall s':>8}")
    for name, rows in found.items():
        wall = statistics.median(r["wall_s"] / b["wall_s"] for r, b in zip(rows, base, strict=True))
        cpu = statistics.median(r["cpu_s"] / b["cpu_s"] for r, b in zip(rows, base, strict=True))
        peak = max(r["peak_gb"] for r in rows)
        print(
            f"{name:12} {wall:10.2f} {cpu:10.2f} {peak:8.2f} "
            f"{statistics.median(r['wall_s'] for r in rows):8.2f}"
        )


if __name__ == "__main__":
    main()
