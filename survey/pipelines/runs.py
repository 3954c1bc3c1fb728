"""What every pipeline does around its work: engine, inputs, digest, folder, record.

def work(run: Run, folder: RunFolder) -> Record: ...

return run_in_folder("excavation", job, options, progress, work)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from survey import __version__
from survey.archive import RunFolder
from survey.pipelines.sealing import law_digest

if TYPE_CHECKING:
    from survey.blocks import Engine
    from survey.pipelines.inputs import Inputs
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import Progress
    from survey.record import Record


@dataclass(frozen=True)
class Run:
    """One command on one job: what each of its steps is given."""

    command: str
    job: Job
    options: Options
    progress: Progress
    engine: Engine
    inputs: Inputs
    started: datetime


def run_in_folder(
    command: str,
    job: Job,
    options: Options,
    progress: Progress,
    work: Callable[[Run, RunFolder], Record],
) -> Record:
    """Open the job's files, do the work, and leave a whole run folder or none.

    ``work`` writes what it draws into the folder and returns the record; the reports that were asked for and
    ``record.json`` are written after it.

    Raises
    ------
    SurveyError
        An input cannot be used; nothing is left behind.
    """
    from survey.pipelines.inputs import open_inputs
    from survey.pipelines.publish import finish
    from survey.record import from_json

    started = datetime.now(UTC)
    progress.stage("reading the job's files")
    with (
        engine_for(options, progress) as engine,
        open_inputs(job, threads=engine.threads) as inputs,
        run_folder(job, options, command, inputs.digest_inputs, inputs.unchanged) as folder,
    ):
        if folder.up_to_date is not None:
            return from_json(folder.up_to_date)
        run = Run(command, job, options, progress, engine, inputs, started)
        return finish(folder, work(run, folder), job, options, progress)


def engine_for(options: Options, progress: Progress | None = None) -> Engine:
    """Where this run's tasks are done, within the memory that it was given."""
    from survey.blocks import Engine

    return Engine(options.workers, options.scheduler, progress, options.memory_bytes)


def run_digest(
    job: Job, options: Options, command: str, inputs: Mapping[str, str] | Iterable[tuple[str, str]]
) -> str:
    """SHA-256 of everything that decides a result: job, inputs, law tables, options and version.

    ``inputs``: for every file read, its key or name in the job and its SHA-256.
    """
    pairs = inputs.items() if isinstance(inputs, Mapping) else inputs
    said = {
        "command": command,
        "job": job.digest(),
        "inputs": sorted([name, sha256] for name, sha256 in pairs),
        "options": options.public(),
        "law": law_digest(),
        "version": __version__,
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def run_folder(
    job: Job,
    options: Options,
    command: str,
    inputs: Mapping[str, str] | Iterable[tuple[str, str]] | Callable[[], Mapping[str, str]],
    certain: Callable[[], None] | None = None,
) -> RunFolder:
    """The folder of this run; ``up_to_date`` when a run of the very same things is there already.

    ``inputs`` that are still being hashed are asked for when they are needed: at once only if a run is there.
    ``certain`` is called before it counts: ``Inputs.unchanged`` refuses a result whose inputs were changed
    while it was made.
    """

    def digest() -> str:
        return run_digest(job, options, command, inputs() if callable(inputs) else inputs)

    return RunFolder(options.out, job.id, digest=digest, force=options.force, certain=certain)
