"""The stage on which a base surface is rebuilt: an outline, the ground around it, and cells to work on.

A base is smooth, so it is rebuilt on working cells that are as coarse as the outline allows: ``Frame`` holds
block means of the heights, the share of each block inside the outline, and which blocks may carry the base.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from survey.errors import InputRefused

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_INSIDE = 2000  # working cells under an outline; a base has no detail below a fortieth of its width
_LEAST_USABLE = 0.5  # share of a block that must be natural ground for the block to carry the base


@dataclass(frozen=True, slots=True)
class Frame:
    """Working cells around one outline.

    ``z``: mean height of each block's natural ground, metres; NaN where less than half of it is natural.
    ``weight``: share of each block inside the outline, 0 to 1. ``inside``: blocks that the outline touches.
    ``clearance_m``: distance of each block's centre from the nearest block inside, 0 inside.
    ``factor``: fine cells a side of a block; ``row0``/``col0``: fine cell where block (0, 0) begins.
    """

    z: NDArray[np.float64]
    weight: NDArray[np.float64]
    inside: NDArray[np.bool_]
    clearance_m: NDArray[np.float64]
    cell_east: float
    cell_north: float
    factor: int
    row0: int
    col0: int

    @property
    def cell_m(self) -> float:
        return float(np.sqrt(self.cell_east * self.cell_north))

    @property
    def area_m2(self) -> float:
        return float(self.weight.sum() * self.cell_east * self.cell_north)

    @property
    def half_width_m(self) -> float:
        """Radius of the largest disc inside: how far the base must reach from the ring."""
        from scipy.ndimage import distance_transform_edt

        padded = np.pad(self.inside, 1)
        return float(distance_transform_edt(padded, sampling=(self.cell_north, self.cell_east)).max())

    def positions(self, mask: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """East and north of the blocks of ``mask`` from the outline's middle, in half-widths of its extent.

        The scaling keeps polynomials and splines well conditioned; it is the same for every use of the frame.
        """
        rows, cols = np.nonzero(self.inside)
        mid_row, mid_col = (rows.min() + rows.max()) / 2, (cols.min() + cols.max()) / 2
        span = self.span_m
        row, col = np.nonzero(mask)
        return (col - mid_col) * self.cell_east / span, (mid_row - row) * self.cell_north / span

    @property
    def span_m(self) -> float:
        """Half of the longer side of the outline's extent, metres."""
        rows, cols = np.nonzero(self.inside)
        return 0.5 * max(np.ptp(rows) * self.cell_north, np.ptp(cols) * self.cell_east, self.cell_m)


def working_factor(inside_cells: int) -> int:
    """Fine cells a side of a working block, for an outline that touches ``inside_cells`` fine cells."""
    return max(1, int(np.sqrt(inside_cells / MOST_INSIDE)))


