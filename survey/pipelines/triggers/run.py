"""``survey triggers``: what is new in satellite images, outside the permitted areas."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.errors import InputRefused, JobError, OutputError
from survey.imagery.triggers.classify import model_for
from survey.imagery.triggers.judge import Judge, words_of
from survey.imagery.triggers.places import Places, outline
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import gather
from survey.imagery.triggers.tracks import day_gaps, walk
from survey.pipelines.triggers import files
from survey.pipelines.triggers.alerts import Alert, alerts_of
from survey.pipelines.triggers.inputs import Watched, understand
from survey.pipelines.triggers.outcomes import enter_outcomes, hit_rate
from survey.pipelines.triggers.record import chips_of, lease_part, own_notes, section
from survey.pipelines.triggers.scan import Scan, products_of, scan, split
from survey.pipelines.triggers.scenes import left_out
from survey.pipelines.triggers.store import Published, Store, latest
from survey.record import Note, Record, Source, from_json

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.grid import Grid
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress

STATE = "state.sqlite"


def run_triggers(job: Job, options: Options, progress: Progress, outcomes: Sequence[str] = ()) -> Record:
    """Look at what is new among the scenes, walk all dates, and write the run folder.

    Parameters
    ----------
    outcomes:
        Field checks to enter, each ``ID=confirmed|false|unclear[,YYYY-MM-DD][,note]``.

    Raises
    ------
    SurveyError
        An input cannot be used; the former run and its state are still there.
    """
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.runs import engine_for, run_digest, write_record
    from survey.pipelines.triggers.ortho import are_orthos, compare_orthos

    started = datetime.now(UTC)
    outcomes = tuple(outcomes) or tuple(getattr(options, "outcomes", ()))
    progress.stage("reading the job's files")
    with (
        engine_for(options, progress) as engine,
        open_inputs(job, threads=engine.threads) as inputs,
    ):
        if are_orthos(job, inputs):
            if outcomes:
                raise JobError(
                    "--outcome: this watch compares two orthomosaics and keeps nothing between runs",
                    mend="Field checks are kept for watches of satellite scenes.",
                )
            return compare_orthos(job, options, progress, inputs, "triggers", started)
        watched = understand(job, inputs, engine.threads)
        pairs = [*scene_pairs(watched), *inputs.digest_inputs().items()]
        digest = run_digest(job, options, "triggers", pairs)
        with _folder(job, options, digest, outcomes, inputs.unchanged) as folder:
            if folder.up_to_date is not None:
                return from_json(folder.up_to_date)
            record = watch_into(folder, job, inputs, watched, engine, options, progress, started, outcomes)
            record = write_record(folder, record)
        # Only now is the new run in place, and the working copy no longer needed.
        forget_working_state(options.out, job.id)
        return record


def scene_pairs(watched: Watched) -> list[tuple[str, str]]:
    """What says which scenes were looked at, for the digest of a run."""
    return [(s.key, s.date.isoformat()) for s in watched.shelf.scenes]


def watch_into(
    folder: RunFolder,
    job: Job,
    inputs: Inputs,
    watched: Watched,
    engine: Any,
    options: Options,
    progress: Progress,
    started: datetime,
    outcomes: Sequence[str] = (),
) -> Record:
    """Look, judge, and write triggers and state into a run folder; the record, not yet written."""
    with working_state(options.out, job.id) as path, Store(path) as store:
        result = watch(job, watched, store, engine, progress, options.tile)
        watched = result.watched
        if outcomes:
            enter_outcomes(store, outcomes, result.as_of)
            result = judge(job, watched, store, result.scan, progress)
        progress.stage("writing triggers")
        record = _write(folder, job, inputs, watched, store, result, started)
        with store.transaction():
            _remember(store, result.alerts, watched.shelf.grid)
        store.copy_to(folder.path(STATE))
        return record


# -- state between runs ----------------------------------------------------------------------------------
def _working(out: Path, job_id: str) -> Path:
    return Path(out) / f".{job_id}~watch.sqlite"


@contextlib.contextmanager
def working_state(out: Path, job_id: str) -> Iterator[Path]:
    """Where the state is worked on: a copy beside the run, so that the run that is in place stays whole, and
    an interrupted one is taken up again. It is removed when the run that holds its outcome is in place."""
    path = _working(out, job_id)
    former = Path(out) / job_id / STATE
    if not path.exists() and former.is_file():
        partial = path.with_suffix(".copying")
        try:
            shutil.copyfile(former, partial)
            os.replace(partial, path)
        except OSError as error:
            raise OutputError(
                f"the state of the watch cannot be copied ({error.strerror or error})",
                mend="Free some space.",
            ) from error
    yield path


def forget_working_state(out: Path, job_id: str) -> None:
    path = _working(out, job_id)
    for name in (path, path.with_name(path.name + "-journal")):
        with contextlib.suppress(FileNotFoundError):
            name.unlink()


@contextlib.contextmanager
def _folder(
    job: Job, options: Options, digest: str, outcomes: Sequence[str], certain: Callable[[], None]
) -> Iterator[RunFolder]:
    """The run folder. A watch goes on from week to week: it replaces its own former run unasked."""
    from survey.archive import RunFolder, complete_record

    force = options.force
    target = Path(options.out) / job.id
    if not force and os.path.lexists(target):
        former = complete_record(target)
        if former is not None and former.get("command") == "triggers":
            same = (former.get("settings") or {}).get("digest") == digest
            force = bool(outcomes) or not same
    with RunFolder(options.out, job.id, digest=digest, force=force, certain=certain) as folder:
        yield folder


# -- looking and judging ---------------------------------------------------------------------------------
@dataclass(frozen=True)
class Result:
    scan: Scan
    alerts: list[Alert]
    only_counted: int
    as_of: str | None
    settings: TriggerSettings
    report_p: float
    withdrawn: list[dict[str, Any]]
    """As last published, with their geometry."""
    places: Places
    watched: Watched
    """Without the scenes that turned out unreadable."""


def settings_of(job: Job) -> TriggerSettings:
    assert job.watch is not None
    given = {} if job.watch.min_area_m2 is None else {"least_area_m2": float(job.watch.min_area_m2)}
    return TriggerSettings(**given)


def watch(
    job: Job, watched: Watched, store: Store, engine: Any, progress: Progress, tile: int | None = None
) -> Result:
    """Bring the state up to date with the scenes, and judge what it then says.

    A scene that turns out to be damaged when its cells are decoded is named and left out.

    Raises
    ------
    InputRefused
        Too few scenes are left.
    """
    places = _places(job, watched)
    while True:
        try:
            return judge(
                job, watched, store, _scanned(job, watched, places, store, engine, progress, tile), progress
            )
        except InputRefused as error:
            less = without(watched, error)
            if less is None:
                raise
            watched = less


def without(watched: Watched, error: InputRefused) -> Watched | None:
    """What is left to be watched without the scene whose file was refused; None if that was no scene."""
    shelf = watched.shelf
    bad = [s for s in shelf.scenes if error.file in {f.pin.name for f in s.files}]
    hidden = [s for s in shelf.scenes if s.mask is not None and s.mask.pin.name == error.file]
    gone = {s.key for s in (bad or hidden)[:1]}
    if not gone or len(shelf.scenes) <= 2:
        return None
    left = tuple(s for s in shelf.scenes if s.key not in gone)
    return replace(watched, shelf=replace(shelf, scenes=left), notes=(*watched.notes, left_out(error)))


def _scanned(
    job: Job,
    watched: Watched,
    places: Places,
    store: Store,
    engine: Any,
    progress: Progress,
    tile: int | None,
) -> Scan:
    assert job.watch is not None
    baseline, later = split(watched.shelf.scenes, job.watch.baseline_until)
    day_of = {s.key: s.date.isoformat() for s in watched.shelf.scenes}
    return scan(
        store,
        watched.shelf.grid,
        watched.shelf.bands,
        baseline,
        later,
        places.mask,
        watched.leases_digest,
        settings_of(job),
        engine,
        lambda scene: [s for s in watched.shelf.sources if s["survey"] == day_of[scene.key]],
        tile=tile,
        align=job.watch.coregister is not False,
        level=job.watch.normalise is not False,
        stage=progress.stage,
    )


def _places(job: Job, watched: Watched) -> Places:
    assert job.watch is not None
    cell = watched.shelf.grid.cell_m
    # Boundary, registration (a tenth of a cell) and the mixed cells at an object's edge (a quarter of one).
    sigma = (watched.boundary_sigma_m**2 + (0.1 * cell) ** 2 + (0.25 * cell) ** 2) ** 0.5
    return Places(watched.permitted, float(job.watch.ring_m), sigma)


def judge(job: Job, watched: Watched, store: Store, found: Scan, progress: Progress) -> Result:
    """Walk all dates that are kept, and say what each thing is."""
    assert job.watch is not None
    progress.stage("following what is new through the dates")
    settings = settings_of(job)
    grid, bands = watched.shelf.grid, watched.shelf.bands
    scenes = found.usable
    dates = [s.day for s in scenes]
    support = gather(products_of(store, scenes), grid.width, len(bands))
    places = _places(job, watched)
    short = found.baseline.short
    model = model_for(bands, short_history=short)
    common = [tuple(w) for w in found.baseline.common]
    if short:
        common += [tuple(w) for s in scenes for w in s.fit["common"]]

    close = places.near_lease(*grid.east_north(support.rows, support.cols))

    def near(of: Any, cells: Any) -> bool:
        return bool(close[cells].any())

    assess = Judge(
        bands,
        model,
        settings,
        day_gaps(dates) if dates else day_gaps(["2000-01-01"]),
        words_of(common, len(bands)),
        words_of(found.baseline.worked, len(bands)),
        grid.cell_area_m2,
        near,
    )
    tracks = walk(support, settings, grid.cell_area_m2, assess, may_confirm=not short)
    report_p = settings.report_p_short if short else settings.report_p
    if job.watch.probability is not None:
        report_p = float(job.watch.probability)
    published = on_grid(store.published(), store.get(PUBLISHED_GRID), grid)
    alerts, counted = alerts_of(
        tracks,
        support,
        dates,
        grid,
        places,
        model,
        bands.names,
        settings,
        report_p,
        published,
        latest(store.outcomes()),
        len(found.baseline.usable),
        short,
        watched.area,
    )
    here = {a.id for a in alerts}
    withdrawn = [
        {
            **p.properties,
            "state": "closed",
            "reasons": [*p.properties["reasons"], "no longer supported by the scenes"],
            **files.whereabouts(outline(p.cells, grid), grid.crs_wkt),
        }
        for p in published
        if p.id not in here and p.properties
    ]
    as_of = dates[-1] if dates else None
    return Result(found, alerts, counted, as_of, settings, report_p, withdrawn, places, watched)


PUBLISHED_GRID = "published_grid"


def grid_text(grid: Grid) -> str:
    """What says where cells of a grid lie."""
    return json.dumps(
        [grid.crs_wkt, grid.west, grid.north, grid.cell_east, grid.cell_north, grid.height, grid.width]
    )


def on_grid(published: Sequence[Published], kept_on: str | None, grid: Grid) -> list[Published]:
    """Triggers published on a former grid, by the cells of this one that their cells' centres fall into.

    The grid reaches as far as the scenes, and may reach farther or elsewhere with new ones.
    """
    if kept_on is None or kept_on == grid_text(grid):
        return list(published)
    import numpy as np

    from survey.boundary.crs import move_points

    crs_wkt, west, north, cell_east, cell_north, _, width = json.loads(kept_on)
    out = []
    for p in published:
        rows, cols = np.divmod(p.cells, width)
        at = np.column_stack([west + (cols + 0.5) * cell_east, north - (rows + 0.5) * cell_north])
        if crs_wkt != grid.crs_wkt:
            at = move_points(at, crs_wkt, grid.crs_wkt)
        new_cols = np.floor((at[:, 0] - grid.west) / grid.cell_east).astype(np.int64)
        new_rows = np.floor((grid.north - at[:, 1]) / grid.cell_north).astype(np.int64)
        here = (new_rows >= 0) & (new_rows < grid.height) & (new_cols >= 0) & (new_cols < grid.width)
        out.append(replace(p, cells=np.unique(new_rows[here] * grid.width + new_cols[here])))
    return out


def _remember(store: Store, alerts: Sequence[Alert], grid: Grid) -> None:
    """What is published now, with every cell a thing ever held."""
    import numpy as np

    before = {p.id: p for p in on_grid(store.published(), store.get(PUBLISHED_GRID), grid)}
    now = {
        a.id: Published(
            a.id,
            a.properties["first_seen"],
            np.union1d(a.cells, before[a.id].cells) if a.id in before else a.cells,
            a.properties,
        )
        for a in alerts
        if a.listed or a.id in before
    }
    store.publish({**before, **now}.values())
    store.put(PUBLISHED_GRID, grid_text(grid))


# -- writing ---------------------------------------------------------------------------------------------
def _write(
    folder: RunFolder,
    job: Job,
    inputs: Inputs,
    watched: Watched,
    store: Store,
    result: Result,
    started: datetime,
) -> Record:
    from survey.pipelines.software import software
    from survey.record import Clock
    from survey.tables import write_csv

    assert job.watch is not None
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
    chips = chips_of(folder, watched, result, listed)
    notes += own_notes(result)
    finished = datetime.now(UTC)
    record = Record(
        command="triggers",
        job=job.public(),
        mine=job.mine.model_dump(exclude_none=True, mode="json"),
        clock=Clock(started=started, finished=finished, seconds=(finished - started).total_seconds()),
        software=software(),
        sources=[*inputs.sources(), *(Source(**s) for s in watched.shelf.sources)],
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

    write_digest(folder.path("digest.html").parent, record)
    return record
