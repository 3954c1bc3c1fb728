"""Two orthomosaics without heights: new bare ground near and outside the permitted areas, never very sure.

Used by ``survey triggers`` for scenes that are RGB orthomosaics, and by ``survey outside`` for surveys that
came without a DEM. Two pictures cannot tell a pit from a building plot: nothing here is ever confirmed.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from survey.errors import InputRefused, JobError
from survey.grid import Bounds, Grid
from survey.imagery.triggers.places import Places
from survey.pipelines.triggers import files
from survey.pipelines.triggers.alerts import natural_id
from survey.record import Note, Record, Source, from_json

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely import Geometry

    from survey.archive import RunFolder
    from survey.boundary.lease import Lease
    from survey.imagery.bare_ground import BareGround
    from survey.imagery.ortho import Ortho
    from survey.imagery.triggers.places import Permitted
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress

Command = Literal["triggers", "outside"]

FINEST_CELL_M = 0.5
"""Leaves, wheel tracks and stones are not bare ground; half a metre averages over them."""
MOST_CELLS = 6_000_000
ORTHO_CELL_M = 2.0
"""Three colours with larger cells are no orthomosaic of a drone."""
MOST_SHIFT_M = 8.0
"""Flights without control points lie as far apart as this; more is another place or another mistake."""
MIN_AREA_M2 = 40.0
PIXELS = 160


@dataclass(frozen=True)
class Picture:
    """An orthomosaic of a day."""

    day: date
    ortho: Ortho
    name: str
    sha256: str


@dataclass(frozen=True)
class Patch:
    """New bare ground, as the files of a watch show it."""

    id: str
    shape: Geometry
    properties: dict[str, Any]


def are_orthos(job: Job, inputs: Inputs) -> bool:
    """Are the scenes of [watch] RGB orthomosaics? The job says so, or the first file can be nothing else."""
    watch = job.watch
    if watch is None or watch.scenes is None:
        return False
    if watch.sensor != "auto":
        return watch.sensor == "ortho"
    if any(b.casefold() in ("nir", "swir1", "swir2") for b in watch.bands):
        return False
    from survey.imagery.ortho import open_ortho
    from survey.pipelines.triggers.inputs import folder_files

    for found in folder_files(job, inputs.delivery, watch.scenes, "scenes", 1):
        try:
            one = open_ortho(found.path, crs=watch.crs, bands=watch.bands or None, name=found.name)
        except InputRefused:
            continue
        return one.has_rgb and not one.has_nir and one.cell_m < ORTHO_CELL_M
    return False


def pictures_of_watch(job: Job, inputs: Inputs) -> tuple[list[Picture], list[Note]]:
    """The orthomosaics in the folder of scenes, in order of date; what cannot be used is noted."""
    from survey.imagery.ortho import open_ortho
    from survey.pipelines.triggers.days import day_of
    from survey.pipelines.triggers.inputs import folder_files
    from survey.pipelines.triggers.scenes import left_out
    from survey.rasters.describe import open_raster
    from survey.remark import Remark

    watch = job.watch
    assert watch is not None
    assert watch.scenes is not None
    told: list[Remark] = []
    out = []
    for found in folder_files(job, inputs.delivery, watch.scenes, "scenes", 1):
        try:
            day = day_of(open_raster(found.path, name=found.name), found.name, told)
            ortho = open_ortho(found.path, crs=watch.crs, bands=watch.bands or None, name=found.name)
        except InputRefused as error:
            told.append(left_out(error))
            continue
        out.append(Picture(day, ortho, found.name, found.sha256))
    out.sort(key=lambda p: (p.day, p.name))
    until = watch.until
    out = [p for p in out if until is None or p.day <= until]
    if watch.baseline_until is not None:
        early = [p for p in out if p.day <= watch.baseline_until]
        out = early[-1:] + [p for p in out if p.day > watch.baseline_until]
    return out, [Note(code=r.code, message=r.message, severity=r.severity) for r in told]


def pictures_of_surveys(job: Job, inputs: Inputs) -> list[Picture]:
    """The orthomosaics of the job's surveys."""
    from survey.imagery.ortho import open_ortho

    out = []
    for survey in job.surveys:
        if survey.ortho is not None:
            path = inputs.path(survey.ortho)
            ortho = open_ortho(path, crs=survey.crs, bands=survey.bands or None, name=survey.ortho)
            out.append(Picture(survey.date, ortho, survey.ortho, inputs.hashes.get(survey.ortho, "")))
    return out


