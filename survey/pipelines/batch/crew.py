"""The processes of a batch: who does which job with how much of the machine, and what became of each.

Each job runs in a process of its own kind: memory that a library keeps, a crash, or the kernel's verdict on a
process that grew too large, then concern one job.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from typing import Any

from survey.blocks import available_bytes, available_cores
from survey.errors import EngineError
from survey.pipelines.batch.plan import Grant, Need, grant, may_hold
from survey.pipelines.batch.report import Row
from survey.pipelines.batch.view import Silent
from survey.pipelines.batch.worker import News, Order, Outcome, serve
from survey.pipelines.commands import PIPELINES
from survey.pipelines.job import Job
from survey.pipelines.options import Options
from survey.pipelines.scratch import remove_part

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


@dataclass(slots=True)
class Task:
    """A job of the batch, and how far it is."""

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
class Hand:
    """A process, and what it does now."""

    process: Any
    pipe: Connection
    task: Task | None = None
    grant: Grant | None = None
    jobs: int = 0
    resident: int = 0


@dataclass
class Crew:
    """Hands jobs to processes and hears from them; one thread, so that signals and processes stay simple."""

    command: str
    options: Options
    tasks: list[Task]
    view: Silent
    ledger: Callable[[], None]
    done: int
    total: int
    hands: list[Hand] = field(default_factory=list)

    def __post_init__(self) -> None:
        # The largest begin first: whatever is left at the end is small.
        self.waiting = sorted(self.tasks, key=lambda t: (-t.need.cells, t.number))
        self.cores = self.options.workers or available_cores()
        self.memory = self.options.memory_bytes or int(MEMORY_SHARE * available_bytes())
        self.written = time.monotonic()

    @property
    def busy(self) -> list[Hand]:
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

    def _give(self, task: Task, given: Grant) -> None:
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

    def _idle(self, limit: int | None) -> Hand | None:
        """A process that waits and whose memory leaves the next job what it needs; others are let go."""
        for hand in sorted((h for h in self.hands if h.task is None), key=lambda h: h.resident):
            if limit is None or hand.resident <= may_hold(limit):
                return hand
            self._dismiss(hand)
        return None

    def _hire(self) -> Hand:
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
        hand = Hand(process, ours)
        self.hands.append(hand)
        return hand

    # -- hearing ---------------------------------------------------------------------------------------
    def _listen(self, hand: Hand) -> None:
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

    def _dismiss(self, hand: Hand) -> None:
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

    def _bury(self, hand: Hand) -> None:
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

    def _close(self, task: Task, row: Row) -> None:
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
