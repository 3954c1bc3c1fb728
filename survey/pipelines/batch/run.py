"""Many jobs, side by side: one bad delivery never stops the others, and a batch that was stopped goes on.

Finished jobs are told by the digest in their record, so a batch that is begun again does only what is left.
The processes are the ``crew``'s.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from survey.archive import RECORD, Lock, writable
from survey.errors import JobError, OutputError, SurveyError
from survey.pipelines.batch.crew import Crew, Task
from survey.pipelines.batch.plan import need_of
from survey.pipelines.batch.report import Row, write_summary
from survey.pipelines.batch.view import view_for
from survey.pipelines.commands import Terminated, explained, load_for, pipeline
from survey.pipelines.job import Job
from survey.pipelines.options import Options

__all__ = ["Batch", "Row", "collect", "run_batch"]

LOCK = ".~batch~lock"
"""No job id begins so."""


@dataclass(frozen=True, slots=True)
class Batch:
    """All jobs, what needs a person first."""

    rows: tuple[Row, ...]
    table: Path | None
    """Where ``batch.csv`` lies; None if it could not be written."""

    @property
    def failed(self) -> int:
        return sum(row.state == "failed" for row in self.rows)

    def told(self) -> str:
        lines = [f"{row.job}: {row.message}" for row in self.rows if row.state == "failed"]
        breached = sum(row.breaches > 0 for row in self.rows)
        kept = sum(row.state == "kept" for row in self.rows)
        before = f" ({kept} of them before)" if kept else ""
        done = len(self.rows) - self.failed
        lines.append(
            f"{len(self.rows)} jobs: {done} done{before}, {self.failed} failed; {breached} with breaches."
        )
        if self.table is not None:
            lines.append(f"Summary: {self.table.with_name('batch.html')}")
        return "\n".join(lines)


def collect(command: str, targets: Sequence[Path]) -> list[Path]:
    """The job files that the targets stand for: files themselves, job files of a folder, lines of a list.

    For ``check`` a folder without job files is a delivery, or holds several.

    Raises
    ------
    JobError
        A folder or list names no job, or a file is named twice.
    """
    paths: list[Path] = []
    for target in targets:
        if target.is_dir():
            found = sorted({*target.glob("*.toml"), *target.glob("*/job.toml")})
            if found:
                paths += found
            elif command == "check":
                from survey.pipelines.check.bare import filings_in

                paths += filings_in(target) or [target]
            else:
                raise JobError("the folder holds no job files (*.toml)", file=target)
        elif target.suffix.casefold() in (".txt", ".list", ".lst") and target.is_file():
            paths += _listed(target)
        else:
            paths.append(target)
    real = [os.path.realpath(path) for path in paths]
    for path, where in zip(paths, real, strict=True):
        if real.count(where) > 1:
            raise JobError("the same job file is given twice", file=path)
    return paths


def _listed(file: Path) -> list[Path]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise JobError(f"the list cannot be read ({error})", file=file) from None
    found = [
        file.parent / line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")
    ]
    if not found:
        raise JobError("the list names no job files", file=file)
    return found


def run_batch(paths: Sequence[Path], command: str, options: Options) -> Batch:
    """Run every job; write ``batch.csv`` and ``batch.html`` into the folder of results.

    Raises
    ------
    JobError
        Two jobs have one id: refused before anything runs.
    OutputError
        The summary cannot be written.
    KeyboardInterrupt, Terminated
        After what was running has been ended and the summary of what was done is written.
    """
    jobs: list[tuple[Path, Job | SurveyError]] = [(path, _loaded(command, path, options)) for path in paths]
    _refuse_twins(jobs)
    pipeline(command)  # an installation without it says so once
    with _alone_in(options.out):
        return _run(jobs, command, options)


@contextlib.contextmanager
def _alone_in(out: Path) -> Iterator[None]:
    """One batch at a time writes the table of a folder; single jobs are kept apart by locks of their own."""
    with writable(out):
        out.mkdir(parents=True, exist_ok=True)
        lock = Lock(out / LOCK, f'batch is writing into "{out.name or out}"')
    try:
        yield
    finally:
        lock.release()


def _run(jobs: Sequence[tuple[Path, Job | SurveyError]], command: str, options: Options) -> Batch:
    tasks: list[Task] = []
    rows: list[Row] = []
    for (path, job), file in zip(jobs, _told_apart([path for path, _ in jobs]), strict=True):
        if isinstance(job, Job):
            tasks.append(Task(len(tasks), file, job, need_of(job)))
        else:
            rows.append(Row(_id_in(path), file, "failed", message=str(job)))
    stopped: BaseException | None = None
    title = f"survey {command}: {len(jobs)} jobs"

    def ledger() -> None:
        now = [task.row or _row_now(task) for task in tasks]
        with contextlib.suppress(OutputError):
            write_summary(_sorted(rows + now), options.out, f"{title}, still at work")

    crew = Crew(command, options, tasks, view_for(options.verbosity, len(jobs)), ledger, len(rows), len(jobs))
    for number, row in enumerate(rows, start=1):
        crew.view.end(-1, row, number, len(jobs), None)
    try:
        crew.work()
    except (KeyboardInterrupt, Terminated) as error:
        stopped = error
    finally:
        with _undisturbed():
            crew.end()
    rows = _sorted([_with_former(r, options.out) for r in rows + [t.row or _open_row(t) for t in tasks]])
    try:
        batch = Batch(tuple(rows), write_summary(rows, options.out, title))
    except OutputError as error:
        # The table is lost, what it says must not be.
        raise OutputError(f"{error}\n{Batch(tuple(rows), None).told()}") from error
    if stopped is not None:
        raise stopped
    return batch


def _sorted(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: row.urgency)


def _open_row(task: Task) -> Row:
    if task.begun:
        return Row(task.job.id, task.file, "interrupted", message="Stopped while it ran; run again.")
    return Row(task.job.id, task.file, "not started", message="Not begun when the batch was stopped.")


def _with_former(row: Row, out: Path) -> Row:
    """Nobody shall take what lies in the folder of a failed job for its result of this night."""
    if row.finished or not (out / row.job / RECORD).is_file():
        return row
    return replace(row, message=f"{row.message} Its folder holds the result of a former run.")


def _row_now(task: Task) -> Row:
    """For a table written while the batch is at work; whoever finds it later learns what to do."""
    state = "running" if task.begun else "not started"
    return Row(
        task.job.id,
        task.file,
        state,
        message="So when this was written. If the batch has ended since, it was cut off: run it again.",
    )


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C must not cut the clearing up short."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        for number in before:
            signal.signal(number, signal.SIG_IGN)
    except ValueError:  # not the main thread: no signals come here
        yield
        return
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# -- jobs ----------------------------------------------------------------------------------------------------
def _loaded(command: str, path: Path, options: Options) -> Job | SurveyError:
    try:
        return load_for(command, path, options)
    except SurveyError as error:
        return error
    except Exception as error:
        return SurveyError(explained(error))


def _told_apart(paths: Sequence[Path]) -> list[str]:
    """What the table calls each file: its name, with the folders below the one that holds all."""
    folders = [Path(os.path.abspath(path)).parent for path in paths]
    top = os.path.commonpath(folders)
    return [(f.relative_to(top) / p.name).as_posix() for f, p in zip(folders, paths, strict=True)]


def _id_in(path: Path) -> str:
    """What a job is called whose file cannot be used: by its id, as far as that can be made out."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            found = re.search(r'^\s*id\s*=\s*"([A-Za-z0-9][\w.-]{0,99})"', file.read(2**16), re.M | re.A)
    except OSError:
        found = None
    return found[1] if found else path.parent.name if path.name == "job.toml" else path.stem


def _refuse_twins(jobs: Sequence[tuple[Path, Job | SurveyError]]) -> None:
    seen: dict[str, Path] = {}
    twins = []
    for path, job in jobs:
        if isinstance(job, Job):
            # Some file systems do not tell capitals apart.
            first = seen.setdefault(job.id.casefold(), path)
            if first is not path:
                twins.append(f'"{job.id}" ({first.name} and {path.name})')
    if twins:
        raise JobError(
            f"two jobs have the same id: {', '.join(twins)}",
            mend="Every id names a folder of results; give each job its own.",
        )
