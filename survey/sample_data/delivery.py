"""Lay a scene down as a lessee would send it: folders, rasters, boundary, job file. Truth goes elsewhere."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon, mapping
from shapely.geometry.base import BaseGeometry

from ..grid import Grid
from .scene import Checkpoint, Scene
from .truth import as_dict, site_properties

Boundary = Literal["kml", "kmz", "geojson", "gpkg", "csv"]


@dataclass(frozen=True)
class DeliveryForm:
    """How the files are written; the ground in them is the same."""

    job_id: str = "INVENTED-0001"
    regime: Literal["mcdr", "rajasthan"] = "rajasthan"
    compress: str = "zstd"  # zstd | deflate | lzw | packbits | none
    tiled: bool = True
    nodata: float | None = float("nan")  # None: gaps stand as an internal mask
    dtype: Literal["float32", "float64", "int16"] = "float32"  # int16: centimetres, by scale and offset tags
    ortho_quality: int | None = 85  # JPEG; None: lossless
    ortho_repeat: int = 1  # write the orthomosaic with cells this many times finer, smoothly enlarged
    boundary: Boundary = "kml"
    boundary_sigma_m: float = 0.3
    registry: bool = True
    height: str = "EGM2008"
    filed: tuple[date | None, ...] = (date(2024, 6, 12), date(2025, 6, 18))
    epochs: tuple[int, ...] = (0, 1)  # which surveys are delivered
    mine: dict[str, Any] = field(default_factory=dict)
    extra_toml: str = ""
    zipped: bool = False


def write_delivery(scene: Scene, folder: Path, truth_folder: Path, form: DeliveryForm | None = None) -> Path:
    """Write the delivery into ``folder`` and its truth into ``truth_folder``; return the job file.

    Both folders are made if need be. The same scene and form give the same bytes.
    """
    form = form or DeliveryForm()
    folder, truth_folder = Path(folder), Path(truth_folder)
    if truth_folder.resolve().is_relative_to(folder.resolve()):
        raise ValueError("the truth must not lie inside the delivery")
    folder.mkdir(parents=True, exist_ok=True)
    truth_folder.mkdir(parents=True, exist_ok=True)
    options = scene.options
    for epoch in form.epochs:
        day = options.dates[epoch]
        there = folder / str(day.year)
        there.mkdir(exist_ok=True)
        grid = scene.grids[epoch]
        write_dem(there / "dsm.tif", (scene.before, scene.after)[epoch], grid, form, day)
        if options.dtm:
            write_dem(there / "dtm.tif", (scene.before_dtm, scene.after_dtm)[epoch], grid, form, day)
        if options.ortho:
            seen = np.isfinite((scene.before, scene.after)[epoch])
            write_ortho(there / "ortho.tif", scene.orthos[epoch], scene.ortho_grids[epoch], form, day, seen)
        if options.checkpoints:
            write_checkpoints(there / "gcp.csv", scene.checkpoints(epoch))
    boundary = write_boundary(folder, scene.lease, scene.world.epsg, form)
    if form.registry:
        write_registry(folder / "leases.gpkg", scene)
    job = folder / "job.toml"
    text = job_toml(scene, form, boundary)
    if form.zipped:
        _zip(folder, folder / "delivery.zip")
        regime = f"regime = {_toml(form.regime)}\n"
        text = text.replace(regime, regime + 'delivery = "delivery.zip"\n', 1)
    job.write_text(text, encoding="utf-8", newline="\n")
    write_truth(scene, truth_folder, form)
    return job


# -- rasters -------------------------------------------------------------------------------------------
def write_dem(path: Path, heights: NDArray[np.float32], grid: Grid, form: DeliveryForm, day: date) -> None:
    """A single-band GeoTIFF of heights; int16 carries centimetres above the lowest whole metre by its
    scale and offset tags."""
    import rasterio

    gone = ~np.isfinite(heights)
    data: NDArray[Any] = heights.astype(form.dtype if form.dtype != "int16" else "float64")
    scale, offset, nodata = 1.0, 0.0, form.nodata
    if form.dtype == "int16":
        offset, scale = float(np.floor(np.nanmin(heights))), 0.01
        nodata = -32768.0 if nodata is None or np.isnan(nodata) else nodata
        data = np.where(gone, nodata, np.round((data - offset) / scale)).astype("int16")
    elif nodata is not None:
        data = np.where(gone, data.dtype.type(nodata), data)
    else:
        data = np.where(gone, data.dtype.type(0), data)
    profile = _profile(form, grid, data.dtype.name, 1)
    if nodata is not None:
        profile["nodata"] = nodata
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as out:
        out.write(data, 1)
        if form.dtype == "int16":
            out.scales, out.offsets = (scale,), (offset,)
        if nodata is None:
            out.write_mask(~gone)
        out.update_tags(TIFFTAG_DATETIME=f"{day:%Y:%m:%d} 11:30:00", AREA_OR_POINT="Area")


def _profile(form: DeliveryForm, grid: Grid, dtype: str, count: int) -> dict[str, Any]:
    profile: dict[str, Any] = {
        "driver": "GTiff", "dtype": dtype, "count": count, "height": grid.height, "width": grid.width,
        "crs": grid.crs_wkt, "transform": grid.transform,
    }  # fmt: skip
    if form.compress != "none":
        profile["compress"] = form.compress
        if form.compress in ("zstd", "deflate", "lzw"):
            profile["predictor"] = 3 if dtype.startswith("float") else 2
        if form.compress == "zstd":
            profile["zstd_level"] = 9
    if form.tiled:
        profile |= {"tiled": True, "blockxsize": 256, "blockysize": 256}
    return profile


def write_ortho(
    path: Path,
    image: NDArray[np.uint8],
    grid: Grid,
    form: DeliveryForm,
    day: date,
    seen: NDArray[np.bool_] | None = None,
) -> None:
    """A byte GeoTIFF, JPEG by default, with an internal mask where the survey has no heights at its rim."""
    import rasterio

    repeat = form.ortho_repeat
    count = image.shape[0]
    fine = Grid(
        grid.crs_wkt, grid.west, grid.north, grid.cell_east / repeat, grid.cell_north / repeat,
        grid.height * repeat, grid.width * repeat,
    )  # fmt: skip
    profile = _profile(form, fine, "uint8", count) | {"tiled": True, "blockxsize": 512, "blockysize": 512}
    if form.ortho_quality is not None and count == 3:
        profile.pop("predictor", None)
        profile.pop("zstd_level", None)
        profile |= {
            "compress": "jpeg", "photometric": "ycbcr", "jpeg_quality": form.ortho_quality, "num_threads": 2,
        }  # fmt: skip
    if count > 3:
        profile["interleave"] = "pixel"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "w", **profile) as out:
        wide = _Enlarged(image, repeat)
        for row in range(0, fine.height, 512):  # whole blocks: each is compressed once
            rows = min(512, fine.height - row)
            out.write(wide.rows(row, rows), window=rasterio.windows.Window(0, row, fine.width, rows))
        if count > 3:
            from .ortho import bands_of

            for k, name in enumerate(bands_of(count), start=1):
                out.set_band_description(k, name)
        if seen is not None and not seen.all():
            out.write_mask(_flown(seen, fine))
        out.update_tags(TIFFTAG_DATETIME=f"{day:%Y:%m:%d} 11:30:00")


class _Enlarged:
    """An image with ``repeat`` times finer cells, by linear interpolation (in 1/16) between cell centres."""

    def __init__(self, image: NDArray[np.uint8], repeat: int) -> None:
        self.image, self.repeat = image, repeat
        self.low, self.high, self.share = self._between(np.arange(image.shape[2] * repeat), image.shape[2])

    def _between(
        self, fine: NDArray[np.int64], size: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int16]]:
        position = (fine + 0.5) / self.repeat - 0.5
        low = np.clip(np.floor(position).astype(int), 0, size - 1)
        share = np.rint(16 * np.clip(position - low, 0, 1)).astype(np.int16)
        return low, np.minimum(low + 1, size - 1), share

    def rows(self, first: int, count: int) -> NDArray[np.uint8]:
        if self.repeat == 1:
            return self.image[:, first : first + count]
        low, high, share = self._between(np.arange(first, first + count), self.image.shape[1])
        part = self.image[:, low[0] : high[-1] + 1].astype(np.int16)
        west = part[:, :, self.low]
        wide = west + ((part[:, :, self.high] - west) * self.share >> 4)  # few rows, so this is cheap
        out = np.empty((wide.shape[0], count, wide.shape[2]), np.uint8)
        for k in range(count):
            north, south = wide[:, low[k] - low[0]], wide[:, high[k] - low[0]]
            out[:, k] = north + ((south - north) * share[k] >> 4)
        return out


def _flown(seen: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """Where the camera was: the heights' extent without their inner holes, on the orthomosaic's cells."""
    from scipy.ndimage import binary_fill_holes

    whole = binary_fill_holes(seen)
    rows = np.minimum((np.arange(grid.height) * seen.shape[0]) // grid.height, seen.shape[0] - 1)
    cols = np.minimum((np.arange(grid.width) * seen.shape[1]) // grid.width, seen.shape[1] - 1)
    return whole[np.ix_(rows, cols)]  # type: ignore[no-any-return]


# -- vectors and tables --------------------------------------------------------------------------------
def to_lon_lat(shape: BaseGeometry, epsg: int) -> BaseGeometry:
    from pyproj import Transformer

    there = Transformer.from_crs(epsg, 4326, always_xy=True)
    return shapely.transform(shape, lambda xy: np.stack(there.transform(xy[:, 0], xy[:, 1]), axis=1))


def write_boundary(folder: Path, lease: Polygon, epsg: int, form: DeliveryForm) -> str:
    """The lease with its pillars BP-1 … BP-n; returns the file's name."""
    world = to_lon_lat(lease, epsg)
    assert isinstance(world, Polygon)
    corners = list(world.exterior.coords)
    name = f"lease.{form.boundary}"
    if form.boundary in ("kml", "kmz"):
        text = _kml(corners, form.job_id)
        if form.boundary == "kml":
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
        else:
            _write_zip(folder / name, [("doc.kml", text.encode())])
    elif form.boundary == "geojson":
        feature = {
            "type": "Feature", "properties": {"name": form.job_id}, "geometry": _rounded(mapping(world)),
        }  # fmt: skip
        (folder / name).write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    elif form.boundary == "gpkg":
        _write_gpkg(folder / name, "lease", [lease], {"name": [form.job_id]}, epsg)
    else:
        text = "pillar,latitude,longitude\n" + "".join(
            f"BP-{k},{y:.9f},{x:.9f}\n" for k, (x, y) in enumerate(corners[:-1], start=1)
        )
        (folder / name).write_text(text, newline="\n")
    return name


