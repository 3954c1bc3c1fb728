"""``survey run``: all that a job describes, in one folder and one record.

Every task computes what its own command computes; nothing is computed twice, and the record holds the parts
of all of them. Where two tasks have the same section, the one that measured more of the ground fills it: the
comparison of two surveys before what stands in one, that before an assessment, a check or a watch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from survey.errors import InputRefused, SurveyError
from survey.pipelines.runs import Run, engine_for, run_folder
from survey.record import Note, Record, Source, from_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from survey.archive import RunFolder
    from survey.blocks import Engine
    from survey.pipelines.check.filing import Filing
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress

MEASURED = ("alignment", "error", "zones", "benches", "polygons", "river_bed", "pairs", "total")
"""Sections that only a comparison or an assessment on a pair fills; they stay together."""


@dataclass
class Parts:
    """Records of the tasks, the one that leads first, and what is still to be drawn from them."""

    records: list[Record] = field(default_factory=list)
    lead: Callable[[RunFolder, Record, Progress], Record] | None = None
    more: list[Callable[[RunFolder, Record, Progress], Record]] = field(default_factory=list)

    def add(
        self,
        record: Record,
        lead: Callable[[RunFolder, Record, Progress], Record] | None = None,
        beside: Callable[[RunFolder, Record, Progress], Record] | None = None,
    ) -> None:
        """A task's record; ``lead`` draws it where nothing else draws a map, else ``beside``."""
        self.records.append(record)
        if lead is not None and self.lead is None:
            self.lead = lead
        elif beside is not None:
            self.more.append(beside)


def run_run(job: Job, options: Options, progress: Progress) -> Record:
    """Do all that the job describes and write the run folder.

    Raises
    ------
    SurveyError
        An input cannot be used by one of the tasks; nothing is left behind.
    """
    from survey.pipelines.publish import finish

    started = datetime.now(UTC)
    progress.stage("reading the job's files")
    with engine_for(options, progress) as engine, _opened(job, engine) as (inputs, filing):
        watched, scenes = None, []
        if "triggers" in job.tasks:
            from survey.pipelines.triggers.inputs import understand
            from survey.pipelines.triggers.run import scene_pairs

            watched = understand(job, inputs, engine.threads)
            scenes = scene_pairs(watched)
        pairs = [*scenes, *inputs.digest_inputs().items()]
        with run_folder(job, options, "run", pairs, inputs.unchanged) as folder:
            if folder.up_to_date is not None:
                return from_json(folder.up_to_date)
            run = Run("run", job, options, progress, engine, inputs, started)
            parts = Parts()
            try:
                _ground(parts, folder, run)
                _assess(parts, run)
            except InputRefused as error:
                raise _with_hint(error, job) from error
            if filing is not None:
                _check(parts, filing, run)
            if watched is not None:
                from survey.pipelines.triggers.run import watch_into

                parts.add(watch_into(folder, run, watched))
            record = merged(parts.records, started)
            for draw in ([] if parts.lead is None else [parts.lead]) + parts.more:
                record = draw(folder, record, progress)
            record = finish(folder, record, job, options, progress)
        if watched is not None:
            from survey.pipelines.triggers.state import forget_working_state

            forget_working_state(options.out, job.id)
        return record


@contextmanager
def _opened(job: Job, engine: Engine) -> Iterator[tuple[Inputs, Filing | None]]:
    """The job's files, and as a filing if it is to be checked: hashed once for all tasks."""
    if "check" in job.tasks:
        from survey.pipelines.check.filing import open_filing

        with open_filing(job, threads=engine.threads) as filing:
            yield filing.inputs, filing
    else:
        from survey.pipelines.inputs import open_inputs

        with open_inputs(job, threads=engine.threads) as inputs:
            yield inputs, None


def _with_hint(error: InputRefused, job: Job) -> SurveyError:
    """A filing that cannot be measured can still be judged by itself: say how."""
    if "check" not in job.tasks:
        return error
    mend = f"{error.mend} " if error.mend else ""
    return InputRefused(
        error.found,
        expected=error.expected,
        file=error.file,
        mend=f"{mend}`survey check` judges the filing all the same.",
    )


