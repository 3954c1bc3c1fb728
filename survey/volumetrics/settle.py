"""Parts of a band whose fate is known while the band is still being read.

Noise leaves small parts along the borders of tiles that may go on in a neighbour. Kept to the end they would
be most of what a large scene holds; but once the neighbours have been seen, a body that holds no seed and
goes on nowhere is no region, and nothing of it is kept. What is left joins to the very same regions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from survey.grid import Grid
from survey.volumetrics.runs import Parts, Runs, join, keep

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

_COLUMNS = (
    "sign",
    "cells",
    "seeds",
    "sums",
    "weighted",
    "covered",
    "shallow_m",
    "deep_m",
    "deepest",
    "levels",
)


class Settling:
    """Takes the parts of a band's tiles, a row of tiles at a time from north to south.

    Between rows it holds the parts that can become regions, those of seedless bodies that reach the last row
    seen, and the runs of that row. ``job``: the whole scene; bodies at its rim go on nowhere.
    """

    def __init__(self, job: Grid, band: Grid) -> None:
        self._job, self._band = job, band
        self._done: list[Parts] = []
        self._new: list[Parts] = []
        # Bodies that reach the last row: their runs on it, their sign, and whether they are kept anyway.
        self._front: Runs = np.empty((0, 4), np.int32)
        self._sign: NDArray[np.int8] = np.empty(0, np.int8)
        self._safe: Bools = np.empty(0, np.bool_)
        # Parts that wait to be told, and the body of the front that each belongs to.
        self._waiting: Parts | None = None
        self._body: Ints = np.empty(0, np.int64)

    def add(self, found: Parts) -> None:
        """What one tile found, with all parts that hold a seed or touch its border."""
        if found.count:
            self._new.append(found)

    def row_done(self, end: int) -> None:
        """All tiles above absolute row ``end`` have been added."""
        if not self._new:
            self._forget()
            return
        new, bodies = _concatenated(self._new), self._sign.size
        self._new = []
        runs, body = join([_only_runs(self._front, self._sign), new])
        n = int(body.max()) + 1
        of_new, of_front = body[bodies:], body[:bodies]
        safe, front = np.zeros(n, np.bool_), np.zeros(n, np.bool_)
        safe[of_front[self._safe]] = True
        safe[of_new[new.seeds > 0]] = True
        safe[runs[self._leaves(runs), 3]] = True
        last = runs[runs[:, 0] == end - 1]
        front[last[:, 3]] = True
        sign = np.zeros(n, np.int8)
        sign[of_front], sign[of_new] = self._sign, new.sign
        self._keep(new, safe[of_new])
        waiting = [(new, of_new)]
        if self._waiting is not None:
            mine = of_front[self._body]
            self._keep(self._waiting, safe[mine])
            waiting.append((self._waiting, mine))
        number = np.cumsum(front) - 1
        held = [(keep(p, m), b[m]) for p, b in waiting if (m := front[b] & ~safe[b]).any()]
        self._waiting = _concatenated([p for p, _ in held]) if held else None
        self._body = number[np.concatenate([b for _, b in held])] if held else np.empty(0, np.int64)
        self._front = last.copy()
        self._front[:, 3] = number[last[:, 3]]
        self._sign, self._safe = sign[front], safe[front]

    @property
    def held(self) -> int:
        """Parts that wait to be told."""
        return 0 if self._waiting is None else self._waiting.count

    def parts(self) -> tuple[Parts, ...]:
        """All that can be part of a region; the band is over."""
        band, job = self._band, self._job
        if self._waiting is not None and band.row0 + band.height < job.row0 + job.height:
            self._done.append(self._waiting)
        self._forget()
        return tuple(self._done)

    def _leaves(self, runs: Runs) -> Bools:
        """Runs at a border of the band beyond which the scene goes on, but for the border to the south."""
        band, job = self._band, self._job
        out = np.zeros(len(runs), np.bool_)
        if band.row0 > job.row0:
            out |= runs[:, 0] == band.row0
        if band.col0 > job.col0:
            out |= runs[:, 1] == band.col0
        if band.col0 + band.width < job.col0 + job.width:
            out |= runs[:, 2] == band.col0 + band.width
        return out

    def _keep(self, parts: Parts, wanted: Bools) -> None:
        if wanted.any():
            self._done.append(parts if wanted.all() else keep(parts, wanted))

    def _forget(self) -> None:
        self._front, self._sign, self._safe = self._front[:0], self._sign[:0], self._safe[:0]
        self._waiting, self._body = None, self._body[:0]


def _concatenated(parts: list[Parts]) -> Parts:
    if len(parts) == 1:
        return parts[0]
    offsets = np.cumsum([0, *(p.count for p in parts)])
    runs = np.concatenate([p.runs for p in parts])
    runs[:, 3] += np.repeat(offsets[:-1], [len(p.runs) for p in parts]).astype(runs.dtype)
    return Parts(runs, *(np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS))


def _only_runs(runs: Runs, sign: NDArray[np.int8]) -> Parts:
    """Bodies without tallies, to be joined with."""
    none = np.empty(0, np.int64)
    few = np.empty(0, np.float32)
    return Parts(runs, sign, none, none, none, none, none, few, few, none, none)
