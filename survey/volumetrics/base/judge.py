"""Which blocks of a ring are natural ground: consensus of the rim, and what lies off it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from survey.volumetrics.base.frame import Frame
from survey.volumetrics.base.operators import _terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECTORS = 24
_SHALLOW_NMAD = 2.5  # of the ring about a plane
_ANY_BREAK = 0.2  # … and for it to break at all
_CLEAR_BREAK = 0.5  # of the clearest break, for a sector to count as rim for sure
_OPEN_SIDE = 0.35  # of the site's depth: a ring that lies farther off the rim's plane is no rim
_OFF_DEPTH = 0.1  # … where rings near by tell what natural ground does
_OPEN_SIDE_NMAD = 2.0  # … and by more than the rim itself scatters
_FOOT_NMAD = 2.0
_OUTLYING_NMAD = 6.0  # natural relief has long tails: only what is far outside them is rejected
_OUTLYING_USUAL = 3.5  # … or outside what rings near by scatter
_ODD = 1.5  # times what rings near by scatter: something stands in this one
_OUTLYING_DEPTH = 0.2  # … and only if it matters against the depth of the site
LEAST_M = 0.02
LEAST_SHARE = 0.5  # of a sector that must be natural for the sector to count
_ROUNDS = 12


def natural(
    frame: Frame,
    usable: NDArray[np.bool_],
    sector: NDArray[np.intp],
    surface: NDArray[np.float64] | None,
    pit: bool | None = None,
    usual_m: float | None = None,
) -> NDArray[np.bool_]:
    """Blocks of ``usable`` that are natural ground, bool (rows, cols).

    ``sector``: the piece of outline that each block lies beside, 0 to ``SECTORS`` - 1. ``surface``: measured
    heights on the blocks, inside the outline too. ``pit``: the site's kind, if it is known. ``usual_m``:
    scatter of such a ring about its plane on undisturbed ground near by, if there is any.
    """
    z = frame.z[usable]
    part = sector[usable]
    terms = _terms(*frame.positions(usable), 2)
    step = _steps(frame, usable, surface)
    middle = np.array([np.median(step[part == s]) if (part == s).any() else 0.0 for s in range(SECTORS)])
    size = np.abs(middle)
    clear = float(np.quantile(size, 0.9))
    kind = _kind(middle, clear) if pit is None or surface is None else (1.0 if pit else -1.0)
    side = _Sides(kind, part, z, terms, usual_m)
    odd = usual_m is None or _scatter(side) > _ODD * usual_m
    if not odd:
        side = replace(side, usual_m=None)
    breaking = kind * middle >= _CLEAR_BREAK * clear
    if clear <= 0 or breaking.sum() < SECTORS // 4:
        breaking[:] = True
    depth = float(np.median(size[breaking])) if surface is not None else 0.0
    good, kept, depth = _agreeing(side, breaking, depth)
    if surface is not None and clear > 0 and odd and not (good.all() and depth > 0):
        # A wall breaks more than the rim does, so the clearest breaks need not be the rim: the level that
        # most of the outline agrees on is taken, if the inside lies clearly off it.
        core = _core(frame, surface)
        for way in (np.ones(SECTORS, bool), kind * middle >= _ANY_BREAK * clear):
            agreed = _consensus(frame, usable, side, way)
            if agreed is None:
                continue
            off = _inside_below(frame, usable, side, agreed, surface, core)
            if pit is not None and np.sign(off) != kind:
                continue
            tried = replace(side, kind=float(np.sign(off)) or 1.0)
            other = _agreeing(tried, agreed, abs(off))
            if other[2] > 0 and other[0].sum() > max(good.sum() if depth > 0 else 0, SECTORS // 2):
                side = tried
                good, kept, depth = other

    # Where the ring closes, its curvature can be told from what does not belong to it.
    closed = np.isin(np.arange(SECTORS), part[kept]).mean() > 0.8 and kept.sum() >= 40
    kept, residual, scale = concentrate(kept, z, terms if closed else terms[:, :3], depth, among=good[part])
    kept &= ~_feet(usable, kept, residual, scale)
    count = np.bincount(part, minlength=SECTORS)
    good &= np.bincount(part[kept], minlength=SECTORS) >= LEAST_SHARE * count
    out = np.zeros(usable.shape, bool)
    out[usable] = kept & good[part]
    return out


@dataclass(frozen=True, slots=True)
class _Sides:
    """The ring's blocks: sector, height and polynomial terms of each; ``kind``: 1 a pit, -1 a heap."""

    kind: float
    part: NDArray[np.intp]
    z: NDArray[np.float64]
    terms: NDArray[np.float64]
    usual_m: float | None