# -- tasks -------------------------------------------------------------------------------------------------
def _ground(parts: Parts, folder: RunFolder, run: Run) -> None:
    """Between the surveys, or in the only one: ``excavation`` and ``outside``."""
    job = run.job
    two = len(job.measured) > 1
    if "excavation" in job.tasks or ("outside" in job.tasks and two):
        from survey.pipelines.change.record import comparison_record
        from survey.pipelines.change.run import compared, draw

        with compared(folder, run) as comparison:
            record = comparison_record(run, comparison)
        parts.add(record, lambda f, r, p: draw(f, r, comparison, p))
    elif "outside" in job.tasks:
        from survey.pipelines.existing.run import draw_standing, one_survey

        standing = one_survey(run)
        parts.add(standing.record, lambda f, r, p: draw_standing(f, r, standing, p))


def _assess(parts: Parts, run: Run) -> None:
    if "assess" not in run.job.tasks:
        return
    from survey.pipelines.assess.publish import add_assessments, draw_assessments
    from survey.pipelines.assess.run import assess

    drawn = assess(run)

    def beside(folder: RunFolder, record: Record, progress: Progress) -> Record:
        add_assessments(folder, drawn, progress)
        return record

    parts.add(drawn.record, lambda f, r, p: draw_assessments(f, r, drawn, p), beside)


def _check(parts: Parts, filing: Filing, run: Run) -> None:
    from survey.pipelines.check.run import check, make_record
    from survey.pipelines.check.submission import draw_findings

    options = run.options
    run.progress.stage("judging the filing")
    submission = check(filing, run.engine, options.on)

    def beside(folder: RunFolder, record: Record, progress: Progress) -> Record:
        from survey.report.submission import render_html, render_pdf

        record = draw_findings(folder, record, submission)
        formats = options.formats("run")
        here = folder.path("submission.html").parent
        # The reviewer's letter; the report of the whole run has names of its own.
        if "html" in formats:
            folder.write_text("submission.html", render_html(here, record))
        if "pdf" in formats:
            folder.write_bytes("submission.pdf", render_pdf(here, record))
        return record

    parts.records.append(make_record(submission, run.started, options))
    parts.more.append(beside)


# -- one record of many --------------------------------------------------------------------------------------
def merged(records: Sequence[Record], started: datetime) -> Record:
    """One record that holds the parts of all; the first leads.

    Raises
    ------
    ValueError
        There is nothing to merge.
    """
    if not records:
        raise ValueError("a run of nothing has no record")
    lead = records[0]
    finished = datetime.now(UTC)
    clock = lead.clock.model_copy(
        update={"started": started, "finished": finished, "seconds": (finished - started).total_seconds()}
    )

    def first(name: str) -> Any:
        return next((value for r in records if (value := getattr(r, name))), getattr(lead, name))

    measured = next((r for r in records if r.alignment is not None), lead)
    settings: dict[str, Any] = {}
    for record in reversed(records):
        settings |= record.settings
    update: dict[str, Any] = {name: getattr(measured, name) for name in MEASURED}
    update |= {
        name: first(name)
        for name in (
            "surveys",
            "grid",
            "lease",
            "checkpoints",
            "sites",
            "dismissed",
            "assessments",
            "checks",
            "triggers",
        )
    }
    return lead.model_copy(
        update=update
        | {
            "command": "run",
            "clock": clock,
            "sources": _sources(records),
            "findings": [finding for r in records for finding in r.findings],
            "notes": _once(note for r in records for note in r.notes),
            "settings": settings,
        }
    )


def _sources(records: Sequence[Record]) -> list[Source]:
    """Every file once, as the task says that knows most of it."""
    best: dict[tuple[str, str | None, str], Source] = {}
    for record in records:
        for source in record.sources:
            where = (source.role, source.survey, source.path)
            held = best.get(where)
            if held is None or (held.crs is None and source.crs is not None):
                best[where] = source
    return list(best.values())


def _once(notes: Iterable[Note]) -> list[Note]:
    seen: dict[tuple[str, str], Note] = {}
    for note in notes:
        seen.setdefault((note.code, note.message), note)
    return list(seen.values())
