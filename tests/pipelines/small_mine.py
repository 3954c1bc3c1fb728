"""A small mine with two surveys, made in a moment: a pit in the lease, one beside it, centimetre noise."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from scipy.ndimage import gaussian_filter

WEST, NORTH, CELL = 500_000.0, 2_700_000.0, 1.0


def make_mine(
    folder: Path,
    *,
    cells: int = 320,
    job_id: str = "S-1",
    seed: int = 1,
    head: str = "",
    more: str = "",
    block: int = 64,
) -> Path:
    """Write both DEMs, the lease and ``job.toml``; the job file."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:cells, 0:cells] / cells
    ground = 300 + 4 * np.sin(5 * rows + 2 * cols) + 6 * cols
    ground += 3 * gaussian_filter(rng.normal(size=ground.shape), 6)

    def survey(name: str, heights: np.ndarray, east: float) -> None:
        noise = rng.normal(0, 0.02, heights.shape) + 0.2 * gaussian_filter(rng.normal(size=heights.shape), 8)
        profile = {
            "driver": "GTiff", "height": cells, "width": cells, "count": 1, "dtype": "float32",
            "crs": "EPSG:32643", "transform": Affine(CELL, 0, WEST + east, 0, -CELL, NORTH), "tiled": True,
            "blockxsize": block, "blockysize": block, "compress": "DEFLATE", "nodata": float("nan"),
        }  # fmt: skip
        with rasterio.open(folder / name, "w", **profile) as file:
            file.write((heights + noise).astype(np.float32), 1)

    def pit(row: float, col: float, radius: float, depth: float) -> np.ndarray:
        return np.where(np.hypot(rows - row, cols - col) < radius, depth, 0.0)

    survey("before.tif", ground, 0.0)
    survey("after.tif", ground - pit(0.45, 0.45, 0.12, 6.0) - pit(0.5, 0.82, 0.05, 3.0), 0.3)
    side = cells * CELL
    west, east, south, north = (
        WEST + 0.25 * side,
        WEST + 0.7 * side,
        NORTH - 0.7 * side,
        NORTH - 0.25 * side,
    )
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    lease = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "EPSG:32643"}},
        "features": [
            {
                "type": "Feature",
                "properties": {"name": "L"},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        ],
    }
    (folder / "lease.geojson").write_text(json.dumps(lease))
    job = folder / "job.toml"
    job.write_text(
        f'[job]\nid = "{job_id}"\n{head}\n[lease]\nboundary = "lease.geojson"\n'
        '[[survey]]\ndate = 2024-04-20\ndem = "before.tif"\nheight = "EGM2008"\n'
        '[[survey]]\ndate = 2025-04-20\ndem = "after.tif"\nheight = "EGM2008"\n' + more
    )
    return job


def without_clock(record: Path) -> bytes:
    """The bytes of a record, but for its clock."""
    content = json.loads(record.read_text(encoding="utf-8"))
    del content["clock"]
    return json.dumps(content, ensure_ascii=False, indent=1).encode()
