"""Which job begins when, with how many threads and how much memory: nothing here touches a pixel.

Jobs run side by side in processes. The pass over the pixels is all that gains from threads; reading, drawing
and writing do not. So while as many jobs wait as there are cores, each has one thread; a job that is most of
what is left has most of the cores, the largest begin first, and what all may take together is bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from survey.pipelines.memory import PROGRAM_BYTES, least_bytes, usual_bytes

if TYPE_CHECKING:
    from survey.pipelines.job import Job

FIXED_CELLS = 400e6
"""Opening, drawing and writing cost as much time as one thread takes for so many cells."""
WORTH_THREADS_CELLS = 100e6
"""Below this, the pass over the pixels is too short for threads to matter."""

HEADROOM_BYTES = 250_000_000
"""Beside what a process already holds, a job needs this much of what it is given."""
SMALL_BYTES = PROGRAM_BYTES + 30_000_000 + HEADROOM_BYTES
"""With so much a process that has done a small job can do the next. A fresh one for each costs two jobs."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a job costs, by the headers and sizes of its files."""

    cells: float

    @property
    def effort(self) -> float:
        return FIXED_CELLS + self.cells

    def bytes(self, threads: int, limit: int) -> int:
        """Memory it is given: what it usually takes, or all there is."""
        return min(usual_bytes(self.cells, threads), limit)

    @property
    def least(self) -> int:
        return least_bytes(self.cells)


@dataclass(frozen=True, slots=True)
class Grant:
    """What a job that begins now may use."""

    threads: int
    bytes: int


def may_hold(limit: int) -> int:
    """Memory that a process may hold already when it is given a job that may take ``limit`` in all."""
    return limit - HEADROOM_BYTES


def need_of(job: Job) -> Need:
    """Cells of all elevation models that the job compares; a file that tells nothing counts by its bytes."""
    if job.head.delivery is not None:
        return Need(_size(job.folder / job.head.delivery))
    names = [s.dtm or s.dem for s in job.measured]
    return Need(sum(_cells(job.folder / name) for name in names if name is not None))


def _cells(path: Path) -> float:
    from survey.rasters.tiff import BadTiff, read_tiff

    try:
        main = read_tiff(path).main
        return float(main.width) * main.height
    except (BadTiff, OSError, ValueError):
        return _size(path)


def _size(path: Path) -> float:
    try:
        return float(path.stat().st_size)
    except OSError:
        return 0.0


def grant(
    need: Need,
    running: Sequence[Grant],
    waiting: Sequence[Need],
    cores: int,
    memory: int,
) -> Grant | None:
    """What ``need`` (one of ``waiting``) is given now; None if it has to wait for others to end."""
    free = cores - sum(g.threads for g in running)
    if free < 1:
        return None
    threads = 1
    if need.cells >= WORTH_THREADS_CELLS:
        share = need.effort / sum(n.effort for n in waiting)
        threads = max(1, min(free, int(cores * share)))
    left = memory - sum(g.bytes for g in running)
    # Threads cost memory: others that wait must not starve for it.
    while threads > 1 and len(waiting) > 1 and need.bytes(threads, memory) > left // 2:
        threads = max(1, threads // 2)
    wanted = need.bytes(threads, memory)
    share = memory * threads // cores
    if all(n.bytes(threads, memory) <= share for n in waiting):
        # Equal shares are enough for all that wait: more room means wider pieces, and processes live longer.
        wanted = max(wanted, min(share, left))
    # A large job is cut narrower before small ones beside it have to begin with a fresh process each.
    others = min(free - threads, len(waiting) - 1)
    spared = left - others * SMALL_BYTES
    if others > 0 and need.least + HEADROOM_BYTES <= spared < wanted:
        wanted = spared
    if wanted > left:
        # The pass can be cut smaller, down to a point; below it, wait.
        if not running:
            return Grant(threads, memory)
        if left < max(need.least, wanted // 2):
            return None
        wanted = left
    return Grant(threads, wanted)
