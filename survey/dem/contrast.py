"""The error of a mean rise over an area: noise there, against what alignment took from the stable ground.

A volume is area times mean rise, so σ_V = area · σ(mean). Areas are given as square metres in the nodes of
a coarse lattice over the scene; the parts that a node cannot resolve (random noise, texture, an area
smaller than a node) have closed forms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from survey.dem.align import Alignment
from survey.dem.covariance import correlation, disc_mean
from survey.dem.noise import Noise
from survey.dem.trend import Trend, distances
from survey.grid import Grid

NODES_A_SIDE = 24


@dataclass(frozen=True)
class Nodes:
    """A coarse lattice over the job grid: square nodes of ``side`` cells, in reading order."""

    job: Grid
    side: int
    rows: int
    cols: int
    east: NDArray[np.float64]
    north: NDArray[np.float64]
    slope_east: NDArray[np.float64]
    slope_north: NDArray[np.float64]

    @property
    def count(self) -> int:
        return self.rows * self.cols

    def of(self, row: NDArray[np.int64], col: NDArray[np.int64]) -> NDArray[np.int64]:
        """Node number of absolute cells."""
        return (row - self.job.row0) // self.side * self.cols + (col - self.job.col0) // self.side


def lay_nodes(job: Grid, alignment: Alignment) -> Nodes:
    """Nodes over the job grid, with the mean slope of the earlier ground at the sampled points of each."""
    side = max(1, -(-max(job.height, job.width) // NODES_A_SIDE))
    rows, cols = -(-job.height // side), -(-job.width // side)
    r, c = np.meshgrid(np.arange(rows), np.arange(cols), indexing="ij")
    mid_row = np.minimum((r.ravel() + 0.5) * side, job.height) - 0.5
    mid_col = np.minimum((c.ravel() + 0.5) * side, job.width) - 0.5
    east, north = job.east_north(mid_row, mid_col)
    at = alignment.points
    node = ((at.row - job.row0) // side * cols + (at.col - job.col0) // side).astype(np.int64)
    n = np.bincount(node, minlength=rows * cols)
    slopes = [
        np.bincount(node, weights=s, minlength=rows * cols) / np.maximum(n, 1)
        for s in (at.slope_east, at.slope_north)
    ]
    return Nodes(job, side, rows, cols, east, north, slopes[0], slopes[1])


@dataclass(frozen=True)
class MeanError:
    """Per area: σ of the mean rise, the part of it that the alignment brings, and degrees of freedom."""

    sigma_m: NDArray[np.float64]
    systematic_m: NDArray[np.float64]
    dof: float


def mean_error(areas_m2: NDArray[np.float64], nodes: Nodes, alignment: Alignment, noise: Noise) -> MeanError:
    """σ of the mean aligned rise over each area.

    Parameters
    ----------
    areas_m2 : (k, nodes.count) square metres of each area in each node; a row of zeros gives NaN.

    Raises
    ------
    ValueError
        The alignment has no stable ground, so nothing is known of the error.
    """
    trend = alignment.trend
    if trend is None:
        raise ValueError("no stable ground")
    total = areas_m2.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        w = areas_m2 / total[:, None]
    w = np.where(total[:, None] > 0, w, 0.0)
    columns = alignment.basis.columns(nodes.east, nodes.north)
    g = w @ columns  # (k, 4)
    blocks = trend.blocks
    between = distances(nodes.east, nodes.north, nodes.east, nodes.north)
    to_blocks = distances(nodes.east, nodes.north, blocks.east, blocks.north)
    variance = np.zeros(total.size)
    from_fit = np.zeros(total.size)
    gt = g[:, trend.terms]
    # Many hypotheses share a model and a range and differ in their sill: what is dear depends on the former.
    shapes: dict[tuple[str, float], tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
    for h in trend.hypotheses:
        key = (h.model, h.range_m)
        if key not in shapes:
            rho = correlation(between, h.range_m, h.model)
            np.fill_diagonal(rho, 0.0)
            c00 = ((w @ rho) * w).sum(axis=1)
            c00 += (w**2 * disc_mean(areas_m2, h.range_m, h.model)).sum(axis=1)
            shapes[key] = c00, w @ correlation(to_blocks, h.range_m, h.model)
        c00, c0 = shapes[key]
        lever = gt @ h.hat  # (k, m)
        fit = ((gt @ h.sigma) * gt).sum(axis=1)
        drift = (gt @ (h.beta - trend.beta)) ** 2
        fine = np.maximum(
            noise.fine_variance(total),
            np.minimum(h.fine / np.maximum(total, 1e-9), noise.random_m**2 + noise.texture_m**2),
        )
        shared = fit - 2 * h.sill * (lever * c0).sum(axis=1)
        variance += h.weight * (h.sill * c00 + fine + np.maximum(shared, -h.sill * c00) + drift)
        from_fit += h.weight * (fit + drift)
    # A shift that is not quite known tilts whatever stands on a slope, there and on the stable blocks.
    for k, (here, there) in enumerate(
        ((nodes.slope_east, blocks.slope_east), (nodes.slope_north, blocks.slope_north))
    ):
        lever = gt @ sum(h.weight * h.hat for h in trend.hypotheses)
        sensitivity = w @ here - lever @ there
        extra = sensitivity**2 * alignment.shift_covariance[k, k]
        variance += extra
        from_fit += extra
    left_out = _left_out(trend, alignment.full_trend, g)
    variance += left_out
    from_fit += left_out
    blank = total <= 0
    variance[blank] = np.nan
    from_fit[blank] = np.nan
    return MeanError(np.sqrt(np.maximum(variance, 0.0)), np.sqrt(np.maximum(from_fit, 0.0)), trend.dof)


def _left_out(trend: Trend, full: Trend | None, g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variance for terms that the stable ground did not support but could not exclude.

    Half the difference that they would make is taken as one σ: between "absent" and "as estimated" the data
    did not decide.
    """
    if full is None or full.terms == trend.terms:
        return np.zeros(g.shape[0])
    difference = g[:, full.terms] @ full.beta - g[:, trend.terms] @ trend.beta
    return (0.5 * difference) ** 2
