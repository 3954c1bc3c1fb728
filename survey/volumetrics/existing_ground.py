"""From disturbed ground to bodies: what lies above or below the ground that its surroundings continue.

The ground under a disturbed zone is first drawn from the ring around it. What stands out from it is cut at
many heights; of the nested outlines that this gives, the outermost is taken that follows a break of slope
about as well as any: a rim for a pit, a toe for a heap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from survey.volumetrics.existing_cells import distance_to, edge_of, filled, window_of

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_LEVELS = 12
_AS_WELL = 0.75
"""An outline follows the break as well as the best of those within if it has this share of its score."""
_HUBER = 1.5
_MOST_RING = 3000


@dataclass(frozen=True)
class Body:
    """One pit (sign −1) or heap (+1): its cells on the working piece, and how its outline follows a break.

    ``score``: 0 to 1. ``closed``: share of the outline on a break. ``level_m``: height of the cut over the
    drawn ground. ``sigma_m``: scatter of the ring about the drawn ground.
    """

    sign: int
    cells: Bools
    score: float
    closed: float
    level_m: float
    sigma_m: float


def zone_of(marked: Bools, cell_m: float) -> Bools:
    """The ground that breaks enclose: gaps closed in proportion to size, holes filled."""
    rows, cols = np.nonzero(marked)
    middle = np.cov(np.stack([rows, cols])) if rows.size > 2 else np.eye(2)
    narrow = 4 * math.sqrt(max(float(np.linalg.eigvalsh(middle)[0]), 0.0)) * cell_m
    radius = float(np.clip(0.35 * narrow, 2.0, 25.0)) / cell_m
    pad = math.ceil(radius) + 2
    window = window_of(marked)
    wide = np.pad(marked[window], pad)
    near = distance_to(wide) <= radius
    closed = filled(near)
    inside = distance_to(~closed) > radius
    out = np.zeros_like(marked)
    out[window] = (inside | filled(wide))[pad:-pad, pad:-pad]
    return out


def drawn_ground(z: Floats, zone: Bools, free: Bools, cell_m: float) -> tuple[Floats, float] | None:
    """Ground under a zone from the ring of free cells around it: heights, and the ring's scatter.

    A quadratic surface fitted with Huber weights, and on it what the ring differs from it, carried inwards.
    None where the ring holds too little.
    """
    away = distance_to(zone) * cell_m
    size = math.sqrt(zone.sum() / math.pi) * cell_m
    usable = free & ~zone & np.isfinite(z) & (away > 1.01 * cell_m)
    width = float(np.clip(0.4 * size, 4.0, 30.0))
    ring = usable & (away <= width)
    for _ in range(3):
        if ring.sum() >= 40:
            break
        width *= 1.6
        ring = usable & (away <= width)
    if ring.sum() < 12:
        return None
    rows, cols = np.nonzero(ring)
    step = 1 + rows.size // _MOST_RING
    rows, cols = rows[::step], cols[::step]
    r0, c0 = (float(x.mean()) for x in np.nonzero(zone))
    scale = max(size / cell_m + width / cell_m, 1.0)

    def terms(r: Floats, c: Floats, order: int) -> Floats:
        y, x = (r - r0) / scale, (c - c0) / scale
        one = [np.ones_like(x), x, y]
        return np.stack(one if order == 1 else [*one, x * x, x * y, y * y], axis=-1)

    level = float(np.median(z[rows, cols]))
    heights = z[rows, cols] - level
    # A ring on one side of the zone says nothing of how the ground bends across it.
    turn = np.arctan2(rows - r0, cols - c0)
    round_about = np.unique(np.floor((turn + np.pi) / (np.pi / 6)).astype(int) % 12).size
    order = 2 if round_about >= 10 else 1
    a = terms(rows.astype(float), cols.astype(float), order)
    weight = np.ones(rows.size)
    beta: Floats = np.zeros(a.shape[1])
    spread = 0.0
    for _ in range(8):
        aw = a.T * weight
        beta[:] = np.linalg.solve(aw @ a + 1e-9 * rows.size * np.eye(a.shape[1]), aw @ heights)
        off = heights - a @ beta
        spread = 1.4826 * float(np.median(np.abs(off))) + 1e-4
        weight = np.minimum(1.0, _HUBER * spread / np.maximum(np.abs(off), 1e-9))
    y, x = ((np.arange(n, dtype=float) - at) / scale for n, at in zip(z.shape, (r0, c0), strict=True))
    trend = (beta[0] + level + beta[1] * x)[None, :] + (beta[2] * y)[:, None]
    if order == 2:
        trend = trend + (beta[3] * x * x)[None, :] + (beta[5] * y * y)[:, None] + beta[4] * np.outer(y, x)
    near = ring & (np.abs(z - trend) < 4 * spread + 0.05)
    rest = np.where(near, z - trend, np.nan)
    ground = trend + carried(rest)
    return ground, spread


def carried(values: Floats) -> Floats:
    """Fill what is NaN from coarser and coarser means, bilinear between them (push and pull)."""
    known = np.isfinite(values)
    if known.all() or min(values.shape) < 2:
        return np.where(known, values, 0.0)
    rows, cols = values.shape
    half = (math.ceil(rows / 2), math.ceil(cols / 2))
    padded = np.full((half[0] * 2, half[1] * 2), np.nan)
    padded[:rows, :cols] = values
    blocks = padded.reshape(half[0], 2, half[1], 2)
    count = np.isfinite(blocks).sum(axis=(1, 3))
    total = np.where(np.isfinite(blocks), blocks, 0.0).sum(axis=(1, 3))
    small = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    if not np.isfinite(small).any():
        return np.zeros(values.shape)
    small = carried(small)
    return np.where(known, values, _doubled(small)[:rows, :cols])


def _doubled(small: Floats) -> Floats:
    def along(a: Floats) -> Floats:
        before = np.concatenate([a[:1], a[:-1]])
        after = np.concatenate([a[1:], a[-1:]])
        out = np.empty((2 * a.shape[0], a.shape[1]))
        out[0::2] = 0.75 * a + 0.25 * before
        out[1::2] = 0.75 * a + 0.25 * after
        return out

    return along(along(small).T).T


def bodies(
    rise: Floats,
    reach: Bools,
    rim: Floats,
    cell_m: float,
    sigma_m: float,
    least_m2: float,
    least_m: float,
) -> list[Body]:
    """Pits and heaps in a zone.

    Parameters
    ----------
    rise : heights over the drawn ground, NaN = not measured.
    reach : where bodies may lie.
    rim : breaks of slope in units of their limit: positive on rims, negative at toes.
    sigma_m : scatter of the ring; bodies must stand out by more.
    least_m2, least_m : smaller or shallower bodies are not looked at.
    """
    found: list[Body] = []
    rows, cols = np.flatnonzero(reach.any(axis=1)), np.flatnonzero(reach.any(axis=0))
    if not rows.size:
        return found
    around = slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(cols[0] - 1, 0), cols[-1] + 2)
    for sign in (-1, 1):
        up = np.where(reach & np.isfinite(rise), sign * rise, -np.inf)[around]
        top = float(up.max(initial=-np.inf))
        lowest = max(0.12, min(1.0 * sigma_m, 0.3 * top))
        if top < max(least_m, lowest):
            continue
        # Toes of heaps are hollow breaks, rims of pits are ridges.
        edge = np.clip(-sign * rim[around], 0.0, 2.0) / 2.0
        levels = np.geomspace(lowest, max(0.6 * top, 1.2 * lowest), _LEVELS)
        for body in _best(up, edge, levels, sign, cell_m, sigma_m, least_m2, least_m):
            cells = np.zeros(rise.shape, bool)
            cells[around] = body.cells
            found.append(replace(body, cells=cells))
    return found


def _best(
    up: Floats,
    edge: Floats,
    levels: Floats,
    sign: int,
    cell_m: float,
    sigma_m: float,
    least_m2: float,
    least_m: float,
) -> list[Body]:
    from scipy.ndimage import find_objects, label, maximum_filter

    near = maximum_filter(edge, size=3)
    everywhere = np.ones((3, 3), bool)
    least = 0.6 * least_m2 / cell_m**2
    nodes: list[tuple[int, tuple[slice, slice], Bools, float, float]] = []
    for k, level in enumerate(levels):
        marks, _ = label(up > level, structure=everywhere)
        for number, window in enumerate(find_objects(marks), start=1):
            # With its holes filled a part is no larger than the window, and what is in it no higher.
            if marks[window].size < least or up[window].max() < least_m:
                continue
            own = filled(marks[window] == number)
            if own.sum() < least or up[window][own].max() < least_m:
                continue
            score, closed = _followed(own, near, window)
            nodes.append((k, window, own, score, closed))
    taken: list[Body] = []

    def inside(a: int, b: int) -> bool:
        """Whether node a lies in node b."""
        wa, wb = nodes[a][1], nodes[b][1]
        r, c = wa[0].start, wa[1].start
        i, j = np.argwhere(nodes[a][2])[0]
        r, c = r + i - wb[0].start, c + j - wb[1].start
        shape = nodes[b][2].shape
        return bool(0 <= r < shape[0] and 0 <= c < shape[1] and nodes[b][2][r, c])

    done: set[int] = set()
    for a in range(len(nodes)):
        if a in done:
            continue
        within = [b for b in range(a + 1, len(nodes)) if nodes[b][0] > nodes[a][0] and inside(b, a)]
        best = max([nodes[a][3], *(nodes[b][3] for b in within)])
        if nodes[a][3] >= _AS_WELL * best:
            done.update(within)
            k, window, own, score, closed = nodes[a]
            cells = np.zeros(up.shape, bool)
            cells[window] = own
            taken.append(Body(sign, cells, score, closed, float(levels[k]), sigma_m))
    return taken


def _followed(own: Bools, near: Floats, window: tuple[slice, slice]) -> tuple[float, float]:
    """Mean break along the outline, and the share of the outline that lies on one."""
    on = near[window][edge_of(own)]
    return float(on.mean()), float((on > 0.4).mean())
