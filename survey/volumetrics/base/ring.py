"""Which ground around an outline is the ground that was there before.

An outline may end in a wall, a road bank, a spoil heap, or, where only part of a working is assessed, in the
same pit's floor. Such ground must not carry the base. Where the ground breaks at the outline there is a rim;
the plane through that rim is laid on to the other sides. A side that lies near it is natural ground, as where
the floor of a hillside cut runs out to daylight; a side that lies off it by much of the site's depth is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from survey.volumetrics.base.frame import Frame
from survey.volumetrics.base.operators import _terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

RING_WIDTH = 0.7  # of the outline's half-width: wide enough to show the ground's curvature
RIM_BLOCKS = 2.5  # blocks beyond the gap that count as the rim
GAP_BLOCKS = 1.01  # the block next to the outline is blurred by it
_SECTORS = 24
_SHALLOW_NMAD = 2.5  # of the ring about a plane
_CLEAR_BREAK = 0.5  # of the clearest break, for a sector to count as rim for sure
_OPEN_SIDE = 0.35  # of the site's depth: a ring that lies farther off the rim's plane is no rim
_OPEN_SIDE_NMAD = 2.0  # … and by more than the rim itself scatters
_FOOT_NMAD = 2.0
_EDGE_NMAD = 1.5  # of the outer ring: the median of a whole band scatters far less than one block
_EDGE_DEPTH = 0.03
_EDGE_STEP = 0.3
_OUTLYING_NMAD = 6.0  # natural relief has long tails: only what is far outside them is rejected
_OUTLYING_DEPTH = 0.2  # … and only if it matters against the depth of the site
_LEAST_M = 0.02
_LEAST_SHARE = 0.5  # of a sector that must be natural for the sector to count
_ROUNDS = 12


@dataclass(frozen=True, slots=True)
class Ring:
    """``wide``: blocks for fits, ``rim``: the nearest of them, for methods that start at the edge.

    ``share``: part of the outline's length with natural ground beside it, 0 to 1; ``rejected``: the part that
    was measured but is not natural; ``gap_m``: clearance at which the ring begins; ``width_m``;
    ``noise_m``: NMAD of the ring about its smooth trend.
    """

    wide: NDArray[np.bool_]
    rim: NDArray[np.bool_]
    share: float
    rejected: float
    gap_m: float
    width_m: float
    noise_m: float


def find_ring(frame: Frame, surface: NDArray[np.float64] | None = None, *, judge: bool = True) -> Ring:
    """The natural ring around an outline.

    Parameters
    ----------
    surface:
        Mean height of all measured ground on the frame's blocks, inside the outline too. With it, the break
        of the ground at the outline says where the rim is.
    judge:
        False: take all usable ground, as the caller has chosen it.
    """
    width = max(3 * frame.cell_m, RING_WIDTH * frame.half_width_m)
    gap = GAP_BLOCKS * frame.cell_m
    around, sector, natural = _around(frame, surface, gap, width, judge)
    if judge and surface is not None:
        good = np.bincount(sector[natural], minlength=_SECTORS) > 0
        farther = _clear_of_the_edge(frame, surface, gap, width, good)
        if farther > gap:
            gap = farther
            around, sector, natural = _around(frame, surface, gap, width, judge)
    usable = around & np.isfinite(frame.z)
    length = np.bincount(sector[around], minlength=_SECTORS)
    had = np.bincount(sector[usable], minlength=_SECTORS) >= _LEAST_SHARE * length
    kept = np.bincount(sector[natural], minlength=_SECTORS) >= _LEAST_SHARE * length
    there = length > 0
    return Ring(
        wide=natural,
        rim=natural & (frame.clearance_m <= gap + RIM_BLOCKS * frame.cell_m),
        share=float(kept[there].mean()) if there.any() else 0.0,
        rejected=float((had & ~kept)[there].mean()) if there.any() else 0.0,
        gap_m=float(gap),
        width_m=float(width),
        noise_m=_noise(frame, natural),
    )


def _around(
    frame: Frame, surface: NDArray[np.float64] | None, gap: float, width: float, judge: bool
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.bool_]]:
    """Blocks of the ring, the sector of each, and which of them are natural ground."""
    around = (frame.clearance_m > gap) & (frame.clearance_m <= gap + width)
    usable = around & np.isfinite(frame.z)
    sector = _sectors(frame, around)
    if judge and np.count_nonzero(usable) >= 12:
        return around, sector, _natural(frame, usable, sector, surface)
    return around, sector, usable


def _clear_of_the_edge(
    frame: Frame, surface: NDArray[np.float64], gap: float, width: float, good: NDArray[np.bool_]
) -> float:
    """How far from the outline the ground begins that the site did not touch, metres.

    Where an outline was drawn a little inside the rim, or a bund runs round the edge, the nearest ground is
    not the ground before. Bands of one block are compared with a trend through the outer half of the ring,
    both in the sectors with natural ground only.
    """
    distance = frame.clearance_m
    reach = (distance > gap) & (distance <= gap + 1.5 * width) & np.isfinite(frame.z)
    reach &= good[_sectors(frame, reach)]
    outer = reach & (distance > gap + width / 2)
    bands = reach & (distance <= gap + width / 2)
    if outer.sum() < 40 or not bands.any():
        return gap
    terms, level = _terms(*frame.positions(outer), 2), float(np.median(frame.z[outer]))
    kept, _, scale = _concentrate(np.ones(len(terms), bool), frame.z[outer] - level, terms, 0.0)
    fit, *_ = np.linalg.lstsq(terms[kept], frame.z[outer][kept] - level, rcond=1e-8)
    off = frame.z[bands] - level - _terms(*frame.positions(bands), 2) @ fit
    inside = frame.inside & np.isfinite(surface)
    depth = np.median(np.abs(surface[inside] - level - _terms(*frame.positions(inside), 2) @ fit))
    limit = max(_EDGE_NMAD * scale, _EDGE_DEPTH * float(depth), _LEAST_M)
    band = np.floor((distance[bands] - gap) / frame.cell_m).astype(int)
    levels = [
        float(np.median(off[band == k])) if (band == k).any() else 0.0 for k in range(int(band.max()) + 1)
    ]
    # On a face one band lies well below the next; on natural ground the medians of whole bands hardly differ.
    levels.append(levels[-1])
    for k, level in enumerate(levels[:-1]):
        if abs(level) <= limit and abs(levels[k + 1] - level) <= _EDGE_STEP * limit:
            return gap + k * frame.cell_m
    return gap + width / 2


def _sectors(frame: Frame, around: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of the piece of outline that lies nearest, counted around the outline in equal pieces."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    edge = frame.inside & ~binary_erosion(frame.inside, border_value=0)
    rows, cols = np.nonzero(edge)
    bearing = np.arctan2((cols - cols.mean()) * frame.cell_east, (rows.mean() - rows) * frame.cell_north)
    # Equal counts of edge blocks, not equal angles: a long outline has most of its edge on two sides.
    rank = np.empty(len(bearing), np.intp)
    rank[np.lexsort((cols, rows, bearing))] = np.arange(len(bearing))
    number = np.zeros(edge.shape, np.intp)
    number[rows, cols] = rank * _SECTORS // max(len(bearing), 1)
    nearest = distance_transform_edt(
        ~edge, sampling=(frame.cell_north, frame.cell_east), return_distances=False, return_indices=True
    )
    return np.where(around, number[tuple(nearest)], 0)


def _natural(
    frame: Frame, usable: NDArray[np.bool_], sector: NDArray[np.intp], surface: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    z = frame.z[usable]
    part = sector[usable]
    terms = _terms(*frame.positions(usable), 2)
    step = _steps(frame, usable, surface)
    middle = np.array([np.median(step[part == s]) if (part == s).any() else 0.0 for s in range(_SECTORS)])
    size = np.abs(middle)
    # A pit breaks down and a heap up: the side on which the clear breaks lie is the site's kind.
    kind = float(np.sign(np.sum(middle * size))) or 1.0
    clear = float(np.quantile(size, 0.9))
    breaking = kind * middle >= _CLEAR_BREAK * clear
    if clear <= 0 or breaking.sum() < _SECTORS // 4:
        breaking[:] = True
    depth = float(np.median(size[breaking])) if surface is not None else 0.0

    # The plane through the breaking rim is laid on to where the ground does not break.
    kept, residual, scale = _concentrate(breaking[part], z, terms[:, :3], depth)
    if depth < _SHALLOW_NMAD * scale:
        # The site does not stand out of the relief: breaks tell nothing of where its rim is.
        breaking[:], depth = True, 0.0
        kept, residual, scale = _concentrate(breaking[part], z, terms[:, :3], depth)
    off = max(_OUTLYING_NMAD * scale, _OPEN_SIDE * depth, _LEAST_M)
    # Towards the level of the site's own inside the doubt goes the other way: natural ground lost there
    # widens the interval, but a floor taken for ground would halve the volume.
    towards = min(off, max(_OPEN_SIDE_NMAD * scale, _OPEN_SIDE * depth, _LEAST_M))
    sides = np.array([np.median(residual[part == s]) if (part == s).any() else 0.0 for s in range(_SECTORS)])
    good = (kind * sides <= off) & (kind * sides >= -towards)
    kept = good[part] & (kind * residual <= off) & (kind * residual >= -towards)

    # Where the ring closes, its curvature can be told from what does not belong to it.
    closed = np.isin(np.arange(_SECTORS), part[kept]).mean() > 0.8 and kept.sum() >= 40
    kept, residual, scale = _concentrate(kept, z, terms if closed else terms[:, :3], depth, among=good[part])
    kept &= ~_feet(usable, kept, residual, scale)
    count = np.bincount(part, minlength=_SECTORS)
    good &= np.bincount(part[kept], minlength=_SECTORS) >= _LEAST_SHARE * count
    out = np.zeros(usable.shape, bool)
    out[usable] = kept & good[part]
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
        path[usable] = side * residual > _FOOT_NMAD * max(scale, _LEAST_M / 2)
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
    depth = distance_transform_edt(frame.inside, sampling=(frame.cell_north, frame.cell_east))
    core = (depth >= max(1.5 * frame.cell_m, 0.33 * frame.half_width_m)) & np.isfinite(surface)
    if not core.any():
        return np.ones(n)
    # On a hillside the ground itself rises from inside to the upper ring: its general slope is taken off.
    everywhere = np.ones(frame.inside.shape, bool)
    terms, level = _terms(*frame.positions(usable), 1), float(np.median(frame.z[usable]))
    fit, *_ = np.linalg.lstsq(terms, frame.z[usable] - level, rcond=1e-8)
    slope = (_terms(*frame.positions(everywhere), 1) @ fit).reshape(frame.inside.shape)
    nearest = distance_transform_edt(~core, return_distances=False, return_indices=True)
    return (frame.z - slope)[usable] - (surface - slope)[tuple(nearest)][usable]


def _concentrate(
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
        after = among & (np.abs(residual) <= max(_OUTLYING_NMAD * scale, _OUTLYING_DEPTH * depth, _LEAST_M))
        if after.sum() < 2 * terms.shape[1] or np.array_equal(after, kept):
            break
        kept = after
    return kept, residual, scale


def _noise(frame: Frame, natural: NDArray[np.bool_]) -> float:
    z = frame.z[natural]
    if len(z) < 12:
        return float("nan")
    terms = _terms(*frame.positions(natural), 2)
    fit, *_ = np.linalg.lstsq(terms, z - z[0], rcond=1e-8)
    residual = z - z[0] - terms @ fit
    return 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