def run_ortho_surveys(job: Job, options: Options, progress: Progress) -> Record:
    """``survey outside`` where the surveys are orthomosaics without a DEM.

    Raises
    ------
    SurveyError
        An input cannot be used; nothing is left behind.
    """
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.runs import engine_for

    started = datetime.now(UTC)
    progress.stage("reading the job's files")
    with engine_for(options, progress) as engine, open_inputs(job, threads=engine.threads) as inputs:
        return compare_orthos(job, options, progress, inputs, "outside", started)


def compare_orthos(
    job: Job,
    options: Options,
    progress: Progress,
    inputs: Inputs,
    command: Command,
    started: datetime,
) -> Record:
    """Compare the first orthomosaic with the last, and write the run folder.

    Raises
    ------
    InputRefused, OutputError
    """
    from survey.pipelines.runs import run_folder, write_record

    notes: list[Note] = []
    if command == "triggers":
        pictures, notes = pictures_of_watch(job, inputs)
    else:
        pictures = pictures_of_surveys(job, inputs)
    days = {p.day for p in pictures}
    if len(days) < 2:
        raise InputRefused(
            f"there are orthomosaics of {len(days)} {'day' if len(days) == 1 else 'days'} that can be used",
            expected="two days",
            mend="New bare ground shows between two pictures." + "".join(f" {n.message}" for n in notes[:2]),
        )
    pairs = [*inputs.digest_inputs().items(), *((p.sha256, p.day.isoformat()) for p in pictures)]
    with run_folder(job, options, command, pairs, inputs.unchanged) as folder:
        if folder.up_to_date is not None:
            return from_json(folder.up_to_date)
        record = _compared(folder, job, inputs, pictures, notes, command, progress, started)
        return write_record(folder, record)


