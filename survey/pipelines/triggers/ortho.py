"""Two orthomosaics without heights: new bare ground near and outside the permitted areas, never very sure.

Used by ``survey triggers`` for scenes that are RGB orthomosaics, and by ``survey outside`` for surveys that
came without a DEM. Two pictures cannot tell a pit from a building plot: nothing here is ever confirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from survey.errors import InputRefused
from survey.pipelines.triggers import files
from survey.pipelines.triggers.patch_chips import draw_chips
from survey.pipelines.triggers.pictures import (
    Picture,
    colours,
    pictures_of_surveys,
    pictures_of_watch,
    source_of,
)
from survey.pipelines.triggers.two_pictures import MOST_SHIFT_M, laid_out, notes_of, patch_of, registered
from survey.record import Note, Record, from_json

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from survey.archive import RunFolder
    from survey.boundary.lease import Lease
    from survey.grid import Grid
    from survey.imagery.triggers.places import Places
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.pipelines.triggers.two_pictures import Patch

Command = Literal["triggers", "outside"]

MIN_AREA_M2 = 40.0
_UNCHECKED = {
    "checked": 0,
    "right": 0,
    "wrong": 0,
    "unclear": 0,
    "share": None,
    "share_lo": 0.0,
    "share_hi": 1.0,
}
"""Nobody has been to the place yet."""


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
    from survey.pipelines.runs import run_folder
    from survey.pipelines.sealing import write_record

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
        return write_record(folder, record, progress.took())


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
    from survey.pipelines.record_head import record_head
    from survey.report.digest import write_digest

    before, after = pictures[0], pictures[-1]
    c = _look(job, inputs, before, after, progress)
    _write(folder, job, c, after)
    chips = draw_chips(folder, c.patches, before, after, c.move or (0.0, 0.0), c.grid)
    notes += notes_of(job, c.seen, c.move, before, after)
    head = record_head(command, job, inputs, started)
    head["sources"] = [*head["sources"], *(source_of(p, job) for p in pictures if command == "triggers")]
    lease = c.lease
    record = Record(
        **head,
        surveys=[{"date": p.day.isoformat(), "kind": "orthomosaic"} for p in (before, after)],
        grid={
            "crs": c.grid.crs.name,
            "west": c.grid.west,
            "north": c.grid.north,
            "cell_m": c.grid.cell_m,
            "rows": c.grid.height,
            "cols": c.grid.width,
        },
        lease=None
        if lease is None
        else {"lease_id": lease.lease_id, "area_ha": lease.area_ha, "crs": lease.source_crs},
        triggers=_triggers_part(c, before, after, chips),
        notes=notes,
        settings={
            "orthos": {
                "cell_m": c.grid.cell_m,
                "min_area_m2": c.min_area_m2,
                "tolerance_m": c.tolerance_m,
                "most_shift_m": MOST_SHIFT_M,
            }
        },
    )
    write_digest(folder.path("digest.html").parent, record)
    return record


@dataclass(frozen=True)
class _NewlyBare:
    """Two pictures, laid on each other, and what is newly bare between them."""

    grid: Grid
    places: Places
    lease: Lease | None
    move: tuple[float, float] | None  # east, north metres; None if the pictures do not say
    seen: NDArray[np.bool_]  # (rows, cols) in both pictures
    clear: tuple[float, float]  # share of the grid that each picture shows
    min_area_m2: float
    tolerance_m: float
    patches: list[Patch]


def _look(job: Job, inputs: Inputs, before: Picture, after: Picture, progress: Progress) -> _NewlyBare:
    from survey.imagery.bare_ground import new_bare_ground

    grid, places, lease, area = laid_out(job, inputs, before, after)
    progress.stage("laying the pictures on each other")
    was = before.ortho.read(grid, colours(before.ortho))
    move = registered(was, after.ortho.read(grid, colours(after.ortho)), grid)
    now = after.ortho.read(grid, colours(after.ortho), shift_m=move or (0.0, 0.0))
    known = [np.isfinite(bands["red"]) for bands in (was, now)]
    seen = known[0] & known[1]
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
    patches = [patch_of(one, grid, places, before.day, after.day) for one in found]
    if area is not None:
        patches = [p for p in patches if area.intersects(p.shape)]
    patches.sort(key=lambda p: (-p.properties["probability"], p.id))
    clear = (float(known[0].mean()), float(known[1].mean()))
    return _NewlyBare(grid, places, lease, move, seen, clear, least, tolerance, patches)


def _write(folder: RunFolder, job: Job, c: _NewlyBare, after: Picture) -> None:
    """The files that a watch gives its neighbours."""
    from survey.tables import write_csv

    wkt = c.grid.crs_wkt
    folder.write_text("triggers.geojson", files.geojson(c.patches, wkt))
    folder.write_text("places.geojson", files.places_geojson(c.places, c.grid))
    write_csv(folder.path("triggers.csv"), files.COLUMNS, files.rows(c.patches, wkt, {}))
    folder.write_text("triggers.kml", files.kml(c.patches, wkt, f"New bare ground of {job.id}"))
    mine = {k: v for k in ("name", "district", "state") if (v := getattr(job.mine, k))}
    as_of = after.day.isoformat()
    feed = files.feed(c.patches, [], wkt, job=job.id, as_of=as_of, mine=mine, hit_rate=_UNCHECKED)
    folder.write_text("feed.json", feed)
    files.forget()


def _triggers_part(
    c: _NewlyBare, before: Picture, after: Picture, chips: Mapping[str, str]
) -> dict[str, object]:
    return {
        "as_of": after.day.isoformat(),
        "bands": ["red", "green", "blue"],
        "counts": {"provisional": len(c.patches), "confirmed": 0, "fading": 0, "closed": 0},
        "by_zone": {"lease": 0, "buffer": 0, "ring": 0, "beyond": 0},
        "triggers": [{**p.properties, "chip": chips.get(p.id)} for p in c.patches],
        "dismissed": [],
        "withdrawn": [],
        "compared": {
            "before": before.name,
            "after": after.name,
            "moved_east_m": None if c.move is None else round(c.move[0], 3),
            "moved_north_m": None if c.move is None else round(c.move[1], 3),
            "seen_m2": float(c.seen.sum()) * c.grid.cell_area_m2,
        },
        "scenes": [
            {"date": p.day.isoformat(), "name": p.name, "usable": True, "why": "", "clear_share": share}
            for p, share in zip((before, after), c.clear, strict=True)
        ],
        "hit_rate": _UNCHECKED,
        "outcomes": [],
        "challans": None,
    }