def _kml(corners: list[tuple[float, ...]], name: str) -> str:
    ring = " ".join(f"{x:.9f},{y:.9f},0" for x, y, *_ in corners)
    pillars = "\n".join(
        f"<Placemark><name>BP-{k}</name><Point><coordinates>{x:.9f},{y:.9f},0</coordinates></Point></Placemark>"
        for k, (x, y, *_) in enumerate(corners[:-1], start=1)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>'
        f"<name>{escape(name)} lease boundary (invented)</name>\n"
        f"<Placemark><name>{escape(name)}</name><Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}"
        f"</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark>\n"
        f"<Folder><name>Boundary pillars</name>\n{pillars}\n</Folder></Document></kml>\n"
    )


def write_registry(path: Path, scene: Scene) -> None:
    """Valid leases around: ``leases.gpkg`` with lease_id, name, mineral, status, valid_from, valid_to."""
    shapes = [scene.lease, *(n.polygon for n in scene.world.neighbours)]
    ids = ["INV-2000", *(n.lease_id for n in scene.world.neighbours)]
    count = len(shapes)
    columns = {
        "lease_id": ids,
        "name": [f"Invented quarry {k + 1}" for k in range(count)],
        "mineral": ["masonry stone"] * count,
        "status": ["valid"] * count,
        "valid_from": ["2010-04-01"] * count,
        "valid_to": ["2040-03-31"] * count,
    }
    _write_gpkg(path, "leases", shapes, columns, scene.world.epsg)


