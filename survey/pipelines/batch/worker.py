"""A process of a batch: takes one job after another from its parent, and tells how each went.

It dies with its parent, however that dies.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from survey.blocks import resident_bytes
from survey.heap import give_back
from survey.pipelines.commands import Terminated, breaches, copy_away, explained
from survey.pipelines.progress import NullProgress
from survey.pipelines.scratch import own_part, remove_own_part

if TYPE_CHECKING:
    from survey.pipelines.job import Job
    from survey.pipelines.options import Options
    from survey.record import Record

TELL_SECONDS = 0.25
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Order:
    """A job to do."""

    number: int
    job: Job
    options: Options


@dataclass(frozen=True, slots=True)
class News:
    """How far it is: the stage, and its done part (None when nobody can say)."""

    number: int
    stage: str
    part: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job ended. ``facts``: the columns of the table that its record fills."""

    number: int
    failed: bool
    message: str
    seconds: float
    facts: dict[str, Any]
    resident_bytes: int = 0
    """What the process holds when the job is over."""


class _Telling(NullProgress):
    """Sends the progress of a job to the parent, a few times a second at most."""

    def __init__(self, send: Callable[[Any], None], number: int) -> None:
        super().__init__()
        self._send, self._number = send, number
        self._stage, self._done, self._told = "", 0.0, 0.0
        self._total: float | None = None

    def _begin(self, name: str, total: float | None) -> None:
        self._stage, self._total, self._done = name, total, 0.0
        self._tell(True)

    def _move(self, amount: float) -> None:
        self._done += amount
        self._tell(False)

    def _tell(self, now: bool) -> None:
        clock = time.monotonic()
        if now or clock - self._told >= TELL_SECONDS:
            self._told = clock
            part = None if not self._total else min(1.0, self._done / self._total)
            self._send(News(self._number, self._stage, part))


def serve(pipe: Connection, parent: int, command: str, where: tuple[str, str], verbosity: int) -> None:
    """Work until the parent closes the pipe, or is gone."""
    _die_with(parent)
    # The parent alone answers to the keyboard: it ends us with SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    signal.signal(signal.SIGTERM, _terminated)
    if verbosity <= 0:
        _hush()
    own_part()
    code = 0
    try:
        while (order := pipe.recv()) is not None:
            outcome = _do(order, command, where, pipe.send)
            # A large job must not make all later ones large.
            gc.collect()
            give_back()
            pipe.send(replace(outcome, resident_bytes=resident_bytes()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass
    except Terminated:
        code = 143
    with contextlib.suppress(OSError):
        pipe.close()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    remove_own_part(last=os.getppid() != parent)
    # Threads of a library that hang must not keep a process that has nothing left to do.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _do(order: Order, command: str, where: tuple[str, str], send: Callable[[Any], None]) -> Outcome:
    began = time.monotonic()
    target = order.options.out / order.job.id
    before = _identity(target)
    try:
        function = getattr(import_module(where[0]), where[1])
        with _Telling(send, order.number) as progress:
            record = function(order.job, replace(order.options, json=False), progress)
            copy_away(order.job.id, order.options, progress)
        facts = facts_of(command, record) | {"kept": before is not None and _identity(target) == before}
        return Outcome(order.number, False, "", time.monotonic() - began, facts)
    except (BrokenPipeError, EOFError):
        raise
    except Exception as error:
        # A fault of the program in one job is that job's; the others must not pay for it.
        return Outcome(order.number, True, explained(error), time.monotonic() - began, {})


def facts_of(command: str, record: Record) -> dict[str, Any]:
    """What a person wants to know of a record before opening it."""
    verdicts = [f.verdict for f in record.findings]
    lease = next((z for z in record.zones if z.zone == "lease"), None)
    outside = [s for s in record.sites if s.zone != "lease" or s.outside_volume_m3 > 0]
    return {
        "breaches": breaches(command, record),
        "flags": sum(f.evidence.get("flag") in ("strong", "moderate") for f in record.findings),
        "too_close": verdicts.count("too close to call"),
        "not_measured": verdicts.count("not measured"),
        "serious_notes": sum(note.severity == "serious" for note in record.notes),
        "sites_outside": len(outside),
        "outside_volume_m3": round(float(sum(s.outside_volume_m3 for s in outside)), 1),
        "cut_m3": None if lease is None else round(lease.cut_m3, 1),
        "fill_m3": None if lease is None else round(lease.fill_m3, 1),
    }


def _identity(path: os.PathLike[str]) -> tuple[int, int] | None:
    try:
        seen = os.stat(path)
    except OSError:
        return None
    return seen.st_dev, seen.st_ino


def _terminated(number: int, frame: object) -> None:
    raise Terminated


def _die_with(parent: int) -> None:
    """Ask the kernel for SIGTERM when the parent ends, also when it is killed."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(143)


def _hush() -> None:
    import logging
    import warnings

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
