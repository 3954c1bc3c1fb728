"""Contour lines, traced tile by tile and joined into the lines that one piece would have given.

Neighbouring tiles share their last and first row (column) of cell centres. A contour crosses the shared edge
between two centres at a point that depends on these two heights alone, so both tiles find it and the joined
line has exactly the vertices of the line traced in one piece.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.grid import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Heights = NDArray[np.float32] | NDArray[np.float64]
    Line = NDArray[np.float64]

INTERVALS_M = ((0.5, 20.0), (1.0, 150.0), (5.0, 750.0), (10.0, 1500.0), (50.0, math.inf))
"""Intervals and the relief up to which each is traced. All but the last divide 5 m and 10 m, so that the
lines which MCDR rules 32(1)(b) (at most 10 m) and 32(5)(b) (5 m) ask for are always among those traced."""

_GRAIN = float(1 << 16)
"""Vertices lie on a lattice of 2⁻¹⁶ of a cell, so that ends found by two tiles meet exactly."""
_SNAP = 2
"""Vertices so many ticks from a cell's centre lie on it. A line that turns round a centre as high as the
level has several there, in as many tiles, and which of them round to one tick would depend on the tiles."""


@dataclass(frozen=True, slots=True)
class Contour:
    """One line of equal height. ``line``: (n, 2) east, north; higher ground lies to its left."""

    level_m: float
    line: Line

    @property
    def closed(self) -> bool:
        return bool(np.array_equal(self.line[0], self.line[-1]))

    @property
    def length_m(self) -> float:
        return float(np.hypot(*np.diff(self.line, axis=0).T).sum())


def levels_between(low: float, high: float, interval: float) -> list[float]:
    """Whole multiples of ``interval`` in (low, high]."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return []
    first = math.floor(low / interval) + 1
    last = math.floor(high / interval)
    return [round(k * interval, 6) for k in range(first, last + 1)]


def fitting_interval(relief_m: float, noise_m: float = 0.0) -> float:
    """The finest interval for a relief that is no finer than twice the noise (95 %)."""
    for interval, most_relief in INTERVALS_M:
        if relief_m <= most_relief and interval >= 2 * noise_m:
            return interval
    return INTERVALS_M[-1][0]


def trace(heights: Heights, levels: Sequence[float]) -> list[tuple[float, NDArray[np.int64]]]:
    """Lines of ``heights`` in parts of a cell: (n, 2) integers, (row, col) · 2¹⁶, row 0 and col 0 centres.

    NaN cells are holes: lines end at them. Levels that the heights do not reach cost nothing.
    """
    from contourpy import LineType, contour_generator

    z = np.asarray(heights, np.float64)
    if min(z.shape) < 2 or not np.isfinite(z).any():
        return []
    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    tracer = contour_generator(z=np.ma.masked_invalid(z), name="serial", line_type=LineType.Separate)
    found: list[tuple[float, NDArray[np.int64]]] = []
    for level in levels:
        if not low < level <= high and not low <= level < high:
            continue
        for line in tracer.lines(level):
            # contourpy has higher ground to the left with y upwards; rows run downwards, so turn round.
            ticks = _snapped(np.rint(np.asarray(line)[::-1, ::-1] * _GRAIN).astype(np.int64))
            found += [(float(level), part) for part in _parted(ticks)]
    return found


def _snapped(ticks: NDArray[np.int64]) -> NDArray[np.int64]:
    """Vertices beside a cell's centre moved onto it, and no vertex twice in a row."""
    centre = np.rint(ticks / _GRAIN).astype(np.int64) * int(_GRAIN)
    beside = (np.abs(ticks - centre) <= _SNAP).all(axis=1)
    ticks[beside] = centre[beside]
    keep = np.ones(len(ticks), bool)
    keep[1:] = (ticks[1:] != ticks[:-1]).any(axis=1)
    return ticks[keep]


