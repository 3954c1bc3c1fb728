"""Small surveys written to disk with a job beside them, for tests that run whole pipelines."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from pyproj import Transformer
from simulated import grid, hills

from survey.grid import Grid

LEASE = (60.0, 60.0, 130.0, 130.0)
"""West, south, east, north of the lease, metres from the scene's south-western corner."""


def write_dem(path: Path, g: Grid, heights, **profile) -> None:  # type: ignore[no-untyped-def]
    path.parent.mkdir(parents=True, exist_ok=True)
    base = {
        "driver": "GTiff", "height": g.height, "width": g.width, "count": 1, "dtype": "float32",
        "crs": g.crs_wkt, "transform": g.transform, "nodata": -9999.0, "tiled": True,
        "blockxsize": 64, "blockysize": 64, "compress": "DEFLATE",
    }  # fmt: skip
    with rasterio.open(path, "w", **(base | profile)) as file:
        values = np.where(np.isfinite(heights), heights, -9999.0)
        file.write(values.astype(base["dtype"]), 1)


def scene(n: int = 400, cell: float = 0.5) -> Grid:
    return grid(n, n, cell=cell)


def pit(x, y, g: Grid, at=(100.0, 90.0), radius=12.0, depth=4.0):  # type: ignore[no-untyped-def]
    """Depth of a frustum with a floor of half the radius, positive down. Its volume is closed form."""
    b = g.bounds
    d = np.hypot(x - b.west - at[0], y - b.south - at[1])
    return np.clip(depth * (radius - d) / (radius / 2), 0, depth)


def frustum_m3(radius=12.0, depth=4.0) -> float:  # type: ignore[no-untyped-def]
    r = radius / 2
    return float(np.pi * depth / 3 * (radius**2 + radius * r + r**2))


def ground(g: Grid, seed: int, *, dig=None, east=0.0, north=0.0, up=0.0, noise=0.02):  # type: ignore[no-untyped-def]
    """Heights of a survey that needs (east, north, up) to lie true; ``dig(x, y)`` is taken away."""
    rng = np.random.default_rng(seed)
    x, y = g.east_north(*np.mgrid[0 : g.height, 0 : g.width])
    z = hills(x + east, y + north) - up + rng.normal(0, noise, g.shape)
    return z if dig is None else z - dig(x + east, y + north)


def write_lease(path: Path, g: Grid) -> None:
    b = g.bounds
    w, s, e, n = LEASE
    ring = [(b.west + x, b.south + y) for x, y in ((w, s), (e, s), (e, n), (w, n), (w, s))]
    to = Transformer.from_crs(g.crs_wkt, "EPSG:4326", always_xy=True)
    geometry = {"type": "Polygon", "coordinates": [[list(to.transform(*p)) for p in ring]]}
    feature = {"type": "Feature", "properties": {"name": "ML 1"}, "geometry": geometry}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))


def write_job(
    folder: Path, surveys: dict[str, str], *, name: str = "job", more: str = "", height="EGM2008"
) -> Path:  # type: ignore[no-untyped-def]
    text = f'[job]\nid = "T-{name}"\n\n[lease]\nboundary = "lease.geojson"\nboundary_sigma_m = 0.3\n{more}\n'
    for day, dem in surveys.items():
        text += f'\n[[survey]]\ndate = {day}\ndem = "{dem}"\n'
        if height is not None:
            text += f'height = "{height}"\n'
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path
