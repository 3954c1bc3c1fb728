"""The run folder of a watch: the files for its neighbours, the pictures, the digest, and the record."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from survey.heap import give_back
from survey.imagery.triggers.classify import model_for
from survey.imagery.triggers.settings import TriggerSettings
from survey.pipelines.triggers import files
from survey.pipelines.triggers.outcomes import hit_rate
from survey.pipelines.triggers.record import chips_of, lease_part, own_notes, section
from survey.record import Note, Record, Source

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.triggers.inputs import Watched
    from survey.pipelines.triggers.judging import Result
    from survey.pipelines.triggers.store import Store


def write_files(
    folder: RunFolder,
    job: Job,
    inputs: Inputs,
    watched: Watched,
    store: Store,
    result: Result,
    started: datetime,
    threads: int = 1,
) -> Record:
    """Write all but ``record.json`` and the state; the record."""
    from survey.pipelines.record_head import record_head
    from survey.tables import write_csv

    assert job.watch is not None
    give_back()
    grid = watched.shelf.grid
    listed = [a for a in result.alerts if a.listed]
    outcomes = store.outcomes()
    rate = hit_rate(outcomes)
    challans: dict[str, Any] | None = None
    notes = [Note(code=r.code, message=r.message, severity=r.severity) for r in watched.notes]
    if job.watch.challans is not None:
        from survey.pipelines.triggers.challans import join, read_challans

        read = read_challans(inputs.path(job.watch.challans), job.watch.challans_crs, grid.crs_wkt)
        challans = join(read, listed, result.places)
        notes += [Note(code=r.code, message=r.message, severity=r.severity) for r in read.notes]
    near = {} if challans is None else challans["near"]
    files.settle([a.shape for a in listed], grid.crs_wkt)
    folder.write_text("triggers.geojson", files.geojson(listed, grid.crs_wkt))
    folder.write_text("places.geojson", files.places_geojson(result.places, grid))
    write_csv(folder.path("triggers.csv"), files.COLUMNS, files.rows(listed, grid.crs_wkt, near))
    folder.write_text("triggers.kml", files.kml(listed, grid.crs_wkt, f"Triggers of {job.id}"))
    folder.write_text(
        "feed.json",
        files.feed(
            listed,
            result.withdrawn,
            grid.crs_wkt,
            job=job.id,
            as_of=result.as_of,
            mine={
                k: v
                for k, v in (
                    ("name", job.mine.name),
                    ("district", job.mine.district),
                    ("state", job.mine.state),
                )
                if v
            },
            hit_rate=rate,
        ),
    )
    chips = chips_of(folder, watched, result, listed, threads)
    notes += own_notes(result)
    head = record_head("triggers", job, inputs, started)
    head["sources"] = [*head["sources"], *(Source(**s) for s in watched.shelf.sources)]
    record = Record(
        **head,
        surveys=[{"date": s.date.isoformat(), "kind": "satellite"} for s in watched.shelf.scenes],
        grid={
            "crs": grid.crs.name,
            "west": grid.west,
            "north": grid.north,
            "cell_m": grid.cell_m,
            "rows": grid.height,
            "cols": grid.width,
        },
        lease=lease_part(watched),
        triggers=section(result, watched, rate, outcomes, challans, chips),
        notes=notes,
        settings={
            "triggers": result.settings.public(),
            "why": TriggerSettings.why(),
            "report_probability": result.report_p,
            "classes": model_for(watched.shelf.bands, short_history=result.scan.baseline.short).provenance,
        },
    )
    from survey.report.digest import write_digest

    shown = [files.feature(alert, grid.crs_wkt) for alert in listed]
    write_digest(folder.path("digest.html").parent, record, triggers=shown)
    files.forget()
    return record
