"""What a run tells while it works: bars on a terminal, lines in a log, or nothing."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from typing import TYPE_CHECKING, Protocol, Self, TextIO

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import TaskID


class Progress(Protocol):
    """What pipelines report to. A stage ends when the next begins. Safe to call from any thread."""

    def stage(self, name: str, total: float | None = None) -> None:
        """Begin a stage of ``total`` units; None when nobody can say how many."""

    def advance(self, amount: float = 1.0) -> None:
        """So many units more of this stage are done."""

    def say(self, message: str) -> None:
        """Something worth a line in a log."""

    def took(self) -> dict[str, float]:
        """Seconds of each stage until now, that which runs included."""


class NullProgress:
    """Tells nothing, and keeps how long each stage took. The other kinds build on it."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}
        self._name: str | None = None
        self._since = 0.0
        self._lock = threading.RLock()

    def stage(self, name: str, total: float | None = None) -> None:
        with self._lock:
            self._settle()
            self._name, self._since = name, time.monotonic()
            self._begin(name, total)

    def advance(self, amount: float = 1.0) -> None:
        with self._lock:
            self._move(amount)

    def say(self, message: str) -> None:
        with self._lock:
            self._line(message)

    def took(self) -> dict[str, float]:
        with self._lock:
            self._settle()
            return dict(self._seconds)

    def close(self) -> None:
        with self._lock:
            self._settle()
            self._name = None
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _settle(self) -> None:
        if self._name is not None:
            now = time.monotonic()
            self._seconds[self._name] = self._seconds.get(self._name, 0.0) + now - self._since
            self._since = now

    def _begin(self, name: str, total: float | None) -> None:
        pass

    def _move(self, amount: float) -> None:
        pass

    def _line(self, message: str) -> None:
        pass

    def _end(self) -> None:
        pass


class LogProgress(NullProgress):
    """A plain line per stage, with the seconds since the beginning, for logs and ``-v``."""

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__()
        self._stream = stream or sys.stderr
        self._started = time.monotonic()

    def _begin(self, name: str, total: float | None) -> None:
        self._line(name)

    def _line(self, message: str) -> None:
        # A log whose disk is full, or whose reader has gone, must not end the run.
        with contextlib.suppress(OSError):
            print(f"{time.monotonic() - self._started:8.1f} s  {message}", file=self._stream, flush=True)


class BarProgress(NullProgress):
    """A bar per stage on a terminal."""

    def __init__(self, title: str = "") -> None:
        super().__init__()
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )
        from rich.progress import Progress as Bars

        self._bars = Bars(
            # Names come from job files: markup in them must not be obeyed.
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._title = f"{title}  " if title else ""
        self._task: TaskID | None = None
        self._bars.start()

    def _begin(self, name: str, total: float | None) -> None:
        self._finish()
        self._task = self._bars.add_task(f"{self._title}{name}", total=total)

    def _move(self, amount: float) -> None:
        if self._task is not None:
            self._bars.advance(self._task, amount)

    def _line(self, message: str) -> None:
        self._bars.console.print(message, markup=False, highlight=False)

    def _finish(self) -> None:
        if self._task is not None:
            task = next(task for task in self._bars.tasks if task.id == self._task)
            total = task.total if task.total is not None else max(task.completed, 1)
            self._bars.update(self._task, total=total, completed=total)
            self._task = None

    def _end(self) -> None:
        self._finish()
        self._bars.stop()


def progress_for(verbosity: int, title: str = "") -> NullProgress:
    """Bars when standard error is a terminal, log lines with ``-v``, otherwise silence."""
    if verbosity < 0:
        return NullProgress()
    if verbosity > 0:
        return LogProgress()
    return BarProgress(title) if sys.stderr.isatty() else NullProgress()
