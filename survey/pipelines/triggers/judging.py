"""Looking at the scenes of a watch, and judging what they show."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from survey.errors import InputRefused
from survey.heap import give_back
from survey.imagery.triggers.classify import model_for
from survey.imagery.triggers.judge import Judge, words_of
from survey.imagery.triggers.outlines import outline
from survey.imagery.triggers.places import Places
from survey.imagery.triggers.settings import TriggerSettings
from survey.imagery.triggers.support import gather
from survey.imagery.triggers.tracks import day_gaps, walk
from survey.pipelines.triggers.alerts import Alert, alerts_of
from survey.pipelines.triggers.files import whereabouts
from survey.pipelines.triggers.inputs import Watched
from survey.pipelines.triggers.scan import Scan, products_of, scan, split
from survey.pipelines.triggers.scenes import left_out
from survey.pipelines.triggers.state import PUBLISHED_GRID, on_grid
from survey.pipelines.triggers.store import Store, latest

if TYPE_CHECKING:
    from survey.pipelines.job import Job
    from survey.pipelines.progress import Progress


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
            found = _scanned(job, watched, places, store, engine, progress, tile)
            return judge(job, watched, store, found, progress, engine.threads)
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


def judge(
    job: Job, watched: Watched, store: Store, found: Scan, progress: Progress, threads: int = 1
) -> Result:
    """Walk all dates that are kept, and say what each thing is."""
    assert job.watch is not None
    progress.stage("following what is new through the dates")
    settings = settings_of(job)
    grid, bands = watched.shelf.grid, watched.shelf.bands
    scenes = found.usable
    dates = [s.day for s in scenes]
    # What looking at scenes took is needed now.
    give_back()
    support = gather(products_of(store, scenes), grid.width, len(bands))
    places = _places(job, watched)
    short = found.baseline.short
    model = model_for(bands, short_history=short)
    common = [tuple(w) for w in found.baseline.common]
    if short:
        common += [tuple(w) for s in scenes for w in s.fit["common"]]

    permitted = places.in_lease(*grid.east_north(support.rows, support.cols))

    def inside(of: Any, cells: Any) -> bool:
        return bool(2 * np.count_nonzero(permitted[cells]) > len(cells))

    assess = Judge(
        bands,
        model,
        settings,
        day_gaps(dates) if dates else day_gaps(["2000-01-01"]),
        words_of(common, len(bands)),
        words_of(found.baseline.worked, len(bands)),
        grid.cell_area_m2,
        inside,
        threads,
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
            **whereabouts(outline(p.cells, grid), grid.crs_wkt),
        }
        for p in published
        if p.id not in here and p.properties
    ]
    as_of = dates[-1] if dates else None
    return Result(found, alerts, counted, as_of, settings, report_p, withdrawn, places, watched)