def _parted(ticks: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """A line cut at the cells' centres that it runs through.

    Several lines may meet in a centre; which of them go on as which is decided when they are joined, by one
    rule for all tiles.
    """
    at = np.flatnonzero(_on_centre(ticks))
    if len(ticks) < 2:
        return []
    if len(at) and (ticks[0] == ticks[-1]).all() and at[0] > 0:
        ticks = np.concatenate([ticks[at[0] :], ticks[1 : at[0] + 1]])
        at = np.flatnonzero(_on_centre(ticks))
    inner = at[(at > 0) & (at < len(ticks) - 1)]
    return [
        ticks[first : last + 1] for first, last in itertools.pairwise([0, *inner.tolist(), len(ticks) - 1])
    ]


def _on_centre(ticks: NDArray[np.int64]) -> NDArray[np.bool_]:
    return (ticks % int(_GRAIN) == 0).all(axis=-1)


def _is_ring(line: NDArray[np.int64]) -> bool:
    """What begins and ends in a centre may still have to be joined to others there."""
    return bool((line[0] == line[-1]).all()) and not bool(_on_centre(line[0]))


def join(pieces: Iterable[tuple[float, NDArray[np.int64]]]) -> list[tuple[float, NDArray[np.int64]]]:
    """Join lines of equal level whose ends meet, head to tail.

    The result does not depend on how the ground was cut: closed lines start at their first vertex in reading
    order, lines are sorted by level and start.
    """
    by_level: dict[float, list[NDArray[np.int64]]] = defaultdict(list)
    for level, line in pieces:
        by_level[level].append(line)
    joined: list[tuple[float, NDArray[np.int64]]] = []
    for level in sorted(by_level):
        lines = [_canonical(line) for line in _chains(by_level[level])]
        lines.sort(key=lambda line: (tuple(line[0]), tuple(line[1]), len(line)))
        joined += [(level, line) for line in lines]
    return joined


def _chains(lines: list[NDArray[np.int64]]) -> list[NDArray[np.int64]]:
    starts: dict[tuple[int, int], list[int]] = defaultdict(list)
    done: list[NDArray[np.int64]] = []
    open_lines: list[int] = []
    for k, line in enumerate(lines):
        if _is_ring(line):
            done.append(line)
        else:
            starts[_tick(line[0])].append(k)
            open_lines.append(k)
    ways = {k: (_way(lines[k][-1], lines[k][-2]), _way(lines[k][0], lines[k][1])) for k in open_lines}
    follows = {}
    for k in sorted(open_lines, key=lambda k: (*_tick(lines[k][-1]), ways[k][0])):
        heads = starts.get(_nearest(starts, _tick(lines[k][-1])), [])
        if heads:
            # The next on the left, so that lines which meet in one point touch and do not cross.
            nearest = min(heads, key=lambda j: ((ways[k][0] - ways[j][1]) % math.tau, ways[j][1]))
            heads.remove(nearest)
            follows[k] = nearest
    led = set(follows.values())
    used: set[int] = set()
    # Lines that nothing leads into first; what then remains are rings.
    for k in [*(k for k in open_lines if k not in led), *open_lines]:
        if k in used:
            continue
        chain = [k]
        used.add(k)
        while (after := follows.get(chain[-1])) is not None and after not in used:
            chain.append(after)
            used.add(after)
        points = [lines[chain[0]], *(lines[j][1:] for j in chain[1:])]
        whole = np.concatenate(points)
        if follows.get(chain[-1]) == chain[0]:
            whole[-1] = whole[0]
        done.append(whole)
    return done


def _way(point: NDArray[np.int64], beside: NDArray[np.int64]) -> float:
    """Direction from a line's end to the vertex beside it, radians."""
    return math.atan2(int(beside[0] - point[0]), int(beside[1] - point[1]))


def _tick(point: NDArray[np.int64]) -> tuple[int, int]:
    return int(point[0]), int(point[1])


def _nearest(starts: dict[tuple[int, int], list[int]], end: tuple[int, int]) -> tuple[int, int]:
    """The start that meets ``end``: the two tiles may round one crossing to neighbouring lattice points."""
    for down, right in ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)):
        tick = end[0] + down, end[1] + right
        if starts.get(tick):
            return tick
    return end


