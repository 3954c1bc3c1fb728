"""``survey triggers``: what is new in satellite images, outside the permitted areas."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from survey.errors import JobError, OutputError
from survey.imagery.triggers.classify import model_for
from survey.imagery.triggers.judge import Judge, words_of
from survey.imagery.triggers.places import Places
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import gather
from survey.imagery.triggers.tracks import day_gaps, walk
from survey.pipelines import trigger_files as files
from survey.pipelines.trigger_alerts import Alert, alerts_of
from survey.pipelines.trigger_inputs import Watched, understand
from survey.pipelines.trigger_scan import Scan, products_of, scan, split
from survey.pipelines.trigger_store import VERDICTS, Outcome, Published, Store, latest, wilson
from survey.record import Note, Record, Source, from_json

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress

STATE = "state.sqlite"
MOST_CHIPS = 150


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

    started = datetime.now(UTC)
    outcomes = tuple(outcomes) or tuple(getattr(options, "outcomes", ()))
    progress.stage("reading the job's files")
    with (
        engine_for(options, progress) as engine,
        open_inputs(job, threads=engine.threads) as inputs,
    ):
        watched = understand(job, inputs, engine.threads)
        pairs = [*scene_pairs(watched), *inputs.digest_inputs().items()]
        with _folder(job, options, run_digest(job, options, "triggers", pairs), outcomes) as folder:
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
        if outcomes:
            enter_outcomes(store, outcomes, result.as_of)
            result = judge(job, watched, store, result.scan, progress)
        progress.stage("writing triggers")
        record = _write(folder, job, inputs, watched, store, result, started)
        with store.transaction():
            _remember(store, result.alerts)
        store.copy_to(folder.path(STATE))
        return record


# -- state between runs ----------------------------------------------------------------------------------------
def _working(out: Path, job_id: str) -> Path:
    return Path(out) / f".{job_id}~watch.sqlite"


@contextlib.contextmanager
def working_state(out: Path, job_id: str) -> Iterator[Path]:
    """Where the state is worked on: a copy beside the run, so that the run that is in place stays whole, and an
    interrupted one is taken up again. It is removed when the run that holds its outcome is in place."""
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
def _folder(job: Job, options: Options, digest: str, outcomes: Sequence[str]) -> Iterator[RunFolder]:
    """The run folder. A watch goes on from week to week: it replaces its own former run without being told to."""
    from survey.archive import RunFolder, complete_record

    force = options.force
    target = Path(options.out) / job.id
    if not force and os.path.lexists(target):
        former = complete_record(target)
        if former is not None and former.get("command") == "triggers":
            same = (former.get("settings") or {}).get("digest") == digest
            force = bool(outcomes) or not same
    with RunFolder(options.out, job.id, digest=digest, force=force) as folder:
        yield folder


# -- looking and judging --------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Result:
    scan: Scan
    alerts: list[Alert]
    as_of: str | None
    settings: TriggerSettings
    report_p: float
    withdrawn: list[dict[str, Any]]
    places: Places


def settings_of(job: Job) -> TriggerSettings:
    assert job.watch is not None
    given = {} if job.watch.min_area_m2 is None else {"least_area_m2": float(job.watch.min_area_m2)}
    return TriggerSettings(**given)


def watch(
    job: Job, watched: Watched, store: Store, engine: Any, progress: Progress, tile: int | None = None
) -> Result:
    """Bring the state up to date with the scenes, and judge what it then says."""
    assert job.watch is not None
    settings = settings_of(job)
    baseline, later = split(watched.shelf.scenes, job.watch.baseline_until)
    places = _places(job, watched)
    by_key = {s.key: s for s in watched.shelf.scenes}
    found = scan(
        store,
        watched.shelf.grid,
        watched.shelf.bands,
        baseline,
        later,
        places.mask,
        watched.leases_digest,
        settings,
        engine,
        lambda scene: [s for s in watched.shelf.sources if s["survey"] == by_key[scene.key].date.isoformat()],
        tile=tile,
        align=job.watch.coregister is not False,
        level=job.watch.normalise is not False,
        stage=progress.stage,
    )
    return judge(job, watched, store, found, progress)


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
    report_p = settings.report_p
    if "probability" in job.watch.model_fields_set and job.watch.probability is not None:
        report_p = float(job.watch.probability)
    published = store.published()
    alerts = alerts_of(
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
        }
        for p in published
        if p.id not in here and p.properties
    ]
    return Result(found, alerts, dates[-1] if dates else None, settings, report_p, withdrawn, places)


# -- outcomes --------------------------------------------------------------------------------------------------
def parse_outcome(text: str) -> tuple[str, str, str | None, str]:
    """(id, verdict, day or None, note) of ``ID=verdict[,YYYY-MM-DD][,note]``.

    Raises
    ------
    JobError
    """
    name, equals, rest = text.partition("=")
    parts = [part.strip() for part in rest.split(",", 2)]
    verdict = parts[0].casefold()
    if not equals or not name.strip() or verdict not in VERDICTS:
        raise JobError(
            f'--outcome: found "{text}"',
            expected=f"ID={'|'.join(VERDICTS)}[,YYYY-MM-DD][,note]",
            mend='Example: --outcome T20250407-3F9A21=confirmed,2025-04-20,"pit 4 m deep, excavator on site"',
        )
    day, note = None, ""
    if len(parts) > 1:
        try:
            day = date.fromisoformat(parts[1]).isoformat()
            note = parts[2] if len(parts) > 2 else ""
        except ValueError:
            note = ", ".join(parts[1:])
    return name.strip(), verdict, day, "".join(c for c in note if c.isprintable())[:500]


def enter_outcomes(store: Store, outcomes: Sequence[str], as_of: str | None) -> None:
    """Keep field checks. Without a day, that of the latest scene stands for it."""
    known = {p.id: p for p in store.published()}
    with store.transaction():
        for text in outcomes:
            name, verdict, day, note = parse_outcome(text)
            if name not in known:
                close = get_close_matches(name, sorted(known), n=1)
                raise JobError(
                    f'--outcome: there is no trigger "{name}" in this watch',
                    mend=f'Did you mean "{close[0]}"?' if close else "See triggers.geojson for the ids.",
                )
            p = known[name].properties
            store.add_outcome(
                Outcome(name, day or as_of or "", verdict, note, p["class"], p["probability"], p["state"])
            )


def hit_rate(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Of the triggers that were checked, how many were right; unclear ones count as neither."""
    last = latest(outcomes)
    right = sum(o.verdict == "confirmed" for o in last.values())
    wrong = sum(o.verdict == "false" for o in last.values())
    lo, hi = wilson(right, right + wrong)
    by_state: dict[str, list[int]] = {}
    for o in last.values():
        if o.verdict != "unclear":
            cell = by_state.setdefault(o.state, [0, 0])
            cell[0] += o.verdict == "confirmed"
            cell[1] += 1
    return {
        "checked": right + wrong,
        "right": right,
        "wrong": wrong,
        "unclear": sum(o.verdict == "unclear" for o in last.values()),
        "share": None if right + wrong == 0 else right / (right + wrong),
        "share_lo": lo,
        "share_hi": hi,
        "by_state": {k: {"right": v[0], "checked": v[1]} for k, v in sorted(by_state.items())},
    }