def _compared(
    folder: RunFolder,
    job: Job,
    inputs: Inputs,
    pictures: Sequence[Picture],
    notes: list[Note],
    command: Command,
    progress: Progress,
    started: datetime,
) -> Record:
    from survey.imagery.bare_ground import new_bare_ground
    from survey.pipelines.software import software
    from survey.record import Clock
    from survey.report.digest import write_digest
    from survey.tables import write_csv

    before, after = pictures[0], pictures[-1]
    grid, places, lease, area = _laid_out(job, inputs, before, after)
    progress.stage("laying the pictures on each other")
    was = before.ortho.read(grid, _colours(before.ortho))
    move = registered(was, after.ortho.read(grid, _colours(after.ortho)), grid)
    now = after.ortho.read(grid, _colours(after.ortho), shift_m=move or (0.0, 0.0))
    seen = np.isfinite(was["red"]) & np.isfinite(now["red"])
    if not seen.any():
        raise InputRefused(
            f"{before.name} and {after.name} have no ground in common near the lease",
            mend="Check their reference systems.",
        )
    progress.stage("looking for new bare ground")
    least = MIN_AREA_M2
    if job.watch is not None and job.watch.min_area_m2 is not None:
        least = float(job.watch.min_area_m2)
    tolerance = 1.0 if move is not None else 2.0
    found = new_bare_ground(was, now, grid, min_area_m2=least, tolerance_m=tolerance)
    patches = [_patch(one, grid, places, before.day, after.day) for one in found]
    if area is not None:
        patches = [p for p in patches if area.intersects(p.shape)]
    patches.sort(key=lambda p: (-p.properties["probability"], p.id))
    folder.write_text("triggers.geojson", files.geojson(patches, grid.crs_wkt))
    folder.write_text("places.geojson", files.places_geojson(places, grid))
    write_csv(folder.path("triggers.csv"), files.COLUMNS, files.rows(patches, grid.crs_wkt, {}))
    folder.write_text("triggers.kml", files.kml(patches, grid.crs_wkt, f"New bare ground of {job.id}"))
    mine = {k: v for k in ("name", "district", "state") if (v := getattr(job.mine, k))}
    rate = {
        "checked": 0,
        "right": 0,
        "wrong": 0,
        "unclear": 0,
        "share": None,
        "share_lo": 0.0,
        "share_hi": 1.0,
    }
    as_of = after.day.isoformat()
    folder.write_text(
        "feed.json",
        files.feed(patches, [], grid.crs_wkt, job=job.id, as_of=as_of, mine=mine, hit_rate=rate),
    )
    chips = _chips(folder, patches, before, after, move or (0.0, 0.0), grid)
    notes += _notes(job, seen, move, before, after)
    finished = datetime.now(UTC)
    listed = [{**p.properties, "chip": chips.get(p.id)} for p in patches]
    record = Record(
        command=command,
        job=job.public(),
        mine=job.mine.model_dump(exclude_none=True, mode="json"),
        clock=Clock(started=started, finished=finished, seconds=(finished - started).total_seconds()),
        software=software(),
        sources=[*inputs.sources(), *(_source(p, job) for p in pictures if command == "triggers")],
        surveys=[{"date": p.day.isoformat(), "kind": "orthomosaic"} for p in (before, after)],
        grid={
            "crs": grid.crs.name,
            "west": grid.west,
            "north": grid.north,
            "cell_m": grid.cell_m,
            "rows": grid.height,
            "cols": grid.width,
        },
        lease=None
        if lease is None
        else {"lease_id": lease.lease_id, "area_ha": lease.area_ha, "crs": lease.source_crs},
        triggers={
            "as_of": as_of,
            "bands": ["red", "green", "blue"],
            "counts": {"provisional": len(patches), "confirmed": 0, "fading": 0, "closed": 0},
            "by_zone": {"lease": 0, "buffer": 0, "ring": 0, "beyond": 0},
            "triggers": listed,
            "dismissed": [],
            "withdrawn": [],
            "compared": {
                "before": before.name,
                "after": after.name,
                "moved_east_m": None if move is None else round(move[0], 3),
                "moved_north_m": None if move is None else round(move[1], 3),
                "seen_m2": float(seen.sum()) * grid.cell_area_m2,
            },
            "scenes": [
                {"date": p.day.isoformat(), "name": p.name, "usable": True, "why": "", "clear_share": share}
                for p, share in (
                    (before, float(np.isfinite(was["red"]).mean())),
                    (after, float(np.isfinite(now["red"]).mean())),
                )
            ],
            "hit_rate": rate,
            "outcomes": [],
            "challans": None,
        },
        notes=notes,
        settings={
            "orthos": {
                "cell_m": grid.cell_m,
                "min_area_m2": least,
                "tolerance_m": tolerance,
                "most_shift_m": MOST_SHIFT_M,
            }
        },
    )
    write_digest(folder.path("digest.html").parent, record)
    return record


def _colours(ortho: Ortho) -> tuple[str, ...]:
    if not ortho.has_rgb:
        raise InputRefused(
            f"has the bands {', '.join(ortho.colours)}", expected="red, green and blue", file=ortho.name
        )
    return ("red", "green", "blue")