def _canonical(line: NDArray[np.int64]) -> NDArray[np.int64]:
    if not np.array_equal(line[0], line[-1]):
        return line
    ring = line[:-1]
    top = np.flatnonzero(ring[:, 0] == ring[:, 0].min())
    first = int(top[np.argmin(ring[top, 1])])
    return np.concatenate([ring[first:], ring[: first + 1]])


def contours(
    read: Callable[[Grid], Heights],
    grid: Grid,
    levels: Sequence[float],
    *,
    tile: int = 256,
    least_length_m: float = 0.0,
) -> list[Contour]:
    """Contours of a surface of any size, holding one tile of it at a time.

    Parameters
    ----------
    read:
        Heights (rows, cols) of a piece of ``grid``, NaN = not measured.
    levels:
        Heights to trace, metres.
    tile:
        Cells a side of what is traced at once. The lines do not depend on it; a small tile is reached by few
        of the levels, and the others cost nothing there.
    least_length_m:
        Shorter lines are left out.
    """
    found: list[tuple[float, NDArray[np.int64]]] = []
    ordered = sorted({float(level) for level in levels})
    for r in range(0, max(grid.height - 1, 1), tile):
        for c in range(0, max(grid.width - 1, 1), tile):
            piece = grid[r : r + tile + 1, c : c + tile + 1]
            shift = np.array([r, c], np.int64) * int(_GRAIN)
            found += [(level, line + shift) for level, line in trace(read(piece), ordered)]
    joined = join(found)
    if not joined:
        return []
    # All lines at once: there are thousands, and most of them are short.
    ground = to_ground(np.concatenate([line for _, line in joined]), grid)
    lines = np.split(ground, np.cumsum([len(line) for _, line in joined])[:-1])
    drawn = [Contour(level, line) for (level, _), line in zip(joined, lines, strict=True)]
    return [contour for contour in drawn if contour.length_m >= least_length_m]


def to_ground(ticks: NDArray[np.int64], grid: Grid) -> Line:
    """Lattice points (row, col) · 2¹⁶ of ``grid`` as (east, north)."""
    east, north = grid.east_north(ticks[:, 0] / _GRAIN, ticks[:, 1] / _GRAIN)
    return np.column_stack([east, north])


def thinned(line: Line, tolerance_m: float) -> Line:
    """Douglas–Peucker: the fewest of the vertices such that none lies farther off than the tolerance."""
    return thinned_all([line], tolerance_m)[0]


def thinned_all(lines: Sequence[Line], tolerance_m: float) -> list[Line]:
    """:func:`thinned` of many lines at once: asking for each by itself costs more than the thinning."""
    import shapely

    if tolerance_m <= 0 or not lines:
        return list(lines)
    # A ring has no ends to hold fast: it is cut at the vertex farthest from its start.
    cuts = [_farthest(line) for line in lines]
    parts: list[Line] = []
    for line, cut in zip(lines, cuts, strict=True):
        parts += [line] if cut is None else [line[: cut + 1], line[cut:]]
    whose = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    drawn = shapely.linestrings(np.concatenate(parts), indices=whose)
    kept, of = shapely.get_coordinates(
        shapely.simplify(drawn, tolerance_m, preserve_topology=False), return_index=True
    )
    pieces = iter(np.split(kept, np.searchsorted(of, np.arange(1, len(parts)))))
    return [
        next(pieces) if cut is None else np.concatenate([next(pieces)[:-1], next(pieces)]) for cut in cuts
    ]


def _farthest(line: Line) -> int | None:
    """Where to cut a ring; None for a line with ends."""
    if len(line) < 3 or not np.array_equal(line[0], line[-1]):
        return None
    far = int(np.argmax(np.hypot(*(line - line[0]).T)))
    return far if 0 < far < len(line) - 1 else None
