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
from survey.volumetrics.base.judge import LEAST_M, LEAST_SHARE, SECTORS, concentrate, natural
from survey.volumetrics.base.operators import _terms

if TYPE_CHECKING:
    from numpy.typing import NDArray

RING_WIDTH = 0.7  # of the outline's half-width: wide enough to show the ground's curvature
RIM_BLOCKS = 2.5  # blocks beyond the gap that count as the rim
GAP_BLOCKS = 1.01  # the block next to the outline is blurred by it
_EDGE_NMAD = 1.5  # of the outer ring: the median of a whole band scatters far less than one block
_EDGE_DEPTH = 0.03
_EDGE_STEP = 0.3


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


def find_ring(
    frame: Frame,
    surface: NDArray[np.float64] | None = None,
    *,
    judge: bool = True,
    pit: bool | None = None,
    usual_m: float | None = None,
) -> Ring:
    """The natural ring around an outline.

    Parameters
    ----------
    surface:
        Mean height of all measured ground on the frame's blocks, inside the outline too. With it, the break
        of the ground at the outline says where the rim is.
    judge:
        False: take all usable ground, as the caller has chosen it.
    pit:
        The site's kind, if it is known.
    usual_m:
        Scatter of such a ring about its plane on undisturbed ground near by.
    """
    width = max(3 * frame.cell_m, RING_WIDTH * frame.half_width_m)
    gap = GAP_BLOCKS * frame.cell_m
    around, sector, natural_ground = _around(frame, surface, gap, width, judge, pit, usual_m)
    if judge and surface is not None:
        good = np.bincount(sector[natural_ground], minlength=SECTORS) > 0
        farther = _clear_of_the_edge(frame, surface, gap, width, good)
        if farther > gap:
            gap = farther
            around, sector, natural_ground = _around(frame, surface, gap, width, judge, pit, usual_m)
    return _described(frame, around, sector, natural_ground, gap, width)


def with_more(frame: Frame, ring: Ring, more: NDArray[np.bool_]) -> Ring:
    """A ring with some of the blocks that were rejected taken in again."""
    around = (frame.clearance_m > ring.gap_m) & (frame.clearance_m <= ring.gap_m + ring.width_m)
    return _described(
        frame, around, sectors(frame, around), ring.wide | (more & around), ring.gap_m, ring.width_m
    )


def _described(
    frame: Frame,
    around: NDArray[np.bool_],
    sector: NDArray[np.intp],
    kept_ground: NDArray[np.bool_],
    gap: float,
    width: float,
) -> Ring:
    usable = around & np.isfinite(frame.z)
    length = np.bincount(sector[around], minlength=SECTORS)
    had = np.bincount(sector[usable], minlength=SECTORS) >= LEAST_SHARE * length
    kept = np.bincount(sector[kept_ground], minlength=SECTORS) >= LEAST_SHARE * length
    there = length > 0
    return Ring(
        wide=kept_ground,
        rim=kept_ground & (frame.clearance_m <= gap + RIM_BLOCKS * frame.cell_m),
        share=float(kept[there].mean()) if there.any() else 0.0,
        rejected=float((had & ~kept)[there].mean()) if there.any() else 0.0,
        gap_m=float(gap),
        width_m=float(width),
        noise_m=_noise(frame, kept_ground),
    )


def _around(
    frame: Frame,
    surface: NDArray[np.float64] | None,
    gap: float,
    width: float,
    judge: bool,
    pit: bool | None,
    usual_m: float | None,
) -> tuple[NDArray[np.bool_], NDArray[np.intp], NDArray[np.bool_]]:
    """Blocks of the ring, the sector of each, and which of them are natural ground."""
    around = (frame.clearance_m > gap) & (frame.clearance_m <= gap + width)
    usable = around & np.isfinite(frame.z)
    sector = sectors(frame, around)
    if judge and np.count_nonzero(usable) >= 12:
        return around, sector, natural(frame, usable, sector, surface, pit, usual_m)
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
    reach &= good[sectors(frame, reach)]
    outer = reach & (distance > gap + width / 2)
    bands = reach & (distance <= gap + width / 2)
    if outer.sum() < 40 or not bands.any():
        return gap
    terms, level = _terms(*frame.positions(outer), 2), float(np.median(frame.z[outer]))
    kept, _, scale = concentrate(np.ones(len(terms), bool), frame.z[outer] - level, terms, 0.0)
    fit, *_ = np.linalg.lstsq(terms[kept], frame.z[outer][kept] - level, rcond=1e-8)
    off = frame.z[bands] - level - _terms(*frame.positions(bands), 2) @ fit
    inside = frame.inside & np.isfinite(surface)
    under = np.abs(surface[inside] - level - _terms(*frame.positions(inside), 2) @ fit)
    depth = np.median(under) if under.size else 0.0
    limit = max(_EDGE_NMAD * scale, _EDGE_DEPTH * float(depth), LEAST_M)
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


def sectors(frame: Frame, around: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Number of the piece of outline that lies nearest, counted around the outline in equal pieces."""
    from scipy.ndimage import binary_erosion, distance_transform_edt

    edge = frame.inside & ~binary_erosion(frame.inside, border_value=0)
    rows, cols = np.nonzero(edge)
    bearing = np.arctan2((cols - cols.mean()) * frame.cell_east, (rows.mean() - rows) * frame.cell_north)
    # Equal counts of edge blocks, not equal angles: a long outline has most of its edge on two sides.
    rank = np.empty(len(bearing), np.intp)
    rank[np.lexsort((cols, rows, bearing))] = np.arange(len(bearing))
    number = np.zeros(edge.shape, np.intp)
    number[rows, cols] = rank * SECTORS // max(len(bearing), 1)
    nearest = distance_transform_edt(
        ~edge, sampling=(frame.cell_north, frame.cell_east), return_distances=False, return_indices=True
    )
    return np.where(around, number[tuple(nearest)], 0)


def _noise(frame: Frame, natural: NDArray[np.bool_]) -> float:
    z = frame.z[natural]
    if len(z) < 12:
        return float("nan")
    terms = _terms(*frame.positions(natural), 2)
    fit, *_ = np.linalg.lstsq(terms, z - z[0], rcond=1e-8)
    residual = z - z[0] - terms @ fit
    return 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
