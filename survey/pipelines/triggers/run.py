"""``survey triggers``: what is new in satellite images, outside the permitted areas."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from survey.errors import JobError
from survey.heap import give_back
from survey.pipelines.triggers.inputs import Watched, understand
from survey.pipelines.triggers.judging import judge, watch
from survey.pipelines.triggers.outcomes import enter_outcomes
from survey.pipelines.triggers.state import STATE, forget_working_state, remember, working_state
from survey.pipelines.triggers.store import Store
from survey.pipelines.triggers.write import write_files
from survey.record import Record, from_json

if TYPE_CHECKING:
    from survey.archive import RunFolder
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.pipelines.runs import Run


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
    from survey.pipelines.runs import Run, engine_for, run_digest
    from survey.pipelines.sealing import write_record
    from survey.pipelines.triggers.ortho import compare_orthos
    from survey.pipelines.triggers.pictures import are_orthos

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
            run = Run("triggers", job, options, progress, engine, inputs, started)
            record = watch_into(folder, run, watched, outcomes)
            # The record is turned over several times: what it was made of has gone.
            give_back()
            record = write_record(folder, record, progress.took())
        # Only now is the new run in place, and the working copy no longer needed.
        forget_working_state(options.out, job.id)
        return record


def scene_pairs(watched: Watched) -> list[tuple[str, str]]:
    """What says which scenes were looked at, for the digest of a run."""
    return [(s.key, s.date.isoformat()) for s in watched.shelf.scenes]


def watch_into(folder: RunFolder, run: Run, watched: Watched, outcomes: Sequence[str] = ()) -> Record:
    """Look, judge, and write triggers and state into a run folder; the record, not yet written."""
    job, options, progress = run.job, run.options, run.progress
    with working_state(options.out, job.id) as path, Store(path) as store:
        result = watch(job, watched, store, run.engine, progress, options.tile)
        watched = result.watched
        if outcomes:
            enter_outcomes(store, outcomes, result.as_of)
            result = judge(job, watched, store, result.scan, progress, run.engine.threads)
        progress.stage("writing triggers")
        record = write_files(
            folder, job, run.inputs, watched, store, result, run.started, min(4, run.engine.threads)
        )
        with store.transaction():
            remember(store, result.alerts, watched.shelf.grid)
        store.copy_to(folder.path(STATE))
        return record


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
