"""Stable ground: the blocks and cells of the sample that did not change between the surveys.

Found from the data, not assumed: the narrow mode of the residual is the ground that stayed. Blocks whose
median lies outside the noise of block medians changed; so did cells far from their block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.robust import nmad, shorth
from survey.dem.sampling import Points
from survey.grid import Grid

MOST_BLOCKS_A_SIDE = 18
CLIP = 4.0
"""Blocks (cells) farther than this many σ from the mode (their block) changed: it costs 0.006 % of normal noise."""


@dataclass(frozen=True)
class Blocks:
    """Means of stable cells over square blocks of the job grid. Arrays are (m,) unless said otherwise."""

    side_m: float
    east: NDArray[np.float64]
    north: NDArray[np.float64]
    value: NDArray[np.float64]  # mean rise, before any height term is added
    share: NDArray[np.float64]  # part of the block's cells that is stable, 0…1
    columns: NDArray[np.float64]  # (m, 4) basis averaged over the stable cells
    slope_east: NDArray[np.float64]
    slope_north: NDArray[np.float64]
    count: int

    @property
    def area_m2(self) -> float:
        """Stable area that the blocks stand for within the sample."""
        return float(self.share.sum()) * self.side_m**2


def block_side(job: Grid, lattice: bool, window_cells: int) -> int:
    """Side of a block in cells."""
    if lattice:
        return window_cells // 2
    return max(4, -(-max(job.height, job.width) // MOST_BLOCKS_A_SIDE))


def block_of(points: Points, side: int, job: Grid) -> NDArray[np.int64]:
    """(n,) number of the block that each point lies in, from absolute indices."""
    cols = (job.col0 + job.width) // side + 2
    return (points.row // side).astype(np.int64) * cols + (points.col // side).astype(np.int64)


def stable_cells(
    residual: NDArray[np.float64], use: NDArray[np.bool_], block: NDArray[np.int64], least: int = 12
) -> NDArray[np.bool_]:
    """Which points lie on ground that stayed.

    Parameters
    ----------
    residual : (n,) rise with the current fit taken out; NaN = not measured.
    use : (n,) points that may be stable at all.
    least : a block with fewer usable points says nothing.
    """
    ok = use & np.isfinite(residual)
    index = np.flatnonzero(ok)
    if index.size < 2 * least:
        return np.zeros_like(ok)
    names, member = np.unique(block[index], return_inverse=True)
    r = residual[index]
    order = np.lexsort((r, member))
    counts = np.bincount(member, minlength=names.size)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sorted_r = r[order]

    def quantile(q: float) -> NDArray[np.float64]:
        return sorted_r[starts + np.minimum((q * counts).astype(np.int64), counts - 1)]

    median = quantile(0.5)
    spread = (quantile(0.75) - quantile(0.25)) / 1.349
    enough = counts >= least
    kept = enough & _near_mode(median, enough)
    # Rough blocks are not ground: a block that changed in part, trees, water.
    typical = np.median(spread[kept]) if kept.any() else np.nan
    kept &= spread <= 3.0 * max(float(typical), 1e-6)
    cell_sigma = np.maximum(spread[member], 0.5 * typical)
    near = np.abs(r - median[member]) <= CLIP * cell_sigma
    # A block of which much was clipped is the edge of something.
    clipped = 1 - np.bincount(member, weights=near, minlength=names.size) / counts
    kept &= clipped <= 0.2
    out = np.zeros_like(ok)
    out[index] = near & kept[member]
    return out


def _near_mode(median: NDArray[np.float64], enough: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks whose median belongs to the narrow mode: clip, measure the spread of what is left, repeat."""
    m = median[enough]
    if m.size < 4:
        return enough
    centre, sigma = shorth(m, 0.3)
    # The shortest interval is picked for being short, so its σ is too small; the first clip is wide.
    kept = np.abs(median - centre) <= 1.5 * CLIP * sigma
    for _ in range(20):
        inside = median[enough & kept]
        if inside.size < 4:
            break
        centre, sigma = float(np.median(inside)), max(nmad(inside), 1e-6)
        new = np.abs(median - centre) <= CLIP * sigma
        if bool((new == kept).all()):
            break
        kept = new
    return kept & enough


def block_means(
    points: Points,
    rise: NDArray[np.float64],
    stable: NDArray[np.bool_],
    block: NDArray[np.int64],
    columns: NDArray[np.float64],
    side_m: float,
    full: int,
) -> Blocks:
    """Mean rise of each block's stable cells. ``full`` is the number of sampled cells in a whole block."""
    index = np.flatnonzero(stable)
    names, member = np.unique(block[index], return_inverse=True)
    m = names.size
    n = np.bincount(member, minlength=m).astype(np.float64)

    def mean(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(member, weights=x[index], minlength=m) / n

    keep = n >= max(4.0, 0.1 * full)
    return Blocks(
        side_m=side_m,
        east=mean(points.east)[keep],
        north=mean(points.north)[keep],
        value=mean(rise)[keep],
        share=np.minimum(n / full, 1.0)[keep],
        columns=np.stack([mean(columns[:, k]) for k in range(columns.shape[1])], axis=1)[keep],
        slope_east=mean(points.slope_east)[keep],
        slope_north=mean(points.slope_north)[keep],
        count=int(keep.sum()),
    )