def _remember(store: Store, alerts: Sequence[Alert]) -> None:
    """What is published now, with every cell a thing ever held."""
    import numpy as np

    before = {p.id: p for p in store.published()}
    store.publish(
        Published(
            a.id,
            a.properties["first_seen"],
            np.union1d(a.cells, before[a.id].cells) if a.id in before else a.cells,
            a.properties,
        )
        for a in alerts
        if a.listed or a.id in before
    )


# -- writing ---------------------------------------------------------------------------------------------------
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
        from survey.pipelines.trigger_challans import join, read_challans

        read = read_challans(inputs.path(job.watch.challans), job.watch.challans_crs, grid.crs_wkt)
        challans = join(read, listed, result.places)
        notes += [Note(code=r.code, message=r.message, severity=r.severity) for r in read.notes]
    near = {} if challans is None else challans["near"]
    folder.write_text("triggers.geojson", files.geojson(listed, grid.crs_wkt))
    write_csv(folder.path("triggers.csv"), files.COLUMNS, files.rows(listed, grid.crs_wkt, near))
    folder.write_text("triggers.kml", files.kml(listed, grid.crs_wkt, f"Triggers of {job.id}"))
    folder.write_text(
        "feed.json",
        files.feed(
            listed,
            _with_place(result.withdrawn),
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
    chips = _chips(folder, watched, result, listed)
    notes += _own_notes(result)
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
        lease=_lease_part(watched),
        triggers=_section(result, watched, rate, outcomes, challans, chips),
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


def _with_place(withdrawn: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    out = []
    for p in withdrawn:
        geometry = p.get("geometry")
        out.append(
            {
                **p,
                "geometry": geometry or {"type": "Polygon", "coordinates": []},
                "lon": p.get("lon", 0.0),
                "lat": p.get("lat", 0.0),
            }
        )
    return out


def _lease_part(watched: Watched) -> dict[str, Any] | None:
    if watched.lease is None:
        return None
    lease = watched.lease
    return {
        "lease_id": lease.lease_id,
        "area_ha": lease.area_ha,
        "crs": lease.source_crs,
        "sigma_m": lease.sigma_m,
    }


def _own_notes(result: Result) -> list[Note]:
    out = []
    found = result.scan
    if found.baseline.short:
        out.append(
            Note(
                code="short-history",
                message=f"with {len(found.baseline.usable)} earlier scene(s) seasons are unknown: every trigger stays provisional",
                severity="caution",
            )
        )
    if found.rebuilt:
        out.append(
            Note(
                code="watch-rebuilt",
                message="the baseline, the leases or the method changed since the former run: all scenes were judged anew",
                severity="info",
            )
        )
    if found.absent:
        shown = ", ".join(found.absent[:6])
        out.append(
            Note(
                code="scenes-kept",
                message=f"{len(found.absent)} scene(s) of earlier runs are no longer in the folder ({shown}); what they said is kept",
                severity="info",
            )
        )
    idle = [s for s in found.kept if not s.usable]
    if idle:
        shown = ", ".join(f"{s.day} ({s.fit['why']})" for s in idle[:5])
        out.append(
            Note(
                code="scenes-not-observed",
                message=f"{len(idle)} scene(s) count as not observed: {shown}",
                severity="caution",
            )
        )
    return out


def _section(
    result: Result,
    watched: Watched,
    rate: dict[str, Any],
    outcomes: Sequence[Outcome],
    challans: dict[str, Any] | None,
    chips: dict[str, str],
) -> dict[str, Any]:
    found = result.scan
    listed = [a for a in result.alerts if a.listed]
    states = ("provisional", "confirmed", "fading", "closed")
    return {
        "as_of": result.as_of,
        "bands": list(watched.shelf.bands.names),
        "counts": {s: sum(a.properties["state"] == s for a in listed) for s in states},
        "by_zone": {
            z: sum(a.properties["zone"] == z and a.properties["state"] == "confirmed" for a in listed)
            for z in ("lease", "buffer", "ring", "beyond")
        },
        "triggers": [{**a.properties, "evidence": a.evidence, "chip": chips.get(a.id)} for a in listed],
        "dismissed": [a.properties for a in result.alerts if not a.listed],
        "withdrawn": result.withdrawn,
        "baseline": {
            "scenes": [
                {
                    "date": s.date,
                    "usable": s.usable,
                    "why": s.why,
                    "clear_share": s.clear_share,
                    "shift_cells": [s.rows, s.cols],
                }
                for s in found.baseline.scenes
            ],
            "reference": found.baseline.scenes[found.baseline.reference].date,
        },
        "scenes": [
            {
                "date": s.day,
                "name": s.name,
                "usable": s.usable,
                "why": s.fit["why"],
                "clear_share": s.fit["clear_share"],
                "shift_cells": [s.fit["rows"], s.fit["cols"]],
                "gain": s.fit["line"]["gain"],
                "offset": s.fit["line"]["offset"],
                "allowance": s.fit["allowance"],
                "misfit": s.fit["misfit"],
            }
            for s in found.kept
        ],
        "permitted": [
            {"lease_id": p.lease_id, "name": p.name, "district": p.district, "area_ha": p.polygon.area / 1e4}
            for p in watched.permitted
        ],
        "false_alarm": {
            "cell": f"on ordinary ground one cell starts an object at most once in {10**result.settings.seed:,.0f} clear looks (e-detector; exchangeable history assumed)",
            "object": f"an object needs at least {result.settings.least_area_m2:.0f} m² of connected cells and {result.settings.confirm_hits:.0f} detections on different days",
        },
        "hit_rate": rate,
        "outcomes": [
            {"id": o.id, "day": o.day, "verdict": o.verdict, "note": o.note, "state_then": o.state}
            for o in outcomes
        ],
        "challans": challans,
    }


def _chips(folder: RunFolder, watched: Watched, result: Result, listed: Sequence[Alert]) -> dict[str, str]:
    """Small pictures, before and after, of the triggers that people will look at first."""
    from survey.imagery.triggers.chips import chip_png

    by_day = {s.date.isoformat(): s for s in watched.shelf.scenes}
    baseline = [by_day[s.date] for s in result.scan.baseline.scenes if s.usable and s.date in by_day]
    order = {"confirmed": 0, "provisional": 1, "fading": 2, "closed": 3}
    ranked = sorted(
        listed, key=lambda a: (order[a.properties["state"]], -a.properties["excavation_probability"], a.id)
    )
    out = {}
    for alert in ranked[:MOST_CHIPS]:
        after = by_day.get(alert.properties["last_seen"])
        if after is None or not baseline:
            continue
        picture = chip_png(baseline, after, alert.shape, watched.shelf.grid, watched.shelf.bands)
        if picture is not None:
            name = f"chips/{alert.id}.png"
            folder.write_bytes(name, picture)
            out[alert.id] = name
    return out
