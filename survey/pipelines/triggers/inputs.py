"""The files of a watch: scenes, masks, permitted areas, the area that is watched."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused, JobError
from survey.grid import Bounds, Grid
from survey.imagery.triggers.places import Permitted
from survey.pipelines.triggers.reading import FoundFile
from survey.pipelines.triggers.scenes import Shelf, listed, shelve
from survey.remark import Remark

if TYPE_CHECKING:
    from datetime import date

    from shapely import Geometry

    from survey.boundary.lease import Lease
    from survey.delivery import Delivery
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job


@dataclass(frozen=True)
class Watched:
    """All inputs of a watch, understood, on one grid."""

    shelf: Shelf
    permitted: tuple[Permitted, ...]
    area: Geometry | None  # in the system of the grid
    lease: Lease | None
    boundary_sigma_m: float
    notes: tuple[Remark, ...]

    @property
    def leases_digest(self) -> str:
        import shapely

        state = hashlib.sha256()
        for p in self.permitted:
            state.update(p.lease_id.encode() + b"\0" + shapely.to_wkb(p.polygon, output_dimension=2))
        return state.hexdigest()


def folder_files(job: Job, delivery: Delivery | None, name: str, what: str, threads: int) -> list[FoundFile]:
    """The rasters of a folder of the job, hashed, in order of name.

    Raises
    ------
    InputRefused
        There is none.
    """
    from survey.delivery import hash_all

    if delivery is not None:
        prefix = name.strip("/").removeprefix("./").strip("/")
        start = f"{prefix}/" if prefix else ""
        found = [
            (Path(f.path), f.display_name[len(start) :])
            for f in delivery.files
            if f.display_name.startswith(start) and f.display_name.lower().endswith((".tif", ".tiff"))
        ]
        found.sort(key=lambda pair: pair[1])
    else:
        found = listed(job.resolve(name))
    if not found:
        raise InputRefused(
            f"the folder of {what} holds no GeoTIFF",
            file=name,
            mend=f"Check [watch] {what}, or put {what} there.",
        )
    hashes = hash_all([str(path) for path, _ in found], threads)
    return [FoundFile(path, shown, hashes[str(path)]) for path, shown in found]


def below(folder: str, name: str) -> str:
    """A file of a folder, as the job would name it."""
    root = folder.strip("/").removeprefix("./").strip("/")
    return f"{root}/{name}" if root and root != "." else name


def understand(job: Job, inputs: Inputs, threads: int) -> Watched:
    """Read everything that [watch] names.

    Raises
    ------
    InputRefused, JobError
    """
    watch = job.watch
    assert watch is not None
    assert watch.scenes is not None
    files = folder_files(job, inputs.delivery, watch.scenes, "scenes", threads)
    masks = folder_files(job, inputs.delivery, watch.masks, "masks", threads) if watch.masks else []
    if watch.masks and watch.masks.strip("/") == watch.scenes.strip("/"):
        raise JobError("scenes and masks are one folder", mend="Put the masks into a folder of their own.")
    inside = {f.path for f in masks}
    files = [f for f in files if f.path not in inside]
    notes: list[Remark] = []
    lease = read_lease_of(job, inputs)
    if lease is not None:
        notes += [r for r in lease.notes if r.severity != "info"]
    area = read_area(job, inputs)
    place = some_place(lease, area, job, inputs)
    crs_wkt = _system(files, watch.crs, place)
    within = None if area is None else _bounds(area[0], area[1], crs_wkt)
    shelf = shelve(files, masks, watch, crs_wkt, within)
    roots = {"scene": watch.scenes, "mask": watch.masks or ""}
    named = tuple({**s, "path": below(roots[s["role"]], s["path"])} for s in shelf.sources)
    shelf = replace(shelf, sources=named)
    if watch.until is not None:
        kept = tuple(s for s in shelf.scenes if s.date <= watch.until)
        shelf = Shelf(kept, shelf.bands, shelf.grid, shelf.notes, shelf.sources)
    if len(shelf.scenes) < 2:
        raise InputRefused(
            f"the folder of scenes holds {len(shelf.scenes)} scene that can be used",
            expected="at least two days",
            file=watch.scenes,
            mend="Two dates are compared; a series is watched.",
        )
    permitted = read_permitted(
        job, inputs, lease, shelf.grid, shelf.scenes[-1].date, float(watch.ring_m), notes
    )
    _reached(lease, permitted, shelf.grid, float(watch.ring_m), notes)
    moved_area = None
    if area is not None:
        from survey.boundary.crs import move

        moved_area = move(area[0], area[1], shelf.grid.crs_wkt)
    sigma = float(job.lease.boundary_sigma_m) if job.lease is not None else 0.0
    return Watched(shelf, tuple(permitted), moved_area, lease, sigma, (*notes, *shelf.notes))


def _reached(
    lease: Lease | None, permitted: Sequence[Permitted], grid: Grid, ring_m: float, notes: list[Remark]
) -> None:
    """Scenes of another place show nothing of what is watched.

    Raises
    ------
    InputRefused
        The job's own lease lies beyond them, ring and all.
    """
    import shapely

    b = grid.bounds
    shown = shapely.box(b.west, b.south, b.east, b.north)
    if lease is not None:
        away = float(shapely.distance(lease.to_crs(grid.crs_wkt).polygon, shown))
        if away > max(ring_m, 100.0):
            raise InputRefused(
                f"the scenes end {away / 1000:,.1f} km from the lease",
                expected="scenes of the lease and its surroundings",
                mend="Check the reference systems of the scenes and of the lease.",
            )
    elif not any(p.polygon.distance(shown) <= max(ring_m, 100.0) for p in permitted):
        notes.append(
            Remark(
                "no-lease-near",
                "no permitted area of the registry lies near the scenes: everything counts as beyond",
                "caution",
            )
        )


def read_lease_of(job: Job, inputs: Inputs) -> Lease | None:
    from survey.boundary.lease import read_lease

    if job.lease is None or job.lease.boundary is None:
        return None
    return read_lease(
        inputs.path(job.lease.boundary),
        crs=job.lease.crs,
        lease_id=job.lease.id,
        sigma_m=job.lease.boundary_sigma_m,
    )


def read_area(job: Job, inputs: Inputs) -> tuple[Geometry, str] | None:
    import shapely

    from survey.boundary.registry import read_registry

    if job.watch is None or job.watch.area is None:
        return None
    read = read_registry(inputs.path(job.watch.area), crs=job.lease.crs if job.lease else None)
    return shapely.union_all([one.polygon for one in read.leases]), read.crs_wkt


def some_place(
    lease: Lease | None, area: tuple[Geometry, str] | None, job: Job, inputs: Inputs
) -> tuple[float, float]:
    """A point (lon, lat) of what is watched."""
    from survey.boundary.crs import LON_LAT, move_points
    from survey.boundary.registry import read_registry

    if lease is not None:
        return lease.lon_lat
    if area is not None:
        point = area[0].representative_point()
        crs = area[1]
    else:
        assert job.watch is not None
        assert job.watch.registry is not None
        read = read_registry(inputs.path(job.watch.registry))
        point, crs = read.leases[0].polygon.representative_point(), read.crs_wkt
    lon, lat = move_points(np.array([[point.x, point.y]]), crs, LON_LAT)[0]
    return float(lon), float(lat)


def _system(files: Sequence[FoundFile], crs: Any, place: tuple[float, float]) -> str:
    """The scenes' own system if it is metric and true to scale at the place, else the place's UTM zone."""
    from pyproj import CRS

    from survey.boundary.crs import home_crs
    from survey.rasters import georef
    from survey.rasters.describe import open_raster

    refused: InputRefused | None = None
    for found in files:
        try:
            raster = open_raster(found.path, name=found.name, kinds=("tiff",), what="a GeoTIFF scene")
            frame = georef.place(raster, crs=crs).frame
        except InputRefused as error:
            refused = refused or error
            continue
        return home_crs(CRS.from_user_input(frame.wkt), *place)
    assert refused is not None
    raise refused


def _bounds(shape: Geometry, source: str, target: str) -> tuple[float, float, float, float]:
    from survey.boundary.crs import move

    west, south, east, north = move(shape, source, target).bounds
    return float(west), float(south), float(east), float(north)


def read_permitted(
    job: Job,
    inputs: Inputs,
    lease: Lease | None,
    grid: Grid,
    on: date,
    ring_m: float,
    notes: list[Remark] | None = None,
) -> list[Permitted]:
    """The job's lease and the leases of the registry that matter on this grid, in the grid's system. What the
    registry's reader had to say is added to ``notes``."""
    from survey.boundary.registry import read_registry

    out: list[Permitted] = []
    here = None
    if lease is not None:
        here = lease.to_crs(grid.crs_wkt)
        name = job.mine.name or lease.name
        own_id = lease.lease_id or job.mine.lease_no or job.id
        out.append(Permitted(own_id, here.polygon, name, job.mine.district))
    watch = job.watch
    registry_name = (watch.registry if watch is not None else None) or (
        job.lease.registry if job.lease is not None else None
    )
    if registry_name is not None:
        read = read_registry(inputs.path(registry_name), crs=job.lease.crs if job.lease else None)
        if notes is not None:
            notes += [r for r in read.notes if r.severity != "info"]
        b = grid.bounds
        reach = max(ring_m, 100.0) + 1000.0
        window = read.window(
            Bounds(b.west - reach, b.south - reach, b.east + reach, b.north + reach),
            grid.crs_wkt,
            on=on,
            own=here,
            clip=False,
        )
        said = (None, None) if watch is None else (watch.lease_name, watch.district_name)
        told = _attributes(inputs.path(registry_name), *said)
        if out and out[0].district is None and out[0].lease_id in told:
            out[0] = replace(out[0], district=told[out[0].lease_id][1])
        for one in sorted(window.leases, key=lambda entry: entry.lease_id):
            name, district = told.get(one.lease_id, (None, None))
            out.append(Permitted(name or one.lease_id, one.polygon, one.name or None, district))
    return out


def _attributes(
    path: Path, lease_name: str | None, district_name: str | None
) -> dict[str, tuple[str | None, str | None]]:
    """Of each lease of a registry: what the named attributes say of it, by its number."""
    from survey.boundary.choose import id_of
    from survey.boundary.features import Feature
    from survey.boundary.formats import read_drawing
    from survey.tables import header_key

    def value(feature: Feature, attribute: str | None, otherwise: str | None) -> str | None:
        wanted = header_key(attribute) if attribute else otherwise
        for key, said in feature.properties.items():
            if wanted and header_key(str(key)) == wanted and said not in (None, ""):
                return str(said)
        return None

    out = {}
    for number, feature in enumerate((f for f in read_drawing(path).features if f.polygons), start=1):
        key = id_of(feature.properties) or feature.name or f"#{number}"
        out[key] = (value(feature, lease_name, None), value(feature, district_name, header_key("district")))
    return out