def make_frame(
    z: NDArray[np.floating],
    weight: NDArray[np.floating],
    usable: NDArray[np.bool_],
    cell_east: float,
    cell_north: float,
    *,
    origin: tuple[int, int] = (0, 0),
    factor: int | None = None,
) -> Frame:
    """Lay working blocks over a piece of a survey.

    Parameters
    ----------
    z:
        Heights, metres, (rows, cols); NaN = not measured.
    weight:
        Share of each cell inside the outline, 0 to 1.
    usable:
        Natural ground that may carry the base: no other site, tree, wall or water.
    origin:
        Absolute (row, col) of the piece on the job grid. Blocks lie at absolute multiples of the factor, so
        that the base does not depend on the piece it is rebuilt with.

    Raises
    ------
    InputRefused
        The outline does not touch the piece.
    """
    from scipy.ndimage import distance_transform_edt

    if not (weight > 0).any():
        raise InputRefused("an outline lies outside the measured ground", mend="Check its coordinates.")
    f = working_factor(int(np.count_nonzero(weight > 0))) if factor is None else factor
    top, left = -origin[0] % f, -origin[1] % f
    # Cells before the first whole block belong to a block that is only partly here: pad to complete it.
    row0, col0 = (top - f if top else 0), (left - f if left else 0)
    rows, cols = -(-(z.shape[0] - row0) // f), -(-(z.shape[1] - col0) // f)

    def blocks(array: NDArray[np.floating], empty: float) -> NDArray[np.float64]:
        padded = np.full((rows * f, cols * f), empty)
        padded[-row0 : -row0 + z.shape[0], -col0 : -col0 + z.shape[1]] = array
        return padded.reshape(rows, f, cols, f).sum(axis=(1, 3))

    natural = usable & np.isfinite(z) & (weight == 0)
    # Sums are taken around a level so that heights of a thousand metres lose nothing.
    level = float(np.median(z[natural])) if natural.any() else 0.0
    count = blocks(natural.astype(np.float64), 0.0)
    total = blocks(np.where(natural, z - level, 0.0), 0.0)
    coarse_weight = blocks(np.asarray(weight, np.float64), 0.0) / f**2
    inside = coarse_weight > 0
    enough = (count >= _LEAST_USABLE * f**2) & ~inside
    height = np.full((rows, cols), np.nan)
    height[enough] = total[enough] / count[enough] + level
    step_north, step_east = cell_north * f, cell_east * f
    return Frame(
        z=height,
        weight=coarse_weight,
        inside=inside,
        clearance_m=distance_transform_edt(~inside, sampling=(step_north, step_east)),
        cell_east=step_east,
        cell_north=step_north,
        factor=f,
        row0=row0,
        col0=col0,
    )


def refine(base: NDArray[np.float64], frame: Frame, shape: tuple[int, int]) -> NDArray[np.float64]:
    """A base on working blocks, brought to the fine cells by bilinear interpolation between block centres.

    Blocks whose neighbour carries no base keep their own value towards it.
    """
    if frame.factor == 1:
        return base[-frame.row0 : -frame.row0 + shape[0], -frame.col0 : -frame.col0 + shape[1]].copy()
    f = frame.factor
    row = (np.arange(shape[0]) - frame.row0 + 0.5) / f - 0.5
    col = (np.arange(shape[1]) - frame.col0 + 0.5) / f - 0.5

    def ends(
        at: NDArray[np.float64], size: int
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        low = np.clip(np.floor(at), 0, size - 1).astype(np.intp)
        return low, np.minimum(low + 1, size - 1), np.clip(at - low, 0, 1)

    r0, r1, fr = ends(row, base.shape[0])
    c0, c1, fc = ends(col, base.shape[1])
    known = np.isfinite(base)
    value = np.where(known, base, 0.0)
    out, mass = np.zeros(shape), np.zeros(shape)
    for rr, wr in ((r0, 1 - fr), (r1, fr)):
        for cc, wc in ((c0, 1 - fc), (c1, fc)):
            part = wr[:, None] * wc
            here = known[np.ix_(rr, cc)]
            out += part * value[np.ix_(rr, cc)]
            mass += part * here
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(mass > 1e-9, out / mass, np.nan)


def framed(
    z: NDArray[np.float64],
    weight: NDArray[np.floating],
    usable: NDArray[np.bool_],
    wanted: NDArray[np.bool_],
    cell_east: float,
    cell_north: float,
    origin: tuple[int, int],
    factor: int | None = None,
) -> Frame:
    """A frame that is inside where a base is ``wanted``, and weighs what lies in the outline proper."""
    frame = make_frame(
        z, wanted.astype(np.float64), usable, cell_east, cell_north, origin=origin, factor=factor
    )
    proper = make_frame(z, weight, usable, cell_east, cell_north, origin=origin, factor=frame.factor)
    return replace(frame, weight=proper.weight)


def surface_of(z: NDArray[np.float64], known: NDArray[np.bool_], frame: Frame) -> NDArray[np.float64]:
    """Mean height of each working block, of all that was measured in it; NaN where nothing was."""
    f = frame.factor
    rows, cols = frame.z.shape

    def blocks(array: NDArray[np.float64]) -> NDArray[np.float64]:
        padded = np.zeros((rows * f, cols * f))
        padded[-frame.row0 : -frame.row0 + z.shape[0], -frame.col0 : -frame.col0 + z.shape[1]] = array
        return padded.reshape(rows, f, cols, f).sum(axis=(1, 3))

    level = float(np.median(z[known])) if known.any() else 0.0
    count = blocks(known.astype(np.float64))
    total = blocks(np.where(known, z - level, 0.0))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan) + level
