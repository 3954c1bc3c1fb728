"""Does the same fine texture stand in two places of one surface?

Noise never repeats. A patch copied over another place (to hide a pit under good ground) repeats the second
differences of the heights, whatever constant or tilt was added to fit it in. Runs of second differences along
the rows, rounded to a step that survives the rounding of 32-bit floats, are hashed; equal hashes that
agree on one displacement are looked at cell by cell.

A large raster is thinned by the *hash*, not by place, so that both copies of a run are kept or dropped
together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.steps import step_of
from survey.forensics.flag import Box, Flag, Outcome
from survey.forensics.noise import GAIN, MAD, fine_texture, last_digit
from survey.jit import kernel

TEST = "real.clone"
RUN = 12
"""Second differences in a run."""
_LEAST_MOVE = 12
_LEAST_MATCHES = 8
_MOST_REPEATS = 4
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(29)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Keys:
    """Hashes of runs and where they begin (row, col of the whole raster)."""

    key: NDArray[np.uint64]
    row: NDArray[np.int64]
    col: NDArray[np.int64]

    @staticmethod
    def joined(parts: list[Keys]) -> Keys:
        return Keys(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("key", "row", "col")))


def rounding_step(sample: NDArray[np.floating]) -> float | None:
    """The step to which second differences are rounded; None if the noise is too small for the test."""
    texture = np.abs(fine_texture(sample))
    texture = texture[np.isfinite(texture)]
    if texture.size < 1000:
        return None
    noise = MAD * float(np.median(texture)) / GAIN
    step = max(step_of([sample]), 10 * last_digit(sample), noise / 12)
    return step if step < 1.5 * noise else None


def run_keys(z: NDArray[np.floating], step: float, *, row0: int = 0, col0: int = 0, thin: int = 1) -> Keys:
    """Hashes of all runs of a tile with enough variety; one in ``thin`` by the value of the hash."""
    heights = np.asarray(z, np.float64)
    empty = Keys(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    if heights.shape[1] < RUN + 2:
        return empty
    return Keys(*_runs(heights, step, row0, col0, np.uint64(thin)))


@kernel
def _runs(z, step, row0, col0, thin):  # type: ignore[no-untyped-def]
    """Hash, row and column of each run that was measured whole and says something, in reading order."""
    rows, cols = z.shape
    bends = cols - 2
    key = np.empty(rows * (bends - RUN + 1), np.uint64)
    row = np.empty(key.size, np.int64)
    col = np.empty(key.size, np.int64)
    level = np.empty(bends, np.int64)
    found = 0
    for i in range(rows):
        whole = 0  # second differences known in a row, up to here
        for j in range(bends):
            bend = z[i, j] - 2 * z[i, j + 1] + z[i, j + 2]
            whole = whole + 1 if np.isfinite(bend) else 0
            level[j] = np.int64(np.rint(bend / step)) if whole else 0
            if whole < RUN:
                continue
            first = j - RUN + 1
            low = high = level[first]
            changes = 0
            for k in range(first + 1, j + 1):
                low = min(low, level[k])
                high = max(high, level[k])
                changes += level[k] != level[k - 1]
            # A run of equal or nearly equal steps says nothing: planes and ramps are alike everywhere.
            if high - low < 4 or changes < RUN // 2:
                continue
            # Hashing wraps around by design.
            mixed = np.uint64(0)
            for k in range(first, j + 1):
                mixed = (mixed ^ np.uint64(level[k])) * _MULTIPLIER
                mixed ^= mixed >> _SHIFT
            if mixed % thin != 0:
                continue
            key[found], row[found], col[found] = mixed, i + row0, first + col0
            found += 1
    return key[:found].copy(), row[:found].copy(), col[:found].copy()


@dataclass(frozen=True)
class Candidate:
    """A displacement on which many runs agree: ``box`` and the same box moved by (rows, cols)."""

    rows: int
    cols: int
    matches: int
    box: Box


def candidates(keys: Keys, most: int = 20) -> list[Candidate]:
    """Displacements on which equal runs agree, most matches first."""
    if keys.key.size < 2:
        return []
    order = np.argsort(keys.key, kind="stable")
    key, row, col = keys.key[order], keys.row[order], keys.col[order]
    starts = np.flatnonzero(np.r_[True, key[1:] != key[:-1]])
    lengths = np.diff(np.r_[starts, key.size])
    # What repeats many times is a pattern of the ground (benches, ploughing, a noise-free slope), not a copy.
    first: list[NDArray[np.intp]] = []
    second: list[NDArray[np.intp]] = []
    for size in range(2, _MOST_REPEATS + 1):
        group = starts[lengths == size]
        for i in range(size):
            for j in range(i + 1, size):
                first.append(group + i)
                second.append(group + j)
    if not first:
        return []
    a, b = np.concatenate(first), np.concatenate(second)
    dr, dc = row[b] - row[a], col[b] - col[a]
    flip = (dr < 0) | ((dr == 0) & (dc < 0))
    a, b = np.where(flip, b, a), np.where(flip, a, b)
    dr, dc = np.abs(dr), np.where(flip, -dc, dc)
    far = np.maximum(np.abs(dr), np.abs(dc)) >= _LEAST_MOVE
    a, dr, dc = a[far], dr[far], dc[far]
    if a.size == 0:
        return []
    code = dr * (1 << 32) + dc
    by = np.argsort(code, kind="stable")
    code, a = code[by], a[by]
    starts = np.flatnonzero(np.r_[True, code[1:] != code[:-1]])
    counts = np.diff(np.r_[starts, code.size])
    found = []
    for i in np.flatnonzero(counts >= _LEAST_MATCHES).tolist():
        members = a[starts[i] : starts[i] + counts[i]]
        r, c = row[members], col[members]
        # Without the few that agree by chance far away.
        r0, r1 = (int(v) for v in np.percentile(r, [1, 99], method="nearest"))
        c0, c1 = (int(v) for v in np.percentile(c, [1, 99], method="nearest"))
        move_r, move_c = divmod(int(code[starts[i]]) + (1 << 31), 1 << 32)
        found.append(
            Candidate(move_r, move_c - (1 << 31), int(counts[i]), Box(r0, c0, r1 - r0 + 1, c1 - c0 + RUN + 1))
        )
    found.sort(key=lambda k: (-k.matches, k.rows, k.cols))
    return found[:most]


Reader = Callable[[Box], NDArray[np.floating]]


def judge_clones(
    found: list[Candidate],
    read: Reader,
    cell_m: float,
    *,
    least_area_m2: float = 40.0,
    no_power: str | None = None,
) -> Outcome:
    """Look at each candidate cell by cell. ``read`` returns the heights of a box, NaN outside the raster."""
    if no_power is not None:
        return Outcome(TEST, no_power=no_power)
    flags: list[Flag] = []
    for candidate in found:
        box = candidate.box
        if box.cells > 16_000_000:
            continue
        here, there = read(box), read(box.moved(candidate.rows, candidate.cols))
        la, lb = fine_texture(here), fine_texture(there)
        slack = 8 * max(last_digit(here), last_digit(there))
        known = np.isfinite(la) & np.isfinite(lb)
        informative = known & ((np.abs(la) > 3 * slack) | (np.abs(lb) > 3 * slack))
        equal = informative & (np.abs(la - lb) <= slack)
        n, same = int(informative.sum()), int(equal.sum())
        area = same * cell_m**2
        # Within the box of an odd-shaped patch some ground is not copied.
        if n == 0 or area < least_area_m2 or same < 0.2 * n:
            continue
        rise = np.asarray(there, np.float64) - np.asarray(here, np.float64)
        added = float(np.nanmedian(rise[equal]))
        flags.append(
            Flag(
                TEST,
                "repeated patch",
                "strong",
                f"The same fine texture stands in two places, "
                f"{np.hypot(candidate.rows, candidate.cols) * cell_m:,.0f} m apart: {area:,.0f} m², with a "
                f"difference in height of {added:+.2f} m. Measured ground never repeats.",
                {
                    "area_m2": area,
                    "equal_cells": same,
                    "move_rows": candidate.rows,
                    "move_cols": candidate.cols,
                    "rise_m": added,
                    "matches": candidate.matches,
                },
                (box, box.moved(candidate.rows, candidate.cols)),
                ("a tile of the point cloud was loaded twice in processing",),
            )
        )
    return Outcome(TEST, tuple(flags[:10]), evidence={"candidates": len(found)})


def clones(z: NDArray[np.floating], cell_m: float) -> Outcome:
    """The whole test on one array, (rows, cols) metres."""
    step = rounding_step(z)
    if step is None:
        return judge_clones(
            [], lambda box: z, cell_m, no_power="the surface has too little noise, or is rounded"
        )

    def read(box: Box) -> NDArray[np.floating]:
        out = np.full((box.height, box.width), np.nan)
        r0, c0 = max(box.row, 0), max(box.col, 0)
        r1, c1 = min(box.row + box.height, z.shape[0]), min(box.col + box.width, z.shape[1])
        if r0 < r1 and c0 < c1:
            out[r0 - box.row : r1 - box.row, c0 - box.col : c1 - box.col] = z[r0:r1, c0:c1]
        return out

    return judge_clones(candidates(run_keys(z, step)), read, cell_m)