def _write_gpkg(
    path: Path, layer: str, shapes: Iterable[BaseGeometry], columns: dict[str, list[str]], epsg: int
) -> None:
    import pyogrio

    path.unlink(missing_ok=True)
    old = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2026-01-01T00:00:00Z"})  # the same bytes every day
    try:
        pyogrio.raw.write(
            path,
            geometry=shapely.to_wkb(np.array(list(shapes), object)),
            field_data=[np.array(v, object) for v in columns.values()],
            fields=list(columns),
            geometry_type="Polygon",
            crs=f"EPSG:{epsg}",
            driver="GPKG",
            layer=layer,
        )
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": old})


def write_checkpoints(path: Path, points: tuple[Checkpoint, ...]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["id", "easting", "northing", "elevation", "sigma", "type"])
    for p in points:
        rows.writerow([p.name, f"{p.east:.3f}", f"{p.north:.3f}", f"{p.height:.3f}", p.sigma_m, p.type])
    path.write_text(text.getvalue(), encoding="utf-8", newline="\n")


# -- the job and the truth -----------------------------------------------------------------------------
def job_toml(scene: Scene, form: DeliveryForm, boundary: str) -> str:
    mine = {
        "name": "Invented quarry 1",
        "lessee": "Invented Stone Works",
        "mineral": "masonry stone",
        "lease_no": "INV-2000",
        "lease_area_ha": round(scene.lease.area / 1e4, 4),
        "state": "Rajasthan",
    } | form.mine
    lines = [
        "# Made by survey.sample_data: company, lease and place are invented.",
        "[job]",
        f"id = {_toml(form.job_id)}",
        f"regime = {_toml(form.regime)}",
        "",
        "[mine]",
        *(f"{key} = {_toml(value)}" for key, value in mine.items()),
        "",
        "[lease]",
        f"boundary = {_toml(boundary)}",
        f"boundary_sigma_m = {form.boundary_sigma_m}",
    ]
    if form.boundary == "gpkg":
        lines.append(f'crs = "EPSG:{scene.world.epsg}"')
    if form.registry:
        lines.append('registry = "leases.gpkg"')
    options = scene.options
    for epoch in form.epochs:
        day = options.dates[epoch]
        lines += ["", "[[survey]]", f"date = {day.isoformat()}"]
        filed = form.filed[epoch] if epoch < len(form.filed) else None
        if filed:
            lines.append(f"filed = {filed.isoformat()}")
        lines += ['kind = "drone"', f'dem = "{day.year}/dsm.tif"']
        if options.dtm:
            lines.append(f'dtm = "{day.year}/dtm.tif"')
        if options.ortho:
            lines.append(f'ortho = "{day.year}/ortho.tif"')
        if options.checkpoints:
            lines.append(f'checkpoints = "{day.year}/gcp.csv"')
        lines.append(f"height = {_toml(form.height)}")
    return "\n".join(lines) + "\n" + (f"\n{form.extra_toml.strip()}\n" if form.extra_toml else "")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, date):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)


