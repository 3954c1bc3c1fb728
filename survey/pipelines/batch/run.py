"""Many jobs, side by side: one bad delivery never stops the others, and a batch that was stopped goes on.

Each job runs in a process of its own kind: memory that a library keeps, a crash, or the kernel's verdict on a
process that grew too large, then concern one job. Finished jobs are told by the digest in their record, so a
batch that is begun again does only what is left.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from survey.archive import RECORD, Lock, writable
from survey.blocks import available_bytes, available_cores
from survey.errors import EngineError, JobError, OutputError, SurveyError
from survey.pipelines.batch.plan import Grant, Need, grant, may_hold, need_of
from survey.pipelines.batch.report import COLUMNS, Row, write_summary
from survey.pipelines.batch.view import Silent, view_for
from survey.pipelines.batch.worker import News, Order, Outcome, serve
from survey.pipelines.commands import PIPELINES, Terminated, explained, load_for, pipeline
from survey.pipelines.job import Job
from survey.pipelines.options import Options
from survey.pipelines.scratch import remove_part

__all__ = ["COLUMNS", "Batch", "Row", "collect", "run_batch"]

MEMORY_SHARE = 0.8
"""Of the memory that is free when the batch begins, if nobody said how much it may take."""
GRACE_SECONDS = 20
"""A process that was asked to end has so long to clear up behind itself."""
TRIES = 2
"""A job whose process died is tried again by itself; then it is what kills the process."""
JOBS_PER_PROCESS = 200
"""Nothing adds up in a process (the soak of benchmarks/batch_scaling.py); a fresh one costs two jobs."""
LEDGER_SECONDS = 60
"""So often the table is written while a long batch runs: a machine that loses its power leaves one behind."""
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
    tasks: list[_Task] = []
    rows: list[Row] = []
    for (path, job), file in zip(jobs, _told_apart([path for path, _ in jobs]), strict=True):
        if isinstance(job, Job):
            tasks.append(_Task(len(tasks), file, job, need_of(job)))
        else:
            rows.append(Row(_id_in(path), file, "failed", message=str(job)))
    stopped: BaseException | None = None
    title = f"survey {command}: {len(jobs)} jobs"

    def ledger() -> None:
        now = [task.row or _row_now(task) for task in tasks]
        with contextlib.suppress(OutputError):
            write_summary(_sorted(rows + now), options.out, f"{title}, still at work")

    crew = _Crew(
        command, options, tasks, view_for(options.verbosity, len(jobs)), ledger, len(rows), len(jobs)
    )
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


def _open_row(task: _Task) -> Row:
    if task.begun:
        return Row(task.job.id, task.file, "interrupted", message="Stopped while it ran; run again.")
    return Row(task.job.id, task.file, "not started", message="Not begun when the batch was stopped.")


def _with_former(row: Row, out: Path) -> Row:
    """Nobody shall take what lies in the folder of a failed job for its result of this night."""
    if row.finished or not (out / row.job / RECORD).is_file():
        return row
    return replace(row, message=f"{row.message} Its folder holds the result of a former run.")


def _row_now(task: _Task) -> Row:
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


# -- processes ---------------------------------------------------------------------------------------------
@dataclass(slots=True)
class _Task:
    number: int
    file: str
    job: Job
    need: Need
    begun: bool = False
    tries: int = 0
    since: float = 0.0
    alone: bool = False
    row: Row | None = None


@dataclass(slots=True)
class _Hand:
    """A process, and what it does now."""

    process: Any
    pipe: Connection
    task: _Task | None = None
    grant: Grant | None = None
    jobs: int = 0
    resident: int = 0


@dataclass
class _Crew:
    """Hands jobs to processes and hears from them; one thread, so that signals and processes stay simple."""

    command: str
    options: Options
    tasks: list[_Task]
    view: Silent
    ledger: Callable[[], None]
    done: int
    total: int
    hands: list[_Hand] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The largest begin first: whatever is left at the end is small.
        self.waiting = sorted(self.tasks, key=lambda t: (-t.need.cells, t.number))
        self.cores = self.options.workers or available_cores()
        self.memory = self.options.memory_bytes or int(MEMORY_SHARE * available_bytes())
        self.written = time.monotonic()

    @property
    def busy(self) -> list[_Hand]:
        return [hand for hand in self.hands if hand.task is not None]

    def work(self) -> None:
        while self.waiting or self.busy:
            self._hand_out()
            ears: list[Any] = []
            for hand in self.hands:
                ears += [hand.pipe, hand.process.sentinel]
            heard = set(wait(ears, timeout=0.25))
            for hand in list(self.hands):
                if hand.pipe in heard:
                    self._listen(hand)
                elif hand.process.sentinel in heard:
                    self._bury(hand)
            self.view.refresh()
            if time.monotonic() - self.written > LEDGER_SECONDS:
                self.ledger()
                self.written = time.monotonic()

    # -- handing out -----------------------------------------------------------------------------------
    def _hand_out(self) -> None:
        for task in list(self.waiting):
            running = [hand.grant for hand in self.busy if hand.grant is not None]
            if any(hand.task is not None and hand.task.alone for hand in self.hands):
                return
            if task.alone and running:
                continue
            given = grant(task.need, running, [t.need for t in self.waiting], self.cores, self.memory)
            if given is None:
                # A smaller one may still fit, so that no core waits for memory.
                continue
            self.waiting.remove(task)
            self._give(task, given)
            if task.alone or sum(g.threads for g in running) + given.threads >= self.cores:
                return

    def _give(self, task: _Task, given: Grant) -> None:
        limit = given.bytes if self.options.memory_bytes is not None or given.bytes >= self.memory else None
        hand = self._idle(limit) or self._hire()
        options = replace(
            self.options,
            workers=given.threads,
            memory_bytes=limit,
            verbosity=-1,
            out=self.options.out.absolute(),
        )
        task.begun, task.tries, task.since = True, task.tries + 1, time.monotonic()
        hand.task, hand.grant, hand.jobs = task, given, hand.jobs + 1
        self.view.begin(task.number, task.job.id)
        try:
            hand.pipe.send(Order(task.number, task.job, options))
        except OSError:
            self._bury(hand)

    def _idle(self, limit: int | None) -> _Hand | None:
        """A process that waits and whose memory leaves the next job what it needs; others are let go."""
        for hand in sorted((h for h in self.hands if h.task is None), key=lambda h: h.resident):
            if limit is None or hand.resident <= may_hold(limit):
                return hand
            self._dismiss(hand)
        return None

    def _hire(self) -> _Hand:
        # A fresh interpreter: a copy of this process would inherit half of whatever its threads hold.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve,
            args=(theirs, os.getpid(), self.command, PIPELINES[self.command], self.options.verbosity),
            daemon=True,
        )
        # Ctrl-C reaches all processes of a terminal: one that just begins must not answer to it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
        theirs.close()
        hand = _Hand(process, ours)
        self.hands.append(hand)
        return hand

    # -- hearing ---------------------------------------------------------------------------------------
    def _listen(self, hand: _Hand) -> None:
        try:
            said = hand.pipe.recv()
        except (EOFError, OSError):
            self._bury(hand)
            return
        if isinstance(said, News):
            self.view.news(said)
        elif isinstance(said, Outcome) and hand.task is not None:
            task, hand.task, hand.grant = hand.task, None, None
            hand.resident = said.resident_bytes
            if hand.jobs >= JOBS_PER_PROCESS:
                self._dismiss(hand)
            facts = dict(said.facts)
            state = "failed" if said.failed else "kept" if facts.pop("kept", False) else "done"
            self._close(
                task,
                Row(
                    task.job.id,
                    task.file,
                    state,
                    seconds=round(said.seconds, 3),
                    message=said.message,
                    folder="" if said.failed else task.job.id,
                    **facts,
                ),
            )

    def _dismiss(self, hand: _Hand) -> None:
        """What libraries keep must not add up for ever: a process ends after so many jobs."""
        self.hands.remove(hand)
        with contextlib.suppress(OSError):
            hand.pipe.send(None)
        hand.process.join(GRACE_SECONDS)
        if hand.process.is_alive():
            hand.process.kill()
            hand.process.join()
        remove_part(hand.process.pid)
        hand.pipe.close()

    def _bury(self, hand: _Hand) -> None:
        """A process ended that was not told to."""
        hand.process.join(GRACE_SECONDS)
        remove_part(hand.process.pid)
        self.hands.remove(hand)
        hand.pipe.close()
        task, hand.task = hand.task, None
        if task is None:
            return
        if task.tries < TRIES:
            # Perhaps it died of what ran beside it: once more, with the machine to itself.
            task.alone = True
            self.waiting.append(task)
            return
        died = EngineError(
            f"the process of this job died ({_death(hand.process.exitcode)})",
            mend="Mostly the machine ran out of memory: give the job less with --memory or fewer --workers.",
        )
        self._close(task, Row(task.job.id, task.file, "failed", message=str(died)))

    def _close(self, task: _Task, row: Row) -> None:
        task.row = row
        self.done += 1
        self.view.end(task.number, row, self.done, self.total, self._left())

    def _left(self) -> float | None:
        """Seconds until the end, by how long the jobs took that are done; None when none is."""
        done = [t for t in self.tasks if t.row is not None and t.row.state == "done"]
        open_ = [t for t in self.tasks if t.row is None]
        if not done or not open_:
            return None
        now = time.monotonic()
        pace = sum(t.row.seconds for t in done if t.row) / sum(t.need.effort for t in done)
        each = [max(0.0, pace * t.need.effort - (0.0 if t in self.waiting else now - t.since)) for t in open_]
        return max(sum(each) / min(self.cores, len(open_)), max(each))

    # -- the end ---------------------------------------------------------------------------------------
    def end(self) -> None:
        """Let idle processes go, stop busy ones; none is left when this returns."""
        self.view.close()
        for hand in self.hands:
            if hand.task is None:
                with contextlib.suppress(OSError):
                    hand.pipe.send(None)
            else:
                hand.process.terminate()
        deadline = time.monotonic() + GRACE_SECONDS
        for hand in self.hands:
            hand.process.join(max(0.1, deadline - time.monotonic()))
            if hand.process.is_alive():
                hand.process.kill()
                hand.process.join()
            remove_part(hand.process.pid)
            hand.pipe.close()
            hand.process.close()


def _death(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


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