def _laid_out(
    job: Job, inputs: Inputs, before: Picture, after: Picture
) -> tuple[Grid, Places, Lease | None, Geometry | None]:
    """Grid, zones, lease and watched area: where both pictures lie, as far as anything is watched."""
    from pyproj import CRS

    from survey.boundary.crs import home_crs, move
    from survey.pipelines.triggers.inputs import read_area, read_lease_of, read_permitted, some_place

    lease = read_lease_of(job, inputs)
    area = read_area(job, inputs)
    if lease is None and area is None and (job.watch is None or job.watch.registry is None):
        raise JobError("nothing says which ground is permitted", mend="Give [lease] boundary.")
    wkt = home_crs(CRS.from_user_input(before.ortho.crs_wkt), *some_place(lease, area, job, inputs))
    boxes = [p.ortho.bounds_in(wkt) for p in (before, after)]
    west, south = max(b.west for b in boxes), max(b.south for b in boxes)
    east, north = min(b.east for b in boxes), min(b.north for b in boxes)
    ring_m = float(job.watch.ring_m) if job.watch is not None else 500.0
    watched = None if area is None else move(area[0], area[1], wkt)
    if watched is not None or lease is not None:
        about = watched if watched is not None else lease.to_crs(wkt).polygon  # type: ignore[union-attr]
        reach = 0.0 if watched is not None else max(ring_m, 100.0)
        b = about.bounds
        west, south = max(west, b[0] - reach), max(south, b[1] - reach)
        east, north = min(east, b[2] + reach), min(north, b[3] + reach)
    if west >= east or south >= north:
        raise InputRefused(
            f"{before.name} and {after.name} do not overlap where something is watched",
            mend="Check the reference systems of the pictures and of the lease.",
        )
    cell = max(FINEST_CELL_M, before.ortho.cell_m, after.ortho.cell_m)
    cell = max(cell, float(np.sqrt((east - west) * (north - south) / MOST_CELLS)))
    cell = float(np.ceil(cell * 20 - 1e-9) / 20)
    west, north = float(np.floor(west / cell) * cell), float(np.ceil(north / cell) * cell)
    rows, cols = int(np.ceil((north - south) / cell)), int(np.ceil((east - west) / cell))
    grid = Grid(wkt, west, north, cell, cell, rows, cols)
    permitted: list[Permitted] = read_permitted(job, inputs, lease, grid, after.day, ring_m)
    sigma = float(job.lease.boundary_sigma_m) if job.lease is not None else 0.0
    return grid, Places(permitted, ring_m, float(np.hypot(sigma, 1.0))), lease, watched


