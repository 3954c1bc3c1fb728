"""A small piece of ground with a pit and a heap of known volume, as a job folder."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

N, CELL = 260, 0.5
WEST, NORTH = 500_000.0, 2_730_000.0
UTM = "EPSG:32643"
ROW, COL = np.mgrid[0:N, 0:N]
X, Y = (COL + 0.5) * CELL, (ROW + 0.5) * CELL  # metres from the north-west corner, y down

PIT = (40.0, 60.0, 11.0, 4.0)  # middle, radius, depth
HEAP = (95.0, 80.0, 9.0, 3.0)
BERM = 4.0  # width of the slope


def relief(seed: int = 1, height: float = 0.5) -> np.ndarray:
    rng = np.random.default_rng(seed)
    k = np.hypot(np.fft.fftfreq(N)[:, None], np.fft.fftfreq(N)[None])
    z = np.fft.ifft2(np.fft.fft2(rng.standard_normal((N, N))) * (k**2 + 1e-5) ** -1.4).real
    return 410 + 0.03 * X - 0.02 * Y + height * z / z.std()


def body(x: float, y: float, radius: float, height: float) -> np.ndarray:
    return height * np.clip((radius - np.hypot(X - x, Y - y)) / BERM, 0, 1)


def frustum_m3(radius: float, height: float) -> float:
    """Of a round body whose slope is ``BERM`` wide."""
    small = radius - BERM
    return math.pi * height / 3 * (radius**2 + radius * small + small**2)


def circle(x: float, y: float, radius: float, n: int = 32) -> list[list[float]]:
    """A ring round the body, a hand's breadth outside it."""
    at = np.linspace(0, 2 * math.pi, n, endpoint=False)
    ring = [[WEST + x + (radius + 0.3) * math.cos(t), NORTH - y - (radius + 0.3) * math.sin(t)] for t in at]
    return [*ring, ring[0]]


def write_raster(path: Path, data: np.ndarray, **more: object) -> None:
    data = data if data.ndim == 3 else data[None].astype(np.float32)
    with rasterio.open(
        path, "w", driver="GTiff", count=len(data), height=N, width=N, dtype=data.dtype, crs=UTM,
        transform=Affine(CELL, 0, WEST, 0, -CELL, NORTH), **more,
    ) as out:  # fmt: skip
        out.write(data)


def write_polygons(path: Path, named: dict[str, list[list[float]]]) -> None:
    path.write_text(
        json.dumps(
            {
                "type": "FeatureCollection",
                "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32643"}},
                "features": [
                    {
                        "type": "Feature",
                        "properties": {"name": name},
                        "geometry": {"type": "Polygon", "coordinates": [ring]},
                    }
                    for name, ring in named.items()
                ],
            }
        )
    )


def noise(seed: int, sigma: float = 0.02) -> np.ndarray:
    return sigma * np.random.default_rng(seed).standard_normal((N, N))


HEAD = """
[job]
id = "A-1"
regime = "rajasthan"
tasks = ["assess"]
[mine]
name = "Khera Quarry"
mineral = "sandstone"
district = "Chittorgarh"
[material]
in_situ_density_t_m3 = 2.4
loose_density_t_m3 = 1.6
density_source = "Laboratory report 311"
"""

LEASE = """
[lease]
boundary = "lease.geojson"
boundary_sigma_m = 0.5
"""

BEFORE = """
[[survey]]
date = 2024-04-20
dem = "2024.tif"
height = "EGM2008"
"""

AFTER = """
[[survey]]
date = 2025-04-25
dem = "2025.tif"
ortho = "ortho.tif"
height = "EGM2008"
"""

ASSESS = """
[assess]
targets = "sites.geojson"
case_no = "ME/118"
"""


def make_job(
    folder: Path,
    *,
    two: bool = False,
    lease: bool = True,
    more: str = "",
    assess: str = ASSESS,
    sites: dict[str, list[list[float]]] | None = None,
    after: np.ndarray | None = None,
    before: np.ndarray | None = None,
) -> Path:
    """Write the scene and a job file; the path of the job file."""
    ground = relief()
    made = ground - body(*PIT[:3], PIT[3]) + body(*HEAP[:3], HEAP[3]) if after is None else after
    write_raster(folder / "2024.tif", (ground if before is None else before) + noise(1))
    write_raster(folder / "2025.tif", made + noise(2) + (0.05 if two else 0.0))
    soil = np.array([150, 120, 90], np.uint8)
    write_raster(
        folder / "ortho.tif", np.broadcast_to(soil[:, None, None], (3, N, N)).copy(), photometric="RGB"
    )
    write_polygons(
        folder / "sites.geojson",
        sites or {"P 1": circle(*PIT[:3]), "Stock": circle(*HEAP[:3])},
    )
    box = [[50, 5], [125, 5], [125, 125], [50, 125], [50, 5]]
    write_polygons(folder / "lease.geojson", {"ML 1": [[WEST + x, NORTH - y] for x, y in box]})
    text = HEAD + (LEASE if lease else "") + (BEFORE if two else "") + AFTER + assess + more
    path = folder / "job.toml"
    path.write_text(text)
    return path
