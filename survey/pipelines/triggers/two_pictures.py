"""Two orthomosaics on one grid: how they lie on each other, and new bare ground as a watch shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused, JobError
from survey.grid import Grid
from survey.imagery.triggers.places import Places
from survey.pipelines.triggers.alerts import natural_id
from survey.pipelines.triggers.pictures import Picture
from survey.record import Note, canonical

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely import Geometry

    from survey.boundary.lease import Lease
    from survey.imagery.bare_ground import BareGround
    from survey.imagery.triggers.places import Permitted
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job

FINEST_CELL_M = 0.5
"""Leaves, wheel tracks and stones are not bare ground; half a metre averages over them."""
MOST_CELLS = 6_000_000
MOST_SHIFT_M = 8.0
"""Flights without control points lie as far apart as this; more is another place or another mistake."""


@dataclass(frozen=True)
class Patch:
    """New bare ground, as the files of a watch show it."""

    id: str
    shape: Geometry
    properties: dict[str, Any]


def laid_out(
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
    ok_a, ok_b = (np.asarray(np.isfinite(z).all(axis=0), np.bool_) for z in (a, b))
    found = find_shift(to_log(np.nan_to_num(a)), ok_a, to_log(np.nan_to_num(b)), ok_b)
    cell = grid.cell_m * step
    if not found.known or found.spread * cell > 1.0:
        return None
    east, north = -found.cols * cell, found.rows * cell
    return (east, north) if np.hypot(east, north) <= MOST_SHIFT_M else None


def patch_of(one: BareGround, grid: Grid, places: Places, before: date, after: date) -> Patch:
    """New bare ground with its place, its reasons and the day it was first seen."""
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
    return Patch(name, one.polygon, canonical(properties))


def notes_of(
    job: Job, seen: NDArray[np.bool_], move: tuple[float, float] | None, before: Picture, after: Picture
) -> list[Note]:
    """What a reader must know of the two pictures."""
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
