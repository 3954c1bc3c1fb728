"""Two orthomosaics without heights: new bare ground near and outside the permitted areas, never very sure.

Used by ``survey triggers`` for scenes that are RGB orthomosaics, and by ``survey outside`` for surveys that
came without a DEM. Two pictures cannot tell a pit from a building plot: nothing here is ever confirmed.
"""

from __future__ import annotations

from collections.abc import Sequence
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
    from survey.archive import RunFolder
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress

Command = Literal["triggers", "outside"]

MIN_AREA_M2 = 40.0


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
    from survey.imagery.bare_ground import new_bare_ground
    from survey.pipelines.record_head import record_head
    from survey.report.digest import write_digest
    from survey.tables import write_csv

    before, after = pictures[0], pictures[-1]
    grid, places, lease, area = laid_out(job, inputs, before, after)
    progress.stage("laying the pictures on each other")
    was = before.ortho.read(grid, colours(before.ortho))
    move = registered(was, after.ortho.read(grid, colours(after.ortho)), grid)
    now = after.ortho.read(grid, colours(after.ortho), shift_m=move or (0.0, 0.0))
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
    patches = [patch_of(one, grid, places, before.day, after.day) for one in found]
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
    chips = draw_chips(folder, patches, before, after, move or (0.0, 0.0), grid)
    notes += notes_of(job, seen, move, before, after)
    listed = [{**p.properties, "chip": chips.get(p.id)} for p in patches]
    head = record_head(command, job, inputs, started)
    head["sources"] = [*head["sources"], *(source_of(p, job) for p in pictures if command == "triggers")]
    record = Record(
        **head,
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
