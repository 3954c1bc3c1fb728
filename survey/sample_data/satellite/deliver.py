"""A simulated series as the files that ``survey triggers`` reads, with its truth in a file of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from survey.grid import Grid
    from survey.sample_data.satellite.series import Series

WEST, NORTH, EPSG = 412_000.0, 2_731_000.0, 32643
"""A place in southern Rajasthan, UTM zone 43 N."""


def grid_of(series: Series, epsg: int = EPSG) -> Grid:
    from pyproj import CRS

    from survey.grid import Grid

    cells, cell = series.plan.cells, series.plan.cell_m
    return Grid(CRS.from_epsg(epsg).to_wkt(), WEST, NORTH, cell, cell, cells, cells)


def write_delivery(
    series: Series,
    folder: Path,
    *,
    masks: bool = True,
    only: slice | list[int] | None = None,
    job_id: str = "WATCH-1",
    extra: str = "",
) -> Path:
    """Write scenes (uint16, 0.0001), masks, the leases and the job; returns the job file.

    ``only``: which dates to write, for runs week by week. ``extra``: more lines for [watch].
    """
    import rasterio

    grid = grid_of(series)
    (folder / "scenes").mkdir(parents=True, exist_ok=True)
    if masks:
        (folder / "masks").mkdir(exist_ok=True)
    profile = {
        "driver": "GTiff",
        "height": grid.height,
        "width": grid.width,
        "crs": f"EPSG:{EPSG}",
        "transform": grid.transform,
        "compress": "deflate",
        "tiled": True,
        "blockxsize": 128,
        "blockysize": 128,
    }
    index = range(len(series.dates))[only] if isinstance(only, slice) else only
    for i in range(len(series.dates)) if index is None else index:
        name = series.dates[i].strftime("%Y%m%d")
        counts = np.clip(np.rint(series.scenes[i] * 10000), 1, 65535).astype(np.uint16)
        with rasterio.open(
            folder / "scenes" / f"S2_{name}.tif", "w", count=len(counts), dtype="uint16", nodata=0, **profile
        ) as out:
            out.write(counts)
            for band, label in enumerate(series.plan.bands, start=1):
                out.set_band_description(band, label)
        if masks:
            with rasterio.open(
                folder / "masks" / f"mask_{name}.tif", "w", count=1, dtype="uint8", **profile
            ) as out:
                out.write(series.masks[i], 1)
    features = []
    for number, outline_m in enumerate(series.leases, start=1):
        ring = [[WEST + float(x), NORTH - float(y)] for x, y in (*outline_m, outline_m[0])]
        features.append(
            {
                "type": "Feature",
                "properties": {"lease_id": f"ML-{number}", "district": f"District {number % 2 + 1}"},
                "geometry": {"type": "Polygon", "coordinates": [ring]},
            }
        )
    for name, chosen in (("lease.geojson", features[:1]), ("registry.geojson", features)):
        collection = {
            "type": "FeatureCollection",
            "crs": {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{EPSG}"}},
            "features": chosen,
        }
        (folder / name).write_text(json.dumps(collection), encoding="utf-8")
    (folder / "truth.geojson").write_text(truth(series), encoding="utf-8")
    job = folder / "SITE.toml"
    job.write_text(
        "\n".join(
            [
                "[job]",
                f'id = "{job_id}"',
                "[mine]",
                'name = "Simulated district"',
                "[lease]",
                'boundary = "lease.geojson"',
                "[watch]",
                'scenes = "scenes/"',
                *(['masks = "masks/"', "mask_clear = [1]"] if masks else []),
                f"bands = {json.dumps(list(series.plan.bands))}",
                "scale = 0.0001",
                f"baseline_until = {series.baseline_until.isoformat()}",
                'registry = "registry.geojson"',
                extra,
                "",
            ]
        ),
        encoding="utf-8",
    )
    return job


def truth(series: Series) -> str:
    """Every change as GeoJSON in the scenes' system: kind, start, area, zone."""
    import shapely
    from shapely.geometry import mapping

    grid = grid_of(series)
    features = []
    for change in series.changes:
        cover = change.cover.ravel()
        rows, cols = np.divmod(np.nonzero(cover >= min(0.5, float(cover.max())))[0], grid.width)
        west, north = grid.left + cols * grid.cell_east, grid.top - rows * grid.cell_north
        squares = shapely.box(west, north - grid.cell_north, west + grid.cell_east, north)
        features.append(
            {
                "type": "Feature",
                "properties": {
                    "kind": change.kind,
                    "start": change.start.isoformat(),
                    "area_m2": change.area_m2,
                    "zone": change.zone,
                    **{k: v for k, v in change.detail.items() if isinstance(v, (str, int, float, bool))},
                },
                "geometry": mapping(shapely.union_all(squares)),
            }
        )
    return json.dumps({"type": "FeatureCollection", "features": features})