def _scatter(side: _Sides) -> float:
    """Root mean square of the whole ring about its plane, metres."""
    level = side.z - side.z.mean()
    fit, *_ = np.linalg.lstsq(side.terms[:, :3], level, rcond=1e-8)
    return float(np.sqrt(np.mean((level - side.terms[:, :3] @ fit) ** 2)))


def _kind(middle: NDArray[np.float64], clear: float) -> float:
    """A pit breaks down (1) and a heap up (-1): what most of the sectors that break at all say."""
    down, up = (np.count_nonzero(sign * middle >= _ANY_BREAK * clear) for sign in (1.0, -1.0))
    if down != up:
        return 1.0 if down > up else -1.0
    return float(np.sign(np.sum(middle * np.abs(middle)))) or 1.0


def _agreeing(
    side: _Sides, breaking: NDArray[np.bool_], depth: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], float]:
    """(good sectors, good blocks, depth): the plane through the breaking rim, laid on to all other sides.

    ``depth`` comes back as 0 where the site does not stand out of the relief.
    """
    z, part, kind = side.z, side.part, side.kind
    _, residual, scale = concentrate(breaking[part], z, side.terms[:, :3], depth)
    if side.usual_m is not None:
        scale = min(scale, max(side.usual_m, LEAST_M / 2))
    shallow = depth < _SHALLOW_NMAD * scale
    if shallow:
        # Breaks tell nothing of where the rim is.
        depth = 0.0
        if side.usual_m is None:
            breaking = np.ones(SECTORS, bool)
            _, residual, scale = concentrate(breaking[part], z, side.terms[:, :3], depth)
    if side.usual_m is None:
        off = max(_OUTLYING_NMAD * scale, _OPEN_SIDE * depth, LEAST_M)
    else:
        # A wall in the ring widens the ring's own scatter, but not that of rings near by.
        off = max(_OUTLYING_USUAL * side.usual_m, _OFF_DEPTH * depth, LEAST_M)
    # Towards the level of the site's own inside the doubt goes the other way: natural ground lost there
    # widens the interval, but a floor taken for ground would halve the volume.
    towards = off if shallow else min(off, max(_OPEN_SIDE_NMAD * scale, _OPEN_SIDE * depth, LEAST_M))
    sides = np.array([np.median(residual[part == s]) if (part == s).any() else 0.0 for s in range(SECTORS)])
    good = (kind * sides <= off) & (kind * sides >= -towards)
    return good, good[part] & (kind * residual <= off) & (kind * residual >= -towards), depth