def registered(
    before: dict[str, NDArray[np.float32]], after: dict[str, NDArray[np.float32]], grid: Grid
) -> tuple[float, float] | None:
    """(east, north) metres by which ``after`` must be moved to lie on ``before``; None if they do not say."""
    from survey.imagery.triggers.coregister import find_shift
    from survey.imagery.triggers.normalise import to_log

    # Windows of 64 cells must be larger than the shift: work on cells of a metre or more.
    step = max(1, round(1.0 / grid.cell_m))

    def thinned(picture: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        h, w = (n // step * step for n in grid.shape)
        stack = np.stack([picture[c][:h, :w] for c in ("red", "green", "blue")])
        return stack.reshape(3, h // step, step, w // step, step).mean((2, 4))

    a, b = thinned(before), thinned(after)
    ok_a, ok_b = np.isfinite(a).all(0), np.isfinite(b).all(0)
    found = find_shift(to_log(np.nan_to_num(a)), ok_a, to_log(np.nan_to_num(b)), ok_b)
    cell = grid.cell_m * step
    if not found.known or found.spread * cell > 1.0:
        return None
    east, north = -found.cols * cell, found.rows * cell
    return (east, north) if np.hypot(east, north) <= MOST_SHIFT_M else None


def _patch(one: BareGround, grid: Grid, places: Places, before: date, after: date) -> Patch:
    import shapely

    placement = places.of(one.polygon)
    point = shapely.get_coordinates(one.polygon)[0]
    col, row = int((point[0] - grid.west) / grid.cell_m), int((grid.north - point[1]) / grid.cell_m)
    name = natural_id(after.isoformat(), max(row, 0) * grid.width + min(max(col, 0), grid.width - 1), grid)
    properties = {
        "id": name,
        "state": "provisional",
        "class": "excavation",
        "probability": one.confidence,
        "zone": placement.zone,
        "lease_id": placement.lease_id,
        "distance_m": None if placement.distance_m is None else round(placement.distance_m, 1),
        "area_m2": round(one.area_m2, 1),
        "certain_area_m2": round(placement.certain_area_m2, 1),
        "first_seen": after.isoformat(),
        "last_seen": after.isoformat(),
        "confirmed_on": None,
        "detections": 1,
        "observations": 1,
        "reasons": [
            one.why,
            f"not bare on {before.isoformat()}, bare on {after.isoformat()}; two pictures confirm nothing",
        ],
        "excavation_probability": one.confidence,
        "bearing_deg": None if placement.bearing_deg is None else round(placement.bearing_deg, 1),
        "district": placement.district,
        "outside_m2": round(one.area_m2 - placement.areas_m2["lease"], 1),
        "last_look": after.isoformat(),
        "outcome": None,
    }
    return Patch(name, one.polygon, properties)


def _notes(
    job: Job, seen: NDArray[np.bool_], move: tuple[float, float] | None, before: Picture, after: Picture
) -> list[Note]:
    gap = abs(before.day.timetuple().tm_yday - after.day.timetuple().tm_yday)
    out = [
        Note(
            code="colours-only",
            message="Two pictures without heights: new bare ground is a reason to look, not a finding; "
            "no volume was measured.",
            severity="caution",
        )
    ]
    if min(gap, 365 - gap) > 45:
        out.append(
            Note(
                code="other-season",
                message=f"{before.day.isoformat()} and {after.day.isoformat()} are of different seasons: "
                "harvested fields look like new bare ground.",
                severity="caution",
            )
        )
    if move is None:
        out.append(
            Note(
                code="not-registered",
                message="The pictures do not say how they lie on each other; they are taken as delivered, "
                "to 2 m.",
                severity="caution",
            )
        )
    if seen.mean() < 0.9:
        out.append(
            Note(
                code="partly-seen",
                message=f"Both pictures show {seen.mean():.0%} of the ground that is watched; "
                "nothing is said of the rest.",
                severity="caution",
            )
        )
    return out


def _source(picture: Picture, job: Job) -> Source:
    from survey.pipelines.triggers.inputs import below

    ortho = picture.ortho
    folder = "" if job.watch is None else job.watch.scenes or ""
    return Source(
        role="orthomosaic",
        survey=picture.day.isoformat(),
        path=below(folder, picture.name),
        sha256=picture.sha256,
        bytes=ortho.pin.bytes,
        cell_m=round(ortho.cell_m, 4),
    )


MOST_CHIPS = 100


def _chips(
    folder: RunFolder,
    patches: Sequence[Patch],
    before: Picture,
    after: Picture,
    move: tuple[float, float],
    grid: Grid,
) -> dict[str, str]:
    """Before and after of the likeliest patches, with their outline."""
    import shapely
    from PIL import Image, ImageDraw

    out = {}
    for patch in patches[:MOST_CHIPS]:
        west, south, east, north = patch.shape.bounds
        half = max(15.0, 0.75 * max(east - west, north - south))
        x, y = (west + east) / 2, (south + north) / 2
        piece = grid.covering(Bounds(x - half, y - half, x + half, y + half))
        if not piece.height or not piece.width:
            continue
        both = Image.new("RGB", (2 * PIXELS + 4, PIXELS), (255, 255, 255))
        b = piece.bounds
        for k, (picture, shift) in enumerate(((before, (0.0, 0.0)), (after, move))):
            chip = Image.fromarray(picture.ortho.chip(piece, shift_m=shift)[..., :3])
            chip = chip.resize((PIXELS, PIXELS), Image.Resampling.BILINEAR)
            pen = ImageDraw.Draw(chip)
            for part in shapely.get_parts(patch.shape):
                xy = shapely.get_coordinates(part.exterior)
                u = (xy[:, 0] - b.west) / (b.east - b.west) * PIXELS
                v = (b.north - xy[:, 1]) / (b.north - b.south) * PIXELS
                pen.line([(float(p), float(q)) for p, q in zip(u, v, strict=True)], fill=(255, 230, 0))
            both.paste(chip, (k * (PIXELS + 4), 0))
        content = io.BytesIO()
        both.save(content, "PNG", compress_level=6)
        name = f"chips/{patch.id}.png"
        folder.write_bytes(name, content.getvalue())
        out[patch.id] = name
    return out
