"""Lay a scene down as a lessee would send it: folders, rasters, boundary, job file. Truth goes elsewhere."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import shapely
from shapely.geometry import Polygon, mapping
from shapely.geometry.base import BaseGeometry

from .forms import DeliveryForm
from .rasters import write_dem, write_ortho
from .scene import Checkpoint, Scene
from .truth_data import as_dict, site_properties


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