def _core(frame: Frame, surface: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Measured blocks at least a third of the half-width inside the edge."""
    from scipy.ndimage import distance_transform_edt

    depth = distance_transform_edt(frame.inside, sampling=(frame.cell_north, frame.cell_east))
    return (depth >= max(1.5 * frame.cell_m, 0.33 * frame.half_width_m)) & np.isfinite(surface)


def _inside_below(
    frame: Frame,
    usable: NDArray[np.bool_],
    side: _Sides,
    agreed: NDArray[np.bool_],
    surface: NDArray[np.float64],
    core: NDArray[np.bool_],
) -> float:
    """How far the inside lies below the plane through some sectors, metres; negative above it."""
    if not core.any():
        return 0.0
    some = agreed[side.part]
    level = float(np.median(side.z[some]))
    fit, *_ = np.linalg.lstsq(side.terms[some, :3], side.z[some] - level, rcond=1e-8)
    return float(np.median(_terms(*frame.positions(core), 1) @ fit + level - surface[core]))


def _consensus(
    frame: Frame, usable: NDArray[np.bool_], side: _Sides, breaking: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """The sectors among those that break whose levels agree best on one plane.

    Least trimmed squares over the sectors' median heights (Rousseeuw & Van Driessen 1999), begun from every
    arc of the outline, so that up to nearly half of it may be walls.
    """
    there = np.array([(side.part == s).any() for s in range(SECTORS)]) & breaking
    which = np.flatnonzero(there)
    if len(which) < SECTORS // 3:
        return None
    x, y = frame.positions(usable)
    points = np.array([[np.median(v[side.part == s]) for v in (x, y, side.z)] for s in which])
    terms = np.column_stack([np.ones(len(points)), points[:, :2]])
    level = points[:, 2] - np.median(points[:, 2])
    half = max(len(which) // 2 + 1, 4)
    best, chosen = np.inf, which
    for start in range(len(which)):
        for length in (4, max(4, len(which) // 3), half):
            kept = (start + np.arange(length)) % len(which)
            for _ in range(_ROUNDS):
                fit, *_ = np.linalg.lstsq(terms[kept], level[kept], rcond=1e-6)
                square = (level - terms @ fit) ** 2
                after = np.sort(np.argsort(square, kind="stable")[:half])
                if np.array_equal(after, kept):
                    break
                kept = after
            # Differences far below a centimetre say nothing: the first of equals is kept.
            if float(square[kept].sum()) < best - 1e-4:
                best, chosen = float(square[kept].sum()), which[kept]
    out = np.zeros(SECTORS, bool)
    out[chosen] = True
    return out


def _feet(
    usable: NDArray[np.bool_], kept: NDArray[np.bool_], residual: NDArray[np.float64], scale: float
) -> NDArray[np.bool_]:
    """Blocks that lead down or up to what was rejected: the foot of a wall, the upper part of a face."""
    from scipy.ndimage import binary_dilation, binary_propagation

    out = np.zeros(len(residual), bool)
    near = np.ones((3, 3), bool)
    for side in (-1.0, 1.0):
        seed, path = np.zeros(usable.shape, bool), np.zeros(usable.shape, bool)
        seed[usable] = ~kept & (side * residual > 0)
        path[usable] = side * residual > _FOOT_NMAD * max(scale, LEAST_M / 2)
        grown = binary_propagation(seed, structure=near, mask=path | seed)
        # One block more: a height beside a face is the mean of ground and face.
        out |= (binary_dilation(grown, structure=near) if seed.any() else grown)[usable]
    return out


def _steps(
    frame: Frame, usable: NDArray[np.bool_], surface: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Height of each ring block over the ground inside, metres: the break of the ground at the outline.

    The height inside is taken a third of the half-width in from the edge. Where ring and inside are level, as
    on the floor of a pit that goes on, it is 0. Without a surface it is 1 everywhere: nothing is known.
    """
    from scipy.ndimage import distance_transform_edt

    n = int(usable.sum())
    if surface is None:
        return np.ones(n)
    core = _core(frame, surface)
    if not core.any():
        return np.ones(n)
    # On a hillside the ground itself rises from inside to the upper ring: its general slope is taken off.
    everywhere = np.ones(frame.inside.shape, bool)
    terms, level = _terms(*frame.positions(usable), 1), float(np.median(frame.z[usable]))
    fit, *_ = np.linalg.lstsq(terms, frame.z[usable] - level, rcond=1e-8)
    slope = (_terms(*frame.positions(everywhere), 1) @ fit).reshape(frame.inside.shape)
    nearest = distance_transform_edt(~core, return_distances=False, return_indices=True)
    return (frame.z - slope)[usable] - (surface - slope)[tuple(nearest)][usable]


def concentrate(
    start: NDArray[np.bool_],
    z: NDArray[np.float64],
    terms: NDArray[np.float64],
    depth: float,
    among: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.bool_], NDArray[np.float64], float]:
    """Fit, drop from the start what lies far off, and again (the steps of Rousseeuw & Van Driessen 1999).

    Returns what was kept, the residual of every block, and the NMAD of those kept, metres.
    """
    among = start if among is None else among
    kept, residual, scale = start, np.zeros(len(z)), 0.0
    for _ in range(_ROUNDS):
        level = float(np.median(z[kept]))
        fit, *_ = np.linalg.lstsq(terms[kept], z[kept] - level, rcond=1e-8)
        residual = z - level - terms @ fit
        scale = 1.4826 * float(np.median(np.abs(residual[kept])))
        after = among & (np.abs(residual) <= max(_OUTLYING_NMAD * scale, _OUTLYING_DEPTH * depth, LEAST_M))
        if after.sum() < 2 * terms.shape[1] or np.array_equal(after, kept):
            break
        kept = after
    return kept, residual, scale
