"""What a batch shows while it runs: a live table on a terminal, plain lines elsewhere, or nothing."""

from __future__ import annotations

import contextlib
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from survey.pipelines.batch.report import Row
    from survey.pipelines.batch.worker import News

REDRAW_SECONDS = 0.25


class Silent:
    """Shows nothing."""

    def begin(self, number: int, name: str) -> None: ...
    def news(self, news: News) -> None: ...
    def end(self, number: int, row: Row, done: int, total: int, left_seconds: float | None) -> None: ...
    def refresh(self) -> None: ...
    def close(self) -> None: ...


class Lines(Silent):
    """A line per job that begins and ends, with the seconds since the batch began."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._since = time.monotonic()

    def begin(self, number: int, name: str) -> None:
        self._line(f"begin  {name}")

    def end(self, number: int, row: Row, done: int, total: int, left_seconds: float | None) -> None:
        rest = "" if left_seconds is None else f", about {_span(left_seconds)} left"
        self._line(f"{row.state:<6} {row.job}: {row.words()}  ({done} of {total}{rest})")

    def _line(self, text: str) -> None:
        # A log whose disk is full, or whose reader has gone, must not end the night.
        with contextlib.suppress(OSError):
            print(f"{time.monotonic() - self._since:8.1f} s  {text}", file=self._stream, flush=True)


class Table(Silent):
    """A live table: the running jobs with stage and progress, and how far the batch is.

    It is redrawn by the batch's own loop: a thread of its own would be in the way of signals and processes.
    """

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.live import Live

        self._running: dict[int, list[Any]] = {}
        self._done, self._total = 0, total
        self._left: float | None = None
        self._since = self._drawn = time.monotonic()
        self._console = Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def begin(self, number: int, name: str) -> None:
        self._running[number] = [name, "starting", None, time.monotonic()]

    def news(self, news: News) -> None:
        if news.number in self._running:
            self._running[news.number][1:3] = [news.stage, news.part]

    def end(self, number: int, row: Row, done: int, total: int, left_seconds: float | None) -> None:
        self._running.pop(number, None)
        self._done, self._total, self._left = done, total, left_seconds
        if row.needs_a_person:
            self._console.print(f"{row.job}: {row.words()}", markup=False, highlight=False)

    def refresh(self) -> None:
        now = time.monotonic()
        if now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        self._live.update(self._render(now), refresh=True)

    def close(self) -> None:
        self._live.stop()

    def _render(self, now: float) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid(box=None, pad_edge=False)
        for title in ("job", "stage", "progress", "time"):
            grid.add_column(title)
        # Names come from job files: markup in them must not be obeyed.
        for name, stage, part, since in self._running.values():
            bar = ProgressBar(total=1.0, completed=part, width=24) if part is not None else Text("")
            grid.add_row(Text(name), Text(stage), bar, Text(_span(now - since)))
        rest = "" if self._left is None else f", about {_span(self._left)} left"
        grid.add_row(
            Text(f"{self._done} of {self._total}"), Text(f"{_span(now - self._since)}{rest}"), "", ""
        )
        return grid


def view_for(verbosity: int, total: int) -> Silent:
    """A table on a terminal, lines in a log or with ``-v``, silence with ``-q``."""
    if verbosity < 0:
        return Silent()
    return Table(total) if verbosity == 0 and sys.stderr.isatty() else Lines()


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
    )