def write_truth(scene: Scene, folder: Path, form: DeliveryForm) -> None:
    """``truth.json`` (everything) and ``truth.geojson`` (EPSG:4326: sites, dismissed, lease)."""
    world, truth = scene.world, scene.truth
    whole = {
        "job_id": form.job_id,
        "seed": scene.seed,
        "epsg": world.epsg,
        "lease_wkt": shapely.to_wkt(world.lease, rounding_precision=3),
        **as_dict(truth),
    }
    (folder / "truth.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8", newline="\n")
    features = [({"role": "lease", "id": form.job_id}, world.lease)]
    features += [({"role": "site"} | site_properties(s), s.outline) for s in truth.sites]
    features += [
        ({"role": "dismissed", "id": d.id, "reason": d.reason, "zone": d.zone}, d.outline)
        for d in truth.dismissed
    ]
    features += [({"role": "existing"} | site_properties(s), s.outline) for s in truth.existing]
    collection = {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "properties": p, "geometry": _rounded(mapping(to_lon_lat(g, world.epsg)))}
            for p, g in features
        ],
    }
    (folder / "truth.geojson").write_text(json.dumps(collection) + "\n", encoding="utf-8", newline="\n")


def _rounded(shape: Any) -> Any:
    if isinstance(shape, dict):
        return {k: _rounded(v) for k, v in shape.items()}
    if isinstance(shape, (list, tuple)):
        return [_rounded(v) for v in shape]
    return round(shape, 9) if isinstance(shape, float) else shape


def _zip(folder: Path, path: Path) -> None:
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name not in ("job.toml", path.name))
    _write_zip(path, [(p.relative_to(folder).as_posix(), p.read_bytes()) for p in files])
    for p in files:
        p.unlink()
    for p in sorted((p for p in folder.rglob("*") if p.is_dir()), reverse=True):
        p.rmdir()


def _write_zip(path: Path, members: list[tuple[str, bytes]]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name, (2025, 6, 18, 12, 0, 0))  # a fixed time: the same bytes every day
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
