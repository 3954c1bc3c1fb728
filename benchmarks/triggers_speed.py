"""Time and memory of ``survey triggers`` on a pair of Sentinel-2 tiles, against decoding what it must read.

Makes two scenes of N × N cells in six bands (a simulated pair, mirrored over the tile, with fresh noise),
then runs in processes of their own: (a) decoding both files with two threads, before and after (b) the whole
command. Only ratios mean anything, and only within one run; on a machine that others use too, those of the
processor's time.

A simulated pair is made to be hard: something changed in every 0.1 km². With ``--few`` the later scene is
the earlier one in another light and a third of a cell aside, with a pit in every 15 km².

    python benchmarks/triggers_speed.py [N] [--keep FOLDER] [--layout tiled|strips] [--few]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

DECODE = """
import sys, time, rasterio
from concurrent.futures import ThreadPoolExecutor
from rasterio.windows import Window
def work(task):
    path, r, c, h, w = task
    with rasterio.open(path) as d:
        d.read(window=Window(c, r, w, h))
tasks = []
for path in sys.argv[1:]:
    with rasterio.open(path) as d:
        wide = d.width if d.block_shapes[0][1] >= d.width else 2048
        tasks += [(path, r, c, min(2048, d.height - r), min(wide, d.width - c))
                  for r in range(0, d.height, 2048) for c in range(0, d.width, wide)]
with rasterio.Env(GDAL_CACHEMAX=64):
    start, cpu = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, tasks))
    print(time.perf_counter() - start, time.process_time() - cpu)
"""

RUN = """
import json, sys, time
from pathlib import Path
from survey.pipelines.job import load_job
from survey.pipelines.options import Options
from survey.pipelines.progress import NullProgress
from survey.pipelines.triggers.run import run_triggers
class Clocks(NullProgress):
    def __init__(self):
        super().__init__()
        self.cpu = {}
        self.now = None
    def stage(self, name, total=None):
        at = time.process_time()
        if self.now:
            self.cpu[self.now[0]] = self.cpu.get(self.now[0], 0.0) + at - self.now[1]
        self.now = (name, at)
        super().stage(name, total)
start, cpu = time.perf_counter(), time.process_time()
progress = Clocks()
record = run_triggers(load_job(Path(sys.argv[1])), Options(out=Path(sys.argv[2]), workers=2), progress)
progress.stage("done")
progress.close()
stages = {k: [progress.took()[k], v] for k, v in progress.cpu.items()}
counts = {"listed": len(record.triggers["triggers"]), "followed": len(record.triggers["triggers"])
          + len(record.triggers["dismissed"]) + record.triggers["dismissed_more"]}
print(json.dumps({"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu,
                  "stages": stages, **counts}))
"""


def few_changes(before: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The counts (band, row, col) of a later day on which little is new."""
    later = 1.06 * (0.7 * before + 0.3 * np.roll(before, 1, axis=2)) + 60
    row, col = rng.integers(20, 160, 2)
    floor = np.array([1500, 1900, 2300, 2700, 3100, 2800])[:, None, None]
    later[:, row : row + 12, col : col + 12] = floor * rng.normal(1, 0.05, (1, 12, 12))
    return np.clip(np.rint(later), 1, 65535)


def make(folder: Path, cells: int, layout: str, few: bool = False) -> Path:
    import rasterio
    from rasterio.windows import Window

    from survey.sample_data.satellite import Plan, simulate, write_delivery

    series = simulate(Plan(41, cells=192, pair=True, scenes=2, pits=9, distractors=14))
    job = write_delivery(series, folder, masks=False)
    for path in (folder / "scenes").iterdir():
        path.unlink()
    rng = np.random.default_rng(1)
    store = {"tiled": True, "blockxsize": 512, "blockysize": 512} if layout == "tiled" else {"tiled": False}
    for i, day in enumerate(series.dates):
        counts = np.clip(np.rint(series.scenes[0 if few else i] * 10000), 1, 65535)
        block = np.concatenate([counts, counts[:, ::-1]], axis=1)
        block = np.concatenate([block, block[:, :, ::-1]], axis=2)
        if few and i:
            block = few_changes(block, rng)
        profile = {
            "driver": "GTiff",
            "height": cells,
            "width": cells,
            "count": 6,
            "dtype": "uint16",
            "nodata": 0,
            "crs": "EPSG:32643",
            "transform": rasterio.Affine(10, 0, 412000, 0, -10, 2731000),
            "compress": "deflate",
            "predictor": 2,
            "zlevel": 1,
            "num_threads": 2,
            "bigtiff": "if_safer",
            **store,
        }
        with rasterio.open(folder / "scenes" / f"S2_{day:%Y%m%d}.tif", "w", **profile) as out:
            for band, name in enumerate(series.plan.bands, start=1):
                out.set_band_description(band, name)
            for r in range(0, cells, 512):
                h = min(512, cells - r)
                rows = (np.arange(r, r + h)) % block.shape[1]
                strip = block[:, rows][:, :, np.arange(cells) % block.shape[2]]
                strip = strip + rng.integers(-12, 13, strip.shape, dtype=np.int16)
                out.write(np.clip(strip, 1, 65535).astype(np.uint16), window=Window(0, r, cells, h))
    return job


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cells", nargs="?", type=int, default=10980)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--few", action="store_true", help="a calm pair: a pit in every 15 km²")
    parser.add_argument("--layout", choices=("tiled", "strips"), default="tiled")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temp:
        folder = args.keep or Path(temp)
        job = folder / "SITE.toml"
        if not job.exists():
            job = make(folder, args.cells, args.layout, args.few)
        scenes = sorted(str(p) for p in (folder / "scenes").iterdir())
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}

        def decoded() -> tuple[float, float]:
            said = subprocess.run(
                [sys.executable, "-c", DECODE, *scenes], check=True, capture_output=True, text=True, env=env
            ).stdout.split()
            return float(said[0]), float(said[1])

        shutil.rmtree(folder / "out", ignore_errors=True)
        decoded()  # into the cache of the disk
        before = decoded()
        done = subprocess.run(
            [sys.executable, "-c", RUN, str(job), str(folder / "out")],
            check=False,
            capture_output=True,
            text=True,
            env=env,
        )
        if done.returncode:
            sys.exit(done.stderr)
        told = json.loads(done.stdout)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
        wall, cpu = (np.mean(pair) for pair in zip(before, decoded(), strict=True))
        print(
            f"cells {args.cells}² × 6 bands × 2 dates, {args.layout}, "
            f"{sum(os.path.getsize(s) for s in scenes) / 1e9:.2f} GB; {told['followed']:,} things followed, "
            f"{told['listed']:,} listed; peak memory {peak:.2f} GB"
        )
        print(f"{'':45} {'wall s':>8} {'× decode':>8} {'CPU s':>8} {'× decode':>8}")
        rows = {"decode": [wall, cpu], "whole command": [told["seconds"], told["cpu"]], **told["stages"]}
        for name, (seconds, busy) in rows.items():
            print(f"{name:45} {seconds:8.1f} {seconds / wall:8.2f} {busy:8.1f} {busy / cpu:8.2f}")


if __name__ == "__main__":
    main()
