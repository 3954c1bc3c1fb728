"""Stable ground: the blocks and cells of the sample that did not change between the surveys.

Found from the data, not assumed: the narrow mode of the residual is the ground that stayed. Blocks whose
median lies outside the noise of block medians changed; so did cells far from their block.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.coregister import Tiling
from survey.dem.robust import nmad, shorth
from survey.dem.sampling import Points
from survey.grid import Grid

MOST_BLOCKS_A_SIDE = 16
CELL_CLIP = 4.0
"""Cells farther than this many σ from their block changed: of normal noise that costs 0.006 %."""
BLOCK_CLIP = 3.0
"""Blocks farther than this many σ from the mode of blocks changed: of normal noise that costs 0.3 %."""


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


def block_of(points: Points, side: int, job: Grid) -> tuple[NDArray[np.int64], int, Tiling]:
    """(n,) number row·cols + col of each point's block, from absolute indices; cols; the blocks."""
    cols = (job.col0 + job.width) // side + 2
    tiling = Tiling((points.row // side).astype(np.int64), (points.col // side).astype(np.int64))
    return tiling.row * cols + tiling.col, cols, tiling


def stable_cells(
    residual: NDArray[np.float64],
    use: NDArray[np.bool_],
    block: NDArray[np.int64],
    cols: int,
    least: int = 12,
) -> NDArray[np.bool_]:
    """Which points lie on ground that stayed.

    Parameters
    ----------
    residual : (n,) rise with the current fit taken out; NaN = not measured.
    use : (n,) points that may be stable at all.
    cols : block numbers are row·cols + col.
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
    near = np.abs(r - median[member]) <= CELL_CLIP * cell_sigma
    # A block of which more was clipped than is usual here is the edge of something.
    clipped = 1 - np.bincount(member, weights=near, minlength=names.size) / counts
    usual = float(np.median(clipped[kept])) if kept.any() else 0.0
    kept &= clipped <= max(0.01, 3 * usual)
    kept = _guarded(kept, enough & ~kept, names, cols)
    out = np.zeros_like(ok)
    out[index] = near & kept[member]
    return out


def _guarded(
    kept: NDArray[np.bool_], changed: NDArray[np.bool_], names: NDArray[np.int64], cols: int
) -> NDArray[np.bool_]:
    """Leave out the neighbours of changed blocks: a change fades out, and its fringe looks like noise.

    Where that would leave less than half of the stable blocks, the fringe has to be borne with.
    """
    near = np.isin(
        names, np.concatenate([names[changed] + dr * cols + dc for dr in (-1, 0, 1) for dc in (-1, 0, 1)])
    )
    guarded = kept & ~near
    return guarded if guarded.sum() >= 0.5 * kept.sum() else kept


def _near_mode(median: NDArray[np.float64], enough: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks whose median belongs to the narrow mode: clip, measure the spread of what is left, repeat."""
    m = median[enough]
    if m.size < 4:
        return enough
    centre, sigma = shorth(m, 0.3)
    # The shortest interval is picked for being short, so its σ is too small; the first clip is wide.
    kept = np.abs(median - centre) <= 2 * BLOCK_CLIP * sigma
    for _ in range(20):
        inside = median[enough & kept]
        if inside.size < 4:
            break
        centre, sigma = float(np.median(inside)), max(nmad(inside), 1e-6)
        new = np.abs(median - centre) <= BLOCK_CLIP * sigma
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
